//! Route 53 takes ten requests a second of a whole account: what a tick, a failover and an order cost.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On, Service};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToPrimary, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_steady_tick_asks_route_53_once_whatever_the_confirmations_are() {
    for confirmations in ["1", "3", "10"] {
        let rig = Rig::new(world(), &[PROMOTE, ("CONFIRMATIONS", confirmations)]);
        tick_stays(&rig, "primary-healthy").await;
        assert_eq!(route53_calls(&rig), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failover_takes_eight_calls_of_route_53_and_an_order_nine() {
    for confirmations in ["2", "3", "10"] {
        let variables = [("CONFIRMATIONS", confirmations)];
        let rig = Rig::new(world_with("failed"), &variables);
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        assert_eq!(route53_calls(&rig), 8, "{confirmations}");

        let rig = Rig::new(world_with("failed"), &variables);
        obeyed(&rig, failover(json!({})), "failover-ordered", &[RouteToSecondary]).await;
        assert_eq!(route53_calls(&rig), 9, "{confirmations}");
    }
    // The first look is the last one.
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(route53_calls(&rig) <= 8);
}

#[tokio::test(start_paused = true)]
async fn a_failover_with_a_promotion_takes_thirteen_and_an_order_fourteen() {
    for confirmations in ["2", "3", "10"] {
        let variables = [PROMOTE, ("CONFIRMATIONS", confirmations)];
        let rig = Rig::new(world_with("failed"), &variables);
        let both = [RouteToSecondary, PromoteReplica];
        tick_does(&rig, "promote", "replica-fit-to-promote", &both).await;
        assert_eq!(route53_calls(&rig), 13, "{confirmations}");

        let rig = Rig::new(world_with("failed"), &variables);
        obeyed(&rig, failover(json!({"promote": true})), "promotion-ordered", &both).await;
        assert_eq!(route53_calls(&rig), 14, "{confirmations}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failback_takes_one_more_than_a_failover_as_a_promotion_may_be_announced_in_that_moment() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    let before = route53_calls(&rig);
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    assert_eq!(route53_calls(&rig) - before, 9);
}

/// Only a claim to a later version than the check that was read is worth another look at it.
#[tokio::test(start_paused = true)]
async fn the_claim_of_an_earlier_incident_costs_a_failover_no_call() {
    let mut w = world_with("failed");
    w.console_set_tag(CHECK, "failover:routed", "version=1 by=operator at=2026-01-31T11:00:00Z reason=x");
    let rig = Rig::new(w, &[]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(route53_calls(&rig), 8);
}

/// Refuses each call of this operation five times before it is heard.
fn throttle_each(w: &mut emulator::World, operation: &'static str, calls: u64) {
    w.on_next(operation, move |w| {
        if calls % 6 < 5 {
            w.faults.once(operation, Fault::Throttle);
        }
        throttle_each(w, operation, calls + 1);
    });
}

#[tokio::test(start_paused = true)]
async fn throttled_five_times_at_every_call_traffic_still_moves_in_this_invocation() {
    let mut w = world_with("failed");
    for operation in ["GetHealthCheck", "ListTagsForResource", "ChangeTagsForResource", "UpdateHealthCheck"] {
        throttle_each(&mut w, operation, 0);
    }
    let rig = Rig::new(w, &[]);
    let report = rig.invoke_within(json!({"action": "tick"}), seconds(120)).await.unwrap();
    does(&report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
    let claim = tag(&rig, "routed").unwrap();
    assert!(claim.starts_with("version=2 by=auto") && !claim.contains("until="), "{claim}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_rds_is_waited_for_and_ends_no_confirmation() {
    let mut w = world_with("failed");
    w.faults.times(7, On::operation("DescribeDBInstances").target(PRIMARY), Fault::Throttle);
    w.after(seconds(12), |w| {
        w.faults.times(7, On::operation("DescribeDBInstances").target(REPLICA), Fault::Throttle);
    });
    let rig = Rig::new(w, &[]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(report.observations, 3);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_lasts_ends_before_the_deadline_with_a_typed_error() {
    let mut w = world_with("failed");
    w.faults.standing(On::service(Service::Route53), Fault::Throttle);
    let rig = Rig::new(w, &[]);
    let begun = rig.time.now();
    let result = rig.invoke_within(json!({"action": "tick"}), seconds(60)).await;
    assert_eq!(result.unwrap_err().kind.name(), "HealthCheckUnreadable");
    assert!((rig.time.now() - begun).as_secs() < 60);
}

/// Pauses between looks grow to seconds: the last of them is shortened, so that none passes over the time that is left.
#[tokio::test(start_paused = true)]
async fn a_look_that_is_refused_for_nearly_as_long_as_the_deadline_allows_still_leads_to_a_change() {
    for _ in 0..20 {
        let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
        rig.emulator.world().faults.standing("GetHealthCheck", Fault::Throttle);
        rig.emulator.world().after(seconds(52), |w| w.faults.clear());
        let report = rig.invoke_within(json!({"action": "tick"}), seconds(60)).await.unwrap();
        assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    }
}

/// Under a throttle that lasts, the looks of ticks leave room to others.
#[tokio::test(start_paused = true)]
async fn a_person_does_not_stand_behind_the_looks_of_all_ticks() {
    for action in ["pause", "failover"] {
        let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
        rig.emulator.world().faults.times(20, "GetHealthCheck", Fault::Throttle);
        let begun = rig.time.now();
        rig.invoke(json!({"action": action, "reason": "incident 42"})).await.unwrap();
        let took = (rig.time.now() - begun).as_secs();
        assert!(took < 10, "{action} took {took} s");
    }
}

/// Throttles announcements for about this many attempts.
fn hold_up(rig: &Rig) {
    rig.emulator.world().faults.times(14, "ChangeTagsForResource", Fault::Throttle);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_was_held_up_is_not_sent_over_a_persons_new_setting() {
    for set in [(true, true), (true, false)] {
        let rig = Rig::new(world_with("failed"), &[]);
        hold_up(&rig);
        rig.emulator.world().on_next("ChangeTagsForResource", move |w| {
            w.console_set_flags(proof::rig::CHECK, set.0, set.1);
        });
        let report = rig.tick().await.unwrap();
        assert_eq!(report.decision, "stay", "{}", report.message);
        assert_eq!(flags(&rig), (set.0, set.1, 2));
        assert_eq!(tag(&rig, "routed"), None, "{set:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_was_held_up_finds_the_pause_that_came_meanwhile() {
    let rig = Rig::new(world_with("failed"), &[]);
    hold_up(&rig);
    rig.emulator.world().on_next("ChangeTagsForResource", |w| {
        w.console_set_tag(proof::rig::CHECK, "failover:pause", "until=forever reason=x");
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, tag(&rig, "routed")), ("paused", None));
}

/// Half a minute of throttles is half a minute in which the primary may have come back.
#[tokio::test(start_paused = true)]
async fn an_announcement_that_was_held_up_does_not_move_traffic_from_a_primary_that_is_back() {
    let rig = Rig::new(world_with("failed"), &[]);
    hold_up(&rig);
    rig.emulator.world().on_next("ChangeTagsForResource", |w| w.set_status(PRIMARY, "available"));
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("stay", "primary-healthy"), "{}", report.message);
    assert_eq!(state(&rig), NORMAL);
}

/// Whatever was decided rests on a look that grows old while the change itself is throttled.
#[tokio::test(start_paused = true)]
async fn a_change_that_is_throttled_for_long_is_decided_anew() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().faults.times(120, "PromoteReadReplica", Fault::Throttle);
    rig.emulator.world().after(seconds(10), |w| w.set_status(PRIMARY, "available"));
    let report = rig.tick().await.unwrap();
    assert!(!report.actions.contains(&PromoteReplica), "{}", report.message);
    assert_eq!(rig.emulator.world().instance(REPLICA).unwrap().promoting_since, None);
    assert_eq!(tag(&rig, "promoted"), None, "RDS took none of them");

    let rig = Rig::new(world_with("failed"), &[]);
    rig.emulator.world().faults.times(240, "UpdateHealthCheck", Fault::Throttle);
    rig.emulator.world().after(seconds(30), |w| {
        w.console_set_tag(proof::rig::CHECK, "failover:pause", "until=forever reason=x");
    });
    assert_eq!(rig.tick().await.unwrap().reason, "paused");
    assert_eq!(state(&rig), NORMAL);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_throttled_for_seconds_is_made_in_this_invocation() {
    for operation in ["UpdateHealthCheck", "PromoteReadReplica"] {
        let rig = Rig::new(world_with("failed"), &[PROMOTE]);
        rig.emulator.world().faults.times(25, operation, Fault::Throttle);
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions, [RouteToSecondary, PromoteReplica], "{operation}: {}", report.message);
    }
}

/// Another invocation may have promoted by then, and the version would not show it.
#[tokio::test(start_paused = true)]
async fn an_update_that_was_lost_is_not_sent_again_long_after_its_announcement() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().on_next("ChangeTagsForResource", |w| {
        w.faults.once("UpdateHealthCheck", Fault::Server(500));
        w.faults.times(240, "GetHealthCheck", Fault::Throttle);
    });
    let before = count(&rig, "UpdateHealthCheck");
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "RouteUnconfirmed", "{failure}");
    assert_eq!(count(&rig, "UpdateHealthCheck"), before + 1);
}

/// The first may still arrive: the invocation goes on with the update that it announced, and announces no other.
#[tokio::test(start_paused = true)]
async fn an_update_that_was_lost_and_is_then_throttled_is_sent_under_the_same_announcement() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.faults.once("UpdateHealthCheck", Fault::Reset);
        w.on_next("GetHealthCheck", |w| w.faults.times(50, "UpdateHealthCheck", Fault::Throttle));
    });
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert_eq!(count(&rig, "ChangeTagsForResource"), 2, "announced and confirmed");
}

/// Five seconds, not twice that.
#[tokio::test(start_paused = true)]
async fn an_update_that_is_throttled_for_five_seconds_is_decided_anew_at_once() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().faults.standing("UpdateHealthCheck", Fault::Throttle);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.after(seconds(4), |w| w.set_status(PRIMARY, "available"));
    });
    let begun = rig.time.now();
    let report = rig.tick().await.unwrap();
    assert_eq!(report.reason, "primary-healthy");
    assert!((rig.time.now() - begun).as_secs() < 28, "twenty to confirm the outage, five to wait");
}

/// There is no time to decide anew, so all of it goes into the change.
#[tokio::test(start_paused = true)]
async fn close_to_its_deadline_an_invocation_repeats_a_throttled_change_for_as_long_as_that_allows() {
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    rig.emulator.world().faults.standing("UpdateHealthCheck", Fault::Throttle);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| w.after(seconds(6), |w| w.faults.clear()));
    let report = rig.invoke_within(json!({"action": "tick"}), seconds(10)).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert_eq!(count(&rig, "ChangeTagsForResource"), 2, "announced and confirmed");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_read_back_through_a_throttle_though_little_time_is_left() {
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    rig.emulator
        .world()
        .on_next("UpdateHealthCheck", |w| w.faults.times(3, "GetHealthCheck", Fault::Throttle));
    let report = rig.invoke_within(json!({"action": "tick"}), seconds(4)).await.unwrap();
    assert_eq!((report.actions, report.health_check.version), (vec![RouteToSecondary], Some(2)));
}
