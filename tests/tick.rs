//! A steady tick over the emulated AWS: what it costs, and above all what it leaves alone.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On};
use proof::rig::{PRIMARY, Rig, world};
use rds_route53_failover::model::Change::RouteToSecondary;

#[tokio::test(start_paused = true)]
async fn a_healthy_primary_costs_three_reads_and_no_write() {
    let rig = Rig::new(world(), &[]);
    tick_stays(&rig, "primary-healthy").await;
    assert_eq!(rig.emulator.world().calls().len(), 3);
    // So does a primary that is busy, and every tick after the first.
    set_status(&rig, PRIMARY, "rebooting");
    tick_stays(&rig, "primary-on-hold").await;
    assert_eq!(rig.emulator.world().calls().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_steady_tick_takes_one_round_trip() {
    let mut w = world();
    w.faults.standing(On::any(), Fault::Slow(seconds(1)));
    let rig = Rig::new(w, &[]);
    let begun = rig.time.now();
    tick_stays(&rig, "primary-healthy").await;
    assert_eq!((rig.time.now() - begun).as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_trigger_twice_changes_nothing_the_second_time() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    tick_stays(&rig, "promotion-off").await;
    tick_stays(&rig, "promotion-off").await;
}
