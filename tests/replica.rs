//! What the replica is, and whether it can take the primary's place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::{SignedDuration, Timestamp};
use rds_route53_failover::config::Config;
use rds_route53_failover::memory::{Memory, Sent};
use rds_route53_failover::model::{Cause, Instance, InstanceRef, ReadFailure, Reading, Replication, Source};
use rds_route53_failover::policy::Policy;
use rds_route53_failover::replica::{
    Role, follows, promotion_sent, reason_not_fit, reason_not_ready, replication_is_broken, role,
};
use rds_route53_failover::status::Status;

const VERSION: i64 = 7;

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn id(identifier: &str) -> InstanceRef {
    InstanceRef { identifier: identifier.to_owned(), region: Some("us-east-1".to_owned()) }
}

fn replica_of(source: Option<&str>, status: &str) -> Reading<Instance> {
    Reading::Known(Instance {
        source: source.map(|source| Source::Instance(id(source))),
        ..Instance::of(Status::parse(status))
    })
}

fn following(status: &str) -> Reading<Instance> {
    replica_of(Some("orders-primary"), status)
}

fn policy() -> Policy {
    let lookup = |name: &str| match name {
        "PRIMARY_DB_INSTANCE_IDENTIFIER" => Some("orders-primary".to_owned()),
        "ROUTE53_HEALTH_CHECK_ID" => Some("check".to_owned()),
        _ => None,
    };
    Config::load(lookup).unwrap().pair.policy
}

/// The tags after a promotion of this instance was sent.
fn sent(instance: &str, version: i64, at: Timestamp) -> Memory {
    Memory { promoted: Some(Sent { version, at, instance: instance.to_owned() }), ..Memory::default() }
}

fn role_of(replica: &Reading<Instance>, memory: Option<&Memory>) -> Role {
    role(replica, &id("orders-replica"), &id("orders-primary"), memory, Some(VERSION), now())
}

#[test]
fn a_replica_on_its_own_is_promoted_once_it_is_available() {
    let memory = sent("orders-replica", VERSION, now());
    assert_eq!(role_of(&replica_of(None, "available"), None), Role::Promoted);
    assert_eq!(role_of(&replica_of(None, "available"), Some(&memory)), Role::Promoted);
    assert_eq!(role_of(&replica_of(None, "backing-up"), Some(&memory)), Role::Promoting);
    assert_eq!(role_of(&replica_of(None, "backing-up"), None), Role::Other);
}

#[test]
fn a_replica_still_shows_its_source_while_it_is_promoted() {
    for (seconds, version) in [(1, VERSION), (299, VERSION), (299, VERSION - 2)] {
        let memory = sent("orders-replica", version, ago(seconds));
        assert_eq!(
            role_of(&following("available"), Some(&memory)),
            Role::Promoting,
            "{seconds} s, {version}"
        );
    }
    for (seconds, version) in [(300, VERSION), (300, VERSION - 2)] {
        let memory = sent("orders-replica", version, ago(seconds));
        assert_eq!(role_of(&following("available"), Some(&memory)), Role::Replica, "{seconds} s, {version}");
    }
    let others = sent("billing-replica", VERSION, ago(1));
    assert_eq!(
        role_of(&following("available"), Some(&others)),
        Role::Replica,
        "another instance was promoted"
    );
}

#[test]
fn what_replicates_from_somebody_else_or_can_t_be_seen_is_something_else() {
    assert_eq!(role_of(&replica_of(Some("billing"), "available"), None), Role::Other);
    assert_eq!(role_of(&Reading::Missing, None), Role::Other);
    let unknown = Reading::Unknown(ReadFailure { cause: Cause::Throttled, detail: "why".to_owned() });
    assert_eq!(role_of(&unknown, None), Role::Other);
    assert_eq!(role_of(&following("available"), None), Role::Replica);
}

#[test]
fn an_unseen_replica_never_makes_a_promotion_void() {
    let old = sent("orders-replica", VERSION, ago(86_400));
    let unknown = Reading::Unknown(ReadFailure { cause: Cause::Denied, detail: "why".to_owned() });
    for replica in [Reading::Missing, unknown, following("modifying"), replica_of(None, "available")] {
        assert!(promotion_sent(&old, VERSION, &replica, &id("orders-replica"), now()), "{replica:?}");
    }
    assert!(!promotion_sent(&old, VERSION, &following("available"), &id("orders-replica"), now()));
    let another = InstanceRef { identifier: "orders-replica-2".to_owned(), region: None };
    assert!(
        promotion_sent(&old, VERSION, &following("available"), &another, now()),
        "what another replica is says nothing of the one that was promoted"
    );
}

#[test]
fn a_source_in_another_region_is_another_instance() {
    let primary = id("orders-primary");
    assert!(follows(&Source::Instance(id("orders-primary")), &primary));
    let nowhere = InstanceRef { region: None, ..id("orders-primary") };
    assert!(follows(&Source::Instance(nowhere), &primary), "a plain identifier has no region");
    let elsewhere = InstanceRef { region: Some("eu-west-1".to_owned()), ..id("orders-primary") };
    assert!(!follows(&Source::Instance(elsewhere), &primary));
    assert!(!follows(&Source::Other("orders-primary".to_owned()), &primary), "a cluster of the same name");
}

#[test]
fn a_reason_against_a_replica_names_what_was_seen() {
    let unfit = |replica: &Reading<Instance>| {
        reason_not_fit(replica, &id("orders-primary"), &policy()).map(|unfit| unfit.to_string())
    };
    assert_eq!(unfit(&following("available")), None);
    assert_eq!(unfit(&following("backing-up")), None, "it serves reads meanwhile");
    for (replica, words) in [
        (Reading::Missing, "the replica does not exist"),
        (replica_of(None, "available"), "the replica replicates from no instance"),
        (
            replica_of(Some("billing"), "available"),
            "the replica replicates from billing, not from orders-primary",
        ),
        (following("rebooting"), "the replica is rebooting"),
        (
            Reading::Unknown(ReadFailure { cause: Cause::Denied, detail: "no permission".to_owned() }),
            "the replica could not be observed (denied: no permission)",
        ),
    ] {
        assert_eq!(unfit(&replica).as_deref(), Some(words));
    }
}

#[test]
fn rds_promotes_an_available_replica_only() {
    let ready =
        |replica: &Reading<Instance>| reason_not_ready(replica, &id("orders-primary"), &policy()).is_none();
    assert!(ready(&following("available")));
    for status in ["backing-up", "storage-optimization", "modifying", "failed", "never-heard-of"] {
        assert!(!ready(&following(status)), "{status}");
    }
    assert!(!ready(&replica_of(None, "available")));
}

#[test]
fn only_an_end_that_a_dead_primary_does_not_cause_is_broken_replication() {
    let with = |replication| {
        let Reading::Known(instance) = following("available") else { panic!() };
        replication_is_broken(&Reading::Known(Instance { replication, ..instance }))
    };
    assert!(with(Replication::Broken("terminated".to_owned())));
    assert!(!with(Replication::Failing("error".to_owned())));
    assert!(!with(Replication::Normal));
    assert!(!replication_is_broken(&Reading::Missing));
}
