//! What a report says of a decision besides its rule: the guard that `force` overrode or would, the data at stake, the
//! rows that were considered.

use jiff::SignedDuration;
use rds_route53_failover::decide::explain::{
    Applies, considered, force_would_help, is_latched, is_refused_order, metric_takes_over, overridden,
};
use rds_route53_failover::decide::{Code, Decision, Order, Section};
use rds_route53_failover::facts::message;
use rds_route53_failover::memory::By;
use rds_route53_failover::model::{Cause, CheckState, Evidence, Reading, Replication, Sample};

use crate::scene::{FAILBACK, FAILOVER, FORCED_PROMOTION, PROMOTION, Scene, VERSION, ago, failure, moved};

const FORCED: Order = Order::Failover { force: true, promote: false, allow_data_loss: false };

fn lagging(scene: &mut Scene) {
    scene.seen.lag = Evidence::Read(vec![Sample { at: ago(4), seconds: 61.0 }]);
}

#[test]
fn force_names_the_rule_it_overrides_and_none_where_it_overrides_none() {
    let overrode = |scene: Scene| overridden(&scene.case()).map(Code::as_str);
    assert_eq!(overrode(Scene::steady().order(FORCED)), Some("primary-healthy"));
    assert_eq!(overrode(Scene::steady().order(FAILOVER)), None, "not forced");
    assert_eq!(overrode(Scene::with("failed").order(FORCED)), None, "no guard stood in the way");
    let foreign = |s: &mut Scene| s.check().state = CheckState::Foreign;
    assert_eq!(overrode(Scene::steady().but(foreign).order(FORCED)), None, "nothing overrides it");
    let failback = Scene::moved(By::Auto, "failed").order(Order::Failback { force: true });
    assert_eq!(overrode(failback), Some("primary-not-healthy"));
}

#[test]
fn a_refused_order_says_whether_force_would_help() {
    let help =
        |scene: Scene| force_would_help(&scene.case()).map(|forced| matches!(forced, Decision::Apply(_)));
    let says = |scene: Scene| message(scene.decide().0, &scene.case(), None);
    let carried_out = Some(true);
    assert_eq!(help(Scene::steady().order(FAILOVER)), carried_out);
    assert!(
        says(Scene::steady().order(FAILOVER)).ends_with("; with `force` the request would be carried out")
    );
    assert_eq!(help(Scene::moved(By::Auto, "failed").order(FAILBACK)), carried_out);
    assert_eq!(help(Scene::moved(By::Auto, "rebooting").order(PROMOTION)), carried_out);
    let living = Scene::moved(By::Auto, "available").order(PROMOTION);
    assert_eq!(help(living), None, "it takes `allow_data_loss`, too");

    assert_eq!(help(Scene::steady().order(FORCED)), None, "forced already");
    assert_eq!(help(Scene::steady()), None, "a tick is no order");
    assert_eq!(help(Scene::moved(By::Auto, "available").order(FAILBACK)), None, "it is carried out");
    let foreign = |s: &mut Scene| s.check().state = CheckState::Foreign;
    assert_eq!(help(Scene::steady().but(foreign).order(FAILOVER)), None, "it would be refused, too");
    let lagging = Scene::moved(By::Auto, "rebooting").but(lagging).order(PROMOTION);
    assert_eq!(lagging.code(), "primary-not-unhealthy");
    assert_eq!(help(lagging), None, "it would be refused for the lag");

    let unread = || Scene::steady().order(FAILOVER).but(|s| s.seen.memory = Evidence::NotRead);
    assert_eq!(help(unread()), Some(false), "what lies behind it was not read");
    assert!(says(unread()).ends_with("; `force` overrides this rule"));
}

#[test]
fn only_an_order_for_a_change_that_is_not_made_yet_can_be_refused() {
    let refused = |scene: Scene| is_refused_order(&scene.case());
    assert!(!refused(Scene::steady()));
    assert!(!refused(Scene::steady().order(FAILBACK)));
    assert!(refused(Scene::steady().order(FAILOVER)));
    assert!(refused(Scene::moved(By::Auto, "failed").order(FAILBACK)));
    assert!(!refused(Scene::moved(By::Auto, "failed").order(FAILOVER)));
    assert!(refused(Scene::moved(By::Auto, "failed").order(PROMOTION)), "the promotion is not made");
}

#[test]
fn a_promotion_may_follow_where_it_was_ordered_or_is_configured() {
    let follows = |scene: Scene| scene.case().promotion_may_follow();
    assert!(follows(Scene::promoting("failed")));
    assert!(!follows(Scene::with("failed")), "PROMOTE_REPLICA is off");
    assert!(!follows(Scene::promoting("failed").order(FAILOVER)), "traffic alone was ordered");
    assert!(follows(Scene::with("failed").order(PROMOTION)));
}

#[test]
fn a_primary_is_followed_unless_a_replica_is_not_seen_to_replicate_from_it() {
    let followed = |scene: Scene| scene.case().primary_is_followed();
    assert!(followed(Scene::steady()));
    assert!(followed(Scene::steady().but(|s| s.seen.replica = None)));
    assert!(!followed(Scene::steady().but(|s| s.replica().source = None)));
    let unknown = Some(Reading::Unknown(failure(Cause::Throttled)));
    assert!(!followed(Scene::steady().but(|s| s.seen.replica = unknown)));
}

#[test]
fn the_data_at_stake_is_a_range_and_never_a_bare_zero() {
    let words = |scene: &Scene| scene.case().at_stake().map(|stake| stake.to_string());
    // Sampled four minutes ago, routed two minutes ago.
    let known = Scene::promoting("failed").but(lagging);
    assert_eq!(
        words(&known).unwrap(),
        "at least 61 s of writes, at most 181 s if the link to the primary was alive when the lag was sampled (replica lag 61 s, sampled 240 s ago)"
    );
    let living = Scene::moved(By::Auto, "available").order(FORCED_PROMOTION);
    let living = words(&living).unwrap();
    assert!(living.contains("whatever open connections still write to the old primary"), "{living}");
    let grey = Scene::promoting("available").set(&[("HEALTH_ENDPOINTS", "tcp://a:1")]).probed(0);
    let grey = words(&grey).unwrap();
    assert!(grey.contains("whatever open connections"), "RDS calls it available: {grey}");

    let denied =
        Scene::promoting("failed").but(|s| s.seen.lag = Evidence::Unreadable(failure(Cause::Denied)));
    assert_eq!(words(&denied), None);
    assert_eq!(
        denied.case().reason_lag_unknown().unwrap().to_string(),
        "ReplicaLag could not be read (denied: why)"
    );
    let broken = |s: &mut Scene| s.replica().replication = Replication::Broken("terminated".to_owned());
    let broken = Scene::promoting("failed").but(broken).case().reason_lag_unknown().unwrap();
    assert_eq!(broken.to_string(), "replication is broken (terminated)");
    let unread = Scene::promoting("failed").but(|s| s.seen.lag = Evidence::NotRead);
    assert_eq!((words(&unread), unread.case().reason_lag_unknown()), (None, None));
}

#[test]
fn status_answers_every_row_of_the_section_with_yes_no_or_not_read() {
    let rows = |scene: &Scene| considered(&scene.case());
    let steady = rows(&Scene::steady());
    let expected = Section::Evidence.rules().len() + Section::OnPrimary.rules().len();
    assert_eq!(steady.len(), expected);
    let first = steady.iter().find(|row| row.applies == Applies::Yes).unwrap();
    assert_eq!(first.code, Code::PrimaryHealthy, "the first that applies decides");

    let forced = rows(&Scene::moved(By::Auto, "failed"));
    assert!(forced.iter().any(|row| row.code == Code::PromotionOff && row.applies == Applies::Yes));
    assert!(forced.iter().all(|row| row.code != Code::PrimaryHealthy), "a row for a normal check");

    let unread = rows(&Scene::with("failed").but(|s| s.seen.memory = Evidence::NotRead));
    assert!(unread.iter().any(|row| row.code == Code::Paused && row.applies == Applies::NotRead));
    let denied = Scene::with("failed").but(|s| s.seen.memory = Evidence::Unreadable(failure(Cause::Denied)));
    assert_eq!(denied.code(), "memory-unreadable");
    let decides = rows(&denied).into_iter().find(|row| row.applies == Applies::Yes).unwrap();
    assert_eq!(decides.code, Code::MemoryUnreadable, "what decides stands before what was not read");
    let foreign = rows(&Scene::steady().but(|s| s.check().state = CheckState::Foreign));
    assert_eq!(foreign.len(), Section::Evidence.rules().len());
}

#[test]
fn the_metric_takes_over_a_failed_update_only_where_probes_are_not_the_only_word() {
    let failed = Scene::with("failed");
    assert!(metric_takes_over(&failed.case(), Code::PrimaryUnhealthy));
    assert!(!metric_takes_over(&failed.case(), Code::FailoverOrdered), "a person looks on");
    let grey = Scene::with("available").set(&[("HEALTH_ENDPOINTS", "tcp://a:1")]).probed(0);
    assert!(!metric_takes_over(&grey.case(), Code::PrimaryUnhealthy));
}

#[test]
fn the_end_of_a_cooldown_is_told_while_it_is_in_force() {
    let returned = |minutes| move |s: &mut Scene| s.memory().returned = Some(moved(VERSION, ago(minutes)));
    let ends = |scene: Scene| scene.case().cooldown_end();
    let minute = SignedDuration::from_mins(1);
    assert_eq!(ends(Scene::with("failed").but(returned(9))), Some(ago(0) + minute));
    assert_eq!(ends(Scene::with("failed").but(returned(10))), None);
    assert_eq!(ends(Scene::moved(By::Auto, "failed").but(returned(9))), None, "traffic was moved since");
}

/// An answer that promises a return would be a lie.
#[test]
fn an_incident_that_ended_in_a_promotion_is_known_as_such() {
    assert!(is_latched(&Scene::moved(By::Auto, "available").split().case()));
    assert!(!is_latched(&Scene::moved(By::Auto, "failed").case()));
}
