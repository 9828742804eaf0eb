//! Evidence: probes, an unreachable region, a Multi-AZ failover, the way out without Route 53's control plane; and
//! what people and alarms hear of it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, Instance, On, RdsEvent};
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, Rig, TOPIC, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToPrimary, RouteToSecondary};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Nothing listens there: a port that was free a moment ago.
async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

/// Accepts connections for as long as the test runs, and answers HTTP with this status line.
async fn alive(status: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address.to_string()
}

/// Real sockets need real time.
const QUICK: (&str, &str) = ("CONFIRMATION_INTERVAL", "5ms");

async fn probed(status: &str, endpoints: &str, more: &[(&str, &str)]) -> Rig {
    Rig::new(world_with(status), &[&[QUICK, ("HEALTH_ENDPOINTS", endpoints)], more].concat())
}

#[tokio::test]
async fn a_database_that_answers_though_rds_says_down_is_left_in_service() {
    let endpoint = format!("tcp://{}", alive("200 OK").await);
    for status in ["failed", "storage-full", "stopped"] {
        let rig = probed(status, &endpoint, &[PROMOTE]).await;
        let report = tick_stays(&rig, "primary-on-hold").await;
        assert_eq!(report.primary.health, "hold");
        assert!(report.message.contains("1 of 1 probes answer"), "{}", report.message);
    }
}

#[tokio::test]
async fn a_database_that_answers_nobody_though_rds_says_up_is_unhealthy_but_not_promoted_behind() {
    let rig = probed("available", &dead().await, &[PROMOTE]).await;
    let report = rig.tick().await.unwrap();
    does(&rig, &report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
    assert_eq!(report.observations, 3, "confirmed like any other");
    tick_stays(&rig, "not-promotable").await;
    let rig = probed("available", &dead().await, &[PROMOTE, ("PROMOTE_ON", "unresponsive")]).await;
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary, PromoteReplica], "{}", report.message);
}

#[tokio::test]
async fn a_status_on_hold_stays_on_hold_whatever_the_probes_say() {
    for endpoints in [dead().await, format!("tcp://{}", alive("200 OK").await)] {
        tick_stays(&probed("rebooting", &endpoints, &[]).await, "primary-on-hold").await;
    }
}

#[tokio::test]
async fn an_answer_is_a_connection_or_a_status_from_200_to_299() {
    for (status, serves) in [
        ("200 OK", true),
        ("204 No Content", true),
        ("299 Odd", true),
        ("301 Moved", false),
        ("404 Not Found", false),
        ("503 Busy", false),
    ] {
        let endpoint = format!("http://{}/primary", alive(status).await);
        let rig = probed("failed", &endpoint, &[("CONFIRMATIONS", "1")]).await;
        let report = rig.tick().await.unwrap();
        assert_eq!(report.reason == "primary-on-hold", serves, "{status}: {}", report.message);
    }
}

#[tokio::test]
async fn the_quorum_decides_and_is_a_majority_by_default() {
    let (up, down) = (format!("tcp://{}", alive("200 OK").await), dead().await);
    let (two, one) = (format!("{up},{up},{down}"), format!("{up},{down},{down}"));
    let half = format!("{up},{down}");
    for (endpoints, quorum, serves) in
        [(&two, "", true), (&one, "", false), (&half, "", false), (&one, "1", true), (&two, "3", false)]
    {
        let rig = probed("available", endpoints, &[("HEALTH_ENDPOINT_QUORUM", quorum)]).await;
        let report = rig.tick().await.unwrap();
        assert_eq!(report.reason == "primary-healthy", serves, "{endpoints} {quorum}: {}", report.message);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_api_counts_only_by_order_and_only_with_failing_probes() {
    let dead = dead().await;
    let unreachable = [Fault::Hang, Fault::Reset, Fault::Server(500), Fault::Server(503)];
    let others = [Fault::Throttle, Fault::Denied, Fault::Malformed, Fault::Truncated];
    for (fault, counts) in
        unreachable.into_iter().map(|f| (f, true)).chain(others.into_iter().map(|f| (f, false)))
    {
        for (policy, acts) in [("failover", counts), ("hold", false)] {
            let mut w = world();
            w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), fault.clone());
            let rig = Rig::new(
                w,
                &[("HEALTH_ENDPOINTS", dead.as_str()), ("ON_PRIMARY_UNREACHABLE", policy), PROMOTE],
            );
            if acts {
                let report = rig.tick().await.unwrap();
                does(&rig, &report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
                tick_stays(&rig, "not-promotable").await;
            } else {
                tick_fails(&rig, "PrimaryUnknown").await;
            }
        }
    }
}

#[tokio::test]
async fn an_unreachable_api_with_a_serving_database_is_unknown() {
    let up = format!("tcp://{}", alive("200 OK").await);
    let rig = probed("available", &up, &[("ON_PRIMARY_UNREACHABLE", "failover")]).await;
    rig.emulator
        .world()
        .faults
        .standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Server(503));
    tick_fails(&rig, "PrimaryUnknown").await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_region_is_promoted_behind_only_where_promote_on_says_so() {
    let mut w = world();
    w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Server(503));
    let rig = Rig::new(
        w,
        &[
            ("HEALTH_ENDPOINTS", dead().await.as_str()),
            ("ON_PRIMARY_UNREACHABLE", "failover"),
            ("PROMOTE_ON", "unreachable"),
            PROMOTE,
        ],
    );
    rig.wait(seconds(300)).await;
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary, PromoteReplica], "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn a_multi_az_failover_of_its_own_is_ridden_out() {
    let dead = dead().await;
    for (id, ridden_out) in [("RDS-EVENT-0013", true), ("RDS-EVENT-0015", true), ("RDS-EVENT-0049", true)] {
        let mut w = world();
        w.instance_mut(PRIMARY).unwrap().multi_az = true;
        w.push_event(RdsEvent::new(PRIMARY, id));
        let rig = Rig::new(w, &[("HEALTH_ENDPOINTS", dead.as_str())]);
        let report = rig.tick().await.unwrap();
        assert_eq!(report.reason == "multi-az-failover", ridden_out, "{id}: {}", report.message);
        assert_eq!(state(&rig), NORMAL);
        // It does not last for ever.
        rig.wait(seconds(240)).await;
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    }
    // The statuses it shows are waited for as they are.
    for status in ["rebooting", "modifying"] {
        let mut w = world_with(status);
        w.instance_mut(PRIMARY).unwrap().multi_az = true;
        tick_stays(&Rig::new(w, &[]), "primary-on-hold").await;
    }
    // A dead one is dead, whatever its events say.
    let mut w = world_with("failed");
    w.instance_mut(PRIMARY).unwrap().multi_az = true;
    w.push_event(RdsEvent::new(PRIMARY, "RDS-EVENT-0013"));
    tick_does(&Rig::new(w, &[]), "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn events_that_cannot_be_read_stop_a_failover_that_turns_on_them() {
    let mut w = world();
    w.instance_mut(PRIMARY).unwrap().multi_az = true;
    w.faults.standing("DescribeEvents", Fault::Denied);
    let rig = Rig::new(w, &[("HEALTH_ENDPOINTS", dead().await.as_str())]);
    tick_fails(&rig, "EventsUnreadable").await;
}

fn last_metric(rig: &Rig, name: &str) -> Option<f64> {
    rig.metrics.lock().unwrap().last().and_then(|line| line.get(name)).and_then(Value::as_f64)
}

#[tokio::test(start_paused = true)]
async fn without_the_control_plane_the_metric_alone_asks_and_nothing_is_promoted() {
    for fault in [Fault::Hang, Fault::Reset, Fault::Server(500), Fault::Server(503)] {
        let mut w = world_with("failed");
        w.faults.standing(On::service(emulator::Service::Route53), fault);
        let rig = Rig::new(w, &[PROMOTE]);
        tick_fails(&rig, "ControlPlaneDown").await;
        assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(1.0));
        assert_eq!(count(&rig, "PromoteReadReplica"), 0);
        // The control plane is back: the switch takes over, and the metric asks for nothing any more.
        rig.emulator.world().faults.clear();
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions[0], RouteToSecondary);
        assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_metric_asks_for_nothing_where_nothing_is_known_or_nothing_is_safe() {
    type Make = fn(&mut emulator::World);
    let worlds: &[(Make, Option<f64>)] = &[
        // Denied and throttled are no outage of the control plane.
        (|w| w.faults.standing("GetHealthCheck", Fault::Denied), None),
        (|w| w.faults.standing("GetHealthCheck", Fault::Throttle), None),
        // The primary is unknown as well: the alarm keeps its state.
        (|w| w.faults.standing(On::any(), Fault::Server(503)), None),
        // There is nowhere to go.
        (
            |w| {
                w.faults.standing("GetHealthCheck", Fault::Server(503));
                w.set_status(REPLICA, "stopped");
            },
            None,
        ),
        (
            |w| {
                w.faults.standing("GetHealthCheck", Fault::Server(503));
                w.set_status(PRIMARY, "rebooting");
            },
            None,
        ),
        // The primary is healthy again: the metric takes its request back.
        (
            |w| {
                w.faults.standing("GetHealthCheck", Fault::Server(503));
                w.set_status(PRIMARY, "available");
            },
            Some(0.0),
        ),
    ];
    for (index, (make, expected)) in worlds.iter().enumerate() {
        let mut w = world_with("failed");
        make(&mut w);
        let rig = Rig::new(w, &[PROMOTE]);
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), *expected, "world {index}");
        assert_eq!(writes(&rig), 0, "world {index}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_and_an_observer_never_move_traffic_by_the_metric() {
    let mut w = world_with("failed");
    w.faults.standing("GetHealthCheck", Fault::Server(503));
    let rig = Rig::new(w, &[("CONFIRMATIONS", "1")]);
    let _ = rig.invoke(json!({"action": "status"})).await;
    assert_eq!(last_metric(&rig, "RouteToSecondary"), None);
    let rig = rig.redeployed(&[("MODE", "observe")]);
    rig.tick().await.unwrap_err();
    assert_eq!(last_metric(&rig, "RouteToSecondary"), None);
}

#[tokio::test(start_paused = true)]
async fn the_metrics_say_what_is_known_and_leave_out_what_is_not() {
    let rig = Rig::new(world(), &[]);
    rig.tick().await.unwrap();
    for (name, value) in [
        ("PrimaryHealthy", Some(1.0)),
        ("PrimaryUnhealthy", Some(0.0)),
        ("RoutedToSecondary", Some(0.0)),
        ("RouteToSecondary", Some(0.0)),
        ("BlindTicks", Some(0.0)),
        ("Observations", Some(1.0)),
        ("ReplicaLag", None),
    ] {
        assert_eq!(last_metric(&rig, name), value, "{name}");
    }
    rig.emulator.world().faults.standing("DescribeDBInstances", Fault::Throttle);
    rig.tick().await.unwrap_err();
    for (name, value) in [
        ("PrimaryHealthy", None),
        ("PrimaryUnhealthy", None),
        ("BlindTicks", Some(1.0)),
        ("RouteToSecondary", None),
    ] {
        assert_eq!(last_metric(&rig, name), value, "{name}");
    }
    rig.emulator.world().faults.clear();
    rig.wait(seconds(120)).await;
    set_status(&rig, PRIMARY, "failed");
    let rig = rig.redeployed(&[PROMOTE]);
    rig.tick().await.unwrap();
    assert_eq!(last_metric(&rig, "ReplicaLag"), Some(0.5));
    assert_eq!(last_metric(&rig, "RoutedToSecondary"), Some(1.0));
}

fn told(rig: &Rig) -> Vec<(String, String)> {
    let world = rig.emulator.world();
    world.messages().iter().map(|m| (m.subject.clone().unwrap_or_default(), m.message.clone())).collect()
}

fn topic() -> String {
    format!("arn:aws:sns:{REGION}:{}:{TOPIC}", emulator::ACCOUNT)
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_with_all_that_a_person_needs() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE, ("NOTIFICATION_TOPIC_ARN", topic().as_str())]);
    rig.tick().await.unwrap();
    let messages = told(&rig);
    assert_eq!(messages.len(), 2, "one for each change: {messages:?}");
    for (subject, body) in &messages {
        assert!(subject.len() <= 100 && subject.is_ascii(), "{subject}");
        assert!(subject.contains(PRIMARY), "{subject}");
        for fact in ["Rule: ", "failed", "Next: ", "aws lambda invoke", CHECK] {
            assert!(body.contains(fact), "{fact}: {body}");
        }
    }
    assert!(messages[1].1.contains("0.5 s"), "the data at stake: {}", messages[1].1);
    for _ in 0..5 {
        rig.wait(seconds(60)).await;
        rig.tick().await.unwrap();
    }
    assert_eq!(told(&rig).len(), 2, "no repeat each minute");
}

#[tokio::test(start_paused = true)]
async fn a_standing_refusal_is_told_once() {
    let mut w = world_with("failed");
    w.set_status(REPLICA, "stopped");
    let rig = Rig::new(w, &[("NOTIFICATION_TOPIC_ARN", topic().as_str())]);
    for _ in 0..5 {
        rig.tick().await.unwrap();
        rig.wait(seconds(60)).await;
    }
    let messages = told(&rig);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].0.contains("replica-not-fit"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_order_is_told_and_one_for_what_stands_already_is_not() {
    let topic = topic();
    let variables = [("NOTIFICATION_TOPIC_ARN", topic.as_str()), ("CONFIRMATIONS", "1")];
    let rig = Rig::new(world(), &variables);
    rig.invoke(failback(json!({}))).await.unwrap();
    assert_eq!(told(&rig), [], "there was nothing to take back");
    rig.invoke(failover(json!({}))).await.unwrap();
    let subjects = || told(&rig).into_iter().map(|(subject, _)| subject).collect::<Vec<_>>();
    assert_eq!(subjects(), [format!("{PRIMARY}: no change was made (primary-healthy)")]);

    set_status(&rig, PRIMARY, "failed");
    for _ in 0..2 {
        rig.invoke(failover(json!({"promote": true}))).await.unwrap();
    }
    assert_eq!(
        subjects()[1..],
        [
            "route-to-secondary (failover-ordered)",
            "promote-replica (promotion-ordered)",
            "no change was made (promotion-in-progress)"
        ]
        .map(|what| format!("{PRIMARY}: {what}"))
    );
    rig.invoke(failover(json!({}))).await.unwrap();
    assert_eq!(subjects().len(), 4, "traffic is on the secondary, as ordered");
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_blocks_nothing_and_is_reported() {
    for fault in [Fault::Denied, Fault::Hang, Fault::Server(500)] {
        let mut w = world_with("failed");
        w.faults.standing("Publish", fault);
        let rig = Rig::new(w, &[PROMOTE, ("NOTIFICATION_TOPIC_ARN", topic().as_str())]);
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions, [RouteToSecondary, PromoteReplica]);
        assert!(report.message.contains("could not be published"), "{}", report.message);
        assert_eq!(last_metric(&rig, "NotificationFailures"), Some(2.0));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_on_the_topic_that_triggers() {
    let event = |topic: String| {
        let message = RdsEvent::new(PRIMARY, "RDS-EVENT-0031").sns_message(REGION);
        json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn",
            "Sns": {"Type": "Notification", "MessageId": "1", "TopicArn": topic, "Subject": "s",
            "Message": message, "Timestamp": "2026-01-31T12:00:00.000Z", "SignatureVersion": "1",
            "Signature": "s", "SigningCertUrl": "u", "UnsubscribeUrl": "u", "MessageAttributes": {}}}]})
    };
    let rig = Rig::new(world_with("storage-full"), &[("NOTIFICATION_TOPIC_ARN", topic().as_str())]);
    let report = rig.invoke(event(topic())).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary]);
    assert_eq!(told(&rig).len(), 0);
    assert_eq!(count(&rig, "Publish"), 0);
    set_status(&rig, PRIMARY, "available");
    let report = rig.invoke(event("arn:aws:sns:us-east-1:1:rds-events".to_owned())).await.unwrap();
    assert_eq!(report.actions, [RouteToPrimary]);
    assert_eq!(told(&rig).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_topic_in_another_region_is_asked_there() {
    let mut w = world_with("storage-full");
    let arn = w.add_topic("eu-west-1", "alerts");
    w.add(Instance::new("eu-west-1", "unrelated"));
    let rig = Rig::new(w, &[("NOTIFICATION_TOPIC_ARN", arn.as_str())]);
    rig.tick().await.unwrap();
    let world = rig.emulator.world();
    let publish = world.calls().iter().find(|call| call.operation == "Publish").unwrap();
    assert_eq!(publish.region, "eu-west-1");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_can_be_read_but_not_flipped_leaves_the_way_to_the_metric() {
    for operation in ["UpdateHealthCheck", "ChangeTagsForResource"] {
        let rig = Rig::new(world_with("failed"), &[PROMOTE]);
        rig.emulator.world().faults.standing(operation, Fault::Server(503));
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(1.0), "{operation}");
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "nothing is promoted behind the metric alone");
        rig.emulator.world().faults.clear();
        rig.emulator.world().faults.standing(operation, Fault::Denied);
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), None, "a refusal is no outage: {operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_metric_does_not_lead_back_to_a_primary_that_the_replica_left() {
    let rig = Rig::new(world_with("available"), &[]);
    rig.tick().await.unwrap();
    assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(0.0));
    rig.emulator.world().console_promote(REPLICA).unwrap();
    rig.wait(seconds(600)).await;
    rig.tick().await.unwrap();
    assert_eq!(last_metric(&rig, "RouteToSecondary"), None);
}
