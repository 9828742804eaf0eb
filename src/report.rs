//! What an invocation answers: the response, and the one summary line of the log.

use serde::{Serialize, Serializer};

use crate::config::{Config, Mode};
use crate::decide::Case;
use crate::health::{self, Diagnosis};
use crate::memory::By;
use crate::model::{CheckState, Evidence, Observation, Reading};
use crate::readiness::Finding;
use crate::status::Health;

/// A change that was really made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Both flags of the health check were set.
    RouteToSecondary,
    /// RDS accepted the promotion of the replica.
    PromoteReplica,
    /// Both flags of the health check were cleared.
    RouteToPrimary,
    /// Automatic change was paused.
    Pause,
    /// Automatic change was resumed.
    Resume,
}

impl Action {
    /// The word in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RouteToSecondary => "route-to-secondary",
            Self::PromoteReplica => "promote-replica",
            Self::RouteToPrimary => "route-to-primary",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// The response.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The furthest step decided: `stay`, `fail-over`, `promote`, `fail-back` or `ignore`.
    pub decision: &'static str,
    /// The stable code of the rule that decided.
    pub reason: &'static str,
    /// A sentence for a person.
    pub message: String,
    /// The primary.
    pub primary: Primary,
    /// The replica, where one is configured.
    pub replica: Option<Replica>,
    /// The health check.
    pub health_check: Check,
    /// What was really changed.
    pub actions: Vec<Action>,
    /// How many consecutive observations the decision rests on.
    pub observations: u32,
    /// `act` or `observe`.
    #[serde(serialize_with = "mode")]
    pub mode: Mode,
    /// Whether a failover would work now; only from `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// What `check` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
}

/// The primary in the response.
#[derive(Clone, Debug, Serialize)]
pub struct Primary {
    /// Its identifier.
    pub id: String,
    /// Its status, or `missing`, or `unknown`; null where nothing was read.
    pub status: Option<String>,
    /// `healthy`, `hold`, `unhealthy` or `unknown`.
    pub health: &'static str,
}

/// The replica in the response.
#[derive(Clone, Debug, Serialize)]
pub struct Replica {
    /// Its identifier.
    pub id: String,
    /// Its status, or `missing`, or `unknown`; null where nothing was read.
    pub status: Option<String>,
    /// `replica`, `promoting`, `promoted` or `other`.
    pub role: &'static str,
    /// The lag that counts for a promotion; null where it was not read or is unknown.
    pub lag_seconds: Option<f64>,
}

/// The health check in the response.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Its id.
    pub id: String,
    /// `normal`, `forced-unhealthy` or `foreign`; null where nothing was read.
    pub state: Option<&'static str>,
    /// Who moved traffic, where the tags say so: `auto` or `operator`.
    pub by: Option<&'static str>,
    /// Its version.
    pub version: Option<i64>,
}

fn mode<S: Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mode.as_str())
}

impl Report {
    /// A report about nothing: nothing was read.
    pub fn ignore(reason: &'static str, message: String, config: &Config) -> Self {
        Self {
            decision: "ignore",
            reason,
            message,
            primary: Primary {
                id: config.policy.primary.identifier.clone(),
                status: None,
                health: Health::Unknown.as_str(),
            },
            replica: config.policy.replica.as_ref().map(|replica| Replica {
                id: replica.identifier.clone(),
                status: None,
                role: health::Role::Other.as_str(),
                lag_seconds: None,
            }),
            health_check: Check { id: config.health_check_id.clone(), state: None, by: None, version: None },
            actions: Vec::new(),
            observations: 0,
            mode: config.mode,
            ready: None,
            findings: None,
        }
    }

    /// A report of what was seen.
    pub fn of(
        case: &Case<'_>,
        config: &Config,
        decision: &'static str,
        reason: &'static str,
        message: String,
        actions: &[Action],
    ) -> Self {
        let seen = case.seen;
        let check = seen.check.known();
        let memory = seen.memory.read();
        Self {
            decision,
            reason,
            message,
            primary: Primary {
                id: config.policy.primary.identifier.clone(),
                status: Some(status(&seen.primary)),
                health: case.diagnosis.health().as_str(),
            },
            replica: replica(case, config),
            health_check: Check {
                id: config.health_check_id.clone(),
                state: check.map(|check| check.state.as_str()),
                by: check
                    .filter(|check| check.state == CheckState::ForcedUnhealthy)
                    .and_then(|check| memory?.routed_by(check.version))
                    .map(By::as_str),
                version: check.map(|check| check.version),
            },
            actions: actions.to_vec(),
            observations: case.streak.length,
            mode: config.mode,
            ready: None,
            findings: None,
        }
    }
}

fn replica(case: &Case<'_>, config: &Config) -> Option<Replica> {
    let (id, reading) = config.policy.replica.as_ref().zip(case.seen.replica.as_ref())?;
    let version = case.seen.check.known().map(|check| check.version);
    let role = health::role(reading, id, &config.policy.primary, case.seen.memory.read(), version, case.now);
    Some(Replica {
        id: id.identifier.clone(),
        status: Some(status(reading)),
        role: role.as_str(),
        lag_seconds: case.known_lag().map(|lag| lag.seconds),
    })
}

fn status(reading: &Reading<crate::model::Instance>) -> String {
    match reading {
        Reading::Known(instance) => instance.status.to_string(),
        Reading::Missing => "missing".to_owned(),
        Reading::Unknown(_) => "unknown".to_owned(),
    }
}

/// The facts behind a decision, for the message: whatever a person would ask next.
pub fn facts(case: &Case<'_>, config: &Config) -> String {
    let Observation { replica, check, memory, .. } = case.seen;
    let mut facts = vec![format!("primary {} is {}", config.policy.primary, case.diagnosis)];
    if let Diagnosis::Unhealthy(_) = case.diagnosis {
        facts.push(format!("observed {} time(s) in a row", case.streak.length));
    }
    if let (Some(reading), Some(id)) = (replica, &config.policy.replica) {
        let fault = health::reason_replica_not_fit(reading, &config.policy.primary, &config.policy);
        facts.push(fault.unwrap_or_else(|| format!("replica {id} is {}", status(reading))));
    }
    facts.extend(case.lag_words());
    if let Reading::Known(check) = check {
        facts.push(format!("health check is {} at version {}", check.state.as_str(), check.version));
        facts.extend(check.not_updatable.clone());
    }
    if let Reading::Unknown(why) = check {
        facts.push(format!("health check is {why}"));
    }
    if let Reading::Missing = check {
        facts.push(format!("health check {} does not exist", config.health_check_id));
    }
    match memory {
        Evidence::NotRead => {}
        Evidence::Unreadable(why) => facts.push(format!("tags are {why}")),
        Evidence::Read(memory) => {
            if let Some(pause) = memory.pause.as_ref().filter(|pause| pause.in_force(case.now)) {
                facts.push(format!("paused until {} ({})", pause.until_words(), pause.reason));
            }
        }
    }
    if let Some(ends) = case.cooldown_end() {
        facts.push(format!("cooldown ends at {ends}"));
    }
    if let Evidence::Unreadable(why) = &case.seen.multi_az_failover {
        facts.push(format!("events are {why}"));
    }
    if let Evidence::Unreadable(why) = &case.seen.record {
        facts.push(format!("record is {why}"));
    }
    facts.join("; ")
}
