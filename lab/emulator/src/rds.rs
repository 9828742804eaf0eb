//! RDS: instances, what they go through, and what happened to them.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::faults::Asked;
use crate::record::Change;
use crate::wire::{ApiError, ApiResult, Params};
use crate::world::World;
use describe::{describe, instance_answer};
use events::{RdsEvent, describe_events};
use instance::{Instance, Source, arn};

mod describe;
pub(crate) mod events;
pub(crate) mod instance;
pub(crate) mod lifecycle;

#[derive(Debug, Default)]
pub(crate) struct Rds {
    pub(crate) instances: Vec<Instance>,
    pub(crate) events: Vec<RdsEvent>,
    /// The identifiers that ever were.
    known: BTreeSet<String>,
    keys: u64,
}

impl Rds {
    pub(crate) fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

pub(crate) fn run(
    world: &mut World,
    asked: &Asked,
    params: Params<'_>,
    request_id: &str,
) -> ApiResult<Bytes> {
    let region = asked.region.as_str();
    let (operation, key) = match asked.operation.as_ref() {
        "DescribeDBInstances" => return describe(world, region, params, request_id),
        "DescribeEvents" => return describe_events(world, region, params, request_id),
        "PromoteReadReplica" => ("PromoteReadReplica", promote(world, region, params)?),
        "StopDBInstance" => ("StopDBInstance", stop(world, region, params)?),
        "ModifyDBInstance" => ("ModifyDBInstance", modify(world, region, params)?),
        "CreateDBInstanceReadReplica" => {
            ("CreateDBInstanceReadReplica", create_replica(world, region, params)?)
        }
        other => return Err(ApiError::not_emulated(format_args!("rds:{other}"))),
    };
    let instance = world.rds.instances.iter().find(|i| i.key == key);
    let instance = instance.ok_or_else(|| not_found(""))?;
    Ok(instance_answer(world, operation, instance, request_id))
}

pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(404, "DBInstanceNotFound", format!("DBInstance {id} not found."))
}

fn invalid_state(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidDBInstanceState", message)
}

fn invalid_value(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterValue", message)
}

fn invalid_combination(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterCombination", message)
}

/// Identifiers begin with a letter, have letters, digits and hyphens, no two hyphens in a row and
/// none at the end, and at most 63 characters.
pub(crate) fn check_identifier(name: &str, id: &str) -> ApiResult<()> {
    let good = id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !id.contains("--")
        && !id.ends_with('-')
        && id.len() <= 63;
    if good {
        return Ok(());
    }
    Err(invalid_value(format!(
        "The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must contain only \
         ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// The instance that an identifier or an ARN names in the region of the request.
pub(crate) fn find<'w>(world: &'w World, region: &str, name: &str) -> ApiResult<&'w Instance> {
    let id = match name.strip_prefix("arn:") {
        None => name,
        Some(_) => {
            let id = name.rsplit(':').next().unwrap_or_default();
            if !name.eq_ignore_ascii_case(&arn(region, id)) {
                return Err(invalid_value(
                    "The specified resource name does not match an RDS resource in this region.",
                ));
            }
            id
        }
    };
    check_identifier("DBInstanceIdentifier", id)?;
    let instances = world.rds.instances.iter();
    instances
        .filter(|i| i.region == region)
        .find(|i| i.id.eq_ignore_ascii_case(id))
        .ok_or_else(|| not_found(id))
}

/// As [`find`], for the operations that take no ARN.
fn find_by_identifier<'w>(
    world: &'w World,
    region: &str,
    params: &mut Params<'_>,
) -> ApiResult<&'w Instance> {
    let id = params.require("DBInstanceIdentifier")?;
    check_identifier("DBInstanceIdentifier", &id)?;
    find(world, region, &id)
}

fn must_be(instance: &Instance, status: &str) -> ApiResult<()> {
    if instance.status == status {
        return Ok(());
    }
    Err(invalid_state(format!("Instance {} is not in {status} state.", instance.id)))
}

fn promote(world: &mut World, region: &str, mut params: Params<'_>) -> ApiResult<u64> {
    let key = find_by_identifier(world, region, &mut params)?.key;
    let retention = params.take_parsed::<u32>("BackupRetentionPeriod")?;
    params.take("PreferredBackupWindow");
    params.finish()?;
    let retention = retention.unwrap_or(1);
    check_retention(retention)?;
    world.accept_promotion(key)?;
    if let Some(instance) = world.by_key(key) {
        instance.backup_retention = retention;
    }
    Ok(key)
}

fn check_retention(days: u32) -> ApiResult<()> {
    if days <= 35 {
        return Ok(());
    }
    Err(invalid_value(format!(
        "Invalid backup retention period: {days}. Retention period must be between 0 and 35."
    )))
}

impl World {
    pub(crate) fn accept_promotion(&mut self, key: u64) -> ApiResult<()> {
        let instance = self.by_key(key).ok_or_else(|| not_found(""))?;
        if instance.engine.starts_with("aurora") || instance.source.is_none() {
            return Err(invalid_state("DB Instance is not a read replica."));
        }
        if instance.promoting_since.is_some() {
            return Err(invalid_state(format!("DB Instance {} is already being promoted.", instance.id)));
        }
        must_be(instance, "available")?;
        self.run_promotion(key);
        Ok(())
    }
}

fn stop(world: &mut World, region: &str, mut params: Params<'_>) -> ApiResult<u64> {
    let instance = find_by_identifier(world, region, &mut params)?;
    let key = instance.key;
    params.finish()?;
    must_be(instance, "available")?;
    if instance.source.is_some() {
        return Err(invalid_state(format!("Cannot stop or start a read replica: {}.", instance.id)));
    }
    if world.rds.instances.iter().any(|i| i.replicates_from(instance)) {
        return Err(invalid_state(format!(
            "Cannot stop or start a DB instance that has read replicas: {}.",
            instance.id
        )));
    }
    world.pass_through(key, &["stopping", "stopped"]);
    Ok(key)
}

fn modify(world: &mut World, region: &str, mut params: Params<'_>) -> ApiResult<u64> {
    let instance = find_by_identifier(world, region, &mut params)?;
    let (key, id) = (instance.key, instance.id.clone());
    let at_once = params.take_bool("ApplyImmediately")?;
    let retention = params.take_parsed::<u32>("BackupRetentionPeriod")?;
    let group = params.take("DBParameterGroupName");
    params.finish()?;
    if !["available", "storage-full", "storage-optimization"].contains(&instance.status.as_str()) {
        must_be(instance, "available")?;
    }
    retention.map_or(Ok(()), check_retention)?;
    let step = world.step;
    world.changed(Change::InstanceModified { instance: id });
    // At once, whatever ApplyImmediately says; its static parameters wait for a reboot. Source: "ModifyDBInstance".
    if let (Some(instance), Some(group)) = (world.by_key(key), group) {
        instance.parameter_group = group;
    }
    // What is not applied at once waits for a maintenance window, which never comes here.
    if let (true, Some(retention)) = (at_once, retention) {
        world.pass_through(key, &["modifying", "available"]);
        world.after(step, move |world| {
            if let Some(instance) = world.by_key(key) {
                instance.backup_retention = retention;
            }
        });
    }
    Ok(key)
}

fn create_replica(world: &mut World, region: &str, mut params: Params<'_>) -> ApiResult<u64> {
    let id = params.require("DBInstanceIdentifier")?.to_ascii_lowercase();
    check_identifier("DBInstanceIdentifier", &id)?;
    let name = params.require("SourceDBInstanceIdentifier")?;
    let class = params.take("DBInstanceClass");
    let multi_az = params.take_bool("MultiAZ")?;
    let subnet_group = params.take("DBSubnetGroupName");
    let security_groups = params.take_list("VpcSecurityGroupIds.VpcSecurityGroupId");
    let storage_type = params.take("StorageType");
    let iops = params.take_parsed::<u32>("Iops")?;
    let kms_key = params.take("KmsKeyId");
    params.take("PreSignedUrl");
    // DBParameterGroupName is supported for few engines, and only across regions for MySQL: it is not known here.
    params.finish()?;
    if find(world, region, &id).is_ok() {
        return Err(ApiError::bad("DBInstanceAlreadyExists", "DB Instance already exists"));
    }
    let source = if name.starts_with("arn:") {
        world.instance(&name).ok_or_else(|| not_found(&name))?
    } else {
        find(world, region, &name)?
    };
    must_be(source, "available")?;
    if source.backup_retention == 0 {
        return Err(invalid_state(
            "Automated backups are not enabled for this database instance. To enable automated backups, use \
             ModifyDBInstance to set the backup retention period to a non-zero value.",
        ));
    }
    // Both are documented for `StorageType` and `KmsKeyId`; the codes of the refusals are not.
    if matches!(storage_type.as_deref(), Some("io1" | "io2" | "gp3")) && iops.is_none() {
        return Err(invalid_combination("A value for Iops is required with this storage type."));
    }
    if source.region != region && kms_key.is_none() {
        return Err(invalid_combination(
            "A KMS key of this region is required for an encrypted read replica of another region's instance.",
        ));
    }
    let replica = Instance::replica_of(source, region, &id);
    let source_key = source.key_id.clone();
    let source = Source::Instance { region: source.region.clone(), id: source.id.clone() };
    world.add(Instance {
        class: class.unwrap_or_else(|| replica.class.clone()),
        multi_az,
        subnet_group: subnet_group.unwrap_or_else(|| replica.subnet_group.clone()),
        security_groups: if security_groups.is_empty() {
            replica.security_groups.clone()
        } else {
            security_groups
        },
        storage_type: storage_type.unwrap_or_else(|| replica.storage_type.clone()),
        key_id: kms_key
            .and_then(|key| key.rsplit('/').next().map(str::to_owned))
            .unwrap_or_else(|| source_key.clone()),
        // None is made with the replica: `BackupRetentionPeriod` is no parameter of this operation.
        backup_retention: 0,
        source: Some(source),
        created: world.now,
        ..replica
    });
    let key = world.rds.instances.last().map_or(0, |i| i.key);
    world.changed(Change::InstanceCreated { instance: id });
    world.pass_through(key, &["creating", "available"]);
    Ok(key)
}
