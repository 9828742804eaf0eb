//! The scenarios in which calls fail or the evidence misleads.

use emulator::{Fault, On, Service};
use proof::rig::{PRIMARY, REPLICA};

use crate::scenario::Deed::{CrashBefore, Fault as FaultFrom, FaultOnce, FaultsEnd, Order, Probes, Serves};
use crate::scenario::Expect::{
    Actions, Crash, DnsNeverMoved, EndsOn, Failure, NothingChanged, Promotions, Reason, WritesAtEnd,
};
use crate::scenario::{PROMOTE, Scenario, TO_PRIMARY, TO_SECONDARY, lag_climbs, primary};
use crate::world::{self, OTHER_REGION};

const PRIMARY_ELSEWHERE: &str = "arn:aws:rds:us-west-2:123456789012:db:orders-primary";

/// Calls fail, or their answers are lost.
pub fn calls() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "throttled-api",
            "RDS throttles every describe: the primary is unknown, and unknown is not down",
            9,
        )
        .at((1, 30), "The RDS API answers \"Rate exceeded\"", [FaultFrom(
            On::service(Service::Rds),
            Fault::Throttle,
        )])
        .at((6, 30), "The RDS API answers again", [FaultsEnd])
        .moral("Blind ticks fail loudly, so that the ordinary Lambda error alarm fires. Nobody lost a write.")
        .expect([
            Failure("PrimaryUnknown"),
            NothingChanged,
            DnsNeverMoved,
            WritesAtEnd(true),
        ]),
        Scenario::new(
            "crash-between-tag-and-flags",
            "The function dies after the tag and before the flags: the next tick carries on",
            8,
        )
        .at((1, 30), "The primary's storage is full, and the next failover will be cut short", [
            primary("storage-full"),
            CrashBefore("UpdateHealthCheck"),
        ])
        .moral("The tag names the version that was about to be made. It was not made, so the tag claims nothing.")
        .expect([
            Crash,
            Reason("primary-unhealthy"),
            Actions(&[TO_SECONDARY]),
            EndsOn(REPLICA),
        ]),
        Scenario::new(
            "lost-answer",
            "The update and the promotion are carried out but their answers are lost",
            12,
        )
        .with("PROMOTE_REPLICA", "true")
        .at((1, 30), "The primary fails; the network loses answers", [
            primary("failed"),
            lag_climbs(),
            FaultOnce(On::operation("UpdateHealthCheck"), Fault::AppliedThenReset),
            FaultOnce(On::operation("PromoteReadReplica"), Fault::AppliedThenReset),
        ])
        .moral("A write whose answer was lost is looked up before anything is sent again.")
        .expect([
            Failure("PromotionUnconfirmed"),
            Reason("promotion-in-progress"),
            Actions(&[TO_SECONDARY]),
            Promotions(1),
            EndsOn(REPLICA),
            WritesAtEnd(true),
        ]),
        Scenario::new(
            "control-plane-down",
            "Route 53's control plane is away during an outage: the function's metric alone moves traffic",
            20,
        )
        .in_world(world::two_paths)
        .with("PROMOTE_REPLICA", "true")
        .at((1, 20), "Route 53's control plane is away; DNS answers go on", [FaultFrom(
            On::service(Service::Route53),
            Fault::Server(503),
        )])
        .at((2, 30), "The primary fails beyond repair", [primary("failed"), lag_climbs()])
        .at((8, 30), "The control plane is back", [FaultsEnd])
        .at((12, 20), "The lag has climbed by itself since; an operator knows what is at stake", [Order(
            r#"{"action":"failover","reason":"0.5 s before the outage","promote":true,"allow_data_loss":true}"#,
        )])
        .moral("A CALCULATED check over the switch and over the metric needs no call to move. Nothing is promoted on the metric alone: no tag says when the outage began.")
        .expect([
            Failure("ControlPlaneDown"),
            Reason("lag-too-high"),
            Actions(&[TO_SECONDARY, PROMOTE]),
            Promotions(1),
            EndsOn(REPLICA),
            WritesAtEnd(true),
        ]),
    ]
}

/// What RDS says is not what is so.
pub fn evidence() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "grey-failure",
            "RDS says available but nothing answers: the probes see what the status does not",
            12,
        )
        .probed()
        .at((1, 30), "The database hangs; RDS goes on to call it available", [
            Serves(PRIMARY, false),
            Probes(0),
        ])
        .at((7, 30), "It answers again", [Serves(PRIMARY, true), Probes(3)])
        .moral("RDS shows its own view, not the network's. A quorum of probes counts, confirmed like any status.")
        .expect([
            Reason("primary-unhealthy"),
            Actions(&[TO_SECONDARY, TO_PRIMARY]),
            EndsOn(PRIMARY),
            WritesAtEnd(true),
        ]),
        Scenario::new(
            "evidence-conflict",
            "RDS says down but it serves: the evidence conflicts, so traffic stays until it agrees",
            10,
        )
        .probed()
        .at((1, 30), "RDS reports storage-full, yet the application's probes are answered", [
            primary("storage-full"),
            Serves(PRIMARY, true),
        ])
        .at((5, 30), "Now the probes fail, too", [Serves(PRIMARY, false), Probes(1)])
        .moral("One of three probes is no quorum: from there on both witnesses say the same.")
        .expect([
            Reason("primary-on-hold"),
            Reason("primary-unhealthy"),
            Actions(&[TO_SECONDARY]),
            EndsOn(REPLICA),
        ]),
        Scenario::new(
            "region-unreachable",
            "The primary's region goes dark: first only its API, then the database itself",
            16,
        )
        .in_world(world::primary_in_another_region)
        .with("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY_ELSEWHERE)
        .with("ON_PRIMARY_UNREACHABLE", "failover")
        .probed()
        .at((1, 30), "The RDS API of us-west-2 never answers; the database does", [FaultFrom(
            On::service(Service::Rds).region(OTHER_REGION),
            Fault::Hang,
        )])
        .at((5, 30), "Now the database is out of reach, too", [Serves(PRIMARY, false), Probes(0)])
        .at((10, 30), "The region is back", [FaultsEnd, Serves(PRIMARY, true), Probes(3)])
        .moral("A silent API alone is unknown; with ON_PRIMARY_UNREACHABLE=failover and failing probes it is an outage.")
        .expect([
            Failure("PrimaryUnknown"),
            Reason("primary-unhealthy"),
            Actions(&[TO_SECONDARY, TO_PRIMARY]),
            EndsOn(PRIMARY),
            WritesAtEnd(true),
        ]),
    ]
}
