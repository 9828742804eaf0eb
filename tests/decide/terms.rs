//! When a term begins and ends, to the second.

use jiff::SignedDuration;
use rds_route53_failover::decide::Streak;
use rds_route53_failover::diagnosis::Diagnosis;
use rds_route53_failover::memory::{Move, Pause};
use rds_route53_failover::model::{Evidence, Sample};

use crate::grey;
use crate::scene::{FORCED_PROMOTION, Scene, VERSION, ago, announced, moved, now};

#[test]
fn a_term_is_over_at_its_very_end() {
    let ago = |seconds| now() - SignedDuration::from_secs(seconds);
    let returned = |version, seconds| {
        move |s: &mut Scene| {
            s.memory().returned = Some(if version > VERSION {
                announced(version, ago(seconds))
            } else {
                moved(version, ago(seconds))
            });
        }
    };
    let cooldown = |seconds| Scene::with("failed").but(returned(VERSION, seconds)).code();
    assert_eq!((cooldown(599), cooldown(600)), ("cooldown", "primary-unhealthy"));
    let never_made = Scene::with("failed").but(returned(VERSION + 1, 9)).code();
    assert_eq!(never_made, "primary-unhealthy", "a return that was never made cools nothing down");
    let lapsed = |s: &mut Scene| {
        s.memory().returned = Some(Move { until: Some(ago(1)), ..moved(VERSION, ago(9)) });
    };
    assert_eq!(Scene::with("failed").but(lapsed).code(), "primary-unhealthy", "nobody confirmed it");

    let failing_over =
        |seconds| grey().but(|s| s.seen.multi_az_failover = Evidence::Read(Some(ago(seconds)))).code();
    assert_eq!((failing_over(179), failing_over(180)), ("multi-az-failover", "primary-unhealthy"));

    let going_back = |seconds| Scene::promoting("failed").but(returned(VERSION + 1, seconds)).code();
    assert_eq!((going_back(29), going_back(30)), ("failback-in-progress", "replica-fit-to-promote"));
    let came_back = Scene::promoting("failed").but(returned(VERSION - 1, 9)).code();
    assert_eq!(came_back, "replica-fit-to-promote", "traffic went back, and away again");
    let earlier = |s: &mut Scene| s.memory().returned = Some(announced(VERSION - 1, ago(9)));
    assert_eq!(Scene::promoting("failed").but(earlier).code(), "replica-fit-to-promote");

    let paused = |seconds| {
        let until = Some(now() + SignedDuration::from_secs(seconds));
        Scene::with("failed").but(|s| s.memory().pause = Some(Pause { until, reason: String::new() })).code()
    };
    assert_eq!((paused(1), paused(0)), ("paused", "primary-unhealthy"));
}

#[test]
fn a_failback_of_an_earlier_incident_hinders_no_promotion() {
    let scene = Scene::promoting("failed").but(|s| {
        s.memory().returned = Some(moved(VERSION - 1, ago(14)));
    });
    assert_eq!(scene.code(), "replica-fit-to-promote");
}

#[test]
fn the_outage_began_when_traffic_was_moved_not_when_this_invocation_saw_it() {
    // MySQL's lag turns to -1 with the primary's death: the sample from before the move counts.
    let samples = vec![Sample { at: ago(4), seconds: 5.0 }, Sample { at: ago(2), seconds: -1.0 }];
    let scene = Scene::promoting("failed").but(|s| s.seen.lag = Evidence::Read(samples));
    assert_eq!(scene.code(), "replica-fit-to-promote");
    // That of an earlier incident says nothing of this one: replication stopped before this outage.
    let earlier = |s: &mut Scene| s.memory().routed.as_mut().unwrap().version = VERSION - 1;
    let ordered = scene.but(earlier).order(FORCED_PROMOTION);
    assert_eq!(ordered.code(), "lag-unknown");
}

#[test]
fn a_streak_began_with_its_first_observation_and_ends_with_another_health() {
    let diagnosis = |status| {
        let Scene { seen, pair, .. } = Scene::with(status);
        Diagnosis::of(&seen, &pair)
    };
    let streak = Streak::new(&diagnosis("failed"), ago(3)).and(&diagnosis("stopped"), ago(2));
    assert_eq!((streak.length, streak.alike, streak.since), (2, 1, ago(3)));
    let streak = streak.and(&diagnosis("stopped"), ago(1));
    assert_eq!((streak.length, streak.alike, streak.since), (3, 2, ago(3)));
    assert_eq!(streak.and(&diagnosis("available"), now()), Streak::new(&diagnosis("available"), now()));
}

#[test]
fn a_lag_at_the_bound_is_within_it() {
    let lag = |seconds| Evidence::Read(vec![Sample { at: ago(4), seconds }]);
    let code = |seconds| Scene::promoting("failed").but(|s| s.seen.lag = lag(seconds)).code();
    assert_eq!(code(60.0), "replica-fit-to-promote");
    assert_eq!(code(60.001), "lag-too-high");
    assert_eq!(code(-1.0), "lag-unknown");
}
