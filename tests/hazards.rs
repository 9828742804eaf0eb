//! Hazards that an exploration and the simulation found: faults and coincidences that a scenario's author forgets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToSecondary};

/// Two invocations announce the same promotion, the second over the first; RDS has accepted the first and shows
/// nothing of it yet.
#[tokio::test(start_paused = true)]
async fn a_promotion_that_rds_does_not_show_yet_is_not_forgotten_when_it_refuses_a_second_one() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().on_next("PromoteReadReplica", |w| w.console_promote(REPLICA).unwrap());
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, &report.actions[..]), ("promote", &[][..]), "{}", report.message);
    assert!(tag(&rig, "promoted").is_some());
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "promotion-in-progress").await;
    rig.wait(seconds(600)).await;
    tick_stays(&rig, "old-primary-available").await;
}

/// An invocation that gives way can't know whether its announcement was written over that of one that is about
/// to promote: taken back, nothing would keep traffic from the stale primary.
#[tokio::test(start_paused = true)]
async fn an_invocation_that_gives_way_leaves_the_announcement_of_a_promotion() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().on_next("ChangeTagsForResource", |w| {
        w.on_next("ListTagsForResource", |w| {
            w.console_set_tag(CHECK, "failover:pause", "until=forever reason=one moment");
        });
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, &report.actions[..]), ("paused", &[][..]));
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    assert!(tag(&rig, "promoted").is_some());
    // The other one never came: in a few minutes the announcement is void.
    rig.emulator.world().console_remove_tag(CHECK, "failover:pause");
    tick_stays(&rig, "promotion-in-progress").await;
    rig.wait(seconds(301)).await;
    tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
}

/// Another invocation announces the same promotion between this one's announcement and its last look: the text
/// differs, the promotion does not.
#[tokio::test(start_paused = true)]
async fn two_announcements_of_the_same_promotion_do_not_stop_each_other() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    let (first, second) = tokio::join!(rig.tick(), rig.tick());
    let sent = [first, second].into_iter().map(|result| result.unwrap().actions);
    assert_eq!(sent.flatten().collect::<Vec<_>>(), [PromoteReplica], "one of them sends it at once");
    assert_eq!(count(&rig, "PromoteReadReplica"), 1);
}

/// The first attempt times out, is not to be seen, and takes effect just before the second one.
#[tokio::test(start_paused = true)]
async fn an_update_that_takes_effect_late_is_known_as_our_own() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().faults.once("UpdateHealthCheck", Fault::Reset);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.on_next("UpdateHealthCheck", |w| w.console_set_flags(CHECK, true, true));
    });
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(flags(&rig), (true, true, 2));
    assert!(tag(&rig, "routed").is_some_and(|tag| tag.starts_with("version=2 by=auto")));
}

/// A 5xx may stand before an update that was made, whatever code is in its body.
#[tokio::test(start_paused = true)]
async fn a_server_error_that_names_a_version_mismatch_is_no_refusal() {
    for status in [500, 502, 503] {
        let rig = Rig::new(world_with("storage-full"), &[]);
        let code = "HealthCheckVersionMismatch";
        let fault = Fault::AppliedThenError { status, code: code.into(), message: "stale".into() };
        rig.emulator.world().faults.once("UpdateHealthCheck", fault);
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions, [RouteToSecondary], "{status}: {}", report.message);
        assert_eq!(report.health_check.by, Some("auto"));
        let claim = tag(&rig, "routed").unwrap();
        assert!(claim.starts_with("version=2 by=auto") && !claim.contains("until="), "{claim}");
        assert_eq!(count(&rig, "UpdateHealthCheck"), 1);
    }
}

/// The first attempt is lost; what the look after it finds has the version that was announced, by another hand.
#[tokio::test(start_paused = true)]
async fn a_persons_setting_in_place_of_a_lost_update_is_not_taken_for_ours() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().faults.once("UpdateHealthCheck", Fault::Reset);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.on_next("GetHealthCheck", |w| w.console_set_flags(CHECK, true, false));
    });
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, &report.actions[..]), ("foreign-check", &[][..]));
    assert_eq!(flags(&rig), (true, false, 2));
    assert_eq!(report.health_check.by, None);
    let before = tag(&rig, "routed");
    assert!(before.as_ref().is_some_and(|tag| tag.contains(" until=")), "nobody confirms it: {before:?}");
    rig.wait(seconds(60)).await;
    tick_stays(&rig, "foreign-check").await;
    assert_eq!(tag(&rig, "routed"), before, "nor is the announcement touched later");
}

#[tokio::test(start_paused = true)]
async fn between_attempts_whose_answer_is_lost_the_pause_grows() {
    let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "1")]);
    rig.emulator.world().faults.standing("UpdateHealthCheck", Fault::Reset);
    let begun = rig.time.now();
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "RouteUnconfirmed");
    assert_eq!(count(&rig, "UpdateHealthCheck"), 3);
    assert_eq!((rig.time.now() - begun).as_millis(), 200 + 400);
    rig.emulator.world().faults.clear();
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

/// A claim to a version that the function did not produce lapses: a person's later setting is never the function's.
#[tokio::test(start_paused = true)]
async fn a_dead_announcement_does_not_make_a_persons_later_setting_ours() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().faults.standing("UpdateHealthCheck", Fault::Denied);
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "RouteRefused");
    assert!(tag(&rig, "routed").unwrap().starts_with("version=2 "));
    rig.emulator.world().faults.clear();
    rig.wait(seconds(901)).await;
    rig.emulator.world().console_set_flags(CHECK, true, true);
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "forced-elsewhere").await;
}

/// Words that a person puts in the place of an announcement stay and stop what would follow.
#[tokio::test(start_paused = true)]
async fn a_persons_words_in_a_tag_are_not_written_over_and_stop_the_promotion() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    // The next look at the tags after the change is the one before the promotion.
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.on_next("ListTagsForResource", |w| w.console_set_tag(CHECK, "failover:routed", "hands off"));
    });
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(
        (failure.kind.name().as_str(), &failure.done[..]),
        ("MemoryUnreadable", &[RouteToSecondary][..])
    );
    assert_eq!(tag(&rig, "routed").as_deref(), Some("hands off"));
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
}

/// A person who wipes out the claim just after the change takes the check over.
#[tokio::test(start_paused = true)]
async fn a_claim_that_a_person_removed_is_not_written_again_and_nothing_is_promoted() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| {
        w.on_next("ListTagsForResource", |w| w.console_remove_tag(CHECK, "failover:routed"));
    });
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    tick_stays(&rig, "forced-elsewhere").await;
}

/// Somebody clears the flags after a promotion, and the primary fails once more: RDS still shows the replica as it was.
#[tokio::test(start_paused = true)]
async fn a_promotion_sent_a_moment_ago_counts_at_any_version() {
    let mut w = world_with("failed");
    w.promotion.notice = seconds(3600);
    let rig = Rig::new(w, &[PROMOTE]);
    rig.tick().await.unwrap();
    rig.emulator.world().console_set_flags(CHECK, false, false);
    set_status(&rig, PRIMARY, "storage-full");
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
    assert_eq!(flags(&rig), (true, true, 4));
    for status in ["available", "failed", "available"] {
        set_status(&rig, PRIMARY, status);
        rig.wait(seconds(60)).await;
        tick_stays(&rig, "promotion-in-progress").await;
    }
    assert_eq!(count(&rig, "PromoteReadReplica"), 1);
}

/// Tags that can't be read are not tags that are not there.
#[tokio::test(start_paused = true)]
async fn a_promotion_is_not_sent_where_its_last_look_fails() {
    for operation in ["ListTagsForResource", "GetHealthCheck"] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        rig.emulator.world().on_next("ChangeTagsForResource", move |w| {
            w.faults.standing(On::operation(operation), Fault::Denied);
        });
        let failure = rig.tick().await.unwrap_err();
        assert_eq!(failure.kind.name(), "TagWriteFailed", "{failure}");
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "{operation}");
    }
}

/// Nor may a 5xx that names a throttle be repeated: the change may have been made.
#[tokio::test(start_paused = true)]
async fn a_server_error_that_names_a_throttle_is_no_refusal_and_nothing_is_sent_twice() {
    for (status, code) in [(500, "Throttling"), (503, "SlowDown"), (503, "RequestLimitExceeded")] {
        let fault = Fault::AppliedThenError { status, code: code.into(), message: "slow down".into() };
        let rig = Rig::new(world_with("failed"), &[PROMOTE]);
        rig.emulator.world().faults.once("UpdateHealthCheck", fault.clone());
        rig.emulator.world().faults.once("PromoteReadReplica", fault.clone());
        let failure = rig.tick().await.unwrap_err();
        assert_eq!(failure.kind.name(), "PromotionUnconfirmed", "{code}: {failure}");
        assert_eq!(failure.done, [RouteToSecondary]);
        assert_eq!((count(&rig, "UpdateHealthCheck"), count(&rig, "PromoteReadReplica")), (1, 1), "{code}");

        rig.wait(seconds(600)).await;
        let rig = rig.redeployed(&[PROMOTE, ("FENCE_PRIMARY", "stop")]);
        set_status(&rig, PRIMARY, "available");
        rig.emulator.world().faults.once("StopDBInstance", fault);
        assert_eq!(rig.tick().await.unwrap_err().kind.name(), "FenceUnconfirmed", "{code}");
        assert_eq!(count(&rig, "StopDBInstance"), 1, "{code}");
    }
}
