//! The configuration: its defaults are the documented ones, and all that is wrong is named at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use rds_route53_failover::config::{Config, Failback, Mode, OnUnreachable, VARIABLES};
use rds_route53_failover::health::Trigger;
use rds_route53_failover::probe::Endpoint;
use rds_route53_failover::status::{Health, Status};

/// Every variable and its default, as users know them.
const DEFAULTS: &[(&str, &str)] = &[
    ("PRIMARY_DB_INSTANCE_IDENTIFIER", "required"),
    ("ROUTE53_HEALTH_CHECK_ID", "required"),
    ("FAILOVER_DB_INSTANCE_IDENTIFIER", "none"),
    ("PROMOTE_REPLICA", "false"),
    ("PROMOTE_ON", "failed,inaccessible-encryption-credentials,incompatible-network"),
    ("MAX_REPLICA_LAG", "60s"),
    ("STATUS_OVERRIDES", "none"),
    ("CONFIRMATIONS", "3"),
    ("CONFIRMATION_INTERVAL", "10s"),
    ("FAILBACK", "auto"),
    ("FAILBACK_CONFIRMATIONS", "3"),
    ("COOLDOWN", "10m"),
    ("MODE", "act"),
    ("HEALTH_ENDPOINTS", "none"),
    ("HEALTH_ENDPOINT_QUORUM", "majority"),
    ("HEALTH_ENDPOINT_TIMEOUT", "2s"),
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

fn allowed(name: &str) -> &'static str {
    VARIABLES.iter().find(|variable| variable.name == name).unwrap().allowed
}

#[test]
fn the_variables_and_their_defaults_are_the_documented_ones() {
    let listed: Vec<_> = VARIABLES.iter().map(|variable| (variable.name, variable.default)).collect();
    assert_eq!(listed, DEFAULTS);
    assert!(VARIABLES.iter().all(|variable| !variable.allowed.is_empty()));
}

#[test]
fn a_default_written_out_is_the_same_as_none() {
    let written: Vec<_> =
        DEFAULTS.iter().copied().filter(|(_, default)| !matches!(*default, "required" | "none")).collect();
    assert_eq!(format!("{:?}", loaded(&written)), format!("{:?}", loaded(&[])));
    let with_endpoints = [&written[..], &[ENDPOINTS]].concat();
    assert_eq!(format!("{:?}", loaded(&with_endpoints)), format!("{:?}", loaded(&[ENDPOINTS])));
}

#[test]
fn what_is_not_set_has_its_default() {
    let config = loaded(&[]);
    let policy = &config.policy;
    assert_eq!(policy.primary.identifier, "orders-primary");
    assert_eq!(config.health_check_id, CHECK.1);
    assert_eq!(policy.replica, None);
    assert!(!policy.promote);
    let promotable = [Status::Failed, Status::InaccessibleEncryptionCredentials, Status::IncompatibleNetwork];
    assert_eq!(policy.promote_on, promotable.map(Trigger::Status).into_iter().collect());
    assert_eq!(policy.max_lag, Duration::from_secs(60));
    assert!(policy.overrides.is_empty());
    assert_eq!((policy.confirmations, policy.failback_confirmations), (3, 3));
    assert_eq!(policy.interval, Duration::from_secs(10));
    assert_eq!(policy.failback, Failback::Auto);
    assert_eq!(policy.cooldown, Duration::from_secs(600));
    assert_eq!(config.mode, Mode::Act);
    assert!(config.endpoints.is_empty());
    assert_eq!(config.endpoint_timeout, Duration::from_secs(2));
    assert_eq!(policy.on_unreachable, OnUnreachable::Hold);
    assert_eq!((config.topic, config.hosted_zone_id, config.record_name), (None, None, None));
    assert!(!policy.knows_zone);
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
        ("ON_PRIMARY_UNREACHABLE", "failover"),
        ("NOTIFICATION_TOPIC_ARN", topic),
        ("HOSTED_ZONE_ID", "/hostedzone/Z0ORDERS"),
        ("RECORD_NAME", "DB.orders.example."),
    ]);
    let policy = &config.policy;
    assert_eq!(policy.replica.as_ref().unwrap().identifier, "orders-replica");
    assert!(policy.promote);
    let promote_on: BTreeSet<_> = policy.promote_on.iter().map(Trigger::as_str).collect();
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
    assert_eq!(config.endpoints.len(), 3);
    assert_eq!(config.endpoints[2], Endpoint::Tcp("db.example:5432".to_owned()));
    assert_eq!(policy.quorum, 3);
    assert_eq!(config.endpoint_timeout, Duration::from_secs(1));
    assert_eq!(policy.on_unreachable, OnUnreachable::FailOver);
    let told = config.topic.as_ref().unwrap();
    assert_eq!((told.arn.as_str(), told.region.as_str()), (topic, "eu-west-1"));
    assert_eq!(config.hosted_zone_id.as_deref(), Some("Z0ORDERS"));
    assert_eq!(config.record_name.as_deref(), Some("db.orders.example"));
    assert!(policy.knows_zone);
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_what_it_may_be() {
    let bad: &[(&str, &[&str])] = &[
        (
            "PRIMARY_DB_INSTANCE_IDENTIFIER",
            &["1orders", "orders primary", "orders_primary", "-orders", "arn:aws:rds:us-east-1::db:orders"],
        ),
        ("ROUTE53_HEALTH_CHECK_ID", &["11111111/2222", "a check", "arn:aws:route53:::healthcheck/1"]),
        (
            "FAILOVER_DB_INSTANCE_IDENTIFIER",
            &[
                "arn:aws:rds:us-east-1:123456789012:cluster:orders",
                "arn:aws:rds::123456789012:db:orders",
                "arn:aws:rds:us east:123456789012:db:orders",
                "arn:aws:s3:us-east-1:123456789012:db:orders",
                "arn:aws:rds:us-east-1:123456789012:db:",
                "arn:aws:rds:us-east-1:123456789012:db:rds:orders",
            ],
        ),
        ("PROMOTE_REPLICA", &["yes", "1", "on", "truee"]),
        ("PROMOTE_ON", &[",", "failed;missing", "failed on", "*", "f4iled"]),
        ("MAX_REPLICA_LAG", &["60", "-1s", "s", "60 sec ago", "8d", "1y", "999h", "PT60S", "∞"]),
        (
            "STATUS_OVERRIDES",
            &[",", "stopped", "stopped=", "=hold", "stopped=down", "stopped=hold,stopped=healthy"],
        ),
        ("CONFIRMATIONS", &["0", "-1", "101", "3.0", "three", "1e1"]),
        ("CONFIRMATION_INTERVAL", &["10", "ten seconds", "-10s"]),
        ("FAILBACK", &["automatic", "off", "false"]),
        ("FAILBACK_CONFIRMATIONS", &["0", "1000", "x"]),
        ("COOLDOWN", &["10", "soon", "200h"]),
        ("MODE", &["dry-run", "active"]),
        (
            "HEALTH_ENDPOINTS",
            &[
                ",",
                "orders.example",
                "ftp://orders.example",
                "tcp://orders.example",
                "tcp://:5432",
                "tcp://orders.example:0",
                "tcp://orders.example:70000",
                "tcp://orders.example:5432/x",
                "http://",
                "http:///health",
                "http://user:secret@orders.example/",
                "https://orders.example/a b",
                "http://orders.example:70000/",
                "https://orders.example/,tcp://orders.example",
            ],
        ),
        ("HEALTH_ENDPOINT_QUORUM", &["0", "1", "most", "-1"]),
        ("HEALTH_ENDPOINT_TIMEOUT", &["0s", "2", "-2s"]),
        ("ON_PRIMARY_UNREACHABLE", &["true", "fail-over"]),
        (
            "NOTIFICATION_TOPIC_ARN",
            &[
                "alerts",
                "arn:aws:sqs:us-east-1:123456789012:alerts",
                "arn:aws:sns:us-east-1:123456789012:",
                "arn:aws:sns::123456789012:alerts",
                "arn:aws:sns:us-east-1:1234:alerts",
                "arn:aws:sns:us-east-1:123456789012:alerts:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55",
            ],
        ),
        ("HOSTED_ZONE_ID", &["/hostedzone/", "Z 1", "orders.example"]),
        ("RECORD_NAME", &[".", "localhost", "db orders.example"]),
    ];
    let named: Vec<_> = bad.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, DEFAULTS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "every variable");
    for (name, values) in bad {
        for value in *values {
            // What contradicts nothing: a zone for the name.
            let zone: &[_] = if *name == "RECORD_NAME" { &[("HOSTED_ZONE_ID", "Z1")] } else { &[] };
            let fault = fault(&[zone, &[(*name, *value)]].concat());
            assert!(fault.starts_with(&format!("{name} holds `{value}`")), "{fault}");
            assert!(fault.ends_with(&format!("it may hold {}", allowed(name))), "{fault}");
        }
    }
}

#[test]
fn all_that_is_wrong_is_reported_together() {
    let faults = bare(&[
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
        ("ON_PRIMARY_UNREACHABLE", "x"),
        ("NOTIFICATION_TOPIC_ARN", "x"),
        ("HOSTED_ZONE_ID", "."),
        ("RECORD_NAME", "x"),
    ])
    .unwrap_err();
    let mut named: Vec<_> = faults.iter().map(|fault| fault.split(' ').next().unwrap()).collect();
    named.sort_unstable();
    let mut all: Vec<_> = DEFAULTS.iter().map(|(name, _)| *name).collect();
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
    let empty: Vec<_> =
        DEFAULTS.iter().filter(|(_, default)| *default != "required").map(|(name, _)| (*name, "")).collect();
    assert_eq!(format!("{:?}", loaded(&empty)), format!("{:?}", loaded(&[])));
    let blank: Vec<_> = empty.iter().map(|(name, _)| (*name, " \t")).collect();
    assert_eq!(format!("{:?}", loaded(&blank)), format!("{:?}", loaded(&[])));
}

#[test]
fn the_primary_is_never_its_own_replica() {
    let arn = |region: &str, id: &str| format!("arn:aws:rds:{region}:123456789012:db:{id}");
    let same = [
        "orders-primary".to_owned(),
        "Orders-Primary".to_owned(),
        arn("us-east-1", "orders-primary"),
        arn("us-east-1", "ORDERS-PRIMARY"),
    ];
    for replica in &same {
        let fault = fault(&[(REPLICA.0, replica)]);
        assert!(fault.contains(PRIMARY.0) && fault.contains(REPLICA.0), "{fault}");
        assert!(fault.contains("same instance"), "{fault}");
    }
    // The same name in another region is another instance.
    let elsewhere = arn("eu-west-1", "orders-primary");
    assert_eq!(
        loaded(&[(REPLICA.0, &elsewhere)]).policy.replica.unwrap().region.as_deref(),
        Some("eu-west-1")
    );
}

#[test]
fn settings_that_contradict_each_other_are_named_together() {
    let contradictions: &[(Variables, &[&str])] = &[
        (&[("PROMOTE_REPLICA", "true")], &["PROMOTE_REPLICA", "FAILOVER_DB_INSTANCE_IDENTIFIER"]),
        (&[("ON_PRIMARY_UNREACHABLE", "failover")], &["ON_PRIMARY_UNREACHABLE", "HEALTH_ENDPOINTS"]),
        (&[("RECORD_NAME", "db.orders.example")], &["RECORD_NAME", "HOSTED_ZONE_ID"]),
        (&[("PROMOTE_ON", "failed,available")], &["PROMOTE_ON", "`available`", "healthy"]),
        (&[("PROMOTE_ON", "rebooting")], &["PROMOTE_ON", "`rebooting`", "hold"]),
        (&[("PROMOTE_ON", "never-heard-of")], &["PROMOTE_ON", "`never-heard-of`", "STATUS_OVERRIDES"]),
        (
            &[("PROMOTE_ON", "storage-full"), ("STATUS_OVERRIDES", "storage-full=hold")],
            &["PROMOTE_ON", "`storage-full`", "hold"],
        ),
        (&[("HEALTH_ENDPOINT_QUORUM", "1")], &["HEALTH_ENDPOINT_QUORUM", "number of endpoints"]),
        (&[ENDPOINTS, ("HEALTH_ENDPOINT_QUORUM", "4")], &["HEALTH_ENDPOINT_QUORUM", "number of endpoints"]),
    ];
    for (variables, named) in contradictions {
        let fault = fault(variables);
        for name in *named {
            assert!(fault.contains(name), "{name} in {fault}");
        }
    }
    let promoted = [("PROMOTE_ON", "rebooting"), ("STATUS_OVERRIDES", "rebooting=unhealthy")];
    assert!(load(&promoted).is_ok(), "as the fault itself advises");
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
    let effective = [ENDPOINTS, ("PROMOTE_ON", "unreachable"), ("ON_PRIMARY_UNREACHABLE", "failover")];
    assert!(warnings(&effective).is_empty());
}

#[test]
fn an_arn_fixes_the_region_and_a_name_lives_at_home() {
    let primary = |variables: Variables| loaded(variables).policy.primary;
    assert_eq!(primary(&[]).region.as_deref(), Some("us-east-1"));
    let arn = "arn:aws-us-gov:rds:us-gov-west-1:123456789012:db:Orders-Primary";
    let govern = primary(&[(PRIMARY.0, arn)]);
    assert_eq!(
        (govern.identifier.as_str(), govern.region.as_deref()),
        ("orders-primary", Some("us-gov-west-1"))
    );
    let config = bare(&[PRIMARY, CHECK, ("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
    assert_eq!(config.policy.primary.region.as_deref(), Some("eu-west-1"));
    // The SDK finds one, or its calls fail: nothing here invents a region.
    assert_eq!(bare(&[PRIMARY, CHECK]).unwrap().policy.primary.region, None);
    // An empty variable is an unset one here, too.
    let config = bare(&[PRIMARY, CHECK, ("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
    assert_eq!(config.policy.primary.region.as_deref(), Some("eu-west-1"));
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
        assert_eq!((config.policy.cooldown, config.policy.max_lag), (expected, expected), "{text}");
    }
}

#[test]
fn the_quorum_is_the_majority_unless_said_otherwise() {
    let quorum = |endpoints: usize, quorum: &str| {
        let list = vec!["tcp://db.example:5432"; endpoints].join(",");
        loaded(&[("HEALTH_ENDPOINTS", &list), ("HEALTH_ENDPOINT_QUORUM", quorum)]).policy.quorum
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
        assert_eq!(loaded(&[("HEALTH_ENDPOINTS", endpoint)]).endpoints.len(), 1, "{endpoint}");
    }
}
