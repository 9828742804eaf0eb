//! Words of people and of AWS: bounded, folded, and never a way to forge or to flood.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::mail::{told, topic};
use common::*;
use emulator::{Fault, On, RecordSet};
use proof::rig::{CHECK, PRIMARY, RECORD, REPLICA, Rig, ZONE, world};
use rds_route53_failover::model::Change::RouteToSecondary;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_reason_of_more_than_a_thousand_characters_is_refused_before_anything_is_done() {
    let rig = Rig::new(world_with("failed"), &[]);
    for action in ["failover", "failback", "pause", "resume", "status", "check", "tick"] {
        for length in [1001, 300_000] {
            let order = json!({"action": action, "reason": "ä".repeat(length)});
            let failure = rig.invoke(order).await.unwrap_err();
            assert_eq!(failure.kind.name(), "EventNotUnderstood");
            assert!(failure.message.contains("`reason`") && failure.message.len() < 1000, "{failure}");
        }
    }
    assert_eq!(rig.emulator.world().calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reason_of_a_thousand_characters_is_cut_to_what_each_place_holds() {
    let topic = topic();
    let rig = Rig::new(world_with("failed"), &[("NOTIFICATION_TOPIC_ARN", &topic)]);
    let order = json!({"action": "failover", "reason": "ä".repeat(1000)});
    let report = rig.invoke(order).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary]);
    assert!(tag(&rig, "routed").unwrap().len() <= 256);
    assert_eq!(told(&rig).len(), 1, "the message still fits");
    rig.tick().await.unwrap();
    assert_eq!(rig.tick().await.unwrap().reason, "forced-by-operator", "the cut tag can be read");
}

#[tokio::test(start_paused = true)]
async fn control_and_bidirectional_characters_are_folded_in_every_place() {
    let topic = topic();
    let words = "a\u{0}b\rc\nd\u{1b}[2Je\u{202e}f\u{2066}g\u{2028}h\u{200f}i";
    for order in [json!({"action": "failover", "reason": words}), json!({"action": "pause", "reason": words})]
    {
        let rig = Rig::new(world_with("failed"), &[("NOTIFICATION_TOPIC_ARN", &topic)]);
        let report = rig.invoke(order).await.unwrap();
        let message = told(&rig).remove(0);
        let tags: String = check(&rig).tags.values().cloned().collect();
        let strange =
            |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{2028}\u{200f}".contains(c);
        for text in [&report.message, &message.mail, &message.subject, &tags, &message.chat.to_string()] {
            assert!(!text.contains(strange), "{text:?}");
        }
        assert!(!report.message.contains('\n'), "{}", report.message);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_message_of_a_megabyte_is_cut_wherever_it_goes() {
    let topic = topic();
    let long = |status, code: &'static str| Fault::Error {
        status,
        code: code.into(),
        message: format!("{}\nNext: do what I say", "x".repeat(1 << 20)).into(),
    };
    for on in [
        On::operation("DescribeDBInstances").target(PRIMARY),
        On::operation("DescribeDBInstances").target(REPLICA),
        On::operation("GetHealthCheck"),
        On::operation("ListTagsForResource"),
        On::operation("ChangeTagsForResource"),
        On::operation("UpdateHealthCheck"),
        On::operation("GetMetricStatistics"),
        On::operation("PromoteReadReplica"),
        On::operation("Publish"),
    ] {
        let mut w = world_with("failed");
        w.faults.standing(on.clone(), long(400, "InvalidInput"));
        let rig = Rig::new(w, &[PROMOTE, ("NOTIFICATION_TOPIC_ARN", &topic)]);
        let said = match rig.tick().await {
            Ok(report) => json!(report).to_string(),
            Err(failure) => failure.to_string(),
        };
        assert!(said.len() < 20_000, "{on:?}: {}", said.len());
        for message in told(&rig) {
            assert!(message.mail.len() + message.chat.to_string().len() < 40_000, "{on:?}");
            assert!(!message.mail.contains("\nNext: do"), "{}", message.mail);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_or_a_status_without_an_end_is_cut_and_folded_wherever_it_goes() {
    let topic = topic();
    let long = format!("x\u{202e}y {}", "z".repeat(100_000));
    type Spoil = fn(&mut emulator::World, &str);
    let spoils: &[Spoil] = &[
        |w, long| w.set_status(PRIMARY, long),
        |w, long| w.set_status(REPLICA, long),
        |w, long| w.instance_mut(PRIMARY).unwrap().address = long.into(),
        |w, long| w.instance_mut(REPLICA).unwrap().engine = long.into(),
        |w, long| w.instance_mut(REPLICA).unwrap().class = long.into(),
        |w, long| w.console_set_tag(CHECK, "failover:pause", &format!("until=forever reason={long}")),
        |w, long| {
            w.add_zone(
                ZONE,
                "orders.example",
                [RecordSet::primary(RECORD, long, CHECK), RecordSet::secondary(RECORD, long)],
            )
        },
    ];
    for (nth, spoil) in spoils.iter().enumerate() {
        for action in ["status", "check", "pause", "tick", "failover"] {
            let mut w = world_with("failed");
            spoil(&mut w, &long);
            let variables = [
                PROMOTE,
                ("NOTIFICATION_TOPIC_ARN", &topic),
                ("HOSTED_ZONE_ID", ZONE),
                ("RECORD_NAME", RECORD),
            ];
            let rig = Rig::new(w, &variables);
            let said = match rig.invoke(json!({"action": action, "reason": "drill"})).await {
                Ok(report) => json!(report).to_string(),
                Err(failure) => failure.to_string(),
            };
            assert!(said.len() < 20_000, "{nth}, {action}: {} bytes", said.len());
            assert!(!said.contains('\u{202e}'), "{nth}, {action}: {said}");
            for message in told(&rig) {
                assert!(message.mail.len() + message.chat.to_string().len() < 40_000, "{nth}, {action}");
                assert!(!message.mail.contains('\u{202e}'), "{nth}, {action}: {}", message.mail);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_at_the_end_of_its_range_is_no_reason_to_move_or_to_promote() {
    // No update can produce the version after the last.
    let mut w = world_with("failed");
    w.health_check_mut(CHECK).unwrap().version = i64::MAX as u64;
    let rig = Rig::new(w, &[PROMOTE]);
    let failure = tick_fails(&rig, "HealthCheckUnreadable").await;
    assert!(failure.message.contains("no health check with a version"), "{failure}");
    assert_eq!(writes(&rig), 0);
    // A lag beyond all measure.
    let mut w = world();
    w.set_replica_lag(REPLICA, Some(f64::MAX));
    let rig = Rig::new(w, &[PROMOTE]);
    rig.watch().tell_lag(rig.time.now(), Some(f64::MAX));
    rig.wait(seconds(300)).await;
    rig.emulator.world().set_status(PRIMARY, "failed");
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(report.message.contains("(lag-too-high)"), "{}", report.message);
    assert!(!report.message.contains("inf") && report.message.len() < 2000, "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_many_megabytes_is_unknown_and_not_read() {
    let mut w = world_with("failed");
    w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Padded(8 << 20));
    tick_fails(&Rig::new(w, &[]), "PrimaryUnknown").await;
    let mut w = world_with("failed");
    w.faults.standing("ListTagsForResource", Fault::Padded(8 << 20));
    tick_fails(&Rig::new(w, &[]), "MemoryUnreadable").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_set_of_tags_is_not_a_check_without_tags() {
    let mut w = world_with("failed");
    w.console_set_tag(CHECK, "failover:pause", "until=forever reason=x");
    w.faults.standing("ListTagsForResource", Fault::Emptied);
    let failure = tick_fails(&Rig::new(w, &[PROMOTE]), "MemoryUnreadable").await;
    assert!(failure.message.contains("no tags of this health check"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_a_person_can_not_forge_a_line_of_the_message() {
    for (value, shown) in [
        ("what is this", "what is this"),
        // Folded before it is read, it would be a claim.
        ("version=2\tby=auto at=2026-01-31T12:00:00Z reason=x", "version=2 by=auto"),
    ] {
        let mut w = world();
        w.console_set_tag(CHECK, "failover:routed", value);
        w.console_set_flags(CHECK, true, true);
        let rig = Rig::new(w, &[]);
        let failure = tick_fails(&rig, "MemoryUnreadable").await;
        assert!(failure.message.contains(&format!("failover:routed holds `{shown}")), "{failure}");
    }
}
