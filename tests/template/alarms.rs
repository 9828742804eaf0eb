//! What is watched, and who is told.

use std::collections::BTreeSet;

use rds_route53_failover::metrics::NAMES;
use serde_json::Value;

use crate::reading::{environment, list, resources, template, text};

#[test]
fn every_alarm_tells_the_notification_topic_of_both_changes() {
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
        if alarm["Namespace"] == "RdsRoute53Failover" {
            let metric = text(&alarm["MetricName"]);
            assert!(
                NAMES.iter().any(|(name, _)| *name == metric),
                "{name} watches {metric}, which nothing emits"
            );
            let check = &environment(&template)["ROUTE53_HEALTH_CHECK_ID"];
            assert_eq!(
                alarm["Dimensions"],
                serde_json::json!([{"Name": "HealthCheckId", "Value": check}]),
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
    ] {
        assert!(alarmed.contains(metric), "nobody is told of {metric}");
    }

    let body = &template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0];
    let body = text(body).replace("${RouteToSecondary}\n", "");
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
    ];
    for name in standing {
        assert_eq!(
            template["Resources"][format!("{name}Alarm")]["Properties"]["TreatMissingData"],
            "ignore",
            "{name}"
        );
    }
}
