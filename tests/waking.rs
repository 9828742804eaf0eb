//! An event only wakes the function: what it says is not believed, and what it smuggles is not obeyed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use proof::rig::{PRIMARY, REGION, Rig, world};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn an_order_without_a_reason_or_with_a_typing_error_changes_nothing() {
    let rig = Rig::new(world_with("failed"), &[]);
    for order in [
        json!({"action": "failover"}),
        json!({"action": "failover", "reason": ""}),
        json!({"action": "failover", "reason": "  "}),
        json!({"action": "failover", "reason": 5}),
        json!({"action": "failback"}),
        json!({"action": "pause"}),
        json!({"action": "pause", "reason": "x", "for": "a while"}),
        json!({"action": "pause", "reason": "x", "for": "-2h"}),
        json!({"action": "failover", "reason": "x", "forse": true}),
        json!({"action": "failover", "reason": "x", "force": "true"}),
        json!({"action": "failback", "reason": "x", "promote": true}),
        json!({"action": "promote", "reason": "x"}),
        json!({"action": "tick", "force": true}),
        json!({"action": "status", "reason": "x", "source": "aws.events"}),
        json!({"action": null}),
        json!("failover"),
        json!(["failover"]),
        json!(null),
        json!({}),
    ] {
        let failure = rig.invoke(order.clone()).await.unwrap_err();
        assert_eq!(failure.kind.name(), "EventNotUnderstood", "{order}");
    }
    assert_eq!(rig.emulator.world().calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_action_inside_of_an_event_is_never_one() {
    let order = json!({"action": "failover", "reason": "x", "force": true});
    let rig = Rig::new(world(), &[]);
    let report = rig.invoke(mail::delivered(order.to_string())).await.unwrap();
    assert_eq!((report.decision, report.reason), ("ignore", "not-an-rds-notification"));
    assert_eq!(rig.emulator.world().calls().len(), 0);
    for detail_type in ["Scheduled Event", "RDS DB Instance Event"] {
        let source = if detail_type == "Scheduled Event" { "aws.events" } else { "aws.rds" };
        let mut detail = order.clone();
        detail["SourceIdentifier"] = json!(PRIMARY);
        let event = json!({"version": "0", "id": "1", "detail-type": detail_type, "source": source,
            "account": "1", "time": "2026-01-31T12:00:00Z", "region": REGION, "resources": [], "detail": detail});
        tick_like(&rig, event).await;
    }
}

async fn tick_like(rig: &Rig, event: Value) {
    let before = writes(rig);
    let result = rig.invoke(event).await;
    stays(rig, before, result, "primary-healthy");
}

#[tokio::test(start_paused = true)]
async fn what_an_event_says_of_the_database_is_not_believed() {
    let rig = Rig::new(world(), &[PROMOTE]);
    let gone = emulator::RdsEvent::new(PRIMARY, "RDS-EVENT-0003");
    let (sns, eventbridge) = (gone.sns_message(REGION), gone.eventbridge(REGION));
    tick_like(&rig, eventbridge).await;
    tick_like(&rig, mail::delivered(sns)).await;
    let other = emulator::RdsEvent::new("billing", "RDS-EVENT-0003").eventbridge(REGION);
    let calls = rig.emulator.world().calls().len();
    let report = rig.invoke(other).await.unwrap();
    assert_eq!((report.decision, report.reason), ("ignore", "about-another-database"));
    assert_eq!(rig.emulator.world().calls().len(), calls);
}
