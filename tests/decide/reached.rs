//! Every row, with a case that reaches it.

use rds_route53_failover::decide::{UNREADABLE, rules};
use rds_route53_failover::memory::By;
use rds_route53_failover::model::{Cause, CheckState, Evidence, NotUpdatable, Reading, Sample};

use crate::scene::{
    FAILBACK, FAILOVER, FORCED_PROMOTION, PROMOTION, Scene, VERSION, ago, announced, failure, moved, now,
    source,
};
use crate::{ALONE, FENCE, PROMOTE, ZONE, grey, scene, unreachable_check};

/// For each code a case that reaches it.
fn table() -> Vec<(&'static str, Scene)> {
    let auto = |status| Scene::moved(By::Auto, status);
    vec![
        (
            "health-check-not-updatable",
            Scene::steady().but(|s| s.check().not_updatable = Some(NotUpdatable::RecoveryControl)),
        ),
        ("control-plane-down-unconfirmed", Scene::with("failed").observed(1).but(unreachable_check)),
        ("control-plane-down", Scene::with("failed").but(unreachable_check)),
        ("health-check-unreadable", Scene::steady().but(unreachable_check)),
        (
            "primary-unknown",
            Scene::steady().but(|s| s.seen.primary = Some(Reading::Unknown(failure(Cause::Throttled)))),
        ),
        ("foreign-check", Scene::with("failed").but(|s| s.check().state = CheckState::Foreign)),
        ("already-on-primary", Scene::steady().order(FAILBACK)),
        ("stale-primary", Scene::steady().but(|s| s.replica().source = None)),
        ("primary-healthy", Scene::steady()),
        (
            "primary-not-found",
            Scene::steady().set(&[ALONE]).but(|s| {
                s.seen.primary = Some(Reading::Missing);
                s.seen.deletion = Evidence::Read(None);
            }),
        ),
        ("primary-on-hold", Scene::with("rebooting")),
        ("paused", Scene::with("failed").paused()),
        ("unconfirmed", Scene::with("failed").observed(2)),
        ("multi-az-failover", grey().but(|s| s.seen.multi_az_failover = Evidence::Read(Some(ago(1))))),
        ("cooldown", Scene::with("failed").but(|s| s.memory().returned = Some(moved(VERSION, ago(9))))),
        ("replica-not-fit", Scene::with("failed").but(|s| s.seen.replica = Some(Reading::Missing))),
        ("secondary-unreachable", Scene::with("failed").secondary(0)),
        ("no-replica-to-promote", Scene::with("failed").set(&[ALONE]).order(PROMOTION)),
        ("primary-still-available", Scene::steady().order(FORCED_PROMOTION)),
        ("failover-ordered", Scene::with("failed").order(FAILOVER)),
        ("primary-unhealthy", Scene::with("failed")),
        ("paused", auto("failed").paused()),
        ("fence-primary", auto("available").set(&[PROMOTE, FENCE]).split()),
        ("old-primary-available", auto("available").split()),
        ("already-on-secondary", auto("failed").order(FAILOVER)),
        ("forced-by-operator", Scene::moved(By::Operator, "available")),
        ("forced-elsewhere", Scene::steady().but(|s| s.check().state = CheckState::ForcedUnhealthy)),
        ("promotion-in-progress", auto("failed").sent(1)),
        ("replica-promoted", auto("failed").split()),
        ("no-replica-to-promote", auto("failed").set(&[ALONE]).order(PROMOTION)),
        ("promotion-off", auto("failed")),
        ("not-promotable", Scene::promoting("stopped")),
        ("primary-not-unhealthy", auto("available").order(PROMOTION)),
        ("primary-still-available", auto("available").order(FORCED_PROMOTION)),
        (
            "failback-in-progress",
            Scene::promoting("failed").but(|s| s.memory().returned = Some(announced(VERSION + 1, now()))),
        ),
        (
            "replica-not-ready",
            Scene::promoting("failed").but(|s| *s.replica() = scene::replica("backing-up")),
        ),
        ("lag-unknown", Scene::promoting("failed").but(|s| s.seen.lag = Evidence::Read(Vec::new()))),
        (
            "lag-too-high",
            Scene::promoting("failed")
                .but(|s| s.seen.lag = Evidence::Read(vec![Sample { at: ago(4), seconds: 61.0 }])),
        ),
        ("promotion-read-again", Scene::promoting("failed").observed(1)),
        ("promotion-ordered", auto("failed").order(PROMOTION)),
        ("replica-fit-to-promote", Scene::promoting("failed")),
        ("waiting-for-primary", auto("starting")),
        ("failback-manual", auto("available").set(&[("FAILBACK", "manual")])),
        ("primary-not-healthy", auto("starting").order(FAILBACK)),
        ("replica-not-following", auto("available").but(|s| s.replica().source = Some(source("billing")))),
        ("primary-recreated", auto("available").but(|s| s.primary().created = Some(ago(1)))),
        (
            "record-not-on-primary",
            auto("available").set(&[ZONE]).but(|s| s.seen.record = Evidence::Read(None)),
        ),
        ("recovery-unconfirmed", auto("available").observed(2)),
        ("failback-ordered", auto("available").order(FAILBACK)),
        ("primary-recovered", auto("available")),
        (
            "memory-unreadable",
            Scene::with("failed").but(|s| s.seen.memory = Evidence::Unreadable(failure(Cause::Other))),
        ),
        (
            "events-unreadable",
            grey().but(|s| s.seen.multi_az_failover = Evidence::Unreadable(failure(Cause::Denied))),
        ),
        (
            "record-unreadable",
            auto("available")
                .set(&[ZONE])
                .but(|s| s.seen.record = Evidence::Unreadable(failure(Cause::Denied))),
        ),
    ]
}

#[test]
fn every_rule_is_reached_by_a_case_of_its_own() {
    for (code, scene) in table() {
        assert_eq!(scene.code(), code);
    }
    let reached: Vec<_> = table().iter().map(|(code, _)| *code).collect();
    let all: Vec<_> = rules().chain(UNREADABLE).map(|rule| rule.code.as_str()).collect();
    assert_eq!(reached, all, "in the order of the rules");
}
