//! The two instances: do they exist, and could the replica stand in for the primary?

use jiff::Timestamp;

use super::{Findings, Level, capacity};
use crate::clock::Clock;
use crate::lag;
use crate::model::{Cause, Evidence, Instance, InstanceRef, Observation, Reading, Replication};
use crate::policy::{Pair, Primary};
use crate::replica;
use crate::status::{Health, Status};

pub(super) fn examine(findings: &mut Findings, pair: &Pair, seen: &Observation, clock: &Clock) {
    if let (Primary::Rds(id), Some(primary)) = (&pair.primary, &seen.primary) {
        instance(findings, "primary", id, primary);
    }
    match (&pair.primary, &pair.replica, &seen.replica) {
        (Primary::Rds(primary), Some(id), Some(reading)) => {
            instance(findings, "replica", id, reading);
            if let Reading::Known(found) = reading {
                replication(findings, pair, primary, id, found);
                if let Some(primary) = seen.primary() {
                    compare(findings, primary, found);
                }
            }
            lag_of(findings, pair, seen, clock);
        }
        (Primary::Rds(_), _, _) => findings.add(
            "replica-configured",
            Level::Warn,
            "no replica is configured: nothing checks whether the secondary can serve, and nothing can be promoted",
            "set FAILOVER_DB_INSTANCE_IDENTIFIER to the replica that the secondary record points to",
        ),
        (Primary::Probed { .. }, _, _) => {}
    }
}

/// What a failover with a promotion fails on is a failure only where promotion is on.
fn needed_to_promote(pair: &Pair) -> Level {
    if pair.policy.promote { Level::Fail } else { Level::Warn }
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
                    "run check again; if the error persists, check the function's network and region"
                }
            };
            return findings.add(
                exists,
                Level::Fail,
                format!("the {which} {id} could not be read ({why})"),
                fix,
            );
        }
    };
    findings.add(exists, Level::Pass, format!("the {which} {id} exists and is {}", found.status), "");
    let engine = found.details.engine.to_ascii_lowercase();
    let cluster = found.details.cluster.as_deref();
    let id = if primary { "primary-engine" } else { "replica-engine" };
    if engine.is_empty() && cluster.is_none() {
        let fix = "run check again: RDS names the engine of every instance";
        return findings.add(id, Level::Warn, format!("the engine of the {which} is not known"), fix);
    }
    findings.test(
        id,
        !engine.starts_with("aurora") && !engine.starts_with("custom-") && cluster.is_none(),
        Level::Fail,
        match cluster {
            Some(cluster) => format!("the {which} is a member of the DB cluster {cluster} ({engine})"),
            None => format!("the {which} runs {engine}"),
        },
        "PromoteReadReplica supports neither Aurora nor RDS Custom nor Multi-AZ DB clusters: use the cluster's own failover",
    );
}

fn replication(
    findings: &mut Findings,
    pair: &Pair,
    primary: &InstanceRef,
    id: &InstanceRef,
    replica: &Instance,
) {
    findings.test(
        "replica-follows-primary",
        replica.source.as_ref().is_some_and(|source| replica::follows(source, primary)),
        Level::Fail,
        match &replica.source {
            Some(source) => format!("the replica {id} replicates from {source}"),
            None => format!("the replica {id} replicates from no instance"),
        },
        "configure a read replica of the primary; after a promotion, rebuild one and swap the identifiers",
    );
    let serves = pair.policy.health_of(&replica.status) == Health::Healthy;
    findings.test(
        "replica-available",
        replica.status == Status::Available,
        if serves { needed_to_promote(pair) } else { Level::Fail },
        format!("the replica is {}", replica.status),
        "wait until the replica is available: in any other state it can't be promoted, and in an unhealthy one it gets no traffic",
    );
    findings.test(
        "replication-runs",
        replica.replication == Replication::Normal,
        Level::Fail,
        match &replica.replication {
            Replication::Normal => "RDS reports no replication error".to_owned(),
            fault @ (Replication::Failing(_) | Replication::Broken(_)) => format!("the replica's {fault}"),
        },
        "repair replication, or rebuild the replica",
    );
    let days = replica.details.backup_retention_days;
    findings.test(
        "replica-backups",
        days.is_some_and(|days| days > 0),
        Level::Warn,
        match days {
            Some(days) => format!("the replica keeps automated backups for {days} day(s); a promotion fails while a backup is being taken"),
            None => "whether the replica keeps automated backups is not known".to_owned(),
        },
        "set a backup retention period of at least 1 day on the replica; otherwise it has no backups after a promotion",
    );
}

/// Whether the replica can carry the primary's load.
fn compare(findings: &mut Findings, primary: &Instance, replica: &Instance) {
    let (class, needed) = (&replica.details.class, &primary.details.class);
    let covers = match (capacity(class), capacity(needed)) {
        (Some(capacity), Some(needed)) => capacity.covers(needed),
        (None, _) | (_, None) => class == needed && !class.is_empty(),
    };
    let words = |class: &str| match capacity(class) {
        Some(found) => format!("`{class}` ({} processors, {} GiB)", found.processors, found.memory),
        None => format!("`{class}`"),
    };
    findings.test(
        "replica-class",
        covers,
        Level::Warn,
        format!("the replica's class is {}, and the primary's is {}", words(class), words(needed)),
        "give the replica the primary's class, or make sure that the smaller class can carry the load",
    );
    findings.test(
        "replica-storage",
        replica
            .details
            .storage_gib
            .zip(primary.details.storage_gib)
            .is_some_and(|(gib, needed)| gib >= needed),
        Level::Warn,
        format!("the replica has {} GiB, and the primary has {} GiB", gib(replica), gib(primary)),
        "give the replica at least the primary's storage",
    );
    findings.test(
        "replica-multi-az",
        replica.multi_az || !primary.multi_az,
        Level::Warn,
        format!("Multi-AZ: primary {}, replica {}", primary.multi_az, replica.multi_az),
        "make the replica Multi-AZ, or expect to wait for the conversion after a promotion",
    );
}

fn gib(instance: &Instance) -> String {
    instance.details.storage_gib.map_or_else(|| "an unknown number of".to_owned(), |gib| gib.to_string())
}

fn lag_of(findings: &mut Findings, pair: &Pair, seen: &Observation, clock: &Clock) {
    let samples = match &seen.lag {
        Evidence::Read(samples) => samples,
        Evidence::NotRead => return,
        Evidence::Unreadable(why) => {
            return findings.add(
                "replica-lag",
                needed_to_promote(pair),
                format!("the lag could not be read ({why})"),
                "allow cloudwatch:GetMetricStatistics: without it nothing is promoted",
            );
        }
    };
    let fix = "find out why the replica falls behind: nothing is promoted while the lag is unknown or over MAX_REPLICA_LAG";
    let allowed = pair.policy.max_lag.as_secs_f64();
    // Without an outage the newest sample counts.
    match lag::lag(samples, Timestamp::MAX, clock.now()) {
        Err(why) => findings.add("replica-lag", needed_to_promote(pair), why.to_string(), fix),
        Ok(lag) => findings.test(
            "replica-lag",
            lag.seconds <= allowed,
            needed_to_promote(pair),
            format!("the replica is {} s behind; {allowed} s are allowed", lag.seconds),
            fix,
        ),
    }
}
