//! Hazards that only a real connection shows: over it a body arrives in pieces, and may stop in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use emulator::{Emulator, Fault, Server};
use jiff::Timestamp;
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, world};
use rds_route53_failover::app::App;
use rds_route53_failover::aws::{Aws, BEHAVIOUR};
use rds_route53_failover::clock::Clock;
use rds_route53_failover::config::Config;
use serde_json::json;

async fn app(emulator: &Emulator) -> (App, Server) {
    let server = emulator.listen().await.unwrap();
    let config = Config::load(|name| {
        let value = match name {
            "AWS_REGION" => REGION,
            "PRIMARY_DB_INSTANCE_IDENTIFIER" => PRIMARY,
            "FAILOVER_DB_INSTANCE_IDENTIFIER" => REPLICA,
            "ROUTE53_HEALTH_CHECK_ID" => CHECK,
            "CONFIRMATION_INTERVAL" => "1ms",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap();
    let sdk = SdkConfig::builder()
        .behavior_version(BEHAVIOUR())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(TokioSleep::new())
        .region(Region::new(REGION))
        .endpoint_url(server.url())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .build();
    let aws = Aws::new(sdk, &config.policy);
    (App::new(config, aws, |_| {}), server)
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_unknown_and_not_a_replica_without_a_source() {
    let emulator = Emulator::new(world(), Timestamp::now);
    let (app, _server) = app(&emulator).await;
    emulator
        .world()
        .faults
        .standing(emulator::On::operation("DescribeDBInstances").target(REPLICA), Fault::Truncated);
    let report = app.handle(json!({"action": "status"}), Clock::start(Timestamp::now(), None)).await.unwrap();
    let replica = report.replica.unwrap();
    assert_eq!((replica.status.as_deref(), replica.role), (Some("unknown"), "other"));
}

#[tokio::test]
async fn tags_that_stop_in_the_middle_do_not_hide_a_pause() {
    let mut w = world();
    w.console_set_tag(CHECK, "failover:pause", "until=forever reason=maintenance");
    w.set_status(PRIMARY, "failed");
    let emulator = Emulator::new(w, Timestamp::now);
    let (app, _server) = app(&emulator).await;
    emulator.world().faults.standing("ListTagsForResource", Fault::Truncated);
    let failure =
        app.handle(json!({"action": "tick"}), Clock::start(Timestamp::now(), None)).await.unwrap_err();
    assert_eq!(failure.kind.name(), "MemoryUnreadable");
    assert_eq!(emulator.world().writes().count(), 0);
}
