//! Would a failover work now? Configurations rot between incidents; each finding says how to mend it.

use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover};
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::health::{self, Diagnosis};
use crate::model::{Cause, CheckState, Evidence, Instance, InstanceRef, Observation, Reading};
use crate::observe::{Observer, targets};
use crate::status::{Health, Status};

/// With a health check, AWS advises 60 s or less ("Values specific for failover records", TTL).
const MAX_TTL: i64 = 60;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Pass,
    /// A failover would work, but not as well as it could, or it could not be verified.
    Warn,
    /// A failover would not work.
    Fail,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable code.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// How to mend it; empty where there is nothing to mend.
    pub fix: &'static str,
}

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
    let policy = &config.policy;
    instance(&mut findings, "primary", &policy.primary, &seen.primary);
    if let (Some(id), Some(replica)) = (&policy.replica, &seen.replica) {
        instance(&mut findings, "replica", id, replica);
        pair(&mut findings, config, seen, id, replica);
        lag(&mut findings, config, seen);
    } else {
        findings.add(
            "replica-configured",
            Level::Warn,
            "no replica is configured: whether the secondary can serve is not looked at, and nothing can be promoted",
            "set FAILOVER_DB_INSTANCE_IDENTIFIER to the replica that the secondary record points to",
        );
    }
    probes(&mut findings, config, seen);
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

fn instance(findings: &mut Findings, which: &'static str, id: &InstanceRef, reading: &Reading<Instance>) {
    let primary = which == "primary";
    let exists = if primary { "primary-exists" } else { "replica-exists" };
    let found = match reading {
        Reading::Known(found) => found,
        Reading::Missing => {
            let fix = "correct the identifier, or use an ARN if the instance is in another region";
            return findings.add(exists, Level::Fail, format!("the {which} {id} does not exist"), fix);
        }
        Reading::Unknown(why) => {
            let fix = match why.cause {
                Cause::Denied => "allow rds:DescribeDBInstances on the instance's ARN",
                Cause::Unreachable | Cause::Throttled | Cause::Other => {
                    "run check again; if it lasts, check the function's network and region"
                }
            };
            return findings.add(exists, Level::Fail, format!("the {which} {id} is {why}"), fix);
        }
    };
    findings.add(exists, Level::Pass, format!("the {which} {id} exists and is {}", found.status), "");
    let engine = found.details.engine.to_ascii_lowercase();
    let cluster = found.details.cluster.as_deref();
    let served = !engine.starts_with("aurora") && !engine.starts_with("custom-") && cluster.is_none();
    findings.test(
        if primary { "primary-engine" } else { "replica-engine" },
        served,
        Level::Fail,
        match cluster {
            Some(cluster) => format!("the {which} is a member of the DB cluster {cluster} ({engine})"),
            None => format!("the {which} runs {engine}"),
        },
        "PromoteReadReplica serves neither Aurora nor RDS Custom nor Multi-AZ DB clusters: use the failover of the cluster itself",
    );
}

fn pair(
    findings: &mut Findings,
    config: &Config,
    seen: &Observation,
    id: &InstanceRef,
    reading: &Reading<Instance>,
) {
    let Some(replica) = reading.known() else { return };
    let primary_id = &config.policy.primary;
    findings.test(
        "replica-follows-primary",
        replica.source.as_ref().is_some_and(|source| health::follows(source, primary_id)),
        Level::Fail,
        match &replica.source {
            Some(source) => format!("the replica {id} replicates from {source}"),
            None => format!("the replica {id} replicates from nobody"),
        },
        "name a read replica of the primary; after a promotion rebuild one and swap the identifiers",
    );
    findings.test(
        "replica-available",
        replica.status == Status::Available,
        if config.policy.health_of(&replica.status) == Health::Healthy { Level::Warn } else { Level::Fail },
        format!("the replica is {}", replica.status),
        "wait until it is available: in another state it can't be promoted, and in an unhealthy one no traffic is sent to it",
    );
    if let Some(fault) = &replica.details.replication_fault {
        findings.add(
            "replication-runs",
            Level::Fail,
            format!("replication reports: {fault}"),
            "repair the replication, or rebuild the replica",
        );
    } else {
        findings.add("replication-runs", Level::Pass, "RDS reports no fault of the replication", "");
    }
    let days = replica.details.backup_retention_days;
    findings.test(
        "replica-backups",
        days.is_some_and(|days| days > 0),
        Level::Warn,
        match days {
            Some(days) => format!("the replica keeps automated backups for {days} day(s); a promotion fails while one is taken"),
            None => "whether the replica keeps automated backups is not known".to_owned(),
        },
        "set a backup retention period of at least 1 day on the replica, or it has no backup after a promotion",
    );
    let Some(primary) = seen.primary.known() else { return };
    let (small, large) = (class_size(&replica.details.class), class_size(&primary.details.class));
    findings.test(
        "replica-class",
        replica.details.class == primary.details.class
            || matches!((small, large), (Some(small), Some(large)) if small >= large),
        Level::Warn,
        format!("the replica is a {}, the primary a {}", replica.details.class, primary.details.class),
        "give the replica the primary's class, or be sure that the smaller one carries the load",
    );
    findings.test(
        "replica-storage",
        replica.details.storage_gib >= primary.details.storage_gib,
        Level::Warn,
        format!("the replica has {} GiB, the primary {} GiB", gib(replica), gib(primary)),
        "give the replica at least the primary's storage",
    );
    findings.test(
        "replica-multi-az",
        replica.multi_az || !primary.multi_az,
        Level::Warn,
        format!("Multi-AZ: primary {}, replica {}", primary.multi_az, replica.multi_az),
        "make the replica Multi-AZ, or be ready to wait for that after a promotion",
    );
}

fn gib(instance: &Instance) -> String {
    instance.details.storage_gib.map_or_else(|| "an unknown number of".to_owned(), |gib| gib.to_string())
}

/// The size of a class such as `db.r6g.2xlarge`, as a number that grows with it; `None` for a word it does not
/// know.
fn class_size(class: &str) -> Option<u32> {
    let size = class.rsplit('.').next()?;
    match size {
        "micro" => Some(1),
        "small" => Some(2),
        "medium" => Some(4),
        "large" => Some(8),
        "xlarge" => Some(16),
        _ => size.strip_suffix("xlarge")?.parse::<u32>().ok().map(|times| times * 16),
    }
}

fn lag(findings: &mut Findings, config: &Config, seen: &Observation) {
    let (samples, now) = match &seen.lag {
        Evidence::Read(samples) => (samples, samples.last().map(|sample| sample.at)),
        Evidence::NotRead => return,
        Evidence::Unreadable(why) => {
            return findings.add(
                "replica-lag",
                Level::Warn,
                format!("the lag is {why}"),
                "allow cloudwatch:GetMetricStatistics: without it nothing is promoted",
            );
        }
    };
    let fix = "find out why the replica falls behind: over MAX_REPLICA_LAG, or unknown, nothing is promoted";
    match now.map(|now| health::lag(samples, now, now)) {
        None => findings.add("replica-lag", Level::Warn, "there is no sample of ReplicaLag", fix),
        Some(Err(why)) => findings.add("replica-lag", Level::Warn, why, fix),
        Some(Ok(lag)) => findings.test(
            "replica-lag",
            lag.seconds <= config.policy.max_lag.as_secs_f64(),
            Level::Warn,
            format!(
                "the replica is {} s behind; {} s are allowed",
                lag.seconds,
                config.policy.max_lag.as_secs_f64()
            ),
            fix,
        ),
    }
}

fn probes(findings: &mut Findings, config: &Config, seen: &Observation) {
    let Some(probes) = seen.probes else { return };
    let serving = probes.answered >= config.policy.quorum;
    let healthy = matches!(Diagnosis::of(&seen.primary, None, &config.policy), Diagnosis::Healthy(_));
    findings.test(
        "probes",
        serving || !healthy,
        Level::Fail,
        format!("{} of {} probes answer; {} must", probes.answered, probes.asked, config.policy.quorum),
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

async fn records(findings: &mut Findings, config: &Config, seen: &Observation, observer: &Observer<'_>) {
    if config.hosted_zone_id.is_none() {
        return findings.add(
            "records",
            Level::Warn,
            "the failover records are not looked at: HOSTED_ZONE_ID is not set",
            "set HOSTED_ZONE_ID and RECORD_NAME",
        );
    }
    let sets = match observer.record_sets().await {
        Ok(sets) => sets,
        Err(why) => {
            return findings.add(
                "records",
                Level::Fail,
                format!("the records are {why}"),
                "allow route53:ListResourceRecordSets on the hosted zone, and correct HOSTED_ZONE_ID",
            );
        }
    };
    let of = |failover| sets.iter().find(|set| set.failover() == Some(&failover));
    let primary = of(ResourceRecordSetFailover::Primary);
    let secondary = of(ResourceRecordSetFailover::Secondary);
    let (Some(primary), Some(secondary)) = (primary, secondary) else {
        return findings.add(
            "records",
            Level::Fail,
            "there is no pair of a primary and a secondary failover record",
            "create both records with the failover routing policy, and correct RECORD_NAME",
        );
    };
    findings.add("records", Level::Pass, format!("both failover records of {} exist", primary.name()), "");
    let uses = match primary.health_check_id() {
        Some(id) if id == config.health_check_id => true,
        // A CALCULATED check that is made of this one follows it.
        Some(id) => observer
            .health_check_by_id(id)
            .await
            .known()
            .is_some_and(|check| check.children.contains(&config.health_check_id)),
        None => false,
    };
    findings.test(
        "primary-record-health-check",
        uses,
        Level::Fail,
        format!("the primary record uses {}", primary.health_check_id().unwrap_or("no health check")),
        "put ROUTE53_HEALTH_CHECK_ID, or a CALCULATED check over it, on the primary record",
    );
    findings.test(
        "secondary-record-health-check",
        secondary.health_check_id().is_none(),
        Level::Fail,
        format!("the secondary record uses {}", secondary.health_check_id().unwrap_or("no health check")),
        "take the health check off the secondary record: while it fails, Route 53 answers with the primary again",
    );
    endpoint(
        findings,
        "primary-record-target",
        primary,
        seen.primary.known(),
        "point the primary record at the primary's endpoint",
    );
    if let Some(replica) = &seen.replica {
        endpoint(
            findings,
            "secondary-record-target",
            secondary,
            replica.known(),
            "point the secondary record at the replica's endpoint",
        );
    }
    let ttl = primary.ttl().max(secondary.ttl());
    findings.test(
        "record-ttl",
        ttl.is_none_or(|ttl| ttl <= MAX_TTL),
        Level::Fail,
        ttl.map_or_else(
            || "the records are aliases, whose TTL AWS sets".to_owned(),
            |ttl| format!("the TTL is {ttl} s"),
        ),
        "set a TTL of at most 60 s on both records",
    );
}

fn endpoint(
    findings: &mut Findings,
    id: &'static str,
    record: &ResourceRecordSet,
    instance: Option<&Instance>,
    fix: &'static str,
) {
    let targets = targets(record);
    let endpoint = instance.and_then(|instance| instance.endpoint.clone());
    let points = endpoint.as_ref().is_some_and(|endpoint| targets.contains(endpoint));
    // Without the endpoint nothing can be said of the record.
    let level = if endpoint.is_some() { Level::Fail } else { Level::Warn };
    findings.test(
        id,
        points,
        level,
        format!(
            "the record points at {}, the endpoint is {}",
            targets.join(", "),
            endpoint.as_deref().unwrap_or("not known")
        ),
        fix,
    );
}

/// Whether the confirmations fit into the time an invocation has.
fn time(findings: &mut Findings, config: &Config, clock: &Clock) {
    let policy = &config.policy;
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
