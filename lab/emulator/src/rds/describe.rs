//! How RDS describes its instances.

use bytes::Bytes;

use super::find;
use super::instance::{Instance, Source, arn};
use crate::ACCOUNT;
use crate::wire::{ApiError, ApiResult, Params, Service, Xml, iso};
use crate::world::World;

pub(crate) fn describe(
    world: &World,
    region: &str,
    mut params: Params<'_>,
    request_id: &str,
) -> ApiResult<Bytes> {
    let id = params.take("DBInstanceIdentifier");
    let (limit, start) = page(&mut params)?;
    if params.get("Filters.Filter.1.Name").is_some() {
        return Err(ApiError::not_emulated("filters of rds:DescribeDBInstances"));
    }
    params.finish()?;
    let instances: Vec<&Instance> = match id {
        Some(id) => vec![find(world, region, &id)?],
        None => {
            let all = world.rds.instances.iter();
            let mut all: Vec<_> = all.filter(|i| i.region == region).collect();
            all.sort_by(|a, b| a.id.cmp(&b.id));
            all
        }
    };
    let next = (start + limit < instances.len()).then_some(start + limit);
    let mut xml = Xml::new("DescribeDBInstancesResponse", Service::Rds.namespace());
    xml.open("DescribeDBInstancesResult").optional("Marker", next).open("DBInstances");
    for instance in instances.into_iter().skip(start).take(limit) {
        xml.open("DBInstance");
        members(world, &mut xml, instance);
        xml.close();
    }
    xml.close().close();
    Ok(xml.metadata(request_id).finish())
}

/// `MaxRecords` (20 to 100) and where `Marker` says to go on.
pub(crate) fn page(params: &mut Params<'_>) -> ApiResult<(usize, usize)> {
    let limit = params.take_parsed::<usize>("MaxRecords")?.unwrap_or(100);
    if !(20..=100).contains(&limit) {
        return Err(ApiError::bad(
            "InvalidParameterValue",
            format!("Invalid value {limit} for MaxRecords. Must be between 20 and 100"),
        ));
    }
    Ok((limit, params.take_parsed("Marker")?.unwrap_or(0)))
}

/// The answer of the operations that return the one instance they are about.
pub(crate) fn instance_answer(
    world: &World,
    operation: &'static str,
    instance: &Instance,
    request_id: &str,
) -> Bytes {
    let (response, result) = match operation {
        "PromoteReadReplica" => ("PromoteReadReplicaResponse", "PromoteReadReplicaResult"),
        "StopDBInstance" => ("StopDBInstanceResponse", "StopDBInstanceResult"),
        "ModifyDBInstance" => ("ModifyDBInstanceResponse", "ModifyDBInstanceResult"),
        _ => ("CreateDBInstanceReadReplicaResponse", "CreateDBInstanceReadReplicaResult"),
    };
    let mut xml = Xml::new(response, Service::Rds.namespace());
    xml.open(result).open("DBInstance");
    members(world, &mut xml, instance);
    xml.close().close();
    xml.metadata(request_id).finish()
}

fn members(world: &World, xml: &mut Xml, instance: &Instance) {
    xml.leaf("DBInstanceIdentifier", &instance.id)
        .leaf("DBInstanceClass", &instance.class)
        .leaf("Engine", &instance.engine)
        .leaf("EngineVersion", &instance.engine_version)
        .leaf("DBInstanceStatus", &instance.status)
        .leaf("MasterUsername", "admin_user");
    if instance.status != "creating" {
        xml.open("Endpoint")
            .leaf("Address", &instance.address)
            .leaf("Port", instance.port)
            .leaf("HostedZoneId", "Z2R2ITUGPM61AM")
            .close();
    }
    xml.leaf("AllocatedStorage", instance.storage)
        .leaf("StorageType", &instance.storage_type)
        .leaf("InstanceCreateTime", iso(instance.created))
        .leaf("BackupRetentionPeriod", instance.backup_retention)
        .leaf("AvailabilityZone", format_args!("{}a", instance.region))
        .leaf("MultiAZ", instance.multi_az)
        .leaf("PubliclyAccessible", false)
        .leaf("StorageEncrypted", true)
        .leaf("KmsKeyId", format_args!("arn:aws:kms:{}:{ACCOUNT}:key/{}", instance.region, instance.key_id));
    xml.open("VpcSecurityGroups");
    for group in &instance.security_groups {
        xml.open("VpcSecurityGroupMembership")
            .leaf("VpcSecurityGroupId", group)
            .leaf("Status", "active")
            .close();
    }
    xml.close().open("DBParameterGroups").open("DBParameterGroup");
    xml.leaf("DBParameterGroupName", &instance.parameter_group).leaf("ParameterApplyStatus", "in-sync");
    xml.close().close().open("DBSubnetGroup");
    xml.leaf("DBSubnetGroupName", &instance.subnet_group).leaf("VpcId", "vpc-1").close();
    match &instance.source {
        None => {}
        Some(Source::Cluster(cluster)) => {
            xml.leaf("ReadReplicaSourceDBClusterIdentifier", cluster);
        }
        Some(Source::Instance { region, id }) if *region == instance.region => {
            xml.leaf("ReadReplicaSourceDBInstanceIdentifier", id);
        }
        Some(Source::Instance { region, id }) => {
            xml.leaf("ReadReplicaSourceDBInstanceIdentifier", arn(region, id));
        }
    }
    xml.open("ReadReplicaDBInstanceIdentifiers");
    let all = world.rds.instances.iter();
    for replica in all.filter(|other| other.replicates_from(instance)) {
        let name = if replica.region == instance.region { replica.id.clone() } else { replica.arn() };
        xml.leaf("ReadReplicaDBInstanceIdentifier", name);
    }
    xml.close();
    if !instance.status_infos.is_empty() {
        xml.open("StatusInfos");
        for info in &instance.status_infos {
            xml.open("DBInstanceStatusInfo")
                .leaf("StatusType", "read replication")
                .leaf("Normal", info.normal)
                .leaf("Status", &info.status)
                .optional("Message", info.message.as_ref())
                .close();
        }
        xml.close();
    }
    xml.leaf("DBInstanceArn", instance.arn()).leaf("DbiResourceId", format_args!("db-{:026}", instance.key));
}
