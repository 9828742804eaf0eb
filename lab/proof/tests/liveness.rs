//! What must come: a function that does nothing keeps every other promise.
//!
//! Each of these mutants fails here by name: one that always stays, one that gives up after three tries, one that
//! takes its claim back after a lost race, and one that wants one more confirmation.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use emulator::{Change, Fault, Service, World};
use jiff::{SignedDuration, Timestamp};
use proof::rig::{CHECK, PRIMARY, Rig, origin, world};
use rds_route53_failover::memory::{By, Memory};
use serde_json::json;

const PROMOTE: (&str, &str) = ("PROMOTE_REPLICA", "true");

fn outage() -> World {
    let mut world = world();
    world.set_status(PRIMARY, "failed");
    world
}

/// Moved an hour ago by the function, and the primary is well again.
fn recovered() -> World {
    let mut world = world();
    world.console_set_flags(CHECK, true, true);
    let at = origin() - SignedDuration::from_hours(1);
    let claim = format!("version=2 by=auto at={at} reason=primary-unhealthy");
    world.console_set_tag(CHECK, "failover:routed", &claim);
    world
}

/// When the flags were set or cleared by a call.
fn switched(rig: &Rig, to: bool) -> Option<Timestamp> {
    let world = rig.emulator.world();
    world.history().iter().filter(|event| event.by == emulator::Actor::Api).find_map(|event| {
        matches!(&event.change, Change::CheckUpdated { disabled, .. } if *disabled == to)
            .then_some(event.time)
    })
}

fn memory(rig: &Rig) -> (i64, Memory) {
    let world = rig.emulator.world();
    let check = world.health_check(CHECK).unwrap();
    let tags = check.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    (i64::try_from(check.version).unwrap(), Memory::parse(tags).unwrap())
}

/// The flags are set and claimed by the function's own rules, for good.
fn assert_claimed(rig: &Rig) {
    let (version, memory) = memory(rig);
    let routed = memory.routed.expect("nobody claims the failover");
    assert_eq!((routed.version, routed.by, routed.until), (version, By::Auto, None), "{routed}");
}

fn promotions(rig: &Rig) -> usize {
    let world = rig.emulator.world();
    let accepted = |change: &Change| matches!(change, Change::PromotionAccepted { .. });
    world.history().iter().filter(|event| accepted(&event.change)).count()
}

fn route53_calls(rig: &Rig) -> usize {
    rig.emulator.world().calls().iter().filter(|call| call.service == Service::Route53).count()
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_lasts_is_routed_away_from_in_time_and_claimed() {
    for (confirmations, interval) in [(1, 10), (2, 10), (3, 10), (5, 10), (3, 1), (2, 60)] {
        let count = confirmations.to_string();
        let period = format!("{interval}s");
        let rig = Rig::new(outage(), &[("CONFIRMATIONS", &count), ("CONFIRMATION_INTERVAL", &period)]);
        rig.delay_calls(|| Duration::from_millis(30));
        let began = rig.time.now();
        rig.tick().await.unwrap();
        let took = switched(&rig, true).expect("traffic was not moved").duration_since(began);
        let least = SignedDuration::from_secs(interval * (confirmations - 1));
        assert!(took >= least, "{confirmations} × {period}: moved after {took:#}, unconfirmed");
        assert!(
            took <= least + SignedDuration::from_secs(5),
            "{confirmations} × {period}: moved after {took:#}"
        );
        assert_claimed(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_is_back_in_time_once_the_primary_may_have_it() {
    for confirmations in [1, 3, 4] {
        let rig = Rig::new(recovered(), &[("FAILBACK_CONFIRMATIONS", &confirmations.to_string())]);
        rig.delay_calls(|| Duration::from_millis(30));
        let began = rig.time.now();
        rig.tick().await.unwrap();
        let took = switched(&rig, false).expect("traffic was not returned").duration_since(began);
        let least = SignedDuration::from_secs(10 * (confirmations - 1));
        assert!(took >= least && took <= least + SignedDuration::from_secs(5), "returned after {took:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_allowed_promotion_is_accepted_in_the_tick_that_moves_traffic() {
    let rig = Rig::new(outage(), &[PROMOTE]);
    rig.tick().await.unwrap();
    assert_eq!(promotions(&rig), 1);
    assert_claimed(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_steady_tick_makes_one_call_to_route53_and_a_change_few() {
    let order = json!({"action": "failover", "reason": "drill"});
    let promotion = json!({"action": "failover", "reason": "drill", "promote": true});
    let tick = json!({"action": "tick"});
    for (what, world, variables, event, most) in [
        ("steady tick", world(), vec![PROMOTE], tick.clone(), 1),
        ("failover", outage(), vec![], tick.clone(), 8),
        ("failover and promotion", outage(), vec![PROMOTE], tick.clone(), 13),
        ("failover with one confirmation", outage(), vec![("CONFIRMATIONS", "1")], tick.clone(), 8),
        ("failover with nine confirmations", outage(), vec![("CONFIRMATIONS", "9")], tick, 8),
        ("requested failover", outage(), vec![], order, 9),
        ("requested failover and promotion", outage(), vec![PROMOTE], promotion, 14),
    ] {
        let rig = Rig::new(world, &variables);
        rig.invoke(event).await.unwrap();
        let calls = route53_calls(&rig);
        assert!(calls <= most, "{what}: {calls} calls to Route 53, not {most} at most");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_repeated_for_as_long_as_the_deadline_allows() {
    for operation in [
        "GetHealthCheck",
        "ListTagsForResource",
        "ChangeTagsForResource",
        "UpdateHealthCheck",
        "DescribeDBInstances",
    ] {
        for times in [1, 3, 5, 8] {
            let rig = Rig::new(outage(), &[PROMOTE]);
            rig.emulator.world().faults.times(times, operation, Fault::Throttle);
            let event = json!({"action": "tick"});
            let result = rig.invoke_within(event, Duration::from_secs(120)).await;
            assert!(switched(&rig, true).is_some(), "{operation} throttled {times} times: {result:?}");
            assert_claimed(&rig);
            assert_eq!(promotions(&rig), 1, "{operation} throttled {times} times: {result:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_promotion_is_repeated() {
    for times in [1, 3, 5, 8] {
        let rig = Rig::new(outage(), &[PROMOTE]);
        rig.emulator.world().faults.times(times, "PromoteReadReplica", Fault::Throttle);
        let result = rig.invoke_within(json!({"action": "tick"}), Duration::from_secs(120)).await;
        assert_eq!(promotions(&rig), 1, "throttled {times} times: {result:?}");
    }
}

/// The ordinary case: a schedule and an RDS event in the same second. `explore.rs` takes every order of their calls.
#[tokio::test(start_paused = true)]
async fn a_lost_race_takes_no_claim_back() {
    for seed in 0..60 {
        let rig = Rig::new(outage(), &[PROMOTE, ("CONFIRMATIONS", "1")]);
        let mut random = fastrand::Rng::with_seed(seed);
        rig.delay_calls(move || Duration::from_millis(random.u64(0..200)));
        let environments = [rig.environment(), rig.environment(), rig.environment()];
        let tick = |app| rig.invoke_in(app, json!({"action": "tick"}), Duration::from_secs(900));
        let _ = tokio::join!(tick(&environments[0]), tick(&environments[1]), tick(&environments[2]));
        rig.wait(Duration::from_secs(60)).await;
        rig.tick().await.unwrap();
        assert_claimed(&rig);
        assert_eq!(promotions(&rig), 1, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_nobody_saw_through_is_confirmed_within_fifteen_minutes_and_not_after() {
    for (minutes, ours) in [(1, true), (14, true), (16, false)] {
        let rig = Rig::new(outage(), &[("CONFIRMATIONS", "1")]);
        // It dies while it waits for the answer to the update of the flags.
        rig.emulator.world().faults.once("UpdateHealthCheck", Fault::AppliedThenHang);
        let died = tokio::time::timeout(Duration::from_secs(1), rig.tick()).await;
        assert!(died.is_err(), "it ended: {died:?}");
        assert!(switched(&rig, true).is_some());
        rig.wait(Duration::from_secs(60 * minutes)).await;
        let report = rig.tick().await.unwrap();
        assert_eq!(report.health_check.by, ours.then_some("auto"), "after {minutes} minutes");
        if ours {
            assert_claimed(&rig);
        }
    }
}
