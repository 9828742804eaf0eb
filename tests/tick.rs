//! A tick over the emulated AWS: what it reads, what it changes, and above all what it does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proof::rig::{PRIMARY, Rig, world};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_healthy_primary_costs_three_reads_and_no_write() {
    let rig = Rig::new(world(), &[]);
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("stay", "primary-healthy"));
    let world = rig.emulator.world();
    assert_eq!(world.calls().len(), 3);
    assert_eq!(world.writes().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_outage_moves_traffic_and_a_recovery_moves_it_back() {
    let mut w = world();
    w.set_status(PRIMARY, "storage-full");
    let rig = Rig::new(w, &[]);
    let report = rig.tick().await.unwrap();
    println!("{}", json!(report));
    assert_eq!((report.decision, report.reason, report.observations), ("fail-over", "primary-unhealthy", 3));
    for call in rig.emulator.world().calls() {
        println!("{call:?}");
    }
    let report = rig.tick().await.unwrap();
    println!("{}", json!(report));
    rig.emulator.world().set_status(PRIMARY, "available");
    let report = rig.tick().await.unwrap();
    println!("{}", json!(report));
    assert_eq!(report.decision, "fail-back");
    for m in rig.metrics.lock().unwrap().iter() {
        println!("{m}");
    }
}
