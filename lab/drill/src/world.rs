//! The worlds in which scenarios play.

use std::collections::BTreeMap;

use emulator::{Alarm, HealthCheck, Instance, World};
use proof::rig::{self, CHECK, PRIMARY, REGION, REPLICA};
use rds_route53_failover::metrics::NAMESPACE;

/// A region that is not the function's.
pub const OTHER_REGION: &str = "us-west-2";
/// A CLOUDWATCH_METRIC check on the function's `RouteToSecondary`.
const BY_METRIC: &str = "33333333-4444-5555-6666-777777777777";
const ALARM: &str = "route-to-secondary";

fn pair(primary: Instance, replica_in: &str) -> World {
    let replica = Instance::replica_of(&primary, replica_in, REPLICA);
    rig::world_of(primary, replica)
}

/// Primary and replica in the function's region.
pub fn same_region() -> World {
    pair(Instance::new(REGION, PRIMARY), REGION)
}

pub fn multi_az() -> World {
    pair(Instance { multi_az: true, ..Instance::new(REGION, PRIMARY) }, REGION)
}

pub fn replica_in_another_region() -> World {
    pair(Instance::new(REGION, PRIMARY), OTHER_REGION)
}

/// The primary lives in another region than the function and the replica.
pub fn primary_in_another_region() -> World {
    pair(Instance::new(OTHER_REGION, PRIMARY), REGION)
}

/// The switch has a child: a check of the function's metric, which turns it unhealthy without a call.
pub fn two_paths() -> World {
    let mut world = same_region();
    world.add_health_check(HealthCheck::metric(BY_METRIC, REGION, ALARM));
    if let Some(check) = world.health_check_mut(CHECK) {
        *check =
            HealthCheck { children: vec![BY_METRIC.to_owned()], threshold: 1, ..HealthCheck::switch(CHECK) };
    }
    world.add_alarm(Alarm {
        dimensions: BTreeMap::from([("Function".to_owned(), "rds-route53-failover".to_owned())]),
        ..Alarm::new(REGION, ALARM, NAMESPACE, "RouteToSecondary")
    });
    world
}
