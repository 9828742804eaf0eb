//! Would a failover work now? Configurations rot between incidents; each finding says how to fix it.

pub use crate::account::{Finding, Level};
use crate::clock::{Clock, reserve};
use crate::config::{self, Config, Mode};
use crate::diagnosis::Diagnosis;
use crate::facts;
use crate::model::{Evidence, Observation};
use crate::observe::Observer;
use crate::policy::{Endpoint, Pair, Primary};
use crate::text::{cut, folded};

mod class;
mod instances;
mod records;
mod switch;

pub use class::{Capacity, capacity};

/// The longest that a Patroni cluster with its default `ttl` is without a leader, and a margin.
const CLUSTER_FAILOVER: std::time::Duration = std::time::Duration::from_secs(35);

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, id: &'static str, level: Level, message: impl Into<String>, fix: &'static str) {
        let fix = if level == Level::Pass { "" } else { fix };
        let message = cut(&folded(&message.into()), facts::MOST);
        self.0.push(Finding { id, level, message, fix });
    }

    /// A pass, or else this level.
    fn test(
        &mut self,
        id: &'static str,
        pass: bool,
        else_level: Level,
        message: impl Into<String>,
        fix: &'static str,
    ) {
        self.add(id, if pass { Level::Pass } else { else_level }, message, fix);
    }
}

/// Examines all that a failover depends on.
pub async fn examine(
    config: &Config,
    seen: &Observation,
    observer: &Observer<'_>,
    clock: &Clock,
) -> Vec<Finding> {
    let mut findings = Findings::default();
    let pair = &config.pair;
    instances::examine(&mut findings, pair, seen, clock);
    probes(&mut findings, pair, seen);
    events(&mut findings, pair, seen, observer).await;
    switch::examine(&mut findings, pair, seen, observer, clock).await;
    records::examine(&mut findings, pair, seen, observer).await;
    time(&mut findings, pair, clock);
    settings(&mut findings, config);
    findings.0
}

fn probes(findings: &mut Findings, pair: &Pair, seen: &Observation) {
    if let Some(probes) = seen.probes {
        let serving = probes.answered >= pair.policy.quorum;
        let without = Observation { probes: None, ..seen.clone() };
        let healthy = match pair.primary {
            Primary::Rds(_) => matches!(Diagnosis::of(&without, pair), Diagnosis::Healthy(_)),
            Primary::Probed { .. } => true,
        };
        findings.test(
            "probes",
            serving || !healthy,
            Level::Fail,
            format!("{} of {} probes answer; {} must", probes.answered, probes.asked, pair.policy.quorum),
            "correct HEALTH_ENDPOINTS, or the function's route to them: while the primary is healthy they must answer, or a failover starts by itself",
        );
    }
    if let Some(probes) = seen.secondary {
        findings.test(
            "secondary-probes",
            probes.answered > 0,
            Level::Fail,
            format!("{} of {} probes of the secondary answer; one must", probes.answered, probes.asked),
            "correct SECONDARY_ENDPOINTS, or the function's route to them: while none answers, no traffic is moved",
        );
    }
    let mut endpoints = pair.endpoints.iter().chain(&pair.secondary_endpoints).peekable();
    if endpoints.peek().is_some() {
        let tcp = endpoints.any(|endpoint| matches!(endpoint, Endpoint::Tcp(_)));
        findings.test(
            "probe-kind",
            !tcp,
            Level::Warn,
            if tcp {
                "even a server that hangs answers a tcp probe: its kernel accepts the connection"
            } else {
                "the probes ask for a page"
            },
            "probe an HTTP page that runs a query with a time-out",
        );
    }
    if let Primary::Probed { .. } = pair.primary {
        let policy = &pair.policy;
        let confirmed = policy.interval * policy.confirmations.saturating_sub(1);
        findings.test(
            "confirmation-length",
            confirmed >= CLUSTER_FAILOVER,
            Level::Warn,
            format!(
                "an outage is confirmed after {} s; a Patroni cluster with its default ttl of 30 s needs {} s to elect a leader",
                confirmed.as_secs_f64(),
                CLUSTER_FAILOVER.as_secs()
            ),
            "raise CONFIRMATIONS or CONFIRMATION_INTERVAL so that the cluster's own failover moves no traffic",
        );
    }
}

async fn events(findings: &mut Findings, pair: &Pair, seen: &Observation, observer: &Observer<'_>) {
    if pair.rds_primary().is_none() {
        return;
    }
    let multi_az = seen.primary().is_some_and(|primary| primary.multi_az);
    // Where only the probes fail, they tell a failover of RDS itself from an outage.
    let level = if multi_az && seen.probes.is_some() { Level::Fail } else { Level::Warn };
    let events = observer.last_failover().await;
    findings.test(
        "events-readable",
        matches!(events, Evidence::Read(_)),
        level,
        match &events {
            Evidence::Unreadable(why) => format!("the events of the primary could not be read ({why})"),
            Evidence::Read(_) | Evidence::NotRead => "the events of the primary can be read".to_owned(),
        },
        "allow rds:DescribeEvents: without it a deleted primary, or a Multi-AZ primary that only the probes find down, may not be failed over",
    );
}

/// Whether the confirmations fit into the time an invocation has.
fn time(findings: &mut Findings, pair: &Pair, clock: &Clock) {
    let policy = &pair.policy;
    let rounds = policy.confirmations.max(policy.failback_confirmations);
    let probed = !(pair.endpoints.is_empty() && pair.secondary_endpoints.is_empty());
    let look = if probed { pair.endpoint_timeout } else { std::time::Duration::ZERO };
    // A look that takes longer than the interval delays the next one.
    let needed = policy.interval.max(look) * rounds.saturating_sub(1) + look + reserve::ANNOUNCING;
    let Some(left) = clock.left() else { return };
    findings.test(
        "invocation-time",
        left > needed,
        Level::Fail,
        format!(
            "{rounds} observations and the change take up to {} s; this invocation has {} s left",
            needed.as_secs_f64(),
            left.as_secs()
        ),
        "raise the function's time-out, or lower CONFIRMATIONS, FAILBACK_CONFIRMATIONS, CONFIRMATION_INTERVAL or HEALTH_ENDPOINT_TIMEOUT",
    );
}

fn settings(findings: &mut Findings, config: &Config) {
    let policy = &config.pair.policy;
    for (variable, status) in config::undocumented(policy) {
        findings.add(
            "status-documented",
            Level::Warn,
            config::undocumented_words(variable, status),
            "correct the word, or keep it if RDS really reports it",
        );
    }
    if policy.promote {
        findings.test(
            "fence",
            policy.fence,
            Level::Warn,
            if policy.fence {
                "the old primary is stopped after a promotion"
            } else {
                "promotion is on and FENCE_PRIMARY is off: an old primary that is still up keeps taking writes from open connections"
            },
            "set FENCE_PRIMARY=stop, or be ready to stop the old primary by hand",
        );
    }
    let mut permissions = vec!["route53:UpdateHealthCheck", "route53:ChangeTagsForResource"];
    permissions.extend(policy.promote.then_some("rds:PromoteReadReplica"));
    permissions.extend(policy.fence.then_some("rds:StopDBInstance"));
    permissions.extend(config.topic.is_some().then_some("sns:Publish"));
    findings.add(
        "write-permissions",
        Level::Warn,
        format!("not verified, as no harmless call proves them: {}", permissions.join(", ")),
        "prove them with a planned failover and failback",
    );
    findings.test(
        "mode",
        config.mode == Mode::Act,
        Level::Fail,
        format!("MODE is {}", config.mode.as_str()),
        "set MODE=act when you trust the reports: until then the function changes nothing",
    );
}
