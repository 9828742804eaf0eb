//! What RDS's words and the probes say of the primary: unknown is never down, and a typo is no outage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use rds_route53_failover::config::Config;
use rds_route53_failover::diagnosis::{Diagnosis, was_there};
use rds_route53_failover::model::{
    Cause, CheckState, Evidence, HealthCheck, Instance, InstanceRef, Observation, Probes, ReadFailure,
    Reading, Source, Symptom,
};
use rds_route53_failover::policy::Pair;
use rds_route53_failover::status::Health::{Healthy, Hold, Unhealthy, Unknown};
use rds_route53_failover::status::{Health, Status};

/// Each status, what it says, and whether a promotion is allowed on it by default.
const STATUSES: &[(&str, Health, bool)] = &[
    ("available", Healthy, false),
    ("backing-up", Healthy, false),
    ("configuring-enhanced-monitoring", Healthy, false),
    ("configuring-iam-database-auth", Healthy, false),
    ("configuring-log-exports", Healthy, false),
    ("resetting-master-credentials", Healthy, false),
    ("storage-initialization", Healthy, false),
    ("storage-optimization", Healthy, false),
    ("backtracking", Hold, false),
    ("configuring-performance-insights", Hold, false),
    ("converting-to-vpc", Hold, false),
    ("creating", Hold, false),
    ("delete-precheck", Hold, false),
    ("incompatible-credentials", Hold, false),
    ("incompatible-option-group", Hold, false),
    ("modify-failed", Hold, false),
    ("modifying", Hold, false),
    ("moving-to-vpc", Hold, false),
    ("rebooting", Hold, false),
    ("renaming", Hold, false),
    ("shutting-down", Hold, false),
    ("starting", Hold, false),
    ("storage-config-upgrade", Hold, false),
    ("unsupported-configuration", Hold, false),
    ("upgrading", Hold, false),
    ("deleted", Unhealthy, false),
    ("deleting", Unhealthy, false),
    ("failed", Unhealthy, true),
    ("inaccessible-encryption-credentials", Unhealthy, true),
    ("inaccessible-encryption-credentials-recoverable", Unhealthy, false),
    ("incompatible-create", Unhealthy, false),
    ("incompatible-network", Unhealthy, true),
    ("incompatible-parameters", Unhealthy, false),
    ("incompatible-restore", Unhealthy, false),
    ("insufficient-capacity", Unhealthy, false),
    ("maintenance", Unhealthy, false),
    ("restore-error", Unhealthy, false),
    ("stopped", Unhealthy, false),
    ("stopping", Unhealthy, false),
    ("storage-full", Unhealthy, false),
    ("upgrade-failed", Unhealthy, false),
];

#[test]
fn every_status_says_what_the_table_says() {
    for (text, health, promotable) in STATUSES {
        let status = Status::parse(text);
        assert_eq!(status.as_str(), *text);
        assert_eq!((status.health(), status.promotable_by_default()), (*health, *promotable), "{text}");
        assert!(!matches!(status, Status::Unrecognised(_)), "{text}");
    }
    let known: BTreeSet<_> = Status::ALL.iter().map(Status::as_str).collect();
    assert_eq!(known, STATUSES.iter().map(|(text, ..)| *text).collect());
    assert_eq!(Status::ALL.len(), STATUSES.len());
}

#[test]
fn only_what_rds_does_not_heal_is_promotable_by_default() {
    for (text, health, promotable) in STATUSES {
        assert!(!promotable || *health == Unhealthy, "{text}");
    }
    assert!(!Status::Stopped.promotable_by_default(), "somebody stopped it, and can start it");
    assert!(!Status::StorageFull.promotable_by_default());
}

#[test]
fn a_status_nobody_knows_holds_and_keeps_its_name() {
    for text in ["", "exploded", "available2", "not-available", "failed!"] {
        let status = Status::parse(text);
        assert_eq!((status.health(), status.promotable_by_default()), (Hold, false), "{text}");
        assert_eq!(status, Status::Unrecognised(text.to_owned()));
        let diagnosis = diagnose(&Reading::Known(instance(text)), None, &[]);
        assert_eq!(diagnosis.health(), Hold);
        assert!(diagnosis.to_string().contains(text), "{diagnosis}");
    }
}

proptest! {
    #[test]
    fn case_and_underscores_say_nothing(index in 0..STATUSES.len(), upper in any::<u64>(), under in any::<u64>()) {
        let text = STATUSES[index].0;
        let spelt: String = text
            .chars()
            .enumerate()
            .map(|(i, c)| match c {
                '-' if under >> (i % 64) & 1 == 1 => '_',
                c if upper >> (i % 64) & 1 == 1 => c.to_ascii_uppercase(),
                c => c,
            })
            .collect();
        prop_assert_eq!(Status::parse(&spelt), Status::parse(text));
        prop_assert_eq!(Status::parse(&format!(" {spelt}\n")), Status::parse(text));
    }

    #[test]
    fn any_text_is_a_status(text in ".*") {
        let status = Status::parse(&text);
        prop_assert!(Status::ALL.contains(&status) || status.health() == Hold);
        prop_assert_eq!(Status::parse(status.as_str()), status);
    }
}

fn instance(status: &str) -> Instance {
    Instance::of(Status::parse(status))
}

/// A pair with three probes.
fn pair(variables: &[(&str, &str)]) -> Pair {
    let standard = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", "orders-primary"),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", "orders-replica"),
        ("ROUTE53_HEALTH_CHECK_ID", "check"),
        ("HEALTH_ENDPOINTS", "tcp://a:1,tcp://b:1,tcp://c:1"),
    ];
    let all = [&standard, variables].concat();
    let lookup = |name: &str| all.iter().rfind(|(it, _)| *it == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).unwrap().pair
}

fn look(primary: Option<Reading<Instance>>, answered: Option<usize>) -> Observation {
    let check = HealthCheck::of(CheckState::Normal, 1);
    Observation {
        primary,
        check: Reading::Known(check),
        probes: answered.map(|answered| Probes { answered, asked: 3 }),
        switch_is_fresh: true,
        ..Observation::unread()
    }
}

fn diagnose(primary: &Reading<Instance>, answered: Option<usize>, variables: &[(&str, &str)]) -> Diagnosis {
    Diagnosis::of(&look(Some(primary.clone()), answered), &pair(variables))
}

fn unknown(cause: Cause) -> Reading<Instance> {
    Reading::Unknown(failure(cause))
}

fn failure(cause: Cause) -> ReadFailure {
    ReadFailure { cause, detail: "why".to_owned() }
}

/// The primary is missing, RDS says this of its deletion, and the replica names this as its source.
fn missing(deletion: Evidence<Option<jiff::Timestamp>>, named: Option<&str>) -> Observation {
    let source = |id: &str| Source::Instance(InstanceRef { identifier: id.to_owned(), region: None });
    let replica =
        named.map(|id| Reading::Known(Instance { source: Some(source(id)), ..instance("available") }));
    Observation { deletion, replica, ..look(Some(Reading::Missing), None) }
}

fn deleted() -> Evidence<Option<jiff::Timestamp>> {
    Evidence::Read(Some("2026-01-31T12:00:00Z".parse().unwrap()))
}

const FAILOVER: &[(&str, &str)] = &[("ON_PRIMARY_UNREACHABLE", "failover")];
const CAUSES: [Cause; 4] = [Cause::Unreachable, Cause::Throttled, Cause::Denied, Cause::Other];

#[test]
fn an_api_that_fails_is_never_a_database_that_is_down() {
    for cause in CAUSES {
        for answered in [None, Some(0), Some(3)] {
            let diagnosis = diagnose(&unknown(cause), answered, &[]);
            assert_eq!(diagnosis.health(), Unknown, "{cause:?} {answered:?}");
        }
    }
}

#[test]
fn an_unreachable_region_counts_only_where_configured_and_only_with_failing_probes() {
    for cause in CAUSES {
        for answered in [None, Some(0), Some(1), Some(2), Some(3)] {
            let diagnosis = diagnose(&unknown(cause), answered, FAILOVER);
            let down = cause == Cause::Unreachable && matches!(answered, Some(0 | 1));
            let expected = if down { Unhealthy } else { Unknown };
            assert_eq!(diagnosis.health(), expected, "{cause:?} {answered:?}");
            assert_eq!(diagnosis == Diagnosis::Unhealthy(Symptom::Unreachable), down);
        }
    }
}

#[test]
fn a_database_that_serves_is_not_down_whatever_rds_says() {
    for (text, health, _) in STATUSES {
        let reading = Reading::Known(instance(text));
        for (answered, serving) in [(0, false), (1, false), (2, true), (3, true)] {
            let diagnosis = diagnose(&reading, Some(answered), &[]);
            let expected = match (health, serving) {
                (Healthy, false) | (Unhealthy, false) => Unhealthy,
                (Unhealthy, true) | (Hold, _) => Hold,
                (Healthy, true) => Healthy,
                (Unknown, _) => panic!("no status is unknown"),
            };
            assert_eq!(diagnosis.health(), expected, "{text} {answered}");
        }
        assert_eq!(diagnose(&reading, None, &[]).health(), *health, "{text}");
    }
    let serving = Observation { probes: Some(Probes { answered: 2, asked: 3 }), ..missing(deleted(), None) };
    assert_eq!(Diagnosis::of(&serving, &pair(&[])).health(), Hold);
}

#[test]
fn what_is_wrong_has_the_word_that_promote_on_uses() {
    let word = |diagnosis: Diagnosis| {
        diagnosis.symptom().unwrap_or_else(|| panic!("{diagnosis}")).as_str().to_owned()
    };
    let symptom = |reading, answered| word(diagnose(&reading, answered, FAILOVER));
    assert_eq!(word(Diagnosis::of(&missing(deleted(), None), &pair(&[]))), "missing");
    assert_eq!(symptom(Reading::Known(instance("available")), Some(0)), "unresponsive");
    assert_eq!(symptom(Reading::Known(instance("Storage_Full")), Some(0)), "storage-full");
    assert_eq!(symptom(unknown(Cause::Unreachable), Some(0)), "unreachable");
}

#[test]
fn a_missing_primary_is_down_only_where_something_shows_that_it_was_there() {
    let diagnosis = |seen: &Observation| Diagnosis::of(seen, &pair(&[]));
    let down = Diagnosis::Unhealthy(Symptom::Missing);
    assert_eq!(diagnosis(&missing(deleted(), None)), down);
    assert_eq!(diagnosis(&missing(Evidence::Read(None), Some("orders-primary"))), down);
    for unproven in [
        missing(Evidence::Read(None), None),
        missing(Evidence::NotRead, None),
        missing(Evidence::Unreadable(failure(Cause::Denied)), None),
        missing(Evidence::Read(None), Some("billing")),
    ] {
        assert!(!was_there(&unproven, &pair(&[])));
        let found = diagnosis(&unproven);
        assert_eq!((found.clone(), found.health()), (Diagnosis::NotFound, Hold));
        assert!(found.to_string().contains("check the identifier"), "{found}");
    }
}

#[test]
fn a_primary_outside_rds_is_judged_by_its_probes_alone() {
    let outside = pair(&[
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", ""),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", ""),
        ("PRIMARY_NAME", "orders"),
    ]);
    let diagnosis = |answered| Diagnosis::of(&look(None, answered), &outside);
    for answered in [1, 2, 3] {
        assert_eq!(diagnosis(Some(answered)), Diagnosis::Healthy(None), "of a cluster's nodes one leads");
    }
    assert_eq!(diagnosis(Some(0)), Diagnosis::Unhealthy(Symptom::Unresponsive));
    assert_eq!(diagnosis(None).health(), Unknown, "probes that were never asked say nothing");
}

#[test]
fn an_override_counts_for_its_status_alone() {
    let overrides = [("STATUS_OVERRIDES", "maintenance=hold,never-heard-of=unhealthy,available=hold")];
    for (text, health) in [
        ("maintenance", Hold),
        ("never-heard-of", Unhealthy),
        ("Never_Heard_Of", Unhealthy),
        ("available", Hold),
        ("stopped", Unhealthy),
        ("another", Hold),
    ] {
        assert_eq!(diagnose(&Reading::Known(instance(text)), None, &overrides).health(), health, "{text}");
    }
}
