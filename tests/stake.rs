//! What a promotion may cost: the lag that is known, the lag that is not, and the words for what is at stake.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::mail::{told, topic};
use common::*;
use emulator::Fault;
use proof::rig::{PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_lag_over_the_bound_refuses_and_says_what_is_at_stake() {
    let mut w = world();
    w.set_replica_lag(REPLICA, Some(75.0));
    let rig = Rig::new(w, &[PROMOTE]);
    rig.wait(seconds(300)).await;
    set_status(&rig, PRIMARY, "failed");
    let report = rig.tick().await.unwrap();
    does(&report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
    let report = tick_stays(&rig, "lag-too-high").await;
    assert!(report.message.contains("75 s"), "{}", report.message);
    assert_eq!(report.replica.unwrap().lag_seconds, Some(75.0));
}

/// The metric never falls again once the primary is dead: whoever is told to look must be told where.
#[tokio::test(start_paused = true)]
async fn a_lag_that_stays_too_high_is_told_with_how_to_see_what_the_replica_has_applied() {
    for lag in [Some(75.0), None] {
        let topic = topic();
        let mut w = world();
        w.set_replica_lag(REPLICA, lag);
        let rig = Rig::new(w, &[PROMOTE, ("NOTIFICATION_TOPIC_ARN", &topic)]);
        rig.wait(seconds(1200)).await;
        set_status(&rig, PRIMARY, "failed");
        rig.tick().await.unwrap();
        let last = told(&rig).pop().unwrap();
        let code = if lag.is_some() { "lag-too-high" } else { "lag-unknown" };
        assert!(last.subject.contains(code), "{}", last.subject);
        let chat = last.chat["content"]["nextSteps"][0].as_str().unwrap();
        for words in [
            "MySQL: in `SHOW REPLICA STATUS`, `Exec_Source_Log_Pos` must equal `Read_Source_Log_Pos`",
            "`Relay_Source_Log_File` must equal `Source_Log_File`",
            "MariaDB: the same, with `Master` instead of `Source`",
            "PostgreSQL: `SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()`",
            "What the primary did not send is lost in any case",
        ] {
            assert!(last.mail.contains(words) && chat.contains(words), "{words}: {}", last.mail);
        }
        let next = chat.split(". ").map(|sentence| sentence.split_whitespace().count());
        assert!(next.max().unwrap() <= 25, "short sentences, at 3 a.m.: {chat}");
        assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_itself_is_within_bounds() {
    for (lag, bound, promoted) in
        [(60.0, "60s", true), (60.1, "60s", false), (0.0, "0s", true), (2.0, "1500ms", false)]
    {
        let mut w = world();
        w.set_replica_lag(REPLICA, Some(lag));
        let rig = Rig::new(w, &[PROMOTE, ("MAX_REPLICA_LAG", bound)]);
        rig.wait(seconds(300)).await;
        set_status(&rig, PRIMARY, "failed");
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions.contains(&PromoteReplica), promoted, "{lag} {bound}: {}", report.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lag_that_is_not_known_is_not_zero() {
    // No sample ever; replication long stopped; the last sample too old; CloudWatch out of reach.
    type Make = fn(&mut emulator::World);
    let worlds: &[(&str, Make)] = &[
        ("no sample", |w| w.set_replica_lag(REPLICA, None)),
        ("-1", |w| w.set_replica_lag(REPLICA, Some(-1.0))),
        ("stale", |w| {
            w.after(seconds(300), |w| w.set_replica_lag(REPLICA, None));
        }),
        ("stopped before the outage", |w| {
            w.after(seconds(600), |w| w.set_replica_lag(REPLICA, Some(-1.0)));
        }),
        ("throttled", |w| w.faults.standing("GetMetricStatistics", Fault::Throttle)),
        ("denied", |w| w.faults.standing("GetMetricStatistics", Fault::Denied)),
    ];
    for (name, make) in worlds {
        let mut w = world();
        if *name == "no sample" {
            w = world_without_samples();
        }
        make(&mut w);
        let rig = Rig::new(w, &[PROMOTE]);
        rig.wait(seconds(1500)).await;
        set_status(&rig, PRIMARY, "failed");
        let report = rig.tick().await.unwrap();
        does(&report, "fail-over", "primary-unhealthy", &[RouteToSecondary]);
        let report = tick_stays(&rig, "lag-unknown").await;
        assert_eq!(report.replica.unwrap().lag_seconds, None, "{name}");
        assert_eq!(count(&rig, "PromoteReadReplica"), 0, "{name}");
    }
}

fn world_without_samples() -> emulator::World {
    let mut w = world();
    w.set_replica_lag(REPLICA, None);
    w
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_the_lag_after_the_outage_does_not_count() {
    // PostgreSQL's climbs second by second, MySQL's turns to −1, or the samples end: for ten minutes.
    for (name, after) in [("postgres", None), ("mysql", Some(-1.0))] {
        let rig = Rig::new(world(), &[]);
        rig.wait(seconds(300)).await;
        set_status(&rig, PRIMARY, "failed");
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        {
            let mut w = rig.emulator.world();
            match after {
                None => w.grow_replica_lag(REPLICA, 1.0),
                Some(lag) => w.set_replica_lag(REPLICA, Some(lag)),
            }
        }
        rig.wait(seconds(600)).await;
        let rig = rig.redeployed(&[PROMOTE]);
        let report = rig.tick().await.unwrap();
        does(&report, "promote", "replica-fit-to-promote", &[PromoteReplica]);
        assert_eq!(report.replica.unwrap().lag_seconds, Some(0.5), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_primary_bounds_what_is_at_stake_from_below_and_above() {
    let rig = Rig::new(world_with("failed"), &[PROMOTE]);
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary, PromoteReplica]);
    assert!(
        report.message.contains("data at stake: at least 0.5 s of writes, at most "),
        "{}",
        report.message
    );
    assert!(report.message.contains("sampled "), "the age of the sample: {}", report.message);
    assert!(!report.message.contains("open connections"), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_with_a_primary_that_rds_calls_available_takes_both_consents_and_says_what_nobody_knows()
{
    for (options, reason) in [
        (json!({"promote": true}), "primary-healthy"),
        (json!({"promote": true, "allow_data_loss": true}), "primary-healthy"),
        (json!({"promote": true, "force": true}), "primary-still-available"),
    ] {
        let rig = Rig::new(world(), &[]);
        refused(&rig, failover(options), reason).await;
        assert_eq!(state(&rig), NORMAL, "not even traffic moves");
    }
    let both = json!({"promote": true, "force": true, "allow_data_loss": true});
    let rig = Rig::new(world(), &[]);
    let report = rig.invoke(failover(both.clone())).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary, PromoteReplica], "{}", report.message);

    // The same once traffic was moved.
    let rig = Rig::new(world(), &[]);
    rig.invoke(failover(json!({"force": true}))).await.unwrap();
    refused(&rig, failover(json!({"promote": true})), "primary-not-unhealthy").await;
    refused(&rig, failover(json!({"promote": true, "force": true})), "primary-still-available").await;
    let status = rig.invoke(json!({"action": "status"})).await.unwrap();
    let words = "at least 0.5 s of writes, and whatever open connections still write to the old primary";
    assert!(status.message.contains(words), "{}", status.message);
    obeyed(&rig, failover(both), "promotion-ordered", &[PromoteReplica]).await;
}

/// Probes that fail say nothing of the connections that are open.
#[tokio::test(start_paused = true)]
async fn an_unresponsive_primary_that_rds_calls_available_does_not_bound_the_loss() {
    let dead = common::probes::dead().await;
    let variables = [PROMOTE, ("PROMOTE_ON", "unresponsive"), ("HEALTH_ENDPOINTS", dead.as_str())];
    let rig = Rig::new(world(), &variables);
    let report = rig.tick().await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary, PromoteReplica], "{}", report.message);
    assert!(report.message.contains("whatever open connections still write"), "{}", report.message);
    assert!(!report.message.contains("at most"), "{}", report.message);
}
