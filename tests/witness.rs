//! Missing needs a witness, a replica that does not replicate says so, and a primary made anew is not the old one.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::mail::{subjects, topic};
use common::*;
use emulator::{Fault, Instance, RdsEvent, Source, StatusInfo};
use jiff::SignedDuration;
use proof::rig::{PRIMARY, REGION, REPLICA, Rig, world, world_of};
use rds_route53_failover::model::Change::RouteToSecondary;

const ALONE: (&str, &str) = ("FAILOVER_DB_INSTANCE_IDENTIFIER", "");

#[tokio::test(start_paused = true)]
async fn a_mistyped_identifier_moves_no_traffic_and_is_told() {
    let topic = topic();
    let mistyped = ("PRIMARY_DB_INSTANCE_IDENTIFIER", "orders-primry");
    for replica in ["", REPLICA] {
        let rig = Rig::new(
            world(),
            &[mistyped, ("FAILOVER_DB_INSTANCE_IDENTIFIER", replica), ("NOTIFICATION_TOPIC_ARN", &topic)],
        );
        let report = rig.tick().await.unwrap();
        assert_eq!((report.reason, report.primary.health), ("primary-not-found", "hold"));
        assert!(report.message.contains("check the identifier"), "{}", report.message);
        assert_eq!(subjects(&rig), ["no change was made (primary-not-found)"]);
        assert_eq!(count(&rig, "UpdateHealthCheck") + count(&rig, "ChangeTagsForResource"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rename_moves_no_traffic() {
    for variables in [&[ALONE][..], &[]] {
        let mut w = world();
        w.console_rename(PRIMARY, "orders-renamed");
        let rig = Rig::new(w, variables);
        for _ in 0..3 {
            tick_stays(&rig, "primary-not-found").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_rds_remembers_is_a_witness_and_asked_for_only_then() {
    let mut w = world();
    w.console_delete(PRIMARY);
    w.push_event(RdsEvent::new(PRIMARY, "RDS-EVENT-0003"));
    let rig = Rig::new(w, &[ALONE]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(report.primary.status.as_deref(), Some("missing"));
    let rig = Rig::new(world(), &[ALONE]);
    tick_stays(&rig, "primary-healthy").await;
    assert_eq!(count(&rig, "DescribeEvents"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_long_ago_or_of_another_category_is_no_witness() {
    let old = world().now() - SignedDuration::from_hours(15 * 24);
    for event in [
        RdsEvent { time: old, ..RdsEvent::new(PRIMARY, "RDS-EVENT-0003") },
        RdsEvent::new(PRIMARY, "RDS-EVENT-0006"),
        RdsEvent::new("orders-other", "RDS-EVENT-0003"),
    ] {
        let mut w = world();
        // The identifier was never that of an instance.
        w.console_rename(PRIMARY, "orders-elsewhere");
        w.push_event(event.clone());
        let rig = Rig::new(w, &[ALONE]);
        tick_stays(&rig, "primary-not-found").await;
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_can_not_be_read_are_no_witness_and_are_named() {
    let mut w = world();
    w.console_delete(PRIMARY);
    w.faults.standing("DescribeEvents", Fault::Denied);
    let report = tick_stays(&Rig::new(w, &[ALONE]), "primary-not-found").await;
    assert!(report.message.contains("deletion events could not be read (denied"), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn the_replica_that_names_its_source_is_a_witness() {
    let mut w = world();
    w.console_delete(PRIMARY);
    w.instance_mut(REPLICA).unwrap().source =
        Some(Source::Instance { region: proof::rig::REGION.to_owned(), id: PRIMARY.to_owned() });
    let rig = Rig::new(w, &[]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert_eq!(count(&rig, "DescribeEvents"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_no_longer_replicates_takes_traffic_and_every_message_says_so() {
    let topic = topic();
    for replication in ["terminated", "stopped"] {
        let mut w = world_with("failed");
        w.set_replication(REPLICA, replication);
        let rig = Rig::new(w, &[("NOTIFICATION_TOPIC_ARN", &topic)]);
        let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        let said = format!(
            "its replication is broken ({replication}): the replica lacks what was written since then"
        );
        assert!(report.message.contains(&said), "{}", report.message);
        let mail = common::mail::told(&rig).remove(0).mail;
        assert!(mail.contains(&said), "{mail}");
    }
}

/// RDS gives no time of it, only such words.
#[tokio::test(start_paused = true)]
async fn what_rds_says_of_a_broken_replication_is_passed_on() {
    let topic = topic();
    let mut w = world_with("failed");
    let words = "Replication stopped on 2026-01-31: the source has purged its logs.";
    let broken = StatusInfo { message: Some(words.to_owned()), ..StatusInfo::replication("terminated") };
    w.instance_mut(REPLICA).unwrap().status_infos = vec![broken];
    let rig = Rig::new(w, &[("NOTIFICATION_TOPIC_ARN", &topic)]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(report.message.contains(words), "{}", report.message);
    let mail = common::mail::told(&rig).remove(0).mail;
    assert!(mail.contains(words), "{mail}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_no_longer_replicates_is_not_promoted_whatever_its_last_lag_was() {
    for replication in ["terminated", "stopped"] {
        let mut w = world_with("failed");
        w.set_replication(REPLICA, replication);
        let rig = Rig::new(w, &[PROMOTE]);
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        let report = tick_stays(&rig, "lag-unknown").await;
        assert_eq!(report.replica.unwrap().lag_seconds, None);
        assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replication_error_is_told_and_keeps_nothing() {
    let mut w = world_with("failed");
    w.set_replication(REPLICA, "error");
    let rig = Rig::new(w, &[]);
    let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    assert!(report.message.contains("its replication reports an error (error)"), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn traffic_does_not_return_to_a_primary_whose_replica_stopped_replicating() {
    for replication in ["terminated", "stopped"] {
        let rig = failed_over("storage-full", &[]).await;
        set_status(&rig, PRIMARY, "available");
        rig.emulator.world().set_replication(REPLICA, replication);
        tick_stays(&rig, "replica-not-following").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_made_anew_after_the_failover_does_not_get_traffic_back() {
    for variables in [&[ALONE][..], &[]] {
        let rig = failed_over("storage-full", variables).await;
        rig.wait(seconds(7200)).await;
        let now = rig.time.now();
        rig.emulator.world().instance_mut(PRIMARY).unwrap().created = now - SignedDuration::from_mins(15);
        set_status(&rig, PRIMARY, "available");
        let report = tick_stays(&rig, "primary-recreated").await;
        assert!(report.message.contains("snapshot"), "{}", report.message);
        assert_eq!(state(&rig), FORCED);
    }
}

/// Its replica in another region still names the old primary's ARN, which is the new one's, too.
#[tokio::test(start_paused = true)]
async fn a_primary_made_anew_under_a_terminated_replica_of_another_region_is_told() {
    let topic = topic();
    let primary = Instance { status: "storage-full".to_owned(), ..Instance::new(REGION, PRIMARY) };
    let replica = Instance::replica_of(&primary, "eu-west-1", REPLICA);
    let arn = replica.arn();
    let rig = Rig::new(
        world_of(primary, replica),
        &[("FAILOVER_DB_INSTANCE_IDENTIFIER", &arn), ("NOTIFICATION_TOPIC_ARN", &topic)],
    );
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    rig.wait(seconds(7200)).await;
    {
        let now = rig.time.now();
        let mut w = rig.emulator.world();
        w.instance_mut(PRIMARY).unwrap().created = now - SignedDuration::from_mins(15);
        w.set_replication(REPLICA, "terminated");
        w.set_status(PRIMARY, "available");
    }
    let report = rig.tick().await.unwrap();
    assert_eq!((report.reason, report.actions.as_slice()), ("replica-not-following", &[][..]));
    assert_eq!(
        subjects(&rig),
        ["route-to-secondary (primary-unhealthy)", "no change was made (replica-not-following)"]
    );
    assert_eq!(state(&rig), FORCED);
}

#[tokio::test(start_paused = true)]
async fn a_replica_on_its_own_is_told_without_any_tag() {
    let topic = topic();
    for status in ["available", "rebooting", "failed"] {
        let mut w = world_with(status);
        w.instance_mut(REPLICA).unwrap().source = None;
        let rig = Rig::new(w, &[PROMOTE, ("NOTIFICATION_TOPIC_ARN", &topic)]);
        assert_eq!(rig.tick().await.unwrap().reason, "stale-primary", "{status}");
        assert_eq!(subjects(&rig), ["no change was made (stale-primary)"]);
        assert_eq!(last_metric(&rig, "StalePrimary"), Some(1.0));
        assert_eq!(state(&rig), NORMAL);
    }
}
