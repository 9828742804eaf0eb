//! The new replica: what it copies from which instance, the two calls that make it, and the same as `aws` commands.

use aws_sdk_rds::Client;
use aws_sdk_rds::config::http::HttpResponse;
use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::error::SdkError;
use aws_sdk_rds::operation::create_db_instance_read_replica::CreateDBInstanceReadReplicaError;
use aws_sdk_rds::operation::modify_db_instance::ModifyDBInstanceError;
use aws_sdk_rds::types::DbInstance;

/// An instance as RDS describes it, and where it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its region.
    pub region: String,
    /// As RDS describes it.
    pub instance: DbInstance,
}

impl Found {
    /// Its identifier.
    pub fn id(&self) -> &str {
        self.instance.db_instance_identifier().unwrap_or_default()
    }

    /// Its status.
    pub fn status(&self) -> &str {
        self.instance.db_instance_status().unwrap_or("unknown")
    }

    /// Whether it is a read replica of the other.
    pub fn follows(&self, other: &Self) -> bool {
        let source = self.instance.read_replica_source_db_instance_identifier();
        let name =
            if self.region == other.region { Some(other.id()) } else { other.instance.db_instance_arn() };
        source.is_some() && source == name
    }

    fn parameter_group(&self) -> Option<&str> {
        self.instance.db_parameter_groups().first()?.db_parameter_group_name()
    }

    fn subnet_group(&self) -> Option<&str> {
        self.instance.db_subnet_group()?.db_subnet_group_name()
    }
}

/// The new replica.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its identifier.
    pub id: String,
    /// Its region.
    pub region: String,
    /// The promoted instance: its identifier, or its ARN across regions.
    source: String,
    /// The promoted instance's region, where that is another.
    source_region: Option<String>,
    class: Option<String>,
    subnet_group: Option<String>,
    security_groups: Vec<String>,
    storage: Option<String>,
    iops: Option<i32>,
    key: Option<String>,
    parameter_group: Option<String>,
    retention: i32,
}

/// What is still to change on the new replica once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    parameter_group: Option<String>,
    retention: Option<i32>,
}

impl Plan {
    /// A replica of `promoted` with the region and the settings of `like`.
    pub fn new(id: &str, promoted: &Found, like: &Found) -> Self {
        let across = promoted.region != like.region;
        let of = &like.instance;
        let source = if across { promoted.instance.db_instance_arn() } else { Some(promoted.id()) };
        // In its source's region a replica gets the source's subnet group by itself, and RDS can refuse to be given one
        // (DBSubnetGroupNotAllowedFault). Source: "CreateDBInstanceReadReplica", errors.
        let subnet_group =
            like.subnet_group().filter(|group| across || promoted.subnet_group() != Some(*group));
        // Left out, the type is gp3, and RDS takes no IOPS for a small gp3 volume. Source: as above, `StorageType`.
        let storage = of.storage_type().filter(|kind| *kind != "gp3");
        let iops = of.iops().filter(|_| matches!(storage, Some("io1" | "io2")));
        // A key belongs to a region: only across regions it must be named. Source: as above, `KmsKeyId`.
        let key = of.kms_key_id().filter(|_| across && promoted.instance.storage_encrypted() == Some(true));
        Self {
            id: id.to_owned(),
            region: like.region.clone(),
            source: source.unwrap_or_default().to_owned(),
            source_region: across.then(|| promoted.region.clone()),
            class: of.db_instance_class().map(str::to_owned),
            subnet_group: subnet_group.map(str::to_owned),
            security_groups: of
                .vpc_security_groups()
                .iter()
                .filter_map(|group| group.vpc_security_group_id().map(str::to_owned))
                .collect(),
            storage: storage.map(str::to_owned),
            iops,
            key: key.map(str::to_owned),
            parameter_group: like.parameter_group().map(str::to_owned),
            // A replica without backups has none after a promotion either, and can't be the source of a replica.
            retention: of.backup_retention_period().unwrap_or_default().max(1),
        }
    }

    /// What the replica lacks; all of it while there is none. A parameter group can't be given at creation for most
    /// engines, and backups for none. Source: "CreateDBInstanceReadReplica", `DBParameterGroupName`.
    pub fn lacks(&self, replica: Option<&Found>) -> Settings {
        let group = replica.and_then(Found::parameter_group);
        let kept = replica.and_then(|replica| replica.instance.backup_retention_period());
        let pending = replica
            .and_then(|replica| replica.instance.pending_modified_values())
            .and_then(|pending| pending.backup_retention_period());
        Settings {
            parameter_group: self.parameter_group.clone().filter(|wanted| group != Some(wanted)),
            retention: Some(self.retention)
                .filter(|_| kept.max(pending).unwrap_or_default() < self.retention),
        }
    }

    /// Creates it: one request, which is not repeated.
    ///
    /// # Errors
    /// RDS refused, or did not answer.
    pub async fn create(
        &self,
        client: &Client,
    ) -> Result<(), SdkError<CreateDBInstanceReadReplicaError, HttpResponse>> {
        client
            .create_db_instance_read_replica()
            .db_instance_identifier(&self.id)
            .source_db_instance_identifier(&self.source)
            .set_db_instance_class(self.class.clone())
            .set_db_subnet_group_name(self.subnet_group.clone())
            .set_vpc_security_group_ids(
                Some(self.security_groups.clone()).filter(|groups| !groups.is_empty()),
            )
            .set_storage_type(self.storage.clone())
            .set_iops(self.iops)
            .set_kms_key_id(self.key.clone())
            .customize()
            .config_override(aws_sdk_rds::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map(drop)
    }

    /// Sets what it lacks: one request, which is not repeated.
    ///
    /// # Errors
    /// RDS refused, or did not answer.
    pub async fn modify(
        &self,
        client: &Client,
        lacks: &Settings,
    ) -> Result<(), SdkError<ModifyDBInstanceError, HttpResponse>> {
        client
            .modify_db_instance()
            .db_instance_identifier(&self.id)
            .set_db_parameter_group_name(lacks.parameter_group.clone())
            .set_backup_retention_period(lacks.retention)
            .apply_immediately(true)
            .customize()
            .config_override(aws_sdk_rds::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map(drop)
    }

    /// [`Plan::create`] as an `aws` command.
    pub fn create_command(&self) -> String {
        let mut words = format!(
            "aws rds create-db-instance-read-replica --region {} --db-instance-identifier {} --source-db-instance-identifier {}",
            self.region, self.id, self.source
        );
        let iops = self.iops.map(|iops| iops.to_string());
        let groups = (!self.security_groups.is_empty()).then(|| self.security_groups.join(" "));
        for (option, value) in [
            ("source-region", &self.source_region),
            ("db-instance-class", &self.class),
            ("db-subnet-group-name", &self.subnet_group),
            ("vpc-security-group-ids", &groups),
            ("storage-type", &self.storage),
            ("iops", &iops),
            ("kms-key-id", &self.key),
        ] {
            if let Some(value) = value {
                words.push_str(&format!(" --{option} {value}"));
            }
        }
        words
    }

    /// The wait until it is available as an `aws` command.
    pub fn wait_command(&self) -> String {
        format!(
            "aws rds wait db-instance-available --region {} --db-instance-identifier {}",
            self.region, self.id
        )
    }

    /// [`Plan::modify`] as an `aws` command.
    pub fn modify_command(&self, lacks: &Settings) -> String {
        let mut words = format!(
            "aws rds modify-db-instance --region {} --db-instance-identifier {}",
            self.region, self.id
        );
        if let Some(group) = &lacks.parameter_group {
            words.push_str(&format!(" --db-parameter-group-name {group}"));
        }
        if let Some(days) = lacks.retention {
            words.push_str(&format!(" --backup-retention-period {days}"));
        }
        words.push_str(" --apply-immediately");
        words
    }
}

impl Settings {
    /// Whether nothing is left to set.
    pub fn is_empty(&self) -> bool {
        self.parameter_group.is_none() && self.retention.is_none()
    }
}

/// The identifier after this one: with `-2`, or with the next number.
pub fn next_id(id: &str) -> String {
    let numbered = id.rsplit_once('-').and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    match numbered {
        Some((stem, number)) => format!("{stem}-{}", number.saturating_add(1)),
        None => format!("{id}-2"),
    }
}

/// The update of the stack that makes `primary` the primary and `replica` its replica; the regions where they change.
/// It keeps the template and every other parameter.
pub fn swap_command(
    stack: &str,
    region: &str,
    primary: &str,
    replica: &str,
    regions: Option<(&str, &str)>,
) -> String {
    let mut given = vec![("PrimaryDbInstanceIdentifier", primary), ("ReplicaDbInstanceIdentifier", replica)];
    if let Some((of_primary, of_replica)) = regions {
        given.extend([("PrimaryRegion", of_primary), ("ReplicaRegion", of_replica)]);
    }
    let values: Vec<_> =
        given.iter().map(|(key, value)| format!("ParameterKey={key},ParameterValue={value}")).collect();
    let others: Vec<_> = given.iter().map(|(key, _)| format!("ParameterKey!=`{key}`")).collect();
    format!(
        "aws cloudformation update-stack --region {region} --stack-name {stack} --use-previous-template --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameters {} $(printf 'ParameterKey=%s,UsePreviousValue=true ' $(aws cloudformation describe-stacks --region {region} --stack-name {stack} --query 'Stacks[0].Parameters[?{}].ParameterKey' --output text))",
        values.join(" "),
        others.join(" && ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_identifier_counts_on() {
        for (id, next) in [
            ("orders-replica", "orders-replica-2"),
            ("orders-replica-2", "orders-replica-3"),
            ("db-9x", "db-9x-2"),
        ] {
            assert_eq!(next_id(id), next);
        }
    }
}
