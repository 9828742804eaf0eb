//! What must not matter, does not: how often a trigger arrives, in which order independent ones arrive, and what
//! the old primary says after a promotion.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use emulator::{Actor, Change, RdsEvent};
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, Rig, world};
use serde_json::{Value, json};

const PROMOTE: &[(&str, &str)] = &[("PROMOTE_REPLICA", "true")];

fn triggers() -> Vec<Value> {
    let of = |id, event| RdsEvent::new(id, event);
    let primary = of(PRIMARY, "RDS-EVENT-0031");
    let replica = of(REPLICA, "RDS-EVENT-0045");
    vec![
        json!({"action": "tick"}),
        primary.eventbridge(REGION),
        json!({"Records": [{"Sns": {"Message": primary.sns_message(REGION)}}]}),
        replica.eventbridge(REGION),
        json!({"Records": [{"Sns": {"Message": "You are subscribed."}}]}),
        of("somebody-elses", "RDS-EVENT-0031").eventbridge(REGION),
    ]
}

/// What the function made of the world: flags, the number of updates, and promotions.
fn outcome(rig: &Rig) -> (bool, bool, u64, usize) {
    let world = rig.emulator.world();
    let check = world.health_check(CHECK).unwrap();
    let promotions = world
        .history()
        .iter()
        .filter(|event| event.by == Actor::Api && matches!(event.change, Change::PromotionAccepted { .. }));
    (check.disabled, check.inverted, check.version, promotions.count())
}

async fn after(status: &str, variables: &[(&str, &str)], events: &[Value]) -> (bool, bool, u64, usize) {
    let mut w = world();
    w.set_status(PRIMARY, status);
    let rig = Rig::new(w, variables);
    for event in events {
        let _ = rig.invoke(event.clone()).await;
    }
    outcome(&rig)
}

#[tokio::test(start_paused = true)]
async fn a_doubled_trigger_changes_nothing_more() {
    for status in ["available", "storage-full", "failed", "rebooting", "stopped"] {
        for event in triggers() {
            let once = after(status, PROMOTE, std::slice::from_ref(&event)).await;
            let twice = after(status, PROMOTE, &[event.clone(), event.clone(), event.clone()]).await;
            assert_eq!(once, twice, "{status}: {event}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_order_of_independent_triggers_does_not_matter() {
    for status in ["available", "storage-full", "failed"] {
        let events = triggers();
        let forwards = after(status, PROMOTE, &events).await;
        for rotation in 0..events.len() {
            let mut turned = events.clone();
            turned.rotate_left(rotation);
            assert_eq!(after(status, PROMOTE, &turned).await, forwards, "{status}, turned by {rotation}");
            turned.reverse();
            assert_eq!(after(status, PROMOTE, &turned).await, forwards, "{status}, turned and reversed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn healthy_polls_after_a_promotion_change_nothing() {
    let mut w = world();
    w.set_status(PRIMARY, "failed");
    let rig = Rig::new(w, PROMOTE);
    rig.tick().await.unwrap();
    let promoted = outcome(&rig);
    assert_eq!((promoted.0, promoted.1, promoted.3), (true, true, 1));
    rig.emulator.world().set_status(PRIMARY, "available");
    let writes = rig.emulator.world().writes().count();
    // From seconds after the call, through `modifying`, to hours later.
    for minute in [0, 0, 1, 1, 2, 5, 10, 60, 600] {
        rig.wait(Duration::from_secs(60 * minute)).await;
        for event in triggers() {
            rig.invoke(event).await.unwrap();
        }
        assert_eq!(outcome(&rig), promoted);
    }
    assert_eq!(rig.emulator.world().writes().count(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_status_the_policy_treats_alike_leads_to_the_same_end() {
    for (one, other) in
        [("storage-full", "stopped"), ("failed", "incompatible-network"), ("available", "backing-up")]
    {
        let tick = [json!({"action": "tick"})];
        assert_eq!(after(one, PROMOTE, &tick).await, after(other, PROMOTE, &tick).await, "{one}, {other}");
    }
}
