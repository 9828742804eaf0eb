//! The worlds in which scenarios play.

use std::collections::BTreeMap;

use emulator::{Alarm, HealthCheck, Instance, RecordSet, World};
use jiff::SignedDuration;
use proof::rig::{CHECK, PRIMARY, RECORD, REGION, REPLICA, TOPIC, ZONE, origin};
use rds_route53_failover::metrics::NAMESPACE;

/// A region that is not the function's.
pub const OTHER_REGION: &str = "us-west-2";
/// A CALCULATED check over the switch and over the metric.
pub const COMPOSITE: &str = "22222222-3333-4444-5555-666666666666";
/// A CLOUDWATCH_METRIC check on the function's `RouteToSecondary`.
const BY_METRIC: &str = "33333333-4444-5555-6666-777777777777";
const ALARM: &str = "route-to-secondary";

/// Primary and replica in the function's region, and a switch on the primary failover record.
pub fn same_region() -> World {
    let primary = Instance::new(REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    of(primary, replica, CHECK)
}

/// The same with a Multi-AZ primary.
pub fn multi_az() -> World {
    let primary = Instance { multi_az: true, ..Instance::new(REGION, PRIMARY) };
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    of(primary, replica, CHECK)
}

/// The replica lives in another region.
pub fn replica_in_another_region() -> World {
    let primary = Instance::new(REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, OTHER_REGION, REPLICA);
    of(primary, replica, CHECK)
}

/// The primary lives in another region than the function and the replica.
pub fn primary_in_another_region() -> World {
    let primary = Instance::new(OTHER_REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    of(primary, replica, CHECK)
}

/// The primary record's check is healthy while the switch is, and no alarm asks for the secondary.
pub fn two_paths() -> World {
    let primary = Instance::new(REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    let mut world = of(primary, replica, COMPOSITE);
    world.add_health_check(HealthCheck::metric(BY_METRIC, REGION, ALARM));
    world.add_health_check(HealthCheck {
        children: vec![CHECK.to_owned(), BY_METRIC.to_owned()],
        threshold: 2,
        ..HealthCheck::switch(COMPOSITE)
    });
    world.add_alarm(Alarm {
        dimensions: BTreeMap::from([("HealthCheckId".to_owned(), CHECK.to_owned())]),
        ..Alarm::new(REGION, ALARM, NAMESPACE, "RouteToSecondary")
    });
    world
}

/// These two instances, ten minutes before the start, the switch, and the failover records that
/// use `check`.
fn of(primary: Instance, replica: Instance, check: &str) -> World {
    let mut world = World::new();
    world.advance(origin() - SignedDuration::from_mins(10));
    let records =
        [RecordSet::primary(RECORD, &primary.address, check), RecordSet::secondary(RECORD, &replica.address)];
    world.add(primary);
    world.add(replica);
    world.add_health_check(HealthCheck::switch(CHECK));
    world.add_zone(ZONE, "orders.example", records);
    world.add_topic(REGION, TOPIC);
    world
}
