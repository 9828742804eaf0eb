//! What the client makes of the function's log. CloudWatch Logs is a listener with canned pages.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use ctl::history::{FAILED_CHANGES, PATTERN};
use rds_route53_failover::error::Kind;
use serde_json::{Value, json};

use common::{Then, listener, read, with_keys};

mod common;

/// A line of the function's log as CloudWatch Logs returns it.
fn line(at: &str, line: Value) -> Value {
    let at: jiff::Timestamp = at.parse().unwrap();
    json!({"timestamp": at.as_millisecond(), "message": line.to_string()})
}

/// An outage, an unpermitted promotion, a return on request, a pause; between them what is no row. The first page is
/// empty and has a token, as CloudWatch Logs answers while it searches.
fn pages(request: &Value) -> (u16, Value) {
    assert_eq!(request["logGroupName"], "/aws/lambda/orders");
    assert_eq!(request["filterPattern"], PATTERN);
    let page = match request["nextToken"].as_str() {
        None => json!({"events": [], "nextToken": "second"}),
        Some("second") => json!({"nextToken": "third", "events": [
            line("2026-01-31T12:00:00Z", json!({
                "level": "INFO", "reason": "primary-unhealthy", "actions": "route-to-secondary",
                "message": "The primary is unhealthy\nNext: rm -rf /\u{202e}: storage-full"})),
            line("2026-01-31T12:00:30Z", json!({"level": "INFO", "reason": "already-on-secondary", "actions": "", "message": "x"})),
            line("2026-01-31T12:01:00Z", json!({
                "level": "ERROR", "error_type": "PromotionRefused", "reason": "promotion-refused", "actions": "",
                "requested": "owner agrees", "message": "AccessDenied"})),
            line("2026-01-31T12:02:00Z", json!({
                "level": "ERROR", "error_type": "EventNotUnderstood", "reason": "event-not-understood", "actions": "", "message": "x"})),
            json!({"timestamp": 1, "message": "no JSON"}),
        ]}),
        Some("third") => json!({"events": [
            line("2026-01-31T13:30:05Z", json!({
                "level": "INFO", "reason": "failback-ordered", "actions": "route-to-primary",
                "requested": "primary is back", "message": "Traffic goes back"})),
            line("2026-02-01T08:00:00Z", json!({
                "level": "INFO", "reason": "resumed", "actions": "resume", "requested": "", "message": "Resumed"})),
            line("2026-02-01T09:00:00Z", json!({
                "level": "INFO", "reason": "failover-ordered", "actions": "route-to-secondary promote-replica",
                "requested": "drill", "message": "Moved"})),
        ]}),
        Some(other) => panic!("{other}"),
    };
    (200, page)
}

#[test]
fn every_page_is_read_and_each_change_is_a_row_with_time_person_rule_and_how_long_traffic_stayed_away() {
    let (url, requests) = listener(Then::Answer(pages));
    let output = with_keys(&["history", "--since", "3650d"], &url).output().unwrap();
    let (exit, errors) = read(&output);
    assert_eq!((exit, errors.as_str()), (0, ""));
    let out = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<_> = out.split("\n\n").skip(1).collect();
    assert_eq!(rows.len(), 5, "{out}");
    for (row, words) in rows.iter().zip([
        &["2026-01-31T12:00:00Z", "route-to-secondary", "the function", "primary-unhealthy", "for 1h 30m 5s"]
            [..],
        &["nothing", "FAILED        PromotionRefused", "a person: owner agrees", "AccessDenied"],
        &["route-to-primary", "a person: primary is back", "failback-ordered"],
        &["resume", "Who           a person\n"],
        &["route-to-secondary, promote-replica", "a person: drill", "On secondary  still, for "],
    ]) {
        for word in words {
            assert!(row.contains(word), "{word} is not in {row}");
        }
    }
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(!out.lines().any(|line| line.starts_with("Next:")) && !out.contains('\u{202e}'), "{out}");
    assert_eq!(requests.try_iter().count(), 3);
}

#[test]
fn json_has_the_same_rows_for_a_script() {
    let (url, _requests) = listener(Then::Answer(pages));
    let output = with_keys(&["history", "--json"], &url).output().unwrap();
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 5);
    assert_eq!(rows[0]["by"], "auto");
    assert_eq!(rows[0]["on_secondary_until"], "2026-01-31T13:30:05Z");
    assert_eq!(rows[0]["on_secondary_seconds"], 5405);
    assert_eq!((&rows[1]["error"], &rows[1]["by"]), (&json!("PromotionRefused"), &json!("operator")));
    assert_eq!(rows[4]["actions"], json!(["route-to-secondary", "promote-replica"]));
    assert_eq!(rows[4]["on_secondary_until"], Value::Null);
}

#[test]
fn a_failback_that_the_log_lacks_is_not_called_still() {
    let (url, _requests) = listener(Then::Answer(|_| {
        let moved = |at| {
            line(at, json!({"reason": "primary-unhealthy", "actions": "route-to-secondary", "message": "x"}))
        };
        (200, json!({"events": [moved("2026-01-31T12:00:00Z"), moved("2026-02-07T12:00:00Z")]}))
    }));
    let out = String::from_utf8(with_keys(&["history"], &url).output().unwrap().stdout).unwrap();
    assert!(out.contains("made outside this function") && out.matches("still").count() == 1, "{out}");
}

#[test]
fn a_log_without_a_change_is_a_sentence_and_not_an_empty_table() {
    let (url, _requests) = listener(Then::Answer(|request| {
        assert_eq!(request["logGroupName"], "other");
        (200, json!({"events": []}))
    }));
    let output = with_keys(&["history", "--log-group", "other"], &url).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap().replace('\n', " ");
    assert_eq!(output.status.code(), Some(0));
    assert!(words.contains("The function changed nothing since") && words.contains("LogLevel"), "{words}");
}

#[test]
fn what_was_not_read_is_named_with_its_remedy() {
    let denied: fn(&Value) -> _ =
        |_| (400, json!({"__type": "AccessDeniedException", "message": "User: ana is not authorized"}));
    let missing: fn(&Value) -> _ = |_| {
        (
            400,
            json!({"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."}),
        )
    };
    for (answer, remedy) in
        [(denied, "logs:FilterLogEvents on /aws/lambda/orders"), (missing, "pass --log-group")]
    {
        let (url, _requests) = listener(Then::Answer(answer));
        let (exit, words) = read(&with_keys(&["history"], &url).output().unwrap());
        assert_eq!(exit, 5, "{words}");
        assert!(words.starts_with("The log group /aws/lambda/orders was not read."), "{words}");
        assert!(words.contains(remedy), "{words}");
    }
}

#[test]
fn a_log_that_was_read_halfway_shows_its_rows_says_so_and_is_exit_code_4() {
    let (url, _requests) = listener(Then::Answer(|request| match request["nextToken"].as_str() {
        Some("third") => (400, json!({"__type": "AccessDeniedException", "message": "no more"})),
        _ => pages(request),
    }));
    let output = with_keys(&["history"], &url).output().unwrap();
    let (exit, words) = read(&output);
    assert_eq!(exit, 4, "{words}");
    assert!(words.contains("was not read to its end: rows are missing"), "{words}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("PromotionRefused"));
}

#[test]
fn every_failure_of_a_change_is_a_row() {
    let failures = Kind::BESIDE_RULES.into_iter().filter(|kind| *kind != Kind::EventNotUnderstood);
    let mut names: Vec<_> = failures.map(Kind::name).collect();
    names.push("ControlPlaneDown".to_owned());
    names.sort_unstable();
    let mut known = FAILED_CHANGES;
    known.sort_unstable();
    assert_eq!(known.as_slice(), names);
}
