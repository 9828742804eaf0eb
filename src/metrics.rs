//! Metrics in CloudWatch's embedded metric format: a log line that becomes metrics, with no call.
//!
//! Source: "Specification: Embedded metric format" in the CloudWatch User Guide. A value that is not known is
//! left out, so that an alarm sees missing data and never a zero.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::decide::Case;
use crate::model::CheckState;
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
];

/// The metrics of one invocation.
#[derive(Debug, Default)]
pub struct Metrics {
    values: Vec<(&'static str, f64)>,
    reason: Option<&'static str>,
    watches_only: bool,
}

impl Metrics {
    /// From now on nothing is said that could move traffic: `RouteToSecondary` is an order to Route 53.
    pub fn watch_only(&mut self) {
        self.watches_only = true;
    }

    /// Adds a value.
    pub fn put(&mut self, name: &'static str, value: f64) {
        self.values.push((name, value));
    }

    /// Whether a decision was reached.
    pub fn has_decision(&self) -> bool {
        self.reason.is_some()
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.put(name, if value { 1.0 } else { 0.0 });
    }

    /// Adds what an observation and the decision on it say. `reason` is the code in the response, `code` that of
    /// the last rule: they differ where traffic was moved and no more was done.
    pub fn decision(&mut self, case: &Case<'_>, reason: &'static str, code: &'static str) {
        self.reason = Some(reason);
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
        self.flag("RefusedFailovers", matches!(code, "cooldown" | "replica-not-fit"));
        self.flag("PromotionRefused", matches!(code, "replica-not-ready" | "lag-unknown" | "lag-too-high"));
        if let Some(check) = case.seen.check.known() {
            let forced = check.state == CheckState::ForcedUnhealthy;
            self.flag("RoutedToSecondary", forced);
            self.flag("ForeignCheck", check.state == CheckState::Foreign);
            self.flag("StalePrimary", code == "stale-primary");
        }
        if !self.watches_only
            && let Some(asks) = asks_for_secondary(case, code)
        {
            self.flag("RouteToSecondary", asks);
        }
    }

    /// The log line, with a dimension for the health check and, for the decisions, one for the reason.
    pub fn line(&self, config: &Config, at: Timestamp) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
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
        let mut directives = vec![json!({
            "Namespace": NAMESPACE, "Dimensions": [["HealthCheckId"]], "Metrics": plain
        })];
        let mut line = Map::new();
        if let Some(reason) = self.reason {
            directives.push(json!({
                "Namespace": NAMESPACE, "Dimensions": [["HealthCheckId", "Reason"]], "Metrics": [metric("Decisions")]
            }));
            line.insert("Reason".to_owned(), json!(reason));
        }
        line.insert("HealthCheckId".to_owned(), json!(config.health_check_id));
        for (name, value) in &self.values {
            line.insert((*name).to_owned(), json!(value));
        }
        line.insert(
            "_aws".to_owned(),
            json!({"Timestamp": at.as_millisecond(), "CloudWatchMetrics": directives}),
        );
        Some(Value::Object(line).to_string())
    }
}

/// What an alarm may move traffic by where the switch can't be flipped: whether the secondary is asked for.
///
/// `None`, which leaves the alarm as it is, wherever nothing good is known, and where the replica may have become
/// the newer copy.
fn asks_for_secondary(case: &Case<'_>, code: &str) -> Option<bool> {
    if code == "control-plane-down" {
        return Some(true);
    }
    let forced = case.seen.check.known().is_some_and(|check| check.state == CheckState::ForcedUnhealthy);
    let healthy = case.diagnosis.health() == Health::Healthy && case.primary_is_followed();
    (forced || healthy).then_some(false)
}
