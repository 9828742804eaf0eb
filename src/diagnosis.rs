//! What the observations say of the primary. Evidence is weighed here; what follows from it is decided in
//! [`crate::decide`].

use std::fmt;

use crate::model::{Cause, Observation, Probes, ReadFailure, Reading, Symptom};
use crate::policy::{OnUnreachable, Pair};
use crate::replica::follows;
use crate::status::{Health, Status};

/// The health of the primary and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// It serves. Without a status where it is not in RDS.
    Healthy(Option<Status>),
    /// Its status asks for patience.
    Hold(Status),
    /// RDS knows no such instance, and nothing shows that there ever was one: more likely a typo or a rename.
    NotFound,
    /// RDS says it is down, but it serves: the evidence conflicts.
    Conflict(Symptom, Probes),
    /// It does not serve.
    Unhealthy(Symptom),
    /// It could not be observed.
    Unknown(ReadFailure),
}

impl Diagnosis {
    /// Weighs what RDS says against what the probes say.
    pub fn of(seen: &Observation, pair: &Pair) -> Self {
        let policy = &pair.policy;
        let serving = seen.probes.map(|probes| probes.answered >= policy.quorum);
        let unhealthy = |symptom| match seen.probes {
            Some(probes) if serving == Some(true) => Self::Conflict(symptom, probes),
            Some(_) | None => Self::Unhealthy(symptom),
        };
        let Some(primary) = &seen.primary else {
            return match serving {
                Some(true) => Self::Healthy(None),
                Some(false) => Self::Unhealthy(Symptom::Unresponsive),
                None => Self::Unknown(ReadFailure {
                    cause: Cause::Other,
                    detail: "the probes were cut off by the invocation's deadline".to_owned(),
                }),
            };
        };
        match primary {
            Reading::Missing if was_there(seen, pair) => unhealthy(Symptom::Missing),
            Reading::Missing => Self::NotFound,
            Reading::Known(instance) => {
                let status = instance.status.clone();
                match policy.health_of(&status) {
                    Health::Unhealthy => unhealthy(Symptom::Status(status)),
                    Health::Healthy if serving == Some(false) => Self::Unhealthy(Symptom::Unresponsive),
                    Health::Healthy => Self::Healthy(Some(status)),
                    Health::Hold | Health::Unknown => Self::Hold(status),
                }
            }
            Reading::Unknown(failure) => match (policy.on_unreachable, failure.cause, serving) {
                (OnUnreachable::FailOver, Cause::Unreachable, Some(false)) => {
                    Self::Unhealthy(Symptom::Unreachable)
                }
                (OnUnreachable::FailOver | OnUnreachable::Hold, _, _) => Self::Unknown(failure.clone()),
            },
        }
    }

    /// What is wrong with it, where it does not serve.
    pub fn symptom(&self) -> Option<&Symptom> {
        match self {
            Self::Unhealthy(symptom) => Some(symptom),
            Self::Healthy(_) | Self::Hold(_) | Self::NotFound | Self::Conflict(..) | Self::Unknown(_) => None,
        }
    }

    /// The health alone.
    pub fn health(&self) -> Health {
        match self {
            Self::Healthy(_) => Health::Healthy,
            Self::Hold(_) | Self::NotFound | Self::Conflict(..) => Health::Hold,
            Self::Unhealthy(_) => Health::Unhealthy,
            Self::Unknown(_) => Health::Unknown,
        }
    }
}

/// Whether something beside the answer "not found" shows that there was such an instance: the replica names it as
/// its source, or RDS remembers that it was deleted. A typo or a rename leaves neither.
pub fn was_there(seen: &Observation, pair: &Pair) -> bool {
    let named = seen
        .replica()
        .and_then(|replica| replica.source.as_ref())
        .zip(pair.rds_primary())
        .is_some_and(|(source, primary)| follows(source, primary));
    named || seen.deletion.read().is_some_and(Option::is_some)
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(status @ Status::Unrecognised(_)) => {
                write!(f, "{status}, a status this version does not know (hold)")
            }
            Self::Healthy(Some(status)) => write!(f, "{status} (healthy)"),
            Self::Healthy(None) => f.write_str("answering its probes (healthy)"),
            Self::Hold(status) => write!(f, "{status} (hold)"),
            Self::NotFound => f.write_str(
                "not found: no such instance, and nothing shows that there was one; check the identifier (hold)",
            ),
            Self::Conflict(symptom, probes) => write!(
                f,
                "{} according to RDS, but {} of {} probes answer (hold)",
                symptom.as_str(),
                probes.answered,
                probes.asked
            ),
            Self::Unhealthy(Symptom::Unresponsive) => {
                f.write_str("unresponsive: the probes get no answer (unhealthy)")
            }
            Self::Unhealthy(Symptom::Unreachable) => {
                f.write_str("out of reach: neither the RDS API nor the probes answer (unhealthy)")
            }
            Self::Unhealthy(symptom) => write!(f, "{} (unhealthy)", symptom.as_str()),
            Self::Unknown(failure) => write!(f, "unknown ({failure})"),
        }
    }
}
