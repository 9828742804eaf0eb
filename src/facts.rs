//! The sentence for a person: what was decided, and whatever a person would ask next.

use std::fmt;

use crate::decide::{Case, Decision, Order, Rule, explain};
use crate::memory::By;
use crate::model::{CheckState, Evidence, Instance, NotUpdatable, Observation, Reading, Replication};
use crate::policy::Failback;
use crate::text::cut;

/// A message quotes AWS and people: more of it is no help.
pub const MOST: usize = 4000;

/// The message of a rule in a case. `reason` is an operator's words.
pub fn message(rule: &Rule, case: &Case<'_>, reason: Option<&str>) -> String {
    let mut message = format!("{}: {}", rule.message, facts(case));
    if let Some(reason) = reason {
        message = format!("{message}; requested: {reason}");
    }
    if let Some(overridden) = explain::overridden(case) {
        message = format!("{message}; overridden by `force`: {overridden}");
    }
    if let Some(forced) = explain::force_would_help(case).filter(|_| !rule.effect.changes()) {
        let hint = match forced {
            Decision::Apply(_) => "with `force` the request would be carried out",
            Decision::Read(_) => "`force` overrides this rule",
        };
        message = format!("{message}; {hint}");
    }
    cut(&message, MOST)
}

/// The facts behind a decision.
pub fn facts(case: &Case<'_>) -> String {
    let Observation { replica, check, memory, .. } = case.seen;
    let pair = case.pair;
    let mut facts = vec![format!("primary {} is {}", pair.primary, case.diagnosis)];
    if case.diagnosis.symptom().is_some() {
        facts.push(format!("observed {} time(s) in a row", case.streak.length));
    }
    if let (Some(reading), Some(id)) = (replica, &pair.replica) {
        let unfit = case.reason_replica_not_fit().map(|unfit| unfit.to_string());
        facts.push(unfit.unwrap_or_else(|| format!("replica {id} is {}", status(reading))));
        facts.extend(replication(reading));
    }
    if let Some(probes) = case.seen.secondary {
        facts.push(format!("{} of {} probes of the secondary answer", probes.answered, probes.asked));
    }
    match case.at_stake() {
        Some(stake) => {
            let allowed = pair.policy.max_lag.as_secs_f64();
            facts.push(format!("data at stake: {stake}, with a lag of {allowed} s allowed"));
        }
        None => facts.extend(case.reason_lag_unknown().map(|why| why.to_string())),
    }
    facts.extend(of_the_check(case));
    match memory {
        Evidence::NotRead => {}
        Evidence::Unreadable(why) => facts.push(format!("tags could not be read ({why})")),
        Evidence::Read(memory) => {
            if let Some(pause) = memory.pause.as_ref().filter(|pause| pause.in_force(case.now)) {
                facts.push(pause.words());
            }
        }
    }
    if let Some(ends) = case.cooldown_end() {
        facts.push(format!("cooldown ends at {ends:.0}"));
    }
    if let Evidence::Read(Some(open)) = case.seen.connections {
        facts.push(format!("{open:.0} connection(s) to the old primary are open"));
    }
    if explain::fence_is_awaited(case) {
        facts.push(
            "RDS was asked to stop the old primary and still calls it available: it may still take writes"
                .to_owned(),
        );
    }
    if let Reading::Known(check) = check
        && matches!(case.order, Order::Failover { promote: false, .. })
        && check.state == CheckState::ForcedUnhealthy
        && case.forced_by() == Some(By::Auto)
    {
        let goes_back = pair.policy.failback == Failback::Auto && !explain::is_latched(case);
        facts.push(if goes_back {
            "this function moved traffic by itself, so traffic goes back by itself once the primary is healthy, if nothing is promoted; `pause` keeps it on the secondary"
        } else {
            "this function moved traffic by itself; only `failback` brings it back"
        }.to_owned());
    }
    for (what, evidence) in [
        ("events", unreadable(&case.seen.multi_az_failover)),
        ("deletion events", unreadable(&case.seen.deletion)),
        ("record", unreadable(&case.seen.record)),
    ] {
        facts.extend(evidence.map(|why| format!("{what} could not be read ({why})")));
    }
    cut(&facts.join("; "), MOST)
}

/// The data that a promotion loses, or why that is unknown; `None` where no replica is configured.
pub fn at_stake(case: &Case<'_>) -> Option<String> {
    case.pair.replica.as_ref()?;
    let unknown = |why: &dyn fmt::Display| format!("unknown ({why})");
    if explain::old_primary_may_take_writes(case) {
        return Some(unknown(
            &"the replica is promoted: what clients still write to the old primary is lost",
        ));
    }
    Some(match (case.at_stake(), case.reason_lag_unknown()) {
        (Some(stake), _) => stake.to_string(),
        (None, Some(why)) => unknown(&why),
        (None, None) => unknown(&"ReplicaLag is read only before a promotion"),
    })
}

fn of_the_check(case: &Case<'_>) -> Vec<String> {
    match &case.seen.check {
        Reading::Known(check) => {
            let state = format!("health check is {} at version {}", check.state.as_str(), check.version);
            std::iter::once(state).chain(check.not_updatable.as_ref().map(NotUpdatable::to_string)).collect()
        }
        Reading::Unknown(why) => vec![format!("health check could not be read ({why})")],
        Reading::Missing => vec![format!("health check {} does not exist", case.pair.health_check_id)],
    }
}

/// A status word of a reading, as in the response.
pub fn status(reading: &Reading<Instance>) -> String {
    match reading {
        Reading::Known(instance) => instance.status.to_string(),
        Reading::Missing => "missing".to_owned(),
        Reading::Unknown(_) => "unknown".to_owned(),
    }
}

fn replication(reading: &Reading<Instance>) -> Option<String> {
    let replication = &reading.known()?.replication;
    match replication {
        Replication::Normal => None,
        Replication::Failing(_) => Some(format!("its {replication}")),
        Replication::Broken(_) => {
            Some(format!("its {replication}: the replica lacks what was written since then"))
        }
    }
}

fn unreadable<T>(evidence: &Evidence<T>) -> Option<String> {
    match evidence {
        Evidence::Unreadable(why) => Some(why.to_string()),
        Evidence::NotRead | Evidence::Read(_) => None,
    }
}
