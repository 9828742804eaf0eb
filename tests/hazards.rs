//! Hazards that the model check and the simulation found: races and faults that a scenario's author forgets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::Fault;
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToSecondary};

/// Two invocations announce the same promotion, the second over the first; RDS has accepted the first and shows
/// nothing of it yet.
#[tokio::test(start_paused = true)]
async fn a_promotion_that_rds_does_not_show_yet_is_not_forgotten_when_it_refuses_a_second_one() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().on_next("PromoteReadReplica", |w| w.console_promote(REPLICA).unwrap());
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "PromotionUnconfirmed");
    assert!(tag(&rig, "promoted").is_some(), "{failure}");
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "promotion-in-progress").await;
    rig.wait(seconds(600)).await;
    tick_stays(&rig, "replica-promoted").await;
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

/// An invocation that lost the race for the same change may wipe out the winner's announcement by taking back its
/// own.
#[tokio::test(start_paused = true)]
async fn an_announcement_that_is_wiped_out_behind_its_change_is_written_again() {
    for (operation, key) in [("UpdateHealthCheck", "routed"), ("PromoteReadReplica", "promoted")] {
        let rig = Rig::new(world_with("failed"), &[PROMOTE]);
        rig.emulator.world().on_next(operation, move |w| {
            w.on_next("ListTagsForResource", move |w| {
                w.console_remove_tag(CHECK, &format!("failover:{key}"))
            });
        });
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions.last(), Some(&PromoteReplica), "{}", report.message);
        assert!(tag(&rig, key).is_some_and(|tag| tag.starts_with("version=2 ")), "{key}");
        set_status(&rig, PRIMARY, "available");
        tick_stays(&rig, "promotion-in-progress").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_stays_lost_is_told() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    rig.emulator.world().faults.once("PromoteReadReplica", Fault::AppliedThenReset);
    rig.emulator.world().on_next("PromoteReadReplica", |w| {
        w.faults.standing("ChangeTagsForResource", Fault::Denied);
        w.on_next("ListTagsForResource", |w| w.console_remove_tag(CHECK, "failover:promoted"));
    });
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "PromotionUnconfirmed");
    assert!(failure.to_string().contains("its announcement in the tags is lost: "), "{failure}");
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
    assert_eq!(tag(&rig, "routed"), None);
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
    assert_eq!(tag(&rig, "routed"), None);
}

/// A claim to a version that nobody produced would turn a person's next setting into the function's own.
#[tokio::test(start_paused = true)]
async fn a_claim_is_taken_back_though_another_tag_stopped_making_sense_meanwhile() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().on_next("ChangeTagsForResource", |w| {
        w.console_set_tag(CHECK, "failover:pause", "until tomorrow");
    });
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "TagWriteFailed");
    assert!(failure.to_string().contains("until tomorrow"), "{failure}");
    assert_eq!(tag(&rig, "routed"), None, "{failure}");
    assert_eq!(state(&rig), NORMAL);

    rig.emulator.world().console_remove_tag(CHECK, "failover:pause");
    rig.emulator.world().console_set_flags(CHECK, true, true);
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "forced-elsewhere").await;
}

/// Words that a person puts in the place of an announcement, in the moment behind its change, stay and stop what would
/// follow.
#[tokio::test(start_paused = true)]
async fn a_persons_words_in_a_tag_are_not_written_over_and_stop_the_promotion() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
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
