//! What wakes the function, and the health checks and DNS records that it moves.

use serde_json::Value;

use crate::reading::{default_of, environment, list, resources, template, text, texts};

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
    assert_eq!(
        pattern["detail"]["SourceArn"][0],
        environment(&template)["PRIMARY_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1]
    );
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
fn any_child_alone_takes_the_primary_record_out_and_so_do_the_flags() {
    let template = template();
    let switch = &template["Resources"]["Switch"]["Properties"]["HealthCheckConfig"];
    assert_eq!(switch["Type"], "CALCULATED");
    // With and without the endpoint check.
    for branch in [1, 2] {
        let children = list(&switch["ChildHealthChecks"]["Fn::If"][branch]);
        assert_eq!(
            switch["HealthThreshold"]["Fn::If"][branch],
            children.len(),
            "healthy only while every child is"
        );
        assert_eq!(children[0]["Ref"], "MetricCheck");
    }
    assert_eq!(switch["ChildHealthChecks"]["Fn::If"][0], switch["HealthThreshold"]["Fn::If"][0]);
    let record = &template["Resources"]["PrimaryRecord"]["Properties"]["HealthCheckId"]["Fn::If"];
    assert_eq!(
        record[2],
        environment(&template)["ROUTE53_HEALTH_CHECK_ID"],
        "the switch is on the record itself"
    );
}

#[test]
fn route_53_takes_no_calculated_check_under_another() {
    let template = template();
    let checks = resources(&template, "AWS::Route53::HealthCheck");
    let calculated: Vec<_> = checks
        .iter()
        .filter(|(_, check)| check["Properties"]["HealthCheckConfig"]["Type"] == "CALCULATED")
        .collect();
    for (name, check) in &calculated {
        for child in texts(&check["Properties"]["HealthCheckConfig"]["ChildHealthChecks"]) {
            assert!(!calculated.iter().any(|(other, _)| *other == child), "{name} has {child} as a child");
        }
    }
    assert_eq!(calculated.len(), 1);
}

#[test]
fn what_changes_in_an_incident_touches_neither_checks_nor_code() {
    let template = template();
    let changing = [
        "PrimaryDbInstanceIdentifier",
        "PrimaryRegion",
        "ReplicaDbInstanceIdentifier",
        "ReplicaRegion",
        "PrimaryEndpoint",
        "ReplicaEndpoint",
    ];
    let touches = |value: &Value| {
        let all = texts(value).join(" ");
        changing.iter().any(|parameter| all.contains(parameter))
    };
    for name in ["Switch", "MetricCheck", "RouteToSecondaryAlarm"] {
        assert!(!touches(&template["Resources"][name]), "{name}");
    }
    let function = &template["Resources"]["Function"]["Properties"];
    for property in ["CodeUri", "Handler", "Runtime", "FunctionName"] {
        assert!(!touches(&function[property]), "{property}");
    }
    // The guard sees what it is meant to see.
    assert!(touches(&function["Environment"]));
}

#[test]
fn the_secondary_record_can_never_send_traffic_back() {
    let template = template();
    let records = resources(&template, "AWS::Route53::RecordSet");
    assert_eq!(records.len(), 2);
    // AWS advises at most 60 s with a health check; RDS's own names have 5 s.
    assert_eq!(
        (&template["Parameters"]["Ttl"]["Default"], &template["Parameters"]["Ttl"]["MaxValue"]),
        (&Value::from(5), &Value::from(60))
    );
    for (name, record) in records {
        let record = &record["Properties"];
        assert_eq!(record["TTL"]["Fn::Sub"], "${Ttl}", "{name}");
        assert_eq!(record["HealthCheckId"].is_null(), record["Failover"] == "SECONDARY", "{name}");
    }
}

#[test]
fn deleting_the_stack_moves_no_traffic_and_keeps_the_record_of_decisions() {
    let template = template();
    for kind in ["AWS::Route53::HealthCheck", "AWS::Route53::RecordSet", "AWS::Logs::LogGroup"] {
        for (name, resource) in resources(&template, kind) {
            assert_eq!(resource["DeletionPolicy"], "Retain", "{name}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
        }
    }
}
