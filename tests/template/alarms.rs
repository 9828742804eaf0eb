//! What is watched, and who is notified.

use std::collections::BTreeSet;

use rds_route53_failover::metrics::NAMES;
use serde_json::Value;

use crate::reading::{environment, list, resources, template, text};

#[test]
fn every_alarm_notifies_the_topic_of_both_changes() {
    let template = template();
    let topic = &environment(&template)["NOTIFICATION_TOPIC_ARN"];
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        assert_eq!(list(&alarm["AlarmActions"]), [topic], "{name}");
        assert_eq!(list(&alarm["OKActions"]), [topic], "{name}");
        assert!(!text(&alarm["AlarmDescription"]).is_empty(), "{name}");
        assert!(
            text(&alarm["AlarmName"]["Fn::Sub"]).starts_with("${AWS::StackName}-"),
            "the topic's policy admits {name}"
        );
        assert!(alarm["TreatMissingData"].is_string(), "{name} leaves to chance what no data means");
    }
}

#[test]
fn alarms_and_dashboard_watch_metrics_that_exist() {
    let template = template();
    let mut alarmed = BTreeSet::new();
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        // A metric of its own, or several under an expression.
        let several = alarm["Metrics"].as_array().into_iter().flatten();
        for watched in several.map(|metric| &metric["MetricStat"]["Metric"]).chain([alarm]) {
            if watched["Namespace"] != "RdsRoute53Failover" {
                continue;
            }
            let metric = text(&watched["MetricName"]);
            assert!(
                NAMES.iter().any(|(name, _)| *name == metric),
                "{name} watches {metric}, which nothing emits"
            );
            // The function emits under its own name, which is the stack's: a stack deployed anew goes on with it.
            assert_eq!(
                watched["Dimensions"],
                serde_json::json!([{"Name": "Function", "Value": {"Ref": "AWS::StackName"}}]),
                "{name}"
            );
            alarmed.insert(metric);
        }
    }
    for metric in [
        "BlindTicks",
        "StalePrimary",
        "ForeignCheck",
        "RefusedFailovers",
        "RoutedToSecondary",
        "CheckFailures",
        "PrimaryHealthy",
        "DnsOnSecondary",
        "OldPrimaryConnections",
    ] {
        assert!(alarmed.contains(metric), "nobody is notified of {metric}");
    }

    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0];
    let body = text(body).replace("${Conditional}\n", "");
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut shown = BTreeSet::new();
    for metric in body["widgets"].as_array().unwrap().iter().flat_map(|it| list(&it["properties"]["metrics"]))
    {
        if metric[0] == "RdsRoute53Failover" {
            shown.insert(text(&metric[1]));
        } else if let Some(expression) = metric[0]["expression"].as_str() {
            let name = expression.split("MetricName=\"").nth(1).unwrap();
            shown.insert(name.split('"').next().unwrap());
        }
    }
    assert_eq!(
        shown,
        NAMES.iter().map(|(name, _)| *name).collect(),
        "the dashboard shows all of them and no other"
    );
}

#[test]
fn a_silent_function_raises_an_alarm() {
    let template = template();
    let alarm = &template["Resources"]["HasNotRunAlarm"]["Properties"];
    assert_eq!(alarm["MetricName"], "Invocations");
    assert_eq!(alarm["TreatMissingData"], "breaching");
}

#[test]
fn missing_data_is_never_an_all_clear_of_a_standing_condition() {
    let template = template();
    let standing = [
        "RouteToSecondary",
        "RoutedToSecondary",
        "StalePrimary",
        "RefusedFailovers",
        "PromotionRefused",
        "ForeignCheck",
        "CheckFailures",
        "NotHealthy",
    ];
    for name in standing {
        assert_eq!(
            template["Resources"][format!("{name}Alarm")]["Properties"]["TreatMissingData"],
            "ignore",
            "{name}"
        );
    }
}

#[test]
fn ten_minutes_without_a_healthy_primary_ring_whatever_its_status() {
    let template = template();
    let alarm = &template["Resources"]["NotHealthyAlarm"]["Properties"];
    assert_eq!((text(&alarm["MetricName"]), text(&alarm["Statistic"])), ("PrimaryHealthy", "Maximum"));
    let period = alarm["Period"].as_u64().unwrap() * alarm["EvaluationPeriods"].as_u64().unwrap();
    assert_eq!(period, 600);
    // So that a single healthy look in that time silences it, and nothing else does.
    assert_eq!(alarm["Threshold"], 1);
    assert_eq!(
        (text(&alarm["ComparisonOperator"]), text(&alarm["TreatMissingData"])),
        ("LessThanThreshold", "ignore")
    );
}

/// The flags alone bring no client to the secondary: somebody must be woken where DNS does not follow them.
#[test]
fn five_minutes_of_flags_without_dns_ring_and_missing_data_does_not() {
    let template = template();
    let resource = &template["Resources"]["DnsNotOnSecondaryAlarm"];
    assert_eq!(resource["Condition"], "HasHostedZone", "without a name nothing is looked up");
    let alarm = &resource["Properties"];
    let metrics = alarm["Metrics"].as_array().unwrap();
    let of = |id: &str| metrics.iter().find(|metric| metric["Id"] == id).unwrap();
    let stuck = of("stuck");
    assert_eq!(stuck["Expression"], "IF(routed > 0 AND dns < 1, 1, 0)");
    assert!(stuck["ReturnData"].is_null(), "the alarm is on the expression");
    for (id, metric, stat) in
        [("routed", "RoutedToSecondary", "Minimum"), ("dns", "DnsOnSecondary", "Maximum")]
    {
        let watched = of(id);
        assert_eq!(watched["ReturnData"], false, "{id}");
        let stated = &watched["MetricStat"];
        assert_eq!((text(&stated["Metric"]["MetricName"]), text(&stated["Stat"])), (metric, stat));
        let period = stated["Period"].as_u64().unwrap();
        assert_eq!(period * alarm["DatapointsToAlarm"].as_u64().unwrap(), 300, "{id}");
    }
    assert_eq!(metrics.len(), 3);
    assert_eq!(
        (&alarm["Threshold"], text(&alarm["ComparisonOperator"])),
        (&Value::from(1), "GreaterThanOrEqualToThreshold")
    );
    // Two ticks may be almost two minutes apart: one minute of six may have no look.
    assert_eq!(alarm["EvaluationPeriods"], 6);
    assert_eq!(alarm["TreatMissingData"], "notBreaching");
}

#[test]
fn every_alarm_is_on_the_dashboard() {
    let template = template();
    let dashboard = serde_json::to_string(&template["Resources"]["Dashboard"]).unwrap();
    for (name, _) in resources(&template, "AWS::CloudWatch::Alarm") {
        assert!(dashboard.contains(&format!("${{{name}.Arn}}")), "{name}");
    }
}
