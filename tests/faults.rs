//! Every call that the function makes × every fault of the emulator → a stated outcome, as a table.
//!
//! Three incidents are played with the fault standing from the first call on: an outage that ends in a promotion,
//! a recovery, and the stop of an old primary. Once the fault is over, the next ticks bring each to its proper end.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On};
use proof::rig::{PRIMARY, REPLICA, Rig, ZONE, world};
use rds_route53_failover::error::Failure;
use rds_route53_failover::report::Report;
use serde_json::json;

/// The outcome in a word: what was changed, then the rule's code or the error's type.
fn outcome(result: &Result<Report, Failure>) -> String {
    let words = |actions: &[rds_route53_failover::model::Change]| {
        actions.iter().map(|action| format!("{} ", action.as_str())).collect::<String>()
    };
    match result {
        Ok(report) => format!("{}{}", words(&report.actions), report.reason),
        Err(failure) => format!("{}{}!", words(&failure.done), failure.kind.name()),
    }
}

fn on(call: &str) -> On {
    match call.split_once(' ') {
        Some((operation, target)) => On::operation(operation.to_owned()).target(target),
        None => On::operation(call.to_owned()),
    }
}

/// A call, and what comes of its faults; `any` is every other fault.
type Row = (&'static str, &'static [(&'static str, &'static str)]);

/// The primary is `failed` and promotion is on.
const OUTAGE: &[Row] = &[
    (
        "DescribeDBInstances orders-primary",
        &[("slow", "route-to-secondary promote-replica replica-fit-to-promote"), ("any", "PrimaryUnknown!")],
    ),
    (
        "DescribeDBInstances orders-replica",
        &[
            ("slow", "route-to-secondary promote-replica replica-fit-to-promote"),
            // Waited for as long as the deadline allows: that leaves no time to confirm.
            ("throttle", "unconfirmed"),
            ("any", "replica-not-fit"),
        ],
    ),
    (
        "GetHealthCheck",
        &[
            ("slow", "route-to-secondary promote-replica replica-fit-to-promote"),
            ("throttle denied error malformed truncated emptied padded", "HealthCheckUnreadable!"),
            ("any", "ControlPlaneDown!"),
        ],
    ),
    (
        "ListTagsForResource",
        &[
            ("slow", "route-to-secondary promote-replica replica-fit-to-promote"),
            ("any", "MemoryUnreadable!"),
        ],
    ),
    (
        "ChangeTagsForResource",
        &[
            ("slow malformed emptied", "route-to-secondary promote-replica replica-fit-to-promote"),
            ("any", "TagWriteFailed!"),
        ],
    ),
    (
        "UpdateHealthCheck",
        &[
            ("throttle denied error", "RouteRefused!"),
            ("500 503 hang reset", "RouteUnconfirmed!"),
            ("any", "route-to-secondary promote-replica replica-fit-to-promote"),
        ],
    ),
    (
        "GetMetricStatistics",
        &[
            ("slow", "route-to-secondary promote-replica replica-fit-to-promote"),
            ("any", "route-to-secondary primary-unhealthy"),
        ],
    ),
    (
        "PromoteReadReplica",
        &[
            ("slow", "route-to-secondary promote-replica replica-fit-to-promote"),
            ("throttle denied error", "route-to-secondary PromotionRefused!"),
            ("any", "route-to-secondary PromotionUnconfirmed!"),
        ],
    ),
    ("Publish", &[("any", "route-to-secondary promote-replica replica-fit-to-promote")]),
];
/// Traffic was moved, and the primary is healthy again.
const RECOVERY: &[Row] = &[
    (
        "DescribeDBInstances orders-primary",
        &[("slow", "route-to-primary primary-recovered"), ("any", "PrimaryUnknown!")],
    ),
    (
        "DescribeDBInstances orders-replica",
        &[("slow", "route-to-primary primary-recovered"), ("any", "replica-not-following")],
    ),
    ("GetHealthCheck", &[("slow", "route-to-primary primary-recovered"), ("any", "HealthCheckUnreadable!")]),
    ("ListTagsForResource", &[("slow", "route-to-primary primary-recovered"), ("any", "MemoryUnreadable!")]),
    (
        "ChangeTagsForResource",
        &[("slow malformed emptied", "route-to-primary primary-recovered"), ("any", "TagWriteFailed!")],
    ),
    (
        "UpdateHealthCheck",
        &[
            ("throttle denied error", "RouteRefused!"),
            ("500 503 hang reset", "RouteUnconfirmed!"),
            ("any", "route-to-primary primary-recovered"),
        ],
    ),
    (
        "ListResourceRecordSets",
        &[("slow", "route-to-primary primary-recovered"), ("any", "RecordUnreadable!")],
    ),
    ("Publish", &[("any", "route-to-primary primary-recovered")]),
];

/// The old primary came back after a promotion, and is to be stopped.
const FENCE: &[Row] = &[(
    "StopDBInstance",
    &[
        ("slow", "fence-primary fence-primary"),
        ("throttle denied error", "FenceRefused!"),
        ("any", "FenceUnconfirmed!"),
    ],
)];

fn expected(table: &[Row], call: &str, fault: &str) -> String {
    let row = table.iter().find(|row| row.0 == call).unwrap_or_else(|| panic!("no row for {call}"));
    let cell = row.1.iter().find(|cell| cell.0.split(' ').any(|name| name == fault || name == "any"));
    cell.unwrap_or_else(|| panic!("no cell for {call} × {fault}")).1.to_owned()
}

fn variables<'a>(topic: &'a str, promote: &'a str) -> [(&'a str, &'a str); 3] {
    [("NOTIFICATION_TOPIC_ARN", topic), ("HOSTED_ZONE_ID", ZONE), ("PROMOTE_REPLICA", promote)]
}

/// A tick meets the fault and ends as the table says; then the fault is over, and ticks come for so many minutes.
async fn meets(rig: &Rig, table: &[Row], call: &str, (name, fault): (&str, &Fault), minutes: u32) {
    rig.emulator.world().faults.standing(on(call), fault.clone());
    // A deadline that lets no standing fault be waited for long.
    let result = rig.invoke_within(json!({"action": "tick"}), seconds(120)).await;
    assert_eq!(outcome(&result), expected(table, call, name), "{call} × {name}");
    rig.emulator.world().faults.clear();
    for _ in 0..minutes {
        rig.wait(seconds(60)).await;
        rig.tick().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_in_an_outage_has_a_stated_outcome_and_heals() {
    let topic = mail::topic();
    for (call, _) in OUTAGE {
        for (name, fault) in Fault::NAMED {
            let rig = Rig::new(world(), &variables(&topic, "true"));
            rig.wait(seconds(120)).await;
            set_status(&rig, PRIMARY, "failed");
            meets(&rig, OUTAGE, call, (name, fault), 12).await;
            assert_eq!(state(&rig), FORCED, "{call} × {name}");
            assert!(rig.emulator.world().instance(REPLICA).unwrap().source.is_none(), "{call} × {name}");
            set_status(&rig, PRIMARY, "available");
            let report = rig.tick().await.unwrap();
            assert_eq!(report.reason, "old-primary-available", "{call} × {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_every_call_in_a_recovery_has_a_stated_outcome_and_heals() {
    let topic = mail::topic();
    for (call, _) in RECOVERY {
        for (name, fault) in Fault::NAMED {
            let rig = failed_over("storage-full", &variables(&topic, "false")).await;
            set_status(&rig, PRIMARY, "available");
            meets(&rig, RECOVERY, call, (name, fault), 2).await;
            assert_eq!(state(&rig), NORMAL, "{call} × {name}");
            assert!(tag(&rig, "returned").is_some());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_the_stop_has_a_stated_outcome_and_heals() {
    let topic = mail::topic();
    for (call, _) in FENCE {
        for (name, fault) in Fault::NAMED {
            let rig =
                promoted(&[("NOTIFICATION_TOPIC_ARN", topic.as_str()), ("FENCE_PRIMARY", "stop")]).await;
            set_status(&rig, PRIMARY, "available");
            meets(&rig, FENCE, call, (name, fault), 7).await;
            let status = rig.emulator.world().instance(PRIMARY).unwrap().status.clone();
            assert_eq!((status.as_str(), state(&rig)), ("stopped", FORCED), "{call} × {name}");
        }
    }
}
