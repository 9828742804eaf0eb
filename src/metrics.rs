//! Metrics in CloudWatch's embedded metric format: metrics extracted from a log line, no API call.
//!
//! Source: "Specification: Embedded metric format" in the CloudWatch User Guide. A value that is not known is
//! left out, so that an alarm sees missing data and never a zero.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::account::{Account, Finding, Last};
use crate::config::Config;
use crate::decide::{Case, Code, explain};
use crate::dns;
use crate::error::Failure;
use crate::model::{Change, CheckState};
use crate::report::Report;
use crate::status::Health;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "RdsRoute53Failover";

/// Every metric with its unit.
pub const NAMES: &[(&str, &str)] = &[
    ("PrimaryHealthy", "Count"),
    ("PrimaryUnhealthy", "Count"),
    ("RoutedToSecondary", "Count"),
    ("RouteToSecondary", "Count"),
    ("Decisions", "Count"),
    ("Observations", "Count"),
    ("ReplicaLag", "Seconds"),
    ("Duration", "Milliseconds"),
    ("BlindTicks", "Count"),
    ("StalePrimary", "Count"),
    ("ForeignCheck", "Count"),
    ("RefusedFailovers", "Count"),
    ("PromotionRefused", "Count"),
    ("NotificationFailures", "Count"),
    ("CheckFailures", "Count"),
    ("TimeToRoute", "Seconds"),
    ("TimeToPromote", "Seconds"),
    ("DnsOnSecondary", "Count"),
    ("OldPrimaryConnections", "Count"),
];

/// The metrics of one invocation.
#[derive(Debug, Default)]
pub struct Metrics {
    values: Vec<(&'static str, f64)>,
    reason: Option<&'static str>,
}

impl Metrics {
    /// What an invocation came to.
    pub fn of(
        account: &Account,
        answered: &Result<Report, Failure>,
        config: &Config,
        now: Timestamp,
    ) -> Self {
        let mut metrics = Self::default();
        if let Some(findings) = &account.findings {
            metrics.put("CheckFailures", Finding::failed(findings) as f64);
        }
        if let Some(last) = &account.last
            && let Some(rule) = last.basis.rule()
        {
            let code = if account.metric_takes_over { Code::ControlPlaneDown } else { rule.code };
            metrics.reason = account.furthest().map(|step| step.basis.reason());
            metrics.decision(&last.case(&config.pair), code);
            if !account.reads_only
                && let Some(asks) = asks_for_secondary(account, last, config, code)
            {
                metrics.flag("RouteToSecondary", asks);
            }
        }
        metrics.times(account, now);
        match answered.as_ref().ok().and_then(|report| report.dns) {
            Some(dns::Answer::Secondary) => metrics.put("DnsOnSecondary", 1.0),
            Some(dns::Answer::Primary | dns::Answer::Other) => metrics.put("DnsOnSecondary", 0.0),
            Some(dns::Answer::Unknown) | None => {}
        }
        metrics
    }

    /// Adds a value.
    pub fn put(&mut self, name: &'static str, value: f64) {
        self.values.push((name, value));
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.put(name, if value { 1.0 } else { 0.0 });
    }

    /// Adds what an observation and the decision on it say.
    fn decision(&mut self, case: &Case<'_>, code: Code) {
        self.put("Decisions", 1.0);
        self.put("Observations", f64::from(case.streak.length));
        let health = case.diagnosis.health();
        self.flag("BlindTicks", health == Health::Unknown || case.seen.check.known().is_none());
        if health != Health::Unknown {
            self.flag("PrimaryHealthy", health == Health::Healthy);
            self.flag("PrimaryUnhealthy", health == Health::Unhealthy);
        }
        if let Some(lag) = case.known_lag() {
            self.put("ReplicaLag", lag.seconds);
        }
        if let Some(Some(open)) = case.seen.connections.read() {
            self.put("OldPrimaryConnections", *open);
        }
        self.flag("RefusedFailovers", explain::refused_failover(code));
        self.flag("PromotionRefused", explain::refused_promotion(code));
        if let Some(check) = case.seen.check.known() {
            self.flag("RoutedToSecondary", check.state == CheckState::ForcedUnhealthy);
            self.flag("ForeignCheck", check.state == CheckState::Foreign);
            self.flag("StalePrimary", code == Code::StalePrimary);
        }
    }

    /// Adds how long it took from the outage to a change that this invocation made.
    fn times(&mut self, account: &Account, now: Timestamp) {
        let routed = account.last.as_ref().and_then(|last| {
            let version = last.seen.check.known()?.version;
            Some(last.seen.memory.read()?.routed_at(version, now)?.at)
        });
        // Later invocations know the outage from when traffic was moved.
        let Some(began) = routed.into_iter().chain(account.unhealthy_since).min() else { return };
        for made in &account.changes {
            let name = match made.change {
                Change::RouteToSecondary => "TimeToRoute",
                Change::PromoteReplica => "TimeToPromote",
                Change::FencePrimary | Change::RouteToPrimary | Change::Pause | Change::Resume => continue,
            };
            self.put(name, made.at.duration_since(began).as_secs_f64().max(0.0));
        }
    }

    /// The log line, with a dimension for the function and, for the decisions, one for the reason.
    pub fn line(&self, config: &Config, at: Timestamp) -> String {
        let metric = |name: &str| {
            let unit = NAMES.iter().find(|(known, _)| *known == name).map_or("None", |(_, unit)| unit);
            json!({"Name": name, "Unit": unit})
        };
        let plain: Vec<Value> = self
            .values
            .iter()
            .filter(|(name, _)| *name != "Decisions")
            .map(|(name, _)| metric(name))
            .collect();
        let mut directives =
            vec![json!({"Namespace": NAMESPACE, "Dimensions": [["Function"]], "Metrics": plain})];
        let mut line = Map::new();
        if let Some(reason) = self.reason {
            directives.push(json!({
                "Namespace": NAMESPACE, "Dimensions": [["Function", "Reason"]], "Metrics": [metric("Decisions")]
            }));
            line.insert("Reason".to_owned(), json!(reason));
        }
        line.insert("Function".to_owned(), json!(config.function_name));
        for (name, value) in &self.values {
            line.insert((*name).to_owned(), json!(value));
        }
        line.insert(
            "_aws".to_owned(),
            json!({"Timestamp": at.as_millisecond(), "CloudWatchMetrics": directives}),
        );
        Value::Object(line).to_string()
    }
}

/// What an alarm may move traffic by where the switch can't be flipped: whether the secondary is asked for.
///
/// `None`, which leaves the alarm as it is, wherever nothing good is known, and where the replica may have become
/// the newer copy. One healthy look is no recovery: it takes as many as a failback does.
fn asks_for_secondary(account: &Account, last: &Last, config: &Config, code: Code) -> Option<bool> {
    if code == Code::ControlPlaneDown {
        return Some(true);
    }
    let case = last.case(&config.pair);
    let forced = case.state(CheckState::ForcedUnhealthy);
    let healthy = case.diagnosis.health() == Health::Healthy
        && case.primary_is_followed()
        && account.healthy_looks >= config.pair.policy.failback_confirmations;
    (forced || healthy).then_some(false)
}
