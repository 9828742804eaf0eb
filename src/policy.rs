//! A pair of databases and what decisions about it go by.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::model::{InstanceRef, Symptom};
use crate::status::{Health, Status};

/// A primary, its secondary, and the switch between them.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `PRIMARY_DB_INSTANCE_IDENTIFIER` or `PRIMARY_NAME`
    pub primary: Primary,
    /// `FAILOVER_DB_INSTANCE_IDENTIFIER`
    pub replica: Option<InstanceRef>,
    /// `ROUTE53_HEALTH_CHECK_ID`
    pub health_check_id: String,
    /// `HOSTED_ZONE_ID`
    pub hosted_zone_id: Option<String>,
    /// `RECORD_NAME`, in lower case, without a trailing dot.
    pub record_name: Option<String>,
    /// `HEALTH_ENDPOINTS`
    pub endpoints: Vec<Endpoint>,
    /// `SECONDARY_ENDPOINTS`
    pub secondary_endpoints: Vec<Endpoint>,
    /// `HEALTH_ENDPOINT_TIMEOUT`
    pub endpoint_timeout: Duration,
    /// What the decisions go by.
    pub policy: Policy,
}

impl Pair {
    /// The primary in RDS.
    pub fn rds_primary(&self) -> Option<&InstanceRef> {
        match &self.primary {
            Primary::Rds(instance) => Some(instance),
            Primary::Probed { .. } => None,
        }
    }

    /// Whether the old primary is stopped after a promotion. Not where both instances have one name, in two regions: once
    /// the two are swapped, the tags could not tell the old primary from the promoted replica.
    pub fn fences(&self) -> bool {
        let one_name = self
            .rds_primary()
            .zip(self.replica.as_ref())
            .is_some_and(|(primary, replica)| primary.identifier.eq_ignore_ascii_case(&replica.identifier));
        self.policy.fence && !one_name
    }
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primary {
    /// A DB instance: RDS is asked for its status.
    Rds(InstanceRef),
    /// A database that is not in RDS: judged by its probes alone.
    Probed {
        /// What it is called in reports.
        name: String,
    },
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rds(instance) => instance.fmt(f),
            Self::Probed { name } => f.write_str(name),
        }
    }
}

/// What is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://…` or `https://…`
    Http(http::Uri),
    /// `tcp://host:port`, without the scheme.
    Tcp(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(uri) => write!(f, "{uri}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// What the decisions go by.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `PROMOTE_REPLICA`
    pub promote: bool,
    /// `PROMOTE_ON`
    pub promote_on: BTreeSet<Symptom>,
    /// `MAX_REPLICA_LAG`
    pub max_lag: Duration,
    /// `STATUS_OVERRIDES`
    pub overrides: BTreeMap<Status, Health>,
    /// `CONFIRMATIONS`
    pub confirmations: u32,
    /// `CONFIRMATION_INTERVAL`
    pub interval: Duration,
    /// `FAILBACK`
    pub failback: Failback,
    /// `FAILBACK_CONFIRMATIONS`
    pub failback_confirmations: u32,
    /// `COOLDOWN`
    pub cooldown: Duration,
    /// `HEALTH_ENDPOINT_QUORUM`: how many endpoints must answer for "serving".
    pub quorum: usize,
    /// `ON_PRIMARY_UNREACHABLE`
    pub on_unreachable: OnUnreachable,
    /// `FENCE_PRIMARY=stop`
    pub fence: bool,
    /// `WATCH_INTERVAL`
    pub watch: Option<Duration>,
}

impl Policy {
    /// What a status says of an instance, with `STATUS_OVERRIDES`.
    pub fn health_of(&self, status: &Status) -> Health {
        self.overrides.get(status).copied().unwrap_or_else(|| status.health())
    }
}

/// `FAILBACK`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// Traffic goes back by itself where nothing was promoted.
    Auto,
    /// Traffic goes back on request only.
    Manual,
}

/// `ON_PRIMARY_UNREACHABLE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreachable {
    /// An unreachable RDS API is unknown, always.
    Hold,
    /// An unreachable RDS API and failing probes are unhealthy.
    FailOver,
}
