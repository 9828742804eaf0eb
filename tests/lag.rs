//! How far the replica is behind: missing data is never zero, and what is at stake is a range.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rds_route53_failover::lag::{AtStake, Lag, NoLag, lag};
use rds_route53_failover::model::Sample;

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// The lag by samples of (seconds ago, value), where the outage was first seen so many seconds ago.
fn lag_of(samples: &[(i64, f64)], seen: i64) -> Result<Lag, NoLag> {
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
    assert_eq!(lag_of(&[(900, 1.0)], 0).unwrap().at, ago(900));
    let stale = lag_of(&[(901, 1.0)], 0).unwrap_err();
    assert_eq!(stale, NoLag::Stale(ago(901)));
    assert!(stale.to_string().contains(&ago(901).to_string()), "{stale}");
}

#[test]
fn replication_that_does_not_run_is_an_unknown_lag_and_not_zero() {
    assert!(lag_of(&[(120, -1.0), (60, -1.0)], 0).is_err());
    // It had stopped before the outage: what it was long before says nothing of what is lost.
    assert!(lag_of(&[(600, 0.0), (120, -1.0), (30, -1.0)], 30).is_err());
}

#[test]
fn a_sample_of_the_minute_in_which_the_primary_died_does_not_hide_the_one_before() {
    // Seen 30 s ago: the minute that began 100 s ago may have ended in the outage.
    assert_eq!(seconds(&[(160, 2.0), (100, -1.0), (40, -1.0)], 30), Some(2.0));
    // The outage may have begun 90 s ago: a minute that ended just then is of the time before it.
    assert_eq!(seconds(&[(209, 2.0), (149, -1.0), (89, -1.0)], 30), Some(2.0));
    assert!(lag_of(&[(210, 2.0), (150, -1.0), (90, -1.0)], 30).is_err());
    // The minute that began 160 s ago ended before it.
    assert!(lag_of(&[(220, 2.0), (160, -1.0), (100, -1.0)], 30).is_err());
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
    assert_eq!(lag_of(&[(360, 3.0), (60, 3.0)], 240).unwrap().at, ago(60));
}

#[test]
fn a_sample_within_a_tick_before_detection_is_of_the_outage_already() {
    assert_eq!(seconds(&[(290, 40.0), (181, 0.0), (60, 120.0)], 120), Some(0.0));
    assert_eq!(seconds(&[(290, 40.0), (180, 0.0), (60, 120.0)], 120), Some(40.0));
}

#[test]
fn what_is_at_stake_is_at_least_the_lag_and_at_most_what_was_written_until_the_outage() {
    let sampled = |age, seconds| Lag { seconds, at: ago(age) };
    let stake = AtStake::new(sampled(90, 2.0), Some(ago(60)), now());
    assert_eq!((stake.at_least, stake.at_most, stake.sample_age), (2.0, Some(32.0), 90.0));
    // A lag of zero is no promise: the link may have broken just after it was sampled.
    let stake = AtStake::new(sampled(90, 0.0), Some(ago(60)), now());
    assert_eq!((stake.at_least, stake.at_most), (0.0, Some(30.0)));
    // Sampled after the outage: nothing more can have been written.
    let stake = AtStake::new(sampled(30, 2.0), Some(ago(60)), now());
    assert_eq!((stake.at_least, stake.at_most), (2.0, Some(2.0)));
}

#[test]
fn behind_a_living_primary_nothing_bounds_what_is_at_stake() {
    let stake = AtStake::new(Lag { seconds: 0.0, at: ago(30) }, None, now());
    assert_eq!(stake.at_most, None);
    let words = stake.to_string();
    assert!(words.contains("at least 0 s") && words.contains("open connections still write"), "{words}");
}

proptest! {
    #[test]
    fn a_known_lag_is_a_fresh_and_usable_sample(
        ages in prop::collection::vec((-60_i64..2000, -2.0_f64..1000.0), 0..20),
        seen in 0_i64..5000,
    ) {
        let mut samples = ages;
        samples.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        if let Ok(Lag { seconds, at }) = lag_of(&samples, seen) {
            let age = now().duration_since(at);
            prop_assert!(seconds >= 0.0 && age <= SignedDuration::from_mins(15));
            prop_assert!(samples.contains(&(age.as_secs(), seconds)));
        }
    }

    #[test]
    fn at_stake_is_a_range(seconds in 0.0_f64..1e6, age in -100_i64..2000, outage in -100_i64..2000) {
        let stake = AtStake::new(Lag { seconds, at: ago(age) }, Some(ago(outage)), now());
        prop_assert!(stake.at_most.is_some_and(|most| most >= stake.at_least) && stake.sample_age >= 0.0);
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
