#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! The account's request limits, as everybody in it feels them.

mod common;

use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_route53::error::ProvideErrorMetadata;
use common::{CHECK, Clients, clients_with, in_paused_time, inprocess, inprocess_in, world};
use emulator::{Emulator, Fault, Limit, Outcome};
use std::time::Duration;

fn limited() -> Emulator {
    let mut world = world();
    world.limit_requests(true);
    in_paused_time(world)
}

async fn get(clients: &Clients) -> Result<(), String> {
    let answer = clients.route53.get_health_check().health_check_id(CHECK).send().await;
    answer.map(drop).map_err(|error| error.code().unwrap_or("none").to_owned())
}

async fn describe(clients: &Clients) -> Result<(), String> {
    let answer = clients.rds.describe_db_instances().db_instance_identifier("orders-primary").send().await;
    answer.map(drop).map_err(|error| error.code().unwrap_or("none").to_owned())
}

async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_throttled_until_the_limits_are_on() {
    let emulator = in_paused_time(world());
    let clients = inprocess(&emulator);
    for _ in 0..200 {
        get(&clients).await.unwrap();
    }
    emulator.world().limit_requests(true);
    for _ in 0..50 {
        get(&clients).await.unwrap();
    }
    assert_eq!(get(&clients).await.unwrap_err(), "Throttling");
}

#[tokio::test(start_paused = true)]
async fn route_53_takes_50_at_once_and_10_a_second_of_all_actions_and_callers_together() {
    let emulator = limited();
    let (one, other) = (inprocess(&emulator), inprocess_in(&emulator, "eu-west-1"));
    for n in 0..50 {
        if n % 2 == 0 {
            get(&one).await.unwrap();
        } else {
            other.route53.list_health_checks().send().await.unwrap();
        }
    }
    let refused = other.route53.list_health_checks().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("Throttling"));
    assert_eq!(refused.message(), Some("Rate exceeded"));
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 400);
    describe(&one).await.unwrap();
    seconds(0.09).await;
    get(&one).await.unwrap_err();
    seconds(0.01).await;
    get(&one).await.unwrap();
    get(&one).await.unwrap_err();
    seconds(3600.0).await;
    let mut taken = 0;
    while get(&one).await.is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 50, "a full bucket takes no more tokens");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_update_changes_nothing_and_takes_no_token_from_either_bucket() {
    let emulator = limited();
    emulator.world().limits.set_route53(Limit::new(5, 5.0));
    emulator.world().limits.set_route53_action("UpdateHealthCheck", Limit::new(2, 0.5));
    let clients = inprocess(&emulator);
    let update = || clients.route53.update_health_check().health_check_id(CHECK).inverted(true).send();
    for _ in 0..2 {
        update().await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(update().await.unwrap_err().code(), Some("Throttling"));
    }
    assert_eq!(emulator.world().health_check(CHECK).unwrap().version, 3);
    let call = emulator.world().calls().last().unwrap().clone();
    assert_eq!(call.outcome, Outcome::Refused { status: 400, code: "Throttling".into() });
    assert!(call.changes.is_empty());
    for _ in 0..3 {
        get(&clients).await.unwrap();
    }
    get(&clients).await.unwrap_err();
    seconds(1.999).await;
    update().await.unwrap_err();
    seconds(0.001).await;
    update().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_slow_actions_have_their_own_buckets() {
    let emulator = limited();
    let clients = inprocess(&emulator);
    let status = || clients.route53.get_health_check_status().health_check_id(CHECK).send();
    for _ in 0..4 {
        assert_eq!(status().await.unwrap_err().code(), Some("NotEmulated"));
    }
    assert_eq!(status().await.unwrap_err().code(), Some("Throttling"));
    seconds(1.0).await;
    assert_eq!(status().await.unwrap_err().code(), Some("NotEmulated"));
    assert_eq!(status().await.unwrap_err().code(), Some("Throttling"));
}

#[tokio::test(start_paused = true)]
async fn rds_takes_300_at_once_and_12_a_second_in_each_region() {
    let emulator = limited();
    let clients = inprocess(&emulator);
    for _ in 0..300 {
        describe(&clients).await.unwrap();
    }
    assert_eq!(describe(&clients).await.unwrap_err(), "Throttling");
    assert_eq!(describe(&inprocess_in(&emulator, "eu-west-1")).await.unwrap_err(), "DBInstanceNotFound");
    get(&clients).await.unwrap();
    seconds(1.0).await;
    let mut taken = 0;
    while describe(&clients).await.is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 12);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_reached_the_service_takes_no_token() {
    let emulator = limited();
    emulator.world().limits.set_route53(Limit::new(1, 1.0));
    let clients = inprocess(&emulator);
    emulator.world().faults.times(3, "GetHealthCheck", Fault::Reset);
    for _ in 0..3 {
        get(&clients).await.unwrap_err();
    }
    get(&clients).await.unwrap();
    assert_eq!(get(&clients).await.unwrap_err(), "Throttling");
}

#[tokio::test(start_paused = true)]
async fn clients_that_wait_are_all_served_at_the_rate_of_the_bucket() {
    let emulator = limited();
    emulator.world().limits.set_route53(Limit::new(5, 5.0));
    let retry = RetryConfig::standard().with_max_attempts(40);
    let begun = tokio::time::Instant::now();
    let calls = (0..30).map(|_| {
        // A client of its own each: the SDK gives every client a quota of retries.
        let clients = clients_with(&retry, "us-east-1", emulator.http_client(), "http://emulator.test");
        tokio::spawn(async move { get(&clients).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let took = begun.elapsed().as_secs_f64();
    assert!((5.0..60.0).contains(&took), "30 calls: 5 at once and 25 at 5 a second at best; took {took}");
    assert!(emulator.world().count("GetHealthCheck") > 30);
}
