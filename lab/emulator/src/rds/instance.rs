//! A database instance as RDS describes it.

use jiff::{SignedDuration, Timestamp};

use crate::ACCOUNT;

/// Whom a read replica replicates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An instance; described by its identifier in the same region, by its ARN across regions.
    Instance { region: String, id: String },
    /// A Multi-AZ DB cluster.
    Cluster(String),
}

/// One of a replica's `StatusInfos`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusInfo {
    /// Such as `replicating`, `error`, `stopped`, `terminated`.
    pub status: String,
    /// Whether RDS calls that normal.
    pub normal: bool,
    /// The details of an error.
    pub message: Option<String>,
}

impl StatusInfo {
    /// `replicating`, or an abnormal state.
    #[must_use]
    pub fn replication(status: &str) -> Self {
        Self { status: status.to_owned(), normal: status == "replicating", message: None }
    }
}

/// A database instance. Start from [`Instance::new`] or [`Instance::replica_of`] and set what
/// differs by struct update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub region: String,
    pub id: String,
    pub status: String,
    pub engine: String,
    pub engine_version: String,
    pub class: String,
    /// In GiB.
    pub storage: u32,
    pub storage_type: String,
    /// The KMS key in its region that it is encrypted with.
    pub key_id: String,
    pub parameter_group: String,
    pub subnet_group: String,
    pub security_groups: Vec<String>,
    pub multi_az: bool,
    pub address: String,
    pub port: u16,
    pub source: Option<Source>,
    pub status_infos: Vec<StatusInfo>,
    /// In days.
    pub backup_retention: u32,
    pub created: Timestamp,
    /// When a promotion that still runs was accepted.
    pub promoting_since: Option<Timestamp>,
    /// Stays through a rename. Set by [`crate::World::add`].
    pub key: u64,
}

impl Instance {
    /// An available PostgreSQL instance of a common size, with backups.
    #[must_use]
    pub fn new(region: &str, id: &str) -> Self {
        Self {
            region: region.to_owned(),
            id: id.to_owned(),
            status: "available".to_owned(),
            engine: "postgres".to_owned(),
            engine_version: "17.6".to_owned(),
            class: "db.m7g.large".to_owned(),
            storage: 100,
            storage_type: "gp3".to_owned(),
            key_id: "default".to_owned(),
            parameter_group: "default.postgres17".to_owned(),
            subnet_group: "default".to_owned(),
            security_groups: vec!["sg-default".to_owned()],
            multi_az: false,
            address: address(region, id),
            port: 5432,
            source: None,
            status_infos: Vec::new(),
            backup_retention: 7,
            created: Timestamp::UNIX_EPOCH,
            promoting_since: None,
            key: 0,
        }
    }

    /// A replica that replicates, of the same engine and size; in the same region also of the same groups.
    #[must_use]
    pub fn replica_of(source: &Self, region: &str, id: &str) -> Self {
        let new = Self::new(region, id);
        let same = source.region == region;
        Self {
            parameter_group: if same { source.parameter_group.clone() } else { new.parameter_group.clone() },
            subnet_group: if same { source.subnet_group.clone() } else { new.subnet_group.clone() },
            engine: source.engine.clone(),
            engine_version: source.engine_version.clone(),
            class: source.class.clone(),
            storage: source.storage,
            port: source.port,
            backup_retention: 1,
            // Never older than its source.
            created: source.created + SignedDuration::from_hours(1),
            source: Some(Source::Instance { region: source.region.clone(), id: source.id.clone() }),
            status_infos: vec![StatusInfo::replication("replicating")],
            ..new
        }
    }

    /// `arn:aws:rds:…:db:…`.
    #[must_use]
    pub fn arn(&self) -> String {
        arn(&self.region, &self.id)
    }

    /// A terminated replica still names its source, but is none of its replicas any more.
    pub(crate) fn replicates_from(&self, other: &Self) -> bool {
        let terminated = self.status_infos.iter().any(|info| info.status == "terminated");
        !terminated
            && matches!(&self.source, Some(Source::Instance { region, id })
            if *region == other.region && *id == other.id)
    }
}

pub(crate) fn arn(region: &str, id: &str) -> String {
    format!("arn:aws:rds:{region}:{ACCOUNT}:db:{id}")
}

/// The endpoint's name; its first label is the identifier and changes with a rename.
pub(crate) fn address(region: &str, id: &str) -> String {
    format!("{id}.c9example0000.{region}.rds.amazonaws.com")
}
