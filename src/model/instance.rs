//! DB instances.

use std::fmt;

use jiff::Timestamp;

use crate::status::Status;

/// A DB instance as the configuration or another instance names it: a plain identifier or an ARN.
///
/// RDS identifiers are case-insensitive and stored in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRef {
    /// `DBInstanceIdentifier`, in lower case.
    pub identifier: String,
    /// The region, where an ARN or the function's own region says it.
    pub region: Option<String>,
}

impl InstanceRef {
    /// Parses an identifier or an ARN (`arn:aws:rds:REGION:ACCOUNT:db:IDENTIFIER`).
    ///
    /// `region` is where a plain identifier lives.
    ///
    /// # Errors
    /// A sentence saying what is wrong with the text.
    pub fn parse(text: &str, region: Option<&str>) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let (identifier, region) = if text.starts_with("arn:") {
            let parts: Vec<&str> = text.splitn(7, ':').collect();
            match parts.as_slice() {
                [_, partition, "rds", region, account, "db", identifier]
                    if [partition, region, account].iter().all(|part| is_plain(part)) =>
                {
                    (*identifier, Some((*region).to_owned()))
                }
                _ => {
                    return Err(
                        "the ARN of a DB instance has the form arn:aws:rds:REGION:ACCOUNT:db:IDENTIFIER"
                            .to_owned(),
                    );
                }
            }
        } else {
            (text.as_str(), region.map(str::to_owned))
        };
        // "CreateDBInstance", DBInstanceIdentifier: 1 to 63 letters, digits or hyphens, first a letter.
        let valid = identifier.len() <= 63
            && identifier.starts_with(|c: char| c.is_ascii_alphabetic())
            && is_plain(identifier);
        if !valid {
            return Err(
                "a DB instance identifier has 1 to 63 letters, digits or hyphens and starts with a letter"
                    .to_owned(),
            );
        }
        Ok(Self { identifier: identifier.to_owned(), region })
    }

    /// Whether both name the same instance; a region that one side does not know is no difference.
    pub fn same_as(&self, other: &Self) -> bool {
        self.identifier == other.identifier
            && match (&self.region, &other.region) {
                (Some(a), Some(b)) => a == b,
                (None, _) | (_, None) => true,
            }
    }
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

impl fmt::Display for InstanceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identifier)
    }
}

/// A DB instance as `DescribeDBInstances` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `DBInstanceStatus`.
    pub status: Status,
    /// The instance it replicates from: `ReadReplicaSourceDBInstanceIdentifier`, or the cluster's.
    pub source: Option<Source>,
    /// `InstanceCreateTime`.
    pub created: Option<Timestamp>,
    /// `MultiAZ`.
    pub multi_az: bool,
    /// `Endpoint.Address`.
    pub endpoint: Option<String>,
    /// What RDS says of its replication.
    pub replication: Replication,
    /// `ReadReplicaDBInstanceIdentifiers`: the instances that replicate from it.
    pub replicas: Vec<String>,
    /// What only the readiness check looks at.
    pub details: Details,
}

impl Instance {
    /// An instance of which nothing is known but its status: it replicates from none, and nothing from it.
    pub fn of(status: Status) -> Self {
        Self {
            status,
            source: None,
            created: None,
            multi_az: false,
            endpoint: None,
            replication: Replication::Normal,
            replicas: Vec::new(),
            details: Details::default(),
        }
    }

    /// Whether it was created before `other`, as far as both times are known.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.created.zip(other.created).is_some_and(|(own, other)| own < other)
    }

    /// Whether it was made, or made anew under its name, after `moment`.
    pub fn was_created_after(&self, moment: Timestamp) -> bool {
        self.created.is_some_and(|created| created > moment)
    }
}

/// The properties of an instance that matter for readiness, not for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Details {
    /// `Engine`.
    pub engine: String,
    /// `DBInstanceClass`.
    pub class: String,
    /// `AllocatedStorage`, GiB.
    pub storage_gib: Option<i32>,
    /// `BackupRetentionPeriod`, days.
    pub backup_retention_days: Option<i32>,
    /// `DBClusterIdentifier`: set for members of Aurora and Multi-AZ DB clusters.
    pub cluster: Option<String>,
}

/// `StatusInfos[]` of type `read replication`.
///
/// Source: "DBInstanceStatusInfo" in the RDS API reference.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Replication {
    /// Replicating, or RDS says nothing of it.
    #[default]
    Normal,
    /// `error`: it may recover by itself, and a dead primary can cause it.
    Failing(String),
    /// `stopped` or `terminated`: a dead primary does not cause that, so the replica does not replicate.
    Broken(String),
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("replication is normal"),
            Self::Failing(what) => write!(f, "replication reports an error ({what})"),
            Self::Broken(what) => write!(f, "replication is broken ({what})"),
        }
    }
}

/// What a replica replicates from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `ReadReplicaSourceDBInstanceIdentifier`: a plain identifier in the same region, else an ARN.
    Instance(InstanceRef),
    /// `ReadReplicaSourceDBClusterIdentifier`, or a source that names no instance.
    Other(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(source) => source.fmt(f),
            Self::Other(source) => f.write_str(source),
        }
    }
}
