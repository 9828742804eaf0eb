//! What holds the function back: a person's setting, a cooldown, `MODE=observe`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On};
use proof::rig::{CHECK, PRIMARY, REGION, Rig};
use rds_route53_failover::model::Change::{RouteToPrimary, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_foreign_check_is_never_changed_whatever_the_primary_does() {
    for (disabled, inverted) in [(true, false), (false, true)] {
        for status in ["available", "storage-full", "failed", "rebooting"] {
            let mut w = world_with(status);
            w.console_set_flags(CHECK, disabled, inverted);
            let rig = Rig::new(w, &[PROMOTE, ("CONFIRMATIONS", "1")]);
            let report = tick_stays(&rig, "foreign-check").await;
            assert_eq!((report.health_check.state, report.health_check.by), (Some("foreign"), None));
            assert_eq!(flags(&rig), (disabled, inverted, 2));
            // Not even by order, not even by force.
            let before = writes(&rig);
            let result = rig.invoke(failover(json!({"force": true, "promote": true}))).await;
            stays(&rig, before, result, "foreign-check");
            let result = rig.invoke(failback(json!({"force": true}))).await;
            stays(&rig, before, result, "foreign-check");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_check_comes_before_a_pause() {
    let mut w = world_with("failed");
    w.console_set_flags(CHECK, true, false);
    w.console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
    tick_stays(&Rig::new(w, &[]), "foreign-check").await;
}

#[tokio::test(start_paused = true)]
async fn observing_decides_and_reports_the_same_and_writes_nothing() {
    let mut w = world_with("failed");
    let topic = w.add_topic(REGION, "alerts");
    let rig = Rig::new(w, &[("MODE", "observe"), PROMOTE, ("NOTIFICATION_TOPIC_ARN", topic.as_str())]);
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("fail-over", "primary-unhealthy"));
    assert_eq!((report.actions.len(), report.mode.as_str()), (0, "observe"));
    assert_eq!(report.observations, 3);
    assert_eq!(writes(&rig), 0);
    // Orders, too.
    for order in [failover(json!({"force": true})), json!({"action": "pause", "reason": "x"})] {
        let report = rig.invoke(order).await.unwrap();
        assert_eq!(report.actions, []);
    }
    assert_eq!(writes(&rig), 0);
}

#[tokio::test(start_paused = true)]
async fn within_the_cooldown_a_second_failover_is_refused_and_said_so() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    set_status(&rig, PRIMARY, "storage-full");
    let report = tick_stays(&rig, "cooldown").await;
    assert!(report.message.contains("cooldown ends at"), "{}", report.message);
    assert_eq!(last_metric(&rig, "RefusedFailovers"), Some(1.0));
    rig.wait(seconds(540)).await;
    tick_stays(&rig, "cooldown").await;
    rig.wait(seconds(40)).await;
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_of_nothing_is_none() {
    let rig = failed_over("storage-full", &[("COOLDOWN", "0s")]).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    set_status(&rig, PRIMARY, "storage-full");
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

/// The promotion was about to be confirmed, and the return would be next: what was seen before counts for neither.
#[tokio::test(start_paused = true)]
async fn a_primary_whose_health_changes_within_an_invocation_is_left_to_the_next_tick() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    let primary = || On::operation("DescribeDBInstances").target(PRIMARY);
    rig.emulator.world().on_next(primary(), move |w| {
        w.on_next(primary(), |w| w.set_status(PRIMARY, "available"));
    });
    let before = writes(&rig);
    let report = rig.tick().await.unwrap();
    assert!(report.message.contains("health changed during this invocation"), "{}", report.message);
    assert_eq!((report.actions.as_slice(), writes(&rig)), (&[][..], before));
}

/// However little is confirmed: without the switch nothing can come of it, and a success would hide that.
#[tokio::test(start_paused = true)]
async fn an_unreadable_check_fails_the_invocation_though_its_deadline_leaves_no_time_to_confirm() {
    let rig = Rig::new(world_with("failed"), &[]);
    rig.emulator.world().faults.standing("GetHealthCheck", Fault::Server(503));
    let failure = rig.invoke_within(json!({"action": "tick"}), seconds(12)).await.unwrap_err();
    assert_eq!(failure.kind.name(), "HealthCheckUnreadable", "{failure}");
}
