//! The SDK's answers as values of the model. What is absent stays absent.

use aws_sdk_rds::types::DbInstance;
use aws_sdk_route53::types::HealthCheckType;
use jiff::Timestamp;

use crate::model::{
    CheckState, Details, HealthCheck, Instance, InstanceRef, NotUpdatable, Replication, Sample, Source,
};
use crate::status::Status;
use crate::text::{cut, folded, named};

/// How much of a message of RDS is kept.
const SHOWN: usize = 200;
/// Seconds; no replica is behind for thirty years.
const LONGEST_LAG: f64 = 1e9;

pub(super) fn instance(found: &DbInstance, id: &InstanceRef) -> Option<Instance> {
    // A source in the same region is named by its identifier alone.
    let region = found.db_instance_arn().and_then(region_of).or_else(|| id.region.clone());
    let source = found
        .read_replica_source_db_instance_identifier()
        .filter(|source| !source.is_empty())
        .map(|source| match InstanceRef::parse(source, region.as_deref()) {
            Ok(source) => Source::Instance(source),
            Err(_) => Source::Other(named(source)),
        })
        .or_else(|| {
            found
                .read_replica_source_db_cluster_identifier()
                .filter(|source| !source.is_empty())
                .map(|source| Source::Other(named(source)))
        });
    Some(Instance {
        status: Status::parse(found.db_instance_status()?),
        source,
        // A time that can't be is not one that is absent: the instance must not pass for the one that failed.
        created: found.instance_create_time().map(|time| timestamp(time).unwrap_or(Timestamp::MAX)),
        multi_az: found.multi_az() == Some(true),
        endpoint: found
            .endpoint()
            .and_then(|endpoint| endpoint.address())
            .map(|address| named(address).trim_end_matches('.').to_ascii_lowercase()),
        replication: replication(found),
        replicas: found.read_replica_db_instance_identifiers().to_vec(),
        details: Details {
            engine: named(found.engine().unwrap_or_default()),
            class: named(found.db_instance_class().unwrap_or_default()),
            storage_gib: found.allocated_storage(),
            backup_retention_days: found.backup_retention_period(),
            cluster: found.db_cluster_identifier().map(named),
        },
    })
}

fn replication(found: &DbInstance) -> Replication {
    let replication = found.status_infos().iter().find(|info| info.status_type() == Some("read replication"));
    let Some(info) = replication else { return Replication::Normal };
    let status = info.status().unwrap_or_default();
    let what = format!("{status} {}", info.message().unwrap_or_default());
    let what = cut(&folded(what.trim()), SHOWN);
    match status.to_ascii_lowercase().as_str() {
        "terminated" | "stopped" => Replication::Broken(what),
        "error" => Replication::Failing(what),
        _ if info.normal() == Some(false) => Replication::Failing(what),
        _ => Replication::Normal,
    }
}

fn region_of(arn: &str) -> Option<String> {
    arn.split(':').nth(3).filter(|region| !region.is_empty()).map(str::to_owned)
}

/// Reads a health check as Route 53 returns it; a flag that is absent is not set.
pub(super) fn health_check(found: &aws_sdk_route53::types::HealthCheck) -> Option<HealthCheck> {
    // The SDK reads a version that is absent as 0; real ones start at 1, and an update adds 1.
    let config =
        found.health_check_config().filter(|_| (1..i64::MAX).contains(&found.health_check_version()))?;
    let not_updatable = if *config.r#type() == HealthCheckType::RecoveryControl {
        Some(NotUpdatable::RecoveryControl)
    } else {
        let service = found.linked_service().and_then(|service| service.service_principal());
        service.map(|service| NotUpdatable::LinkedTo(named(service)))
    };
    Some(HealthCheck {
        state: CheckState::of(config.disabled() == Some(true), config.inverted() == Some(true)),
        version: found.health_check_version(),
        calculated: *config.r#type() == HealthCheckType::Calculated,
        not_updatable,
        // With a lower threshold a check of them alone can't make the whole unhealthy.
        children: match config.child_health_checks() {
            children if config.health_threshold() == i32::try_from(children.len()).ok() => children.to_vec(),
            _ => Vec::new(),
        },
    })
}

/// The worst of the minute, but anything below zero if replication did not run in it.
pub(super) fn sample(point: &aws_sdk_cloudwatch::types::Datapoint) -> Option<Sample> {
    let values = [point.minimum(), point.average(), point.maximum()];
    let values = values.into_iter().flatten();
    let lowest = values.clone().min_by(f64::total_cmp)?;
    let highest = values.max_by(f64::total_cmp)?;
    Some(Sample {
        at: Timestamp::from_second(point.timestamp()?.secs()).ok()?,
        seconds: if lowest < 0.0 { lowest } else { highest.clamp(0.0, LONGEST_LAG) },
    })
}

pub(super) fn timestamp(time: &aws_sdk_rds::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}
