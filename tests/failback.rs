//! The way back, taken only by a primary that is surely the same and surely not stale.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::{Fault, On, RecordSet, Source};
use proof::rig::{CHECK, PRIMARY, RECORD, REPLICA, Rig, ZONE};
use rds_route53_failover::model::Change::{RouteToPrimary, RouteToSecondary};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn traffic_goes_back_by_tag_then_flags_after_confirmations() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    let before = rig.emulator.world().calls().len();
    let begun = rig.time.now();
    let report = tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    assert_eq!(report.observations, 3);
    assert_eq!((rig.time.now() - begun).as_secs(), 20);
    assert_eq!((report.health_check.state, report.health_check.by), (Some("normal"), None));
    assert_eq!(flags(&rig), (false, false, 3));
    let returned = tag(&rig, "returned").unwrap();
    assert!(returned.starts_with("version=3 by=auto at="), "{returned}");
    assert!(returned.ends_with(" reason=primary-recovered"), "{returned}");
    let world = rig.emulator.world();
    let writes: Vec<_> =
        world.calls()[before..].iter().filter(|c| c.is_write).map(|c| c.operation.as_ref()).collect();
    assert_eq!(writes, ["ChangeTagsForResource", "UpdateHealthCheck", "ChangeTagsForResource"]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_not_clearly_healthy_stays_out_of_service() {
    let rig = failed_over("storage-full", &[]).await;
    for status in ["modifying", "starting", "rebooting", "defragmenting"] {
        set_status(&rig, PRIMARY, status);
        tick_stays(&rig, "waiting-for-primary").await;
    }
    rig.emulator
        .world()
        .faults
        .standing(On::operation("DescribeDBInstances").target(PRIMARY), Fault::Throttle);
    tick_fails(&rig, "PrimaryUnknown").await;
    assert_eq!(state(&rig), FORCED);
}

#[tokio::test(start_paused = true)]
async fn a_flapping_primary_is_not_confirmed() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().after(seconds(15), |w| w.set_status(PRIMARY, "rebooting"));
    tick_stays(&rig, "waiting-for-primary").await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().after(seconds(15), |w| w.set_status(PRIMARY, "storage-full"));
    tick_stays(&rig, "promotion-off").await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_an_unconfirmed_recovery() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    let before = writes(&rig);
    let result = rig.invoke_within(json!({"action": "tick"}), seconds(12)).await;
    stays(&rig, before, result, "recovery-unconfirmed");
}

#[tokio::test(start_paused = true)]
async fn manual_leaves_the_way_back_to_an_operator() {
    let rig = failed_over("storage-full", &[("FAILBACK", "manual")]).await;
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "failback-manual").await;
    let report = rig.invoke(failback(json!({}))).await.unwrap();
    does(&report, "fail-back", "failback-ordered", &[RouteToPrimary]);
    assert!(tag(&rig, "returned").unwrap().contains(" by=operator "));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_follows_no_longer_keeps_traffic() {
    type Break = fn(&mut emulator::World);
    let breaks: &[(&str, Break, &str)] = &[
        ("missing", |w| w.console_delete(REPLICA), "replica-not-following"),
        (
            "follows another",
            |w| {
                w.instance_mut(REPLICA).unwrap().source =
                    Some(Source::Instance { region: "us-east-1".to_owned(), id: "billing".to_owned() });
            },
            "replica-not-following",
        ),
        (
            "unknown",
            |w| w.faults.standing(On::operation("DescribeDBInstances").target(REPLICA), Fault::Throttle),
            "replica-not-following",
        ),
        ("on its own", |w| w.instance_mut(REPLICA).unwrap().source = None, "replica-promoted"),
    ];
    for (name, break_it, reason) in breaks {
        let rig = failed_over("storage-full", &[]).await;
        set_status(&rig, PRIMARY, "available");
        break_it(&mut rig.emulator.world());
        tick_stays(&rig, reason).await;
        assert_eq!(state(&rig), FORCED, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_replica_that_still_follows_does_not_keep_traffic_on_itself() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    set_status(&rig, REPLICA, "storage-full");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
}

/// A promotion at the console shows as some statuses with the source still there; maintenance of the replica as others.
#[tokio::test(start_paused = true)]
async fn a_replica_in_maintenance_does_not_keep_traffic_on_itself_and_one_that_may_be_promoting_does() {
    for (status, goes_back) in
        [("upgrading", true), ("storage-config-upgrade", true), ("modifying", false), ("rebooting", false)]
    {
        let rig = failed_over("storage-full", &[]).await;
        set_status(&rig, PRIMARY, "available");
        set_status(&rig, REPLICA, status);
        if goes_back {
            tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
        } else {
            tick_stays(&rig, "replica-not-following").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_points_elsewhere_keeps_traffic() {
    for (zone, name) in [(ZONE, ""), (ZONE, RECORD), ("/hostedzone/Z0ORDERS", "DB.orders.example.")] {
        let zone = [("HOSTED_ZONE_ID", zone), ("RECORD_NAME", name)];
        let rig = failed_over("storage-full", &zone).await;
        set_status(&rig, PRIMARY, "available");
        tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    }
    let mut w = world_with("storage-full");
    let secondary = w.instance(REPLICA).unwrap().address.clone();
    w.add_zone(
        "Z0OTHER",
        "orders.example",
        [RecordSet::primary(RECORD, "other.example", CHECK), RecordSet::secondary(RECORD, &secondary)],
    );
    let rig = Rig::new(w, &[("HOSTED_ZONE_ID", "Z0OTHER")]);
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "record-not-on-primary").await;
}

/// The usual pattern of external-dns and kops: failover aliases over plain records of the same zone.
#[tokio::test(start_paused = true)]
async fn an_alias_is_followed_within_the_zone_and_only_to_the_primarys_endpoint() {
    let to_primary = world_with("available").instance(PRIMARY).unwrap().address.clone();
    let direct = || vec![RecordSet::cname("primary.orders.example", &to_primary)];
    let in_two_steps = vec![
        RecordSet::cname("primary.orders.example", "").alias_of("blue.orders.example", false),
        RecordSet::cname("blue.orders.example", &to_primary),
    ];
    let elsewhere = vec![RecordSet::cname("primary.orders.example", "other.example")];
    let round =
        vec![RecordSet::cname("primary.orders.example", "").alias_of("primary.orders.example", false)];
    for (name, plain, goes_back) in [
        (RECORD, direct(), true),
        ("", direct(), true),
        (RECORD, in_two_steps, true),
        (RECORD, elsewhere, false),
        (RECORD, round, false),
        (RECORD, Vec::new(), false),
    ] {
        let mut w = world_with("storage-full");
        let secondary = w.instance(REPLICA).unwrap().address.clone();
        let described = format!("{plain:?}");
        let records = [
            RecordSet::primary(RECORD, "", CHECK).alias_of("primary.orders.example", false),
            RecordSet::secondary(RECORD, "").alias_of("secondary.orders.example", false),
            RecordSet::cname("secondary.orders.example", &secondary),
        ];
        w.add_zone("Z0ALIAS", "orders.example", records.into_iter().chain(plain));
        let rig = Rig::new(w, &[("HOSTED_ZONE_ID", "Z0ALIAS"), ("RECORD_NAME", name)]);
        tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        set_status(&rig, PRIMARY, "available");
        if goes_back {
            tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
        } else {
            tick_stays(&rig, "record-not-on-primary").await;
            assert_eq!(state(&rig), FORCED, "{described}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_zone_the_record_is_not_asked_for_and_an_unreadable_one_fails() {
    let rig = failed_over("storage-full", &[]).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    assert_eq!(count(&rig, "ListResourceRecordSets"), 0);

    let rig = failed_over("storage-full", &[("HOSTED_ZONE_ID", ZONE)]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().faults.standing("ListResourceRecordSets", Fault::Denied);
    tick_fails(&rig, "RecordUnreadable").await;
    assert_eq!(state(&rig), FORCED);
}

#[tokio::test(start_paused = true)]
async fn a_setting_made_elsewhere_is_never_undone() {
    for status in ["available", "storage-full", "failed"] {
        let mut w = world_with(status);
        w.console_set_flags(CHECK, true, true);
        let rig = Rig::new(w, &[PROMOTE]);
        for _ in 0..3 {
            rig.wait(seconds(60)).await;
            let report = tick_stays(&rig, "forced-elsewhere").await;
            assert_eq!(report.health_check.by, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_names_another_version_makes_nothing_ours() {
    let rig = failed_over("storage-full", &[]).await;
    // Somebody touched the check at the console and left it forced: it is theirs now.
    rig.emulator.world().console_set_flags(CHECK, true, true);
    assert_eq!(flags(&rig).2, 3);
    set_status(&rig, PRIMARY, "available");
    tick_stays(&rig, "forced-elsewhere").await;
}

#[tokio::test(start_paused = true)]
async fn an_operators_failover_is_never_undone_by_itself() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    let report = rig.invoke(failover(json!({}))).await.unwrap();
    does(&report, "fail-over", "failover-ordered", &[RouteToSecondary]);
    assert_eq!(report.health_check.by, Some("operator"));
    assert!(tag(&rig, "routed").unwrap().starts_with("version=2 by=operator at="));
    assert!(tag(&rig, "routed").unwrap().ends_with(" reason=planned work"));
    set_status(&rig, PRIMARY, "available");
    for _ in 0..3 {
        rig.wait(seconds(60)).await;
        tick_stays(&rig, "forced-by-operator").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_answer_was_lost_is_looked_for_before_it_is_sent_again() {
    for (fault, updates) in [
        (Fault::AppliedThenReset, 1),
        (Fault::AppliedThenHang, 1),
        (Fault::AppliedThenServer(500), 1),
        (Fault::AppliedThenServer(503), 1),
        (Fault::Malformed, 1),
        (Fault::Truncated, 1),
        (Fault::Server(503), 2),
        (Fault::Reset, 2),
    ] {
        let mut w = world_with("storage-full");
        w.faults.once("UpdateHealthCheck", fault.clone());
        let rig = Rig::new(w, &[]);
        let report = tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
        assert_eq!(report.health_check.version, Some(2), "{fault:?}: one update took effect");
        assert_eq!(flags(&rig), (true, true, 2), "{fault:?}");
        assert_eq!(count(&rig, "UpdateHealthCheck"), updates, "{fault:?}");
        set_status(&rig, PRIMARY, "available");
        rig.emulator.world().faults.once("UpdateHealthCheck", fault.clone());
        tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
        assert_eq!(flags(&rig), (false, false, 3), "{fault:?}");
        assert_eq!(count(&rig, "UpdateHealthCheck"), 2 * updates, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_record_and_the_replica_are_looked_at_in_the_last_observation_too() {
    let rig = failed_over("storage-full", &[("HOSTED_ZONE_ID", ZONE)]).await;
    set_status(&rig, PRIMARY, "available");
    rig.emulator.world().after(seconds(15), |w| w.instance_mut(REPLICA).unwrap().source = None);
    tick_stays(&rig, "replica-promoted").await;
    assert_eq!(state(&rig), FORCED);
}
