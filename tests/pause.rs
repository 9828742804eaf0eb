//! A pause: written, kept, lifted; it stops ticks, and no person.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use proof::rig::{CHECK, PRIMARY, Rig, world};
use rds_route53_failover::model::Change::{Pause, PromoteReplica, Resume, RouteToPrimary, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_pause_stops_every_automatic_change_until_it_ends() {
    let mut w = world_with("failed");
    w.console_set_tag(CHECK, "failover:pause", "until=2026-01-31T13:00:00Z reason=index rebuild");
    let rig = Rig::new(w, &[PROMOTE]);
    let report = tick_stays(&rig, "paused").await;
    assert!(report.message.contains("index rebuild"), "{}", report.message);
    assert_eq!(report.observations, 1, "nothing to confirm");
    rig.wait(seconds(3500)).await;
    tick_stays(&rig, "paused").await;
    rig.wait(seconds(150)).await;
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions[0], RouteToSecondary);
}

#[tokio::test(start_paused = true)]
async fn a_pause_stops_promotion_and_failback_too() {
    for status in ["failed", "available"] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        rig.emulator.world().console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
        set_status(&rig, PRIMARY, status);
        tick_stays(&rig, "paused").await;
    }
}

#[tokio::test(start_paused = true)]
async fn orders_work_while_paused() {
    let rig = Rig::new(world_with("failed"), &[]);
    obeyed(&rig, json!({"action": "pause", "reason": "work"}), "paused", &[Pause]).await;
    assert_eq!(tag(&rig, "pause").unwrap(), "until=forever reason=work");
    tick_stays(&rig, "paused").await;
    obeyed(
        &rig,
        failover(json!({"promote": true})),
        "promotion-ordered",
        &[RouteToSecondary, PromoteReplica],
    )
    .await;
    set_status(&rig, PRIMARY, "available");
    obeyed(&rig, failback(json!({"force": true})), "failback-ordered", &[RouteToPrimary]).await;
    assert!(tag(&rig, "pause").is_some(), "the pause is still in force");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_written_removed_and_replayed() {
    let rig = Rig::new(world(), &[]);
    let order = json!({"action": "pause", "reason": "index rebuild; caf\u{e9}", "for": "2h"});
    obeyed(&rig, order.clone(), "paused", &[Pause]).await;
    let written = tag(&rig, "pause").unwrap();
    assert!(written.starts_with("until=2026-01-31T14:00:00"), "{written}");
    assert!(written.ends_with("Z reason=index rebuild_ caf_"), "{written}");
    rig.wait(seconds(60)).await;
    let message = obeyed(&rig, order, "paused", &[]).await;
    let said = "Automatic change is already paused until 2026-01-31T14:00:00";
    assert!(message.starts_with(said), "{message}");
    assert_eq!(tag(&rig, "pause").unwrap(), written, "a replay does not prolong it");
    obeyed(&rig, json!({"action": "pause", "reason": "longer", "for": "3h"}), "paused", &[Pause]).await;
    obeyed(&rig, json!({"action": "resume"}), "resumed", &[Resume]).await;
    assert_eq!(tag(&rig, "pause"), None);
    let message = obeyed(&rig, json!({"action": "resume"}), "resumed", &[]).await;
    let said = "Automatic change was not paused, so there was nothing to resume: ";
    assert!(message.starts_with(said), "{message}");
    assert_eq!(count(&rig, "UpdateHealthCheck"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_can_be_lifted_though_another_tag_makes_no_sense() {
    let mut w = world();
    w.console_set_tag(CHECK, "failover:pause", "until=soon");
    let rig = Rig::new(w, &[]);
    obeyed(&rig, json!({"action": "resume"}), "resumed", &[Resume]).await;
    assert_eq!(tag(&rig, "pause"), None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_arrives_before_the_last_look_at_the_tags_holds_the_flags() {
    for confirmations in ["1", "3"] {
        let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", confirmations)]);
        let pause = |w: &mut emulator::World| {
            w.console_set_tag(CHECK, "failover:pause", "until=forever reason=maintenance");
        };
        // The last look of several observations is the second one.
        rig.emulator.world().on_next("ListTagsForResource", move |w| {
            if confirmations == "1" { pause(w) } else { w.on_next("ListTagsForResource", pause) }
        });
        let report = rig.tick().await.unwrap();
        assert_eq!((report.decision, report.reason), ("stay", "paused"), "{confirmations}");
        assert_eq!(count(&rig, "UpdateHealthCheck"), 0);
        assert_eq!(tag(&rig, "routed"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_arrives_with_the_announcement_still_stops_the_promotion() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    rig.emulator.world().on_next("ChangeTagsForResource", |w| {
        w.console_set_tag(CHECK, "failover:pause", "until=forever reason=maintenance");
    });
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    tick_stays(&rig, "paused").await;
}

/// Whoever is told an end that is not in force is surprised in the middle of the work.
#[tokio::test(start_paused = true)]
async fn a_pause_that_is_renewed_or_shortened_is_written_and_one_that_stands_names_its_own_end() {
    let order = |length| json!({"action": "pause", "reason": "index rebuild", "for": length});
    let rig = Rig::new(world(), &[]);
    obeyed(&rig, order("5m"), "paused", &[Pause]).await;
    rig.wait(seconds(120)).await;
    let message = obeyed(&rig, order("5m"), "paused", &[]).await;
    assert!(message.contains("paused until 2026-01-31T12:05:00"), "{message}");
    rig.wait(seconds(120)).await;
    let message = obeyed(&rig, order("5m"), "paused", &[Pause]).await;
    assert!(message.contains("paused until 2026-01-31T12:09:00"), "{message}");
    obeyed(&rig, order("10m"), "paused", &[Pause]).await;
    obeyed(&rig, order("6m"), "paused", &[Pause]).await;
    assert!(tag(&rig, "pause").unwrap().starts_with("until=2026-01-31T12:10:00"));
}
