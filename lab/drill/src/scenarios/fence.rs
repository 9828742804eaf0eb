//! The scenarios in which a primary lives on after its replica was promoted.

use emulator::{Instance, World};
use proof::rig::{PRIMARY, REGION, REPLICA};

use crate::scenario::Deed::Order;
use crate::scenario::Expect::{
    Actions, EndsOn, Promotions, Says, StaleWritesFor, StaleWritesToTheEnd, WritesAtEnd,
};
use crate::scenario::{FENCE, PROMOTE, Scenario, TO_SECONDARY};
use crate::world;

const PLANNED: &str =
    r#"{"action":"failover","reason":"planned move","force":true,"promote":true,"allow_data_loss":true}"#;

fn planned(name: &'static str, title: &'static str) -> Scenario {
    Scenario::new(name, title, 14).with("PROMOTE_REPLICA", "true").at(
        (2, 20),
        "An operator moves to the replica while the primary lives",
        [Order(PLANNED)],
    )
}

/// The old primary is stopped once the replica is on its own; beside it, what happens where it is not.
pub fn fenced() -> Scenario {
    planned(
        "fenced",
        "Side by side: without a fence, open connections write to the old primary without end; the fence stops it",
    )
    .with("FENCE_PRIMARY", "stop")
    .beside_itself_unfenced([
        Actions(&[TO_SECONDARY, PROMOTE]),
        Promotions(1),
        EndsOn(REPLICA),
        StaleWritesToTheEnd,
    ])
    .moral(
        "DNS does not close open connections; stopping the old primary does. The fence is sent once the replica is on its own: rows that reach the old primary between the two are lost.",
    )
    .expect([
        Actions(&[TO_SECONDARY, PROMOTE, FENCE]),
        Promotions(1),
        EndsOn(REPLICA),
        // A minute until the next tick, and a minute until the emulator's RDS has stopped it.
        StaleWritesFor { at_most: 120.0 },
        WritesAtEnd(true),
    ])
}

/// The old primary has another replica, so RDS refuses to stop it.
pub fn fence_refused() -> Scenario {
    planned(
        "fence-refused",
        "RDS refuses to stop the old primary, which has another replica: the alert says what to do",
    )
    .with("FENCE_PRIMARY", "stop")
    .in_world(with_another_replica)
    .moral("An instance with read replicas can't be stopped: the alert says so, with the next step.")
    .expect([
        Actions(&[TO_SECONDARY, PROMOTE]),
        Says("orders-reports"),
        StaleWritesToTheEnd,
        Promotions(1),
        EndsOn(REPLICA),
        WritesAtEnd(true),
    ])
}

/// Nothing keeps clients with open connections from the old primary.
pub fn split_brain() -> Scenario {
    planned(
        "split-brain-without-a-fence",
        "Without a fence the old primary lives on: the alert says that it may still take writes",
    )
    .moral("DNS does not close open connections. FENCE_PRIMARY=stop does.")
    .expect([
        Actions(&[TO_SECONDARY, PROMOTE]),
        Says("may still take writes"),
        StaleWritesToTheEnd,
        Promotions(1),
        EndsOn(REPLICA),
        WritesAtEnd(true),
    ])
}

fn with_another_replica() -> World {
    let mut world = world::same_region();
    let primary = Instance::new(REGION, PRIMARY);
    world.add(Instance::replica_of(&primary, REGION, "orders-reports"));
    world
}
