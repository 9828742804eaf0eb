//! What the observations say of the primary and of the replica. Evidence is weighed here; what follows from it
//! is decided in [`crate::decide`].

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::config::{OnUnreachable, Policy};
use crate::memory::{Memory, PROMOTION_VOID_AFTER};
use crate::model::{Blind, Cause, Instance, InstanceRef, Probes, Reading, Sample, Source};
use crate::status::{Health, Status};

/// What is wrong with a primary, in the words that `PROMOTE_ON` uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// RDS reports this status.
    Status(Status),
    /// RDS says there is no such instance.
    Missing,
    /// Neither the region's API nor the probes answer.
    Unreachable,
    /// RDS says healthy, the probes say no.
    Unresponsive,
}

impl Trigger {
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

/// The health of the primary and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// It serves.
    Healthy(Status),
    /// Its status asks for patience.
    Hold(Status),
    /// RDS says it is down, but it serves: the evidence conflicts.
    Conflict(Trigger, Probes),
    /// It does not serve.
    Unhealthy(Trigger),
    /// It could not be observed.
    Unknown(Blind),
}

impl Diagnosis {
    /// Weighs what RDS says against what the probes say.
    pub fn of(primary: &Reading<Instance>, probes: Option<Probes>, policy: &Policy) -> Self {
        let serving = probes.map(|probes| probes.answered >= policy.quorum);
        let unhealthy = |trigger| match (probes, serving) {
            (Some(probes), Some(true)) => Self::Conflict(trigger, probes),
            (_, Some(false)) | (_, None) | (None, _) => Self::Unhealthy(trigger),
        };
        match primary {
            Reading::Missing => unhealthy(Trigger::Missing),
            Reading::Known(instance) => {
                let status = instance.status.clone();
                match policy.health_of(&status) {
                    Health::Unhealthy => unhealthy(Trigger::Status(status)),
                    Health::Healthy if serving == Some(false) => Self::Unhealthy(Trigger::Unresponsive),
                    Health::Healthy => Self::Healthy(status),
                    Health::Hold | Health::Unknown => Self::Hold(status),
                }
            }
            Reading::Unknown(blind) => match (policy.on_unreachable, blind.cause, serving) {
                (OnUnreachable::FailOver, Cause::Unreachable, Some(false)) => {
                    Self::Unhealthy(Trigger::Unreachable)
                }
                (OnUnreachable::FailOver | OnUnreachable::Hold, _, _) => Self::Unknown(blind.clone()),
            },
        }
    }

    /// What is wrong with it, where it does not serve.
    pub fn trigger(&self) -> Option<&Trigger> {
        match self {
            Self::Unhealthy(trigger) => Some(trigger),
            Self::Healthy(_) | Self::Hold(_) | Self::Conflict(..) | Self::Unknown(_) => None,
        }
    }

    /// The health alone.
    pub fn health(&self) -> Health {
        match self {
            Self::Healthy(_) => Health::Healthy,
            Self::Hold(_) | Self::Conflict(..) => Health::Hold,
            Self::Unhealthy(_) => Health::Unhealthy,
            Self::Unknown(_) => Health::Unknown,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(status @ Status::Unrecognised(_)) => {
                write!(f, "{status}, a status this version does not know (hold)")
            }
            Self::Healthy(status) => write!(f, "{status} (healthy)"),
            Self::Hold(status) => write!(f, "{status} (hold)"),
            Self::Conflict(trigger, probes) => write!(
                f,
                "{} by RDS, but {} of {} probes answer (hold)",
                trigger.as_str(),
                probes.answered,
                probes.asked
            ),
            Self::Unhealthy(Trigger::Unresponsive) => {
                f.write_str("healthy by RDS, but the probes get no answer (unhealthy)")
            }
            Self::Unhealthy(Trigger::Unreachable) => {
                f.write_str("out of reach: neither the RDS API nor the probes answer (unhealthy)")
            }
            Self::Unhealthy(trigger) => write!(f, "{} (unhealthy)", trigger.as_str()),
            Self::Unknown(blind) => write!(f, "unknown ({blind})"),
        }
    }
}

/// What the configured replica is at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It replicates from the primary.
    Replica,
    /// A promotion was sent and is not complete.
    Promoting,
    /// It is available and replicates from nobody.
    Promoted,
    /// It replicates from somebody else, is missing, or is unknown.
    Other,
}

impl Role {
    /// The word used in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Promoting => "promoting",
            Self::Promoted => "promoted",
            Self::Other => "other",
        }
    }
}

/// The role of the replica. `memory` is what the tags say, where they were read; `version` the check's.
pub fn role(
    replica: &Reading<Instance>,
    id: &InstanceRef,
    primary: &InstanceRef,
    memory: Option<&Memory>,
    version: Option<i64>,
    now: Timestamp,
) -> Role {
    let Some(instance) = replica.known() else { return Role::Other };
    let sent = memory.zip(version).is_some_and(|(memory, version)| {
        memory.promotion_in(version).is_some_and(|sent| sent.instance == id.identifier)
            && promotion_sent(memory, version, replica, id, now)
    });
    match &instance.source {
        None if instance.status == Status::Available => Role::Promoted,
        None | Some(_) if sent => Role::Promoting,
        Some(source) if follows(source, primary) => Role::Replica,
        None | Some(_) => Role::Other,
    }
}

/// Whether the source of a replica is this primary.
pub fn follows(source: &Source, primary: &InstanceRef) -> bool {
    match source {
        Source::Instance(source) => source.same_as(primary),
        Source::Other(_) => false,
    }
}

/// Whether the tags say that a promotion was sent in the incident of this version, and nothing proves that it
/// was lost.
///
/// A promotion does not change the status at once; five minutes later an instance that is still an `available`
/// replica was never promoted, and the tag is void.
pub fn promotion_sent(
    memory: &Memory,
    version: i64,
    replica: &Reading<Instance>,
    id: &InstanceRef,
    now: Timestamp,
) -> bool {
    memory.promotion_in(version).is_some_and(|promotion| {
        let still_a_replica = promotion.instance == id.identifier
            && replica
                .known()
                .is_some_and(|instance| instance.source.is_some() && instance.status == Status::Available);
        !(still_a_replica && now.duration_since(promotion.at) >= PROMOTION_VOID_AFTER)
    })
}

/// Why the replica can't serve in the primary's place, if so.
pub fn reason_replica_not_fit(
    replica: &Reading<Instance>,
    primary: &InstanceRef,
    policy: &Policy,
) -> Option<String> {
    let instance = match replica {
        Reading::Known(instance) => instance,
        Reading::Missing => return Some("the replica does not exist".to_owned()),
        Reading::Unknown(blind) => return Some(format!("the replica is unknown ({blind})")),
    };
    match &instance.source {
        None => return Some("the replica replicates from nobody".to_owned()),
        Some(source) if !follows(source, primary) => {
            return Some(format!("the replica replicates from {source}, not from {primary}"));
        }
        Some(_) => {}
    }
    (policy.health_of(&instance.status) != Health::Healthy)
        .then(|| format!("the replica is {}", instance.status))
}

/// A known lag: the data at stake in a promotion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// Seconds behind the primary.
    pub seconds: f64,
    /// How old the sample is.
    pub age: SignedDuration,
}

/// A sample older than this says nothing of the present lag.
const LAG_STALE_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// A tick each minute sees an outage up to this long after it began.
const DETECTION: SignedDuration = SignedDuration::from_mins(1);

/// A lag that grew by the time that passed, give or take this, grew by nothing else.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// The lag that counts for a promotion, or why it is unknown.
///
/// The newest sample counts, with one exception. Once the primary is dead, PostgreSQL's lag (now less the last
/// replayed transaction) climbs by a second a second though no more data is at stake, and MySQL's turns to −1
/// (replication not running). So the last sample from before the outage counts where the newest is −1, or is no
/// more than that one and the time between them. Nothing older than that one is believed: a −1 there means that
/// replication had stopped before the outage.
///
/// `detected` is when the outage was first seen.
///
/// # Errors
/// A sentence saying why the lag is unknown.
pub fn lag(samples: &[Sample], detected: Timestamp, now: Timestamp) -> Result<Lag, String> {
    let outage = detected.checked_sub(DETECTION).unwrap_or(Timestamp::MIN);
    let fresh = |sample: &&Sample| now.duration_since(sample.at) <= LAG_STALE_AFTER;
    let usable = |sample: &&Sample| sample.seconds.is_finite() && sample.seconds >= 0.0;
    let Some(newest) = samples.iter().rfind(fresh) else {
        return Err(match samples.last() {
            None => "there is no sample of ReplicaLag".to_owned(),
            Some(last) => format!("the last sample of ReplicaLag is from {}", last.at),
        });
    };
    let before = samples.iter().filter(fresh).rfind(|sample| sample.at < outage).filter(usable);
    let counts = match before {
        Some(before) if !usable(&newest) => before,
        Some(before) => {
            let climb = newest.at.duration_since(before.at) + CLOCK_TOLERANCE;
            let by_the_clock = newest.seconds <= before.seconds + climb.as_secs_f64();
            if by_the_clock && newest.seconds > before.seconds { before } else { newest }
        }
        None if usable(&newest) => newest,
        None => return Err(format!("ReplicaLag is {}: replication is not running", newest.seconds)),
    };
    Ok(Lag { seconds: counts.seconds, age: now.duration_since(counts.at) })
}
