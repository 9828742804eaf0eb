//! What is told of a decision besides its rule: which guard force overrode, and would; the data at stake; until when.

use jiff::SignedDuration;
use rds_route53_failover::decide::Order;
use rds_route53_failover::memory::{By, Move};
use rds_route53_failover::model::{Cause, CheckState, Evidence, Reading, Sample};

use crate::scene::{FAILBACK, FAILOVER, PROMOTION, Scene, VERSION, ago, blind};

const FORCED: Order = Order::Failover { force: true, promote: false, allow_data_loss: false };

fn lagging(scene: &mut Scene) {
    scene.seen.lag = Evidence::Read(vec![Sample { at: ago(4), seconds: 61.0 }]);
}

#[test]
fn force_names_the_rule_it_overrides_and_none_where_it_overrides_none() {
    let overridden = |scene: Scene| scene.case().overridden();
    assert_eq!(overridden(Scene::steady().order(FORCED)), Some("primary-healthy"));
    assert_eq!(overridden(Scene::steady().order(FAILOVER)), None, "not forced");
    assert_eq!(overridden(Scene::with("failed").order(FORCED)), None, "no guard stood in the way");
    let foreign = |s: &mut Scene| s.check().state = CheckState::Foreign;
    assert_eq!(overridden(Scene::steady().but(foreign).order(FORCED)), None, "nothing overrides it");
    let failback = Scene::moved(By::Auto, "failed").order(Order::Failback { force: true });
    assert_eq!(overridden(failback), Some("primary-not-healthy"));
}

#[test]
fn a_refused_order_says_whether_force_would_help() {
    let help = |scene: Scene| scene.case().force_would_help();
    let carried_out = Some("with `force` it would be carried out");
    assert_eq!(help(Scene::steady().order(FAILOVER)), carried_out);
    assert_eq!(help(Scene::moved(By::Auto, "failed").order(FAILBACK)), carried_out);
    assert_eq!(help(Scene::moved(By::Auto, "available").order(PROMOTION)), carried_out);

    assert_eq!(help(Scene::steady().order(FORCED)), None, "forced already");
    assert_eq!(help(Scene::steady()), None, "a tick is no order");
    assert_eq!(help(Scene::moved(By::Auto, "available").order(FAILBACK)), None, "it is carried out");
    let foreign = |s: &mut Scene| s.check().state = CheckState::Foreign;
    assert_eq!(help(Scene::steady().but(foreign).order(FAILOVER)), None, "it would be refused, too");
    let lagging = Scene::moved(By::Auto, "available").but(lagging).order(PROMOTION);
    assert_eq!(lagging.code(), "primary-not-unhealthy");
    assert_eq!(help(lagging), None, "it would be refused for the lag");

    let unread = Scene::steady().order(FAILOVER).but(|s| s.seen.memory = Evidence::NotRead);
    assert_eq!(help(unread), Some("`force` overrides this rule"), "what lies behind it was not read");
}

#[test]
fn only_an_order_for_a_change_that_is_not_made_yet_can_be_refused() {
    let refused = |scene: Scene| scene.case().is_refused_order();
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
    let unknown = Some(Reading::Unknown(blind(Cause::Throttled)));
    assert!(!followed(Scene::steady().but(|s| s.seen.replica = unknown)));
}

#[test]
fn the_data_at_stake_is_told_in_numbers_and_words_where_it_is_known() {
    let known = Scene::promoting("failed").but(lagging);
    assert_eq!(known.case().known_lag().map(|lag| lag.seconds), Some(61.0));
    let words = known.case().lag_words().unwrap();
    assert!(words.starts_with("replica lag is 61 s by a sample 240 s old, with 60 s allowed"), "{words}");

    let denied = Scene::promoting("failed").but(|s| s.seen.lag = Evidence::Unreadable(blind(Cause::Denied)));
    assert!(denied.case().known_lag().is_none());
    assert_eq!(denied.case().lag_words().unwrap(), "ReplicaLag is denied: why");

    let unread = Scene::promoting("failed").but(|s| s.seen.lag = Evidence::NotRead);
    assert_eq!(unread.case().lag_words(), None);
}

#[test]
fn the_end_of_a_cooldown_is_told_while_it_is_in_force() {
    let returned = |minutes| {
        move |s: &mut Scene| {
            s.memory().returned =
                Some(Move { version: VERSION, by: By::Auto, at: ago(minutes), reason: String::new() });
        }
    };
    let ends = |scene: Scene| scene.case().cooldown_end();
    let minute = SignedDuration::from_mins(1);
    assert_eq!(ends(Scene::with("failed").but(returned(9))), Some(ago(0) + minute));
    assert_eq!(ends(Scene::with("failed").but(returned(10))), None);
    assert_eq!(ends(Scene::moved(By::Auto, "failed").but(returned(9))), None, "traffic was moved since");
}
