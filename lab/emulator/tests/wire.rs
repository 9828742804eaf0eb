#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! Requests no SDK would send.

mod common;

use bytes::Bytes;
use common::{CHECK, start, world};
use emulator::{RdsEvent, Reply, World};
use http::{Method, Request};

struct Case<'a> {
    method: Method,
    path: &'a str,
    scope: &'a str,
    body: &'a str,
}

fn send(world: &mut World, case: &Case<'_>) -> (u16, String) {
    let mut request = Request::new(Bytes::copy_from_slice(case.body.as_bytes()));
    *request.method_mut() = case.method.clone();
    *request.uri_mut() = case.path.parse().unwrap();
    if !case.scope.is_empty() {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/{}/aws4_request, SignedHeaders=host, Signature=00",
            case.scope
        );
        request.headers_mut().insert("authorization", value.parse().unwrap());
    }
    match world.handle(start(), &request) {
        Reply::Answer(answer) => {
            (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
        }
        other @ (Reply::AnswerAfter(..) | Reply::Hang | Reply::Reset) => panic!("{other:?}"),
    }
}

fn rds(body: &str) -> Case<'_> {
    Case { method: Method::POST, path: "/", scope: "us-east-1/rds", body }
}

fn refused(case: &Case<'_>, status: u16, code: &str) {
    let mut world = world();
    let (got, body) = send(&mut world, case);
    assert!(body.contains(&format!("<Code>{code}</Code>")), "{body}");
    assert_eq!(got, status, "{body}");
    assert_eq!(world.calls().len(), 1, "every call is recorded");
    assert!(world.history().is_empty());
}

#[test]
fn an_unsigned_request_is_refused() {
    let describe = "Action=DescribeDBInstances&Version=2014-10-31";
    refused(&Case { scope: "", ..rds(describe) }, 403, "MissingAuthenticationToken");
    refused(&Case { scope: "us-east-1", ..rds(describe) }, 400, "IncompleteSignature");
    refused(&Case { scope: "us-east-1/s3", ..rds(describe) }, 501, "NotEmulated");
}

#[test]
fn a_query_with_a_wrong_version_or_unknown_or_missing_parameters_is_refused() {
    refused(&rds("Action=DescribeDBInstances&Version=2013-01-01"), 400, "InvalidAction");
    refused(&rds("Version=2014-10-31"), 400, "MissingAction");
    refused(
        &rds("Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifer=typo"),
        400,
        "MalformedInput",
    );
    refused(&rds("Action=PromoteReadReplica&Version=2014-10-31"), 400, "MissingParameter");
    refused(&rds("Action=DescribeDBInstances&Version=2014-10-31&MaxRecords=5"), 400, "InvalidParameterValue");
}

#[test]
fn an_arn_of_another_region_is_no_instance_of_this_one() {
    refused(
        &rds(
            "Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifier=arn:aws:rds:eu-west-1:123456789012:db:\
             orders-primary",
        ),
        400,
        "InvalidParameterValue",
    );
}

fn update(body: &str, namespace: &str) -> String {
    format!("<UpdateHealthCheckRequest xmlns=\"{namespace}\">{body}</UpdateHealthCheckRequest>")
}

#[test]
fn xml_that_is_not_by_the_schema_is_refused() {
    let path = format!("/2013-04-01/healthcheck/{CHECK}");
    let namespace = "https://route53.amazonaws.com/doc/2013-04-01/";
    for body in [
        update("<Disabled>true</Disabled>", "https://example.com/"),
        update("<Disbled>true</Disbled>", namespace),
        update("<Disabled>yes</Disabled>", namespace),
        update("<Disabled>true</Disabled><Disabled>true</Disabled>", namespace),
        update("<Disabled>true</Inverted>", namespace),
        String::new(),
    ] {
        let case = Case { method: Method::POST, path: &path, scope: "us-east-1/route53", body: &body };
        refused(&case, 400, "InvalidInput");
    }
}

#[test]
fn route_53_wants_to_be_signed_for_us_east_1() {
    let path = format!("/2013-04-01/healthcheck/{CHECK}");
    let case = Case { method: Method::GET, path: &path, scope: "eu-west-1/route53", body: "" };
    refused(&case, 403, "SignatureDoesNotMatch");
    let mut lenient = world();
    lenient.route53_only_in_us_east_1 = false;
    assert_eq!(send(&mut lenient, &case).0, 200);
}

#[test]
fn an_event_wakes_a_function_in_the_shapes_of_sns_and_eventbridge() {
    let mut world = world();
    world.push_event(RdsEvent::new("orders-primary", "RDS-EVENT-0221"));
    let event = &world.events()[0];
    let sns = event.sns_message("us-east-1");
    assert!(sns.contains("\"Event Time\":\"2026-03-01 12:00:00.000\""), "{sns}");
    assert!(sns.contains("#RDS-EVENT-0221\""), "{sns}");
    let event = event.eventbridge("us-east-1");
    assert_eq!(event["source"], "aws.rds");
    assert_eq!(event["detail"]["SourceArn"], "arn:aws:rds:us-east-1:123456789012:db:orders-primary");
    assert_eq!(event["time"], "2026-03-01T12:00:00.000Z");
}
