//! The scenarios. The first is the one that plays without a word.

pub mod faulty;
pub mod fence;
pub mod triggers;

use emulator::RdsEvent;
use proof::rig::{CHECK, PRIMARY, REPLICA};

use crate::scenario::Deed::{Order, Probes, RdsEvent as Event, Serves, World};
use crate::scenario::Expect::{
    Actions, DnsNeverMoved, EndsOn, NoStaleWrites, NothingChanged, Promotions, Reason, WritesAtEnd,
};
use crate::scenario::{Deed, PROMOTE, Scenario, TO_PRIMARY, TO_SECONDARY, lag_climbs, primary};
use crate::world;

const REPLICA_ELSEWHERE: &str = "arn:aws:rds:us-west-2:123456789012:db:orders-replica";

pub fn all() -> Vec<Scenario> {
    [
        outages(),
        promotions(),
        patience(),
        people(),
        faulty::calls(),
        faulty::evidence(),
        vec![
            triggers::two_triggers(),
            triggers::throttled_account(),
            triggers::mistyped_identifier(),
            triggers::function_cut_off(),
            triggers::watch(),
            fence::fenced(),
            fence::fence_refused(),
            fence::split_brain(),
        ],
    ]
    .concat()
}

fn outages() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "storage-full-and-recovery",
            "The primary runs out of storage; traffic moves to the replica and comes back by itself",
            17,
        )
        .at((2, 20), "The primary's storage is full: no more writes", [primary("storage-full")])
        .at(
            (2, 32),
            "RDS sends an event, which wakes the function before its schedule does",
            [Event(PRIMARY, "RDS-EVENT-0221")],
        )
        .at((10, 40), "Storage was added: the primary is available again", [primary("available")])
        .moral("Reads went on at the replica; writes waited for the primary. Nothing was promoted, so nothing had to be rebuilt.")
        .expect([
            Reason("primary-unhealthy"),
            Reason("promotion-off"),
            Reason("primary-recovered"),
            Actions(&[TO_SECONDARY, TO_PRIMARY]),
            Promotions(0),
            EndsOn(PRIMARY),
            WritesAtEnd(true),
        ]),
        Scenario::new(
            "missing-instance",
            "The primary is deleted; RDS says so itself, and an operator promotes the replica of another region",
            13,
        )
        .in_world(world::replica_in_another_region)
        .with("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA_ELSEWHERE)
        .with("PROMOTE_REPLICA", "true")
        .with("PROMOTE_ON", "failed,missing")
        .at(
            (1, 30),
            "Somebody deletes the primary",
            [lag_climbs(), World(|world| world.console_delete(PRIMARY))],
        )
        .at(
            (4, 30),
            "An operator looks at the replica's last position, and accepts what is lost",
            [Order(
                r#"{"action":"failover","reason":"the last position is known","promote":true,"allow_data_loss":true}"#,
            )],
        )
        .moral(
            "RDS terminates the replication of a PostgreSQL replica in another region with its source: how far it had come is for a person to find out.",
        )
        .expect([
            Reason("lag-unknown"),
            Actions(&[TO_SECONDARY, PROMOTE]),
            Promotions(1),
            EndsOn(REPLICA),
            WritesAtEnd(true),
        ]),
        Scenario::new(
            "renamed-primary",
            "The primary is renamed: its old name is not found, and no traffic moves",
            8,
        )
        .with("PROMOTE_REPLICA", "true")
        .with("PROMOTE_ON", "failed,missing")
        .at(
            (1, 30),
            "Somebody renames the primary",
            [World(|world| {
                world.console_rename(PRIMARY, "orders-primary-old");
            })],
        )
        .moral("A rename leaves no event of a deletion, and the replica names another source: nothing shows an outage.")
        .expect([Reason("primary-not-found"), NothingChanged, DnsNeverMoved]),
        Scenario::new(
            "both-down",
            "The primary and the replica are down together: there is nowhere safe to send traffic",
            10,
        )
        .at(
            (1, 30),
            "Both run out of storage",
            [primary("storage-full"), Deed::Status(REPLICA, "storage-full")],
        )
        .at((6, 30), "The primary is back", [primary("available")])
        .moral("Moving traffic from one dead database to another helps nobody.")
        .expect([Reason("replica-not-fit"), NothingChanged, DnsNeverMoved, WritesAtEnd(true)]),
        Scenario::new(
            "common-recipe",
            "Side by side: the recipe that sets Disabled alone never moves DNS; both flags do",
            12,
        )
        .beside_the_recipe([DnsNeverMoved, Promotions(0), WritesAtEnd(false)])
        .with("PROMOTE_REPLICA", "true")
        .at((1, 30), "The primary fails beyond repair", [primary("failed"), lag_climbs()])
        .moral(
            "Route 53 treats a disabled check as healthy. Only Disabled and Inverted together are unhealthy.",
        )
        .expect([
            Actions(&[TO_SECONDARY, PROMOTE]),
            Promotions(1),
            EndsOn(REPLICA),
            WritesAtEnd(true),
        ]),
    ]
}

fn promotions() -> Vec<Scenario> {
    let failed = |name, title, minutes| {
        Scenario::new(name, title, minutes).with("PROMOTE_REPLICA", "true").at(
            (1, 30),
            "The primary fails beyond repair",
            [primary("failed"), lag_climbs()],
        )
    };
    vec![
        failed(
            "failed-with-promotion",
            "The primary fails for good; traffic moves first, then the replica is promoted",
            13,
        )
        .moral("The lag that counts is the one from before the outage: afterwards it climbs by itself.")
        .expect([
            Reason("replica-fit-to-promote"),
            Reason("replica-promoted"),
            Actions(&[TO_SECONDARY, PROMOTE]),
            Promotions(1),
            EndsOn(REPLICA),
            WritesAtEnd(true),
        ]),
        failed(
            "old-primary-returns",
            "After a promotion the old primary comes back: it is stale, so no client is sent to it",
            16,
        )
        .at((10, 10), "The old primary is available again, without what was written since", [
            primary("available"),
        ])
        .moral("Only an operator can fail back after a promotion.")
        .expect([
            Actions(&[TO_SECONDARY, PROMOTE]),
            Reason("replica-promoted"),
            Promotions(1),
            EndsOn(REPLICA),
            NoStaleWrites,
            WritesAtEnd(true),
        ]),
        Scenario::new(
            "lag-too-high",
            "The replica is five minutes behind: it serves reads, but a person decides on the lost data",
            14,
        )
        .with("PROMOTE_REPLICA", "true")
        .behind(300.0)
        .at((1, 30), "The primary fails beyond repair", [primary("failed")])
        .at((6, 20), "An operator accepts the loss", [Order(
            r#"{"action":"failover","reason":"the loss of 5 minutes is accepted","promote":true,"allow_data_loss":true}"#,
        )])
        .moral("MAX_REPLICA_LAG refuses the promotion. Only a request with allow_data_loss overrides that, and the report says so.")
        .expect([
            Reason("lag-too-high"),
            Reason("promotion-ordered"),
            Actions(&[TO_SECONDARY, PROMOTE]),
            Promotions(1),
            EndsOn(REPLICA),
        ]),
        Scenario::new(
            "lag-unknown",
            "Replication had stopped before the outage: how much would be lost is unknown, so nothing is promoted",
            9,
        )
        .with("PROMOTE_REPLICA", "true")
        // So MySQL and MariaDB report it.
        .behind(-1.0)
        .at((1, 30), "The primary fails beyond repair", [primary("failed")])
        .moral("A lag of −1 means that replication does not run. Unknown is never zero.")
        .expect([
            Reason("lag-unknown"),
            Actions(&[TO_SECONDARY]),
            Promotions(0),
            EndsOn(REPLICA),
        ]),
    ]
}

fn patience() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "multi-az-ridden-out",
            "A Multi-AZ primary fails over to its own standby: it keeps its name, so DNS stays",
            9,
        )
        .in_world(world::multi_az)
        .probed()
        .at(
            (1, 45),
            "The primary fails over to its standby; RDS still calls it available",
            [
                Serves(PRIMARY, false),
                Probes(0),
                World(|world| world.push_event(RdsEvent::new(PRIMARY, "RDS-EVENT-0013"))),
            ],
        )
        .at(
            (3, 25),
            "The standby serves",
            [
                Serves(PRIMARY, true),
                Probes(3),
                World(|world| world.push_event(RdsEvent::new(PRIMARY, "RDS-EVENT-0049"))),
            ],
        )
        .moral("The probes failed and the status said nothing; the primary's own events did.")
        .expect([Reason("multi-az-failover"), NothingChanged, DnsNeverMoved, WritesAtEnd(true)]),
        Scenario::new(
            "flapping",
            "The primary comes and goes: short dips move nothing, and half a recovery brings nothing back",
            17,
        )
        .at((0, 55), "A dip of 15 seconds", [primary("storage-full")])
        .at((1, 10), "Over", [primary("available")])
        .at((2, 58), "Another dip", [primary("storage-full")])
        .at((3, 15), "Over", [primary("available")])
        .at((4, 50), "Down, and not for seconds this time", [primary("storage-full")])
        .at((7, 55), "It looks well for a quarter of a minute", [primary("available")])
        .at((8, 15), "And is down again", [primary("storage-full")])
        .at((11, 30), "It is well again, and stays so", [primary("available")])
        .moral("Traffic moved once and came back once, in spite of four outages.")
        .expect([
            Reason("primary-healthy"),
            Reason("promotion-off"),
            Actions(&[TO_SECONDARY, TO_PRIMARY]),
            EndsOn(PRIMARY),
        ]),
        Scenario::new(
            "cooldown",
            "A second outage soon after the return: no automatic failover until the cooldown is over",
            22,
        )
        .at((1, 30), "The primary's storage is full", [primary("storage-full")])
        .at((4, 30), "It is available again", [primary("available")])
        .at((7, 30), "Its storage is full once more", [primary("storage-full")])
        .at((18, 30), "It is available again", [primary("available")])
        .moral("COOLDOWN keeps a flapping primary from dragging DNS along; the refusal is notified.")
        .expect([
            Reason("cooldown"),
            Actions(&[TO_SECONDARY, TO_PRIMARY, TO_SECONDARY, TO_PRIMARY]),
            EndsOn(PRIMARY),
        ]),
    ]
}

fn people() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "operators-own-setting",
            "A person sets the check's flags at the console: that is reported, and never overwritten",
            13,
        )
        .at(
            (1, 30),
            "A person disables the check at the console, as many recipes say",
            [World(|world| {
                world.console_set_flags(CHECK, true, false);
            })],
        )
        .at((3, 30), "The primary fails all the same", [primary("storage-full")])
        .at(
            (6, 30),
            "The person sets Inverted, too: now DNS moves",
            [World(|world| {
                world.console_set_flags(CHECK, true, true);
            })],
        )
        .at((8, 30), "The primary is back; the person's setting stands", [primary("available")])
        .at(
            (11, 30),
            "The person clears both flags",
            [World(|world| {
                world.console_set_flags(CHECK, false, false);
            })],
        )
        .moral("The tags say whose setting it is: the function does not undo what it did not set.")
        .expect([
            Reason("foreign-check"),
            Reason("forced-elsewhere"),
            NothingChanged,
            EndsOn(PRIMARY),
        ]),
        Scenario::new(
            "paused",
            "An operator pauses the function for maintenance; an outage meanwhile moves nothing by itself",
            12,
        )
        .at(
            (1, 20),
            "The operator pauses automatic change",
            [Order(r#"{"action":"pause","reason":"storage is being resized","for":"2h"}"#)],
        )
        .at((2, 30), "The primary goes down during the work", [primary("storage-full")])
        .at(
            (6, 20),
            "The work failed: the operator resumes",
            [Order(r#"{"action":"resume","reason":"the work failed"}"#)],
        )
        .moral("A pause is kept in a tag, visible in the console.")
        .expect([Reason("paused"), Actions(&["pause", "resume", TO_SECONDARY]), EndsOn(REPLICA)]),
    ]
}
