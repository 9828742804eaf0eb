//! What the observations say of the replica: what it is, and whether it can stand in for the primary.

use std::fmt;

use jiff::Timestamp;

use crate::memory::Memory;
use crate::model::{Instance, InstanceRef, ReadFailure, Reading, Replication, Source};
use crate::policy::Policy;
use crate::status::{Health, Status};

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
        memory.promoted.as_ref().is_some_and(|sent| sent.instance == id.identifier)
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

/// Whether the tags say that a promotion was sent, and nothing proves that it was lost.
///
/// It counts in the incident of this version, and in its first minutes whatever the version is: somebody may have
/// moved the switch before RDS showed it. A promotion does not change the status at once; five minutes later an
/// instance that is still an `available` replica was never promoted, and the tag is void.
pub fn promotion_sent(
    memory: &Memory,
    version: i64,
    replica: &Reading<Instance>,
    id: &InstanceRef,
    now: Timestamp,
) -> bool {
    let Some(sent) = &memory.promoted else { return false };
    if sent.is_recent(now) {
        return true;
    }
    let still_a_replica = sent.instance == id.identifier
        && replica
            .known()
            .is_some_and(|instance| instance.source.is_some() && instance.status == Status::Available);
    sent.version == version && !still_a_replica
}

/// Why the replica can't serve in the primary's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// RDS knows no such instance.
    Missing,
    /// It could not be observed.
    Unknown(ReadFailure),
    /// It replicates from nobody.
    StandsAlone,
    /// It replicates from something else than the primary.
    FollowsOther(Source, InstanceRef),
    /// Its status.
    Status(Status),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the replica does not exist"),
            Self::Unknown(failure) => write!(f, "the replica could not be observed ({failure})"),
            Self::StandsAlone => f.write_str("the replica replicates from no instance"),
            Self::FollowsOther(source, primary) => {
                write!(f, "the replica replicates from {source}, not from {primary}")
            }
            Self::Status(status) => write!(f, "the replica is {status}"),
        }
    }
}

/// Why the replica can't serve in the primary's place, if so.
pub fn reason_not_fit(replica: &Reading<Instance>, primary: &InstanceRef, policy: &Policy) -> Option<Unfit> {
    let instance = match replica {
        Reading::Known(instance) => instance,
        Reading::Missing => return Some(Unfit::Missing),
        Reading::Unknown(failure) => return Some(Unfit::Unknown(failure.clone())),
    };
    match &instance.source {
        None => Some(Unfit::StandsAlone),
        Some(source) if !follows(source, primary) => {
            Some(Unfit::FollowsOther(source.clone(), primary.clone()))
        }
        Some(_) => (policy.health_of(&instance.status) != Health::Healthy)
            .then(|| Unfit::Status(instance.status.clone())),
    }
}

/// Why the replica can't be promoted now, if so: RDS promotes an `available` one only.
pub fn reason_not_ready(
    replica: &Reading<Instance>,
    primary: &InstanceRef,
    policy: &Policy,
) -> Option<Unfit> {
    reason_not_fit(replica, primary, policy).or_else(|| {
        let status = &replica.known()?.status;
        (*status != Status::Available).then(|| Unfit::Status(status.clone()))
    })
}

/// Whether replication has ended for another reason than a dead primary.
pub fn replication_is_broken(replica: &Reading<Instance>) -> bool {
    replica.known().is_some_and(|instance| matches!(instance.replication, Replication::Broken(_)))
}
