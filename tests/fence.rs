//! The fence: the old primary is stopped once the replica is on its own, and nothing else ever is.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::mail::{subjects, topic};
use common::*;
use emulator::{Fault, Instance, On};
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, Rig, world};
use rds_route53_failover::model::Change::{FencePrimary, PromoteReplica, RouteToSecondary};
use serde_json::json;

const FENCE: (&str, &str) = ("FENCE_PRIMARY", "stop");

/// The replica is promoted and on its own, and the old primary is back.
async fn back(variables: &[(&str, &str)]) -> Rig {
    let rig = promoted(&[&[FENCE], variables].concat()).await;
    set_status(&rig, PRIMARY, "available");
    rig
}

fn stops(rig: &Rig) -> usize {
    let world = rig.emulator.world();
    let stops: Vec<_> = world.calls().iter().filter(|call| call.operation == "StopDBInstance").collect();
    assert!(stops.iter().all(|call| call.target.as_deref() == Some(PRIMARY)), "never another: {stops:?}");
    stops.len()
}

fn status_of(rig: &Rig, id: &str) -> String {
    rig.emulator.world().instance(id).unwrap().status.clone()
}

#[tokio::test(start_paused = true)]
async fn an_old_primary_that_comes_back_is_stopped_once_and_told() {
    let topic = topic();
    let rig = back(&[("NOTIFICATION_TOPIC_ARN", &topic)]).await;
    let before = subjects(&rig).len();
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
    assert_eq!(subjects(&rig)[before..], ["fence-primary (fence-primary)"]);
    let fenced = tag(&rig, "fenced").unwrap();
    assert!(
        fenced.starts_with("version=2 at=20") && fenced.ends_with(" instance=orders-primary"),
        "{fenced}"
    );
    for _ in 0..8 {
        rig.wait(seconds(60)).await;
        tick_stays(&rig, "replica-promoted").await;
    }
    assert_eq!((stops(&rig), status_of(&rig, PRIMARY).as_str()), (1, "stopped"));
    assert_eq!((state(&rig), status_of(&rig, REPLICA).as_str()), (FORCED, "available"));
}

#[tokio::test(start_paused = true)]
async fn the_stop_rests_on_a_fresh_look_at_both_instances_and_the_switch() {
    let rig = back(&[]).await;
    let before = rig.emulator.world().calls().len();
    rig.tick().await.unwrap();
    let world = rig.emulator.world();
    let calls = &world.calls()[before..];
    let announced = calls.iter().position(|call| call.operation == "ChangeTagsForResource").unwrap();
    let stopped = calls.iter().position(|call| call.operation == "StopDBInstance").unwrap();
    let between = &calls[announced..stopped];
    for (operation, target) in [
        ("DescribeDBInstances", PRIMARY),
        ("DescribeDBInstances", REPLICA),
        ("GetHealthCheck", CHECK),
        ("ListTagsForResource", CHECK),
    ] {
        let seen =
            |call: &&emulator::Call| call.operation == operation && call.target.as_deref() == Some(target);
        assert!(between.iter().any(|call| seen(&call)), "{operation} {target}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_before_the_replica_is_on_its_own() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE, FENCE]);
    rig.tick().await.unwrap();
    set_status(&rig, PRIMARY, "available");
    for _ in 0..4 {
        rig.wait(seconds(50)).await;
        tick_stays(&rig, "promotion-in-progress").await;
    }
    assert_eq!(stops(&rig), 0);
    rig.wait(seconds(100)).await;
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_without_a_promotion_of_this_incident() {
    // Somebody promoted it at the console.
    let rig = failed_over("storage-full", &[]).await.redeployed(&[PROMOTE, FENCE]);
    rig.emulator.world().console_promote(REPLICA).unwrap();
    rig.wait(seconds(600)).await;
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "replica-promoted").await;
    // The tag is of another incident, or of another instance.
    for promoted in [
        "version=1 at=2026-01-31T12:00:00Z instance=orders-replica",
        "version=2 at=2026-01-31T12:00:00Z instance=billing",
    ] {
        rig.emulator.world().console_set_tag(CHECK, "failover:promoted", promoted);
        tick_stays(&rig, "replica-promoted").await;
    }
    assert_eq!(stops(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_while_traffic_is_not_kept_from_the_old_primary() {
    let rig = back(&[]).await;
    rig.emulator.world().console_set_flags(CHECK, false, false);
    tick_stays(&rig, "stale-primary").await;
    rig.emulator.world().console_set_flags(CHECK, true, true);
    tick_stays(&rig, "forced-elsewhere").await;
    assert_eq!(stops(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn after_the_identifiers_were_swapped_no_serving_instance_is_stopped() {
    for replica in ["orders-replica-2", PRIMARY] {
        let swapped =
            [("PRIMARY_DB_INSTANCE_IDENTIFIER", REPLICA), ("FAILOVER_DB_INSTANCE_IDENTIFIER", replica)];
        let mut w = world_with("available");
        w.instance_mut(REPLICA).unwrap().source = None;
        let promoted = w.instance(REPLICA).unwrap().clone();
        w.add(Instance::replica_of(&promoted, REGION, "orders-replica-2"));
        w.console_set_flags(CHECK, true, true);
        w.console_set_tag(CHECK, "failover:routed", "version=2 by=auto at=2026-01-31T11:00:00Z reason=x");
        w.console_set_tag(
            CHECK,
            "failover:promoted",
            "version=2 at=2026-01-31T11:00:00Z instance=orders-replica",
        );
        let rig = Rig::new(w, &[&swapped[..], &[PROMOTE, FENCE]].concat());
        tick_stays(&rig, "replica-promoted").await;
        assert_eq!(rig.emulator.world().count("StopDBInstance"), 0, "{replica}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_primary_of_an_ordered_promotion_is_stopped_too() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE, FENCE]);
    let both = [RouteToSecondary, PromoteReplica];
    obeyed(&rig, failover(json!({"promote": true})), "promotion-ordered", &both).await;
    rig.wait(seconds(600)).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
    assert_eq!(stops(&rig), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_stops_the_fence_of_a_tick_and_not_that_of_a_person() {
    let rig = back(&[]).await;
    rig.emulator.world().console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
    tick_stays(&rig, "paused").await;
    assert_eq!(stops(&rig), 0);
    obeyed(&rig, failover(json!({})), "fence-primary", &[FencePrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_arrives_with_the_announcement_holds_the_stop() {
    let rig = back(&[]).await;
    rig.emulator.world().on_next("ChangeTagsForResource", |w| {
        w.console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, &report.actions[..], stops(&rig)), ("paused", &[][..], 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_observes_stops_nothing() {
    let rig = back(&[]).await.redeployed(&[("MODE", "observe")]);
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, &report.actions[..]), ("fence", &[][..]));
    assert_eq!(stops(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_was_lost_counts_as_sent_for_five_minutes() {
    for fault in [Fault::Reset, Fault::Server(500), Fault::Hang] {
        let rig = back(&[]).await;
        rig.emulator.world().faults.once("StopDBInstance", fault);
        assert_eq!(rig.tick().await.unwrap_err().kind.name(), "FenceUnconfirmed");
        rig.wait(seconds(240)).await;
        tick_stays(&rig, "replica-promoted").await;
        assert_eq!(stops(&rig), 1);
        rig.wait(seconds(61)).await;
        tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
        assert_eq!(stops(&rig), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_carried_out_though_its_answer_was_lost_is_not_sent_again() {
    let rig = back(&[]).await;
    rig.emulator.world().faults.once("StopDBInstance", Fault::AppliedThenReset);
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "FenceUnconfirmed");
    for _ in 0..7 {
        rig.wait(seconds(60)).await;
        tick_stays(&rig, "replica-promoted").await;
    }
    assert_eq!(stops(&rig), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_stop_names_the_other_replicas_and_what_to_do() {
    let topic = topic();
    let rig = back(&[("NOTIFICATION_TOPIC_ARN", &topic)]).await;
    {
        let mut w = rig.emulator.world();
        let old = w.instance(PRIMARY).unwrap().clone();
        w.add(Instance::replica_of(&old, REGION, "orders-reports"));
    }
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "FenceRefused");
    assert!(failure.message.contains("orders-reports"), "{failure}");
    let mail = common::mail::told(&rig).pop().unwrap().mail;
    assert!(
        mail.contains("orders-reports") && mail.contains("Delete or promote the replicas named above"),
        "{mail}"
    );
    assert_eq!(status_of(&rig, PRIMARY), "available");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_not_sent_where_one_of_its_looks_fails() {
    for on in [
        On::operation("DescribeDBInstances").target(PRIMARY),
        On::operation("DescribeDBInstances").target(REPLICA),
        On::operation("GetHealthCheck"),
        On::operation("ListTagsForResource"),
    ] {
        let rig = back(&[]).await;
        let failing = on.clone();
        rig.emulator.world().on_next("ChangeTagsForResource", move |w| {
            w.faults.standing(failing, Fault::Denied);
        });
        assert_eq!(rig.tick().await.unwrap_err().kind.name(), "FenceUnconfirmed", "{on:?}");
        assert_eq!(stops(&rig), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn two_overlapping_ticks_stop_it_once() {
    let rig = back(&[]).await;
    let (first, second) = tokio::join!(rig.tick(), rig.tick());
    let made: Vec<_> = [first, second].into_iter().flat_map(|result| result.unwrap().actions).collect();
    assert_eq!((made.as_slice(), stops(&rig)), (&[FencePrimary][..], 1));
}

#[tokio::test(start_paused = true)]
async fn without_the_fence_the_report_and_the_alert_say_that_writes_may_be_lost() {
    let topic = topic();
    let rig = promoted(&[("NOTIFICATION_TOPIC_ARN", &topic)]).await;
    set_status(&rig, PRIMARY, "available");
    let before = subjects(&rig).len();
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("stay", "old-primary-available"));
    assert!(report.message.contains("may still take writes"), "{}", report.message);
    assert_eq!(subjects(&rig)[before..], ["no change was made (old-primary-available)"]);
    assert_eq!(stops(&rig), 0);
}

/// Which metrics of an instance were asked for.
fn asked_of_cloudwatch(rig: &Rig, metric: &str) -> usize {
    let world = rig.emulator.world();
    let asked = |call: &&emulator::Call| {
        call.operation == "GetMetricStatistics" && call.target.as_deref() == Some(metric)
    };
    world.calls().iter().filter(asked).count()
}

#[tokio::test(start_paused = true)]
async fn without_the_fence_each_tick_counts_who_is_still_connected_to_the_old_primary() {
    let open = |rig: &Rig| last_metric(rig, "OldPrimaryConnections");
    let mut w = world();
    w.set_database_connections(PRIMARY, Some(3.0));
    let rig = Rig::new(w, &[PROMOTE]);
    tick_stays(&rig, "primary-healthy").await;
    assert_eq!(open(&rig), None, "it is no old primary yet");
    set_status(&rig, PRIMARY, "failed");
    tick_does(&rig, "promote", "replica-fit-to-promote", &[RouteToSecondary, PromoteReplica]).await;
    assert_eq!((open(&rig), asked_of_cloudwatch(&rig, "DatabaseConnections")), (None, 0));
    rig.wait(seconds(600)).await;
    set_status(&rig, PRIMARY, "available");
    let report = tick_stays(&rig, "old-primary-available").await;
    assert_eq!(open(&rig), Some(3.0));
    assert!(report.message.contains("3 connection(s) to the old primary are open"), "{}", report.message);

    rig.emulator.world().set_database_connections(PRIMARY, Some(0.0));
    rig.wait(seconds(60)).await;
    tick_stays(&rig, "old-primary-available").await;
    assert_eq!(open(&rig), Some(0.0), "a zero that was measured");
    rig.emulator.world().set_database_connections(PRIMARY, None);
    rig.wait(seconds(900)).await;
    tick_stays(&rig, "old-primary-available").await;
    assert_eq!(open(&rig), None, "no sample is no zero");
    assert_eq!((asked_of_cloudwatch(&rig, "DatabaseConnections"), stops(&rig)), (3, 0));
}

/// The tag would claim a promotion that this function did not make, and the fence would stop what a person remade.
#[tokio::test(start_paused = true)]
async fn a_primary_that_a_person_remade_is_not_stopped_where_the_promotion_was_not_ours() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE, FENCE]);
    // Somebody promoted the replica a moment before, and it is on its own by now.
    rig.emulator.world().on_next("PromoteReadReplica", |w| w.instance_mut(REPLICA).unwrap().source = None);
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert_eq!((count(&rig, "PromoteReadReplica"), tag(&rig, "promoted")), (1, None));
    {
        let mut w = rig.emulator.world();
        let failed = w.instance(PRIMARY).unwrap().clone();
        w.console_delete(PRIMARY);
        w.console_restore(failed);
    }
    for _ in 0..12 {
        rig.wait(seconds(60)).await;
        tick_stays(&rig, "replica-promoted").await;
    }
    assert_eq!((stops(&rig), status_of(&rig, PRIMARY).as_str()), (0, "available"));
}

#[tokio::test(start_paused = true)]
async fn until_rds_shows_the_stop_each_report_says_that_the_old_primary_may_take_writes() {
    const AWAITED: &str =
        "RDS was asked to stop the old primary and still calls it available: it may still take writes";
    let rig = back(&[]).await;
    // The request is on its way, and RDS shows nothing of it.
    rig.emulator.world().faults.once("StopDBInstance", Fault::Reset);
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "FenceUnconfirmed");
    for _ in 0..4 {
        rig.wait(seconds(60)).await;
        let report = tick_stays(&rig, "replica-promoted").await;
        assert!(report.message.contains(AWAITED), "{}", report.message);
    }
    rig.wait(seconds(61)).await;
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
    rig.wait(seconds(60)).await;
    assert_ne!(status_of(&rig, PRIMARY), "available");
    let report = tick_stays(&rig, "replica-promoted").await;
    assert!(!report.message.contains(AWAITED), "{}", report.message);
}

/// Each second counts in which the old primary takes writes: what was not sent must not count as sent.
#[tokio::test(start_paused = true)]
async fn a_stop_that_is_throttled_for_long_is_sent_in_the_same_invocation_or_told_as_refused() {
    let rig = back(&[]).await;
    rig.emulator.world().faults.times(60, "StopDBInstance", Fault::Throttle);
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
    let rig = back(&[]).await;
    rig.emulator.world().faults.standing("StopDBInstance", Fault::Throttle);
    let failure = rig.invoke_within(json!({"action": "tick"}), seconds(60)).await.unwrap_err();
    assert_eq!(failure.kind.name(), "FenceRefused", "{failure}");
}
