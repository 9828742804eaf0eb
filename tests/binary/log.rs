//! The log: one line per invocation, as loud as Lambda says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{response, soon, started, tick};

/// The lines of the log, without those that are metrics.
fn words(log: &[Value]) -> Vec<&Value> {
    log.iter().filter(|line| line["_aws"].is_null()).collect()
}

#[tokio::test]
async fn each_invocation_has_one_summary_line_with_a_time_and_a_level() {
    let (_emulator, _server, mut lambda, function) = started(&[]).await;
    tick(&mut lambda).await;
    response(&mut lambda, json!({"action": "status"})).await;
    let log = function.log().await;
    let lines = words(&log);
    assert_eq!(lines.len(), 2, "{log:#?}");
    for line in lines {
        let time: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!(Timestamp::now().duration_since(time).as_hours() < 1);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["reason"], "primary-healthy");
        assert!(!line["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_line_holds_a_persons_words_and_what_the_function_does_by_itself_holds_none() {
    let (_emulator, _server, mut lambda, function) = started(&[]).await;
    tick(&mut lambda).await;
    response(&mut lambda, json!({"action": "pause", "reason": "up\ngrade"})).await;
    response(&mut lambda, json!({"action": "resume"})).await;
    lambda.send(json!({"action": "pause", "reason": "x", "for": "soon"}), soon());
    lambda.post().await;
    let log = function.log().await;
    let fields: Vec<_> = words(&log).iter().map(|line| (&line["actions"], &line["requested"])).collect();
    let (none, empty) = (json!(null), json!(""));
    assert_eq!(
        fields,
        [
            (&empty, &none),
            (&json!("pause"), &json!("up grade")),
            (&json!("resume"), &empty),
            // It is not understood, so nothing says whose words these are.
            (&empty, &none),
        ]
    );
}

#[tokio::test]
async fn a_failed_invocation_has_one_line_too_and_it_names_a_reason() {
    let (_emulator, _server, mut lambda, function) = started(&[]).await;
    lambda.send(json!({"what": "is this"}), soon());
    assert!(lambda.post().await.path.ends_with("/error"));
    let log = function.log().await;
    let lines = words(&log);
    assert_eq!(lines.len(), 1, "{log:#?}");
    assert_eq!(lines[0]["level"], "ERROR");
    assert_eq!(lines[0]["error_type"], "EventNotUnderstood");
    assert_eq!(lines[0]["reason"], "event-not-understood");
}

#[tokio::test]
async fn the_log_is_as_loud_as_lambda_says() {
    // What is no level must not silence the log.
    for (level, informs) in [
        ("INFO", true),
        ("info", true),
        ("", true),
        ("LOUD", true),
        ("WARN", false),
        ("ERROR", false),
        ("FATAL", false),
    ] {
        let (_emulator, _server, mut lambda, function) = started(&[("AWS_LAMBDA_LOG_LEVEL", level)]).await;
        tick(&mut lambda).await;
        lambda.send(json!({}), soon());
        lambda.post().await;
        let log = function.log().await;
        let levels: BTreeSet<_> = words(&log).iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert_eq!(levels.contains("INFO"), informs, "{level}");
        assert!(levels.contains("ERROR"), "{level}");
        assert!(
            log.iter().any(|line| !line["_aws"].is_null()),
            "metrics are no matter of the level: {level}"
        );
    }
}
