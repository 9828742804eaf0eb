//! What the settings say together: contradictions, which are refused, and what can have no effect, which is warned of.

use std::collections::BTreeSet;

use super::{
    Config, FAILOVER_DB_INSTANCE_IDENTIFIER, FENCE_PRIMARY, HEALTH_ENDPOINTS, MAX_REPLICA_LAG,
    ON_PRIMARY_UNREACHABLE, PRIMARY_DB_INSTANCE_IDENTIFIER, PRIMARY_NAME, PROMOTE_ON, PROMOTE_REPLICA,
    SECONDARY_ENDPOINTS, STATUS_OVERRIDES, shown,
};
use crate::model::Symptom;
use crate::policy::{OnUnreachable, Pair, Policy, Primary};
use crate::status::{Health, Status};

/// What needs RDS, each with the value that asks for nothing.
const NEEDS_RDS: &[(&str, &str)] = &[
    (PRIMARY_DB_INSTANCE_IDENTIFIER, ""),
    (FAILOVER_DB_INSTANCE_IDENTIFIER, ""),
    (PROMOTE_REPLICA, "false"),
    (PROMOTE_ON, ""),
    (MAX_REPLICA_LAG, ""),
    (STATUS_OVERRIDES, ""),
    (FENCE_PRIMARY, "off"),
    (ON_PRIMARY_UNREACHABLE, "hold"),
];

/// Settings that can't all be meant. One that is set but faulty is reported as such, and contradicts nothing.
pub(super) fn contradictions(
    config: &Config,
    promote_on: Option<&BTreeSet<Symptom>>,
    text: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let is_set = |name: &str| text(name).is_some();
    let Pair { primary, replica, policy, .. } = &config.pair;
    let mut faults = Vec::new();
    if is_set(PRIMARY_NAME) {
        for (name, idle) in NEEDS_RDS {
            if let Some(value) = text(name).filter(|value| !value.eq_ignore_ascii_case(idle)) {
                let value = shown(&value);
                faults.push(format!(
                    "{name} holds `{value}` together with {PRIMARY_NAME}, which names a primary outside RDS: unset one of them"
                ));
            }
        }
        if !is_set(HEALTH_ENDPOINTS) {
            faults.push(format!(
                "{PRIMARY_NAME} is set but {HEALTH_ENDPOINTS} is not: a primary outside RDS is judged by its probes alone"
            ));
        }
        return faults;
    }
    match (primary, replica) {
        (Primary::Rds(primary), Some(replica)) if replica.same_as(primary) => faults.push(format!(
            "{FAILOVER_DB_INSTANCE_IDENTIFIER} and {PRIMARY_DB_INSTANCE_IDENTIFIER} name the same instance `{replica}`: name the replica that the secondary record points to"
        )),
        (_, None) if policy.promote && !is_set(FAILOVER_DB_INSTANCE_IDENTIFIER) => faults.push(format!(
            "{PROMOTE_REPLICA} is `true` but {FAILOVER_DB_INSTANCE_IDENTIFIER} is not set: name the replica to promote, or set {PROMOTE_REPLICA} to `false`"
        )),
        (Primary::Rds(_) | Primary::Probed { .. }, Some(_) | None) => {}
    }
    if policy.fence && !policy.promote {
        faults.push(format!(
            "{FENCE_PRIMARY} is `stop` but {PROMOTE_REPLICA} is not `true`: only a promotion leaves a stale primary to stop; set {PROMOTE_REPLICA} to `true`, or {FENCE_PRIMARY} to `off`"
        ));
    }
    for symptom in promote_on.into_iter().flatten() {
        // A word that RDS does not document may be one of tomorrow: a warning, as a function that does not start fails
        // over nothing.
        if let Symptom::Status(status) = symptom
            && !matches!(status, Status::Unrecognised(_))
            && policy.health_of(status) != Health::Unhealthy
        {
            faults.push(format!(
                "{PROMOTE_ON} holds `{status}`, which counts as {}, so it never leads to a promotion: remove it, or add `{status}=unhealthy` to {STATUS_OVERRIDES}",
                policy.health_of(status).as_str()
            ));
        }
    }
    if policy.on_unreachable == OnUnreachable::FailOver && !is_set(HEALTH_ENDPOINTS) {
        faults.push(format!(
            "{ON_PRIMARY_UNREACHABLE} is `failover` but {HEALTH_ENDPOINTS} is not set: an unreachable API alone is no evidence; set endpoints, or {ON_PRIMARY_UNREACHABLE} to `hold`"
        ));
    }
    faults
}

/// The statuses in the configuration that RDS does not document, each with its variable.
pub fn undocumented(policy: &Policy) -> impl Iterator<Item = (&'static str, &Status)> {
    let overrides = policy.overrides.keys().map(|status| (STATUS_OVERRIDES, status));
    let promote_on = policy.promote_on.iter().filter_map(|symptom| match symptom {
        Symptom::Status(status) => Some((PROMOTE_ON, status)),
        Symptom::Missing | Symptom::Unreachable | Symptom::Unresponsive => None,
    });
    overrides.chain(promote_on).filter(|(_, status)| matches!(status, Status::Unrecognised(_)))
}

/// What is said of such a status.
pub fn undocumented_words(variable: &str, status: &Status) -> String {
    let nearest = nearest(status).map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
    format!(
        "{variable} holds `{}`, a status that RDS does not document: a typo has no effect{nearest}",
        shown(status.as_str())
    )
}

/// The documented status that is nearest to one that this version does not know.
pub fn nearest(status: &Status) -> Option<&'static Status> {
    let Status::Unrecognised(text) = status else { return None };
    Status::ALL
        .iter()
        // Comparing takes the product of both lengths.
        .filter(|known| text.len().abs_diff(known.as_str().len()) <= known.as_str().len() / 3)
        .map(|known| (strsim::damerau_levenshtein(known.as_str(), text), known))
        .filter(|(distance, known)| *distance <= known.as_str().len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Settings that are allowed and can have no effect.
pub(super) fn warnings(pair: &Pair, promote_on_is_set: bool) -> Vec<String> {
    let Pair { policy, endpoints, secondary_endpoints, .. } = pair;
    let mut warnings = Vec::new();
    if let Some(both) = endpoints.iter().find(|one| secondary_endpoints.contains(one)) {
        warnings.push(format!("{HEALTH_ENDPOINTS} and {SECONDARY_ENDPOINTS} both hold `{both}`: one outage silences both sides, and no traffic moves"));
    }
    if policy.fence && !pair.fences() {
        warnings.push(format!("{FENCE_PRIMARY} is `stop`, but both instances have the same name: the old primary is not stopped, as the tags could not tell the two apart; rename one, or set {FENCE_PRIMARY} to `off`"));
    }
    if promote_on_is_set
        && policy.promote_on.contains(&Symptom::Unreachable)
        && policy.on_unreachable == OnUnreachable::Hold
    {
        warnings.push(format!("{PROMOTE_ON} holds `unreachable`, which needs {ON_PRIMARY_UNREACHABLE}=failover to have any effect"));
    }
    for (variable, status) in undocumented(policy) {
        warnings.push(undocumented_words(variable, status));
    }
    warnings
}
