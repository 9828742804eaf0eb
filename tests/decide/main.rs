//! The rules, one by one and as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod classes;
mod everything;
mod explained;
mod form;
mod promises;
mod purity;
mod reached;
mod requires;
mod scene;
mod terms;
mod total;

use rds_route53_failover::decide::{Effect, Order, UNREADABLE, rules};
use rds_route53_failover::memory::{By, Sent};
use rds_route53_failover::model::{
    Cause, Change, CheckState, Evidence, Need, Reading, Replication, Sample, Source,
};
use rds_route53_failover::status::Status;

use crate::scene::{FAILBACK, FAILOVER, PRIMARY, Scene, VERSION, ago, failure, moved, request, source};

pub(crate) const PROBES: (&str, &str) = ("HEALTH_ENDPOINTS", "tcp://a:1,tcp://b:1");
pub(crate) const PROMOTE: (&str, &str) = ("PROMOTE_REPLICA", "true");
pub(crate) const ALONE: (&str, &str) = ("FAILOVER_DB_INSTANCE_IDENTIFIER", "");
pub(crate) const FENCE: (&str, &str) = ("FENCE_PRIMARY", "stop");
pub(crate) const ZONE: (&str, &str) = ("HOSTED_ZONE_ID", "Z0ORDERS");

pub(crate) fn unreachable_check(scene: &mut Scene) {
    scene.seen.check = Reading::Unknown(failure(Cause::Unreachable));
}

/// A primary of two availability zones that RDS calls available and that does not answer.
pub(crate) fn grey() -> Scene {
    Scene::with("available").set(&[PROBES]).probed(0).but(|scene| scene.primary().multi_az = true)
}

#[test]
fn the_steady_state_reads_nothing_on_demand() {
    assert_eq!(Scene::steady().decide().1, []);
    assert_eq!(Scene::with("rebooting").decide().1, []);
    assert_eq!(Scene::with("available").set(&[PROBES, PROMOTE, ZONE]).probed(2).decide().1, []);
}

#[test]
fn evidence_is_read_only_where_the_decision_turns_on_it() {
    let read = |scene: Scene| scene.decide().1;
    assert_eq!(read(Scene::with("failed")), [Need::Memory]);
    assert_eq!(read(grey()), [Need::Memory, Need::MultiAzFailover]);
    assert_eq!(read(grey().but(|s| s.primary().multi_az = false)), [Need::Memory], "no zone to fail over to");
    assert_eq!(read(Scene::promoting("failed")), [Need::Memory, Need::Lag]);
    assert_eq!(read(Scene::promoting("stopped")), [Need::Memory], "no promotion is at hand");
    assert_eq!(read(Scene::moved(By::Auto, "available").set(&[ZONE])), [Need::Memory, Need::Record]);
    assert_eq!(read(Scene::moved(By::Operator, "failed")), [Need::Memory]);
}

#[test]
fn an_unreadable_tag_hides_no_healthy_primary() {
    let unreadable = |s: &mut Scene| s.seen.memory = Evidence::Unreadable(failure(Cause::Other));
    assert_eq!(Scene::steady().but(unreadable).code(), "primary-healthy");
    let alone = Scene::steady().but(|s| s.replica().source = None).but(unreadable);
    assert_eq!(alone.code(), "stale-primary", "known from RDS alone");
}

#[test]
fn an_unknown_replica_hides_no_healthy_primary_and_serves_no_failover() {
    for cause in [Cause::Unreachable, Cause::Throttled, Cause::Denied, Cause::Other] {
        let unknown = |s: &mut Scene| s.seen.replica = Some(Reading::Unknown(failure(cause)));
        assert_eq!(Scene::steady().but(unknown).code(), "primary-healthy");
        assert_eq!(Scene::with("failed").but(unknown).code(), "replica-not-fit");
        assert_eq!(Scene::promoting("failed").but(unknown).code(), "replica-not-ready");
        assert_eq!(Scene::moved(By::Auto, "available").but(unknown).code(), "replica-not-following");
    }
}

#[test]
fn without_a_replica_traffic_still_moves_and_nothing_is_promoted() {
    assert_eq!(Scene::with("failed").set(&[ALONE]).code(), "primary-unhealthy");
    assert_eq!(Scene::moved(By::Auto, "failed").set(&[ALONE]).code(), "promotion-off");
    assert_eq!(Scene::moved(By::Auto, "available").set(&[ALONE]).code(), "primary-recovered");
}

#[test]
fn a_replica_is_fit_only_if_it_is_healthy_and_follows_this_primary() {
    let code = |change: fn(&mut Scene)| Scene::with("failed").but(change).code();
    assert_eq!(code(|s| *s.replica() = scene::replica("storage-optimization")), "primary-unhealthy");
    assert_eq!(code(|s| *s.replica() = scene::replica("rebooting")), "replica-not-fit");
    assert_eq!(code(|s| *s.replica() = scene::replica("stopped")), "replica-not-fit");
    assert_eq!(code(|s| *s.replica() = scene::replica("never-heard-of")), "replica-not-fit");
    assert_eq!(code(|s| s.replica().source = None), "stale-primary", "it was promoted");
    assert_eq!(code(|s| s.replica().source = Some(source("billing"))), "replica-not-fit");
    assert_eq!(code(|s| s.replica().source = Some(Source::Other("cluster".to_owned()))), "replica-not-fit");
}

#[test]
fn a_promotion_that_was_sent_latches_until_it_is_void() {
    // Still an available replica: under way for five minutes, then lost.
    assert_eq!(Scene::promoting("failed").sent(4).code(), "promotion-in-progress");
    assert_eq!(Scene::promoting("failed").sent(5).code(), "replica-fit-to-promote");
    assert_eq!(Scene::moved(By::Auto, "available").sent(4).code(), "promotion-in-progress");
    assert_eq!(Scene::moved(By::Auto, "available").sent(5).code(), "primary-recovered");
    // Anything else than an available replica keeps the latch for ever.
    let modifying = |s: &mut Scene| *s.replica() = scene::replica("modifying");
    assert_eq!(Scene::moved(By::Auto, "available").sent(600).but(modifying).code(), "promotion-in-progress");
    for change in [
        |s: &mut Scene| s.seen.replica = Some(Reading::Missing),
        |s: &mut Scene| s.seen.replica = Some(Reading::Unknown(failure(Cause::Throttled))),
        |s: &mut Scene| s.replica().source = None,
    ] {
        for status in ["backing-up", "failed", "starting"] {
            let scene = Scene::promoting(status).sent(600).but(change);
            assert_eq!(scene.code(), "replica-promoted", "{status}");
        }
    }
}

#[test]
fn a_promotion_sent_minutes_ago_counts_at_any_version() {
    // A person cleared the flags meanwhile, and traffic was moved again.
    let earlier = |s: &mut Scene| s.memory().promoted.as_mut().unwrap().version = VERSION - 2;
    for status in ["failed", "available"] {
        assert_eq!(Scene::promoting(status).sent(4).but(earlier).code(), "promotion-in-progress");
    }
    assert_eq!(Scene::promoting("failed").sent(5).but(earlier).code(), "replica-fit-to-promote");
    assert_eq!(Scene::moved(By::Auto, "available").sent(5).but(earlier).code(), "primary-recovered");
}

#[test]
fn a_promotion_latches_though_the_replica_is_configured_no_more() {
    let alone = |minutes| Scene::moved(By::Auto, "available").set(&[ALONE]).sent(minutes);
    assert_eq!(alone(600).code(), "replica-promoted");
    let earlier = |s: &mut Scene| s.memory().promoted.as_mut().unwrap().version = VERSION - 2;
    assert_eq!(alone(4).but(earlier).code(), "replica-promoted", "RDS may not show it yet");
    assert_eq!(alone(5).but(earlier).code(), "primary-recovered");
}

#[test]
fn replication_that_ended_for_its_own_reason_promotes_nothing_and_keeps_traffic() {
    let broken = |s: &mut Scene| s.replica().replication = Replication::Broken("terminated".to_owned());
    assert_eq!(
        Scene::with("failed").but(broken).code(),
        "primary-unhealthy",
        "reads are better than nothing"
    );
    assert_eq!(Scene::promoting("failed").but(broken).code(), "lag-unknown", "though the last lag was 0.5 s");
    assert_eq!(Scene::moved(By::Auto, "available").but(broken).code(), "replica-not-following");
    let failing = |s: &mut Scene| s.replica().replication = Replication::Failing("error".to_owned());
    assert_eq!(Scene::promoting("failed").but(failing).code(), "replica-fit-to-promote");
}

#[test]
fn the_old_primary_is_stopped_once_the_promotion_is_complete_and_never_twice_at_once() {
    let split = |by| Scene::moved(by, "available").set(&[PROMOTE, FENCE]).split();
    let fenced = |minutes| move |s: &mut Scene| s.memory().fenced = Some(request(PRIMARY, ago(minutes)));
    for by in [By::Auto, By::Operator] {
        assert_eq!(split(by).code(), "fence-primary");
        assert_eq!(split(by).order(FAILOVER).code(), "fence-primary");
    }
    let auto = || split(By::Auto);
    assert_eq!(auto().but(fenced(4)).code(), "replica-promoted", "it is under way");
    assert_eq!(auto().but(fenced(5)).code(), "fence-primary", "nothing came of it");
    let other = |change: fn(&mut Sent)| {
        move |s: &mut Scene| {
            let mut sent = request(PRIMARY, ago(1));
            change(&mut sent);
            s.memory().fenced = Some(sent);
        }
    };
    assert_eq!(auto().but(other(|sent| sent.version -= 1)).code(), "fence-primary", "of another incident");
    let elsewhere = other(|sent| sent.instance = "orders-other".to_owned());
    assert_eq!(auto().but(elsewhere).code(), "fence-primary", "of another instance");
    assert_eq!(auto().but(|s| s.primary().status = Status::Stopping).code(), "replica-promoted");
    let replicates = |s: &mut Scene| s.replica().source = Some(source(PRIMARY));
    assert_eq!(auto().but(replicates).code(), "primary-recovered", "the promotion is void");
    let nobodys = |s: &mut Scene| s.memory().promoted = None;
    assert_eq!(auto().but(nobodys).code(), "replica-promoted", "somebody else promoted it");
    assert_eq!(auto().order(FAILBACK).code(), "replica-not-following");
}

/// The tags name an instance and no region: after a swap they would take the promoted one for the old primary.
#[test]
fn of_two_instances_with_one_name_none_is_stopped() {
    let far = format!("arn:aws:rds:eu-west-1:123456789012:db:{PRIMARY}");
    let one_name = [PROMOTE, FENCE, ("FAILOVER_DB_INSTANCE_IDENTIFIER", far.as_str())];
    let promoted = |s: &mut Scene| s.memory().promoted = Some(request(PRIMARY, ago(60)));
    let scene = Scene::moved(By::Auto, "available").set(&one_name).split().but(promoted);
    assert_eq!(scene.code(), "old-primary-available");
}

/// The promoted instance has the old primary's name by then.
#[test]
fn an_instance_that_is_younger_than_its_replica_is_not_the_old_primary_and_is_not_stopped() {
    let created = |primary, replica| {
        move |s: &mut Scene| {
            s.primary().created = Some(ago(primary));
            s.replica().created = Some(ago(replica));
        }
    };
    let split = || Scene::moved(By::Auto, "available").set(&[PROMOTE, FENCE]).split();
    assert_eq!(split().but(created(9000, 8000)).code(), "fence-primary");
    assert_eq!(split().but(created(8000, 8000)).code(), "fence-primary");
    assert_eq!(split().but(created(8000, 9000)).code(), "old-primary-available", "they were renamed");
}

#[test]
fn a_missing_primary_moves_traffic_only_where_something_shows_that_it_was_there() {
    let missing = |s: &mut Scene| s.seen.primary = Some(Reading::Missing);
    let deleted = |s: &mut Scene| s.seen.deletion = Evidence::Read(Some(ago(5)));
    let unread = |s: &mut Scene| s.seen.deletion = Evidence::Unreadable(failure(Cause::Denied));
    let alone = || Scene::steady().set(&[ALONE]).but(missing);
    assert_eq!(alone().code(), "primary-not-found");
    assert_eq!(alone().but(unread).code(), "primary-not-found");
    assert_eq!(alone().but(deleted).code(), "primary-unhealthy");
    assert_eq!(Scene::steady().but(missing).code(), "primary-unhealthy", "the replica names it");
}

#[test]
fn a_secondary_that_does_not_answer_gets_no_traffic_unless_forced() {
    let forced = Order::Failover { force: true, promote: false, allow_data_loss: false };
    for silent in [
        Scene::with("failed").secondary(0),
        Scene::with("failed").secondary(0).but(|s| s.seen.secondary = None),
    ] {
        assert_eq!(silent.clone().code(), "secondary-unreachable");
        assert_eq!(silent.clone().order(FAILOVER).code(), "secondary-unreachable");
        assert_eq!(silent.order(forced).code(), "failover-ordered");
    }
    assert_eq!(Scene::with("failed").secondary(1).code(), "primary-unhealthy");
}

#[test]
fn the_metric_moves_nothing_on_probes_alone_and_nothing_without_a_second_witness() {
    let code = |s: Scene| s.but(unreachable_check).code();
    assert_eq!(code(Scene::with("failed")), "control-plane-down");
    assert_eq!(
        code(grey()),
        "health-check-unreadable",
        "a function without a network finds every probe silent"
    );
    let failover = [PROBES, ("ON_PRIMARY_UNREACHABLE", "failover"), ALONE];
    let region_is_down = |s: &mut Scene| s.seen.primary = Some(Reading::Unknown(failure(Cause::Unreachable)));
    let nothing_answers = || Scene::steady().set(&failover).probed(0).but(region_is_down);
    assert_eq!(code(nothing_answers()), "health-check-unreadable");
    assert_eq!(code(nothing_answers().secondary(1)), "control-plane-down");
    let beside = |replica| {
        let settings =
            [PROBES, ("ON_PRIMARY_UNREACHABLE", "failover"), ("FAILOVER_DB_INSTANCE_IDENTIFIER", replica)];
        Scene::steady().set(&settings).probed(0).but(region_is_down)
    };
    assert_eq!(
        code(beside("orders-replica")),
        "health-check-unreadable",
        "the same region answers after all"
    );
    assert_eq!(code(beside("arn:aws:rds:eu-west-1:123456789012:db:orders-replica")), "control-plane-down");
}

#[test]
fn a_promotion_behind_a_living_primary_takes_both_consents() {
    let order = |force, allow_data_loss| Order::Failover { force, promote: true, allow_data_loss };
    for scene in [Scene::steady(), Scene::moved(By::Operator, "available")] {
        let forced = scene.clone().order(order(true, false));
        assert_eq!(forced.code(), "primary-still-available");
        let decided = scene.order(order(true, true)).decide().0.effect;
        assert!(matches!(decided, Effect::Change(_)), "{decided:?}");
    }
}

#[test]
fn a_replica_that_somebody_else_promoted_latches_too() {
    for status in ["available", "failed", "starting", "stopped"] {
        let scene = Scene::promoting(status).but(|s| s.replica().source = None);
        assert_eq!(scene.code(), "replica-promoted", "{status}");
    }
}

#[test]
fn a_promotion_takes_two_looks_that_found_the_same_trouble() {
    assert_eq!(Scene::promoting("failed").observed(1).code(), "promotion-read-again");
    assert_eq!(Scene::promoting("failed").observed(2).code(), "replica-fit-to-promote");
}

#[test]
fn a_replica_that_may_be_under_promotion_keeps_traffic() {
    // Ordered at the console, a promotion shows as `modifying` with the source still there.
    let scene = Scene::moved(By::Auto, "available").but(|s| *s.replica() = scene::replica("modifying"));
    assert_eq!(scene.code(), "replica-not-following");
    assert_eq!(scene.order(FAILBACK).code(), "replica-not-following");
}

#[test]
fn a_pause_stops_automatic_change_and_no_order() {
    assert_eq!(Scene::promoting("failed").paused().code(), "paused");
    assert_eq!(Scene::moved(By::Auto, "available").paused().code(), "paused");
    assert_eq!(Scene::with("failed").paused().order(FAILOVER).code(), "failover-ordered");
    assert_eq!(Scene::moved(By::Auto, "available").paused().order(FAILBACK).code(), "failback-ordered");
}

#[test]
fn an_order_passes_the_guards_unless_forced() {
    let forced = Order::Failover { force: true, promote: false, allow_data_loss: false };
    for (scene, guard) in [
        (Scene::steady(), "primary-healthy"),
        (Scene::with("rebooting"), "primary-on-hold"),
        (Scene::with("failed").observed(1), "unconfirmed"),
        (Scene::with("failed").but(|s| s.seen.replica = Some(Reading::Missing)), "replica-not-fit"),
    ] {
        assert_eq!(scene.clone().order(FAILOVER).code(), guard);
        assert_eq!(scene.order(forced).code(), "failover-ordered", "over {guard}");
    }
    let returned = |s: &mut Scene| s.memory().returned = Some(moved(VERSION, ago(1)));
    let cooling = Scene::with("failed").but(returned);
    assert_eq!(cooling.order(FAILOVER).code(), "failover-ordered", "the cooldown is for ticks");
    let foreign = Scene::with("failed").but(|s| s.check().state = CheckState::Foreign);
    assert_eq!(foreign.order(forced).code(), "foreign-check", "nothing overrides a person's setting");
}

#[test]
fn a_failback_by_order_wants_a_healthy_primary_that_is_not_stale_unless_forced() {
    let forced = Order::Failback { force: true };
    for (scene, guard) in [
        (Scene::moved(By::Auto, "failed"), "primary-not-healthy"),
        (Scene::moved(By::Auto, "available").but(|s| s.replica().source = None), "replica-not-following"),
        (Scene::moved(By::Auto, "available").sent(1), "promotion-in-progress"),
        (Scene::steady().but(|s| s.check().state = CheckState::ForcedUnhealthy), "forced-elsewhere"),
    ] {
        assert_eq!(scene.clone().order(FAILBACK).code(), guard);
        assert_eq!(scene.order(forced).code(), "failback-ordered", "over {guard}");
    }
    let ordered = Scene::moved(By::Operator, "available").order(FAILBACK);
    assert_eq!(ordered.code(), "failback-ordered", "what was ordered through the function needs no force");
}

#[test]
fn traffic_is_moved_before_a_promotion_whatever_is_forced() {
    let order = Order::Failover { force: true, promote: true, allow_data_loss: true };
    for status in ["available", "rebooting", "failed"] {
        let rule = Scene::with(status).order(order).decide().0;
        assert_eq!(rule.effect, Effect::Change(Change::RouteToSecondary), "{status}");
    }
}

#[test]
fn force_alone_is_no_leave_to_lose_data() {
    let high = |s: &mut Scene| s.seen.lag = Evidence::Read(vec![Sample { at: ago(4), seconds: 61.0 }]);
    let none = |s: &mut Scene| s.seen.lag = Evidence::Read(Vec::new());
    let order = |allow_data_loss| Order::Failover { force: true, promote: true, allow_data_loss };
    let scene = Scene::moved(By::Auto, "failed");
    assert_eq!(scene.clone().but(high).order(order(false)).code(), "lag-too-high");
    assert_eq!(scene.clone().but(none).order(order(false)).code(), "lag-unknown");
    assert_eq!(scene.clone().but(high).order(order(true)).code(), "promotion-ordered");
    assert_eq!(scene.but(none).order(order(true)).code(), "promotion-ordered");
}

#[test]
fn no_failure_shares_a_code_with_a_rule() {
    use rds_route53_failover::error::Kind;
    for rule in rules().chain(UNREADABLE) {
        assert!(
            Kind::BESIDE_RULES.iter().all(|failure| failure.code() != rule.code.as_str()),
            "{}",
            rule.code
        );
    }
}
