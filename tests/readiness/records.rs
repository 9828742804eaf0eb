//! The failover records and the checks between them and the switch.

use emulator::{Fault, HealthCheck, On, RecordSet, World};
use proof::rig::{CHECK, PRIMARY, RECORD, REPLICA, world};
use rds_route53_failover::readiness::Level;

use crate::{changed, check_with, level};

fn replaced_records(primary: RecordSet, secondary: RecordSet) -> World {
    changed(|w| w.add_zone("Z0OTHER", "orders.example", [primary, secondary]))
}

const OTHER_ZONE: &[(&str, &str)] = &[("HOSTED_ZONE_ID", "Z0OTHER")];

fn addresses() -> (String, String) {
    let world = world();
    let address = |id| world.instance(id).unwrap().address.clone();
    (address(PRIMARY), address(REPLICA))
}

#[tokio::test(start_paused = true)]
async fn a_secondary_alias_that_evaluates_its_target_is_a_failure() {
    let (primary, replica) = addresses();
    let secondary = RecordSet::secondary(RECORD, "").alias_of("replica.orders.example", true);
    let records = [
        RecordSet::primary(RECORD, &primary, CHECK),
        secondary,
        RecordSet::cname("replica.orders.example", &replica),
    ];
    let w = changed(|w| w.add_zone("Z0OTHER", "orders.example", records));
    let report = check_with(w, OTHER_ZONE).await;
    assert_eq!(level(&report, "secondary-record-evaluated"), Level::Fail);
    assert_eq!(
        level(&report, "secondary-record-target"),
        Level::Pass,
        "the alias is followed within the zone"
    );
}

/// The zone of external-dns and kops: failover aliases over plain records.
fn aliases(primary: &str) -> World {
    let (_, replica) = addresses();
    changed(|w| {
        w.add_zone(
            "Z0OTHER",
            "orders.example",
            [
                RecordSet::primary(RECORD, "", CHECK).alias_of("primary.orders.example", false),
                RecordSet::secondary(RECORD, "").alias_of("replica.orders.example", false),
                RecordSet::cname("primary.orders.example", primary),
                RecordSet::cname("replica.orders.example", &replica),
            ],
        );
    })
}

#[tokio::test(start_paused = true)]
async fn a_primary_alias_is_followed_to_the_endpoint_and_to_another_one() {
    let (primary, replica) = addresses();
    let findings = ["primary-record-target", "secondary-record-target", "records", "record-ttl"];
    let report = check_with(aliases(&primary), OTHER_ZONE).await;
    for id in findings {
        assert_eq!(level(&report, id), Level::Pass, "{id}");
    }
    assert_eq!(report.ready, Some(true), "{:#?}", report.findings);
    for elsewhere in [replica.as_str(), "old.orders.example"] {
        let report = check_with(aliases(elsewhere), OTHER_ZONE).await;
        assert_eq!(level(&report, "primary-record-target"), Level::Fail, "{elsewhere}");
        let findings = report.findings.unwrap();
        let found = findings.iter().find(|finding| finding.id == "primary-record-target").unwrap();
        assert!(found.message.contains(elsewhere) && found.message.contains(&primary), "{found:?}");
    }
}

/// Resolvers keep the answer for as long as the record says that the alias leads to.
#[tokio::test(start_paused = true)]
async fn a_long_ttl_behind_an_alias_is_a_failure() {
    let (primary, replica) = addresses();
    for (to_primary, to_secondary, expected) in
        [(60, 60, Level::Pass), (300, 5, Level::Fail), (5, 300, Level::Fail)]
    {
        let records = [
            RecordSet::primary(RECORD, "", CHECK).alias_of("primary.orders.example", false),
            RecordSet::secondary(RECORD, "").alias_of("replica.orders.example", false),
            RecordSet { ttl: to_primary, ..RecordSet::cname("primary.orders.example", &primary) },
            RecordSet { ttl: to_secondary, ..RecordSet::cname("replica.orders.example", &replica) },
        ];
        for more in [&[][..], &[("FAILOVER_DB_INSTANCE_IDENTIFIER", "")]] {
            let w = changed(|w| w.add_zone("Z0OTHER", "orders.example", records.clone()));
            let report = check_with(w, &[OTHER_ZONE, more].concat()).await;
            assert_eq!(level(&report, "record-ttl"), expected, "{to_primary} {to_secondary} {more:?}");
        }
    }
}

/// What is found of a primary record whose composite check goes over ours and another one, of which so many must
/// be healthy.
async fn composite(threshold: u32) -> Level {
    let (primary, replica) = addresses();
    let mut w = replaced_records(
        RecordSet::primary(RECORD, &primary, "composite"),
        RecordSet::secondary(RECORD, &replica),
    );
    w.add_health_check(HealthCheck {
        children: vec![CHECK.to_owned(), "metric".to_owned()],
        threshold,
        ..HealthCheck::switch("composite")
    });
    level(&check_with(w, OTHER_ZONE).await, "primary-record-health-check")
}

#[tokio::test(start_paused = true)]
async fn a_composite_check_over_ours_on_the_primary_record_follows_it() {
    assert_eq!(composite(2).await, Level::Pass);
}

#[tokio::test(start_paused = true)]
async fn a_composite_check_that_ours_alone_does_not_fail_is_a_failure() {
    // One healthy child of two is enough: our check unhealthy, traffic stays.
    assert_eq!(composite(1).await, Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn another_health_check_on_the_primary_record_is_a_failure() {
    let (primary, replica) = addresses();
    let mut w = replaced_records(
        RecordSet::primary(RECORD, &primary, "other"),
        RecordSet::secondary(RECORD, &replica),
    );
    w.add_health_check(HealthCheck::switch("other"));
    let report = check_with(w, OTHER_ZONE).await;
    assert_eq!(level(&report, "primary-record-health-check"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_health_check_on_the_secondary_a_long_ttl_and_swapped_targets_are_failures() {
    let (primary, replica) = addresses();
    let secondary = RecordSet {
        health_check: Some(CHECK.to_owned()),
        ttl: 300,
        ..RecordSet::secondary(RECORD, &primary)
    };
    let report =
        check_with(replaced_records(RecordSet::primary(RECORD, &replica, CHECK), secondary), OTHER_ZONE)
            .await;
    for id in
        ["secondary-record-health-check", "record-ttl", "primary-record-target", "secondary-record-target"]
    {
        assert_eq!(level(&report, id), Level::Fail, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_not_there_are_a_failure_and_an_unknown_zone_a_warning() {
    let report = check_with(world(), &[("RECORD_NAME", "other.orders.example")]).await;
    assert_eq!(level(&report, "records"), Level::Fail);
    let report = check_with(world(), &[("HOSTED_ZONE_ID", ""), ("RECORD_NAME", "")]).await;
    assert_eq!(level(&report, "records"), Level::Warn);
}

#[tokio::test(start_paused = true)]
async fn a_parent_check_that_is_disabled_or_calculated_over_calculated_is_a_failure() {
    let (primary, replica) = addresses();
    let of = |parent: HealthCheck| {
        let mut w = replaced_records(
            RecordSet::primary(RECORD, &primary, "composite"),
            RecordSet::secondary(RECORD, &replica),
        );
        w.add_health_check(HealthCheck { children: vec![CHECK.to_owned()], threshold: 1, ..parent });
        w
    };
    let parent = || HealthCheck::switch("composite");
    let report = check_with(of(parent()), OTHER_ZONE).await;
    assert_eq!(level(&report, "record-check-normal"), Level::Pass);
    assert_eq!(level(&report, "record-check-not-nested"), Level::Pass);
    for (disabled, inverted) in [(true, false), (false, true), (true, true)] {
        let report = check_with(of(HealthCheck { disabled, inverted, ..parent() }), OTHER_ZONE).await;
        assert_eq!(level(&report, "record-check-normal"), Level::Fail);
    }
    let mut w = of(parent());
    w.health_check_mut(CHECK).unwrap().kind = "CALCULATED".to_owned();
    let report = check_with(w, OTHER_ZONE).await;
    assert_eq!(level(&report, "record-check-not-nested"), Level::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_parent_check_that_can_not_be_read_is_told_apart_from_a_wrong_one() {
    let (primary, replica) = addresses();
    let mut w = replaced_records(
        RecordSet::primary(RECORD, &primary, "composite"),
        RecordSet::secondary(RECORD, &replica),
    );
    w.add_health_check(HealthCheck::switch("composite"));
    w.faults.standing(On::operation("GetHealthCheck").target("composite"), Fault::Denied);
    let report = check_with(w, OTHER_ZONE).await;
    assert_eq!(level(&report, "primary-record-health-check-readable"), Level::Fail);
}
