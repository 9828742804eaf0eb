//! A promotion cannot be taken back, so this is about everything that refuses one.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On, Promotion, Source};
use jiff::SignedDuration;
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn traffic_is_moved_and_confirmed_before_the_promotion_of_the_same_invocation() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    let report =
        tick_does(&rig, "promote", "replica-fit-to-promote", &[RouteToSecondary, PromoteReplica]).await;
    assert_eq!(report.replica.as_ref().unwrap().role, "promoting");
    assert_eq!(report.replica.as_ref().unwrap().lag_seconds, Some(0.5));
    let world = rig.emulator.world();
    let writes: Vec<_> = world.writes().map(|call| call.operation.as_ref()).collect();
    let tags = "ChangeTagsForResource";
    assert_eq!(writes, [tags, "UpdateHealthCheck", tags, tags, "PromoteReadReplica"]);
    let calls = world.calls();
    let update = calls.iter().position(|call| call.operation == "UpdateHealthCheck").unwrap();
    let promote = calls.iter().position(|call| call.operation == "PromoteReadReplica").unwrap();
    let looked = calls[update..promote].iter().any(|call| call.target.as_deref() == Some(PRIMARY));
    assert!(looked, "the primary is read once more");
    drop(world);
    let promoted = tag(&rig, "promoted").unwrap();
    assert!(
        promoted.starts_with("version=2 at=20") && promoted.ends_with(" instance=orders-replica"),
        "{promoted}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_was_sent_is_not_sent_again_while_rds_shows_nothing_of_it() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    rig.tick().await.unwrap();
    for _ in 0..4 {
        // `available` for 20 s, then `modifying`, both with the source still present.
        rig.wait(seconds(15)).await;
        let report = tick_stays(&rig, "promotion-in-progress").await;
        assert_eq!(report.replica.unwrap().role, "promoting");
    }
    rig.wait(seconds(300)).await;
    let report = tick_stays(&rig, "replica-promoted").await;
    assert_eq!(report.replica.unwrap().role, "promoted");
    assert_eq!(count(&rig, "PromoteReadReplica"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_latch_holds_whatever_the_old_primary_does() {
    let rig = promoted(&[]).await;
    for status in ["available", "failed", "rebooting", "stopped", "available", "backing-up", "available"] {
        set_status(&rig, PRIMARY, status);
        rig.wait(seconds(60)).await;
        let alert = if status == "available" { "old-primary-available" } else { "replica-promoted" };
        tick_stays(&rig, alert).await;
    }
    rig.emulator.world().console_delete(PRIMARY);
    tick_stays(&rig, "replica-promoted").await;
    // Nor does it matter what becomes of the tag or of the new primary.
    rig.emulator.world().console_remove_tag(CHECK, "failover:promoted");
    tick_stays(&rig, "replica-promoted").await;
    assert_eq!(state(&rig), FORCED);
}

#[tokio::test(start_paused = true)]
async fn the_latch_holds_by_the_tag_while_the_replica_cannot_be_seen() {
    let rig = promoted(&[]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator
        .world()
        .faults
        .standing(On::operation("DescribeDBInstances").target(REPLICA), Fault::Throttle);
    tick_stays(&rig, "replica-promoted").await;
    rig.emulator.world().faults.clear();
    rig.emulator.world().console_delete(REPLICA);
    tick_stays(&rig, "replica-promoted").await;
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_came_to_nothing_is_void_after_five_minutes_and_tried_again() {
    let mut w = world_with("failed");
    w.promotion = Promotion { takes_effect: false, ..Promotion::default() };
    let rig = Rig::new(w, &[PROMOTE]);
    rig.tick().await.unwrap();
    rig.wait(seconds(280)).await;
    tick_stays(&rig, "promotion-in-progress").await;
    rig.emulator.world().promotion.takes_effect = true;
    rig.wait(seconds(21)).await;
    tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
    assert_eq!(count(&rig, "PromoteReadReplica"), 2);
    rig.wait(seconds(600)).await;
    tick_stays(&rig, "replica-promoted").await;
}

#[tokio::test(start_paused = true)]
async fn promote_on_is_by_default_what_rds_does_not_leave_by_itself() {
    for status in [
        "storage-full",
        "stopped",
        "maintenance",
        "inaccessible-encryption-credentials-recoverable",
        "deleting",
    ] {
        let rig = Rig::new(world_with(status), &[PROMOTE]);
        let report = rig.tick().await.unwrap();
        does(&report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
        tick_stays(&rig, "not-promotable").await;
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "{status}");
    }
    for status in ["failed", "inaccessible-encryption-credentials", "incompatible-network"] {
        let rig = Rig::new(world_with(status), &[PROMOTE]);
        assert_eq!(rig.tick().await.unwrap().decision, "promote", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn promotion_off_is_off_and_promote_on_alone_is_not_on() {
    for variables in [&[("PROMOTE_REPLICA", "false")][..], &[("PROMOTE_ON", "failed")][..]] {
        let rig = Rig::new(world_with("failed"), variables);
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        tick_stays(&rig, "promotion-off").await;
    }
}

/// A world in which the primary is gone and the replica still follows it: of PostgreSQL, in another region.
fn orphan() -> (emulator::World, String) {
    let mut w = world();
    w.instance_mut(REPLICA).unwrap().region = "eu-west-1".to_owned();
    w.console_delete(PRIMARY);
    // RDS has not ended its replication yet.
    w.set_replication(REPLICA, "replicating");
    let arn = format!("arn:aws:rds:eu-west-1:{}:db:{REPLICA}", emulator::ACCOUNT);
    w.set_replica_lag(&arn, Some(0.5));
    (w, arn)
}

#[tokio::test(start_paused = true)]
async fn the_replica_of_a_missing_primary_is_promoted_only_where_promote_on_says_missing() {
    for (promote_on, promoted) in [("failed", false), ("failed,missing", true)] {
        let (w, replica) = orphan();
        let rig = Rig::new(
            w,
            &[PROMOTE, ("PROMOTE_ON", promote_on), ("FAILOVER_DB_INSTANCE_IDENTIFIER", replica.as_str())],
        );
        rig.wait(seconds(120)).await;
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions.contains(&PromoteReplica), promoted, "{}", report.message);
        assert_eq!(report.actions[0], RouteToSecondary);
        let world = rig.emulator.world();
        assert!(
            world
                .calls()
                .iter()
                .filter(|call| call.operation == "PromoteReadReplica")
                .all(|call| call.region == "eu-west-1")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_rds_promoted_itself_as_its_source_was_deleted_is_left_alone() {
    let rig = failed_over("failed", &[PROMOTE, ("PROMOTE_ON", "missing")]).await;
    rig.emulator.world().console_delete(PRIMARY);
    let report = tick_stays(&rig, "replica-promoted").await;
    assert_eq!(report.replica.unwrap().role, "promoted");
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    // Before traffic was moved it is an alert: whoever promoted it may have left clients on the old primary.
    let mut w = world();
    w.console_delete(PRIMARY);
    tick_stays(&Rig::new(w, &[PROMOTE, ("PROMOTE_ON", "missing")]), "stale-primary").await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_not_ready_is_not_promoted() {
    for status in ["backing-up", "modifying", "rebooting", "storage-full", "storage-optimization"] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        set_status(&rig, REPLICA, status);
        let report = tick_stays(&rig, "replica-not-ready").await;
        assert!(report.message.contains(status), "{}", report.message);
        assert_eq!(tag(&rig, "promoted"), None);
        set_status(&rig, REPLICA, "available");
        tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
    }
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().instance_mut(REPLICA).unwrap().source =
        Some(Source::Instance { region: "us-east-1".to_owned(), id: "billing".to_owned() });
    tick_stays(&rig, "replica-not-ready").await;
}

#[tokio::test(start_paused = true)]
async fn a_definite_refusal_removes_the_tag_and_the_next_tick_tries_again() {
    for code in ["AccessDenied", "KMSKeyNotAccessibleFault", "InvalidParameterCombination"] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        rig.emulator.world().faults.once(
            "PromoteReadReplica",
            Fault::Error { status: 403, code: code.into(), message: "no".into() },
        );
        let failure = rig.tick().await.unwrap_err();
        assert_eq!(failure.kind.name(), "PromotionRefused");
        assert!(failure.message.contains(code), "{failure}");
        assert_eq!(tag(&rig, "promoted"), None);
        assert_eq!(count(&rig, "PromoteReadReplica"), 1);
        tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_promote_names_what_was_done_before() {
    let mut w = world_with("failed");
    w.faults.standing("PromoteReadReplica", Fault::Denied);
    let rig = Rig::new(w, &[PROMOTE]);
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "PromotionRefused");
    assert_eq!(failure.done, [RouteToSecondary]);
    assert!(failure.to_string().contains("route-to-secondary"), "{failure}");
    assert_eq!(state(&rig), FORCED, "what was done stays done");
}

#[tokio::test(start_paused = true)]
async fn invalid_instance_state_is_done_already_only_if_rds_says_so() {
    // Somebody promoted it a moment ago, and it is on its own by now.
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().on_next("PromoteReadReplica", |w| w.instance_mut(REPLICA).unwrap().source = None);
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("stay", "replica-promoted"));
    assert_eq!(report.actions, []);

    // A backup began in between: nothing was promoted, and the next tick tries again.
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().on_next("PromoteReadReplica", |w| w.set_status(REPLICA, "backing-up"));
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "PromotionRefused");
    assert_eq!(tag(&rig, "promoted"), None);
    tick_stays(&rig, "replica-not-ready").await;
    set_status(&rig, REPLICA, "available");
    tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;

    // A promotion is under way, it seems: that must not be forgotten.
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().on_next("PromoteReadReplica", |w| {
        w.console_promote(REPLICA).unwrap();
        w.set_status(REPLICA, "modifying");
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, &report.actions[..]), ("promote", &[][..]), "another invocation's");
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "promotion-in-progress").await;
}

#[tokio::test(start_paused = true)]
async fn a_promotion_whose_answer_was_lost_counts_as_sent() {
    for fault in
        [Fault::AppliedThenReset, Fault::AppliedThenHang, Fault::AppliedThenServer(500), Fault::Malformed]
    {
        let mut w = world_with("failed");
        w.faults.once("PromoteReadReplica", fault.clone());
        let rig = Rig::new(w, &[PROMOTE]);
        match rig.tick().await {
            Err(failure) => {
                assert_eq!(failure.kind.name(), "PromotionUnconfirmed", "{fault:?}");
                assert_eq!(failure.done, [RouteToSecondary]);
            }
            Ok(report) => assert_eq!(report.decision, "promote", "{fault:?}"),
        }
        // The primary comes back before RDS shows anything of the promotion.
        set_status(&rig, PRIMARY, "available");
        tick_stays(&rig, "promotion-in-progress").await;
        rig.wait(seconds(600)).await;
        tick_stays(&rig, "old-primary-available").await;
        assert_eq!(count(&rig, "PromoteReadReplica"), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_was_lost_on_the_way_is_sent_again_when_its_tag_is_void() {
    for fault in [Fault::Reset, Fault::Hang, Fault::Server(500)] {
        let mut w = world_with("failed");
        w.faults.once("PromoteReadReplica", fault);
        let rig = Rig::new(w, &[PROMOTE]);
        assert_eq!(rig.tick().await.unwrap_err().kind.name(), "PromotionUnconfirmed");
        rig.wait(seconds(60)).await;
        tick_stays(&rig, "promotion-in-progress").await;
        rig.wait(seconds(250)).await;
        tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_primary_in_service_is_an_alert_of_its_own() {
    let rig = promoted(&[]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().console_set_flags(CHECK, false, false);
    tick_stays(&rig, "stale-primary").await;
    set_status(&rig, PRIMARY, "failed");
    tick_stays(&rig, "stale-primary").await;
    assert_eq!(state(&rig), NORMAL);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_promoted_after_a_setting_of_somebody_else() {
    let mut w = world_with("failed");
    w.console_set_flags(CHECK, true, true);
    let rig = Rig::new(w, &[PROMOTE]);
    tick_stays(&rig, "forced-elsewhere").await;
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    rig.invoke(failover(json!({}))).await.unwrap();
    tick_stays(&rig, "forced-by-operator").await;
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "forced-by-operator").await;
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_counts_by_the_time_in_its_tag_and_only_while_rds_may_not_show_it() {
    // The second is one of an earlier incident.
    for version in [2, 1] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        let at = rig.time.now() - SignedDuration::from_secs(299);
        let promoted = format!("version={version} at={at} instance={REPLICA}");
        rig.emulator.world().console_set_tag(CHECK, "failover:promoted", &promoted);
        tick_stays(&rig, "promotion-in-progress").await;
        rig.wait(seconds(2)).await;
        tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
    }
}
