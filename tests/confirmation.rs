//! The confirmation of a change that was made: repeated where it finds no answer, and never over what came later.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, World};
use proof::rig::{CHECK, Rig};
use rds_route53_failover::model::Change::RouteToSecondary;
use serde_json::json;

/// A primary whose failure moves traffic and promotes nothing, and what happens once the flags are set.
fn after_the_update(change: impl FnOnce(&mut World) + Send + 'static) -> Rig {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().on_next("UpdateHealthCheck", change);
    rig
}

fn is_confirmed(rig: &Rig) -> bool {
    !tag(rig, "routed").unwrap().contains("until=")
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_finds_no_answer_is_sent_three_times_and_left_to_the_next_tick() {
    for (lost, confirmed) in [(1, true), (2, true), (3, false), (9, false)] {
        let rig = after_the_update(move |w| w.faults.times(lost, "ChangeTagsForResource", Fault::Reset));
        let report = rig.tick().await.unwrap();
        assert_eq!(
            (report.actions.as_slice(), is_confirmed(&rig)),
            (&[RouteToSecondary][..], confirmed),
            "{lost}"
        );
        assert_eq!(report.message.contains("could not be confirmed"), !confirmed, "{}", report.message);
        // The announcement, and what was lost of the confirmation, and what was not.
        assert_eq!(count(&rig, "ChangeTagsForResource") as u64, 1 + (lost + 1).min(3), "{lost}");
    }
}

/// Where Route 53 is down, the metric is the way out, and it should not wait for long.
#[tokio::test(start_paused = true)]
async fn an_announcement_that_finds_no_answer_is_sent_three_times_in_an_invocation() {
    for lost in [1, 2, 3, 9] {
        let rig = Rig::new(world_with("storage-full"), &[]);
        rig.emulator.world().faults.times(lost, "ChangeTagsForResource", Fault::Reset);
        let result = rig.tick().await;
        if lost < 3 {
            assert_eq!(result.unwrap().actions, [RouteToSecondary], "{lost}");
            assert_eq!(count(&rig, "ChangeTagsForResource") as u64, lost + 2, "and confirmed");
        } else {
            assert_eq!(result.unwrap_err().kind.name(), "TagWriteFailed");
            assert_eq!((count(&rig, "ChangeTagsForResource"), state(&rig)), (3, NORMAL));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_is_refused_is_sent_once() {
    let rig = after_the_update(|w| w.faults.standing("ChangeTagsForResource", Fault::Denied));
    assert_eq!(rig.tick().await.unwrap().actions, [RouteToSecondary]);
    assert_eq!((is_confirmed(&rig), count(&rig, "ChangeTagsForResource")), (false, 2));
}

/// It takes the account's limit some seconds to leave room, and a look at the tags takes of it, too.
#[tokio::test(start_paused = true)]
async fn a_confirmation_that_is_throttled_is_sent_until_it_is_heard_with_few_looks_between() {
    let rig = after_the_update(|w| w.faults.times(20, "ChangeTagsForResource", Fault::Throttle));
    let begun = rig.time.now();
    assert_eq!(rig.tick().await.unwrap().actions, [RouteToSecondary]);
    assert!(is_confirmed(&rig));
    let looks = count(&rig, "ListTagsForResource");
    let most = 1 + (rig.time.now() - begun).as_secs() / 5;
    assert!(looks >= 3 && looks as i64 <= most, "{looks} looks");
}

/// Each stands in the tag by the time that a confirmation, held up by throttles, looks again.
#[tokio::test(start_paused = true)]
async fn a_confirmation_that_was_held_up_covers_no_later_announcement() {
    let later = "version=4 by=operator at=2026-01-31T12:01:00Z id=ab12 until=2026-01-31T12:16:00Z reason=x";
    let older = "version=1 by=operator at=2026-01-31T11:00:00Z reason=x";
    for (present, stands) in [(later, true), (older, false)] {
        let rig = after_the_update(move |w| {
            w.faults.times(20, "ChangeTagsForResource", Fault::Throttle);
            w.on_next("ListTagsForResource", move |w| w.console_set_tag(CHECK, "failover:routed", present));
        });
        assert_eq!(rig.tick().await.unwrap().actions, [RouteToSecondary]);
        let tag = tag(&rig, "routed").unwrap();
        assert_eq!(tag == present, stands, "{tag}");
        assert!(stands || tag.starts_with("version=2 by=auto") && is_confirmed(&rig), "{tag}");
    }
}

/// Another invocation confirmed it meanwhile: nothing is left to write.
#[tokio::test(start_paused = true)]
async fn a_confirmation_that_another_invocation_made_is_not_sent_again() {
    let rig = after_the_update(|w| {
        w.faults.standing("ChangeTagsForResource", Fault::Throttle);
        w.on_next("ListTagsForResource", |w| {
            let tags = w.health_check(CHECK).unwrap().tags["failover:routed"].clone();
            let (made, rest) = tags.split_once(" until=").unwrap();
            let (_, reason) = rest.split_once(' ').unwrap();
            w.console_set_tag(CHECK, "failover:routed", &format!("{made} {reason}"));
        });
    });
    let begun = rig.time.now();
    let report = rig.tick().await.unwrap();
    assert!(is_confirmed(&rig) && !report.message.contains("could not"), "{}", report.message);
    assert!((rig.time.now() - begun).as_secs() < 40, "it does not wait for the deadline");
}

/// What stands in the tag as a request looks at its claim once more, and whether the request writes it again.
#[tokio::test(start_paused = true)]
async fn a_request_restores_its_claim_where_an_announcement_of_the_same_change_covers_it() {
    let at = "at=2026-01-31T12:00:00Z";
    let until = "id=ab12 until=2026-01-31T12:15:00Z";
    for (present, restored) in [
        (format!("version=2 by=auto {at} reason=x"), true),
        (format!("version=2 by=operator {at} {until} reason=x"), true),
        (format!("version=1 by=operator {at} reason=x"), true),
        (format!("version=2 by=operator {at} reason=x"), false),
        (format!("version=3 by=auto {at} {until} reason=x"), false),
    ] {
        let rig = Rig::new(world_with("failed"), &[]);
        let late = present.clone();
        rig.emulator.world().on_next("UpdateHealthCheck", move |w| {
            w.after(seconds(1), move |w| w.console_set_tag(CHECK, "failover:routed", &late));
        });
        rig.invoke(failover(json!({}))).await.unwrap();
        let tag = tag(&rig, "routed").unwrap();
        assert_eq!(tag != present, restored, "{present}: {tag}");
        assert!(!restored || tag.starts_with("version=2 by=operator") && is_confirmed(&rig), "{tag}");
    }
}

/// The look takes two seconds, and the report has to come before the deadline.
#[tokio::test(start_paused = true)]
async fn a_request_without_time_for_that_look_reports_what_it_did() {
    let rig = Rig::new(world_with("failed"), &[]);
    let begun = rig.time.now();
    let result = rig.invoke_within(failover(json!({"force": true})), seconds(3)).await;
    assert_eq!(result.unwrap().actions, [RouteToSecondary]);
    assert!(is_confirmed(&rig));
    assert_eq!((rig.time.now() - begun).as_secs(), 0);
}
