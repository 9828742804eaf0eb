//! A primary outside RDS: the probes are all there is, so they are looked at before they are needed.

use std::net::TcpListener;

use proof::rig::{Rig, world};
use rds_route53_failover::readiness::Level;
use rds_route53_failover::report::Report;
use serde_json::json;

use crate::{ZONED, check_with, level};

/// Takes connections until it is dropped.
fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Nothing listens there: a port that was free a moment ago.
fn dead() -> String {
    listening().1
}

async fn check_outside(endpoints: &str, more: &[(&str, &str)]) -> Report {
    let outside = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", ""),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", ""),
        ("PRIMARY_NAME", "orders-patroni"),
        ("HEALTH_ENDPOINTS", endpoints),
        ("HEALTH_ENDPOINT_TIMEOUT", "200ms"),
    ];
    check_with(world(), &[&outside, more].concat()).await
}

/// Within a minute it would move traffic away from a primary that serves.
#[tokio::test(start_paused = true)]
async fn probes_of_which_too_few_answer_are_a_failure() {
    let (_listener, up) = listening();
    let (up, down) = (format!("tcp://{up}"), format!("tcp://{}", dead()));
    for (endpoints, quorum, expected) in [
        (down.clone(), "", Level::Fail),
        (up.clone(), "", Level::Pass),
        (format!("{up},{down}"), "", Level::Pass),
        (format!("{up},{down}"), "2", Level::Fail),
    ] {
        let report = check_outside(&endpoints, &[("HEALTH_ENDPOINT_QUORUM", quorum)]).await;
        assert_eq!(level(&report, "probes"), expected, "{endpoints} {quorum}");
        if expected == Level::Fail {
            assert_eq!((report.ready, report.reason), (Some(false), "not-ready"), "{endpoints} {quorum}");
        }
    }
}

/// While none answers, no traffic is moved.
#[tokio::test(start_paused = true)]
async fn a_secondary_that_is_silent_is_a_failure() {
    let (_listener, up) = listening();
    let up = format!("tcp://{up}");
    let (_secondary, replica) = listening();
    for (secondary, expected) in [
        (format!("tcp://{}", dead()), Level::Fail),
        (format!("tcp://{},tcp://{replica}", dead()), Level::Pass),
    ] {
        let report = check_outside(&up, &[("SECONDARY_ENDPOINTS", &secondary)]).await;
        assert_eq!(level(&report, "secondary-probes"), expected, "{secondary}");
        assert_eq!(level(&report, "probes"), Level::Pass, "the primary's probes are judged alone");
    }
}

#[tokio::test(start_paused = true)]
async fn confirmations_that_are_over_before_a_cluster_has_elected_its_leader_are_a_warning() {
    let (_listener, up) = listening();
    for (confirmations, interval, expected) in [
        ("3", "10s", Level::Warn),
        ("4", "10s", Level::Warn),
        ("5", "10s", Level::Pass),
        ("2", "34s", Level::Warn),
        ("2", "35s", Level::Pass),
    ] {
        let confirmed = [("CONFIRMATIONS", confirmations), ("CONFIRMATION_INTERVAL", interval)];
        let report = check_outside(&format!("tcp://{up}"), &confirmed).await;
        assert_eq!(level(&report, "confirmation-length"), expected, "{confirmations} × {interval}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_a_hung_server_answers_is_a_warning() {
    let (_listener, up) = listening();
    let page = format!("http://{}/primary", dead());
    for (endpoints, expected) in [
        (format!("tcp://{up}"), Level::Warn),
        (format!("{page},tcp://{up}"), Level::Warn),
        (page, Level::Pass),
    ] {
        let report = check_outside(&endpoints, &[]).await;
        assert_eq!(level(&report, "probe-kind"), expected, "{endpoints}");
    }
    let secondary = format!("tcp://{}", dead());
    let report = check_outside(&format!("http://{up}/"), &[("SECONDARY_ENDPOINTS", &secondary)]).await;
    assert_eq!(level(&report, "probe-kind"), Level::Warn, "a hung secondary passes as well");
}

#[tokio::test(start_paused = true)]
async fn rds_is_not_asked_for_a_primary_that_it_does_not_know() {
    let (_listener, up) = listening();
    let endpoint = format!("tcp://{up}");
    let variables = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", ""),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", ""),
        ("PRIMARY_NAME", "orders-patroni"),
        ("HEALTH_ENDPOINTS", endpoint.as_str()),
    ];
    let rig = Rig::new(world(), &[ZONED, &variables].concat());
    let report = rig.invoke(json!({"action": "check"})).await.unwrap();
    let findings = report.findings.unwrap();
    // Nobody could fix a finding about what is not known of it.
    for id in ["primary-exists", "primary-engine", "primary-record-target"] {
        assert!(findings.iter().all(|finding| finding.id != id), "{id}: {findings:#?}");
    }
    let world = rig.emulator.world();
    assert!(world.calls().iter().all(|call| call.service != emulator::Service::Rds), "{findings:#?}");
}
