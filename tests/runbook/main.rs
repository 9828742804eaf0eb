//! The runbook played step by step, and held to the code: its commands parse, its codes exist and all are there.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use aws_sdk_route53::types::{
    Change as SdkChange, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet,
    ResourceRecordSetFailover, RrType,
};
use proof::rig::{self, CHECK, PRIMARY, RECORD, REPLICA, Rig, ZONE, world};
use rds_route53_failover::model::Change;
use rds_route53_failover::report::Report;
use serde_json::json;

mod text;

const ZONED: &[(&str, &str)] =
    &[("HOSTED_ZONE_ID", ZONE), ("RECORD_NAME", RECORD), ("PROMOTE_REPLICA", "true")];
const SECOND: &str = "orders-replica-2";
const SWAPPED: &[(&str, &str)] =
    &[("PRIMARY_DB_INSTANCE_IDENTIFIER", REPLICA), ("FAILOVER_DB_INSTANCE_IDENTIFIER", SECOND)];

/// What the runbook's `aws` commands reach: the same world, past the function.
fn console(rig: &Rig) -> aws_config::SdkConfig {
    rig::sdk(rig.emulator.http_client())
}

fn address(rig: &Rig, id: &str) -> String {
    rig.emulator.world().instance(id).unwrap().address.clone()
}

async fn point(rig: &Rig, failover: ResourceRecordSetFailover, instance: &str) {
    let primary = failover == ResourceRecordSetFailover::Primary;
    let record = ResourceRecordSet::builder()
        .name(RECORD)
        .r#type(RrType::Cname)
        .set_identifier(if primary { "primary" } else { "secondary" })
        .failover(failover)
        .ttl(60)
        .set_health_check_id(primary.then(|| CHECK.to_owned()))
        .resource_records(ResourceRecord::builder().value(address(rig, instance)).build().unwrap())
        .build()
        .unwrap();
    let change =
        SdkChange::builder().action(ChangeAction::Upsert).resource_record_set(record).build().unwrap();
    aws_sdk_route53::Client::new(&console(rig))
        .change_resource_record_sets()
        .hosted_zone_id(ZONE)
        .change_batch(ChangeBatch::builder().changes(change).build().unwrap())
        .send()
        .await
        .unwrap();
}

async fn rebuild(rig: &Rig) {
    aws_sdk_rds::Client::new(&console(rig))
        .create_db_instance_read_replica()
        .db_instance_identifier(SECOND)
        .source_db_instance_identifier(REPLICA)
        .send()
        .await
        .unwrap();
    rig.wait(Duration::from_secs(3600)).await;
    let mut world = rig.emulator.world();
    let second = world.instance_mut(SECOND).unwrap();
    assert_eq!(second.status, "available");
    second.backup_retention = 1;
    world.set_replica_lag(SECOND, Some(0.5));
}

/// Where clients are sent now.
fn traffic(rig: &Rig) -> String {
    let mut world = rig.emulator.world();
    let now = world.now();
    let answer = world.dns_answer(RECORD, now).unwrap();
    answer.value.split('.').next().unwrap().to_owned()
}

async fn tick(rig: &Rig) -> Report {
    rig.tick().await.unwrap()
}

async fn order(rig: &Rig, action: serde_json::Value) -> Report {
    rig.invoke(action).await.unwrap()
}

/// An outage that ended in a promotion, and an old primary that came back.
async fn after_a_promotion() -> Rig {
    let mut world = world();
    world.set_status(PRIMARY, "failed");
    let rig = Rig::new(world, ZONED);
    let report = tick(&rig).await;
    assert_eq!(report.actions, [Change::RouteToSecondary, Change::PromoteReplica], "{}", report.message);
    rig.wait(Duration::from_secs(900)).await;
    rig.emulator.world().set_status(PRIMARY, "available");
    rig
}

/// Steps 3 to 5 of "The replica was promoted".
async fn swapped() -> Rig {
    let rig = after_a_promotion().await;
    rebuild(&rig).await;
    point(&rig, ResourceRecordSetFailover::Primary, REPLICA).await;
    rig.redeployed(SWAPPED)
}

async fn guarded() -> Rig {
    let rig = swapped().await;
    let report = order(&rig, json!({"action": "failback", "reason": "swapped"})).await;
    assert_eq!(report.actions, [Change::RouteToPrimary], "{}", report.message);
    point(&rig, ResourceRecordSetFailover::Secondary, SECOND).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn step_1_the_status_shows_the_promotion_and_the_old_primary_gets_no_traffic() {
    let rig = after_a_promotion().await;
    let report = order(&rig, json!({"action": "status"})).await;
    assert_eq!((report.reason, report.replica.unwrap().role), ("old-primary-available", "promoted"));
    for _ in 0..30 {
        assert_eq!(tick(&rig).await.actions, []);
        assert_eq!(traffic(&rig), REPLICA);
        rig.wait(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn clients_stay_on_the_promoted_instance_through_every_step() {
    let rig = after_a_promotion().await;
    rebuild(&rig).await;
    assert_eq!(traffic(&rig), REPLICA);
    point(&rig, ResourceRecordSetFailover::Primary, REPLICA).await;
    assert_eq!((traffic(&rig), tick(&rig).await.reason), (REPLICA.to_owned(), "old-primary-available"));
    let rig = rig.redeployed(SWAPPED);
    // The function waits for the operator however long it takes.
    for _ in 0..30 {
        assert_eq!(tick(&rig).await.actions, []);
        rig.wait(Duration::from_secs(60)).await;
    }
    assert_eq!(tick(&rig).await.reason, "replica-promoted");
    let report = order(&rig, json!({"action": "failback", "reason": "swapped"})).await;
    assert_eq!((report.reason, traffic(&rig).as_str()), ("failback-ordered", REPLICA), "{}", report.message);
    point(&rig, ResourceRecordSetFailover::Secondary, SECOND).await;
    assert_eq!((traffic(&rig), tick(&rig).await.reason), (REPLICA.to_owned(), "primary-healthy"));
}

#[tokio::test(start_paused = true)]
async fn step_8_check_is_ready_after_the_last_step_and_not_before() {
    let rig = swapped().await;
    assert_eq!(order(&rig, json!({"action": "check"})).await.ready, Some(false));
    let rig = guarded().await;
    // Within the cooldown no tick fails over.
    assert_eq!(order(&rig, json!({"action": "check"})).await.ready, Some(false));
    rig.wait(Duration::from_secs(601)).await;
    let report = order(&rig, json!({"action": "check"})).await;
    assert_eq!(report.ready, Some(true), "{:#?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn a_later_outage_of_the_new_primary_fails_over_to_the_new_replica() {
    let rig = guarded().await;
    rig.wait(Duration::from_secs(601)).await;
    rig.emulator.world().set_status(REPLICA, "failed");
    let report = tick(&rig).await;
    assert_eq!(report.actions, [Change::RouteToSecondary, Change::PromoteReplica], "{}", report.message);
    assert_eq!(traffic(&rig), SECOND);
    assert!(
        rig.emulator.world().instance(PRIMARY).is_some(),
        "the retired instance is there and plays no part"
    );
}

#[tokio::test(start_paused = true)]
async fn the_retired_primary_is_never_taken_for_the_primary_that_came_back() {
    let rig = guarded().await;
    for status in ["stopped", "available", "failed", "available"] {
        rig.emulator.world().set_status(PRIMARY, status);
        let report = tick(&rig).await;
        assert_eq!((report.reason, report.actions.len()), ("primary-healthy", 0), "{status}");
        assert_eq!(traffic(&rig), REPLICA);
        rig.wait(Duration::from_secs(300)).await;
    }
    rig.emulator.world().console_delete(PRIMARY);
    assert_eq!(tick(&rig).await.reason, "primary-healthy");
}

#[tokio::test(start_paused = true)]
async fn a_failback_before_the_swap_or_before_the_record_is_refused() {
    let rig = after_a_promotion().await;
    let failback = json!({"action": "failback", "reason": "too early"});
    let report = order(&rig, failback.clone()).await;
    assert_eq!((report.reason, report.actions.len()), ("replica-not-following", 0));
    rebuild(&rig).await;
    // Step 5 without step 4: traffic would go to the old primary.
    let rig = rig.redeployed(SWAPPED);
    let report = order(&rig, failback).await;
    assert_eq!((report.reason, report.actions.len()), ("record-not-on-primary", 0));
    assert_eq!(traffic(&rig), REPLICA);
}

#[tokio::test(start_paused = true)]
async fn a_planned_failover_is_returned_by_order_only() {
    let rig = Rig::new(world(), ZONED);
    let report = order(&rig, json!({"action": "failover", "reason": "drill", "force": true})).await;
    assert_eq!(report.actions, [Change::RouteToSecondary]);
    rig.wait(Duration::from_secs(600)).await;
    let report = tick(&rig).await;
    assert_eq!((report.reason, traffic(&rig).as_str()), ("forced-by-operator", REPLICA));
    order(&rig, json!({"action": "failback", "reason": "drill over"})).await;
    assert_eq!((tick(&rig).await.reason, traffic(&rig).as_str()), ("primary-healthy", PRIMARY));
    assert_eq!(rig.emulator.world().count("PromoteReadReplica"), 0);
}

#[tokio::test(start_paused = true)]
async fn maintenance_behind_a_pause_moves_nothing_and_a_forgotten_pause_ends() {
    let rig = Rig::new(world(), ZONED);
    order(&rig, json!({"action": "pause", "reason": "upgrade", "for": "4h"})).await;
    rig.emulator.world().set_status(PRIMARY, "stopped");
    assert_eq!(tick(&rig).await.reason, "paused");
    order(&rig, json!({"action": "resume"})).await;
    rig.emulator.world().set_status(PRIMARY, "available");
    assert_eq!(tick(&rig).await.reason, "primary-healthy");
    order(&rig, json!({"action": "pause", "reason": "upgrade", "for": "4h"})).await;
    rig.wait(Duration::from_secs(4 * 3600)).await;
    rig.emulator.world().set_status(PRIMARY, "storage-full");
    assert_eq!(tick(&rig).await.actions, [Change::RouteToSecondary]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_primary_in_service_is_told_and_mended_by_the_documented_order() {
    let rig = after_a_promotion().await;
    rig.emulator.world().console_set_flags(CHECK, false, false);
    assert_eq!((tick(&rig).await.reason, traffic(&rig).as_str()), ("stale-primary", PRIMARY));
    let report =
        order(&rig, json!({"action": "failover", "reason": "promoted is right", "force": true})).await;
    assert_eq!((report.actions, traffic(&rig).as_str()), (vec![Change::RouteToSecondary], REPLICA));
}

#[tokio::test(start_paused = true)]
async fn flags_set_elsewhere_are_taken_back_by_force_only() {
    let rig = Rig::new(world(), ZONED);
    rig.emulator.world().console_set_flags(CHECK, true, true);
    let report = order(&rig, json!({"action": "failback", "reason": "not needed"})).await;
    assert_eq!((report.reason, report.actions.len()), ("forced-elsewhere", 0));
    let report = order(&rig, json!({"action": "failback", "reason": "not needed", "force": true})).await;
    assert_eq!(report.actions, [Change::RouteToPrimary]);
}

#[tokio::test(start_paused = true)]
async fn one_flag_set_alone_is_reported_and_left() {
    let rig = Rig::new(world(), ZONED);
    rig.emulator.world().console_set_flags(CHECK, true, false);
    let before = rig.emulator.world().writes().count();
    for action in [
        json!({"action": "tick"}),
        json!({"action": "failover", "reason": "x", "force": true}),
        json!({"action": "failback", "reason": "x", "force": true}),
    ] {
        assert_eq!(order(&rig, action).await.reason, "foreign-check");
    }
    assert_eq!(rig.emulator.world().writes().count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_replica_is_promoted_by_the_documented_order_and_not_before() {
    let mut w = world();
    w.set_replica_lag(REPLICA, Some(90.0));
    w.advance(w.now() + jiff::SignedDuration::from_hours(1));
    w.set_status(PRIMARY, "failed");
    let rig = Rig::new(w, ZONED);
    assert_eq!(tick(&rig).await.actions, [Change::RouteToSecondary]);
    assert_eq!(tick(&rig).await.reason, "lag-too-high");
    assert_eq!(rig.emulator.world().count("PromoteReadReplica"), 0);
    let losing = json!({"action": "failover", "reason": "agreed", "promote": true, "allow_data_loss": true});
    assert_eq!(order(&rig, losing).await.actions, [Change::PromoteReplica]);
}

#[tokio::test(start_paused = true)]
async fn with_the_control_plane_down_nothing_is_promoted_and_the_error_says_so() {
    let mut w = world();
    w.set_status(PRIMARY, "failed");
    w.faults.standing(emulator::On::service(emulator::Service::Route53), emulator::Fault::Server(503));
    let rig = Rig::new(w, ZONED);
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "ControlPlaneDown");
    assert_eq!(rig.emulator.world().writes().count(), 0);
}
