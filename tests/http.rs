//! Hazards that only a real connection shows: over it a body arrives in pieces, and may stop in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use emulator::{Emulator, Fault, Server};
use jiff::{SignedDuration, Timestamp};
use proof::rig::{CHECK, PRIMARY, RECORD, REGION, REPLICA, ZONE, sdk, world};
use rds_route53_failover::app::App;
use rds_route53_failover::aws::Aws;
use rds_route53_failover::clock::Clock;
use rds_route53_failover::config::Config;
use rds_route53_failover::error::Failure;
use rds_route53_failover::report::Report;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

async fn app(emulator: &Emulator, endpoints: &str) -> (App, Server) {
    let server = emulator.listen().await.unwrap();
    let config = Config::load(|name| {
        let value = match name {
            "AWS_REGION" => REGION,
            "PRIMARY_DB_INSTANCE_IDENTIFIER" => PRIMARY,
            "FAILOVER_DB_INSTANCE_IDENTIFIER" => REPLICA,
            "ROUTE53_HEALTH_CHECK_ID" => CHECK,
            "HOSTED_ZONE_ID" => ZONE,
            "RECORD_NAME" => RECORD,
            "CONFIRMATION_INTERVAL" => "1ms",
            "HEALTH_ENDPOINTS" => endpoints,
            "HEALTH_ENDPOINT_TIMEOUT" => "1s",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap();
    let sdk = sdk(aws_smithy_http_client::Builder::new().build_http());
    let aws = Aws::new(sdk.into_builder().endpoint_url(server.url()).build(), &config.pair);
    let silent = Box::new(|_| Box::pin(std::future::pending()) as Pin<Box<dyn Future<Output = _> + Send>>);
    (App::new(config, aws, silent, |_| {}), server)
}

/// A resolver that never answers must not carry an invocation over its deadline: nobody would be told anything.
#[tokio::test]
async fn a_silent_resolver_does_not_outlast_the_deadline() {
    let emulator = Emulator::new(world(), Timestamp::now);
    let (app, _server) = app(&emulator, "").await;
    let deadline = Timestamp::now() + SignedDuration::from_millis(1500);
    let clock = Clock::start(Timestamp::now(), Some(deadline));
    let report = app.handle(br#"{"action":"status"}"#, clock, None).await.unwrap();
    assert_eq!(json!(report)["dns"], "unknown");
    assert!(Timestamp::now() < deadline);
}

async fn handle(app: &App, event: serde_json::Value) -> Result<Report, Failure> {
    app.handle(event.to_string().as_bytes(), Clock::start(Timestamp::now(), None), None).await
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_unknown_and_not_a_replica_without_a_source() {
    let emulator = Emulator::new(world(), Timestamp::now);
    let (app, _server) = app(&emulator, "").await;
    emulator
        .world()
        .faults
        .standing(emulator::On::operation("DescribeDBInstances").target(REPLICA), Fault::Truncated);
    let report = handle(&app, json!({"action": "status"})).await.unwrap();
    let replica = report.replica.unwrap();
    assert_eq!((replica.status.as_deref(), replica.role), (Some("unknown"), "other"));
}

#[tokio::test]
async fn tags_that_stop_in_the_middle_do_not_hide_a_pause() {
    let mut w = world();
    w.console_set_tag(CHECK, "failover:pause", "until=forever reason=maintenance");
    w.set_status(PRIMARY, "failed");
    let emulator = Emulator::new(w, Timestamp::now);
    let (app, _server) = app(&emulator, "").await;
    emulator.world().faults.standing("ListTagsForResource", Fault::Truncated);
    let failure = handle(&app, json!({"action": "tick"})).await.unwrap_err();
    assert_eq!(failure.kind.name(), "MemoryUnreadable");
    assert_eq!(emulator.world().writes().count(), 0);
}

/// A server that offers to keep every connection, answers its first request, and is silent on it from then on.
#[derive(Clone, Default)]
struct Forgetful {
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Forgetful {
    /// Serves on a free port; its URL.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ready?deep=1", listener.local_addr().unwrap());
        let server = self.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                server.connections.fetch_add(1, Ordering::Relaxed);
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|n| n > 0) {}
                server.requests.lock().unwrap().push(head);
                let answer = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok";
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
                kept.push(stream);
            }
        });
        url
    }
}

/// A pooled connection that died would answer for all confirmations, and promote a replica.
#[tokio::test]
async fn each_probe_is_a_fresh_connection_over_http_1_1() {
    let emulator = Emulator::new(world(), Timestamp::now);
    let server = Forgetful::default();
    let (app, _server) = app(&emulator, &server.serve().await).await;
    for tick in 1..=4 {
        let report = handle(&app, json!({"action": "tick"})).await.unwrap();
        assert_eq!(report.reason, "primary-healthy", "{}", report.message);
        assert_eq!(server.connections.load(Ordering::Relaxed), tick);
    }
    for head in server.requests.lock().unwrap().iter() {
        assert!(head.starts_with("GET /ready?deep=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
    }
}

/// It accepts connections, and never says a word: the whole time-out, and then no answer.
#[tokio::test]
async fn a_server_that_accepts_and_is_silent_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let emulator = Emulator::new(world(), Timestamp::now);
    let (app, _server) = app(&emulator, &url).await;
    let report = handle(&app, json!({"action": "status"})).await.unwrap();
    assert_eq!(report.primary.health, "unhealthy", "{}", report.message);
}

/// A body that never ends is not read: the status line is the answer.
#[tokio::test]
async fn a_body_without_an_end_holds_no_probe_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let mut sent = stream.write_all(head.as_bytes()).await;
                while sent.is_ok() {
                    sent = stream.write_all(b"5\r\nabcde\r\n").await;
                }
            });
        }
    });
    let emulator = Emulator::new(world(), Timestamp::now);
    let (app, _server) = app(&emulator, &url).await;
    let report = handle(&app, json!({"action": "tick"})).await.unwrap();
    assert_eq!(report.reason, "primary-healthy", "{}", report.message);
}
