//! Every file of `events/` has a stated outcome, and nothing but a direct invoke is an order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;

use std::collections::BTreeSet;
use std::path::Path;

use proof::rig::{PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::config::Config;
use rds_route53_failover::error::{Failure, Kind};
use rds_route53_failover::policy::Pair;
use rds_route53_failover::trigger::{Action, Request, read};
use serde_json::{Value, json};

/// What an event is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Tick,
    Ignore,
    Order,
    Error,
}

/// What the function makes of an event in the standard world, whose primary is healthy.
struct Outcome {
    file: &'static str,
    reads: Reads,
    /// The response's `decision` and `reason`, or the `errorType` and nothing.
    answer: (&'static str, &'static str),
    /// Every write that it leads to.
    writes: &'static [&'static str],
}

const fn outcome(
    file: &'static str,
    reads: Reads,
    answer: (&'static str, &'static str),
    writes: &'static [&'static str],
) -> Outcome {
    Outcome { file, reads, answer, writes }
}

const HEALTHY: (&str, &str) = ("stay", "primary-healthy");
const NOTHING: (&str, &str) = ("ignore", "not-an-rds-notification");
const OTHERS: (&str, &str) = ("ignore", "about-another-database");
const ERROR: (&str, &str) = ("EventNotUnderstood", "event-not-understood");
const TAG: &[&str] = &["ChangeTagsForResource"];

const OUTCOMES: &[Outcome] = &[
    outcome("scheduled-by-rule", Reads::Tick, HEALTHY, &[]),
    outcome("scheduled-by-scheduler", Reads::Tick, HEALTHY, &[]),
    outcome("tick", Reads::Tick, HEALTHY, &[]),
    outcome("sns-rds-event", Reads::Tick, HEALTHY, &[]),
    outcome("sns-several-records", Reads::Tick, HEALTHY, &[]),
    outcome("sns-first-message", Reads::Ignore, NOTHING, &[]),
    outcome("sns-another-database", Reads::Ignore, OTHERS, &[]),
    outcome("sns-action-is-no-order", Reads::Ignore, NOTHING, &[]),
    outcome("eventbridge-rds-event", Reads::Tick, HEALTHY, &[]),
    outcome("eventbridge-rds-event-prefixed", Reads::Tick, HEALTHY, &[]),
    outcome("eventbridge-another-database", Reads::Ignore, OTHERS, &[]),
    outcome("eventbridge-action-is-no-order", Reads::Tick, HEALTHY, &[]),
    outcome("unknown-event", Reads::Error, ERROR, &[]),
    outcome("status", Reads::Order, HEALTHY, &[]),
    outcome("check", Reads::Order, ("stay", "ready"), &[]),
    outcome("failover", Reads::Order, HEALTHY, &[]),
    outcome("failback", Reads::Order, ("stay", "already-on-primary"), &[]),
    outcome("pause", Reads::Order, ("stay", "paused"), TAG),
    outcome("resume", Reads::Order, ("stay", "resumed"), &[]),
];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/events"))
}

fn event(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name).with_extension("json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn pair() -> Pair {
    let variables = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("ROUTE53_HEALTH_CHECK_ID", "check"),
        ("AWS_REGION", "us-east-1"),
    ];
    let lookup = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).unwrap().pair
}

/// The event as it is read in the standard world.
fn reading(event: Value) -> Result<Request, Failure> {
    read(event.to_string().as_bytes(), &pair())
}

/// What is wrong with a payload, as text, according to the error.
fn refusal_of(text: &str) -> String {
    let failure = read(text.as_bytes(), &pair()).expect_err("it was taken");
    assert_eq!(failure.kind, Kind::EventNotUnderstood);
    // What is echoed is cut, whatever was sent.
    assert!(failure.message.chars().count() < 600, "{}", failure.message);
    failure.message
}

fn refusal(event: Value) -> String {
    let failure = reading(event.clone()).expect_err(&event.to_string());
    assert_eq!(failure.kind, Kind::EventNotUnderstood);
    assert_eq!(failure.kind.name(), "EventNotUnderstood");
    failure.message
}

/// An SNS event with this message.
fn sns(message: &str) -> Value {
    let mut event = event("sns-rds-event");
    event["Records"][0]["Sns"]["Message"] = json!(message);
    event
}

/// The RDS notification of the SNS event, changed.
fn rds_by_sns(change: impl FnOnce(&mut Value)) -> Value {
    let text = event("sns-rds-event")["Records"][0]["Sns"]["Message"].as_str().unwrap().to_owned();
    let mut message: Value = serde_json::from_str(&text).unwrap();
    change(&mut message);
    sns(&message.to_string())
}

fn is_tick(reading: &Result<Request, Failure>) -> bool {
    matches!(reading, Ok(Request::Tick))
}

fn is_ignored(reading: &Result<Request, Failure>) -> bool {
    matches!(reading, Ok(Request::Ignore { .. }))
}

#[test]
fn every_event_file_has_a_stated_outcome() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .inspect(|path| assert_eq!(path.extension().unwrap(), "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, OUTCOMES.iter().map(|outcome| outcome.file.to_owned()).collect());
}

#[test]
fn every_event_file_is_read_as_stated() {
    for Outcome { file, reads, .. } in OUTCOMES {
        let read = match reading(event(file)) {
            Ok(Request::Tick) => Reads::Tick,
            Ok(Request::Ignore { .. }) => Reads::Ignore,
            Ok(Request::Action(_)) => Reads::Order,
            Err(_) => Reads::Error,
        };
        assert_eq!(read, *reads, "{file}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_event_file_is_answered_as_stated() {
    for Outcome { file, reads, answer, writes } in OUTCOMES {
        let rig = Rig::new(world(), &[]);
        let answered = match rig.invoke(event(file)).await {
            Ok(report) => (report.decision.to_owned(), report.reason),
            Err(failure) => (failure.kind.name(), failure.kind.code()),
        };
        assert_eq!((answered.0.as_str(), answered.1), *answer, "{file}");
        let world = rig.emulator.world();
        let written: Vec<_> = world.writes().map(|call| call.operation.as_ref()).collect();
        assert_eq!(written, *writes, "{file}");
        match reads {
            Reads::Tick => assert_eq!(world.calls().len(), 3, "{file} is an ordinary tick"),
            Reads::Ignore | Reads::Error => assert_eq!(world.calls().len(), 0, "{file}"),
            Reads::Order => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_event_file_that_is_read_as_a_tick_says_more_than_a_schedule_would() {
    // The same outage, told by each of them, ends the same way: by what RDS itself says.
    for Outcome { file, .. } in OUTCOMES.iter().filter(|outcome| outcome.reads == Reads::Tick) {
        let mut world = world();
        world.set_status(PRIMARY, "storage-full");
        let rig = Rig::new(world, &[]);
        let report = rig.invoke(event(file)).await.unwrap();
        assert_eq!((report.decision, report.reason), ("fail-over", "primary-unhealthy"), "{file}");
        assert_eq!(report.health_check.by, Some("auto"), "{file}");
    }
}

#[test]
fn an_action_inside_an_event_is_never_an_order() {
    let orders = [
        json!({"action": "failover", "reason": "x", "force": true, "promote": true, "allow_data_loss": true}),
        json!({"action": "failback", "reason": "x", "force": true}),
        json!({"action": "pause", "reason": "x"}),
        json!({"action": "resume"}),
        json!({"action": "status"}),
    ];
    for order in orders {
        assert!(is_ignored(&reading(sns(&order.to_string()))), "{order}");
        let with_order = |message: &mut Value| {
            message.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
        };
        assert!(is_tick(&reading(rds_by_sns(with_order))), "{order}");
        let mut other = event("sns-another-database");
        other["Records"][0]["Sns"]["MessageAttributes"] = order.clone();
        other["Records"][0]["action"] = order["action"].clone();
        assert!(is_ignored(&reading(other)), "{order}");

        for file in ["eventbridge-rds-event", "scheduled-by-rule", "scheduled-by-scheduler"] {
            let mut detail = event(file);
            if let Some(detail) = detail["detail"].as_object_mut() {
                detail.extend(order.as_object().unwrap().clone());
            } else {
                detail["detail"] = json!(order.to_string());
            }
            assert!(is_tick(&reading(detail)), "{file} with {order}");
        }
        let custom = json!({"source": "orders", "detail-type": "Order", "detail": order});
        assert!(refusal(custom).contains("`orders`"));
    }
}

#[test]
fn an_order_with_an_event_around_it_is_refused() {
    for file in ["eventbridge-rds-event", "scheduled-by-rule", "sns-rds-event"] {
        for action in ["failover", "failback", "pause", "resume", "tick", "status", "check"] {
            let mut both = event(file);
            both["action"] = json!(action);
            both["reason"] = json!("x");
            refusal(both);
        }
    }
}

#[test]
fn an_unknown_field_of_an_order_is_refused_by_name() {
    for (order, field) in [
        (json!({"action": "failover", "reason": "x", "forse": true}), "forse"),
        (json!({"action": "failback", "reason": "x", "promote": true}), "promote"),
        (json!({"action": "pause", "reason": "x", "until": "tomorrow"}), "until"),
        (json!({"action": "resume", "for": "2h"}), "for"),
        (json!({"action": "tick", "force": true}), "force"),
        (json!({"action": "status", "verbose": true}), "verbose"),
        (json!({"action": "check", "fix": true}), "fix"),
    ] {
        assert!(refusal(order.clone()).contains(&format!("`{field}`")), "{order}");
    }
}

#[test]
fn an_order_without_a_reason_is_refused_by_name() {
    for action in ["failover", "failback", "pause"] {
        for order in [
            json!({"action": action}),
            json!({"action": action, "reason": ""}),
            json!({"action": action, "reason": " \n"}),
        ] {
            assert!(refusal(order.clone()).contains("`reason`"), "{order}");
        }
        for reason in [json!(null), json!(7), json!(["x"])] {
            let refused = refusal(json!({"action": action, "reason": reason}));
            assert!(refused.contains("`reason`") && refused.contains(&reason.to_string()), "{refused}");
        }
    }
}

#[test]
fn an_unknown_action_is_refused_by_name() {
    assert!(refusal(json!({"action": "fail-over", "reason": "x"})).contains("`fail-over`"));
    assert!(refusal(json!({"action": "Failover", "reason": "x"})).contains("`Failover`"));
    refusal(json!({"action": null}));
    refusal(json!({"action": ["failover"]}));
    refusal(json!({"action": {"failover": {}}}));
    refusal(json!({"action": "failover", "reason": "x", "force": "true"}));
    refusal(json!({"action": "failover", "reason": "x", "force": null}));
}

#[test]
fn the_fields_of_an_order_are_read_as_they_are_written() {
    let order =
        json!({"action": "failover", "reason": "r", "force": true, "promote": true, "allow_data_loss": true});
    let expected =
        Action::Failover { reason: "r".to_owned(), force: true, promote: true, allow_data_loss: true };
    assert_eq!(reading(order).unwrap(), Request::Action(expected));
    let expected =
        Action::Failover { reason: "r".to_owned(), force: false, promote: false, allow_data_loss: false };
    assert_eq!(reading(json!({"action": "failover", "reason": "r"})).unwrap(), Request::Action(expected));
}

#[test]
fn the_length_of_a_pause_is_a_duration_or_forever() {
    let paused = |length: Value| reading(json!({"action": "pause", "reason": "r", "for": length}));
    let seconds = |length: &str| match paused(json!(length)) {
        Ok(Request::Action(Action::Pause { duration, .. })) => duration.map(|it| it.as_secs()),
        other => panic!("{length}: {other:?}"),
    };
    assert_eq!(seconds("2h"), Some(7200));
    assert_eq!(seconds("30m"), Some(1800));
    assert_eq!(seconds("1h30m"), Some(5400));
    assert_eq!(seconds("forever"), None);
    for length in ["", "0s", "-2h", "2", "tomorrow", "2h ago", "99999999999999999999h"] {
        assert!(
            refusal(json!({"action": "pause", "reason": "r", "for": length})).contains("`for`"),
            "{length}"
        );
    }
    refusal(json!({"action": "pause", "reason": "r", "for": 7200}));
}

#[test]
fn rds_names_its_instances_in_more_than_one_way() {
    // Older messages carry no ARN; the case of an identifier says nothing.
    let without_arn = |message: &mut Value| {
        message.as_object_mut().unwrap().remove("Source ARN");
    };
    assert!(is_tick(&reading(rds_by_sns(without_arn))));
    assert!(is_tick(&reading(rds_by_sns(|message| {
        without_arn(message);
        message["Source ID"] = json!("Orders-PRIMARY");
    }))));
    assert!(is_tick(&reading(rds_by_sns(|message| message["Source ID"] = json!("rds:orders-primary")))));
    let mut prefixed = event("eventbridge-rds-event-prefixed");
    prefixed["detail"].as_object_mut().unwrap().remove("SourceArn");
    assert!(is_tick(&reading(prefixed)));
    // Tags are optional, and newer fields may follow.
    assert!(is_tick(&reading(rds_by_sns(|message| message["Tags"] = json!({"team": "orders"})))));
}

#[test]
fn an_instance_of_the_same_name_in_another_region_is_another_database() {
    let elsewhere = "arn:aws:rds:eu-west-1:123456789012:db:orders-primary";
    assert!(is_ignored(&reading(rds_by_sns(|message| message["Source ARN"] = json!(elsewhere)))));
    let mut event = event("eventbridge-rds-event-prefixed");
    event["detail"]["SourceArn"] = json!(elsewhere);
    assert!(is_ignored(&reading(event)));
}

#[test]
fn a_snapshot_or_a_cluster_of_the_same_name_is_no_instance() {
    for kind in ["db-snapshot", "db-cluster", "db-security-group", "db-parameter-group"] {
        assert!(is_ignored(&reading(rds_by_sns(|message| message["Event Source"] = json!(kind)))), "{kind}");
    }
    let mut event = event("eventbridge-rds-event");
    event["detail-type"] = json!("RDS DB Cluster Event");
    assert!(refusal(event).contains("RDS DB Cluster Event"));
}

#[test]
fn text_that_is_no_rds_notification_is_ignored_whatever_it_is() {
    for message in ["", "hello", "null", "7", "[]", "{}", "\"orders-primary\"", "{\"Source ID\": 7}", "{"] {
        assert!(is_ignored(&reading(sns(message))), "{message}");
    }
}

#[test]
fn a_payload_that_is_no_event_is_refused_and_says_what_it_was() {
    for payload in [json!(null), json!("tick"), json!(7), json!([]), json!([{"action": "tick"}]), json!({})] {
        assert!(refusal(payload.clone()).contains("Supported: "), "{payload}");
    }
    assert!(refusal(json!({"status": "ok"})).contains("status"));
    assert!(refusal(json!({"Records": []})).contains("`Records` is empty"));
    assert!(refusal(json!({"Records": "x"})).contains("`Records`"));
    // The records of S3 or SQS are of another shape.
    assert!(refusal(json!({"Records": [{"eventSource": "aws:s3", "s3": {}}]})).contains("`Records`"));
    assert!(refusal(json!({"source": "aws.rds"})).contains("detail-type"));
    assert!(
        refusal(json!({"source": "aws.rds", "detail-type": "RDS DB Instance Event"}))
            .contains("names no instance")
    );
    assert!(refusal(json!({"source": 7, "detail-type": "Scheduled Event"})).contains("EventBridge"));
}

#[test]
fn a_schedule_needs_no_more_than_its_source_and_type() {
    for source in ["aws.events", "aws.scheduler"] {
        assert!(is_tick(&reading(json!({"source": source, "detail-type": "Scheduled Event"}))));
        refusal(json!({"source": source, "detail-type": "Unscheduled Event"}));
    }
}
