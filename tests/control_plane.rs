//! The way out without Route 53's control plane, and what the other metrics say.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::probes::{Listening, QUICK, dead};
use common::*;
use emulator::{Fault, On};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig, origin, world};
use rds_route53_failover::model::Change::RouteToSecondary;
use serde_json::json;

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

/// The metric moves traffic without a claim, so it speaks only where the switch was tried once more.
#[tokio::test(start_paused = true)]
async fn a_control_plane_that_is_back_once_the_outage_is_confirmed_moves_traffic_by_the_switch() {
    let mut w = world_with("storage-full");
    w.faults.times(3, "GetHealthCheck", Fault::Server(503));
    let rig = Rig::new(w, &[]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn the_metric_asks_for_nothing_where_nothing_is_known_or_nothing_is_safe() {
    type Make = fn(&mut emulator::World);
    let worlds: &[Make] = &[
        // Denied and throttled are no outage of the control plane.
        |w| w.faults.standing("GetHealthCheck", Fault::Denied),
        |w| w.faults.standing("GetHealthCheck", Fault::Throttle),
        // The primary is unknown as well: the alarm keeps its state.
        |w| w.faults.standing(On::any(), Fault::Server(503)),
        // There is nowhere to go.
        |w| {
            w.faults.standing("GetHealthCheck", Fault::Server(503));
            w.set_status(REPLICA, "stopped");
        },
        |w| {
            w.faults.standing("GetHealthCheck", Fault::Server(503));
            w.set_status(PRIMARY, "rebooting");
        },
        // The primary is healthy again: one look is no recovery.
        |w| {
            w.faults.standing("GetHealthCheck", Fault::Server(503));
            w.set_status(PRIMARY, "available");
        },
    ];
    for (index, make) in worlds.iter().enumerate() {
        let mut w = world_with("failed");
        make(&mut w);
        let rig = Rig::new(w, &[PROMOTE]);
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), None, "world {index}");
        assert_eq!(writes(&rig), 0, "world {index}");
    }
}

/// The tags can be read while the check can't: what they say holds here, too.
#[tokio::test(start_paused = true)]
async fn the_metric_moves_nothing_during_a_pause_or_a_cooldown_that_was_read() {
    let at = origin() - jiff::SignedDuration::from_mins(1);
    for (key, value) in [
        ("failover:pause", "until=forever reason=work".to_owned()),
        ("failover:returned", format!("version=1 by=auto at={at} reason=primary-recovered")),
        ("failover:pause", "no sense".to_owned()),
    ] {
        for confirmations in ["1", "3"] {
            let mut w = world_with("failed");
            w.faults.standing("GetHealthCheck", Fault::Server(503));
            w.console_set_tag(CHECK, key, &value);
            let rig = Rig::new(w, &[("CONFIRMATIONS", confirmations)]);
            tick_fails(&rig, "HealthCheckUnreadable").await;
            assert_ne!(last_metric(&rig, "RouteToSecondary"), Some(1.0), "{value}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_return_whose_cooldown_is_over_does_not_hold_the_metric() {
    let mut w = world_with("failed");
    w.faults.standing("GetHealthCheck", Fault::Server(503));
    let at = origin() - jiff::SignedDuration::from_mins(11);
    w.console_set_tag(
        CHECK,
        "failover:returned",
        &format!("version=1 by=auto at={at} reason=primary-recovered"),
    );
    let rig = Rig::new(w, &[]);
    tick_fails(&rig, "ControlPlaneDown").await;
    assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(1.0));
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
        ("RouteToSecondary", None),
        ("BlindTicks", Some(0.0)),
        ("Observations", Some(1.0)),
        ("RefusedFailovers", Some(0.0)),
        ("PromotionRefused", Some(0.0)),
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

#[tokio::test(start_paused = true)]
async fn a_switch_that_can_be_read_but_not_flipped_leaves_the_way_to_the_metric() {
    for operation in ["UpdateHealthCheck", "ChangeTagsForResource"] {
        let rig = Rig::new(world_with("failed"), &[PROMOTE]);
        rig.emulator.world().faults.standing(operation, Fault::Server(503));
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(1.0), "{operation}");
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "the metric alone leads to no promotion");
        rig.emulator.world().faults.clear();
        rig.emulator.world().faults.standing(operation, Fault::Denied);
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), None, "a refusal is no outage: {operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_metric_does_not_lead_back_to_a_primary_that_the_replica_left() {
    let rig = Rig::new(world(), &[]);
    for _ in 0..3 {
        rig.tick().await.unwrap();
    }
    assert_eq!(last_metric(&rig, "RouteToSecondary"), Some(0.0));
    rig.emulator.world().console_promote(REPLICA).unwrap();
    rig.wait(seconds(600)).await;
    rig.tick().await.unwrap();
    assert_eq!(last_metric(&rig, "RouteToSecondary"), None);
}

#[tokio::test]
async fn a_function_that_reaches_nothing_at_all_asks_for_nothing() {
    let dead = dead().await;
    for replica in ["", REPLICA] {
        let mut w = world();
        w.faults.standing(On::any(), Fault::Server(503));
        let rig = Rig::new(
            w,
            &[
                QUICK,
                ("FAILOVER_DB_INSTANCE_IDENTIFIER", replica),
                ("ON_PRIMARY_UNREACHABLE", "failover"),
                ("HEALTH_ENDPOINTS", &dead),
            ],
        );
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), None);
        assert_eq!(last_metric(&rig, "BlindTicks"), Some(1.0));
    }
}

/// The same, but the secondary answers: so it is not this function that is cut off.
#[tokio::test]
async fn the_metric_asks_where_no_api_answers_and_the_secondary_does() {
    let (dead, secondary) = (dead().await, Listening::start());
    for (endpoints, asks) in [("", None), (secondary.endpoint.as_str(), Some(1.0))] {
        let mut w = world();
        w.faults.standing(On::any(), Fault::Server(503));
        let variables = [
            QUICK,
            // A replica would be unknown, so not fit.
            ("FAILOVER_DB_INSTANCE_IDENTIFIER", ""),
            ("ON_PRIMARY_UNREACHABLE", "failover"),
            ("HEALTH_ENDPOINTS", &dead),
            ("SECONDARY_ENDPOINTS", endpoints),
        ];
        let rig = Rig::new(w, &variables);
        rig.tick().await.unwrap_err();
        assert_eq!(last_metric(&rig, "RouteToSecondary"), asks);
    }
}

/// Probes that come and go, with an API of RDS that calls both instances available.
#[tokio::test]
async fn the_metric_does_not_follow_probes_to_and_fro() {
    let mut w = world();
    w.faults.standing("GetHealthCheck", Fault::Server(503));
    let mut listening = Some(Listening::start());
    let endpoint = listening.as_ref().unwrap().endpoint.clone();
    let rig = Rig::new(w, &[QUICK, ("HEALTH_ENDPOINTS", &endpoint)]);
    let ticks = [(false, None), (true, None), (false, None), (true, None), (true, None), (true, Some(0.0))];
    for (n, (serves, asks)) in ticks.into_iter().enumerate() {
        match listening.take() {
            Some(open) if serves => listening = Some(open),
            Some(open) => open.stop(),
            None if serves => listening = Some(Listening::at(&endpoint)),
            None => {}
        }
        let _ = rig.tick().await;
        assert_eq!(last_metric(&rig, "RouteToSecondary"), asks, "tick {n}");
    }
}

/// The alarm on "not healthy for ten minutes" hears of a status that holds a failover back.
#[tokio::test]
async fn a_primary_that_reboots_without_end_is_not_healthy() {
    let rig = Rig::new(world_with("rebooting"), &[QUICK, ("HEALTH_ENDPOINTS", &dead().await)]);
    tick_stays(&rig, "primary-on-hold").await;
    assert_eq!(last_metric(&rig, "PrimaryHealthy"), Some(0.0));
}
