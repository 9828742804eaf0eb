//! What wakes the function, and the DNS records it stands behind.

use serde_json::Value;

use crate::reading::{default_of, environment, list, resources, template, text};

#[test]
fn a_scheduled_tick_is_never_retried_and_a_failed_event_is_kept() {
    let template = template();
    let function = &template["Resources"]["Function"]["Properties"];
    let event = |name: &str| {
        assert_eq!(function["Events"][name]["Type"], "ScheduleV2");
        let schedule = &function["Events"][name]["Properties"];
        assert_eq!(schedule["OmitName"], true, "the same name in two stacks");
        let input: Value = serde_json::from_str(text(&schedule["Input"])).unwrap();
        (schedule, text(&input["action"]).to_owned())
    };
    let (tick, action) = event("Tick");
    assert_eq!((text(&tick["ScheduleExpression"]), action.as_str()), ("rate(1 minute)", "tick"));
    assert_eq!(tick["RetryPolicy"]["MaximumRetryAttempts"], 0);
    assert_eq!(tick["RetryPolicy"]["MaximumEventAgeInSeconds"], 60);
    assert_eq!(event("Check").1, "check");

    let asynchronous = &function["EventInvokeConfig"];
    assert_eq!(asynchronous["MaximumRetryAttempts"], 0);
    let wait = asynchronous["MaximumEventAgeInSeconds"].as_u64().unwrap();
    let timeout: u64 = default_of(&template, "TimeoutSeconds").unwrap().parse().unwrap();
    assert!(wait >= timeout, "an event must be able to wait for a tick that confirms");
    assert_eq!(
        asynchronous["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"],
        "FailureQueue.Arn"
    );
}

#[test]
fn the_primarys_events_come_by_one_way_whatever_its_region() {
    let template = template();
    for name in [
        "TriggerTopic",
        "TriggerTopicPolicy",
        "EventSubscription",
        "TriggerSubscription",
        "TriggerPermission",
    ] {
        assert_eq!(template["Resources"][name]["Condition"], "PrimaryIsHere", "{name}");
    }
    for name in ["ForwardingRole", "ForwardedEvents", "ForwardedPermission"] {
        assert_eq!(template["Resources"][name]["Condition"], "PrimaryIsElsewhere", "{name}");
    }
    for (name, permission) in resources(&template, "AWS::Lambda::Permission") {
        assert!(
            !permission["Properties"]["SourceArn"].is_null(),
            "{name} lets anybody's {}",
            permission["Properties"]["Principal"]
        );
    }
    let pattern = &template["Resources"]["ForwardedEvents"]["Properties"]["EventPattern"];
    assert_eq!(&pattern["detail"]["SourceArn"][0], &environment(&template)["PRIMARY_DB_INSTANCE_IDENTIFIER"]);
}

#[test]
fn a_blind_function_leaves_the_metrics_check_as_it_was() {
    let template = template();
    let alarm = &template["Resources"]["RouteToSecondaryAlarm"]["Properties"];
    assert_eq!(alarm["MetricName"], "RouteToSecondary");
    assert!(alarm["DatapointsToAlarm"].is_null(), "Route 53 knows no M out of N");
    assert!(
        alarm["Metrics"].is_null() && alarm["ExtendedStatistic"].is_null(),
        "nor metric math or percentiles"
    );
    assert!(alarm["Period"].as_u64().unwrap() >= 60, "nor high resolution");
    let check = &template["Resources"]["MetricCheck"]["Properties"]["HealthCheckConfig"];
    assert_eq!(check["AlarmIdentifier"]["Name"]["Ref"], "RouteToSecondaryAlarm");
    assert_eq!(check["AlarmIdentifier"]["Region"]["Ref"], "AWS::Region");
    assert_eq!(check["InsufficientDataHealthStatus"], "LastKnownStatus");
}

#[test]
fn either_path_alone_takes_the_primary_record_out() {
    let template = template();
    let switch = &environment(&template)["ROUTE53_HEALTH_CHECK_ID"];
    let config = &template["Resources"]["RecordCheck"]["Properties"]["HealthCheckConfig"];
    let children = list(&config["ChildHealthChecks"]);
    assert_eq!(children, [switch, &serde_json::json!({"Ref": "MetricCheck"})]);
    assert_eq!(config["HealthThreshold"], children.len(), "healthy only while every child is");
    let created = &template["Resources"]["Switch"]["Properties"]["HealthCheckConfig"];
    assert_eq!(
        (&created["Type"], &created["HealthThreshold"]),
        (&Value::from("CALCULATED"), &Value::from(0))
    );
}

#[test]
fn the_secondary_record_can_never_send_traffic_back() {
    let template = template();
    let records = resources(&template, "AWS::Route53::RecordSet");
    assert_eq!(records.len(), 2);
    for (name, record) in records {
        let record = &record["Properties"];
        assert_eq!(record["TTL"], "60", "{name}");
        assert_eq!(record["HealthCheckId"].is_null(), record["Failover"] == "SECONDARY", "{name}");
    }
}

#[test]
fn deleting_the_stack_moves_no_traffic() {
    let template = template();
    for kind in ["AWS::Route53::HealthCheck", "AWS::Route53::RecordSet"] {
        for (name, resource) in resources(&template, kind) {
            assert_eq!(resource["DeletionPolicy"], "Retain", "{name}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
        }
    }
}
