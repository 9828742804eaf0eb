#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! What DNS answers, by the rules Route 53 documents.

mod common;

use common::{CHECK, NAME, start, world};
use emulator::{Alarm, AlarmState, DnsClient, Failover, HealthCheck, InsufficientData, RecordSet, World};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn answers(world: &mut World) -> Failover {
    let now = world.now();
    world.dns_answer(NAME, now).unwrap().failover.unwrap()
}

#[test]
fn only_disabled_and_inverted_is_reliably_unhealthy() {
    for (disabled, inverted, failing, expected) in [
        (false, false, false, Failover::Primary),
        (false, false, true, Failover::Secondary),
        (true, false, false, Failover::Primary),
        (true, false, true, Failover::Primary),
        (false, true, false, Failover::Secondary),
        (false, true, true, Failover::Primary),
        (true, true, false, Failover::Secondary),
        (true, true, true, Failover::Secondary),
    ] {
        let mut world = world();
        world.set_failing(CHECK, failing);
        world.console_set_flags(CHECK, disabled, inverted);
        assert_eq!(answers(&mut world), expected, "{disabled} {inverted} {failing}");
    }
}

#[test]
fn when_both_are_unhealthy_the_primary_answers() {
    let mut world = World::new();
    for id in ["one", "two"] {
        world.add_health_check(HealthCheck { failing: true, ..HealthCheck::tcp(id, "host", 5432) });
    }
    let secondary = RecordSet { health_check: Some("two".to_owned()), ..RecordSet::secondary(NAME, "b") };
    world.add_zone("Z1", "example.com", [RecordSet::primary(NAME, "a", "one"), secondary]);
    assert_eq!(answers(&mut world), Failover::Primary);
    world.set_failing("two", false);
    assert_eq!(answers(&mut world), Failover::Secondary);
}

#[test]
fn a_calculated_check_counts_its_healthy_children() {
    for (threshold, failing, healthy) in [(0, 2, true), (1, 1, true), (2, 1, false), (3, 0, false)] {
        let mut world = World::new();
        for child in 0..2 {
            world.add_health_check(HealthCheck {
                failing: child < failing,
                ..HealthCheck::tcp(&format!("child-{child}"), "host", 5432)
            });
        }
        world.add_health_check(HealthCheck {
            children: vec!["child-0".to_owned(), "child-1".to_owned()],
            threshold,
            ..HealthCheck::switch("parent")
        });
        assert_eq!(world.is_healthy("parent"), healthy, "threshold {threshold}, {failing} failing");
    }
}

#[test]
fn a_disabled_child_counts_as_healthy_for_its_parent() {
    let mut world = World::new();
    world.add_health_check(HealthCheck { failing: true, ..HealthCheck::tcp("child", "host", 5432) });
    world.add_health_check(HealthCheck {
        children: vec!["child".to_owned()],
        threshold: 1,
        ..HealthCheck::switch("parent")
    });
    assert!(!world.is_healthy("parent"));
    world.console_set_flags("child", true, false);
    assert!(world.is_healthy("parent"));
}

#[test]
fn a_client_keeps_the_old_answer_for_its_ttl() {
    let mut world = world();
    let mut client = DnsClient::new();
    let mut seen =
        |world: &mut World, seconds| client.resolve(world, NAME, at(seconds)).unwrap().failover.unwrap();
    assert_eq!(seen(&mut world, 0), Failover::Primary);
    world.console_set_flags(CHECK, true, true);
    assert_eq!(seen(&mut world, 59), Failover::Primary);
    assert_eq!(seen(&mut world, 60), Failover::Secondary);
}

#[test]
fn a_change_of_flags_can_take_its_time_to_reach_dns() {
    let mut world = world();
    world.dns_propagation = Duration::from_secs(20);
    world.console_set_flags(CHECK, true, true);
    assert_eq!(world.dns_answer(NAME, at(19)).unwrap().failover, Some(Failover::Primary));
    assert_eq!(world.dns_answer(NAME, at(20)).unwrap().failover, Some(Failover::Secondary));
}

fn world_of_alarm(insufficient_data: InsufficientData) -> World {
    let mut world = World::new();
    world.advance(start());
    world.add_alarm(Alarm {
        evaluation_periods: 3,
        datapoints_to_alarm: 2,
        ..Alarm::new("us-east-1", "route-away", "Failover", "RouteAway")
    });
    world.add_health_check(HealthCheck {
        insufficient_data,
        ..HealthCheck::metric("metric", "us-east-1", "route-away")
    });
    world
}

fn put(world: &mut World, seconds: i64, value: f64) {
    world.put_sample("us-east-1", "Failover", "RouteAway", [].into(), at(seconds), value);
}

fn state(world: &mut World, seconds: i64) -> AlarmState {
    world.advance(at(seconds));
    world.alarm_state("us-east-1", "route-away")
}

#[test]
fn without_data_a_metric_check_is_what_it_was_configured_to_be() {
    for (setting, healthy) in [
        (InsufficientData::Healthy, true),
        (InsufficientData::Unhealthy, false),
        (InsufficientData::LastKnownStatus, true),
    ] {
        let mut world = world_of_alarm(setting);
        assert_eq!(world.is_healthy("metric"), healthy);
    }
}

#[test]
fn an_alarm_needs_its_datapoints_and_missing_ones_keep_its_state() {
    let mut world = world_of_alarm(InsufficientData::LastKnownStatus);
    for (seconds, value) in [(0, 0.0), (60, 0.0), (120, 1.0)] {
        put(&mut world, seconds, value);
    }
    assert_eq!(state(&mut world, 60), AlarmState::InsufficientData);
    assert_eq!(state(&mut world, 120), AlarmState::Ok);
    assert_eq!(state(&mut world, 180), AlarmState::Ok, "one datapoint of the two");
    put(&mut world, 180, 1.0);
    assert_eq!(state(&mut world, 239), AlarmState::Ok, "the period is not over");
    assert_eq!(state(&mut world, 240), AlarmState::Alarm);
    assert!(!world.is_healthy("metric"));
    assert_eq!(state(&mut world, 36_000), AlarmState::Alarm, "missing data is ignored");
    put(&mut world, 36_000, 0.0);
    assert_eq!(state(&mut world, 36_060), AlarmState::Alarm, "one fine datapoint of three");
    put(&mut world, 36_060, 0.0);
    assert_eq!(state(&mut world, 36_120), AlarmState::Ok);
}

#[test]
fn an_alarm_that_nobody_looked_at_meanwhile_comes_to_the_same_state() {
    for value in [0.0, 1.0] {
        let (mut watched, mut left) = (
            world_of_alarm(InsufficientData::LastKnownStatus),
            world_of_alarm(InsufficientData::LastKnownStatus),
        );
        for minute in 0..120 {
            let value = if minute % 7 < 3 { value } else { 0.5 };
            put(&mut watched, minute * 60, value);
            put(&mut left, minute * 60, value);
            state(&mut watched, minute * 60);
        }
        let end = 121 * 60;
        assert_eq!(state(&mut watched, end), state(&mut left, end));
    }
}

/// Failover aliases over plain records, as external-dns makes them.
fn world_of_aliases(evaluate: bool) -> World {
    let mut world = World::new();
    for id in ["one", "two"] {
        world.add_health_check(HealthCheck::tcp(id, "host", 5432));
    }
    let plain = |name: &str, value: &str, check: &str| RecordSet {
        ttl: 20,
        health_check: Some(check.to_owned()),
        ..RecordSet::cname(name, value)
    };
    let primary = RecordSet { health_check: None, ..RecordSet::primary(NAME, "", "") };
    world.add_zone(
        "Z1",
        "example.com",
        [
            primary.alias_of("a.example.com", evaluate),
            RecordSet::secondary(NAME, "").alias_of("b.example.com", evaluate),
            plain("a.example.com", "a.rds.amazonaws.com", "one"),
            plain("b.example.com", "b.rds.amazonaws.com", "two"),
        ],
    );
    world
}

fn value(world: &mut World) -> (String, u32, Failover) {
    let answer = world.dns_answer(NAME, world.now()).unwrap();
    (answer.value, answer.ttl, answer.failover.unwrap())
}

#[test]
fn failover_aliases_are_followed_to_the_plain_records_and_are_as_healthy_as_those() {
    let mut world = world_of_aliases(true);
    let (a, b) = ("a.rds.amazonaws.com".to_owned(), "b.rds.amazonaws.com".to_owned());
    assert_eq!(value(&mut world), (a.clone(), 20, Failover::Primary));
    world.console_set_flags("one", true, true);
    assert_eq!(value(&mut world), (b, 20, Failover::Secondary));
    world.set_failing("two", true);
    assert_eq!(value(&mut world), (a, 20, Failover::Primary), "both are unhealthy");
}

#[test]
fn an_alias_that_does_not_evaluate_its_target_stays_healthy() {
    let mut world = world_of_aliases(false);
    world.console_set_flags("one", true, true);
    assert_eq!(value(&mut world).2, Failover::Primary);
}

#[test]
fn an_alias_without_end_has_no_answer() {
    let mut world = World::new();
    let round = |name: &str, other: &str| RecordSet::cname(name, "").alias_of(other, true);
    world.add_zone(
        "Z1",
        "example.com",
        [round("a.example.com", "b.example.com"), round("b.example.com", "a.example.com")],
    );
    assert_eq!(world.dns_answer("a.example.com", start()), None);
}

#[test]
fn an_inverted_child_counts_the_other_way_round_and_a_disabled_parent_is_healthy() {
    for (child, parent, healthy) in [
        ((false, true), (false, false), false),
        ((true, true), (false, false), false),
        ((true, false), (false, false), true),
        ((true, true), (true, false), true),
        ((false, false), (true, true), false),
        ((true, true), (false, true), true),
    ] {
        let mut world = World::new();
        world.add_health_check(HealthCheck::tcp("child", "host", 5432));
        world.add_health_check(HealthCheck {
            children: vec!["child".to_owned()],
            threshold: 1,
            ..HealthCheck::switch("parent")
        });
        world.console_set_flags("child", child.0, child.1);
        world.console_set_flags("parent", parent.0, parent.1);
        assert_eq!(world.is_healthy("parent"), healthy, "child {child:?}, parent {parent:?}");
    }
}
