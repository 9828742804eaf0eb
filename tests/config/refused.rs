//! What is refused at start, and how it is said.

use rds_route53_failover::config::nearest;
use rds_route53_failover::status::Status;

use crate::{DEFAULTS, ENDPOINTS, PRIMARY, REPLICA, Variables, allowed, fault, load, loaded};

#[test]
fn a_value_that_makes_no_sense_is_named_with_what_it_may_be() {
    let bad: &[(&str, &[&str])] = &[
        (
            "PRIMARY_DB_INSTANCE_IDENTIFIER",
            &["1orders", "orders primary", "orders_primary", "-orders", "arn:aws:rds:us-east-1::db:orders"],
        ),
        ("PRIMARY_NAME", &["orders primary", "orders/primary", "örders"]),
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
                "https://orders.example/a b",
                "http://orders.example:70000/",
                "https://orders.example/,tcp://orders.example",
                "tcp://db example:5432",
                "tcp://db..example:5432",
                "http://-db.example/",
                "http://db!.example/",
                "tcp://[2001:db8::zz]:5432",
                "tcp://db.example:5432,tcp://DB.example:5432",
            ],
        ),
        ("HEALTH_ENDPOINT_QUORUM", &["0", "1", "most", "-1"]),
        ("HEALTH_ENDPOINT_TIMEOUT", &["0s", "2", "-2s"]),
        ("SECONDARY_ENDPOINTS", &[",", "orders.example", "tcp://db example:5432", "tcp://c:1,tcp://c:1"]),
        ("WATCH_INTERVAL", &["999ms", "0s", "5", "-5s"]),
        ("FENCE_PRIMARY", &["true", "on", "reboot"]),
        ("ON_PRIMARY_UNREACHABLE", &["true", "fail-over"]),
        (
            "NOTIFICATION_TOPIC_ARN",
            &[
                "alerts",
                "arn:aws:sqs:us-east-1:123456789012:alerts",
                "arn:aws:sns:us-east-1:123456789012:",
                "arn:aws:sns::123456789012:alerts",
                "arn:aws:sns:us-east-1:1234:alerts",
                "arn:aws:sns:us-east-1:123456789012:alerts.fifo",
                "arn:aws:sns:us-east-1:123456789012:alerts:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55",
            ],
        ),
        ("HOSTED_ZONE_ID", &["/hostedzone/", "Z 1", "orders.example"]),
        (
            "RECORD_NAME",
            &[".", "localhost", "db orders.example", "db..example.com", "-db.example.com", "a.*.example.com"],
        ),
    ];
    let named: Vec<_> = bad.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, DEFAULTS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "every variable");
    for (name, values) in bad {
        for value in *values {
            // What contradicts nothing.
            let context: &[_] = match *name {
                "FENCE_PRIMARY" => &[REPLICA, ("PROMOTE_REPLICA", "true")],
                "PRIMARY_NAME" => &[(PRIMARY.0, ""), ENDPOINTS],
                _ => &[],
            };
            let fault = fault(&[context, &[(*name, *value)]].concat());
            assert!(fault.starts_with(&format!("{name} holds `{value}`")), "{fault}");
            assert!(fault.ends_with(&format!("it may hold {}", allowed(name))), "{fault}");
        }
    }
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
    assert_eq!(loaded(&[(REPLICA.0, &elsewhere)]).pair.replica.unwrap().region.as_deref(), Some("eu-west-1"));
}

#[test]
fn settings_that_contradict_each_other_are_named_together() {
    let contradictions: &[(Variables, &[&str])] = &[
        (&[("PROMOTE_REPLICA", "true")], &["PROMOTE_REPLICA", "FAILOVER_DB_INSTANCE_IDENTIFIER"]),
        (&[("ON_PRIMARY_UNREACHABLE", "failover")], &["ON_PRIMARY_UNREACHABLE", "HEALTH_ENDPOINTS"]),
        (&[("FENCE_PRIMARY", "stop")], &["FENCE_PRIMARY", "PROMOTE_REPLICA"]),
        (&[REPLICA, ("FENCE_PRIMARY", "stop")], &["FENCE_PRIMARY", "PROMOTE_REPLICA"]),
        (&[("PROMOTE_ON", "failed,available")], &["PROMOTE_ON", "`available`", "healthy"]),
        (&[("PROMOTE_ON", "rebooting")], &["PROMOTE_ON", "`rebooting`", "hold"]),
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
fn an_endpoint_listed_twice_is_named() {
    for name in ["HEALTH_ENDPOINTS", "SECONDARY_ENDPOINTS"] {
        let fault = fault(&[(name, "tcp://a.example:1,tcp://b.example:1,tcp://a.example:1")]);
        assert!(fault.starts_with(name) && fault.contains("`tcp://a.example:1` is listed twice"), "{fault}");
    }
}

#[test]
fn a_password_in_an_endpoint_is_refused_and_shown_nowhere() {
    for value in [
        "http://user:pw@h.example/",
        "https://user:pw@h.example:8008/primary?x=1",
        "tcp://user:pw@h.example:5432",
        "tcp://a.example:1,http://user:pw@h.example/",
        "http://user:p@w@h.example/",
        "user:pw@h.example:5432",
        "http://user:pw@h.example/,http://user:pw@h.example/",
        "http://user:p/pw@h.example/",
        "http://user:p,pw@h.example/",
        "http://user:p://pw@h.example/",
        "http://user:p,http://pw@h.example/",
        "user:pw@h.example://",
        "user:pw@h.example:5432,http://a.example/,http://user:pw@h.example/",
        "user:pw://pw@h.example",
        "http://a.example/,http://user:p?#pw@h.example/,tcp://b.example:1",
    ] {
        for name in ["HEALTH_ENDPOINTS", "SECONDARY_ENDPOINTS"] {
            let fault = fault(&[(name, value)]);
            assert!(fault.contains("***@"), "{fault}");
            assert!(!fault.contains("pw") && !fault.contains("user") && !fault.contains("p@w"), "{fault}");
        }
    }
    // In whatever variable it was put by mistake.
    for name in ["ROUTE53_HEALTH_CHECK_ID", "NOTIFICATION_TOPIC_ARN", "MODE"] {
        let fault = fault(&[(name, "https://user:pw@h.example/")]);
        assert!(!fault.contains("pw"), "{fault}");
    }
    let contradiction = load(&[
        (PRIMARY.0, ""),
        ("PRIMARY_NAME", "orders"),
        ENDPOINTS,
        (REPLICA.0, "https://user:pw@h.example/"),
    ]);
    let faults = contradiction.unwrap_err().join(" ");
    assert!(!faults.contains("pw"), "{faults}");
}

#[test]
fn a_long_value_is_cut_where_it_is_shown() {
    let long = "x".repeat(100_000);
    for (name, _) in DEFAULTS {
        let context: &[_] = if *name == "PRIMARY_NAME" { &[(PRIMARY.0, ""), ENDPOINTS] } else { &[] };
        let Err(faults) = load(&[context, &[(*name, long.as_str())]].concat()) else { continue };
        assert!(faults.iter().all(|fault| fault.chars().count() < 1000), "{name}");
    }
}

#[test]
fn a_typo_in_a_status_names_the_nearest_that_rds_documents() {
    let nearest = |text: &str| nearest(&Status::parse(text)).map(Status::as_str);
    assert_eq!(nearest("maintenence"), Some("maintenance"));
    assert_eq!(nearest("faild"), Some("failed"));
    assert_eq!(nearest("avialable"), Some("available"));
    assert_eq!(nearest("storage_ful"), Some("storage-full"));
    assert_eq!(nearest("maintenance"), None, "it is documented");
    assert_eq!(nearest("exploded-entirely"), None, "nothing is near");
    assert_eq!(nearest(""), None);
    let [warning] = &loaded(&[("PROMOTE_ON", "faild")]).warnings[..] else { panic!() };
    assert!(warning.contains("did you mean `failed`?"), "{warning}");
    let [warning] = &loaded(&[("STATUS_OVERRIDES", "maintenence=hold")]).warnings[..] else { panic!() };
    assert!(warning.contains("did you mean `maintenance`?"), "{warning}");
}
