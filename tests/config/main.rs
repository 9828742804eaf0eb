//! The configuration: its defaults are the documented ones, and all that is wrong is named at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod refused;

use std::collections::BTreeSet;
use std::time::Duration;

use rds_route53_failover::config::{Config, Mode, VARIABLES};
use rds_route53_failover::model::{InstanceRef, Symptom};
use rds_route53_failover::policy::{Endpoint, Failback, OnUnreachable, Primary};
use rds_route53_failover::status::{Health, Status};

/// Every variable and its default, as users know them.
const DEFAULTS: &[(&str, &str)] = &[
    ("PRIMARY_DB_INSTANCE_IDENTIFIER", "required, or `PRIMARY_NAME`"),
    ("PRIMARY_NAME", "none"),
    ("ROUTE53_HEALTH_CHECK_ID", "required"),
    ("FAILOVER_DB_INSTANCE_IDENTIFIER", "none"),
    ("PROMOTE_REPLICA", "false"),
    ("PROMOTE_ON", "failed,inaccessible-encryption-credentials,incompatible-network"),
    ("MAX_REPLICA_LAG", "60s"),
    ("STATUS_OVERRIDES", "none"),
    ("CONFIRMATIONS", "3"),
    ("CONFIRMATION_INTERVAL", "10s"),
    ("FAILBACK", "`auto`; `manual` with `PRIMARY_NAME`"),
    ("FAILBACK_CONFIRMATIONS", "3"),
    ("COOLDOWN", "10m"),
    ("MODE", "act"),
    ("HEALTH_ENDPOINTS", "none"),
    ("HEALTH_ENDPOINT_QUORUM", "majority; `1` with `PRIMARY_NAME`"),
    ("HEALTH_ENDPOINT_TIMEOUT", "2s"),
    ("SECONDARY_ENDPOINTS", "none"),
    ("WATCH_INTERVAL", "none"),
    ("FENCE_PRIMARY", "off"),
    ("ON_PRIMARY_UNREACHABLE", "hold"),
    ("NOTIFICATION_TOPIC_ARN", "none"),
    ("HOSTED_ZONE_ID", "none"),
    ("RECORD_NAME", "none"),
];

const PRIMARY: (&str, &str) = ("PRIMARY_DB_INSTANCE_IDENTIFIER", "orders-primary");
const REPLICA: (&str, &str) = ("FAILOVER_DB_INSTANCE_IDENTIFIER", "orders-replica");
const CHECK: (&str, &str) = ("ROUTE53_HEALTH_CHECK_ID", "11111111-2222-3333-4444-555555555555");
const HOME: (&str, &str) = ("AWS_REGION", "us-east-1");
const ENDPOINTS: (&str, &str) =
    ("HEALTH_ENDPOINTS", "https://orders.example/health,http://10.0.0.1:8008/primary,tcp://db.example:5432");

type Variables<'a> = &'a [(&'a str, &'a str)];

/// The required variables and these over them; the last of a name counts.
fn load(variables: Variables) -> Result<Config, Vec<String>> {
    let all = [&[PRIMARY, CHECK, HOME], variables].concat();
    bare(&all)
}

fn bare(variables: Variables) -> Result<Config, Vec<String>> {
    let lookup = |name: &str| variables.iter().rfind(|(it, _)| *it == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).map_err(|faults| faults.0)
}

fn loaded(variables: Variables) -> Config {
    load(variables).unwrap()
}

fn faults(variables: Variables) -> Vec<String> {
    load(variables).map(|config| panic!("{variables:?} was taken: {config:?}")).unwrap_err()
}

/// The only fault.
fn fault(variables: Variables) -> String {
    let faults = faults(variables);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.into_iter().next().unwrap()
}

fn instance(config: &Config) -> InstanceRef {
    config.pair.rds_primary().unwrap().clone()
}

fn allowed(name: &str) -> &'static str {
    VARIABLES.iter().find(|variable| variable.name == name).unwrap().allowed
}

#[test]
fn the_variables_and_their_defaults_are_the_documented_ones() {
    let listed: Vec<_> = VARIABLES.iter().map(|variable| (variable.name, variable.default)).collect();
    assert_eq!(listed, DEFAULTS);
    assert!(VARIABLES.iter().all(|variable| !variable.allowed.is_empty() && !variable.meaning.is_empty()));
}

#[test]
fn a_default_written_out_is_the_same_as_none() {
    let words = |default: &str| default.starts_with("required") || default == "none" || default.contains('`');
    let spelt = [("FAILBACK", "auto"), ("HEALTH_ENDPOINT_QUORUM", "majority")];
    let written: Vec<_> =
        DEFAULTS.iter().copied().filter(|(_, default)| !words(default)).chain(spelt).collect();
    assert_eq!(format!("{:?}", loaded(&written)), format!("{:?}", loaded(&[])));
    let with_endpoints = [&written[..], &[ENDPOINTS]].concat();
    assert_eq!(format!("{:?}", loaded(&with_endpoints)), format!("{:?}", loaded(&[ENDPOINTS])));
}

#[test]
fn what_is_not_set_has_its_default() {
    let config = loaded(&[]);
    let policy = &config.pair.policy;
    assert_eq!(instance(&config).identifier, "orders-primary");
    assert_eq!(config.pair.health_check_id, CHECK.1);
    assert_eq!(config.pair.replica, None);
    assert!(!policy.promote);
    let promotable = [Status::Failed, Status::InaccessibleEncryptionCredentials, Status::IncompatibleNetwork];
    assert_eq!(policy.promote_on, promotable.map(Symptom::Status).into_iter().collect());
    assert_eq!(policy.max_lag, Duration::from_secs(60));
    assert!(policy.overrides.is_empty());
    assert_eq!((policy.confirmations, policy.failback_confirmations), (3, 3));
    assert_eq!(policy.interval, Duration::from_secs(10));
    assert_eq!(policy.failback, Failback::Auto);
    assert_eq!(policy.cooldown, Duration::from_secs(600));
    assert_eq!(config.mode, Mode::Act);
    assert!(config.pair.endpoints.is_empty());
    assert_eq!(config.pair.endpoint_timeout, Duration::from_secs(2));
    assert_eq!(policy.on_unreachable, OnUnreachable::Hold);
    assert_eq!((&config.topic, &config.pair.hosted_zone_id, &config.pair.record_name), (&None, &None, &None));
    assert!(config.pair.secondary_endpoints.is_empty());
    assert_eq!((policy.watch, policy.fence), (None, false));
    assert!(config.warnings.is_empty());
}

#[test]
fn every_variable_is_read() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:alerts";
    let config = loaded(&[
        REPLICA,
        ENDPOINTS,
        ("PROMOTE_REPLICA", "TRUE"),
        ("PROMOTE_ON", "storage_full, Missing,unreachable,unresponsive"),
        ("MAX_REPLICA_LAG", "5m"),
        ("STATUS_OVERRIDES", "Maintenance=hold, modifying = UNHEALTHY"),
        ("CONFIRMATIONS", "5"),
        ("CONFIRMATION_INTERVAL", "500ms"),
        ("FAILBACK", "manual"),
        ("FAILBACK_CONFIRMATIONS", "7"),
        ("COOLDOWN", "1h"),
        ("MODE", "observe"),
        ("HEALTH_ENDPOINT_QUORUM", "3"),
        ("HEALTH_ENDPOINT_TIMEOUT", "1s"),
        ("SECONDARY_ENDPOINTS", "http://10.1.0.1:8008/leader"),
        ("WATCH_INTERVAL", "5s"),
        ("FENCE_PRIMARY", "Stop"),
        ("ON_PRIMARY_UNREACHABLE", "failover"),
        ("NOTIFICATION_TOPIC_ARN", topic),
        ("HOSTED_ZONE_ID", "/hostedzone/Z0ORDERS"),
        ("RECORD_NAME", "DB.orders.example."),
    ]);
    let policy = &config.pair.policy;
    assert_eq!(config.pair.replica.as_ref().unwrap().identifier, "orders-replica");
    assert!(policy.promote);
    let promote_on: BTreeSet<_> = policy.promote_on.iter().map(Symptom::as_str).collect();
    assert_eq!(promote_on, ["storage-full", "missing", "unreachable", "unresponsive"].into());
    assert_eq!(policy.max_lag, Duration::from_secs(300));
    assert_eq!(policy.health_of(&Status::Maintenance), Health::Hold);
    assert_eq!(policy.health_of(&Status::Modifying), Health::Unhealthy);
    assert_eq!(policy.health_of(&Status::Available), Health::Healthy);
    assert_eq!((policy.confirmations, policy.failback_confirmations), (5, 7));
    assert_eq!(policy.interval, Duration::from_millis(500));
    assert_eq!(policy.failback, Failback::Manual);
    assert_eq!(policy.cooldown, Duration::from_secs(3600));
    assert_eq!(config.mode, Mode::Observe);
    assert_eq!(config.pair.endpoints.len(), 3);
    assert_eq!(config.pair.endpoints[2], Endpoint::Tcp("db.example:5432".to_owned()));
    assert_eq!(policy.quorum, 3);
    assert_eq!(config.pair.endpoint_timeout, Duration::from_secs(1));
    assert_eq!(policy.on_unreachable, OnUnreachable::FailOver);
    assert_eq!(config.pair.secondary_endpoints.len(), 1);
    assert_eq!((policy.watch, policy.fence), (Some(Duration::from_secs(5)), true));
    let notified = config.topic.as_ref().unwrap();
    assert_eq!((notified.arn.as_str(), notified.region.as_str()), (topic, "eu-west-1"));
    assert_eq!(config.pair.hosted_zone_id.as_deref(), Some("Z0ORDERS"));
    assert_eq!(config.pair.record_name.as_deref(), Some("db.orders.example"));
}

#[test]
fn all_that_is_wrong_is_reported_together() {
    let faults = bare(&[
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", "1"),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", "1"),
        ("PROMOTE_REPLICA", "maybe"),
        ("PROMOTE_ON", "!"),
        ("MAX_REPLICA_LAG", "60"),
        ("STATUS_OVERRIDES", "x"),
        ("CONFIRMATIONS", "0"),
        ("CONFIRMATION_INTERVAL", "10"),
        ("FAILBACK", "x"),
        ("FAILBACK_CONFIRMATIONS", "0"),
        ("COOLDOWN", "10"),
        ("MODE", "x"),
        ("HEALTH_ENDPOINTS", "x"),
        ("HEALTH_ENDPOINT_QUORUM", "x"),
        ("HEALTH_ENDPOINT_TIMEOUT", "0s"),
        ("SECONDARY_ENDPOINTS", "x"),
        ("WATCH_INTERVAL", "0s"),
        ("FENCE_PRIMARY", "x"),
        ("ON_PRIMARY_UNREACHABLE", "x"),
        ("NOTIFICATION_TOPIC_ARN", "x"),
        ("HOSTED_ZONE_ID", "."),
        ("RECORD_NAME", "x"),
    ])
    .unwrap_err();
    let mut named: Vec<_> = faults.iter().map(|fault| fault.split(' ').next().unwrap()).collect();
    named.sort_unstable();
    // A primary has one name or the other.
    let mut all: Vec<_> =
        DEFAULTS.iter().map(|(name, _)| *name).filter(|name| *name != "PRIMARY_NAME").collect();
    all.sort_unstable();
    assert_eq!(named, all, "each variable once: {faults:#?}");
    let lookup = |name: &str| (name == "MODE").then(|| "x".to_owned());
    let together = Config::load(lookup).unwrap_err().to_string();
    for name in ["MODE", "PRIMARY_DB_INSTANCE_IDENTIFIER", "ROUTE53_HEALTH_CHECK_ID"] {
        assert!(together.contains(name), "{together}");
    }
}

#[test]
fn what_is_required_has_no_default() {
    assert_eq!(bare(&[]).unwrap_err().len(), 2);
    for name in [PRIMARY.0, CHECK.0] {
        for empty in ["", "  "] {
            let fault = fault(&[(name, empty)]);
            assert_eq!(fault, format!("{name} is not set; it is required"));
        }
    }
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    // A template that passes every parameter passes the unset ones empty.
    let empty: Vec<_> = DEFAULTS
        .iter()
        .filter(|(_, default)| !default.starts_with("required"))
        .map(|(name, _)| (*name, ""))
        .collect();
    assert_eq!(format!("{:?}", loaded(&empty)), format!("{:?}", loaded(&[])));
    let blank: Vec<_> = empty.iter().map(|(name, _)| (*name, " \t")).collect();
    assert_eq!(format!("{:?}", loaded(&blank)), format!("{:?}", loaded(&[])));
}

#[test]
fn a_faulty_variable_is_not_called_unset() {
    for (faulty, other) in [
        (("FAILOVER_DB_INSTANCE_IDENTIFIER", "1"), ("PROMOTE_REPLICA", "true")),
        (("HEALTH_ENDPOINTS", "orders.example"), ("ON_PRIMARY_UNREACHABLE", "failover")),
        (("HEALTH_ENDPOINTS", "orders.example"), ("HEALTH_ENDPOINT_QUORUM", "2")),
        (("HOSTED_ZONE_ID", "."), ("RECORD_NAME", "db.orders.example")),
    ] {
        assert!(fault(&[faulty, other]).starts_with(faulty.0));
    }
}

#[test]
fn a_setting_without_effect_is_a_warning_and_no_fault() {
    let warnings = |variables: Variables| loaded(variables).warnings;
    let [warning] = &warnings(&[("PROMOTE_ON", "unreachable")])[..] else { panic!() };
    assert!(warning.contains("PROMOTE_ON") && warning.contains("ON_PRIMARY_UNREACHABLE"), "{warning}");
    let [warning] = &warnings(&[("STATUS_OVERRIDES", "avialable=unhealthy,stopped=hold")])[..] else {
        panic!()
    };
    assert!(warning.contains("STATUS_OVERRIDES") && warning.contains("`avialable`"), "{warning}");
    assert!(warning.contains("did you mean `available`?"), "{warning}");
    let effective = [ENDPOINTS, ("PROMOTE_ON", "unreachable"), ("ON_PRIMARY_UNREACHABLE", "failover")];
    assert!(warnings(&effective).is_empty());
    let both = [("HEALTH_ENDPOINTS", "tcp://a.example:1"), ("SECONDARY_ENDPOINTS", "tcp://a.example:1")];
    let [warning] = &warnings(&both)[..] else { panic!() };
    assert!(warning.contains("SECONDARY_ENDPOINTS both hold `tcp://a.example:1`"), "{warning}");
    let far = ("FAILOVER_DB_INSTANCE_IDENTIFIER", "arn:aws:rds:eu-west-1:123456789012:db:orders-primary");
    let [warning] = &warnings(&[far, ("PROMOTE_REPLICA", "true"), ("FENCE_PRIMARY", "stop")])[..] else {
        panic!()
    };
    assert!(
        warning.contains("both instances have the same name: the old primary is not stopped"),
        "{warning}"
    );
}

#[test]
fn an_arn_fixes_the_region_and_a_name_lives_at_home() {
    let primary = |variables: Variables| instance(&loaded(variables));
    assert_eq!(primary(&[]).region.as_deref(), Some("us-east-1"));
    let arn = "arn:aws-us-gov:rds:us-gov-west-1:123456789012:db:Orders-Primary";
    let govern = primary(&[(PRIMARY.0, arn)]);
    assert_eq!(
        (govern.identifier.as_str(), govern.region.as_deref()),
        ("orders-primary", Some("us-gov-west-1"))
    );
    let config = bare(&[PRIMARY, CHECK, ("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
    assert_eq!(instance(&config).region.as_deref(), Some("eu-west-1"));
    // The SDK finds one, or its calls fail: nothing here invents a region.
    assert_eq!(instance(&bare(&[PRIMARY, CHECK]).unwrap()).region, None);
    // An empty variable is an unset one here, too.
    let config = bare(&[PRIMARY, CHECK, ("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
    assert_eq!(instance(&config).region.as_deref(), Some("eu-west-1"));
}

#[test]
fn durations_are_written_with_their_unit() {
    for (text, milliseconds) in [
        ("500ms", 500),
        ("10s", 10_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("0s", 0),
        ("1h30m", 5_400_000),
        ("1.5s", 1500),
    ] {
        let config = loaded(&[("COOLDOWN", text), ("MAX_REPLICA_LAG", text)]);
        let expected = Duration::from_millis(milliseconds);
        assert_eq!((config.pair.policy.cooldown, config.pair.policy.max_lag), (expected, expected), "{text}");
    }
}

#[test]
fn the_quorum_is_the_majority_unless_said_otherwise() {
    let quorum = |endpoints: usize, quorum: &str| {
        let list: Vec<_> = (0..endpoints).map(|node| format!("tcp://db{node}.example:5432")).collect();
        let list = list.join(",");
        loaded(&[("HEALTH_ENDPOINTS", &list), ("HEALTH_ENDPOINT_QUORUM", quorum)]).pair.policy.quorum
    };
    for (endpoints, majority) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        assert_eq!(quorum(endpoints, ""), majority);
        assert_eq!(quorum(endpoints, "Majority"), majority);
        assert_eq!(quorum(endpoints, "1"), 1);
        assert_eq!(quorum(endpoints, &endpoints.to_string()), endpoints);
    }
}

#[test]
fn an_endpoint_may_be_an_address_of_either_family() {
    for endpoint in [
        "tcp://10.0.0.1:5432",
        "tcp://[2001:db8::1]:5432",
        "http://[2001:db8::1]:8008/primary",
        "https://orders.example",
        "https://orders.example/health?deep=1",
    ] {
        assert_eq!(loaded(&[("HEALTH_ENDPOINTS", endpoint)]).pair.endpoints.len(), 1, "{endpoint}");
    }
}

#[test]
fn a_primary_outside_rds_has_a_name_and_probes_and_nothing_of_rds() {
    let outside = |variables: Variables| {
        load(&[&[(PRIMARY.0, ""), ("PRIMARY_NAME", "orders"), ENDPOINTS], variables].concat())
    };
    let config = outside(&[]).unwrap();
    assert_eq!(config.pair.primary, Primary::Probed { name: "orders".to_owned() });
    assert_eq!(config.pair.policy.quorum, 1, "of a cluster's nodes one leads");
    assert_eq!(config.pair.policy.failback, Failback::Manual);
    let chosen = outside(&[("FAILBACK", "auto"), ("HEALTH_ENDPOINT_QUORUM", "majority")]).unwrap();
    assert_eq!((chosen.pair.policy.failback, chosen.pair.policy.quorum), (Failback::Auto, 2));
    // What a template passes by default asks for nothing.
    assert!(
        outside(&[
            ("PROMOTE_REPLICA", "false"),
            ("FENCE_PRIMARY", "off"),
            ("ON_PRIMARY_UNREACHABLE", "hold")
        ])
        .is_ok()
    );

    for of_rds in [
        PRIMARY,
        REPLICA,
        ("PROMOTE_REPLICA", "true"),
        ("PROMOTE_ON", "failed"),
        ("MAX_REPLICA_LAG", "60s"),
        ("STATUS_OVERRIDES", "maintenance=hold"),
        ("FENCE_PRIMARY", "stop"),
        ("ON_PRIMARY_UNREACHABLE", "failover"),
    ] {
        let faults = outside(&[of_rds]).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(
            faults[0].starts_with(&format!("{} holds", of_rds.0)) && faults[0].contains("PRIMARY_NAME"),
            "{faults:?}"
        );
    }
    let unprobed = outside(&[("HEALTH_ENDPOINTS", "")]).unwrap_err();
    assert!(unprobed[0].contains("HEALTH_ENDPOINTS"), "{unprobed:?}");
}

/// The name alone says what DNS answers; `check` wants the zone, too.
#[test]
fn a_record_may_be_a_wildcard_or_stand_without_its_zone_and_a_host_may_have_underscores() {
    assert_eq!(
        loaded(&[("RECORD_NAME", "*.db.example.com")]).pair.record_name.as_deref(),
        Some("*.db.example.com")
    );
    assert!(load(&[("HEALTH_ENDPOINTS", "tcp://db_1.internal.example.:5432")]).is_ok());
}
