//! What is refused of an event, by name and in bounded memory.

use rds_route53_failover::config::Config;
use rds_route53_failover::error::Kind;
use rds_route53_failover::trigger::{Action, MAX_EVENT, Request, read};
use serde_json::json;

use crate::{event, is_ignored, is_tick, pair, rds_by_sns, reading, refusal, refusal_of};

#[test]
fn a_field_of_the_wrong_type_is_refused_by_name_with_what_it_may_hold() {
    for (request, field, may_hold) in [
        (
            json!({"action": "failover", "reason": "x", "force": "yes"}),
            "`force` holds `yes`",
            "`true` or `false`",
        ),
        (
            json!({"action": "failover", "reason": "x", "promote": 1}),
            "`promote` holds `1`",
            "`true` or `false`",
        ),
        (
            json!({"action": "failover", "reason": "x", "allow_data_loss": null}),
            "`allow_data_loss` holds `null`",
            "`true` or `false`",
        ),
        (json!({"action": "failover", "reason": null}), "`reason` holds `null`", "text"),
        (
            json!({"action": "pause", "reason": "x", "for": 7200}),
            "`for` holds `7200`",
            "a duration such as `30m`",
        ),
        (json!({"action": ["failover"]}), "`action` holds", "the name of an action"),
        (json!({"action": null}), "`action` holds `null`", "the name of an action"),
    ] {
        let refused = refusal(request);
        assert!(refused.contains(field) && refused.contains(may_hold), "{refused}");
    }
}

#[test]
fn a_doubled_field_is_refused_by_name_and_neither_value_counts() {
    for (text, field) in [
        (r#"{"action":"status","action":"failover","reason":"x"}"#, "`action`"),
        (r#"{"action":"failover","reason":"x","force":false,"force":true}"#, "`force`"),
        (r#"{"action":"failover","reason":"x","reason":"y"}"#, "`reason`"),
        (r#"{"Records":[],"Records":[]}"#, "`Records`"),
        // The same name in another spelling of JSON.
        (r#"{"action":"status","\u0061ction":"failover","reason":"x"}"#, "`action`"),
    ] {
        let refused = refusal_of(text);
        assert!(refused.contains(field) && refused.contains("given twice"), "{refused}");
    }
}

#[test]
fn an_event_is_read_in_bounded_memory_and_refused_over_a_megabyte() {
    let padded = |size: usize| {
        let empty = r#"{"source":"aws.events","detail-type":"Scheduled Event","detail":""}"#;
        empty.replace(r#"detail":"""#, &format!(r#"detail":"{}""#, "x".repeat(size - empty.len())))
    };
    assert!(is_tick(&read(padded(MAX_EVENT).as_bytes(), &pair())));
    assert!(refusal_of(&padded(MAX_EVENT + 1)).contains("larger than 1024 KB"));
    // A tree of these would take a hundred times their length.
    let empty_fields: Vec<_> = (0..60_000).map(|field| format!(r#""{field}":0"#)).collect();
    assert!(refusal_of(&format!("{{{}}}", empty_fields.join(","))).contains("more than 64 fields"));
}

#[test]
fn what_is_no_json_is_refused_like_any_other_event() {
    let deep = format!(r#"{{"action":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for text in ["", "{", "tick", r#"{"action":"tick"} x"#, r#"{"action":"tick",}"#, r#"{"x":1e999}"#, &deep]
    {
        refusal_of(text);
    }
    let not_utf8 = read(b"{\"action\":\"\xff\"}", &pair()).unwrap_err();
    assert_eq!(not_utf8.kind, Kind::EventNotUnderstood);
    assert!(not_utf8.message.contains("UTF-8"), "{}", not_utf8.message);
}

#[test]
fn a_reason_is_bounded_and_can_t_forge_a_paragraph() {
    let request = |reason: &str| json!({"action": "failback", "reason": reason});
    let reason = |words: &str| match reading(request(words)) {
        Ok(Request::Action(Action::Failback { reason, .. })) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason("planned\r\nNext: aws rds delete-db-instance"),
        "planned  Next: aws rds delete-db-instance"
    );
    assert_eq!(reason("a\u{202e}b\u{2066}c\u{2028}d\u{7}e"), "a b c d e");
    assert_eq!(reason(&"ü".repeat(1000)).chars().count(), 1000);
    assert!(refusal(request(&"ü".repeat(1001))).contains("more than 1000 characters"));
    refusal(request(&"x".repeat(300_000)));
}

#[test]
fn what_is_echoed_of_an_event_is_cut_and_folded() {
    let long = "x".repeat(600_000);
    assert!(refusal_of(&json!({"action": long}).to_string()).contains('…'));
    refusal_of(&json!({"action": "failover", "reason": "x", long.as_str(): 1}).to_string());
    refusal_of(&json!({"source": long, "detail-type": "x"}).to_string());
    refusal_of(&json!({"action": "failover", "reason": "x", "force": long}).to_string());
    let Ok(Request::Ignore { message, .. }) = reading(rds_by_sns(|message| {
        message.as_object_mut().unwrap().remove("Source ARN");
        message["Source ID"] = json!(format!("\n{long}"));
    })) else {
        panic!()
    };
    assert!(message.chars().count() < 400 && !message.contains('\n'), "{message}");
}

#[test]
fn a_primary_outside_rds_has_no_events_of_rds() {
    let lookup = |name: &str| match name {
        "PRIMARY_NAME" => Some("orders-primary".to_owned()),
        "HEALTH_ENDPOINTS" => Some("tcp://a:1".to_owned()),
        "ROUTE53_HEALTH_CHECK_ID" => Some("check".to_owned()),
        _ => None,
    };
    let outside = Config::load(lookup).unwrap().pair;
    let of_rds = event("eventbridge-rds-event").to_string();
    assert!(is_ignored(&read(of_rds.as_bytes(), &outside)));
    assert!(is_tick(&read(event("scheduled-by-rule").to_string().as_bytes(), &outside)));
}
