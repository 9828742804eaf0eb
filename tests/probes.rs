//! Evidence of the probes, of an unreachable region, and of a Multi-AZ failover.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::probes::{Listening, QUICK, alive, dead};
use common::*;
use emulator::{Fault, On, RdsEvent};
use proof::rig::{PRIMARY, Rig, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToSecondary};

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
async fn a_database_that_answers_nobody_though_rds_says_up_is_unhealthy_but_does_not_cost_a_promotion() {
    let rig = probed("available", &dead().await, &[PROMOTE]).await;
    let report = rig.tick().await.unwrap();
    does(&report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
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
        for path in ["/primary", "", "/?check=1", "?check=1"] {
            let endpoint = format!("http://{}{path}", alive(status).await);
            let rig = probed("failed", &endpoint, &[("CONFIRMATIONS", "1")]).await;
            let report = rig.tick().await.unwrap();
            assert_eq!(report.reason == "primary-on-hold", serves, "{endpoint} {status}: {}", report.message);
        }
    }
}

#[tokio::test]
async fn the_quorum_decides_and_is_a_majority_by_default() {
    let (up, up_too) = (Listening::start(), Listening::start());
    let (up, up_too) = (&up.endpoint, &up_too.endpoint);
    let (down, down_too) = (dead().await, dead().await);
    let (two, one) = (format!("{up},{up_too},{down}"), format!("{up},{down},{down_too}"));
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
async fn an_unreachable_api_counts_only_where_configured_and_only_with_failing_probes() {
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
                does(&report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
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
async fn a_replica_of_an_unreachable_region_is_promoted_only_where_promote_on_says_so() {
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
async fn a_multi_az_failover_of_its_own_is_waited_out() {
    let dead = dead().await;
    for (id, waits) in [("RDS-EVENT-0013", true), ("RDS-EVENT-0015", true), ("RDS-EVENT-0049", true)] {
        let mut w = world();
        w.instance_mut(PRIMARY).unwrap().multi_az = true;
        w.push_event(RdsEvent::new(PRIMARY, id));
        let rig = Rig::new(w, &[("HEALTH_ENDPOINTS", dead.as_str())]);
        let report = rig.tick().await.unwrap();
        assert_eq!(report.reason == "multi-az-failover", waits, "{id}: {}", report.message);
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
