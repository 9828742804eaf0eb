//! What stands in an answer, or in none: throttled is not missing, and a write whose answer was lost is not sent
//! again blindly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_rds::config::Credentials;
use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::operation::promote_read_replica::{PromoteReadReplicaError, PromoteReadReplicaOutput};
use aws_sdk_rds::types::error::InvalidDbInstanceStateFault;
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_mocks::{MockResponseInterceptor, Rule, RuleMode, create_mock_http_client, mock};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use emulator::Fault;
use jiff::{SignedDuration, Timestamp};
use proof::rig::{PRIMARY, REPLICA, Rig, sdk, world};
use rds_route53_failover::aws::{Aws, failure_of, patiently, was_refused, was_throttled};
use rds_route53_failover::clock::{Clock, reserve};
use rds_route53_failover::config::Config;
use rds_route53_failover::model::{Cause, CheckState, Evidence, HealthCheck, Instance, Reading};
use rds_route53_failover::observe::{Observer, Probers};
use rds_route53_failover::status::{Health, Status};
use serde_json::json;

const CHECK: &str = "11111111-2222-3333-4444-555555555555";

/// An answer of a service: an HTTP status and a body.
type Answer = (u16, String);

fn instances(inner: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?><DescribeDBInstancesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">\
         <DescribeDBInstancesResult><DBInstances>{inner}</DBInstances></DescribeDBInstancesResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeDBInstancesResponse>"
    );
    (200, body)
}

fn instance(id: &str, status: &str) -> Answer {
    instances(&format!(
        "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier>\
         <DBInstanceStatus>{status}</DBInstanceStatus>\
         <ReadReplicaSourceDBInstanceIdentifier>source</ReadReplicaSourceDBInstanceIdentifier>\
         <DBInstanceArn>arn:aws:rds:us-east-1:123456789012:db:{id}</DBInstanceArn></DBInstance>"
    ))
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>Rate exceeded</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    (status, body)
}

fn page(status: u16) -> Answer {
    (status, "<html><body>A page of some proxy</body></html>".to_owned())
}

fn check(flags: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?><GetHealthCheckResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
         <HealthCheck><Id>{CHECK}</Id><CallerReference>1</CallerReference>\
         <HealthCheckConfig><Type>TCP</Type>{flags}</HealthCheckConfig>\
         <HealthCheckVersion>7</HealthCheckVersion></HealthCheck></GetHealthCheckResponse>"
    );
    (200, body)
}

fn config() -> Config {
    let lookup = |name: &str| match name {
        "PRIMARY_DB_INSTANCE_IDENTIFIER" => Some(PRIMARY.to_owned()),
        "ROUTE53_HEALTH_CHECK_ID" => Some(CHECK.to_owned()),
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "HOSTED_ZONE_ID" => Some("Z0ORDERS".to_owned()),
        _ => None,
    };
    Config::load(lookup).unwrap()
}

/// Ten seconds, of which a look leaves four to what follows it.
fn clock() -> Clock {
    Clock::start(Timestamp::UNIX_EPOCH, Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10)))
}

/// What the observer makes of these answers, one after the other, and how many it asked for.
async fn replay<T>(answers: Vec<Answer>, look: impl AsyncFnOnce(&Observer<'_>, &Config) -> T) -> (T, usize) {
    let events = answers.into_iter().map(|(status, body)| {
        let request = http::Request::new(SdkBody::empty());
        let response = http::Response::builder().status(status).body(SdkBody::from(body)).unwrap();
        ReplayEvent::new(request, response)
    });
    let replayed = StaticReplayClient::new(events.collect());
    let config = config();
    let aws = Aws::new(sdk(replayed.clone()), &config.pair);
    let probers = Probers::new(&config.pair);
    let observer = Observer::new(&aws, &config.pair, &probers, clock());
    let seen = look(&observer, &config).await;
    (seen, replayed.actual_requests().count())
}

async fn primary(answers: Vec<Answer>) -> (Reading<Instance>, usize) {
    replay(answers, async |observer, config| observer.instance(config.pair.rds_primary().unwrap()).await)
        .await
}

async fn health_check(answers: Vec<Answer>) -> (Reading<HealthCheck>, usize) {
    replay(answers, async |observer, _| observer.health_check().await).await
}

fn cause<T: std::fmt::Debug>(reading: Reading<T>) -> Cause {
    match reading {
        Reading::Unknown(failure) => failure.cause,
        Reading::Known(_) | Reading::Missing => panic!("{reading:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_is_understood_before_it_is_made_fit_to_be_shown() {
    let (seen, _) = primary(vec![instance(PRIMARY, "failed\u{202e}")]).await;
    let status = &seen.known().unwrap().status;
    assert_eq!(status.health(), Health::Hold, "nothing says that it failed");
    assert!(!status.as_str().contains('\u{202e}'), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_made_at_the_end_of_time_is_not_the_one_that_failed() {
    let (status, body) = instance(PRIMARY, "available");
    let made = "<InstanceCreateTime>9999-12-31T23:59:59Z</InstanceCreateTime></DBInstance>";
    let (seen, _) = primary(vec![(status, body.replace("</DBInstance>", made))]).await;
    assert!(seen.known().unwrap().was_created_after(Timestamp::now()));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_describe_is_never_a_missing_database() {
    for throttle in
        [error(400, "Throttling"), error(400, "RequestLimitExceeded"), error(503, "ThrottlingException")]
    {
        let (seen, requests) = primary(vec![throttle.clone(); 90]).await;
        assert_eq!(cause(seen), Cause::Throttled, "{throttle:?}");
        assert!((6..90).contains(&requests), "asked until the time is up, with growing pauses: {requests}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_describe_that_was_throttled_for_a_while_is_asked_again() {
    for times in [1, 5, 7] {
        let mut answers = vec![error(400, "Throttling"); times];
        answers.push(instance(PRIMARY, "available"));
        let (seen, requests) = primary(answers).await;
        assert_eq!((&seen.known().unwrap().status, requests), (&Status::Available, times + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ill_is_unreachable_and_its_database_is_not_down() {
    for status in [500, 502, 503, 504] {
        let (seen, requests) = primary(vec![page(status); 9]).await;
        assert_eq!((cause(seen), requests), (Cause::Unreachable, 3), "{status}");
        let (seen, requests) = primary(vec![page(status), instance(PRIMARY, "stopped")]).await;
        assert_eq!((&seen.known().unwrap().status, requests), (&Status::Stopped, 2), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_services_own_word_makes_a_database_missing() {
    let (seen, requests) = primary(vec![error(404, "DBInstanceNotFound")]).await;
    assert_eq!((seen, requests), (Reading::Missing, 1));
    for answer in [
        page(404),
        error(404, "NotFound"),
        error(404, "DBClusterNotFoundFault"),
        error(400, "DBInstanceNotFound"),
        (404, String::new()),
        instances(""),
        instance("orders-other", "available"),
        instances("<DBInstance><DBInstanceIdentifier>orders-primary</DBInstanceIdentifier></DBInstance>"),
        (200, String::new()),
        page(200),
    ] {
        let (seen, _) = primary(vec![answer.clone()]).await;
        assert_eq!(cause(seen), Cause::Other, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_describe_is_denied_and_not_asked_again() {
    for answer in
        [error(403, "AccessDenied"), error(403, "InvalidClientTokenId"), error(400, "AccessDeniedException")]
    {
        let (seen, requests) = primary(vec![answer.clone(); 9]).await;
        assert_eq!((cause(seen), requests), (Cause::Denied, 1), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_cut_off_anywhere_is_no_answer() {
    // A replica whose source was cut off would look promoted.
    let (_, whole) = instance(PRIMARY, "available");
    for end in 0..whole.len() {
        let (seen, _) = primary(vec![(200, whole[..end].to_owned()); 3]).await;
        assert_eq!(cause(seen), Cause::Other, "cut after {:?}", &whole[..end]);
    }
    assert!(primary(vec![(200, whole)]).await.0.known().unwrap().source.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_health_check_is_never_a_missing_one() {
    let (seen, _) = health_check(vec![error(400, "Throttling"); 90]).await;
    assert_eq!(cause(seen), Cause::Throttled);
    let (seen, requests) = health_check(vec![error(404, "NoSuchHealthCheck")]).await;
    assert_eq!((seen, requests), (Reading::Missing, 1));
    assert_eq!(cause(health_check(vec![page(404)]).await.0), Cause::Other);
}

#[tokio::test(start_paused = true)]
async fn pages_of_records_without_end_are_given_up() {
    let body = "<?xml version=\"1.0\"?>\
        <ListResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
        <ResourceRecordSets></ResourceRecordSets><IsTruncated>true</IsTruncated>\
        <NextRecordName>a.example.com.</NextRecordName><NextRecordType>A</NextRecordType>\
        <MaxItems>300</MaxItems></ListResourceRecordSetsResponse>";
    let pages = vec![(200, body.to_owned()); 200];
    let (read, asked) = replay(pages, async |observer, _| observer.record_sets().await).await;
    let why = read.unwrap_err();
    assert!(why.to_string().contains("more pages of records"), "{why}");
    assert_eq!(asked, 100);
}

#[tokio::test(start_paused = true)]
async fn a_flag_that_is_absent_is_not_set() {
    for (flags, state) in [
        ("", CheckState::Normal),
        ("<Disabled>true</Disabled>", CheckState::Foreign),
        ("<Inverted>true</Inverted>", CheckState::Foreign),
        ("<Inverted>true</Inverted><Disabled>true</Disabled>", CheckState::ForcedUnhealthy),
        ("<Inverted>false</Inverted><Disabled>false</Disabled>", CheckState::Normal),
    ] {
        let (seen, _) = health_check(vec![check(flags)]).await;
        let seen = seen.known().unwrap();
        assert_eq!((seen.state, seen.version), (state, 7), "{flags}");
    }
}

#[tokio::test(start_paused = true)]
async fn tags_that_can_not_be_read_are_not_tags_that_are_not_there() {
    for answer in [error(400, "Throttling"), error(403, "AccessDenied"), page(503), page(404)] {
        let (memory, _) = replay(vec![answer; 90], async |observer, _| observer.read_memory().await).await;
        assert!(matches!(memory, Evidence::Unreadable(_)), "{memory:?}");
    }
}

// ------------------------------------------------------------------ writes

/// RDS whose answers these rules give; a request that none of them matches panics.
fn rds(rules: &[&Rule]) -> aws_sdk_rds::Client {
    let mut mocks = MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny);
    for rule in rules {
        mocks = mocks.with_rule(rule);
    }
    let config = aws_sdk_rds::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .http_client(create_mock_http_client())
        .interceptor(mocks)
        .build();
    aws_sdk_rds::Client::from_conf(config)
}

/// Sends a promotion as the function does.
async fn promote(
    rules: &[&Rule],
) -> Result<PromoteReadReplicaOutput, aws_sdk_rds::error::SdkError<PromoteReadReplicaError, HttpResponse>> {
    let rds = rds(rules);
    let send = || {
        let once = aws_sdk_rds::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = rds.promote_read_replica().db_instance_identifier(REPLICA);
        request.customize().config_override(once).send()
    };
    patiently(&clock(), reserve::CONFIRMING, was_throttled, send).await.unwrap()
}

fn answers(status: u16, body: String) -> Rule {
    mock!(aws_sdk_rds::Client::promote_read_replica)
        .match_requests(|request| request.db_instance_identifier() == Some(REPLICA))
        .sequence()
        .http_status(status, Some(body))
        .repeatedly()
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_may_have_been_carried_out_is_sent_once() {
    for status in [500, 502, 503, 504] {
        for body in [error(status, "InternalFailure").1, page(status).1, String::new()] {
            let rule = answers(status, body);
            let error = promote(&[&rule]).await.unwrap_err();
            assert!(!was_refused(&error), "{status}");
            assert_eq!(failure_of(&error).cause, Cause::Unreachable, "{status}");
            assert_eq!(rule.num_calls(), 1, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_was_not_carried_out_and_is_sent_again() {
    let rule = mock!(aws_sdk_rds::Client::promote_read_replica)
        .sequence()
        .http_status(400, Some(error(400, "Throttling").1))
        .times(6)
        .output(|| PromoteReadReplicaOutput::builder().build())
        .build();
    promote(&[&rule]).await.unwrap();
    assert_eq!(rule.num_calls(), 7);
    let rule = answers(400, error(400, "Throttling").1);
    let error = promote(&[&rule]).await.unwrap_err();
    assert!(was_refused(&error));
    assert_eq!(failure_of(&error).cause, Cause::Throttled);
    assert!((4..80).contains(&rule.num_calls()), "until the time is up: {}", rule.num_calls());
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_sent_once_and_did_not_happen() {
    let refused = mock!(aws_sdk_rds::Client::promote_read_replica).then_error(|| {
        PromoteReadReplicaError::InvalidDbInstanceStateFault(InvalidDbInstanceStateFault::builder().build())
    });
    let error = promote(&[&refused]).await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_invalid_db_instance_state_fault());
    assert_eq!(refused.num_calls(), 1);
    let denied = answers(403, error_body("AccessDenied"));
    let error = promote(&[&denied]).await.unwrap_err();
    assert!(was_refused(&error));
    assert_eq!((failure_of(&error).cause, denied.num_calls()), (Cause::Denied, 1));
}

fn error_body(code: &str) -> String {
    error(403, code).1
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "matched")]
async fn a_call_that_nobody_expected_is_loud() {
    let other = mock!(aws_sdk_rds::Client::promote_read_replica)
        .match_requests(|request| request.db_instance_identifier() == Some(PRIMARY))
        .then_output(|| PromoteReadReplicaOutput::builder().build());
    let _ = promote(&[&other]).await;
}

/// The function with promotion on, and a primary that failed.
fn failed() -> Rig {
    let mut world = world();
    world.set_status(PRIMARY, "failed");
    Rig::new(world, &[("PROMOTE_REPLICA", "true")])
}

#[tokio::test(start_paused = true)]
async fn a_promotion_whose_answer_was_lost_counts_as_sent() {
    for fault in [
        Fault::Server(503),
        Fault::Reset,
        Fault::Hang,
        Fault::AppliedThenReset,
        Fault::AppliedThenHang,
        Fault::AppliedThenServer(500),
    ] {
        let rig = failed();
        rig.emulator.world().faults.once("PromoteReadReplica", fault.clone());
        let failure = rig.tick().await.unwrap_err();
        assert_eq!(failure.kind.name(), "PromotionUnconfirmed", "{fault:?}: {failure}");
        assert_eq!(rig.emulator.world().count("PromoteReadReplica"), 1, "{fault:?}");
        // Nor is it sent by the ticks that follow, while it may be under way.
        for _ in 0..3 {
            rig.wait(Duration::from_secs(60)).await;
            let report = rig.tick().await.unwrap();
            assert!(
                matches!(report.reason, "promotion-in-progress" | "replica-promoted"),
                "{fault:?}: {}",
                json!(report)
            );
        }
        assert_eq!(rig.emulator.world().count("PromoteReadReplica"), 1, "{fault:?}");
    }
}
