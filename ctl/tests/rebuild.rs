//! `ctl rebuild` against the real function and the emulator's RDS, after a real promotion: what is run with consent,
//! once, and what is never run.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use emulator::{Fault, Instance, On, World};
use jiff::SignedDuration;
use proof::rig::{PRIMARY, REGION, REPLICA, Rig, world_of};
use rds_route53_failover::model::Change;

use common::Terminal;
use deployed::{Deployed, Run, deployed, of_rig};

mod common;
mod deployed;

const NEW: &str = "orders-replica-2";
const FAST: &[(&str, &str)] = &[("CONFIRMATION_INTERVAL", "1ms"), ("PROMOTE_REPLICA", "true")];

/// A pair whose primary has settings of its own.
fn pair(region: &str) -> World {
    let primary = Instance {
        class: "db.r7g.xlarge".to_owned(),
        parameter_group: "orders-pg17".to_owned(),
        subnet_group: "orders-net".to_owned(),
        security_groups: vec!["sg-1".to_owned(), "sg-2".to_owned()],
        storage_type: "gp2".to_owned(),
        backup_retention: 14,
        ..Instance::new(region, PRIMARY)
    };
    let replica = Instance::replica_of(&Instance::new(region, PRIMARY), REGION, REPLICA);
    let mut world = world_of(primary, replica);
    world.set_replica_lag(REPLICA, Some(0.5));
    world
}

fn pass(function: &Deployed) {
    let mut world = function.rig.emulator.world();
    let now = world.now();
    world.advance(now + SignedDuration::from_hours(1));
}

/// An outage that ended in a promotion.
async fn promoted(mut world: World, variables: &[(&str, &str)]) -> Arc<Deployed> {
    world.set_status(PRIMARY, "failed");
    let rig = Rig::new(world, &[FAST, variables].concat());
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [Change::RouteToSecondary, Change::PromoteReplica], "{}", report.message);
    let function = of_rig(rig);
    pass(&function);
    assert_eq!(function.rig.emulator.world().instance(REPLICA).unwrap().status, "available");
    function
}

fn writes(function: &Deployed) -> (usize, usize) {
    let world = function.rig.emulator.world();
    (world.count("CreateDBInstanceReadReplica"), world.count("ModifyDBInstance"))
}

async fn rebuild(function: &Arc<Deployed>, arguments: &[&str]) -> Run {
    let run = function.run("rebuild", arguments).await;
    assert!(run.payloads.iter().all(|payload| payload["action"] == "status"), "{:?}", run.payloads);
    let world = function.rig.emulator.world();
    assert_eq!(world.count("DeleteDBInstance"), 0);
    run
}

#[tokio::test]
async fn run_again_and_again_it_makes_one_replica_like_the_old_primary_and_then_is_done() {
    let function = promoted(pair(REGION), &[]).await;
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (1, 0)), "{}{}", run.out, run.errors);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (1, 0)), "{}", run.errors);
    assert!(run.errors.contains("orders-replica-2 is `creating`"), "{}", run.errors);
    pass(&function);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (1, 1)), "{}", run.errors);
    pass(&function);
    for _ in 0..2 {
        let run = rebuild(&function, &["--yes"]).await;
        assert_eq!((run.exit, writes(&function)), (0, (1, 1)), "{}", run.errors);
        assert!(run.out.matches("DONE").count() == 3 && run.errors.contains("is ready"), "{}", run.out);
    }
    let world = function.rig.emulator.world();
    let made = world.instance(NEW).unwrap();
    assert_eq!(
        (
            made.class.as_str(),
            made.parameter_group.as_str(),
            made.subnet_group.as_str(),
            made.backup_retention
        ),
        ("db.r7g.xlarge", "orders-pg17", "orders-net", 14)
    );
    assert_eq!(
        (made.security_groups.as_slice(), made.storage_type.as_str()),
        (&["sg-1".to_owned(), "sg-2".to_owned()][..], "gp2")
    );
}

#[tokio::test]
async fn without_consent_nothing_is_written_and_every_command_is_printed_to_be_pasted() {
    let function = promoted(pair(REGION), &[]).await;
    let run = rebuild(&function, &[]).await;
    assert_eq!((run.exit, writes(&function)), (5, (0, 0)), "{}", run.errors);
    assert!(run.errors.contains("Nothing was sent."), "{}", run.errors);
    for command in [
        "\n  aws rds create-db-instance-read-replica --region us-east-1 --db-instance-identifier orders-replica-2 --source-db-instance-identifier orders-replica --db-instance-class db.r7g.xlarge --db-subnet-group-name orders-net --vpc-security-group-ids sg-1 sg-2 --storage-type gp2\n",
        "\n  aws rds wait db-instance-available --region us-east-1 --db-instance-identifier orders-replica-2\n",
        "\n  aws rds modify-db-instance --region us-east-1 --db-instance-identifier orders-replica-2 --db-parameter-group-name orders-pg17 --backup-retention-period 14 --apply-immediately\n",
        "\n  aws cloudformation update-stack --region us-east-1 --stack-name orders --use-previous-template ",
        "\n  ctl failback --function orders --reason \"orders-replica is the primary now\"\n",
        "\n  aws lambda invoke --region us-east-1 --function-name orders --cli-read-timeout 900 --cli-binary-format raw-in-base64-out --payload '{\"action\":\"failback\",\"reason\":\"orders-replica is the primary now\"}' /dev/stdout\n",
    ] {
        assert!(run.out.contains(command), "{command} is not in {}", run.out);
    }
}

#[tokio::test]
async fn at_a_terminal_it_asks_and_only_yes_is_consent() {
    let function = promoted(pair(REGION), &[]).await;
    for (typed, exit, made) in [("y", 5, 0), ("yes", 6, 1)] {
        let ended = function
            .during("rebuild", &[], move |command| {
                let mut terminal = Terminal::open(command);
                let before = terminal.until("Type `yes` to run step 1");
                terminal.press(typed);
                (before, terminal.exit())
            })
            .await;
        assert!(ended.0.contains("aws rds create-db-instance-read-replica "), "{}", ended.0);
        assert_eq!((ended.1, writes(&function)), (exit, (made, 0)), "{typed}");
    }
}

#[tokio::test]
async fn a_refused_step_names_the_permission_and_a_lost_answer_is_not_sent_again() {
    let function = promoted(pair(REGION), &[]).await;
    let create = || On::operation("CreateDBInstanceReadReplica");
    function.rig.emulator.world().faults.once(create(), Fault::Denied);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!(run.exit, 5, "{}", run.errors);
    let words = run.errors.replace('\n', " ");
    assert!(words.contains("Step 1 was not done."), "{words}");
    assert!(words.contains("You need rds:CreateDBInstanceReadReplica"), "{words}");
    function.rig.emulator.world().faults.once(create(), Fault::AppliedThenServer(503));
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (4, (2, 0)), "{}", run.errors);
    let words = run.errors.replace('\n', " ");
    assert!(
        words.contains("UNKNOWN whether step 1 was done.") && words.contains("it looks first"),
        "{words}"
    );
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (2, 0)), "the lost request made it: {}", run.errors);
    function
        .rig
        .emulator
        .world()
        .faults
        .standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Denied);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!(run.exit, 5, "{}", run.errors);
    let words = run.errors.replace('\n', " ");
    assert!(
        words.contains("The instance orders-primary in us-east-1 was not read.")
            && words.contains("rds:DescribeDBInstances"),
        "{words}"
    );
}

#[tokio::test]
async fn where_nothing_was_promoted_it_is_refused() {
    let function = deployed(pair(REGION), FAST);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (1, (0, 0)), "{}", run.errors);
    assert!(run.errors.contains("Nothing was promoted"), "{}", run.errors);
    function.rig.emulator.world().set_status(PRIMARY, "storage-full");
    function.rig.tick().await.unwrap();
    let run = rebuild(&function, &["--yes", "--like", "promoted"]).await;
    assert_eq!((run.exit, writes(&function)), (1, (0, 0)), "{}", run.errors);
}

#[tokio::test]
async fn a_name_that_another_instance_has_is_refused_and_another_is_taken() {
    let function = promoted(pair(REGION), &[]).await;
    function.rig.emulator.world().add(Instance::new(REGION, NEW));
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (1, (0, 0)));
    assert!(run.errors.contains("Pass another name with --id"), "{}", run.errors);
    let run = rebuild(&function, &["--yes", "--id", "orders-third"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (1, 0)), "{}", run.errors);
    assert!(function.rig.emulator.world().instance("orders-third").is_some());
}

#[tokio::test]
async fn a_deleted_old_primary_is_no_model_and_the_promoted_instance_can_be() {
    let function = promoted(pair(REGION), &[]).await;
    function.rig.emulator.world().console_delete(PRIMARY);
    pass(&function);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (1, (0, 0)), "{}", run.errors);
    assert!(run.errors.contains("--like promoted"), "{}", run.errors);
    let run = rebuild(&function, &["--yes", "--like", "promoted"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (1, 0)), "{}", run.errors);
}

#[tokio::test]
async fn across_regions_the_new_replica_takes_the_old_primarys_place_and_the_swap_names_the_regions() {
    let arn = format!("arn:aws:rds:eu-west-1:123456789012:db:{PRIMARY}");
    let function = promoted(pair("eu-west-1"), &[("PRIMARY_DB_INSTANCE_IDENTIFIER", &arn)]).await;
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (6, (1, 0)), "{}{}", run.out, run.errors);
    assert_eq!(function.rig.emulator.world().instance(NEW).unwrap().region, "eu-west-1");
    for words in [
        "--region eu-west-1 --db-instance-identifier orders-replica-2 --source-db-instance-identifier arn:aws:rds:us-east-1:123456789012:db:orders-replica --source-region us-east-1",
        "--kms-key-id arn:aws:kms:eu-west-1:123456789012:key/",
        "ParameterKey=PrimaryRegion,ParameterValue=us-east-1 ParameterKey=ReplicaRegion,ParameterValue=eu-west-1",
    ] {
        assert!(run.out.contains(words), "{words} is not in {}", run.out);
    }
}

#[tokio::test]
async fn after_the_swap_only_the_failback_is_left_and_after_that_nothing() {
    let function = promoted(pair(REGION), &[]).await;
    rebuild(&function, &["--yes"]).await;
    pass(&function);
    rebuild(&function, &["--yes"]).await;
    pass(&function);
    // The world's time runs ahead of the function's here, which the rig's watch takes for a change sent too late.
    let rig = Arc::into_inner(function).unwrap().rig.tolerant();
    let function = of_rig(rig.redeployed(&[
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", NEW),
    ]));
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (0, (1, 1)), "{}", run.errors);
    assert!(run.out.contains("ctl failback") && !run.out.contains("aws rds"), "{}", run.out);
    let report = function.rig.invoke(serde_json::json!({"action": "failback", "reason": "swapped"})).await;
    assert_eq!(report.unwrap().actions, [Change::RouteToPrimary]);
    let run = rebuild(&function, &["--yes"]).await;
    assert_eq!((run.exit, writes(&function)), (1, (1, 1)), "{}", run.errors);
}
