//! What an invocation answers: the response, and the one summary line of the log.

use serde::{Serialize, Serializer};

use jiff::Timestamp;

use crate::account::{Account, Finding};
use crate::config::{Config, Mode};
use crate::decide::Case;
use crate::decide::explain::Considered;
use crate::dns;
use crate::facts::status;
use crate::memory::By;
use crate::model::Change;
use crate::replica::Role;
use crate::status::Health;

/// The response.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The furthest step decided: `stay`, `fail-over`, `promote`, `fence`, `fail-back` or `ignore`.
    pub decision: &'static str,
    /// The stable code of the rule that decided.
    pub reason: &'static str,
    /// A sentence for a person.
    pub message: String,
    /// The primary.
    pub primary: PrimaryView,
    /// The replica, where one is configured.
    pub replica: Option<ReplicaView>,
    /// The health check.
    pub health_check: HealthCheckView,
    /// What was really changed.
    pub actions: Vec<Change>,
    /// How many consecutive observations the decision rests on.
    pub observations: u32,
    /// `act` or `observe`.
    #[serde(serialize_with = "mode")]
    pub mode: Mode,
    /// When things happened.
    pub times: Times,
    /// The pause that is in force; only in the answer to `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Paused>,
    /// What DNS answers for the failover record: `primary`, `secondary`, `other` or `unknown`; null where it was not
    /// asked.
    #[serde(serialize_with = "answer")]
    pub dns: Option<dns::Answer>,
    /// Every row that was considered; only from `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Considered>>,
    /// Whether a failover would work now; only from `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// What `check` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
}

/// The primary in the response.
#[derive(Clone, Debug, Serialize)]
pub struct PrimaryView {
    /// Its identifier.
    pub id: String,
    /// Its region; only in the answer to `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its status, or `missing`, or `unknown`; null where nothing was read.
    pub status: Option<String>,
    /// `healthy`, `hold`, `unhealthy` or `unknown`.
    pub health: &'static str,
}

/// The replica in the response.
#[derive(Clone, Debug, Serialize)]
pub struct ReplicaView {
    /// Its identifier.
    pub id: String,
    /// Its region; only in the answer to `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its status, or `missing`, or `unknown`; null where nothing was read.
    pub status: Option<String>,
    /// `replica`, `promoting`, `promoted` or `other`.
    pub role: &'static str,
    /// The lag that counts for a promotion; null where it was not read or is unknown.
    pub lag_seconds: Option<f64>,
}

/// The health check in the response.
#[derive(Clone, Debug, Serialize)]
pub struct HealthCheckView {
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

fn answer<S: Serializer>(answer: &Option<dns::Answer>, serializer: S) -> Result<S::Ok, S::Error> {
    answer.map(dns::Answer::as_str).serialize(serializer)
}

/// When things happened, in RFC 3339; null where they did not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// The first observation of this invocation that found the primary unhealthy.
    pub unhealthy_since: Option<String>,
    /// When traffic was moved in the present incident.
    pub routed_at: Option<String>,
    /// When the promotion of the present incident was sent.
    pub promoted_at: Option<String>,
    /// When the cooldown in force ends; only in the answer to `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<String>,
}

/// A pause in the response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// When it ends; null where it lasts until `resume`.
    pub until: Option<String>,
    /// A person's words.
    pub reason: String,
}

impl Report {
    /// A report about nothing: nothing was read.
    fn ignore(reason: &'static str, message: String, config: &Config) -> Self {
        let pair = &config.pair;
        Self {
            decision: "ignore",
            reason,
            message,
            primary: PrimaryView {
                id: pair.primary.to_string(),
                region: None,
                status: None,
                health: Health::Unknown.as_str(),
            },
            replica: pair.replica.as_ref().map(|replica| ReplicaView {
                id: replica.identifier.clone(),
                region: None,
                status: None,
                role: Role::Other.as_str(),
                lag_seconds: None,
            }),
            health_check: HealthCheckView {
                id: pair.health_check_id.clone(),
                state: None,
                by: None,
                version: None,
            },
            actions: Vec::new(),
            observations: 0,
            mode: config.mode,
            times: Times::default(),
            pause: None,
            dns: None,
            rules: None,
            ready: None,
            findings: None,
        }
    }

    /// A report of what an invocation came to.
    pub fn of(account: &Account, config: &Config) -> Self {
        if let Some((reason, message)) = &account.ignored {
            return Self::ignore(reason, message.clone(), config);
        }
        let mut report = Self::ignore("", String::new(), config);
        report.decision = "stay";
        report.actions = account.actions();
        report.times.unhealthy_since = account.unhealthy_since.map(written);
        if let Some((last, step)) = account.last.as_ref().zip(account.furthest()) {
            let case = last.case(&config.pair);
            report.show(&case);
            report.decision = step.basis.decision();
            report.reason = step.basis.reason();
            report.message = step.message;
            report.observations = step.observations;
            if let Some(rules) = &account.rules {
                report.show_more(&case);
                // The rule is what a tick would decide: this invocation changes nothing.
                report.decision = "stay";
                report.rules = Some(rules.clone());
            }
        }
        report.ready = account.findings.as_deref().map(|findings| Finding::failed(findings) == 0);
        report.findings.clone_from(&account.findings);
        report
    }

    /// Fills in what a case shows of the world.
    fn show(&mut self, case: &Case<'_>) {
        let check = case.seen.check.known();
        self.primary.status = case.seen.primary.as_ref().map(status);
        self.primary.health = case.diagnosis.health().as_str();
        if let (Some(replica), Some(reading)) = (&mut self.replica, &case.seen.replica) {
            replica.status = Some(status(reading));
            replica.role = case.role_as_known().unwrap_or(Role::Other).as_str();
            replica.lag_seconds = case.known_lag().map(|lag| lag.seconds);
        }
        self.health_check.state = check.map(|check| check.state.as_str());
        self.health_check.version = check.map(|check| check.version);
        self.health_check.by = case.forced_by().map(By::as_str);
        let incident = case.incident();
        self.times.routed_at = incident.map(|routed| written(routed.at));
        let memory = case.seen.memory.read();
        self.times.promoted_at =
            memory.and_then(|memory| memory.promotion_in(incident?.version)).map(|sent| written(sent.at));
    }

    /// Fills in what only a person asks for.
    fn show_more(&mut self, case: &Case<'_>) {
        self.primary.region = case.pair.rds_primary().and_then(|primary| primary.region.clone());
        if let (Some(shown), Some(replica)) = (&mut self.replica, &case.pair.replica) {
            shown.region.clone_from(&replica.region);
        }
        self.times.cooldown_until = case.cooldown_end().map(written);
        let memory = case.seen.memory.read();
        self.pause = memory
            .and_then(|memory| memory.pause.as_ref())
            .filter(|pause| pause.in_force(case.now))
            .map(|pause| Paused { until: pause.until.map(written), reason: pause.reason.clone() });
    }
}

fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}
