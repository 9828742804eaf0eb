//! A primary outside RDS, and probes of the secondary.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::probes::{Listening, dead};
use common::*;
use emulator::RecordSet;
use proof::rig::{CHECK, PRIMARY, RECORD, Rig, ZONE, world};
use rds_route53_failover::error::Failure;
use rds_route53_failover::model::Change::{self, PromoteReplica, RouteToPrimary, RouteToSecondary};
use rds_route53_failover::report::Report;
use serde_json::json;

/// A cluster that RDS knows nothing of.
fn outside(endpoints: &str, more: &[(&str, &str)]) -> Rig {
    let named = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", ""),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", ""),
        ("PRIMARY_NAME", "orders-patroni"),
        ("HEALTH_ENDPOINTS", endpoints),
        ("HEALTH_ENDPOINT_TIMEOUT", "200ms"),
    ];
    // What watches the promises asks for RDS's word before each change.
    Rig::new(world(), &[&named[..], more].concat()).tolerant()
}

#[track_caller]
fn came_to(result: Result<Report, Failure>, reason: &str, actions: &[Change]) -> Report {
    let report = result.unwrap();
    assert_eq!((report.reason, &report.actions[..]), (reason, actions), "{}", report.message);
    report
}

#[tokio::test(start_paused = true)]
async fn it_is_judged_by_its_probes_and_rds_is_never_asked() {
    let up = Listening::start();
    let rig = outside(&up.endpoint, &[("HOSTED_ZONE_ID", ZONE), ("RECORD_NAME", RECORD)]);
    let report = came_to(rig.tick().await, "primary-healthy", &[]);
    assert_eq!(
        (report.primary.id.as_str(), report.primary.status, report.primary.health),
        ("orders-patroni", None, "healthy")
    );
    up.stop();
    let report = came_to(rig.tick().await, "primary-unhealthy", &[RouteToSecondary]);
    assert_eq!((report.primary.status, report.observations), (None, 3));
    assert_eq!(json!(report.dns.map(|dns| dns.as_str())), "unknown");
    assert_eq!(flags(&rig), (true, true, 2));
    came_to(rig.tick().await, "promotion-off", &[]);
    let world = rig.emulator.world();
    assert!(world.calls().iter().all(|call| call.service != emulator::Service::Rds));
}

#[tokio::test(start_paused = true)]
async fn one_node_that_answers_is_enough_by_default() {
    let up = Listening::start();
    let (down, too) = (dead().await, dead().await);
    let rig = outside(&format!("{down},{},{too}", up.endpoint), &[]);
    came_to(rig.tick().await, "primary-healthy", &[]);
}

#[tokio::test(start_paused = true)]
async fn traffic_returns_on_request_only_by_default() {
    for (failback_setting, by_itself) in [("", false), ("auto", true)] {
        let up = Listening::start();
        let address = up.endpoint.trim_start_matches("tcp://").to_owned();
        let rig = outside(&up.endpoint, &[("FAILBACK", failback_setting)]);
        up.stop();
        came_to(rig.tick().await, "primary-unhealthy", &[RouteToSecondary]);
        let _up_again = std::net::TcpListener::bind(&address).unwrap();
        if by_itself {
            came_to(rig.tick().await, "primary-recovered", &[RouteToPrimary]);
        } else {
            came_to(rig.tick().await, "failback-manual", &[]);
            came_to(rig.invoke(failback(json!({}))).await, "failback-ordered", &[RouteToPrimary]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_promoted_for_it_and_the_metric_never_speaks_for_it() {
    let down = dead().await;
    let rig = outside(&down, &[]);
    came_to(
        rig.invoke(failover(json!({"promote": true, "force": true}))).await,
        "no-replica-to-promote",
        &[],
    );
    rig.emulator.world().faults.standing("GetHealthCheck", emulator::Fault::Server(503));
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "HealthCheckUnreadable");
    assert_eq!(
        last_metric(&rig, "RouteToSecondary"),
        None,
        "probes alone: the function's own network may be gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_secondary_that_answers_nobody_gets_no_traffic() {
    let (down, too) = (dead().await, dead().await);
    for status in ["failed", "available"] {
        // A function that lost its own network finds all of them silent.
        let variables = [("SECONDARY_ENDPOINTS", down.as_str()), ("HEALTH_ENDPOINTS", too.as_str())];
        let rig = Rig::new(world_with(status), &variables);
        let report = tick_stays(&rig, "secondary-unreachable").await;
        assert!(report.message.contains("0 of 1 probes of the secondary answer"), "{}", report.message);
        refused(&rig, failover(json!({})), "secondary-unreachable").await;
        obeyed(&rig, failover(json!({"force": true})), "failover-ordered", &[RouteToSecondary]).await;
    }
    let up = Listening::start();
    let both = format!("{down},{}", up.endpoint);
    let rig = Rig::new(
        world_with("failed"),
        &[("SECONDARY_ENDPOINTS", &both), ("HEALTH_ENDPOINT_TIMEOUT", "200ms")],
    );
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn the_response_says_when_things_happened_and_where_dns_leads() {
    let zone = [("HOSTED_ZONE_ID", ZONE), ("RECORD_NAME", RECORD), PROMOTE];
    let rig = Rig::new(world(), &zone);
    let report = rig.tick().await.unwrap();
    assert!(report.dns.is_none(), "a steady tick looks nothing up");
    assert_eq!(
        (report.times.unhealthy_since, report.times.routed_at, report.times.promoted_at),
        (None, None, None)
    );
    let status = rig.invoke(json!({"action": "status"})).await.unwrap();
    assert_eq!(json!(status)["dns"], "primary");
    set_status(&rig, PRIMARY, "failed");
    rig.wait(seconds(120)).await;
    let report = json!(rig.tick().await.unwrap());
    assert_eq!(report["dns"], "secondary");
    assert_eq!(last_metric(&rig, "DnsOnSecondary"), Some(1.0));
    let time = |name: &str| -> jiff::Timestamp { report["times"][name].as_str().unwrap().parse().unwrap() };
    assert!(time("unhealthy_since") < time("routed_at") && time("routed_at") <= time("promoted_at"));
    let routed = tag(&rig, "routed").unwrap();
    let at: jiff::Timestamp = routed.split(' ').nth(2).unwrap().trim_start_matches("at=").parse().unwrap();
    assert_eq!(time("routed_at").as_millisecond(), at.as_millisecond(), "as the tag says");
    // Later invocations know it from the tags.
    rig.wait(seconds(60)).await;
    let later = json!(rig.tick().await.unwrap());
    for name in ["routed_at", "promoted_at"] {
        assert_eq!(later["times"][name], report["times"][name]);
    }
    assert_eq!(
        json!(Rig::new(world(), &[]).invoke(json!({"action": "status"})).await.unwrap())["dns"],
        json!(null)
    );
    assert_eq!(rig.emulator.world().health_check(CHECK).unwrap().version, 2);
}

/// The figures of docs/recovery.md are measured by these.
#[tokio::test(start_paused = true)]
async fn how_long_it_took_is_measured_once_by_the_invocation_that_made_the_change() {
    let times = |rig: &Rig| (last_metric(rig, "TimeToRoute"), last_metric(rig, "TimeToPromote"));
    let rig = Rig::new(world(), &[PROMOTE]);
    tick_stays(&rig, "primary-healthy").await;
    assert_eq!(times(&rig), (None, None));
    set_status(&rig, PRIMARY, "failed");
    rig.tick().await.unwrap();
    assert_eq!(times(&rig), (Some(20.0), Some(20.0)), "three looks, ten seconds apart");
    rig.wait(seconds(40)).await;
    tick_stays(&rig, "promotion-in-progress").await;
    assert_eq!(times(&rig), (None, None));

    // A promotion of a later invocation counts from when traffic was moved.
    let rig = failed_over("failed", &[PROMOTE]).await;
    assert_eq!(times(&rig), (Some(20.0), None));
    tick_does(&rig, "promote", "replica-fit-to-promote", &[PromoteReplica]).await;
    assert_eq!(times(&rig), (None, Some(30.0)));

    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    assert_eq!(times(&rig), (None, None), "the way back is no recovery");
}

/// The alarm rests on the zero: missing data would be no alarm.
#[tokio::test(start_paused = true)]
async fn while_the_flags_are_set_a_record_that_does_not_lead_to_the_secondary_is_a_zero() {
    let seen = |rig: &Rig, report: &Report| {
        (json!(report)["dns"].as_str().map(str::to_owned), last_metric(rig, "DnsOnSecondary"))
    };
    let is = |dns: &str, metric| (Some(dns.to_owned()), Some(metric));
    let mut w = world_with("storage-full");
    w.dns_propagation = seconds(90);
    let rig = Rig::new(w, &[("HOSTED_ZONE_ID", ZONE), ("RECORD_NAME", RECORD)]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(seen(&rig, &report), is("primary", 0.0));
    rig.wait(seconds(60)).await;
    let report = tick_stays(&rig, "promotion-off").await;
    assert_eq!(seen(&rig, &report), is("primary", 0.0));
    rig.wait(seconds(60)).await;
    let report = tick_stays(&rig, "promotion-off").await;
    assert_eq!(seen(&rig, &report), is("secondary", 1.0));
    set_status(&rig, PRIMARY, "available");
    rig.tick().await.unwrap();
    rig.wait(seconds(60)).await;
    let report = tick_stays(&rig, "primary-healthy").await;
    assert_eq!(seen(&rig, &report), (None, None), "a steady tick looks nothing up");

    let mut w = world_with("storage-full");
    let to_primary = w.instance(PRIMARY).unwrap().address.clone();
    let elsewhere = "db.elsewhere.example";
    w.add_zone(
        "Z0OTHER",
        "elsewhere.example",
        [
            RecordSet::primary(elsewhere, &to_primary, CHECK),
            RecordSet::secondary(elsewhere, "maintenance.elsewhere.example"),
        ],
    );
    let rig = Rig::new(w, &[("HOSTED_ZONE_ID", "Z0OTHER"), ("RECORD_NAME", elsewhere)]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(seen(&rig, &report), is("other", 0.0));
}
