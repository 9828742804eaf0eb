//! Events that are meant to fill the memory, to smuggle an order, or to break the runtime.

use serde_json::{Value, json};

use crate::{soon, started, tick};

/// What the process may take beyond its calm: the event itself, a few times, and nothing that grows with its parts.
const BOUND: u64 = 48 * 1024;

/// Sends an event that is not understood; the message.
async fn refused(lambda: &mut crate::Lambda, event: String) -> String {
    lambda.send_text(event, soon());
    let post = lambda.post().await;
    assert!(post.path.ends_with("/error"), "{post:?}");
    assert_eq!(post.body["errorType"], "EventNotUnderstood", "{post:?}");
    post.body["errorMessage"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_event_of_six_megabytes_is_refused_in_bounded_memory() {
    let many = |part: &str, size: usize| part.repeat(size / part.len());
    let six = 6 * 1000 * 1000;
    for event in [
        format!("{{{}\"a\":0}}", many("\"\":0,", six)),
        format!("{{\"x\":[{}0]}}", many("{},", six)),
        format!("{{\"action\":\"failover\",\"reason\":\"{}\"}}", many("x", six)),
        format!("{}{}", many("[", six / 2), many("]", six / 2)),
    ] {
        let (emulator, _server, mut lambda, function) = started(&[]).await;
        assert_eq!(tick(&mut lambda).await["reason"], "primary-healthy");
        let calls = emulator.world().calls().len();
        let calm = function.peak_memory();
        let message = refused(&mut lambda, event).await;
        assert!(message.contains("larger than 1024 KB") && message.len() < 1000, "{message}");
        let grown = function.peak_memory() - calm;
        assert!(grown < BOUND, "{grown} KiB more than {calm} KiB");
        assert_eq!(emulator.world().calls().len(), calls);
        assert_eq!(tick(&mut lambda).await["reason"], "primary-healthy", "the function lives on");
        function.log().await;
    }
}

#[tokio::test]
async fn an_event_just_within_the_bound_does_not_multiply_in_memory() {
    let (_emulator, _server, mut lambda, function) = started(&[]).await;
    tick(&mut lambda).await;
    let calm = function.peak_memory();
    let parts = "{\"\":0},".repeat(1_000_000 / 7);
    for event in [format!("{{\"x\":[{parts}0]}}"), format!("{{{}\"a\":0}}", "\"\":0,".repeat(190_000))] {
        refused(&mut lambda, event).await;
    }
    let sns = format!(
        "{{\"Records\":[{}{{\"Sns\":{{\"Message\":\"x\"}}}}]}}",
        "{\"Sns\":{\"Message\":\"x\"}},".repeat(40_000)
    );
    lambda.send_text(sns, soon());
    assert_eq!(lambda.post().await.body["decision"], "ignore");
    let grown = function.peak_memory() - calm;
    assert!(grown < BOUND, "{grown} KiB more than {calm} KiB");
}

#[tokio::test]
async fn what_is_no_json_or_beyond_its_numbers_or_depth_is_not_understood() {
    let (emulator, _server, mut lambda, function) = started(&[]).await;
    for event in [
        r#"{"x":1e999}"#.to_owned(),
        r#"{"action":1e999}"#.to_owned(),
        r#"{"action":"failover","reason":1e999}"#.to_owned(),
        format!("{{\"x\":{}{}}}", "[".repeat(200), "]".repeat(200)),
        format!("{{\"x\":{}0{}}}", "{\"y\":".repeat(200), "}".repeat(200)),
        "[".repeat(200),
        String::new(),
        "nonsense".to_owned(),
        "{\"action\":\"tick\"} {\"action\":\"tick\"}".to_owned(),
        "{\"action\":\"tick\"".to_owned(),
        "\"tick\"".to_owned(),
        "\u{feff}{\"action\":\"tick\"}".to_owned(),
        "{\"action\":\"\\ud800\"}".to_owned(),
    ] {
        let message = refused(&mut lambda, event.clone()).await;
        assert!(message.contains("Supported: "), "{event}: {message}");
    }
    assert_eq!(emulator.world().calls().len(), 0);
    assert_eq!(tick(&mut lambda).await["reason"], "primary-healthy");
    function.log().await;
}

#[tokio::test]
async fn a_field_that_is_doubled_unknown_or_of_the_wrong_type_is_refused_by_name() {
    let (emulator, _server, mut lambda, _function) = started(&[]).await;
    for (event, name) in [
        (r#"{"action":"status","action":"failover","reason":"x"}"#, "`action`"),
        (r#"{"action":"failover","reason":"x","force":false,"force":true}"#, "`force`"),
        (r#"{"action":"failover","reason":"x","reason":"y"}"#, "`reason`"),
        (r#"{"action":"failover","reason":"x","forse":true}"#, "`forse`"),
        (r#"{"action":"failover","reason":null}"#, "`reason`"),
        (r#"{"action":"failover","reason":"x","force":"yes"}"#, "`force`"),
        (r#"{"action":"failover","reason":"x","promote":1}"#, "`promote`"),
        (r#"{"action":"failover","reason":"x","allow_data_loss":null}"#, "`allow_data_loss`"),
        (r#"{"action":"pause","reason":"x","for":7200}"#, "`for`"),
        (r#"{"action":"pause","reason":"x","for":"soon"}"#, "`for`"),
        (r#"{"action":["failover"],"reason":"x"}"#, "`action`"),
        (r#"{"action":"promote","reason":"x"}"#, "`promote`"),
    ] {
        let message = refused(&mut lambda, event.to_owned()).await;
        assert!(message.contains(name), "{event}: {message}");
    }
    assert_eq!(emulator.world().calls().len(), 0);
}

#[tokio::test]
async fn what_is_echoed_of_an_event_is_cut_and_folded() {
    let (_emulator, _server, mut lambda, function) = started(&[]).await;
    let long = "x".repeat(600_000);
    for event in [
        json!({"action": long}),
        json!({"action": "failover", "reason": "x", "force": long}),
        json!({ long.clone(): 1 }),
        json!({"action": "failover", long.clone(): 1}),
        json!({"source": long, "detail-type": "a\nb\u{202e}"}),
        json!({"source": "aws.rds", "detail-type": "RDS DB Instance Event", "detail": long}),
    ] {
        let message = refused(&mut lambda, event.to_string()).await;
        assert!(message.len() < 1000, "{}", message.len());
        assert!(!message.contains(['\n', '\u{202e}']), "{message}");
    }
    let others = json!({"Records": [{"Sns": {"Message": json!({"Source ID": long}).to_string()}}]});
    lambda.send(others, soon());
    let body = lambda.post().await.body;
    assert_eq!(body["reason"], "about-another-database");
    assert!(body["message"].as_str().unwrap().len() < 1000);
    let log = function.log().await;
    assert!(log.iter().map(Value::to_string).all(|line| line.len() < 3000), "nor does the log grow");
}
