#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! Promotions and stops that an agent performs.

mod common;

use aws_sdk_rds::error::ProvideErrorMetadata;
use common::{Clients, emulator, inprocess, world};
use emulator::{Change, Emulator, Instance, Task, Work};

fn with_agent() -> (Emulator, common::Clock) {
    let mut world = world();
    world.performed_by_agent = true;
    world.add(Instance::new("us-east-1", "alone"));
    emulator(world)
}

async fn status(clients: &Clients, id: &str) -> String {
    let answer = clients.rds.describe_db_instances().db_instance_identifier(id).send().await.unwrap();
    answer.db_instances()[0].db_instance_status().unwrap().to_owned()
}

fn work(id: &str, task: Task) -> Option<Work> {
    Some(Work { instance: format!("arn:aws:rds:us-east-1:123456789012:db:{id}"), task })
}

#[tokio::test]
async fn a_promotion_waits_for_its_agent_and_a_second_one_is_refused_meanwhile() {
    let (emulator, clock) = with_agent();
    let clients = inprocess(&emulator);
    let promote = || clients.rds.promote_read_replica().db_instance_identifier("orders-replica").send();
    promote().await.unwrap();
    clock.pass(36_000);
    assert_eq!(status(&clients, "orders-replica").await, "available");
    assert_eq!(promote().await.unwrap_err().code(), Some("InvalidDBInstanceState"));
    let taken = emulator.world().take_work();
    assert_eq!(taken, work("orders-replica", Task::Promote));
    assert_eq!(emulator.world().take_work(), None);
    let id = taken.unwrap().instance;
    emulator.world().set_status(&id, "modifying");
    assert!(emulator.world().instance(&id).unwrap().source.is_some());
    emulator.world().finish_promotion(&id);
    assert_eq!(status(&clients, "orders-replica").await, "available");
    assert!(emulator.world().instance(&id).unwrap().source.is_none());
    emulator.world().finish_promotion(&id);
    let world = emulator.world();
    let promoted = |event: &&emulator::Event| matches!(event.change, Change::Promoted { .. });
    assert_eq!(world.history().iter().filter(promoted).count(), 1);
}

#[tokio::test]
async fn a_stop_and_a_start_show_what_the_agent_has_done() {
    let (emulator, clock) = with_agent();
    let clients = inprocess(&emulator);
    clients.rds.stop_db_instance().db_instance_identifier("alone").send().await.unwrap();
    clock.pass(3600);
    assert_eq!(status(&clients, "alone").await, "stopping");
    assert_eq!(emulator.world().take_work(), work("alone", Task::Stop));
    emulator.world().set_status("alone", "stopped");
    clients.rds.start_db_instance().db_instance_identifier("alone").send().await.unwrap();
    assert_eq!(status(&clients, "alone").await, "starting");
    assert_eq!(emulator.world().take_work(), work("alone", Task::Start));
    clients.rds.stop_db_instance().db_instance_identifier("orders-primary").send().await.unwrap_err();
    assert_eq!(emulator.world().take_work(), None, "what was refused is nobody's work");
}
