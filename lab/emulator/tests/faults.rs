#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! Faults, hooks and crashes, through both doors.

mod common;

use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::operation::describe_db_instances::{DescribeDBInstancesError, DescribeDbInstancesOutput};
use common::{CHECK, Clients, clients, emulator, inprocess, world};
use emulator::{Emulator, Fault, On, Outcome, Server, Service};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn describe(
    clients: &Clients,
) -> Result<DescribeDbInstancesOutput, SdkError<DescribeDBInstancesError>> {
    describe_id(clients, "orders-primary").await
}

async fn describe_id(
    clients: &Clients,
    id: &str,
) -> Result<DescribeDbInstancesOutput, SdkError<DescribeDBInstancesError>> {
    let call = clients.rds.describe_db_instances();
    call.db_instance_identifier(id).send().await
}

fn over_tcp(server: &Server) -> Clients {
    let http = aws_smithy_http_client::Builder::new().build_http();
    clients("us-east-1", http, &server.url())
}

async fn both_doors(emulator: &Emulator) -> (Server, Vec<Clients>) {
    let server = emulator.listen().await.unwrap();
    let doors = vec![inprocess(emulator), over_tcp(&server)];
    (server, doors)
}

#[tokio::test]
async fn refusals_look_like_those_of_aws() {
    let (emulator, _) = emulator(world());
    let (_server, doors) = both_doors(&emulator).await;
    for clients in doors {
        for (fault, status, code) in [
            (Fault::Throttle, 400, "Throttling"),
            (Fault::Denied, 403, "AccessDenied"),
            (Fault::Server(500), 500, "InternalFailure"),
            (Fault::Server(503), 503, "ServiceUnavailable"),
        ] {
            emulator.world().faults.once(On::any(), fault.clone());
            let refused = describe(&clients).await.unwrap_err();
            assert_eq!(refused.code(), Some(code));
            assert_eq!(refused.raw_response().unwrap().status().as_u16(), status);
            emulator.world().faults.once(On::service(Service::Route53), fault);
            let refused = clients.route53.get_health_check().health_check_id(CHECK).send().await;
            assert_eq!(refused.unwrap_err().code(), Some(code));
        }
        describe(&clients).await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_is_a_failed_dispatch_and_the_next_call_is_answered() {
    let (emulator, _) = emulator(world());
    let (_server, doors) = both_doors(&emulator).await;
    for clients in doors {
        describe(&clients).await.unwrap();
        emulator.world().faults.once("DescribeDBInstances", Fault::Reset);
        let error = describe(&clients).await.unwrap_err();
        assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
        describe(&clients).await.unwrap();
    }
}

#[tokio::test]
async fn a_malformed_answer_is_no_answer() {
    let (emulator, _) = emulator(world());
    let (_server, doors) = both_doors(&emulator).await;
    for clients in doors {
        emulator.world().faults.once("DescribeDBInstances", Fault::Malformed);
        let error = describe(&clients).await.unwrap_err();
        assert_eq!(error.code(), None);
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 200);
    }
}

#[tokio::test]
async fn a_truncated_answer_reads_as_an_instance_without_a_source() {
    let (emulator, _) = emulator(world());
    let (_server, doors) = both_doors(&emulator).await;
    for clients in doors {
        emulator.world().faults.once("DescribeDBInstances", Fault::Truncated);
        let answer = describe_id(&clients, "orders-replica").await.unwrap();
        let replica = &answer.db_instances()[0];
        assert_eq!(replica.db_instance_status(), Some("available"));
        assert!(replica.read_replica_source_db_instance_identifier().is_none());
        assert!(replica.db_instance_arn().is_none(), "the ARN comes last");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect() {
    for fault in [Fault::AppliedThenReset, Fault::AppliedThenServer(503)] {
        let (emulator, _) = emulator(world());
        let (_server, doors) = both_doors(&emulator).await;
        for clients in doors {
            emulator.world().faults.once("UpdateHealthCheck", fault.clone());
            let before = emulator.world().health_check(CHECK).unwrap().version;
            let update = clients.route53.update_health_check().health_check_id(CHECK);
            update.disabled(true).inverted(true).send().await.unwrap_err();
            let world = emulator.world();
            let check = world.health_check(CHECK).unwrap();
            assert!(check.disabled && check.inverted);
            assert_eq!(check.version, before + 1);
            let call = world.calls().last().unwrap();
            assert_eq!(call.outcome, Outcome::Fault(fault.clone()));
            assert_eq!(call.changes.len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_costs_no_real_time_in_process() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    emulator.world().faults.once("DescribeDBInstances", Fault::Hang);
    timeout(Duration::from_secs(3600), describe(&clients)).await.unwrap_err();
    emulator.world().faults.once("DescribeDBInstances", Fault::Slow(Duration::from_secs(60)));
    let begun = tokio::time::Instant::now();
    describe(&clients).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn a_hang_keeps_a_tcp_connection_open_without_an_answer() {
    let (emulator, _) = emulator(world());
    let server = emulator.listen().await.unwrap();
    let clients = over_tcp(&server);
    emulator.world().faults.once("DescribeDBInstances", Fault::Hang);
    timeout(Duration::from_millis(100), describe(&clients)).await.unwrap_err();
    describe(&clients).await.unwrap();
    assert_eq!(emulator.world().calls().len(), 2);
}

/// Sends a request by hand.
async fn send(stream: &mut TcpStream) -> io::Result<()> {
    let body = "Action=DescribeDBInstances&Version=2014-10-31";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: emulator\r\ncontent-length: {}\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=A/20260301/us-east-1/rds/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await
}

/// Reads until the answer's end tag or the end of the connection.
async fn ask(stream: &mut TcpStream) -> io::Result<String> {
    send(stream).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"</DescribeDBInstancesResponse>") && stream.read_buf(&mut answer).await? > 0 {}
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_reset_is_a_reset_and_no_orderly_end() {
    let (emulator, _) = emulator(world());
    let server = emulator.listen().await.unwrap();
    emulator.world().faults.once(On::any(), Fault::Reset);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let error = ask(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_server_listens_no_more() {
    let (emulator, _) = emulator(world());
    let server = emulator.listen().await.unwrap();
    let address = server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    ask(&mut stream).await.unwrap();
    drop(server);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn a_fault_is_for_its_region_its_target_and_its_times() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    {
        let faults = &mut emulator.world().faults;
        faults.standing(On::any().region("eu-west-1"), Fault::Reset);
        faults.standing(On::operation("DescribeDBInstances").target("orders-replica"), Fault::Throttle);
        faults.times(2, "DescribeDBInstances", Fault::Server(500));
    }
    for _ in 0..2 {
        assert_eq!(describe(&clients).await.unwrap_err().code(), Some("InternalFailure"));
    }
    describe(&clients).await.unwrap();
    for id in ["orders-replica", "arn:aws:rds:us-east-1:123456789012:db:orders-replica"] {
        let refused = clients.rds.describe_db_instances().db_instance_identifier(id).send().await;
        assert_eq!(refused.unwrap_err().code(), Some("Throttling"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_can_crash_before_and_after_any_call() {
    for after in [false, true] {
        let (emulator, _) = emulator(world());
        let clients = inprocess(&emulator);
        if after {
            emulator.world().crash_after_call(2);
        } else {
            emulator.world().crash_before_call(2);
        }
        let caller = async {
            describe(&clients).await.unwrap();
            let update = clients.route53.update_health_check().health_check_id(CHECK);
            let _ = update.disabled(true).inverted(true).send().await;
            unreachable!("the caller is dead");
        };
        tokio::select! {
            () = caller => {}
            () = emulator.crashed() => {}
        }
        let world = emulator.world();
        assert_eq!(world.health_check(CHECK).unwrap().disabled, after);
        assert_eq!(world.calls().len(), 2);
        assert_eq!(world.calls()[1].outcome, Outcome::Crash);
    }
}

#[tokio::test]
async fn a_hook_runs_before_the_call_that_is_counted() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    emulator.world().on_call(2, |world| world.set_status("orders-primary", "failed"));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = describe(&clients).await.unwrap();
        seen.push(answer.db_instances()[0].db_instance_status().unwrap().to_owned());
    }
    assert_eq!(seen, ["available", "failed", "failed"]);
}

#[tokio::test]
async fn a_hook_may_set_another_like_itself() {
    fn every(world: &mut emulator::World) {
        world.console_set_tag(CHECK, "seen", "yes");
        world.on_next("DescribeDBInstances", every);
    }
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    emulator.world().on_next("DescribeDBInstances", every);
    for _ in 0..3 {
        describe(&clients).await.unwrap();
    }
    assert_eq!(emulator.world().history().len(), 3);
}

#[tokio::test]
async fn a_crash_that_nobody_awaited_is_not_taken_for_the_next_one() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    emulator.world().crash_before_call(1);
    timeout(Duration::from_millis(10), describe(&clients)).await.unwrap_err();
    emulator.world().no_crash();
    timeout(Duration::from_millis(10), emulator.crashed()).await.unwrap_err();
}

#[tokio::test]
async fn an_update_that_was_made_can_be_answered_with_a_mismatch() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let code = "HealthCheckVersionMismatch";
    let fault = Fault::AppliedThenError { status: 500, code: code.into(), message: "no".into() };
    emulator.world().faults.once("UpdateHealthCheck", fault);
    let update = clients.route53.update_health_check().health_check_id(CHECK);
    let refused = update.health_check_version(1).disabled(true).inverted(true).send().await.unwrap_err();
    assert_eq!(refused.code(), Some(code));
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 500);
    assert_eq!(emulator.world().health_check(CHECK).unwrap().version, 2);
}

#[tokio::test]
async fn the_tags_can_be_missing_from_an_answer_of_200() {
    let (emulator, _) = emulator(world());
    let (_server, doors) = both_doors(&emulator).await;
    for clients in doors {
        emulator.world().faults.once("ListTagsForResource", Fault::Emptied);
        let list = clients.route53.list_tags_for_resource().resource_id(CHECK);
        let list = list.resource_type(aws_sdk_route53::types::TagResourceType::Healthcheck);
        // The SDK fills in an empty set for the one that is missing.
        let set = list.send().await.unwrap().resource_tag_set.unwrap();
        assert!(set.tags().is_empty());
        assert_eq!(set.resource_id(), None, "a real set names its check");
    }
}

#[tokio::test]
async fn a_not_found_can_come_with_any_status() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    for status in [403, 429, 500, 503] {
        let fault = Fault::Error { status, code: "DBInstanceNotFound".into(), message: "no".into() };
        emulator.world().faults.once("DescribeDBInstances", fault);
        let refused = describe(&clients).await.unwrap_err();
        assert_eq!(refused.code(), Some("DBInstanceNotFound"));
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), status);
    }
    let missing = describe_id(&clients, "orders-nobody").await.unwrap_err();
    assert_eq!(missing.raw_response().unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn an_answer_can_be_as_long_as_a_test_wants() {
    let (emulator, _) = emulator(world());
    let (server, doors) = both_doors(&emulator).await;
    let size = 3_000_000;
    for clients in doors {
        emulator.world().faults.once("DescribeDBInstances", Fault::Padded(size));
        assert_eq!(describe(&clients).await.unwrap().db_instances().len(), 1, "it is a whole answer");
    }
    emulator.world().faults.once("DescribeDBInstances", Fault::Padded(size));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    send(&mut stream).await.unwrap();
    let mut head = vec![0; 1000];
    stream.read_exact(&mut head).await.unwrap();
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.contains(&format!("content-length: {size}\r\n")), "{head}");
}
