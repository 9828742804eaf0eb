#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! RDS as the real client sees it.

mod common;

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::operation::create_db_instance_read_replica::builders::CreateDBInstanceReadReplicaFluentBuilder;
use aws_sdk_rds::types::DbInstance;
use common::{Clients, emulator, inprocess, inprocess_in, world};
use emulator::{Actor, Change, Instance, RdsEvent};
use std::time::Duration;

async fn describe(clients: &Clients, id: &str) -> Result<DbInstance, String> {
    let answer = clients.rds.describe_db_instances().db_instance_identifier(id);
    match answer.send().await {
        Ok(found) => Ok(found.db_instances().first().unwrap().clone()),
        Err(error) => Err(error.code().unwrap_or("none").to_owned()),
    }
}

async fn status(clients: &Clients, id: &str) -> String {
    let found = describe(clients, id).await.unwrap();
    found.db_instance_status().unwrap().to_owned()
}

#[tokio::test]
async fn a_replica_names_its_source_by_identifier_or_across_regions_by_arn() {
    let mut world = world();
    let primary = world.instance("orders-primary").unwrap().clone();
    world.add(Instance::replica_of(&primary, "eu-west-1", "orders-far"));
    let (emulator, _) = emulator(world);
    let near = describe(&inprocess(&emulator), "orders-replica").await.unwrap();
    assert_eq!(near.read_replica_source_db_instance_identifier(), Some("orders-primary"));
    assert_eq!(near.status_infos()[0].status(), Some("replicating"));
    assert_eq!(near.status_infos()[0].normal(), Some(true));
    let far = inprocess_in(&emulator, "eu-west-1");
    let far = describe(&far, "orders-far").await.unwrap();
    assert_eq!(far.read_replica_source_db_instance_identifier(), Some(primary.arn().as_str()));
    let source = describe(&inprocess(&emulator), &primary.arn()).await.unwrap();
    assert_eq!(
        source.read_replica_db_instance_identifiers(),
        ["orders-replica", "arn:aws:rds:eu-west-1:123456789012:db:orders-far"]
    );
    assert_eq!(source.endpoint().unwrap().port(), Some(5432));
}

#[tokio::test]
async fn an_instance_is_found_in_its_own_region_only() {
    let (emulator, _) = emulator(world());
    let elsewhere = inprocess_in(&emulator, "eu-west-1");
    let missing = describe(&elsewhere, "orders-primary").await;
    assert_eq!(missing.unwrap_err(), "DBInstanceNotFound");
    let all = elsewhere.rds.describe_db_instances().send().await.unwrap();
    assert!(all.db_instances().is_empty());
    let all = inprocess(&emulator).rds.describe_db_instances().send().await;
    assert_eq!(all.unwrap().db_instances().len(), 2);
}

#[tokio::test]
async fn a_promotion_shows_modifying_with_the_source_still_there_and_only_then_ends() {
    let (emulator, clock) = emulator(world());
    let clients = inprocess(&emulator);
    let promote = || clients.rds.promote_read_replica().db_instance_identifier("orders-replica");
    let answer = promote().send().await.unwrap();
    assert_eq!(answer.db_instance().unwrap().db_instance_status(), Some("available"));
    let again = promote().send().await.unwrap_err();
    assert_eq!(again.code(), Some("InvalidDBInstanceState"));
    clock.pass(19);
    assert_eq!(status(&clients, "orders-replica").await, "available");
    clock.pass(1);
    let during = describe(&clients, "orders-replica").await.unwrap();
    assert_eq!(during.db_instance_status(), Some("modifying"));
    assert!(during.read_replica_source_db_instance_identifier().is_some());
    clock.pass(240);
    let after = describe(&clients, "orders-replica").await.unwrap();
    assert_eq!(after.db_instance_status(), Some("available"));
    assert!(after.read_replica_source_db_instance_identifier().is_none());
    assert!(after.status_infos().is_empty());
    let late = promote().send().await.unwrap_err();
    assert_eq!(late.code(), Some("InvalidDBInstanceState"));
    let world = emulator.world();
    let accepted = |event: &&emulator::Event| matches!(event.change, Change::PromotionAccepted { .. });
    assert_eq!(world.history().iter().filter(accepted).count(), 1);
    assert_eq!(world.count("PromoteReadReplica"), 3);
    assert_eq!(world.writes().count(), 3);
}

#[tokio::test]
async fn only_an_available_replica_can_be_promoted() {
    let mut world = world();
    world.set_status("orders-replica", "backing-up");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    for (id, code) in [
        ("orders-replica", "InvalidDBInstanceState"),
        ("orders-primary", "InvalidDBInstanceState"),
        ("orders-nobody", "DBInstanceNotFound"),
        ("-orders", "InvalidParameterValue"),
    ] {
        let refused = clients.rds.promote_read_replica().db_instance_identifier(id);
        let refused = refused.send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{id}");
    }
    assert!(emulator.world().calls().iter().all(|call| call.changes.is_empty()));
}

#[tokio::test]
async fn a_promotion_that_takes_no_effect_leaves_an_available_replica() {
    let mut world = world();
    world.promotion.takes_effect = false;
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    let promote = || clients.rds.promote_read_replica().db_instance_identifier("orders-replica");
    promote().send().await.unwrap();
    clock.pass(3600);
    let after = describe(&clients, "orders-replica").await.unwrap();
    assert_eq!(after.db_instance_status(), Some("available"));
    assert!(after.read_replica_source_db_instance_identifier().is_some());
    promote().send().await.unwrap();
}

#[tokio::test]
async fn a_promotion_can_be_ended_before_its_time() {
    let (emulator, clock) = emulator(world());
    let clients = inprocess(&emulator);
    emulator.world().finish_promotion("orders-replica");
    assert!(emulator.world().history().is_empty(), "none is running");
    clients.rds.promote_read_replica().db_instance_identifier("orders-replica").send().await.unwrap();
    emulator.world().finish_promotion("orders-replica");
    clock.pass(3600);
    let after = describe(&clients, "orders-replica").await.unwrap();
    assert_eq!(after.db_instance_status(), Some("available"));
    assert!(after.read_replica_source_db_instance_identifier().is_none());
    let world = emulator.world();
    let promoted = |event: &&emulator::Event| matches!(event.change, Change::Promoted { .. });
    assert_eq!(world.history().iter().filter(promoted).count(), 1);
}

#[tokio::test]
async fn deleting_a_source_promotes_its_replicas_but_not_a_postgresql_one_elsewhere() {
    let mut world = world();
    let primary = world.instance("orders-primary").unwrap().clone();
    world.add(Instance::replica_of(&primary, "eu-west-1", "orders-far"));
    world.console_delete("orders-primary");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let gone = describe(&clients, "orders-primary").await;
    assert_eq!(gone.unwrap_err(), "DBInstanceNotFound");
    let near = describe(&clients, "orders-replica").await.unwrap();
    assert!(near.read_replica_source_db_instance_identifier().is_none());
    let far = describe(&inprocess_in(&emulator, "eu-west-1"), "orders-far").await.unwrap();
    assert!(far.read_replica_source_db_instance_identifier().is_some());
    assert_eq!(far.status_infos()[0].status(), Some("terminated"));
    let world = emulator.world();
    let promoted = world
        .history()
        .iter()
        .filter(|event| event.by == Actor::Aws && matches!(event.change, Change::Promoted { .. }));
    assert_eq!(promoted.count(), 1);
}

#[tokio::test]
async fn an_instance_with_a_replica_cannot_be_stopped_and_one_without_stops() {
    let mut world = world();
    world.add(Instance::new("us-east-1", "alone"));
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    for id in ["orders-primary", "orders-replica"] {
        let refused = clients.rds.stop_db_instance().db_instance_identifier(id);
        let refused = refused.send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidDBInstanceState"));
    }
    clients.rds.stop_db_instance().db_instance_identifier("alone").send().await.unwrap();
    assert_eq!(status(&clients, "alone").await, "stopping");
    clock.pass(60);
    assert_eq!(status(&clients, "alone").await, "stopped");
}

#[tokio::test]
async fn after_a_rename_the_old_identifier_is_not_found_and_the_replica_follows_the_new_one() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    emulator.world().console_rename("orders-primary", "orders-old");
    let gone = describe(&clients, "orders-primary").await;
    assert_eq!(gone.unwrap_err(), "DBInstanceNotFound");
    assert_eq!(status(&clients, "orders-old").await, "available");
    let replica = describe(&clients, "orders-replica").await.unwrap();
    assert_eq!(replica.read_replica_source_db_instance_identifier(), Some("orders-old"));
}

fn create_second(clients: &Clients) -> CreateDBInstanceReadReplicaFluentBuilder {
    let create = clients.rds.create_db_instance_read_replica();
    create.db_instance_identifier("orders-second").source_db_instance_identifier("orders-primary")
}

#[tokio::test]
async fn a_new_replica_of_a_promoted_instance_replicates_from_it() {
    let (emulator, clock) = emulator(world());
    let clients = inprocess(&emulator);
    let create = || create_second(&clients);
    create().send().await.unwrap();
    let refused = create().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("DBInstanceAlreadyExists"));
    assert!(describe(&clients, "orders-second").await.unwrap().endpoint().is_none());
    clock.pass(60);
    let second = describe(&clients, "orders-second").await.unwrap();
    assert_eq!(second.db_instance_status(), Some("available"));
    assert_eq!(second.read_replica_source_db_instance_identifier(), Some("orders-primary"));
    assert_eq!(second.backup_retention_period(), Some(0), "backups are set afterwards");
}

#[tokio::test]
async fn a_replica_takes_class_subnet_group_security_groups_and_storage_and_a_parameter_group_afterwards() {
    let (emulator, clock) = emulator(world());
    let clients = inprocess(&emulator);
    let create = || {
        create_second(&clients)
            .db_instance_class("db.r7g.large")
            .db_subnet_group_name("orders-net")
            .vpc_security_group_ids("sg-1")
            .vpc_security_group_ids("sg-2")
    };
    let refused = create().storage_type("io2").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterCombination"), "without Iops");
    create().storage_type("io2").iops(3000).send().await.unwrap();
    clock.pass(60);
    clients
        .rds
        .modify_db_instance()
        .db_instance_identifier("orders-second")
        .db_parameter_group_name("orders-pg17")
        .backup_retention_period(7)
        .apply_immediately(true)
        .send()
        .await
        .unwrap();
    clock.pass(60);
    let second = describe(&clients, "orders-second").await.unwrap();
    assert_eq!(second.db_instance_class(), Some("db.r7g.large"));
    assert_eq!(second.db_subnet_group().unwrap().db_subnet_group_name(), Some("orders-net"));
    let groups = second.vpc_security_groups().iter().map(|group| group.vpc_security_group_id().unwrap());
    assert_eq!(groups.collect::<Vec<_>>(), ["sg-1", "sg-2"]);
    assert_eq!(second.storage_type(), Some("io2"));
    assert_eq!(second.db_parameter_groups()[0].db_parameter_group_name(), Some("orders-pg17"));
    assert_eq!(second.backup_retention_period(), Some(7));
}

#[tokio::test]
async fn scripted_statuses_come_in_their_time() {
    let mut world = world();
    world.after(Duration::from_secs(30), |world| world.set_status("orders-primary", "storage-full"));
    world.after(Duration::from_secs(90), |world| world.set_status("orders-primary", "available"));
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    assert_eq!(status(&clients, "orders-primary").await, "available");
    clock.pass(30);
    assert_eq!(status(&clients, "orders-primary").await, "storage-full");
    clock.pass(60);
    assert_eq!(status(&clients, "orders-primary").await, "available");
}

#[tokio::test]
async fn what_the_emulator_does_not_implement_it_says_loudly() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let refused = clients.rds.describe_db_clusters().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("NotEmulated"));
    assert!(refused.message().unwrap().contains("rds:DescribeDBClusters"));
}

#[tokio::test]
async fn a_deletion_leaves_an_event_for_14_days_and_a_rename_leaves_none() {
    let mut world = world();
    world.push_event(RdsEvent::new("orders-replica", "RDS-EVENT-0045"));
    world.console_rename("orders-replica", "orders-new");
    world.console_delete("orders-primary");
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    let events = async |id: &str, category: Option<&str>| {
        let call = clients.rds.describe_events().source_identifier(id).duration(20_160);
        let call = call.set_event_categories(category.map(|c| vec![c.to_owned()]));
        let call = call.source_type(aws_sdk_rds::types::SourceType::DbInstance);
        let found = call.send().await.unwrap();
        found.events().iter().map(|e| e.message().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(events("orders-primary", Some("deletion")).await, ["DB instance deleted"]);
    assert!(events("orders-replica", Some("deletion")).await.is_empty());
    assert!(events("orders-new", None).await.is_empty());
    assert_eq!(events("orders-replica", None).await, ["Replication has stopped"], "of the old name");
    clock.pass(14 * 86_400);
    assert_eq!(events("orders-primary", Some("deletion")).await.len(), 1);
    clock.pass(1);
    assert!(events("orders-primary", Some("deletion")).await.is_empty());
    for minutes in [0, 20_161] {
        let refused = clients.rds.describe_events().duration(minutes).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameterValue"));
    }
}

#[tokio::test]
async fn a_restored_instance_is_another_one_under_its_name() {
    let mut world = world();
    let primary = world.instance("orders-primary").unwrap().clone();
    world.add(Instance::replica_of(&primary, "eu-west-1", "orders-far"));
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    let before = describe(&clients, "orders-primary").await.unwrap();
    emulator.world().console_delete("orders-primary");
    clock.pass(900);
    emulator.world().console_restore(primary.clone());
    let after = describe(&clients, "orders-primary").await.unwrap();
    assert_eq!(after.db_instance_status(), Some("available"));
    assert!(after.instance_create_time().unwrap().secs() > before.instance_create_time().unwrap().secs());
    assert_eq!(after.instance_create_time().unwrap().secs(), common::start().as_second() + 900);
    assert_ne!(after.dbi_resource_id(), before.dbi_resource_id());
    assert!(after.read_replica_db_instance_identifiers().is_empty());
    let far = describe(&inprocess_in(&emulator, "eu-west-1"), "orders-far").await.unwrap();
    assert_eq!(far.read_replica_source_db_instance_identifier(), Some(primary.arn().as_str()));
    assert_eq!(far.status_infos()[0].status(), Some("terminated"));
}

#[tokio::test]
async fn a_stop_needs_an_available_instance() {
    let mut world = world();
    world.add(Instance::new("us-east-1", "alone"));
    world.set_status("alone", "backing-up");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let stop = || clients.rds.stop_db_instance().db_instance_identifier("alone").send();
    assert_eq!(stop().await.unwrap_err().code(), Some("InvalidDBInstanceState"));
    emulator.world().set_status("alone", "available");
    stop().await.unwrap();
    assert_eq!(stop().await.unwrap_err().code(), Some("InvalidDBInstanceState"), "it is stopping");
}

#[tokio::test]
async fn replication_that_ended_is_described_and_is_not_normal() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    for status in ["error", "stopped", "terminated"] {
        emulator.world().set_replication("orders-replica", status);
        let replica = describe(&clients, "orders-replica").await.unwrap();
        assert_eq!(replica.status_infos()[0].status(), Some(status));
        assert_eq!(replica.status_infos()[0].normal(), Some(false));
        assert_eq!(replica.read_replica_source_db_instance_identifier(), Some("orders-primary"));
    }
    emulator.world().instance_mut("orders-replica").unwrap().source = None;
    let alone = describe(&clients, "orders-replica").await.unwrap();
    assert!(alone.read_replica_source_db_instance_identifier().is_none());
}
