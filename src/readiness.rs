//! Would a failover work now? Configurations rot between incidents; each finding says how to fix it.

use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::diagnosis::Diagnosis;
use crate::model::{CheckState, Evidence, Observation, Reading};
use crate::observe::Observer;
use crate::policy::Primary;
pub use crate::report::{Finding, Level};

mod instances;
mod records;

use instances::{instance, lag, pair};
use records::records;

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, id: &'static str, level: Level, message: impl Into<String>, fix: &'static str) {
        let fix = if level == Level::Pass { "" } else { fix };
        self.0.push(Finding { id, level, message: message.into(), fix });
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
    let policy = &config.pair.policy;
    if let (Primary::Rds(id), Some(primary)) = (&config.pair.primary, &seen.primary) {
        instance(&mut findings, "primary", id, primary);
    }
    if let (Some(id), Some(replica)) = (&config.pair.replica, &seen.replica) {
        instance(&mut findings, "replica", id, replica);
        pair(&mut findings, config, seen, id, replica);
        lag(&mut findings, config, seen, clock);
    } else {
        findings.add(
            "replica-configured",
            Level::Warn,
            "no replica is configured: whether the secondary can serve is not looked at, and nothing can be promoted",
            "set FAILOVER_DB_INSTANCE_IDENTIFIER to the replica that the secondary record points to",
        );
    }
    probes(&mut findings, config, seen, observer).await;
    health_check(&mut findings, seen);
    memory(&mut findings, seen, clock);
    records(&mut findings, config, seen, observer).await;
    time(&mut findings, config, clock);
    let promote = if policy.promote { ", rds:PromoteReadReplica" } else { "" };
    let publish = if config.topic.is_some() { ", sns:Publish" } else { "" };
    findings.add(
        "write-permissions",
        Level::Warn,
        format!("not verified, as no harmless call proves them: route53:UpdateHealthCheck, route53:ChangeTagsForResource{promote}{publish}"),
        "prove them by a planned failover and failback",
    );
    findings.test(
        "mode",
        config.mode == Mode::Act,
        Level::Warn,
        format!("MODE is {}", config.mode.as_str()),
        "set MODE=act when you trust what it reports",
    );
    findings.0
}

async fn probes(findings: &mut Findings, config: &Config, seen: &Observation, observer: &Observer<'_>) {
    let Some(probes) = seen.probes else { return };
    if seen.primary().is_some_and(|primary| primary.multi_az) {
        let events = observer.read_events().await;
        findings.test(
            "events-readable",
            matches!(events, Evidence::Read(_)),
            Level::Fail,
            match &events {
                Evidence::Unreadable(why) => format!("the events of the primary are {why}"),
                Evidence::Read(_) | Evidence::NotRead => "the events of the primary can be read".to_owned(),
            },
            "allow rds:DescribeEvents: without it a Multi-AZ primary that only the probes miss is never failed over",
        );
    }
    let serving = probes.answered >= config.pair.policy.quorum;
    let healthy = matches!(
        Diagnosis::of(&Observation { probes: None, ..seen.clone() }, &config.pair),
        Diagnosis::Healthy(_)
    );
    findings.test(
        "probes",
        serving || !healthy,
        Level::Fail,
        format!("{} of {} probes answer; {} must", probes.answered, probes.asked, config.pair.policy.quorum),
        "correct HEALTH_ENDPOINTS, or the function's way to them: with a healthy primary they must answer, or a failover starts by itself",
    );
}

fn health_check(findings: &mut Findings, seen: &Observation) {
    let check = match &seen.check {
        Reading::Known(check) => check,
        Reading::Missing => {
            return findings.add(
                "health-check-exists",
                Level::Fail,
                "the health check does not exist",
                "correct ROUTE53_HEALTH_CHECK_ID",
            );
        }
        Reading::Unknown(why) => {
            return findings.add(
                "health-check-exists",
                Level::Fail,
                format!("the health check is {why}"),
                "allow route53:GetHealthCheck on the health check",
            );
        }
    };
    findings.add(
        "health-check-exists",
        Level::Pass,
        format!("the health check exists, at version {}", check.version),
        "",
    );
    findings.test(
        "health-check-updatable",
        check.not_updatable.is_none(),
        Level::Fail,
        check.not_updatable.clone().unwrap_or_else(|| "the health check can be updated".to_owned()),
        "configure a health check that Route 53 lets you update",
    );
    let (level, fix) = match check.state {
        CheckState::Normal => (Level::Pass, ""),
        CheckState::ForcedUnhealthy => {
            (Level::Warn, "traffic is on the secondary: send a failback when the primary should serve")
        }
        CheckState::Foreign => (
            Level::Fail,
            "clear Disabled and Inverted: one of them alone was set by somebody else, and the function never changes that",
        ),
    };
    findings.add("health-check-normal", level, format!("the health check is {}", check.state.as_str()), fix);
}

fn memory(findings: &mut Findings, seen: &Observation, clock: &Clock) {
    match &seen.memory {
        Evidence::NotRead => {}
        Evidence::Unreadable(why) => findings.add(
            "tags-readable",
            Level::Fail,
            format!("the tags are {why}"),
            "correct the failover: tags of the health check, or allow route53:ListTagsForResource",
        ),
        Evidence::Read(memory) => {
            findings.add("tags-readable", Level::Pass, "the tags of the health check can be read", "");
            let pause = memory.pause.as_ref().filter(|pause| pause.in_force(clock.now()));
            findings.test(
                "not-paused",
                pause.is_none(),
                Level::Warn,
                pause.map_or_else(
                    || "automatic change is not paused".to_owned(),
                    |pause| {
                        format!("automatic change is paused until {} ({})", pause.until_words(), pause.reason)
                    },
                ),
                "send {\"action\":\"resume\"}",
            );
        }
    }
}

/// Whether the confirmations fit into the time an invocation has.
fn time(findings: &mut Findings, config: &Config, clock: &Clock) {
    let policy = &config.pair.policy;
    let rounds = policy.confirmations.max(policy.failback_confirmations);
    let needed = policy.interval * rounds.saturating_sub(1);
    let Some(left) = clock.left() else { return };
    findings.test(
        "invocation-time",
        left > needed,
        Level::Fail,
        format!("{rounds} observations take {} s and more; this invocation has {} s left", needed.as_secs_f64(), left.as_secs()),
        "raise the function's time-out, or lower CONFIRMATIONS, FAILBACK_CONFIRMATIONS or CONFIRMATION_INTERVAL",
    );
}
