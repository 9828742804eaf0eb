//! What the function knows of the world: plain values, no SDK type.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::memory::{Memory, Move, Tag};
use crate::status::Status;

mod instance;

pub use instance::{Details, Instance, InstanceRef, Replication, Source};

/// Why something could not be observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    /// The kind of failure.
    pub cause: Cause,
    /// What the SDK said, for a person.
    pub detail: String,
}

/// The kinds of failure that decisions tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No answer: connection, time-out, or a 5xx answer.
    Unreachable,
    /// The request was throttled.
    Throttled,
    /// Refused: missing permission or credentials.
    Denied,
    /// Anything else, such as an answer that makes no sense.
    Other,
}

impl Cause {
    /// The word used in error types and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Other => "unreadable",
        }
    }
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Unreachable | Cause::Throttled | Cause::Denied => {
                write!(f, "{}: {}", self.cause.as_str(), self.detail)
            }
            // A refused change is an "other" cause as well as an answer that makes no sense: the detail says which.
            Cause::Other => f.write_str(&self.detail),
        }
    }
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The service answered.
    Known(T),
    /// The service answered that there is no such thing.
    Missing,
    /// The service did not say.
    Unknown(ReadFailure),
}

impl<T> Reading<T> {
    /// The value, where the service gave one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing | Self::Unknown(_) => None,
        }
    }
}

/// Evidence that is read only when a decision turns on it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Evidence<T> {
    /// Nobody asked for it.
    #[default]
    NotRead,
    /// It was read.
    Read(T),
    /// It was asked for and could not be read, or makes no sense.
    Unreadable(ReadFailure),
}

impl<T> Evidence<T> {
    /// The value, where it was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::NotRead | Self::Unreadable(_) => None,
        }
    }
}

/// What the two flags of a health check make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// Neither disabled nor inverted: Route 53 goes by what the check finds.
    Normal,
    /// Disabled and inverted: unhealthy whatever the check finds.
    ForcedUnhealthy,
    /// One flag alone: somebody else's setting.
    Foreign,
}

impl CheckState {
    /// Reads the state off the flags.
    pub fn of(disabled: bool, inverted: bool) -> Self {
        match (disabled, inverted) {
            (false, false) => Self::Normal,
            (true, true) => Self::ForcedUnhealthy,
            (true, false) | (false, true) => Self::Foreign,
        }
    }

    /// The word used in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::ForcedUnhealthy => "forced-unhealthy",
            Self::Foreign => "foreign",
        }
    }
}

/// Why Route 53 would refuse any update of a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUpdatable {
    /// It follows a routing control of Application Recovery Controller.
    RecoveryControl,
    /// The service of this principal made it, and alone may change it.
    LinkedTo(String),
}

impl fmt::Display for NotUpdatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecoveryControl => f.write_str("the health check is a RECOVERY_CONTROL check"),
            Self::LinkedTo(service) => write!(f, "the health check belongs to {service}"),
        }
    }
}

/// A Route 53 health check, as far as the function cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What the two flags say.
    pub state: CheckState,
    /// `HealthCheckVersion`, which every update must carry.
    pub version: i64,
    /// Whether it is made of other checks.
    pub calculated: bool,
    /// Why Route 53 would refuse any update, if it would.
    pub not_updatable: Option<NotUpdatable>,
    /// The checks each of which alone makes a CALCULATED check unhealthy.
    pub children: Vec<String>,
}

impl HealthCheck {
    /// A check of an endpoint, which can be updated.
    pub fn of(state: CheckState, version: i64) -> Self {
        Self { state, version, calculated: false, not_updatable: None, children: Vec::new() }
    }

    /// The announcement of the change that made the check what it is, where nobody has confirmed it yet.
    pub fn unconfirmed<'a>(&self, memory: &'a Memory, now: Timestamp) -> Option<(Tag, &'a Move)> {
        let (tag, made) = match self.state {
            CheckState::ForcedUnhealthy => (Tag::Routed, memory.routed.as_ref()?),
            CheckState::Normal => (Tag::Returned, memory.returned.as_ref()?),
            CheckState::Foreign => return None,
        };
        let open = made.version == self.version && made.until.is_some() && made.claims(now);
        open.then_some((tag, made))
    }
}

/// A change that was made, as the response names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Both flags of the health check were set.
    RouteToSecondary,
    /// RDS accepted the promotion of the replica.
    PromoteReplica,
    /// RDS accepted the request to stop the old primary.
    FencePrimary,
    /// Both flags of the health check were cleared.
    RouteToPrimary,
    /// Automatic change was paused.
    Pause,
    /// Automatic change was resumed.
    Resume,
}

impl Change {
    /// The word in the response's `actions`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RouteToSecondary => "route-to-secondary",
            Self::PromoteReplica => "promote-replica",
            Self::FencePrimary => "fence-primary",
            Self::RouteToPrimary => "route-to-primary",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// What is wrong with a primary, in the words that `PROMOTE_ON` uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Symptom {
    /// RDS reports this status.
    Status(Status),
    /// RDS says there is no such instance, and something else shows that there was.
    Missing,
    /// Neither the region's API nor the probes answer.
    Unreachable,
    /// The probes say no, and RDS says healthy or has no say.
    Unresponsive,
}

impl Symptom {
    /// The word in `PROMOTE_ON`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Missing => "missing",
            Self::Unreachable => "unreachable",
            Self::Unresponsive => "unresponsive",
        }
    }
}

/// Evidence that is read on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The tags of the health check.
    Memory,
    /// The health check and its tags once more: a change is at hand.
    Switch,
    /// The replica's lag.
    Lag,
    /// The primary's recent events about a Multi-AZ failover.
    MultiAzFailover,
    /// The primary failover record.
    Record,
    /// The open connections of the old primary.
    Connections,
}

/// How many of the configured endpoints answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probes {
    /// Those that answered.
    pub answered: usize,
    /// All that were asked.
    pub asked: usize,
}

/// One sample of `ReplicaLag`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When its period began.
    pub at: Timestamp,
    /// Seconds; below zero where replication was not running.
    pub seconds: f64,
}

/// Where the primary failover record points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryRecord {
    /// Its values, without a trailing dot.
    pub targets: Vec<String>,
}

/// Everything one look at the world brought. A field is what was read, never what was assumed.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The primary; `None` where it is not in RDS.
    pub primary: Option<Reading<Instance>>,
    /// The replica, where one is configured.
    pub replica: Option<Reading<Instance>>,
    /// The health check.
    pub check: Reading<HealthCheck>,
    /// The probes of the primary, where some are configured.
    pub probes: Option<Probes>,
    /// The probes of the secondary, where some are configured.
    pub secondary: Option<Probes>,
    /// The tags of the health check.
    pub memory: Evidence<Memory>,
    /// Whether the health check and the tags were read no earlier than the rest.
    pub switch_is_fresh: bool,
    /// Samples of the replica's lag, oldest first.
    pub lag: Evidence<Vec<Sample>>,
    /// When the primary's last event about a Multi-AZ failover was, if it had one.
    pub multi_az_failover: Evidence<Option<Timestamp>>,
    /// When RDS deleted an instance of the primary's name, if it did within 14 days; read where the primary is
    /// missing.
    pub deletion: Evidence<Option<Timestamp>>,
    /// The primary failover record, if there is one.
    pub record: Evidence<Option<PrimaryRecord>>,
    /// The last sample of the primary's `DatabaseConnections`.
    pub connections: Evidence<Option<f64>>,
}

impl Observation {
    /// Nothing was read yet.
    pub fn unread() -> Self {
        let not_read = ReadFailure { cause: Cause::Other, detail: "it was not read".to_owned() };
        Self {
            primary: None,
            replica: None,
            check: Reading::Unknown(not_read),
            probes: None,
            secondary: None,
            memory: Evidence::NotRead,
            switch_is_fresh: false,
            lag: Evidence::NotRead,
            multi_az_failover: Evidence::NotRead,
            deletion: Evidence::NotRead,
            record: Evidence::NotRead,
            connections: Evidence::NotRead,
        }
    }

    /// The primary as RDS shows it.
    pub fn primary(&self) -> Option<&Instance> {
        self.primary.as_ref().and_then(Reading::known)
    }

    /// The replica as RDS shows it.
    pub fn replica(&self) -> Option<&Instance> {
        self.replica.as_ref().and_then(Reading::known)
    }
}

/// The time a duration after another; the end of time where that is further than time goes.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
