//! The scenarios in which it matters when and how often the function looks.

use emulator::Fault;
use proof::rig::{PRIMARY, REPLICA};

use crate::scenario::Deed::{Fault as FaultFrom, FaultsEnd, RdsEvent};
use crate::scenario::Expect::{
    Actions, DnsNeverMoved, EndsOn, Failure, NothingChanged, Promotions, Reason, WritesAtEnd,
};
use crate::scenario::{PROMOTE, Scenario, TO_PRIMARY, TO_SECONDARY, lag_climbs, primary};
use crate::world;
use emulator::{On, Service};

/// A tick and an event of RDS in the same second.
pub fn two_triggers() -> Scenario {
    Scenario::new(
        "two-triggers-at-once",
        "The schedule and an RDS event wake the function in the same second: traffic moves once",
        10,
    )
    .with("PROMOTE_REPLICA", "true")
    .at(
        (2, 0),
        "The primary fails beyond repair, and RDS says so at once",
        [primary("failed"), lag_climbs(), RdsEvent(PRIMARY, "RDS-EVENT-0031")],
    )
    .moral("Both invocations find the outage. One announces and moves; the other finds it done.")
    .expect([Actions(&[TO_SECONDARY, PROMOTE]), Promotions(1), EndsOn(REPLICA), WritesAtEnd(true)])
}

/// Route 53 throttles the whole account for a while.
pub fn throttled_account() -> Scenario {
    Scenario::new(
        "throttled-account",
        "Route 53 throttles the whole account for half a minute: the function waits, and moves in the same invocation",
        8,
    )
    .at((1, 30), "The primary's storage is full", [primary("storage-full")])
    .at((1, 50), "Other tools use up Route 53's ten requests per second", [FaultFrom(
        On::service(Service::Route53),
        Fault::Throttle,
    )])
    .at((2, 35), "The other tools are done", [FaultsEnd])
    .moral("A throttled call is repeated with growing, jittered pauses for as long as the deadline allows.")
    .expect([Reason("primary-unhealthy"), Actions(&[TO_SECONDARY]), EndsOn(REPLICA)])
}

pub fn mistyped_identifier() -> Scenario {
    Scenario::new(
        "mistyped-identifier",
        "The primary's identifier has a typing error: no such instance, so no traffic moves",
        5,
    )
    .with("PRIMARY_DB_INSTANCE_IDENTIFIER", "orders-primry")
    .with("FAILOVER_DB_INSTANCE_IDENTIFIER", "")
    .moral("An instance counts as deleted only if something shows that it was there.")
    .expect([NothingChanged, DnsNeverMoved, WritesAtEnd(true)])
}

pub fn function_cut_off() -> Scenario {
    Scenario::new(
        "function-cut-off",
        "The function's own network is gone: it sees nothing, so it changes nothing and asks for nothing",
        10,
    )
    .in_world(world::two_paths)
    .with("FAILOVER_DB_INSTANCE_IDENTIFIER", "")
    .with("ON_PRIMARY_UNREACHABLE", "failover")
    .probed()
    .at(
        (1, 30),
        "Nothing is reachable from the function; clients are served as before",
        [FaultFrom(On::any(), Fault::Reset), crate::scenario::Deed::Probes(0)],
    )
    .at((7, 30), "The network is back", [FaultsEnd, crate::scenario::Deed::Probes(3)])
    .moral(
        "Whoever sees nothing knows nothing. The invocations fail, so the ordinary Lambda error alarm fires.",
    )
    .expect([Failure("HealthCheckUnreadable"), NothingChanged, DnsNeverMoved, WritesAtEnd(true)])
}

/// The function looks between ticks.
pub fn watch() -> Scenario {
    Scenario::new(
        "watch",
        "With WATCH_INTERVAL the function looks between ticks: traffic moves before the next one",
        7,
    )
    .with("WATCH_INTERVAL", "5s")
    .at((1, 12), "The primary's storage is full, soon after a tick", [primary("storage-full")])
    .at((3, 40), "It is available again", [primary("available")])
    .moral("A watching tick costs more seconds of Lambda and saves up to one minute of outage.")
    .expect([
        Reason("primary-unhealthy"),
        Actions(&[TO_SECONDARY, TO_PRIMARY]),
        EndsOn(PRIMARY),
        WritesAtEnd(true),
    ])
}
