//! The last look before a promotion or a stop: whatever changed since it was announced keeps it from being sent.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On, World};
use jiff::{SignedDuration, Timestamp};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig};
use rds_route53_failover::model::Change::{FencePrimary, PromoteReplica, RouteToPrimary};
use serde_json::json;

const FENCE: (&str, &str) = ("FENCE_PRIMARY", "stop");

/// Lets this happen just before the next announcement is followed by its last look.
fn at_the_last_look(rig: &Rig, change: impl FnOnce(&mut World) + Send + 'static) {
    rig.emulator.world().on_next("ChangeTagsForResource", |w| w.on_next(On::any(), change));
}

fn change_tag(key: &str, value: Option<String>) -> impl FnOnce(&mut World) + Send + 'static {
    let key = format!("failover:{key}");
    move |w| match value {
        Some(value) => w.console_set_tag(CHECK, &key, &value),
        None => w.console_remove_tag(CHECK, &key),
    }
}

/// A promotion or a stop, as another invocation or an earlier incident would announce it.
fn sent(rig: &Rig, version: u32, instance: &str) -> String {
    format!("version={version} at={} instance={instance}", at(rig))
}

/// A failback that an operator's request has announced.
fn failback(rig: &Rig) -> String {
    let (now, until) = (at(rig), at(rig) + SignedDuration::from_mins(15));
    format!("version=3 by=operator at={now} id=ab12 until={until} reason=x")
}

fn at(rig: &Rig) -> Timestamp {
    rig.time.now() - SignedDuration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn a_tick_promotes_nothing_behind_an_incident_that_changed_since_its_announcement() {
    for n in 0..4 {
        let rig = failed_over("failed", &[PROMOTE]).await;
        let now = at(&rig);
        let (key, value, reason) = [
            ("returned", Some(failback(&rig)), "failback-in-progress"),
            ("routed", Some(format!("version=2 by=operator at={now} reason=x")), "forced-by-operator"),
            ("routed", None, "forced-elsewhere"),
            // Another invocation announced the same after this one, and sends it.
            ("promoted", Some(sent(&rig, 2, REPLICA)), "replica-fit-to-promote"),
        ][n]
            .clone();
        at_the_last_look(&rig, change_tag(key, value));
        let report = rig.tick().await.unwrap();
        assert_eq!((report.reason, &report.actions[..]), (reason, &[][..]), "{key}: {}", report.message);
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "{key}");
        // The failback that was announced waits for no promotion that is not sent.
        assert_eq!(tag(&rig, "promoted").is_none(), key == "returned", "{key}");
    }
}

/// It is no promotion of this replica in this incident, so nobody is about to make this one.
#[tokio::test(start_paused = true)]
async fn the_announcement_of_another_promotion_is_judged_anew() {
    for (version, instance, reason) in [
        (2, "orders-other", "replica-promoted"),
        (1, "orders-other", "replica-promoted"),
        (1, REPLICA, "promotion-in-progress"),
    ] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        let other = sent(&rig, version, instance);
        at_the_last_look(&rig, change_tag("promoted", Some(other.clone())));
        let report = rig.tick().await.unwrap();
        assert_eq!(
            (report.reason, report.actions.as_slice()),
            (reason, &[][..]),
            "{other}: {}",
            report.message
        );
        assert!(!report.message.contains("another invocation makes this change"), "{}", report.message);
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_that_is_not_the_old_primary_of_this_incident_any_more() {
    let happenings: [fn(&mut World); 8] = [
        |w| w.set_status(PRIMARY, "rebooting"),
        |w| {
            let old = w.instance(PRIMARY).unwrap().clone();
            w.console_delete(PRIMARY);
            w.console_restore(old);
        },
        |w| w.set_status(REPLICA, "rebooting"),
        |w| w.instance_mut(REPLICA).unwrap().source = Some(emulator::Source::Cluster(PRIMARY.to_owned())),
        |w| w.console_set_flags(CHECK, false, false),
        |w| w.console_remove_tag(CHECK, "failover:promoted"),
        |w| {
            w.console_set_tag(
                CHECK,
                "failover:promoted",
                "version=2 at=2026-01-31T12:00:00Z instance=orders-other",
            )
        },
        |w| w.console_set_tag(CHECK, "failover:pause", "until=forever reason=a look at its data"),
    ];
    for (n, happening) in happenings.into_iter().enumerate() {
        let rig = promoted(&[FENCE]).await;
        set_status(&rig, PRIMARY, "available");
        at_the_last_look(&rig, happening);
        let report = rig.tick().await.unwrap();
        assert_eq!(
            (report.actions.as_slice(), count(&rig, "StopDBInstance")),
            (&[][..], 0),
            "{n}: {}",
            report.message
        );
    }
}

/// An operator sends traffic back to the old primary in the second in which a tick is about to stop it.
#[tokio::test(start_paused = true)]
async fn the_old_primary_is_not_stopped_as_traffic_goes_back_to_it() {
    let rig = promoted(&[FENCE]).await;
    set_status(&rig, PRIMARY, "available");
    at_the_last_look(&rig, change_tag("returned", Some(failback(&rig))));
    let report = rig.tick().await.unwrap();
    assert_eq!(
        (report.reason, report.actions.as_slice()),
        ("replica-promoted", &[][..]),
        "{}",
        report.message
    );
    assert_eq!((count(&rig, "StopDBInstance"), tag(&rig, "fenced")), (0, None), "nothing was sent");
    // Nothing came of that failback: the next tick after half a minute stops it.
    rig.wait(seconds(60)).await;
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
}

/// The same the other way round: the stop was announced first, and may have been sent.
#[tokio::test(start_paused = true)]
async fn traffic_goes_back_by_force_only_after_a_fresh_look_at_a_primary_whose_stop_was_announced() {
    let rig = promoted(&[FENCE]).await;
    set_status(&rig, PRIMARY, "available");
    let stop = sent(&rig, 2, PRIMARY);
    at_the_last_look(&rig, move |w| {
        w.console_set_tag(CHECK, "failover:fenced", &stop);
        w.set_status(PRIMARY, "stopping");
    });
    let order = json!({"action": "failback", "force": true, "reason": "x"});
    let report = rig.invoke(order).await.unwrap();
    assert_eq!(report.actions, [RouteToPrimary]);
    assert_eq!(report.primary.status.as_deref(), Some("stopping"), "{}", report.message);
}

/// The promoted instance has the old primary's name by then.
#[tokio::test(start_paused = true)]
async fn an_instance_that_was_given_the_old_primarys_name_is_not_stopped() {
    let rename = |w: &mut World| w.console_swap_names(PRIMARY, REPLICA);
    for at_the_end in [false, true] {
        let rig = promoted(&[FENCE]).await;
        set_status(&rig, PRIMARY, "available");
        if at_the_end {
            at_the_last_look(&rig, rename);
        } else {
            rename(&mut rig.emulator.world());
        }
        let report = rig.tick().await.unwrap();
        assert_eq!(
            (report.reason, report.actions.as_slice()),
            ("old-primary-available", &[][..]),
            "{at_the_end}"
        );
        assert_eq!(count(&rig, "StopDBInstance"), 0, "{at_the_end}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_announcement_of_another_stop_does_not_stand_for_this_one() {
    for (version, instance) in [(1, PRIMARY), (2, "orders-other")] {
        let rig = promoted(&[FENCE]).await;
        set_status(&rig, PRIMARY, "available");
        let other = sent(&rig, version, instance);
        at_the_last_look(&rig, change_tag("fenced", Some(other.clone())));
        tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
        assert_eq!(count(&rig, "StopDBInstance"), 1, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_rds_refuses_as_the_primary_stops_already_is_no_failure() {
    let rig = promoted(&[FENCE]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().on_next("StopDBInstance", |w| w.set_status(PRIMARY, "stopping"));
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, report.actions.as_slice()), ("fence-primary", &[][..]), "{}", report.message);
    assert!(report.message.contains("another invocation makes this change"), "{}", report.message);
}

/// Nothing was sent, so nobody waits for it.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_at_again_is_sent_by_the_next_tick_and_not_five_minutes_later() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    at_the_last_look(&rig, |w| w.faults.standing("GetHealthCheck", Fault::Denied));
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "TagWriteFailed");
    assert_eq!((count(&rig, "PromoteReadReplica"), tag(&rig, "promoted")), (0, None));
    rig.emulator.world().faults.clear();
    tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;

    let rig = promoted(&[FENCE]).await;
    set_status(&rig, PRIMARY, "available");
    at_the_last_look(&rig, |w| w.faults.standing("GetHealthCheck", Fault::Denied));
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "FenceUnconfirmed");
    assert_eq!((count(&rig, "StopDBInstance"), tag(&rig, "fenced")), (0, None));
    rig.emulator.world().faults.clear();
    tick_does(&rig, "fence", "fence-primary", &[FencePrimary]).await;
}

/// A tag that is left there counts as a request that was sent, for five minutes.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_taken_back_through_a_throttle_and_left_where_that_is_denied() {
    for (fault, is_removed, writes) in [(Fault::Throttle, true, 5), (Fault::Denied, false, 2)] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        let announced = failback(&rig);
        at_the_last_look(&rig, move |w| {
            w.console_set_tag(CHECK, "failover:returned", &announced);
            w.faults.times(3, "ChangeTagsForResource", fault);
        });
        let before = count(&rig, "ChangeTagsForResource");
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions, [], "{}", report.message);
        assert_eq!((count(&rig, "PromoteReadReplica"), tag(&rig, "promoted").is_none()), (0, is_removed));
        assert_eq!(count(&rig, "ChangeTagsForResource") - before, writes);
    }
}

/// Whoever promotes looks for a failback after its announcement, and a failback for a promotion after its own: of the
/// two, one at least sees the other.
#[tokio::test(start_paused = true)]
async fn traffic_does_not_go_back_behind_a_promotion_a_pause_or_a_loss_of_its_claim_in_that_moment() {
    for (key, reason) in
        [("promoted", "promotion-in-progress"), ("pause", "paused"), ("routed", "forced-elsewhere")]
    {
        let rig = failed_over("storage-full", &[]).await;
        set_status(&rig, PRIMARY, "available");
        let value = match key {
            "promoted" => Some(sent(&rig, 2, REPLICA)),
            "pause" => Some("until=forever reason=x".to_owned()),
            _ => None,
        };
        at_the_last_look(&rig, change_tag(key, value));
        let before = count(&rig, "UpdateHealthCheck");
        let report = rig.tick().await.unwrap();
        assert_eq!(
            (report.reason, report.actions.as_slice()),
            (reason, &[][..]),
            "{key}: {}",
            report.message
        );
        assert_eq!(count(&rig, "UpdateHealthCheck"), before, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_does_not_go_back_where_the_tags_cannot_be_read_once_more() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    at_the_last_look(&rig, |w| w.faults.standing(On::operation("ListTagsForResource"), Fault::Denied));
    let before = count(&rig, "UpdateHealthCheck");
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "TagWriteFailed");
    assert!(failure.message.starts_with("traffic was not sent back"), "{}", failure.message);
    assert_eq!(count(&rig, "UpdateHealthCheck"), before);
}

/// Others heed the announcement of a failback for half a minute only.
#[tokio::test(start_paused = true)]
async fn a_failback_whose_last_look_is_held_up_is_decided_anew() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    at_the_last_look(&rig, |w| {
        w.faults.standing(On::operation("ListTagsForResource"), Fault::Throttle);
        w.after(seconds(8), |w| w.faults.clear());
    });
    let before = count(&rig, "ChangeTagsForResource");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    assert_eq!(count(&rig, "ChangeTagsForResource") - before, 3, "announced twice, confirmed once");
}
