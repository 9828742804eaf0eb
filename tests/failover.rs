//! When traffic is moved to the secondary, and above all when it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, HealthCheck, Instance, On, Source};
use jiff::{SignedDuration, Timestamp};
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, Rig, world};
use rds_route53_failover::clock::Clock;
use rds_route53_failover::model::Change::{RouteToPrimary, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_tag_stands_before_the_flags_and_names_the_version_they_produce() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(report.observations, 3);
    assert_eq!((report.health_check.version, report.health_check.by), (Some(2), Some("auto")));
    assert_eq!(report.health_check.state, Some("forced-unhealthy"));
    let world = rig.emulator.world();
    let writes: Vec<_> = world.writes().map(|call| call.operation.as_ref()).collect();
    assert_eq!(
        writes,
        ["ChangeTagsForResource", "UpdateHealthCheck", "ChangeTagsForResource"],
        "announced, made, confirmed"
    );
    let calls: Vec<_> = world.calls().iter().map(|call| call.operation.as_ref()).collect();
    let update = calls.iter().position(|call| *call == "UpdateHealthCheck").unwrap();
    assert!(calls[update..].contains(&"GetHealthCheck"), "the flags are read back");
    drop(world);
    let tag = tag(&rig, "routed").unwrap();
    let rest = tag.strip_prefix("version=2 by=auto at=").unwrap();
    let (at, rest) = rest.split_once(" id=").unwrap();
    let (id, reason) = rest.split_once(" reason=").unwrap();
    assert!(id.len() == 16 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    assert_eq!(reason, "primary-unhealthy");
    let at: Timestamp = at.parse().unwrap();
    assert_eq!((rig.time.now() - at).as_secs(), 0);
    assert_eq!(flags(&rig), (true, true, 2));
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
}

#[tokio::test(start_paused = true)]
async fn where_no_promotion_may_follow_the_databases_are_not_looked_at_again() {
    for (variables, event) in
        [(("PROMOTE_REPLICA", "false"), json!({"action": "tick"})), (PROMOTE, failover(json!({})))]
    {
        let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1"), variables]);
        let report = rig.invoke(event).await.unwrap();
        assert_eq!(report.actions, [RouteToSecondary], "{}", report.message);
        assert_eq!(count(&rig, "DescribeDBInstances"), 2, "the primary and the replica, once");
    }
}

#[tokio::test(start_paused = true)]
async fn every_status_of_the_table_is_weighed_as_the_table_says() {
    use rds_route53_failover::status::{Health, Status};
    for status in Status::ALL {
        let rig = Rig::new(world_with(status.as_str()), &[("CONFIRMATIONS", "1")]);
        match status.health() {
            Health::Healthy => drop(tick_stays(&rig, "primary-healthy").await),
            Health::Hold | Health::Unknown => drop(tick_stays(&rig, "primary-on-hold").await),
            Health::Unhealthy => {
                tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_in_another_spelling_is_the_same_status() {
    for spelling in ["storage_full", "Storage-Full", "STORAGE_FULL"] {
        let rig = Rig::new(world_with(spelling), &[]);
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_nobody_knows_holds_and_is_named() {
    let rig = Rig::new(world_with("defragmenting"), &[]);
    let report = tick_stays(&rig, "primary-on-hold").await;
    assert!(report.message.contains("defragmenting"), "{}", report.message);
    assert_eq!(report.primary.health, "hold");
}

#[tokio::test(start_paused = true)]
async fn an_override_outranks_the_table_and_may_name_a_new_status() {
    let overrides = ("STATUS_OVERRIDES", "storage-full=hold, defragmenting=unhealthy");
    let rig = Rig::new(world_with("storage-full"), &[overrides]);
    tick_stays(&rig, "primary-on-hold").await;
    set_status(&rig, PRIMARY, "defragmenting");
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_primary_is_unhealthy() {
    let mut w = world();
    // Deleted by somebody, in another engine's way: the replica stays one.
    w.instance_mut(REPLICA).unwrap().region = "eu-west-1".to_owned();
    w.console_delete(PRIMARY);
    let replica = format!("arn:aws:rds:eu-west-1:{}:db:{REPLICA}", emulator::ACCOUNT);
    let rig = Rig::new(w, &[("FAILOVER_DB_INSTANCE_IDENTIFIER", replica.as_str())]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!((report.primary.status.as_deref(), report.primary.health), (Some("missing"), "unhealthy"));
}

/// The word of RDS for a missing instance, under a status that is not its own.
fn not_found(status: u16) -> Fault {
    Fault::Error { status, code: "DBInstanceNotFound".into(), message: "DBInstance not found".into() }
}

#[tokio::test(start_paused = true)]
async fn any_other_error_is_never_a_missing_database() {
    for fault in [
        Fault::Throttle,
        Fault::Denied,
        Fault::Server(500),
        Fault::Server(503),
        Fault::Hang,
        Fault::Reset,
        Fault::Malformed,
        Fault::Truncated,
        Fault::Error { status: 404, code: "DBSubnetGroupNotFoundFault".into(), message: "not found".into() },
        not_found(400),
        not_found(403),
        not_found(429),
        not_found(500),
        not_found(503),
        Fault::Error { status: 400, code: "ExpiredToken".into(), message: "expired".into() },
    ] {
        let mut w = world_with("storage-full");
        w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), fault.clone());
        let rig = Rig::new(w, &[("CONFIRMATIONS", "1"), PROMOTE]);
        let failure = tick_fails(&rig, "PrimaryUnknown").await;
        assert!(!failure.message.contains("missing"), "{fault:?}: {failure}");
        assert_eq!(flags(&rig), (false, false, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_replica_does_not_hide_a_healthy_primary_and_is_reported() {
    let mut w = world();
    w.faults.standing(On::operation("DescribeDBInstances").target(REPLICA), Fault::Denied);
    let rig = Rig::new(w, &[]);
    let report = tick_stays(&rig, "primary-healthy").await;
    assert_eq!(report.replica.unwrap().status.as_deref(), Some("unknown"));
    assert!(report.message.contains("the replica could not be observed"), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_tag_does_not_hide_a_healthy_primary() {
    let mut w = world();
    w.console_set_tag(CHECK, "failover:routed", "scribbled over by hand");
    w.faults.standing("ListTagsForResource", Fault::Denied);
    let rig = Rig::new(w, &[]);
    tick_stays(&rig, "primary-healthy").await;
    assert_eq!(count(&rig, "ListTagsForResource"), 0, "a steady tick reads no tags");
}

#[tokio::test(start_paused = true)]
async fn tags_that_make_no_sense_stop_every_change_with_a_typed_error() {
    for (key, value) in [
        ("failover:routed", "nonsense"),
        ("failover:routed", "version=two by=auto at=2026-01-31T12:00:00Z reason=x"),
        ("failover:routed", "version=2 by=nobody at=2026-01-31T12:00:00Z reason=x"),
        ("failover:returned", "version=2 by=auto at=yesterday reason=x"),
        ("failover:promoted", "version=2"),
        ("failover:pause", "until=tomorrow reason=x"),
        ("failover:pause", ""),
    ] {
        let mut w = world_with("failed");
        w.console_set_tag(CHECK, key, value);
        let rig = Rig::new(w, &[PROMOTE]);
        let failure = tick_fails(&rig, "MemoryUnreadable").await;
        assert!(failure.message.contains(key), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_or_missing_health_check_fails_the_invocation() {
    for fault in [Fault::Denied, Fault::Throttle, Fault::Malformed, Fault::Truncated] {
        let mut w = world();
        w.faults.standing("GetHealthCheck", fault);
        tick_fails(&Rig::new(w, &[]), "HealthCheckUnreadable").await;
    }
    let rig = Rig::new(world(), &[("ROUTE53_HEALTH_CHECK_ID", "99999999-2222-3333-4444-555555555555")]);
    tick_fails(&rig, "HealthCheckUnreadable").await;
}

#[tokio::test(start_paused = true)]
async fn a_recovery_control_check_is_a_clear_error_before_any_incident() {
    let mut w = world();
    w.health_check_mut(CHECK).unwrap().kind = "RECOVERY_CONTROL".to_owned();
    let rig = Rig::new(w, &[]);
    let failure = tick_fails(&rig, "HealthCheckNotUpdatable").await;
    assert!(failure.message.contains("RECOVERY_CONTROL"), "{failure}");
    set_status(&rig, PRIMARY, "failed");
    tick_fails(&rig, "HealthCheckNotUpdatable").await;
}

#[tokio::test(start_paused = true)]
async fn one_observation_of_anything_else_ends_the_attempt() {
    for (status, reason) in [("available", "primary-healthy"), ("rebooting", "primary-on-hold")] {
        for after in [5, 15] {
            let mut w = world_with("storage-full");
            w.after(seconds(after), move |w| w.set_status(PRIMARY, status));
            // It is down again at once: that would be a new attempt, by the next tick.
            w.after(seconds(after + 6), |w| w.set_status(PRIMARY, "storage-full"));
            let rig = Rig::new(w, &[]);
            tick_stays(&rig, reason).await;
            rig.wait(seconds(60)).await;
            let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
            assert_eq!(report.observations, 3, "the next tick starts anew");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_observation_in_between_ends_the_attempt_and_fails() {
    let mut w = world_with("storage-full");
    w.after(seconds(5), |w| {
        w.faults.standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Denied);
    });
    let rig = Rig::new(w, &[]);
    tick_fails(&rig, "PrimaryUnknown").await;
}

#[tokio::test(start_paused = true)]
async fn confirmations_are_as_many_and_as_far_apart_as_configured() {
    let rig =
        Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "5"), ("CONFIRMATION_INTERVAL", "7s")]);
    let begun = rig.time.now();
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(report.observations, 5);
    assert_eq!((rig.time.now() - begun).as_secs(), 28);
}

#[tokio::test(start_paused = true)]
async fn no_observation_is_waited_for_past_the_deadline() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    let begun = rig.time.now();
    let report = rig.invoke_within(json!({"action": "tick"}), seconds(15)).await.unwrap();
    assert_eq!((report.decision, report.reason, report.observations), ("stay", "unconfirmed", 2));
    assert!(report.message.contains("deadline"), "{}", report.message);
    assert!((rig.time.now() - begun).as_secs() < 15);
    assert_eq!(writes(&rig), 0);
}

#[tokio::test]
async fn a_deadline_in_the_past_is_no_deadline() {
    let now = Timestamp::from_second(1_769_860_800).unwrap();
    assert_eq!(Clock::start(now, Some(Timestamp::UNIX_EPOCH)).left(), None);
    assert_eq!(Clock::start(now, Some(now)).left(), None);
    assert!(Clock::start(now, Some(now + SignedDuration::from_secs(5))).left().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_not_fit_keeps_traffic_where_it_is() {
    type Break = fn(&mut emulator::World);
    let breaks: &[(&str, Break)] = &[
        ("missing", |w| w.console_delete(REPLICA)),
        ("not healthy", |w| w.set_status(REPLICA, "storage-full")),
        ("on hold", |w| w.set_status(REPLICA, "rebooting")),
        ("of another primary", |w| {
            w.instance_mut(REPLICA).unwrap().source =
                Some(Source::Instance { region: REGION.to_owned(), id: "billing".to_owned() });
        }),
        ("of a namesake in another region", |w| {
            w.instance_mut(REPLICA).unwrap().source =
                Some(Source::Instance { region: "eu-west-1".to_owned(), id: PRIMARY.to_owned() });
        }),
        ("of a cluster", |w| {
            w.instance_mut(REPLICA).unwrap().source = Some(Source::Cluster(PRIMARY.to_owned()));
        }),
        ("unknown", |w| {
            w.faults.standing(On::operation("DescribeDBInstances").target(REPLICA), Fault::Denied);
        }),
    ];
    for (name, break_it) in breaks {
        let mut w = world_with("failed");
        break_it(&mut w);
        let rig = Rig::new(w, &[PROMOTE]);
        let report = tick_stays(&rig, "replica-not-fit").await;
        assert!(report.message.contains("replica"), "{name}: {}", report.message);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_replica_configured_traffic_is_moved_and_nothing_else_is_read() {
    let rig = Rig::new(world_with("failed"), &[("FAILOVER_DB_INSTANCE_IDENTIFIER", "")]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(report.replica.is_none());
    assert!(rig.emulator.world().calls().iter().all(|call| call.target.as_deref() != Some(REPLICA)));
    tick_stays(&rig, "promotion-off").await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_primary_in_another_region_is_asked_there_and_its_replica_at_home() {
    let mut w = world();
    w.console_delete(REPLICA);
    w.console_delete(PRIMARY);
    let primary = Instance::new("eu-west-1", PRIMARY);
    let arn = primary.arn();
    w.add(Instance::replica_of(&primary, REGION, REPLICA));
    // A namesake at home is not the primary.
    w.add(Instance::new(REGION, PRIMARY));
    w.add(primary);
    w.set_status(&arn, "storage-full");
    // Identifiers are case-insensitive.
    let configured = arn.replace(PRIMARY, "Orders-PRIMARY");
    let rig = Rig::new(w, &[("PRIMARY_DB_INSTANCE_IDENTIFIER", configured.as_str())]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    {
        let world = rig.emulator.world();
        for call in world.calls().iter().filter(|call| call.operation == "DescribeDBInstances") {
            let expected = if call.target.as_deref() == Some(REPLICA) { REGION } else { "eu-west-1" };
            assert_eq!(call.region, expected, "{call}");
        }
    }
    rig.emulator.world().set_status(&arn, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
}

#[tokio::test(start_paused = true)]
async fn upper_case_identifiers_are_the_same_instances() {
    let rig = Rig::new(
        world_with("storage-full"),
        &[
            ("PRIMARY_DB_INSTANCE_IDENTIFIER", "ORDERS-Primary"),
            ("FAILOVER_DB_INSTANCE_IDENTIFIER", "Orders-REPLICA"),
        ],
    );
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
}

#[tokio::test(start_paused = true)]
async fn a_switch_without_anything_to_probe_works_the_same() {
    let mut w = world_with("storage-full");
    w.add_health_check(HealthCheck::switch("switch-1"));
    let rig = Rig::new(w, &[("ROUTE53_HEALTH_CHECK_ID", "switch-1")]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(!rig.emulator.world().is_healthy("switch-1"));
}
