//! Holds `template.yaml` to the code: the variables it sets, the permissions it grants, the metrics it watches.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// A variable of the function and its default, or "required", "none", "majority".
struct Variable {
    name: &'static str,
    default: &'static str,
}

const fn variable(name: &'static str, default: &'static str) -> Variable {
    Variable { name, default }
}

const VARIABLES: &[Variable] = &[
    variable("PRIMARY_DB_INSTANCE_IDENTIFIER", "required"),
    variable("ROUTE53_HEALTH_CHECK_ID", "required"),
    variable("FAILOVER_DB_INSTANCE_IDENTIFIER", "none"),
    variable("PROMOTE_REPLICA", "false"),
    variable("PROMOTE_ON", "failed,inaccessible-encryption-credentials,incompatible-network"),
    variable("MAX_REPLICA_LAG", "60s"),
    variable("STATUS_OVERRIDES", "none"),
    variable("CONFIRMATIONS", "3"),
    variable("CONFIRMATION_INTERVAL", "10s"),
    variable("FAILBACK", "auto"),
    variable("FAILBACK_CONFIRMATIONS", "3"),
    variable("COOLDOWN", "10m"),
    variable("MODE", "act"),
    variable("HEALTH_ENDPOINTS", "none"),
    variable("HEALTH_ENDPOINT_QUORUM", "majority"),
    variable("HEALTH_ENDPOINT_TIMEOUT", "2s"),
    variable("ON_PRIMARY_UNREACHABLE", "hold"),
    variable("NOTIFICATION_TOPIC_ARN", "none"),
    variable("HOSTED_ZONE_ID", "none"),
    variable("RECORD_NAME", "none"),
];

const NAMES: &[&str] = &[
    "PrimaryHealthy",
    "PrimaryUnhealthy",
    "RoutedToSecondary",
    "RouteToSecondary",
    "Decisions",
    "Observations",
    "ReplicaLag",
    "Duration",
    "BlindTicks",
    "StalePrimary",
    "ForeignCheck",
    "RefusedFailovers",
    "PromotionRefused",
    "NotificationFailures",
    "CheckFailures",
];

/// Every statement that names more than one resource, and every managed policy, with why it can't be narrower.
const WIDE: &[(&str, &str)] = &[
    ("ReadPrimaryEvents", "rds:DescribeEvents has no resource type; limited to the primary's region"),
    ("ReadReplicaLag", "CloudWatch reads have no resource type; limited to the replica's region"),
    ("Administer", "in a key policy `*` is this key; without the account nobody could administer it"),
    ("PublishEncrypted", "in a key policy `*` is this key"),
    (
        "AWSLambdaENIManagementAccess",
        "AWS's own policy for functions in a VPC; EC2 can't name interfaces in advance",
    ),
];

// ------------------------------------------------------------------- reading

/// The template in CloudFormation's long form: `!Ref x` becomes `{"Ref": "x"}`.
fn template() -> Value {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/template.yaml")).unwrap();
    long_form(serde_yaml_ng::from_str(&text).unwrap())
}

fn long_form(yaml: serde_yaml_ng::Value) -> Value {
    use serde_yaml_ng::Value as Yaml;
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(value) => serde_json::to_value(value).unwrap(),
        Yaml::String(value) => Value::String(value),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(entries) => entries
            .into_iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), long_form(value)))
            .collect(),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let function = match tag.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Object(Map::from_iter([(function, long_form(tagged.value))]))
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// A parameter's default as CloudFormation hands it to the function.
fn default_of(template: &Value, parameter: &str) -> Option<String> {
    match &template["Parameters"][parameter]["Default"] {
        Value::Null => None,
        Value::String(value) => Some(value.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

fn resources<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let found: Vec<_> = template["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), resource))
        .collect();
    assert!(!found.is_empty(), "no resource of type {kind}");
    found
}

fn environment(template: &Value) -> &Map<String, Value> {
    template["Resources"]["Function"]["Properties"]["Environment"]["Variables"].as_object().unwrap()
}

/// A policy statement with the conditions under which it exists.
struct Statement<'t> {
    body: &'t Value,
    conditions: Vec<&'t str>,
}

impl Statement<'_> {
    fn allows(&self, action: &str) -> bool {
        self.body["Effect"] == "Allow" && list(&self.body["Action"]).contains(&&Value::from(action))
    }

    fn sid(&self) -> &str {
        self.body["Sid"].as_str().unwrap_or("without Sid")
    }
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// Every policy statement of the template, wherever it stands.
fn statements(template: &Value) -> Vec<Statement<'_>> {
    fn walk<'t>(value: &'t Value, conditions: &[&'t str], found: &mut Vec<Statement<'t>>) {
        match value {
            Value::Object(entries) => {
                if entries.get("Effect").is_some_and(Value::is_string) {
                    found.push(Statement { body: value, conditions: conditions.to_vec() });
                }
                for (key, child) in entries {
                    if key == "Fn::If" {
                        let with = [conditions, &[text(&child[0])]].concat();
                        walk(&child[1], &with, found);
                        walk(&child[2], conditions, found);
                    } else {
                        walk(child, conditions, found);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, conditions, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    for resource in template["Resources"].as_object().unwrap().values() {
        let conditions: Vec<_> = resource["Condition"].as_str().into_iter().collect();
        walk(resource, &conditions, &mut found);
    }
    found
}

/// The one statement that allows an action.
fn statement_for<'s, 't>(statements: &'s [Statement<'t>], action: &str) -> &'s Statement<'t> {
    let mut found = statements.iter().filter(|statement| statement.allows(action));
    let first = found.next().unwrap_or_else(|| panic!("nothing allows {action}"));
    assert!(found.next().is_none(), "more than one statement allows {action}");
    first
}

/// All texts inside a value, of `Fn::Sub` and `Fn::Join` too.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(value) => vec![value],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn seconds(duration: &str) -> u64 {
    let (number, unit) = duration.split_at(duration.find(|c: char| !c.is_ascii_digit()).unwrap());
    let number: u64 = number.parse().unwrap();
    match unit {
        "s" => number,
        "m" => number * 60,
        other => panic!("a default in {other}"),
    }
}

// ------------------------------------------------------------- configuration

#[test]
fn every_variable_of_the_function_is_set_and_no_unknown_one() {
    let template = template();
    let set: BTreeSet<_> = environment(&template).keys().map(String::as_str).collect();
    let known: BTreeSet<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(set, known);
}

#[test]
fn a_parameter_left_alone_means_the_functions_own_default() {
    let template = template();
    // These three are composed of parameters or of resources of the stack.
    let composed = ["PRIMARY_DB_INSTANCE_IDENTIFIER", "ROUTE53_HEALTH_CHECK_ID", "NOTIFICATION_TOPIC_ARN"];
    for variable in VARIABLES.iter().filter(|variable| !composed.contains(&variable.name)) {
        let value = &environment(&template)[variable.name];
        let expected = match variable.default {
            "none" | "majority" => "",
            default => default,
        };
        if variable.name == "FAILOVER_DB_INSTANCE_IDENTIFIER" {
            assert_eq!(value["Fn::If"][0], "HasReplica");
            assert_eq!(value["Fn::If"][2], expected);
            assert_eq!(default_of(&template, "ReplicaDbInstanceIdentifier").as_deref(), Some(""));
        } else {
            let default = default_of(&template, text(&value["Ref"]));
            assert_eq!(default.as_deref(), Some(expected), "{}", variable.name);
        }
    }
    assert_eq!(default_of(&template, "PrimaryDbInstanceIdentifier"), None, "no default names a database");
    assert_eq!(default_of(&template, "PrimaryRegion"), None, "no default names a region");
}

#[test]
fn every_parameter_is_described_validated_and_in_one_group() {
    let template = template();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].as_array().unwrap()
    {
        assert!(!text(&group["Label"]["default"]).is_empty());
        for name in texts(&group["Parameters"]) {
            *groups.entry(name).or_default() += 1;
        }
    }
    let parameters = template["Parameters"].as_object().unwrap();
    assert_eq!(groups.keys().copied().collect::<Vec<_>>(), {
        let mut names: Vec<_> = parameters.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    });
    for (name, parameter) in parameters {
        assert_eq!(groups[name.as_str()], 1, "{name} stands in more than one group");
        assert!(text(&parameter["Description"]).ends_with('.'), "{name} needs a sentence");
        let validated =
            ["AllowedPattern", "AllowedValues", "MinValue"].iter().any(|key| !parameter[key].is_null());
        // CloudFormation validates no list as a whole, and Lambda refuses ids that don't exist.
        assert!(validated || parameter["Type"] == "CommaDelimitedList", "{name} takes anything");
    }
}

#[test]
fn an_invocation_outlives_its_confirmations() {
    let template = template();
    let number = |parameter| default_of(&template, parameter).unwrap().parse::<u64>().unwrap();
    let confirmations = number("Confirmations").max(number("FailbackConfirmations"));
    let interval = seconds(&default_of(&template, "ConfirmationInterval").unwrap());
    assert_eq!(template["Resources"]["Function"]["Properties"]["Timeout"]["Ref"], "TimeoutSeconds");
    assert!(number("TimeoutSeconds") >= confirmations * interval + 30);
}

// -------------------------------------------------------------- permissions

#[test]
fn nothing_wide_is_granted_without_a_reason() {
    let template = template();
    let mut wide = BTreeSet::new();
    for statement in statements(&template).iter().filter(|statement| statement.body["Effect"] == "Allow") {
        assert!(statement.body["NotAction"].is_null() && statement.body["NotResource"].is_null());
        let spread = [&statement.body["Action"], &statement.body["Resource"]].into_iter().flat_map(texts);
        if spread.into_iter().any(|text| text.contains('*')) {
            wide.insert(statement.sid().to_owned());
        }
    }
    for (_, role) in resources(&template, "AWS::IAM::Role") {
        for policy in
            texts(&role["Properties"]["ManagedPolicyArns"]).iter().filter(|text| text.contains("policy/"))
        {
            wide.insert(policy.rsplit('/').next().unwrap().to_owned());
        }
    }
    assert_eq!(wide, WIDE.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>());
    // SAM would attach its own policies, logs on everything among them, to a role of its making.
    let function = &template["Resources"]["Function"]["Properties"];
    assert_eq!(function["Role"]["Fn::GetAtt"], "Role.Arn");
    assert!(function["Policies"].is_null());
}

#[test]
fn wide_reads_stay_in_the_region_of_their_instance() {
    let template = template();
    let statements = statements(&template);
    for (action, region) in
        [("rds:DescribeEvents", "PrimaryRegion"), ("cloudwatch:GetMetricStatistics", "ReplicaRegion")]
    {
        let condition = &statement_for(&statements, action).body["Condition"];
        assert_eq!(condition["StringEquals"]["aws:RequestedRegion"]["Ref"], region, "{action}");
    }
}

#[test]
fn promotion_is_permitted_only_while_it_is_on_and_only_on_the_replica() {
    let template = template();
    let statements = statements(&template);
    let promotion = statement_for(&statements, "rds:PromoteReadReplica");
    assert_eq!(promotion.conditions, ["PromotionIsOn"]);
    assert_eq!(promotion.body["Action"], "rds:PromoteReadReplica", "nothing else rides along");
    let replica = &environment(&template)["FAILOVER_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1];
    assert_eq!(&promotion.body["Resource"], replica);
    let condition = template["Conditions"]["PromotionIsOn"].to_string();
    assert!(condition.contains("PromoteReplica") && condition.contains("HasReplica"), "{condition}");
    assert_eq!(default_of(&template, "PromoteReplica").as_deref(), Some("false"));
}

#[test]
fn permissions_and_variables_name_the_same_instances_and_the_same_check() {
    let template = template();
    let statements = statements(&template);
    let environment = environment(&template);
    let described: Vec<_> = statements
        .iter()
        .filter(|statement| statement.allows("rds:DescribeDBInstances"))
        .map(|statement| &statement.body["Resource"])
        .collect();
    let primary = &environment["PRIMARY_DB_INSTANCE_IDENTIFIER"];
    let replica = &environment["FAILOVER_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1];
    assert_eq!(described, [primary, replica]);

    let switch = &statement_for(&statements, "route53:UpdateHealthCheck").body;
    assert_eq!(switch["Resource"]["Fn::Sub"][0], "arn:${AWS::Partition}:route53:::healthcheck/${Id}");
    assert_eq!(switch["Resource"]["Fn::Sub"][1]["Id"], environment["ROUTE53_HEALTH_CHECK_ID"]);
    for action in ["route53:GetHealthCheck", "route53:ListTagsForResource", "route53:ChangeTagsForResource"] {
        assert!(list(&switch["Action"]).contains(&&Value::from(action)), "{action}");
    }
}

// -------------------------------------------------------------------- topics

#[test]
fn the_function_never_publishes_to_the_topic_that_wakes_it() {
    let template = template();
    let environment = environment(&template);
    let told = &environment["NOTIFICATION_TOPIC_ARN"];
    assert!(!texts(told).contains(&"TriggerTopic"));
    let statements = statements(&template);
    let publishes: Vec<_> = statements
        .iter()
        .filter(|statement| statement.allows("sns:Publish") && statement.body["Principal"].is_null())
        .map(|statement| &statement.body["Resource"])
        .collect();
    assert_eq!(publishes, [told], "the role publishes to the notification topic alone");
    for (name, subscription) in resources(&template, "AWS::SNS::Subscription") {
        let expected = if subscription["Properties"]["Protocol"] == "lambda" {
            "TriggerTopic"
        } else {
            "NotificationTopic"
        };
        assert_eq!(subscription["Properties"]["TopicArn"]["Ref"], expected, "{name}");
    }
    assert_eq!(
        template["Resources"]["EventSubscription"]["Properties"]["SnsTopicArn"]["Ref"],
        "TriggerTopic"
    );
}

#[test]
fn topics_are_encrypted_and_only_one_service_of_this_account_publishes() {
    let template = template();
    for (name, service) in
        [("TriggerTopic", "events.rds.amazonaws.com"), ("NotificationTopic", "cloudwatch.amazonaws.com")]
    {
        assert_eq!(template["Resources"][name]["Properties"]["KmsMasterKeyId"]["Ref"], "TopicKey", "{name}");
        let policy = &template["Resources"][format!("{name}Policy")]["Properties"];
        assert_eq!(policy["Topics"][0]["Ref"], name);
        let allowed: Vec<_> = policy["PolicyDocument"]["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["Effect"] == "Allow")
            .collect();
        let [only] = allowed[..] else { panic!("{name} is open to more than one") };
        assert_eq!(only["Principal"], serde_json::json!({"Service": service}));
        assert_eq!(only["Condition"]["StringEquals"]["aws:SourceAccount"]["Ref"], "AWS::AccountId");
        assert!(texts(&only["Condition"]["ArnLike"]["aws:SourceArn"])[0].contains("${AWS::AccountId}"));
    }
    assert_eq!(resources(&template, "AWS::SNS::Topic").len(), 2);
    let queue = &template["Resources"]["FailureQueue"]["Properties"];
    assert_eq!(queue["SqsManagedSseEnabled"], true);
}

#[test]
fn nobody_is_allowed_anything_as_anyone() {
    for statement in statements(&template()).iter().filter(|statement| statement.body["Effect"] == "Allow") {
        assert!(!texts(&statement.body["Principal"]).contains(&"*"), "{} is public", statement.sid());
    }
}

// ------------------------------------------------------------------- triggers

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

// --------------------------------------------------------- alarms and metrics

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
            assert!(NAMES.contains(&metric), "{name} watches {metric}, which nothing emits");
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
    assert_eq!(shown, NAMES.iter().copied().collect(), "the dashboard shows all of them and no other");
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

// ---------------------------------------------------------------- DNS records

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
