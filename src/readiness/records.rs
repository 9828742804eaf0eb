//! The failover records: do they lead where the function believes?

use aws_sdk_route53::types::ResourceRecordSetFailover;

use super::{Findings, Level};
use crate::model::{CheckState, Instance, Observation, ReadFailure, Reading};
use crate::observe::{Followed, Observer};
use crate::policy::Pair;

/// With a health check, AWS advises 60 s or less ("Values specific for failover records", TTL).
const MAX_TTL: i64 = 60;

pub(super) async fn examine(
    findings: &mut Findings,
    pair: &Pair,
    seen: &Observation,
    observer: &Observer<'_>,
) {
    if pair.hosted_zone_id.is_none() {
        return findings.add(
            "records",
            Level::Warn,
            "the failover records are not checked: HOSTED_ZONE_ID is not set",
            "set HOSTED_ZONE_ID and RECORD_NAME",
        );
    }
    let sets = match observer.record_sets().await {
        Ok(sets) => sets,
        Err(why) => {
            return findings.add(
                "records",
                Level::Fail,
                format!("the records could not be read ({why})"),
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
            "there is no pair of primary and secondary failover records",
            "create both records with the failover routing policy, and correct RECORD_NAME",
        );
    };
    findings.add("records", Level::Pass, format!("both failover records of {} exist", primary.name()), "");
    leads_to_switch(findings, pair, seen, observer, primary.health_check_id()).await;
    findings.test(
        "secondary-record-health-check",
        secondary.health_check_id().is_none(),
        Level::Fail,
        format!("the secondary record uses {}", secondary.health_check_id().unwrap_or("no health check")),
        "remove the health check from the secondary record: while that check fails, Route 53 answers with the primary again",
    );
    let evaluated = secondary.alias_target().is_some_and(|alias| alias.evaluate_target_health());
    findings.test(
        "secondary-record-evaluated",
        !evaluated,
        Level::Fail,
        if evaluated {
            "the secondary record is an alias that evaluates the health of its target"
        } else {
            "the secondary record does not evaluate the health of a target"
        },
        "set EvaluateTargetHealth to false on the secondary record: while its target looks unhealthy, Route 53 answers with the primary again",
    );
    let (to_primary, to_secondary) = (observer.follow(primary).await, observer.follow(secondary).await);
    // Of a primary outside RDS nobody knows the endpoint.
    if pair.rds_primary().is_some() {
        endpoint(
            findings,
            "primary-record-target",
            &to_primary,
            seen.primary(),
            "point the primary record at the primary's endpoint",
        );
    }
    if let Some(replica) = &seen.replica {
        endpoint(
            findings,
            "secondary-record-target",
            &to_secondary,
            replica.known(),
            "point the secondary record at the replica's endpoint",
        );
    }
    let ttl = [&to_primary, &to_secondary].into_iter().filter_map(|led| led.as_ref().ok()?.ttl).max();
    findings.test(
        "record-ttl",
        ttl.is_none_or(|ttl| ttl <= MAX_TTL),
        Level::Fail,
        ttl.map_or_else(
            || "the records are aliases, whose TTL AWS sets".to_owned(),
            |ttl| format!("the TTL is {ttl} s"),
        ),
        "set a TTL of at most 60 s on both records, or on the records that their aliases point to",
    );
}

/// Whether the primary record becomes unhealthy with the switch: it uses that check, or a CALCULATED one that is made
/// of it.
async fn leads_to_switch(
    findings: &mut Findings,
    pair: &Pair,
    seen: &Observation,
    observer: &Observer<'_>,
    record_check: Option<&str>,
) {
    const ID: &str = "primary-record-health-check";
    const FIX: &str = "put ROUTE53_HEALTH_CHECK_ID on the primary record, or a CALCULATED check that has it as a child and requires all children to be healthy";
    let Some(id) = record_check else {
        return findings.add(ID, Level::Fail, "the primary record uses no health check", FIX);
    };
    if id == pair.health_check_id {
        return findings.add(ID, Level::Pass, "the primary record uses the health check", "");
    }
    let parent = match observer.health_check_by_id(id).await {
        Reading::Known(parent) => parent,
        Reading::Missing => {
            return findings.add(
                ID,
                Level::Fail,
                format!("the primary record uses {id}, which does not exist"),
                FIX,
            );
        }
        Reading::Unknown(why) => {
            return findings.add(
                "primary-record-health-check-readable",
                Level::Fail,
                format!("the primary record uses {id}, which could not be read ({why}): whether that check follows the switch is not known"),
                "allow route53:GetHealthCheck on the check of the primary record",
            );
        }
    };
    findings.test(
        ID,
        parent.children.contains(&pair.health_check_id),
        Level::Fail,
        format!("the primary record uses {id}"),
        FIX,
    );
    if !parent.children.contains(&pair.health_check_id) {
        return;
    }
    findings.test(
        "record-check-normal",
        parent.state == CheckState::Normal,
        Level::Fail,
        format!("the check {id} between the record and the switch is {}", flags(parent.state)),
        "clear Disabled and Inverted on that check: a disabled check counts as healthy, an inverted one as the opposite of what it finds",
    );
    let nested = seen.check.known().is_some_and(|check| check.calculated);
    findings.test(
        "record-check-not-nested",
        !nested,
        Level::Fail,
        if nested {
            format!(
                "the check {id} has the switch as a child, and both are CALCULATED: Route 53 does not allow that"
            )
        } else {
            format!("the check {id} has no CALCULATED child")
        },
        "put the switch itself on the primary record",
    );
}

fn flags(state: CheckState) -> &'static str {
    match state {
        CheckState::Normal => "neither disabled nor inverted",
        CheckState::ForcedUnhealthy => "disabled and inverted",
        CheckState::Foreign => "disabled or inverted",
    }
}

fn endpoint(
    findings: &mut Findings,
    id: &'static str,
    followed: &Result<Followed, ReadFailure>,
    instance: Option<&Instance>,
    fix: &'static str,
) {
    let targets = match followed {
        Ok(followed) => &followed.targets,
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
            "the record points at {}; the endpoint is {}",
            targets.join(", "),
            endpoint.as_deref().unwrap_or("not known")
        ),
        fix,
    );
}
