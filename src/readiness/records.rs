//! The failover records: do they lead where the function believes?

use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover};

use super::{Findings, Level};
use crate::config::Config;
use crate::model::{Instance, Observation};
use crate::observe::Observer;

/// With a health check, AWS advises 60 s or less ("Values specific for failover records", TTL).
const MAX_TTL: i64 = 60;

pub(super) async fn records(
    findings: &mut Findings,
    config: &Config,
    seen: &Observation,
    observer: &Observer<'_>,
) {
    if config.pair.hosted_zone_id.is_none() {
        return findings.add(
            "records",
            Level::Warn,
            "the failover records are not looked at: HOSTED_ZONE_ID is not set",
            "set HOSTED_ZONE_ID and RECORD_NAME",
        );
    }
    let sets = match observer.record_sets().await {
        Ok(sets) => sets,
        Err(why) => {
            return findings.add(
                "records",
                Level::Fail,
                format!("the records are {why}"),
                "allow route53:ListResourceRecordSets on the hosted zone, and correct HOSTED_ZONE_ID",
            );
        }
    };
    let of = |failover| sets.iter().find(|set| set.failover() == Some(&failover));
    let primary = of(ResourceRecordSetFailover::Primary);
    let secondary = of(ResourceRecordSetFailover::Secondary);
    let (Some(primary), Some(secondary)) = (primary, secondary) else {
        return findings.add(
            "records",
            Level::Fail,
            "there is no pair of a primary and a secondary failover record",
            "create both records with the failover routing policy, and correct RECORD_NAME",
        );
    };
    findings.add("records", Level::Pass, format!("both failover records of {} exist", primary.name()), "");
    let uses = match primary.health_check_id() {
        Some(id) if id == config.pair.health_check_id => true,
        // A CALCULATED check that is made of this one follows it.
        Some(id) => observer
            .health_check_by_id(id)
            .await
            .known()
            .is_some_and(|check| check.children.contains(&config.pair.health_check_id)),
        None => false,
    };
    findings.test(
        "primary-record-health-check",
        uses,
        Level::Fail,
        format!("the primary record uses {}", primary.health_check_id().unwrap_or("no health check")),
        "put ROUTE53_HEALTH_CHECK_ID, or a CALCULATED check over it, on the primary record",
    );
    findings.test(
        "secondary-record-health-check",
        secondary.health_check_id().is_none(),
        Level::Fail,
        format!("the secondary record uses {}", secondary.health_check_id().unwrap_or("no health check")),
        "take the health check off the secondary record: while it fails, Route 53 answers with the primary again",
    );
    endpoint(
        findings,
        observer,
        "primary-record-target",
        primary,
        seen.primary(),
        "point the primary record at the primary's endpoint",
    )
    .await;
    if let Some(replica) = &seen.replica {
        endpoint(
            findings,
            observer,
            "secondary-record-target",
            secondary,
            replica.known(),
            "point the secondary record at the replica's endpoint",
        )
        .await;
    }
    let ttl = primary.ttl().max(secondary.ttl());
    findings.test(
        "record-ttl",
        ttl.is_none_or(|ttl| ttl <= MAX_TTL),
        Level::Fail,
        ttl.map_or_else(
            || "the records are aliases, whose TTL AWS sets".to_owned(),
            |ttl| format!("the TTL is {ttl} s"),
        ),
        "set a TTL of at most 60 s on both records",
    );
}

async fn endpoint(
    findings: &mut Findings,
    observer: &Observer<'_>,
    id: &'static str,
    record: &ResourceRecordSet,
    instance: Option<&Instance>,
    fix: &'static str,
) {
    let targets = match observer.targets(record).await {
        Ok(targets) => targets,
        Err(why) => {
            return findings.add(
                id,
                Level::Fail,
                format!("the record's alias could not be followed: {why}"),
                fix,
            );
        }
    };
    let endpoint = instance.and_then(|instance| instance.endpoint.clone());
    let points = endpoint.as_ref().is_some_and(|endpoint| targets.contains(endpoint));
    // Without the endpoint nothing can be said of the record.
    let level = if endpoint.is_some() { Level::Fail } else { Level::Warn };
    findings.test(
        id,
        points,
        level,
        format!(
            "the record points at {}, the endpoint is {}",
            targets.join(", "),
            endpoint.as_deref().unwrap_or("not known")
        ),
        fix,
    );
}
