//! The built binary before a Lambda Runtime API, with the emulated AWS over TCP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod events;
mod lambda;
mod log;
mod tls;
mod wire;

use std::collections::BTreeSet;

use emulator::{Emulator, Fault, Server};
use jiff::Timestamp;
use proof::rig::{CHECK, PRIMARY, REPLICA, world};
use rds_route53_failover::config::VARIABLES;
use rds_route53_failover::metrics::{NAMES, NAMESPACE};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::lambda::{Function, Lambda};
use crate::wire::{Cut, Wire};

const CONFIGURED: &[(&str, &str)] = &[
    ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY),
    ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA),
    ("ROUTE53_HEALTH_CHECK_ID", CHECK),
    ("CONFIRMATION_INTERVAL", "10ms"),
];

/// A tick whose time ends in a minute.
fn soon() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap() + 60_000
}

/// An AWS with a primary, its replica and the switch.
async fn aws() -> (Emulator, Server) {
    let emulator = Emulator::new(world(), Timestamp::now);
    let server = emulator.listen().await.unwrap();
    (emulator, server)
}

/// The function, started with the standard configuration and these variables.
async fn started(variables: &[(&str, &str)]) -> (Emulator, Server, Lambda, Function) {
    let (emulator, server) = aws().await;
    let lambda = Lambda::start().await;
    let function = Function::start(&lambda, &server.url(), &[CONFIGURED, variables].concat());
    (emulator, server, lambda, function)
}

/// The response to an event.
async fn response(lambda: &mut Lambda, event: Value) -> Value {
    lambda.send(event, soon());
    let post = lambda.post().await;
    assert!(post.path.ends_with("/response"), "{post:?}");
    post.body
}

async fn tick(lambda: &mut Lambda) -> Value {
    response(lambda, json!({"action": "tick"})).await
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    decision: String,
    reason: String,
    message: String,
    primary: Primary,
    replica: Replica,
    health_check: Check,
    actions: Vec<String>,
    observations: u32,
    mode: String,
    #[serde(rename = "times")]
    _times: Value,
    #[serde(rename = "dns")]
    _dns: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Primary {
    id: String,
    status: String,
    health: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replica {
    id: String,
    status: String,
    role: String,
    lag_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    id: String,
    state: String,
    by: Option<String>,
    version: i64,
}

#[tokio::test]
async fn a_tick_answers_in_the_promised_shape_and_makes_three_calls() {
    let (emulator, _server, mut lambda, function) = started(&[]).await;
    let body = tick(&mut lambda).await;
    let all = [
        "decision",
        "reason",
        "message",
        "primary",
        "replica",
        "health_check",
        "actions",
        "observations",
        "mode",
        "times",
        "dns",
    ];
    assert_eq!(keys(&body), all.into());
    // A field that is not known is null, and never left out.
    assert_eq!(keys(&body["replica"]), ["id", "status", "role", "lag_seconds"].into());
    assert_eq!(keys(&body["health_check"]), ["id", "state", "by", "version"].into());
    assert_eq!(body["times"], json!({"unhealthy_since": null, "routed_at": null, "promoted_at": null}));
    let Response {
        decision,
        reason,
        message,
        primary,
        replica,
        health_check,
        actions,
        observations,
        mode,
        ..
    } = serde_json::from_value(body).unwrap();
    assert_eq!((decision.as_str(), reason.as_str(), mode.as_str()), ("stay", "primary-healthy", "act"));
    assert!(!message.is_empty());
    assert_eq!((primary.id.as_str(), primary.status.as_str()), (PRIMARY, "available"));
    assert_eq!(primary.health, "healthy");
    assert_eq!((replica.id.as_str(), replica.status.as_str()), (REPLICA, "available"));
    assert_eq!((replica.role.as_str(), replica.lag_seconds), ("replica", None));
    assert_eq!((health_check.id.as_str(), health_check.state.as_str()), (CHECK, "normal"));
    assert_eq!((health_check.by, health_check.version), (None, 1));
    assert_eq!((actions, observations), (vec![], 1));
    let operations: BTreeSet<_> = emulator
        .world()
        .calls()
        .iter()
        .map(|call| (call.operation.to_string(), call.target.clone()))
        .collect();
    let called = |operation: &str, target: &str| (operation.to_owned(), Some(target.to_owned()));
    let expected = [
        called("DescribeDBInstances", PRIMARY),
        called("DescribeDBInstances", REPLICA),
        called("GetHealthCheck", CHECK),
    ];
    assert_eq!(operations, expected.into());
    assert_eq!(emulator.world().calls().len(), 3);
    function.log().await;
}

#[tokio::test]
async fn an_event_that_is_not_understood_fails_with_its_type_and_no_call() {
    let (emulator, _server, mut lambda, function) = started(&[]).await;
    lambda
        .send(json!({"source": "orders", "detail-type": "Order", "detail": {"action": "failover"}}), soon());
    let post = lambda.post().await;
    assert!(post.path.ends_with("/invocation/8476a536-e9f4-11e8-9739-000000000001/error"), "{post:?}");
    assert_eq!(keys(&post.body), ["errorType", "errorMessage"].into());
    assert_eq!(post.body["errorType"], "EventNotUnderstood");
    assert!(post.body["errorMessage"].as_str().unwrap().contains("`orders`"));
    assert_eq!(emulator.world().calls().len(), 0);
    // A failed invocation is no end of the function.
    assert_eq!(tick(&mut lambda).await["reason"], "primary-healthy");
    let log = function.log().await;
    assert!(log.iter().any(|line| line["level"] == "ERROR" && line["error_type"] == "EventNotUnderstood"));
}

#[tokio::test]
async fn a_tick_that_sees_nothing_fails_with_its_type_and_changes_nothing() {
    let (emulator, _server, mut lambda, _function) = started(&[]).await;
    emulator.world().faults.standing("DescribeDBInstances", Fault::Denied);
    lambda.send(json!({"action": "tick"}), soon());
    let post = lambda.post().await;
    assert!(post.path.ends_with("/error"), "{post:?}");
    assert_eq!(post.body["errorType"], "PrimaryUnknown");
    assert!(post.body["errorMessage"].as_str().unwrap().contains("denied"), "{post:?}");
    assert_eq!(emulator.world().writes().count(), 0);
}

#[tokio::test]
async fn a_faulty_configuration_ends_at_start_and_names_every_fault() {
    let (emulator, server) = aws().await;
    let mut lambda = Lambda::start().await;
    let faulty = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", ""),
        ("ROUTE53_HEALTH_CHECK_ID", "not an id"),
        ("CONFIRMATIONS", "0"),
        ("COOLDOWN", "10"),
        ("PROMOTE_REPLICA", "true"),
    ];
    let named = [
        "PRIMARY_DB_INSTANCE_IDENTIFIER",
        "ROUTE53_HEALTH_CHECK_ID",
        "CONFIRMATIONS",
        "COOLDOWN",
        "FAILOVER_DB_INSTANCE_IDENTIFIER",
    ];
    let function = Function::start(&lambda, &server.url(), &faulty);
    let post = lambda.post().await;
    assert_eq!(post.path, "/2018-06-01/runtime/init/error");
    assert_eq!(post.headers["lambda-runtime-function-error-type"], "ConfigInvalid");
    assert_eq!(post.body["errorType"], "ConfigInvalid");
    let message = post.body["errorMessage"].as_str().unwrap();
    for name in named {
        assert!(message.contains(name), "{name} in {message}");
    }
    for variable in VARIABLES.iter().filter(|variable| !named.contains(&variable.name)) {
        // PROMOTE_REPLICA is half of a contradiction, and the others are well.
        assert!(variable.name == "PROMOTE_REPLICA" || !message.contains(variable.name), "{}", variable.name);
    }
    let (status, log) = function.ended().await;
    assert!(!status.success());
    for name in named {
        let told = |line: &&Value| {
            line["error_type"] == "ConfigInvalid" && line["message"].as_str().unwrap().contains(name)
        };
        assert!(log.iter().any(|line| told(&line)), "{name} in {log:#?}");
    }
    assert_eq!(emulator.world().calls().len(), 0);
}

#[tokio::test]
async fn a_faulty_configuration_outside_of_lambda_is_told_by_the_log() {
    let (_emulator, _server, _lambda, function) =
        started(&[("AWS_LAMBDA_RUNTIME_API", ""), ("CONFIRMATIONS", "0")]).await;
    let (status, log) = function.ended().await;
    assert!(!status.success());
    assert!(log[0]["message"].as_str().unwrap().starts_with("CONFIRMATIONS holds `0`"), "{log:#?}");
}

#[tokio::test]
async fn the_metrics_of_a_tick_are_one_valid_line() {
    let (_emulator, _server, mut lambda, function) = started(&[]).await;
    tick(&mut lambda).await;
    let log = function.log().await;
    let [line] = &log.iter().filter(|line| !line["_aws"].is_null()).collect::<Vec<_>>()[..] else {
        panic!("{log:#?}")
    };
    let at = line["_aws"]["Timestamp"].as_i64().unwrap();
    assert!(Timestamp::from_millisecond(at).unwrap() <= Timestamp::now());
    let mut named = BTreeSet::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], NAMESPACE);
        for dimension in
            directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name}");
            assert!(NAMES.contains(&(name, metric["Unit"].as_str().unwrap())), "{metric}");
            assert!(named.insert(name), "{name} twice");
        }
    }
    for name in ["PrimaryHealthy", "RoutedToSecondary", "Decisions", "Duration", "BlindTicks"] {
        assert!(named.contains(name), "{name}");
    }
}

#[tokio::test]
async fn a_deadline_that_makes_no_sense_is_no_deadline() {
    // 1970 is what `cargo lambda watch` sends.
    for deadline in [0, 1, 60_000, u64::MAX] {
        let (emulator, _server, mut lambda, function) = started(&[]).await;
        emulator.world().set_status(PRIMARY, "storage-full");
        lambda.send(json!({"action": "tick"}), deadline);
        let post = lambda.post().await;
        assert_eq!(post.body["decision"], "fail-over", "{deadline}: {post:?}");
        assert_eq!(post.body["actions"], json!(["route-to-secondary"]));
        function.log().await;
    }
}

#[tokio::test]
async fn an_outage_moves_flags_over_the_wire_and_a_recovery_moves_them_back() {
    let (emulator, _server, mut lambda, _function) = started(&[]).await;
    emulator.world().set_status(PRIMARY, "storage-full");
    let body = tick(&mut lambda).await;
    assert_eq!((&body["decision"], &body["observations"]), (&json!("fail-over"), &json!(3)));
    assert_eq!(
        (&body["health_check"]["state"], &body["health_check"]["by"]),
        (&json!("forced-unhealthy"), &json!("auto"))
    );
    assert_eq!(tick(&mut lambda).await["actions"], json!([]), "the same trigger again changes nothing");
    emulator.world().set_status(PRIMARY, "available");
    let body = tick(&mut lambda).await;
    assert_eq!((&body["decision"], &body["actions"]), (&json!("fail-back"), &json!(["route-to-primary"])));
    assert_eq!(emulator.world().count("UpdateHealthCheck"), 2);
}

#[tokio::test]
async fn a_connection_that_died_while_the_function_was_frozen_costs_at_most_one_retry() {
    for cut in [Cut::Close, Cut::Reset, Cut::Forget] {
        let (emulator, server) = aws().await;
        let wire = Wire::to(server.address()).await;
        let mut lambda = Lambda::start().await;
        let function = Function::start(&lambda, &wire.url, CONFIGURED);
        assert_eq!(tick(&mut lambda).await["reason"], "primary-healthy");
        let (connections, attempts) = wire.take();
        assert!((1..=3).contains(&connections), "{connections}");
        assert_eq!(attempts, [1, 1, 1]);

        function.signal("STOP").await;
        wire.cut(cut).await;
        // Lambda thaws a function with the next event at hand: it learns of both at the same time.
        emulator.world().forget_record();
        lambda.send(json!({"action": "tick"}), soon());
        function.signal("CONT").await;
        let post = lambda.post().await;
        assert_eq!(post.body["reason"], "primary-healthy", "{cut:?}: {post:?}");
        let (connections, mut attempts) = wire.take();
        assert!(connections <= 3, "{cut:?}: one for each read at most, not {connections}");
        attempts.sort_unstable();
        match cut {
            // Closed under its eyes: mostly noticed before they are tried.
            Cut::Close | Cut::Reset => {
                assert_eq!(attempts.len(), 3, "{cut:?}: {attempts:?}");
                assert!(attempts.iter().all(|attempt| *attempt <= 2), "{cut:?}: {attempts:?}");
            }
            Cut::Forget => assert_eq!(attempts, [1, 1, 1, 2, 2, 2]),
        }
        assert_eq!(emulator.world().calls().len(), 3, "{cut:?}");
        function.log().await;
    }
}
