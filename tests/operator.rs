//! An operator's orders: they pass the same guards, `force` says which it overrides, and a replay does nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, Instance, On};
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, Rig, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToPrimary, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn without_force_an_order_passes_the_same_guards_as_a_tick_but_the_cooldown() {
    for (status, reason) in [("available", "primary-healthy"), ("rebooting", "primary-on-hold")] {
        let rig = Rig::new(world_with(status), &[]);
        refused(&rig, failover(json!({})), reason).await;
    }
    let mut w = world_with("failed");
    w.set_status(REPLICA, "rebooting");
    refused(&Rig::new(w, &[]), failover(json!({})), "replica-not-fit").await;
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    rig.tick().await.unwrap();
    set_status(&rig, PRIMARY, "storage-full");
    tick_stays(&rig, "cooldown").await;
    // A cooldown is for ticks.
    obeyed(&rig, failover(json!({})), "failover-ordered", &[RouteToSecondary]).await;
    // The confirmations don't fit.
    let rig = Rig::new(world_with("failed"), &[]);
    let report = rig.invoke_within(failover(json!({})), seconds(12)).await.unwrap();
    assert_eq!((report.reason, report.actions.len()), ("unconfirmed", 0));
    let report = rig.invoke(failover(json!({}))).await.unwrap();
    does(&report, "fail-over", "failover-ordered", &[RouteToSecondary]);
    assert_eq!(report.observations, 3);
}

#[tokio::test(start_paused = true)]
async fn force_overrides_the_guards_of_a_failover_and_says_so() {
    for (status, replica, overridden) in [
        ("available", "available", "primary-healthy"),
        ("rebooting", "available", "primary-on-hold"),
        ("failed", "available", "unconfirmed"),
    ] {
        let mut w = world_with(status);
        w.set_status(REPLICA, replica);
        let rig = Rig::new(w, &[]);
        let said =
            obeyed(&rig, failover(json!({"force": true})), "failover-ordered", &[RouteToSecondary]).await;
        assert!(said.contains(overridden), "{said}");
        assert!(said.contains("planned work"), "{said}");
    }
    let mut w = world_with("failed");
    w.set_status(REPLICA, "rebooting");
    let rig = Rig::new(w, &[("CONFIRMATIONS", "1")]);
    let said = obeyed(&rig, failover(json!({"force": true})), "failover-ordered", &[RouteToSecondary]).await;
    assert!(said.contains("replica-not-fit"), "{said}");
    // Where no guard stands in the way, force overrides none.
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    let said = obeyed(&rig, failover(json!({"force": true})), "failover-ordered", &[RouteToSecondary]).await;
    assert!(!said.contains("overrides"), "{said}");
    // A primary that cannot be seen is no hindrance to force.
    let mut w = world();
    w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Throttle);
    let rig = Rig::new(w, &[]);
    assert_eq!(rig.invoke(failover(json!({}))).await.unwrap_err().kind.name(), "PrimaryUnknown");
    obeyed(&rig, failover(json!({"force": true})), "failover-ordered", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_replayed_order_has_one_effect() {
    let rig = Rig::new(world_with("failed"), &[]);
    for (order, first, actions, again) in [
        (failover(json!({})), "failover-ordered", vec![RouteToSecondary], "already-on-secondary"),
        (failover(json!({"force": true})), "already-on-secondary", vec![], "already-on-secondary"),
        (failback(json!({"force": true})), "failback-ordered", vec![RouteToPrimary], "already-on-primary"),
        (
            failover(json!({"force": true, "promote": true})),
            "promotion-ordered",
            vec![RouteToSecondary, PromoteReplica],
            "promotion-in-progress",
        ),
    ] {
        obeyed(&rig, order.clone(), first, &actions).await;
        refused(&rig, order.clone(), again).await;
        rig.wait(seconds(90)).await;
        refused(&rig, order, again).await;
    }
    rig.wait(seconds(600)).await;
    refused(
        &rig,
        failover(json!({"force": true, "promote": true, "allow_data_loss": true})),
        "replica-promoted",
    )
    .await;
    assert_eq!(count(&rig, "PromoteReadReplica"), 1);
}

#[tokio::test(start_paused = true)]
async fn promote_is_an_order_of_its_own_whatever_the_configuration_says() {
    for variables in [&[("PROMOTE_REPLICA", "false")][..], &[PROMOTE, ("PROMOTE_ON", "failed")][..]] {
        let rig = Rig::new(world_with("storage-full"), variables);
        let order = failover(json!({"promote": true}));
        obeyed(&rig, order, "promotion-ordered", &[RouteToSecondary, PromoteReplica]).await;
        assert!(tag(&rig, "promoted").unwrap().starts_with("version=2 "));
    }
    // After a failover that was made before, automatically or on request.
    let rig = failed_over("storage-full", &[]).await;
    obeyed(&rig, failover(json!({"promote": true})), "promotion-ordered", &[PromoteReplica]).await;
    let rig = Rig::new(world_with("storage-full"), &[]);
    obeyed(&rig, failover(json!({})), "failover-ordered", &[RouteToSecondary]).await;
    obeyed(&rig, failover(json!({"promote": true})), "promotion-ordered", &[PromoteReplica]).await;
}

#[tokio::test(start_paused = true)]
async fn only_allow_data_loss_overrides_the_lag_guard_and_nothing_else() {
    for (lag, reason) in [(Some(500.0), "lag-too-high"), (Some(-1.0), "lag-unknown")] {
        let mut w = world_with("failed");
        w.set_replica_lag(REPLICA, lag);
        let rig = Rig::new(w, &[]);
        rig.wait(seconds(1000)).await;
        let order = failover(json!({"promote": true, "force": true}));
        obeyed(&rig, order.clone(), "failover-ordered", &[RouteToSecondary]).await;
        let said = refused(&rig, order, reason).await;
        assert!(said.to_lowercase().contains("lag"), "{said}");
        let order = failover(json!({"promote": true, "allow_data_loss": true}));
        obeyed(&rig, order, "promotion-ordered", &[PromoteReplica]).await;
    }
    // It is no `force`.
    let rig = Rig::new(world(), &[]);
    refused(&rig, failover(json!({"allow_data_loss": true, "promote": true})), "primary-healthy").await;
    // A replica that is not ready stays unpromoted whatever is ordered.
    let mut w = world_with("failed");
    w.set_status(REPLICA, "backing-up");
    let rig = Rig::new(w, &[]);
    let all = failover(json!({"force": true, "promote": true, "allow_data_loss": true}));
    obeyed(&rig, all.clone(), "failover-ordered", &[RouteToSecondary]).await;
    refused(&rig, all, "replica-not-ready").await;
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_overrides_that_traffic_moves_before_a_promotion() {
    let mut w = world_with("failed");
    w.faults.standing("UpdateHealthCheck", Fault::Denied);
    let rig = Rig::new(w, &[]);
    let all = failover(json!({"force": true, "promote": true, "allow_data_loss": true}));
    let failure = rig.invoke(all).await.unwrap_err();
    assert_eq!(failure.kind.name(), "RouteRefused");
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    let announced = tag(&rig, "routed").unwrap();
    assert!(announced.contains(" until="), "what came to nothing is never confirmed: {announced}");
}

#[tokio::test(start_paused = true)]
async fn status_reads_everything_and_changes_nothing() {
    for status in ["available", "failed"] {
        let rig = Rig::new(world_with(status), &[PROMOTE]);
        let report = rig.invoke(json!({"action": "status"})).await.unwrap();
        assert_eq!((report.decision, report.actions.len()), ("stay", 0));
        assert_eq!(report.replica.unwrap().lag_seconds, Some(0.5));
        assert_eq!(writes(&rig), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failback_wants_a_healthy_primary_and_a_replica_that_follows_it() {
    let rig = failed_over("storage-full", &[("FAILBACK", "manual")]).await;
    refused(&rig, failback(json!({})), "primary-not-healthy").await;
    set_status(&rig, PRIMARY, "rebooting");
    refused(&rig, failback(json!({})), "primary-not-healthy").await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().console_delete(REPLICA);
    refused(&rig, failback(json!({})), "replica-not-following").await;
    let said = obeyed(&rig, failback(json!({"force": true})), "failback-ordered", &[RouteToPrimary]).await;
    assert!(said.contains("replica-not-following"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_setting_made_elsewhere_takes_force_and_an_ordered_one_does_not() {
    let mut w = world();
    w.console_set_flags(CHECK, true, true);
    let rig = Rig::new(w, &[]);
    refused(&rig, failback(json!({})), "forced-elsewhere").await;
    refused(&rig, failover(json!({"promote": true})), "forced-elsewhere").await;
    let said = obeyed(&rig, failback(json!({"force": true})), "failback-ordered", &[RouteToPrimary]).await;
    assert!(said.contains("forced-elsewhere"), "{said}");
    let rig = Rig::new(world(), &[]);
    obeyed(&rig, failover(json!({"force": true})), "failover-ordered", &[RouteToSecondary]).await;
    obeyed(&rig, failback(json!({})), "failback-ordered", &[RouteToPrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_promotion_forced_over_somebody_elses_setting_is_latched_as_any_other() {
    let mut w = world_with("failed");
    w.console_set_flags(CHECK, true, true);
    let rig = Rig::new(w, &[]);
    obeyed(&rig, failover(json!({"promote": true, "force": true})), "promotion-ordered", &[PromoteReplica])
        .await;
    assert!(tag(&rig, "routed").unwrap().starts_with("version=2 by=operator"));
    assert!(tag(&rig, "promoted").unwrap().starts_with("version=2 "));
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "forced-by-operator").await;
    refused(&rig, failback(json!({})), "promotion-in-progress").await;
    rig.wait(seconds(600)).await;
    refused(&rig, failback(json!({})), "replica-not-following").await;
}

#[tokio::test(start_paused = true)]
async fn after_a_promotion_the_stale_primary_takes_force() {
    let rig = promoted(&[]).await;
    set_status(&rig, PRIMARY, "available");
    refused(&rig, failback(json!({})), "replica-not-following").await;
    let said = obeyed(&rig, failback(json!({"force": true})), "failback-ordered", &[RouteToPrimary]).await;
    assert!(said.contains("replica-not-following"), "{said}");
    tick_stays(&rig, "stale-primary").await;
}

#[tokio::test(start_paused = true)]
async fn after_the_identifiers_were_swapped_a_failback_returns_to_a_guarded_state() {
    let rig = promoted(&[]).await;
    set_status(&rig, PRIMARY, "available");
    {
        let mut w = rig.emulator.world();
        let new_primary = w.instance(REPLICA).unwrap().clone();
        w.add(Instance::replica_of(&new_primary, REGION, "orders-replica-2"));
        w.set_replica_lag("orders-replica-2", Some(0.2));
    }
    let rig = rig.redeployed(&[
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", "orders-replica-2"),
        PROMOTE,
        ("COOLDOWN", "1m"),
    ]);
    // It never fights the operator, and asks nobody but the two instances of now.
    tick_stays(&rig, "replica-promoted").await;
    obeyed(&rig, failback(json!({})), "failback-ordered", &[RouteToPrimary]).await;
    tick_stays(&rig, "primary-healthy").await;
    let seen = rig.emulator.world().calls().len();
    rig.tick().await.unwrap();
    assert!(rig.emulator.world().calls()[seen..].iter().all(|call| call.target.as_deref() != Some(PRIMARY)));
    // And is ready for the next incident.
    rig.wait(seconds(300)).await;
    set_status(&rig, REPLICA, "failed");
    let report = rig.tick().await.unwrap();
    does(&report, "promote", "replica-fit-to-promote", &[RouteToSecondary, PromoteReplica]);
}

#[tokio::test(start_paused = true)]
async fn the_retired_primary_as_the_new_replica_is_no_reason_to_go_back() {
    let rig = promoted(&[]).await;
    set_status(&rig, PRIMARY, "available");
    let rig = rig.redeployed(&[
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", PRIMARY),
    ]);
    tick_stays(&rig, "replica-promoted").await;
    refused(&rig, failback(json!({})), "replica-not-following").await;
}

#[tokio::test(start_paused = true)]
async fn a_failback_without_anything_to_take_back_does_nothing() {
    let rig = Rig::new(world(), &[]);
    refused(&rig, failback(json!({})), "already-on-primary").await;
    refused(&rig, failback(json!({"force": true})), "already-on-primary").await;
}

#[tokio::test(start_paused = true)]
async fn a_promotion_without_a_replica_is_refused_before_traffic_is_moved() {
    let rig = Rig::new(world_with("failed"), &[("FAILOVER_DB_INSTANCE_IDENTIFIER", "")]);
    refused(&rig, failover(json!({"promote": true})), "no-replica-to-promote").await;
    refused(&rig, failover(json!({"promote": true, "force": true})), "no-replica-to-promote").await;
}

#[tokio::test(start_paused = true)]
async fn a_failover_ordered_after_an_operators_own_is_still_the_operators() {
    let rig = failed_over("storage-full", &[]).await;
    refused(&rig, failover(json!({"force": true})), "already-on-secondary").await;
    assert!(tag(&rig, "routed").unwrap().contains("by=auto"));
}

#[tokio::test(start_paused = true)]
async fn a_request_on_the_functions_own_failover_says_whether_traffic_returns_by_itself() {
    for (failback, says) in [("auto", "goes back by itself"), ("manual", "only `failback` brings it back")] {
        let rig = failed_over("storage-full", &[("FAILBACK", failback)]).await;
        let report = rig.invoke(failover(json!({}))).await.unwrap();
        assert_eq!((report.reason, &report.actions[..]), ("already-on-secondary", &[][..]));
        assert!(report.message.contains(says), "{failback}: {}", report.message);
    }
}
