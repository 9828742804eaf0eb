//! A failover is never orphaned: an announcement is confirmed, in time, and lapses where nobody saw its change.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::Fault;
use jiff::SignedDuration;
use proof::rig::{CHECK, PRIMARY, Rig};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToPrimary, RouteToSecondary};
use serde_json::json;

/// A rig whose invocation died just after the flags were set: moved, announced and not confirmed.
async fn unconfirmed(variables: &[(&str, &str)]) -> Rig {
    let rig = Rig::new(world_with("storage-full"), variables);
    tick_dies_after(&rig, "UpdateHealthCheck").await;
    assert_eq!(flags(&rig), (true, true, 2));
    assert!(!is_confirmed(&rig));
    rig
}

fn is_confirmed(rig: &Rig) -> bool {
    tag(rig, "routed").is_some_and(|tag| tag.starts_with("version=2 by=auto at=") && !tag.contains(" until="))
}

#[tokio::test(start_paused = true)]
async fn the_next_tick_confirms_what_a_dead_invocation_announced() {
    let rig = unconfirmed(&[]).await;
    let before = writes(&rig);
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, report.health_check.by), ("promotion-off", Some("auto")));
    assert_eq!(report.actions, [], "a note is no change");
    assert!(is_confirmed(&rig));
    assert_eq!(writes(&rig), before + 1);
    tick_stays(&rig, "promotion-off").await;
    // For good: an hour later it is still the function's.
    rig.wait(seconds(3600)).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_keep_the_claim_from_being_confirmed() {
    let rig = unconfirmed(&[]).await;
    rig.emulator.world().console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
    assert_eq!(rig.tick().await.unwrap().reason, "paused");
    assert!(is_confirmed(&rig));
}

#[tokio::test(start_paused = true)]
async fn an_order_confirms_it_too() {
    let rig = unconfirmed(&[]).await;
    let report = rig.invoke(failover(json!({}))).await.unwrap();
    assert_eq!(report.reason, "already-on-secondary");
    assert!(report.message.contains("`pause` keeps it"), "{}", report.message);
    assert!(is_confirmed(&rig));
}

#[tokio::test(start_paused = true)]
async fn whoever_only_looks_confirms_nothing() {
    let rig = unconfirmed(&[]).await;
    let before = writes(&rig);
    for action in ["status", "check"] {
        rig.invoke(json!({"action": action})).await.unwrap();
    }
    let rig = rig.redeployed(&[("MODE", "observe")]);
    rig.tick().await.unwrap();
    assert_eq!(writes(&rig), before);
    assert!(!is_confirmed(&rig));
}

#[tokio::test(start_paused = true)]
async fn an_announcement_past_its_time_claims_nothing() {
    for (after, reason, by) in [(890, "promotion-off", Some("auto")), (901, "forced-elsewhere", None)] {
        let rig = unconfirmed(&[]).await;
        rig.wait(seconds(after)).await;
        let report = rig.tick().await.unwrap();
        assert_eq!((report.reason, report.health_check.by), (reason, by), "after {after} s");
        assert_eq!(is_confirmed(&rig), by.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_announcement_whose_change_was_refused_lapses_and_does_not_stop_the_next_one() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().faults.standing("UpdateHealthCheck", Fault::Denied);
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "RouteRefused");
    assert!(!is_confirmed(&rig), "nobody confirms what did not happen");
    rig.emulator.world().faults.clear();
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(is_confirmed(&rig));
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_fails_is_said_and_made_by_the_next_tick() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.faults.standing("ChangeTagsForResource", Fault::Denied);
    });
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary]);
    assert!(report.message.contains("could not be confirmed"), "{}", report.message);
    assert!(!is_confirmed(&rig));
    rig.emulator.world().faults.clear();
    rig.tick().await.unwrap();
    assert!(is_confirmed(&rig));
}

/// The tick announced before the order did, and its call arrives after it.
#[tokio::test(start_paused = true)]
async fn an_order_looks_at_its_claim_after_two_seconds_and_restores_it() {
    let rig = Rig::new(world_with("failed"), &[]);
    let at = rig.time.now();
    rig.emulator.world().on_next("UpdateHealthCheck", move |w| {
        w.after(seconds(1), move |w| {
            let late = format!("version=2 by=auto at={at} id=ab12 until={} reason=x", at + seconds(900));
            w.console_set_tag(CHECK, "failover:routed", &late);
        });
    });
    let begun = rig.time.now();
    let report = rig.invoke(failover(json!({"force": true}))).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary]);
    assert!((rig.time.now() - begun).as_secs() >= 2);
    let claim = tag(&rig, "routed").unwrap();
    assert!(claim.starts_with("version=2 by=operator") && !claim.contains("until="), "{claim}");
    assert!(claim.ends_with("reason=planned work"), "{claim}");
    // So the tick that follows does not take the person's failover back.
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "forced-by-operator").await;
}

#[tokio::test(start_paused = true)]
async fn an_announced_return_that_was_made_cools_down_though_its_invocation_died() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    tick_dies_after(&rig, "UpdateHealthCheck").await;
    assert_eq!(flags(&rig), (false, false, 3));
    set_status(&rig, PRIMARY, "storage-full");
    assert_eq!(rig.tick().await.unwrap().reason, "cooldown");
    assert!(!tag(&rig, "returned").unwrap().contains("until="), "confirmed");
    rig.wait(seconds(610)).await;
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn an_operators_failover_is_not_promoted_behind_while_a_ticks_announcement_covers_its_claim() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    rig.emulator.world().console_set_flags(CHECK, true, true);
    let claim = |by: &str| {
        let until = rig.time.now() + SignedDuration::from_mins(15);
        format!("version=2 by={by} at={} until={until} reason=primary-unhealthy", rig.time.now())
    };
    let (covered, restored) = (claim("auto"), claim("operator"));
    rig.emulator.world().console_set_tag(CHECK, "failover:routed", &covered);
    rig.emulator.world().on_next("ListTagsForResource", move |w| {
        w.on_next("ListTagsForResource", move |w| w.console_set_tag(CHECK, "failover:routed", &restored));
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("stay", "forced-by-operator"), "{}", report.message);
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    assert!(tag(&rig, "routed").unwrap().contains("by=operator"));
}

#[tokio::test(start_paused = true)]
async fn a_ticks_announcement_that_lands_on_a_requests_claim_does_not_stop_the_requested_promotion() {
    let rig = Rig::new(world_with("failed"), &[]);
    // The request's third write of tags announces the promotion, once its failover is confirmed.
    let (at, until) = (rig.time.now(), rig.time.now() + SignedDuration::from_mins(15));
    rig.emulator.world().on_next("GetMetricStatistics", move |w| {
        w.on_next("ChangeTagsForResource", move |w| {
            let late = format!("version=2 by=auto at={at} until={until} reason=primary-unhealthy");
            w.console_set_tag(CHECK, "failover:routed", &late);
        });
    });
    let report = rig.invoke(failover(json!({"promote": true}))).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary, PromoteReplica], "{}", report.message);
    assert!(tag(&rig, "routed").unwrap().contains("by=operator"));
}

/// A tick's announcement may have landed on a request's claim, which the request restores after two seconds.
#[tokio::test(start_paused = true)]
async fn only_a_ticks_announcement_of_a_failover_waits_to_be_known_as_a_requests() {
    for (key, version, by, waits) in
        [("routed", 2, "auto", 3), ("routed", 2, "operator", 0), ("returned", 3, "auto", 0)]
    {
        let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "1")]);
        let (at, until) = (rig.time.now(), rig.time.now() + SignedDuration::from_mins(15));
        {
            let mut w = rig.emulator.world();
            w.console_set_flags(CHECK, true, true);
            if version == 3 {
                w.console_set_flags(CHECK, false, false);
            }
            let announced = format!("version={version} by={by} at={at} id=ab12 until={until} reason=x");
            w.console_set_tag(CHECK, &format!("failover:{key}"), &announced);
        }
        rig.tick().await.unwrap();
        assert!(!tag(&rig, key).unwrap().contains("until="), "{key} by {by}: confirmed");
        assert_eq!((rig.time.now() - at).as_secs(), waits, "{key} by {by}");
    }
}

/// Whoever moved traffic promotes; a tick that came second leaves that to it.
#[tokio::test(start_paused = true)]
async fn a_tick_whose_failover_another_invocation_made_promotes_nothing() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    let at = rig.time.now();
    rig.emulator.world().on_next("UpdateHealthCheck", move |w| {
        w.console_set_flags(CHECK, true, true);
        w.console_set_tag(CHECK, "failover:routed", &format!("version=2 by=auto at={at} reason=x"));
    });
    let report = rig.tick().await.unwrap();
    assert!(report.message.contains("another invocation makes this change"), "{}", report.message);
    assert_eq!((report.actions.as_slice(), count(&rig, "PromoteReadReplica")), (&[][..], 0));
}

/// The tick hears nothing of its update, and a request has just made the same change.
fn answer_lost_beside_a_request(tags: Option<Fault>) -> Rig {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    let at = rig.time.now();
    rig.emulator.world().faults.once("UpdateHealthCheck", Fault::Reset);
    rig.emulator.world().on_next("UpdateHealthCheck", move |w| {
        w.console_set_flags(CHECK, true, true);
        if let Some(fault) = tags {
            w.faults.standing("ListTagsForResource", fault);
        }
        // As late as an order restores its claim.
        w.after(seconds(5), move |w| {
            let claim = format!("version=2 by=operator at={at} id=ab12 reason=planned work");
            w.console_set_tag(CHECK, "failover:routed", &claim);
        });
    });
    rig
}

/// There is no time to wait for a request that may have made the same change.
#[tokio::test(start_paused = true)]
async fn close_to_its_deadline_a_tick_whose_answer_is_lost_takes_the_change_for_its_own_at_once() {
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    rig.emulator.world().faults.once("UpdateHealthCheck", Fault::AppliedThenReset);
    let begun = rig.time.now();
    let report = rig.invoke_within(json!({"action": "tick"}), seconds(7)).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert!((rig.time.now() - begun).as_secs() < 3);
}

#[tokio::test(start_paused = true)]
async fn a_tick_whose_answer_is_lost_leaves_a_requests_failover_to_the_request() {
    let rig = answer_lost_beside_a_request(None);
    let report = rig.tick().await.unwrap();
    assert!(report.message.contains("another invocation makes this change"), "{}", report.message);
    assert_eq!((report.actions.as_slice(), count(&rig, "PromoteReadReplica")), (&[][..], 0));
    assert!(tag(&rig, "routed").unwrap().starts_with("version=2 by=operator"));
    tick_stays(&rig, "forced-by-operator").await;
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_cannot_tell_whose_change_it_was_says_so_and_promotes_nothing() {
    let rig = answer_lost_beside_a_request(Some(Fault::Denied));
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "RouteUnconfirmed");
    assert!(failure.to_string().contains("it is unknown whether by this invocation"), "{failure}");
    rig.emulator.world().faults.clear();
    tick_stays(&rig, "forced-by-operator").await;
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
}

/// The primary is no part of whose flags they are.
#[tokio::test(start_paused = true)]
async fn a_claim_is_confirmed_though_the_primary_is_unknown() {
    let rig = unconfirmed(&[]).await;
    rig.emulator.world().faults.standing("DescribeDBInstances", Fault::Denied);
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "PrimaryUnknown");
    assert!(is_confirmed(&rig));
    rig.emulator.world().faults.clear();
    rig.wait(seconds(3600)).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_pause_or_its_end_confirms_a_claim_too() {
    for action in ["pause", "resume"] {
        let rig = unconfirmed(&[]).await;
        rig.invoke(json!({"action": action, "reason": "look at it first"})).await.unwrap();
        assert!(is_confirmed(&rig), "{action}");
        let rig = unconfirmed(&[]).await.redeployed(&[("MODE", "observe")]);
        rig.invoke(json!({"action": action, "reason": "look at it first"})).await.unwrap();
        assert!(!is_confirmed(&rig), "{action}");
    }
}

/// Its tags arrive later than the check, and confirm a request's failover that the check did not show yet.
#[tokio::test(start_paused = true)]
async fn a_tick_whose_check_is_older_than_its_tags_covers_no_requests_claim() {
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    let claim = format!("version=2 by=operator at={} id=ab12 reason=drill", rig.time.now());
    let made = claim.clone();
    rig.emulator.world().on_next("ListTagsForResource", move |w| {
        w.console_set_tag(CHECK, "failover:routed", &made);
        w.console_set_flags(CHECK, true, true);
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, report.actions.as_slice()), ("forced-by-operator", &[][..]));
    assert_eq!(count(&rig, "ChangeTagsForResource"), 0);
    assert_eq!(tag(&rig, "routed"), Some(claim));
}

/// Only the check can tell whether such a tag is true.
#[tokio::test(start_paused = true)]
async fn a_claim_of_a_version_that_was_never_made_keeps_no_failover_back() {
    let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
    let claim = format!("version=2 by=operator at={} id=ab12 reason=drill", rig.time.now());
    rig.emulator.world().console_set_tag(CHECK, "failover:routed", &claim);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(is_confirmed(&rig));
}
