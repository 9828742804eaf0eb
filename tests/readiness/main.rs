//! `check`: each finding in its good and in its bad form. Configurations rot between incidents.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

use std::time::Duration;

use emulator::{Fault, On, Source, StatusInfo, World};
use proof::rig::{CHECK, PRIMARY, RECORD, REPLICA, Rig, ZONE, world};
use rds_route53_failover::readiness::{Capacity, Finding, Level, capacity};
use rds_route53_failover::report::Report;
use serde_json::json;

mod outside;
mod records;

const ZONED: &[(&str, &str)] = &[("HOSTED_ZONE_ID", ZONE), ("RECORD_NAME", RECORD)];

pub async fn check_with(world: World, variables: &[(&str, &str)]) -> Report {
    let rig = Rig::new(world, &[ZONED, variables].concat());
    let report = rig.invoke(json!({"action": "check"})).await.expect("check reports, whatever it finds");
    assert_eq!(rig.emulator.world().writes().count(), 0, "check changes nothing");
    assert!(report.actions.is_empty());
    let findings = report.findings.as_ref().unwrap();
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    assert_eq!(report.ready, Some(!failed));
    for Finding { id, level, fix, message } in findings {
        assert_eq!(fix.is_empty(), *level == Level::Pass, "{id} says how to fix it: {message}");
    }
    report
}

async fn check(world: World) -> Report {
    check_with(world, &[]).await
}

pub fn level(report: &Report, id: &str) -> Level {
    let findings = report.findings.as_ref().unwrap();
    let found: Vec<_> = findings.iter().filter(|finding| finding.id == id).collect();
    assert_eq!(found.len(), 1, "{id} in {findings:#?}");
    found[0].level
}

/// The standard world after a change.
pub fn changed(change: impl FnOnce(&mut World)) -> World {
    let mut world = world();
    change(&mut world);
    world
}

#[tokio::test(start_paused = true)]
async fn a_sound_configuration_is_ready_and_all_but_the_unprovable_passes() {
    let report = check(world()).await;
    assert_eq!(report.reason, "ready");
    for finding in report.findings.as_ref().unwrap() {
        let expected = if finding.id == "write-permissions" { Level::Warn } else { Level::Pass };
        assert_eq!(finding.level, expected, "{}: {}", finding.id, finding.message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_harmless_call_proves_is_never_called_verified() {
    let report = check_with(world(), &[("PROMOTE_REPLICA", "true")]).await;
    let findings = report.findings.as_ref().unwrap();
    let writes = findings.iter().find(|finding| finding.id == "write-permissions").unwrap();
    assert_eq!(writes.level, Level::Warn);
    assert!(writes.message.contains("not verified"), "{}", writes.message);
    for permission in ["route53:UpdateHealthCheck", "route53:ChangeTagsForResource", "rds:PromoteReadReplica"]
    {
        assert!(writes.message.contains(permission), "{}", writes.message);
    }
}

#[tokio::test(start_paused = true)]
async fn status_makes_no_write_either() {
    let rig = Rig::new(changed(|w| w.set_status(PRIMARY, "failed")), ZONED);
    let report = rig.invoke(json!({"action": "status"})).await.unwrap();
    assert_eq!((report.decision, report.actions.len()), ("stay", 0));
    assert_eq!(rig.emulator.world().writes().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_instance_is_a_failure() {
    for (id, finding) in [(PRIMARY, "primary-exists"), (REPLICA, "replica-exists")] {
        let report = check(changed(|w| w.console_delete(id))).await;
        assert_eq!(level(&report, finding), Level::Fail);
        assert_eq!(report.reason, "not-ready");
    }
}

#[tokio::test(start_paused = true)]
async fn engines_that_promote_read_replica_does_not_serve_are_failures() {
    for engine in ["aurora-postgresql", "aurora-mysql", "custom-oracle-ee"] {
        let report = check(changed(|w| {
            w.instance_mut(PRIMARY).unwrap().engine = engine.to_owned();
            w.instance_mut(REPLICA).unwrap().engine = engine.to_owned();
        }))
        .await;
        assert_eq!(level(&report, "primary-engine"), Level::Fail, "{engine}");
        assert_eq!(level(&report, "replica-engine"), Level::Fail, "{engine}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_a_cluster_does_not_follow_the_primary() {
    let report = check(changed(|w| {
        w.instance_mut(REPLICA).unwrap().source = Some(Source::Cluster("orders-cluster".to_owned()));
    }))
    .await;
    assert_eq!(level(&report, "replica-follows-primary"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_promoted_replica_does_not_follow_the_primary() {
    let report = check(changed(|w| w.instance_mut(REPLICA).unwrap().source = None)).await;
    assert_eq!(level(&report, "replica-follows-primary"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_backing_up_waits_and_a_stopped_one_fails() {
    let report = check(changed(|w| w.set_status(REPLICA, "backing-up"))).await;
    assert_eq!((level(&report, "replica-available"), report.ready), (Level::Warn, Some(true)));
    let report = check(changed(|w| w.set_status(REPLICA, "stopped"))).await;
    assert_eq!(level(&report, "replica-available"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn broken_replication_is_a_failure() {
    let report = check(changed(|w| {
        w.instance_mut(REPLICA).unwrap().status_infos = vec![StatusInfo {
            message: Some("duplicate key".to_owned()),
            ..StatusInfo::replication("error")
        }];
    }))
    .await;
    assert_eq!(level(&report, "replication-runs"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_lesser_replica_is_a_warning() {
    let report = check(changed(|w| {
        w.instance_mut(PRIMARY).unwrap().multi_az = true;
        let replica = w.instance_mut(REPLICA).unwrap();
        replica.class = "db.m7g.medium".to_owned();
        replica.storage = 50;
        replica.backup_retention = 0;
    }))
    .await;
    for id in ["replica-class", "replica-storage", "replica-backups", "replica-multi-az"] {
        assert_eq!(level(&report, id), Level::Warn, "{id}");
    }
    assert_eq!(report.ready, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_lag_that_is_unknown_or_too_high_is_a_warning_and_never_zero() {
    for lag in [None, Some(-1.0), Some(120.0)] {
        let mut w = world();
        w.set_replica_lag(REPLICA, lag);
        // An hour on, nothing is left of the samples before.
        w.advance(w.now() + jiff::SignedDuration::from_hours(1));
        let report = check(w).await;
        assert_eq!(level(&report, "replica-lag"), Level::Warn, "{lag:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_health_check_that_is_missing_or_not_ours_to_update_is_a_failure() {
    let report = check_with(world(), &[("ROUTE53_HEALTH_CHECK_ID", "99999999")]).await;
    assert_eq!(level(&report, "health-check-exists"), Level::Fail);
    let report =
        check(changed(|w| w.health_check_mut(CHECK).unwrap().kind = "RECOVERY_CONTROL".to_owned())).await;
    assert_eq!(level(&report, "health-check-updatable"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_flag_or_traffic_on_the_secondary_already_is_a_failure() {
    for (disabled, inverted) in [(true, false), (false, true), (true, true)] {
        let report = check(changed(|w| w.console_set_flags(CHECK, disabled, inverted))).await;
        assert_eq!(level(&report, "health-check-normal"), Level::Fail);
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_tags_and_a_pause_are_failures() {
    let report = check(changed(|w| w.console_set_tag(CHECK, "failover:routed", "nonsense"))).await;
    assert_eq!(level(&report, "tags-readable"), Level::Fail);
    let report =
        check(changed(|w| w.console_set_tag(CHECK, "failover:pause", "until=forever reason=x"))).await;
    assert_eq!(level(&report, "not-paused"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_in_force_is_a_failure_until_it_ends() {
    let rig = Rig::new(changed(|w| w.set_status(PRIMARY, "failed")), ZONED);
    rig.tick().await.unwrap();
    rig.emulator.world().set_status(PRIMARY, "available");
    rig.wait(Duration::from_secs(60)).await;
    rig.tick().await.unwrap();
    let report = rig.invoke(json!({"action": "check"})).await.unwrap();
    assert_eq!(level(&report, "no-cooldown"), Level::Fail);
    rig.wait(Duration::from_secs(600)).await;
    let report = rig.invoke(json!({"action": "check"})).await.unwrap();
    assert_eq!(level(&report, "no-cooldown"), Level::Pass);
}

#[tokio::test(start_paused = true)]
async fn tags_of_others_that_leave_no_room_for_ours_are_a_failure() {
    let with_tags = |count| {
        changed(|w| (0..count).for_each(|n| w.console_set_tag(CHECK, &format!("team-{n}"), "orders")))
    };
    assert_eq!(level(&check(with_tags(6)).await, "tags-free"), Level::Pass);
    assert_eq!(level(&check(with_tags(7)).await, "tags-free"), Level::Fail);
    // A fence needs one more.
    let fenced = [("PROMOTE_REPLICA", "true"), ("FENCE_PRIMARY", "stop")];
    assert_eq!(level(&check_with(with_tags(6), &fenced).await, "tags-free"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_without_a_fence_is_a_warning() {
    let report = check_with(world(), &[("PROMOTE_REPLICA", "true")]).await;
    assert_eq!(level(&report, "fence"), Level::Warn);
    let report = check_with(world(), &[("PROMOTE_REPLICA", "true"), ("FENCE_PRIMARY", "stop")]).await;
    assert_eq!(level(&report, "fence"), Level::Pass);
}

#[tokio::test(start_paused = true)]
async fn where_promotion_is_on_what_would_refuse_it_is_a_failure() {
    let far_behind = || {
        changed(|w| {
            w.set_replica_lag(REPLICA, None);
            w.set_replica_lag(REPLICA, Some(600.0));
        })
    };
    assert_eq!(level(&check(far_behind()).await, "replica-lag"), Level::Warn);
    let promotes = [("PROMOTE_REPLICA", "true")];
    assert_eq!(level(&check_with(far_behind(), &promotes).await, "replica-lag"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_class_of_the_same_size_with_half_the_memory_is_a_warning() {
    let report = check(changed(|w| {
        w.instance_mut(PRIMARY).unwrap().class = "db.r6g.large".to_owned();
        w.instance_mut(REPLICA).unwrap().class = "db.m6g.large".to_owned();
    }))
    .await;
    assert_eq!(level(&report, "replica-class"), Level::Warn);
}

#[test]
fn a_class_is_compared_by_processors_and_memory() {
    for (class, processors, memory) in [
        ("db.m6g.large", 2.0, 8.0),
        ("db.r6g.large", 2.0, 16.0),
        ("db.t4g.micro", 2.0, 1.0),
        ("db.t2.micro", 1.0, 1.0),
        ("db.r5.4xlarge", 16.0, 128.0),
        ("db.r5.4xlarge.tpc2.mem3x", 16.0, 384.0),
        ("db.x2g.xlarge", 4.0, 64.0),
    ] {
        assert_eq!(capacity(class), Some(Capacity { processors, memory }), "{class}");
    }
    for unknown in ["", "db.serverless", "db.q9.large", "db.m6g.huge"] {
        assert_eq!(capacity(unknown), None, "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_that_rds_does_not_document_is_a_warning_with_the_nearest_one() {
    for (variable, value, nearest) in
        [("STATUS_OVERRIDES", "maintenence=hold", "maintenance"), ("PROMOTE_ON", "faild", "failed")]
    {
        let report = check_with(world(), &[(variable, value)]).await;
        assert_eq!(level(&report, "status-documented"), Level::Warn);
        let findings = report.findings.unwrap();
        let found = findings.iter().find(|found| found.id == "status-documented").unwrap();
        assert!(
            found.message.contains(variable) && found.message.contains(&format!("`{nearest}`")),
            "{found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_permission_is_named_and_never_taken_for_a_pass() {
    for (operation, finding, expected) in [
        ("DescribeDBInstances", "primary-exists", Level::Fail),
        ("GetHealthCheck", "health-check-exists", Level::Fail),
        ("ListTagsForResource", "tags-readable", Level::Fail),
        ("ListResourceRecordSets", "records", Level::Fail),
        ("GetMetricStatistics", "replica-lag", Level::Warn),
    ] {
        let report = check(changed(|w| w.faults.standing(On::operation(operation), Fault::Denied))).await;
        assert_eq!(level(&report, finding), expected, "{operation}");
        let findings = report.findings.as_ref().unwrap();
        let found = findings.iter().find(|found| found.id == finding).unwrap();
        assert!(found.fix.contains("allow "), "{operation}: {}", found.fix);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_replica_it_warns_and_in_observe_mode_it_is_not_ready() {
    let report = check_with(world(), &[("FAILOVER_DB_INSTANCE_IDENTIFIER", "")]).await;
    assert_eq!(level(&report, "replica-configured"), Level::Warn);
    let report = check_with(world(), &[("MODE", "observe")]).await;
    assert_eq!(level(&report, "mode"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn confirmations_that_do_not_fit_into_an_invocation_are_a_failure() {
    let report = check_with(world(), &[("CONFIRMATIONS", "100"), ("CONFIRMATION_INTERVAL", "1m")]).await;
    assert_eq!(level(&report, "invocation-time"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn the_daily_check_feeds_a_metric() {
    let rig = Rig::new(changed(|w| w.set_status(REPLICA, "stopped")), ZONED);
    rig.invoke(json!({"action": "check"})).await.unwrap();
    let lines = rig.metrics.lock().unwrap();
    assert!(lines.iter().any(|line| line["CheckFailures"].as_f64() >= Some(1.0)), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn probes_whose_time_outs_do_not_fit_into_an_invocation_are_a_failure() {
    let probed = [
        ("HEALTH_ENDPOINTS", "tcp://127.0.0.1:1"),
        ("HEALTH_ENDPOINT_TIMEOUT", "1s"),
        ("CONFIRMATIONS", "2"),
        ("FAILBACK_CONFIRMATIONS", "2"),
        ("CONFIRMATION_INTERVAL", "1s"),
    ];
    let rig = Rig::new(world(), &[ZONED, &probed].concat());
    let report = rig.invoke_within(json!({"action": "check"}), Duration::from_secs(30)).await.unwrap();
    assert_eq!(level(&report, "invocation-time"), Level::Pass);
    let rig = rig.redeployed(&[("HEALTH_ENDPOINT_TIMEOUT", "15s")]);
    let report = rig.invoke_within(json!({"action": "check"}), Duration::from_secs(30)).await.unwrap();
    assert_eq!(level(&report, "invocation-time"), Level::Fail);
}
