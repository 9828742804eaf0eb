//! Watching within an invocation: an outage between two ticks is seen in seconds, and nobody pays for it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::time::Duration;

use common::probes::Listening;
use common::*;
use emulator::{Fault, On};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::model::Change::RouteToSecondary;
use serde_json::json;

const WATCH: (&str, &str) = ("WATCH_INTERVAL", "1s");

fn calls(rig: &Rig, target: &str) -> Vec<jiff::Timestamp> {
    let world = rig.emulator.world();
    let describes = world.calls().iter().filter(|call| call.operation == "DescribeDBInstances");
    describes.filter(|call| call.target.as_deref() == Some(target)).map(|call| call.time).collect()
}

async fn took(rig: &Rig, timeout: Duration) -> Duration {
    let begun = rig.time.now();
    let result = rig.invoke_within(json!({"action": "tick"}), timeout).await;
    assert_eq!(result.unwrap().reason, "primary-healthy");
    (rig.time.now() - begun).unsigned_abs()
}

#[tokio::test(start_paused = true)]
async fn a_steady_watch_lasts_55_seconds_and_asks_rds_every_five_and_route_53_once() {
    let rig = Rig::new(world(), &[WATCH]);
    let begun = rig.time.now();
    let report = tick_stays(&rig, "primary-healthy").await;
    let took = (rig.time.now() - begun).unsigned_abs();
    assert!((seconds(50)..=seconds(55)).contains(&took), "{took:?}");
    assert_eq!((route53_calls(&rig), calls(&rig, REPLICA).len()), (1, 1));
    let asked = calls(&rig, PRIMARY);
    assert!((10..=12).contains(&asked.len()), "{asked:?}");
    assert!(asked.windows(2).all(|pair| (pair[1] - pair[0]).unsigned_abs() >= seconds(5)), "{asked:?}");
    assert_eq!(report.actions, []);
    assert_eq!(rig.metrics.lock().unwrap().len(), 1, "one line, of the last decision");
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_where_the_deadline_leaves_no_time_to_confirm_and_act() {
    let rig = Rig::new(world(), &[WATCH]);
    assert_eq!(took(&rig, seconds(30)).await, Duration::ZERO);
    let rig = Rig::new(world(), &[WATCH]);
    let watched = took(&rig, seconds(60)).await;
    assert!((seconds(5)..seconds(35)).contains(&watched), "{watched:?}");
    // What it leaves is enough: an outage in the last look is moved.
    let mut w = world();
    w.after(watched, |w| w.set_status(PRIMARY, "failed"));
    let rig = Rig::new(w, &[WATCH]);
    let report = rig.invoke_within(json!({"action": "tick"}), seconds(60)).await.unwrap();
    assert!(report.actions == [RouteToSecondary] || report.reason == "primary-healthy", "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_is_confirmed_like_any_other_and_moved_in_the_same_invocation() {
    for at in [3, 21, 49] {
        let mut w = world();
        w.after(seconds(at), |w| w.set_status(PRIMARY, "failed"));
        let rig = Rig::new(w, &[WATCH]);
        let begun = rig.time.now();
        let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        assert_eq!(report.observations, 3);
        let took = (rig.time.now() - begun).unsigned_abs();
        assert!(took <= seconds(at + 5 + 20 + 1), "{at}: {took:?}");
        // The look that began it, and eight as ever.
        assert_eq!(route53_calls(&rig), 8, "{at}");
        let since: jiff::Timestamp = report.times.unhealthy_since.unwrap().parse().unwrap();
        assert!((since - begun).unsigned_abs() >= seconds(at), "{since}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_look_in_the_middle_moves_nothing_and_the_watch_goes_on() {
    let mut w = world();
    w.after(seconds(7), |w| w.set_status(PRIMARY, "failed"));
    w.after(seconds(12), |w| w.set_status(PRIMARY, "available"));
    let rig = Rig::new(w, &[WATCH]);
    let begun = rig.time.now();
    tick_stays(&rig, "primary-healthy").await;
    assert!((rig.time.now() - begun).unsigned_abs() > seconds(50));
}

#[tokio::test(start_paused = true)]
async fn a_primary_on_hold_is_watched_and_an_unknown_one_fails_the_invocation() {
    let mut w = world_with("rebooting");
    w.after(seconds(20), |w| w.set_status(PRIMARY, "failed"));
    let rig = Rig::new(w, &[WATCH]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;

    let mut w = world();
    w.after(seconds(20), |w| {
        w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Denied);
    });
    tick_fails(&Rig::new(w, &[WATCH]), "PrimaryUnknown").await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_or_a_setting_that_came_while_watching_is_seen_before_anything_is_changed() {
    let mut w = world();
    w.after(seconds(10), |w| {
        w.console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
        w.set_status(PRIMARY, "failed");
    });
    tick_stays(&Rig::new(w, &[WATCH]), "paused").await;
    let mut w = world();
    w.after(seconds(10), |w| {
        w.console_set_flags(CHECK, true, true);
        w.set_status(PRIMARY, "failed");
    });
    let rig = Rig::new(w, &[WATCH]);
    tick_stays(&rig, "forced-elsewhere").await;
    assert_eq!(flags(&rig), (true, true, 2));
}

#[tokio::test(start_paused = true)]
async fn probes_are_asked_at_the_interval_and_see_what_rds_does_not() {
    let listening = Listening::start();
    let endpoint = listening.endpoint.clone();
    let rig = Rig::new(
        world(),
        &[
            WATCH,
            ("HEALTH_ENDPOINTS", &endpoint),
            ("HEALTH_ENDPOINT_TIMEOUT", "100ms"),
            ("CONFIRMATIONS", "2"),
        ],
    );
    let stops = async {
        rig.wait(Duration::from_millis(21_500)).await;
        listening.stop();
    };
    let begun = rig.time.now();
    let (report, ()) = tokio::join!(rig.tick(), stops);
    let report = report.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    let since: jiff::Timestamp = report.times.unhealthy_since.unwrap().parse().unwrap();
    assert!((since - begun).unsigned_abs() <= seconds(24), "seen within the interval: {since}");
    let asked: Vec<_> = calls(&rig, PRIMARY).into_iter().filter(|time| *time < since).collect();
    assert!(asked.windows(2).all(|pair| (pair[1] - pair[0]).unsigned_abs() >= seconds(5)), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_watches_on_an_order_or_on_the_secondary() {
    let quick =
        |begun: jiff::Timestamp, rig: &Rig| assert!((rig.time.now() - begun).unsigned_abs() < seconds(30));
    let rig = failed_over("storage-full", &[WATCH]).await;
    let begun = rig.time.now();
    tick_stays(&rig, "promotion-off").await;
    quick(begun, &rig);
    let rig = Rig::new(world(), &[WATCH]);
    let begun = rig.time.now();
    for action in ["status", "check"] {
        rig.invoke(json!({"action": action})).await.unwrap();
    }
    refused(&rig, failover(json!({})), "primary-healthy").await;
    quick(begun, &rig);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_becomes_fit_between_two_ticks_is_seen_and_traffic_moves() {
    let mut w = world_with("failed");
    w.set_status(REPLICA, "rebooting");
    w.after(seconds(30), |w| w.set_status(REPLICA, "available"));
    let rig = Rig::new(w, &[WATCH]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!((rig.time.now() - proof::rig::origin()).unsigned_abs() <= seconds(40));
}

#[tokio::test(start_paused = true)]
async fn what_a_watch_goes_on_to_refuse_is_notified_once_and_costs_route53_nothing_more() {
    let mut w = world();
    w.instance_mut(REPLICA).unwrap().source = None;
    let rig = Rig::new(w, &[WATCH]);
    tick_stays(&rig, "stale-primary").await;
    assert!((rig.time.now() - proof::rig::origin()).unsigned_abs() >= seconds(50), "it watches");
    assert_eq!((count(&rig, "GetHealthCheck"), count(&rig, "ListTagsForResource")), (1, 0));
}

/// A glance that asked nobody is no look: the metric must not rest on it.
#[tokio::test(start_paused = true)]
async fn the_metric_goes_back_only_after_looks_that_were_really_made() {
    let mut w = world();
    w.after(seconds(4), |w| {
        w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Denied);
    });
    let rig = Rig::new(w, &[WATCH]);
    rig.tick().await.unwrap_err();
    let rig = Rig::new(world(), &[WATCH, ("FAILBACK_CONFIRMATIONS", "20")]);
    tick_stays(&rig, "primary-healthy").await;
    assert!(calls(&rig, PRIMARY).len() < 20);
    assert_eq!(last_metric(&rig, "RouteToSecondary"), None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_over_a_primary_that_is_not_found_asks_rds_every_five_seconds_only() {
    let listening = Listening::start();
    let mut w = world();
    w.instance_mut(REPLICA).unwrap().source = None;
    w.console_delete(PRIMARY);
    let rig = Rig::new(w, &[WATCH, ("HEALTH_ENDPOINTS", &listening.endpoint)]);
    rig.tick().await.unwrap();
    let rds =
        rig.emulator.world().calls().iter().filter(|call| call.operation.starts_with("Describe")).count();
    // Primary, replica and events, twelve times at most.
    assert!(rds <= 36, "{rds} calls of RDS");
}
