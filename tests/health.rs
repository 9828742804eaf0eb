//! What RDS's words, the probes and the lag say of an instance: unknown is never down, missing data never zero.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rds_route53_failover::config::{Config, Policy};
use rds_route53_failover::health::{Diagnosis, Lag, Role, Trigger, lag, role};
use rds_route53_failover::memory::{Memory, Promotion};
use rds_route53_failover::model::{Blind, Cause, Details, Instance, InstanceRef, Probes, Reading, Sample};
use rds_route53_failover::status::Health::{Healthy, Hold, Unhealthy, Unknown};
use rds_route53_failover::status::{Health, Status};

/// Each status, what it says, and whether a promotion is allowed on it by default.
const STATUSES: &[(&str, Health, bool)] = &[
    ("available", Healthy, false),
    ("backing-up", Healthy, false),
    ("configuring-enhanced-monitoring", Healthy, false),
    ("configuring-iam-database-auth", Healthy, false),
    ("configuring-log-exports", Healthy, false),
    ("resetting-master-credentials", Healthy, false),
    ("storage-initialization", Healthy, false),
    ("storage-optimization", Healthy, false),
    ("backtracking", Hold, false),
    ("configuring-performance-insights", Hold, false),
    ("converting-to-vpc", Hold, false),
    ("creating", Hold, false),
    ("delete-precheck", Hold, false),
    ("incompatible-credentials", Hold, false),
    ("incompatible-option-group", Hold, false),
    ("modify-failed", Hold, false),
    ("modifying", Hold, false),
    ("moving-to-vpc", Hold, false),
    ("rebooting", Hold, false),
    ("renaming", Hold, false),
    ("shutting-down", Hold, false),
    ("starting", Hold, false),
    ("storage-config-upgrade", Hold, false),
    ("unsupported-configuration", Hold, false),
    ("upgrading", Hold, false),
    ("deleted", Unhealthy, false),
    ("deleting", Unhealthy, false),
    ("failed", Unhealthy, true),
    ("inaccessible-encryption-credentials", Unhealthy, true),
    ("inaccessible-encryption-credentials-recoverable", Unhealthy, false),
    ("incompatible-create", Unhealthy, false),
    ("incompatible-network", Unhealthy, true),
    ("incompatible-parameters", Unhealthy, false),
    ("incompatible-restore", Unhealthy, false),
    ("insufficient-capacity", Unhealthy, false),
    ("maintenance", Unhealthy, false),
    ("restore-error", Unhealthy, false),
    ("stopped", Unhealthy, false),
    ("stopping", Unhealthy, false),
    ("storage-full", Unhealthy, false),
    ("upgrade-failed", Unhealthy, false),
];

#[test]
fn every_status_says_what_the_table_says() {
    for (text, health, promotable) in STATUSES {
        let status = Status::parse(text);
        assert_eq!(status.as_str(), *text);
        assert_eq!((status.health(), status.promotable_by_default()), (*health, *promotable), "{text}");
        assert!(!matches!(status, Status::Unrecognised(_)), "{text}");
    }
    let known: BTreeSet<_> = Status::ALL.iter().map(Status::as_str).collect();
    assert_eq!(known, STATUSES.iter().map(|(text, ..)| *text).collect());
    assert_eq!(Status::ALL.len(), STATUSES.len());
}

#[test]
fn only_what_rds_does_not_heal_is_promotable_by_default() {
    for (text, health, promotable) in STATUSES {
        assert!(!promotable || *health == Unhealthy, "{text}");
    }
    assert!(!Status::Stopped.promotable_by_default(), "somebody stopped it, and can start it");
    assert!(!Status::StorageFull.promotable_by_default());
}

#[test]
fn a_status_nobody_knows_holds_and_keeps_its_name() {
    for text in ["", "exploded", "available2", "not-available", "failed!"] {
        let status = Status::parse(text);
        assert_eq!((status.health(), status.promotable_by_default()), (Hold, false), "{text}");
        assert_eq!(status, Status::Unrecognised(text.to_owned()));
        let diagnosis = diagnose(&Reading::Known(instance(text)), None, &[]);
        assert_eq!(diagnosis.health(), Hold);
        assert!(diagnosis.to_string().contains(text), "{diagnosis}");
    }
}

proptest! {
    #[test]
    fn case_and_underscores_say_nothing(index in 0..STATUSES.len(), upper in any::<u64>(), under in any::<u64>()) {
        let text = STATUSES[index].0;
        let spelt: String = text
            .chars()
            .enumerate()
            .map(|(i, c)| match c {
                '-' if under >> (i % 64) & 1 == 1 => '_',
                c if upper >> (i % 64) & 1 == 1 => c.to_ascii_uppercase(),
                c => c,
            })
            .collect();
        prop_assert_eq!(Status::parse(&spelt), Status::parse(text));
        prop_assert_eq!(Status::parse(&format!(" {spelt}\n")), Status::parse(text));
    }

    #[test]
    fn any_text_is_a_status(text in ".*") {
        let status = Status::parse(&text);
        prop_assert!(Status::ALL.contains(&status) || status.health() == Hold);
        prop_assert_eq!(Status::parse(status.as_str()), status);
    }
}

// ----------------------------------------------------------------- evidence

fn instance(status: &str) -> Instance {
    Instance {
        status: Status::parse(status),
        source: None,
        created: None,
        multi_az: false,
        endpoint: None,
        details: Details::default(),
    }
}

/// A policy with three probes.
fn policy(variables: &[(&str, &str)]) -> Policy {
    let standard = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", "orders-primary"),
        ("ROUTE53_HEALTH_CHECK_ID", "check"),
        ("HEALTH_ENDPOINTS", "tcp://a:1,tcp://b:1,tcp://c:1"),
    ];
    let all = [&standard, variables].concat();
    let lookup = |name: &str| all.iter().rfind(|(it, _)| *it == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).unwrap().policy
}

fn diagnose(primary: &Reading<Instance>, answered: Option<usize>, variables: &[(&str, &str)]) -> Diagnosis {
    let probes = answered.map(|answered| Probes { answered, asked: 3 });
    Diagnosis::of(primary, probes, &policy(variables))
}

fn unknown(cause: Cause) -> Reading<Instance> {
    Reading::Unknown(Blind { cause, detail: "why".to_owned() })
}

const FAILOVER: &[(&str, &str)] = &[("ON_PRIMARY_UNREACHABLE", "failover")];
const CAUSES: [Cause; 4] = [Cause::Unreachable, Cause::Throttled, Cause::Denied, Cause::Other];

#[test]
fn an_api_that_fails_is_never_a_database_that_is_down() {
    for cause in CAUSES {
        for answered in [None, Some(0), Some(3)] {
            let diagnosis = diagnose(&unknown(cause), answered, &[]);
            assert_eq!(diagnosis.health(), Unknown, "{cause:?} {answered:?}");
        }
    }
}

#[test]
fn an_unreachable_region_counts_only_where_configured_and_only_with_failing_probes() {
    for cause in CAUSES {
        for answered in [None, Some(0), Some(1), Some(2), Some(3)] {
            let diagnosis = diagnose(&unknown(cause), answered, FAILOVER);
            let down = cause == Cause::Unreachable && matches!(answered, Some(0 | 1));
            let expected = if down { Unhealthy } else { Unknown };
            assert_eq!(diagnosis.health(), expected, "{cause:?} {answered:?}");
            assert_eq!(diagnosis == Diagnosis::Unhealthy(Trigger::Unreachable), down);
        }
    }
}

#[test]
fn a_database_that_serves_is_not_down_whatever_rds_says() {
    for (text, health, _) in STATUSES {
        let reading = Reading::Known(instance(text));
        for (answered, serving) in [(0, false), (1, false), (2, true), (3, true)] {
            let diagnosis = diagnose(&reading, Some(answered), &[]);
            let expected = match (health, serving) {
                (Healthy, false) | (Unhealthy, false) => Unhealthy,
                (Unhealthy, true) | (Hold, _) => Hold,
                (Healthy, true) => Healthy,
                (Unknown, _) => panic!("no status is unknown"),
            };
            assert_eq!(diagnosis.health(), expected, "{text} {answered}");
        }
        assert_eq!(diagnose(&reading, None, &[]).health(), *health, "{text}");
    }
    assert_eq!(diagnose(&Reading::Missing, Some(2), &[]).health(), Hold);
}

#[test]
fn what_is_wrong_has_the_word_that_promote_on_uses() {
    let trigger = |reading, answered| {
        let diagnosis = diagnose(&reading, answered, FAILOVER);
        diagnosis.trigger().unwrap_or_else(|| panic!("{diagnosis}")).as_str().to_owned()
    };
    assert_eq!(trigger(Reading::Missing, None), "missing");
    assert_eq!(trigger(Reading::Known(instance("available")), Some(0)), "unresponsive");
    assert_eq!(trigger(Reading::Known(instance("Storage_Full")), Some(0)), "storage-full");
    assert_eq!(trigger(unknown(Cause::Unreachable), Some(0)), "unreachable");
}

#[test]
fn an_override_counts_for_its_status_alone() {
    let overrides = [("STATUS_OVERRIDES", "maintenance=hold,never-heard-of=unhealthy,available=hold")];
    for (text, health) in [
        ("maintenance", Hold),
        ("never-heard-of", Unhealthy),
        ("Never_Heard_Of", Unhealthy),
        ("available", Hold),
        ("stopped", Unhealthy),
        ("another", Hold),
    ] {
        assert_eq!(diagnose(&Reading::Known(instance(text)), None, &overrides).health(), health, "{text}");
    }
}

#[test]
fn a_replica_that_stands_alone_is_promoted_once_it_is_available() {
    let id = |identifier: &str| InstanceRef { identifier: identifier.to_owned(), region: None };
    let sent = Promotion { version: 7, at: now(), instance: "orders-replica".to_owned() };
    let memory = Memory { promoted: Some(sent), ..Memory::default() };
    let role = |status, memory: Option<&Memory>| {
        let alone = Reading::Known(instance(status));
        role(&alone, &id("orders-replica"), &id("orders-primary"), memory, Some(7), now())
    };
    assert_eq!(role("available", None), Role::Promoted);
    assert_eq!(role("available", Some(&memory)), Role::Promoted);
    assert_eq!(role("backing-up", Some(&memory)), Role::Promoting);
    assert_eq!(role("backing-up", None), Role::Other);
}

// ---------------------------------------------------------------------- lag

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// The lag by samples of (seconds ago, value), where the outage was first seen so many seconds ago.
fn lag_of(samples: &[(i64, f64)], seen: i64) -> Result<Lag, String> {
    let samples: Vec<_> =
        samples.iter().map(|(age, seconds)| Sample { at: ago(*age), seconds: *seconds }).collect();
    lag(&samples, ago(seen), now())
}

fn seconds(samples: &[(i64, f64)], seen: i64) -> Option<f64> {
    lag_of(samples, seen).ok().map(|lag| lag.seconds)
}

#[test]
fn no_sample_is_an_unknown_lag_and_not_zero() {
    assert!(lag_of(&[], 0).is_err());
    assert!(lag_of(&[(60, f64::NAN)], 0).is_err());
    assert!(lag_of(&[(60, f64::INFINITY)], 0).is_err());
    assert!(lag_of(&[(60, f64::NEG_INFINITY)], 0).is_err());
}

#[test]
fn a_sample_of_a_quarter_of_an_hour_is_the_last_that_counts() {
    assert_eq!(seconds(&[(900, 1.0)], 0), Some(1.0));
    assert_eq!(lag_of(&[(900, 1.0)], 0).unwrap().age, SignedDuration::from_secs(900));
    let stale = lag_of(&[(901, 1.0)], 0).unwrap_err();
    assert!(stale.contains(&ago(901).to_string()), "{stale}");
}

#[test]
fn replication_that_does_not_run_is_an_unknown_lag_and_not_zero() {
    assert!(lag_of(&[(120, -1.0), (60, -1.0)], 0).is_err());
    // It had stopped before the outage: what it was long before says nothing of what is lost.
    assert!(lag_of(&[(600, 0.0), (120, -1.0), (30, -1.0)], 30).is_err());
}

#[test]
fn a_lag_that_climbs_since_the_primary_died_is_not_the_data_at_stake() {
    // PostgreSQL: a second each second.
    assert_eq!(seconds(&[(360, 0.5), (240, 60.0), (120, 180.0), (60, 240.0)], 240), Some(0.5));
    // MySQL: replication stops with the primary.
    assert_eq!(seconds(&[(360, 2.0), (240, -1.0), (60, -1.0)], 240), Some(2.0));
}

#[test]
fn a_lag_that_grew_faster_than_time_is_believed() {
    assert_eq!(seconds(&[(360, 0.5), (60, 900.0)], 240), Some(900.0));
    // Just what the clock explains, and a little more.
    assert_eq!(seconds(&[(360, 0.5), (60, 305.5)], 240), Some(0.5));
    assert_eq!(seconds(&[(360, 0.5), (60, 305.6)], 240), Some(305.6));
}

#[test]
fn a_lag_that_was_high_before_the_outage_stays_high() {
    assert_eq!(seconds(&[(360, 400.0), (240, 460.0)], 240), Some(400.0));
    // Caught up meanwhile: the replica has replayed all it has got.
    assert_eq!(seconds(&[(360, 400.0), (60, 3.0)], 240), Some(3.0));
}

#[test]
fn a_lag_that_did_not_climb_is_as_old_as_its_newest_sample() {
    assert_eq!(lag_of(&[(360, 3.0), (60, 3.0)], 240).unwrap().age, SignedDuration::from_secs(60));
}

#[test]
fn a_sample_within_a_tick_before_detection_is_of_the_outage_already() {
    assert_eq!(seconds(&[(290, 40.0), (181, 0.0), (60, 120.0)], 120), Some(0.0));
    assert_eq!(seconds(&[(290, 40.0), (180, 0.0), (60, 120.0)], 120), Some(40.0));
}

proptest! {
    #[test]
    fn a_known_lag_is_a_fresh_and_usable_sample(
        ages in prop::collection::vec((-60_i64..2000, -2.0_f64..1000.0), 0..20),
        seen in 0_i64..5000,
    ) {
        let mut samples = ages;
        samples.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        if let Ok(Lag { seconds, age }) = lag_of(&samples, seen) {
            prop_assert!(seconds >= 0.0 && age <= SignedDuration::from_mins(15));
            prop_assert!(samples.contains(&(age.as_secs(), seconds)));
        }
    }

    #[test]
    fn no_time_is_too_far_for_the_lag(detected in any::<i64>(), at in any::<i64>(), now in any::<i64>()) {
        let time = |second: i64| {
            Timestamp::from_second(second % 400_000_000_000).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
        };
        let _ = lag(&[Sample { at: time(at), seconds: 1.0 }], time(detected), time(now));
        let _ = lag(&[Sample { at: Timestamp::MIN, seconds: 1.0 }], Timestamp::MIN, Timestamp::MAX);
    }
}
