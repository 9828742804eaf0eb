//! Who may do what.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::reading::{default_of, environment, list, resources, statement_for, statements, template, texts};

/// Every statement that names more than one resource, and every managed policy, with why it can't be narrower.
const WIDE: &[(&str, &str)] = &[
    ("ReadPrimaryEvents", "rds:DescribeEvents has no resource type; limited to the primary's region"),
    ("ReadMetrics", "CloudWatch reads have no resource type; limited to the two regions"),
    ("Administer", "in a key policy `*` is this key; without the account nobody could administer it"),
    ("AlarmsEncrypted", "in a key policy `*` is this key"),
    ("RdsEventsEncrypted", "in a key policy `*` is this key"),
    ("Log", "the streams of one log group"),
    (
        "AWSLambdaENIManagementAccess",
        "AWS's own policy for functions in a VPC; EC2 can't name interfaces in advance",
    ),
];

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
fn wide_reads_stay_in_the_region_of_their_instances() {
    let template = template();
    let statements = statements(&template);
    for (action, regions) in [
        ("rds:DescribeEvents", vec!["PrimaryRegion"]),
        ("cloudwatch:GetMetricStatistics", vec!["ReplicaRegion", "PrimaryRegion"]),
    ] {
        let condition = &statement_for(&statements, action).body["Condition"];
        assert_eq!(texts(&condition["StringEquals"]["aws:RequestedRegion"]), regions, "{action}");
    }
}

#[test]
fn promotion_is_permitted_only_where_wanted_and_only_on_the_replica() {
    let template = template();
    let statements = statements(&template);
    let promotion = statement_for(&statements, "rds:PromoteReadReplica");
    assert_eq!(promotion.conditions, ["MayPromote"]);
    assert_eq!(promotion.body["Action"], "rds:PromoteReadReplica", "nothing else is granted along with it");
    let replica = &environment(&template)["FAILOVER_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1];
    assert_eq!(&promotion.body["Resource"], replica);
    let condition = template["Conditions"]["MayPromote"].to_string();
    for part in ["PromoteReplica", "AllowPromotionRequests", "HasReplica"] {
        assert!(condition.contains(part), "{condition}");
    }
    for parameter in ["PromoteReplica", "AllowPromotionRequests"] {
        assert_eq!(default_of(&template, parameter).as_deref(), Some("false"), "{parameter}");
    }
}

#[test]
fn only_a_fence_may_stop_an_instance_and_only_the_primary() {
    let template = template();
    let statements = statements(&template);
    let fence = statement_for(&statements, "rds:StopDBInstance");
    assert_eq!(fence.conditions, ["FenceIsOn"]);
    assert_eq!(fence.body["Action"], "rds:StopDBInstance", "nothing else is granted along with it");
    assert_eq!(fence.body["Resource"], environment(&template)["PRIMARY_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1]);
    assert_eq!(default_of(&template, "FencePrimary").as_deref(), Some("off"));
}

#[test]
fn a_service_acts_only_for_this_account() {
    // Lambda: a role can't be passed to it from another account. RDS: documented for the topic's policy only.
    let without = ["lambda.amazonaws.com", "events.rds.amazonaws.com"];
    for statement in statements(&template()) {
        for service in texts(&statement.body["Principal"]["Service"]) {
            let condition = &statement.body["Condition"]["StringEquals"]["aws:SourceAccount"]["Ref"];
            if condition != "AWS::AccountId" {
                assert!(without.contains(&service), "{service} may act for another account");
                assert_ne!(statement.body["Action"], "sns:Publish", "{service}");
            }
        }
    }
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
    let primary = &environment["PRIMARY_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1];
    let replica = &environment["FAILOVER_DB_INSTANCE_IDENTIFIER"]["Fn::If"][1];
    assert_eq!(described, [primary, replica]);

    let switch = &statement_for(&statements, "route53:UpdateHealthCheck").body;
    assert_eq!(switch["Resource"]["Fn::Sub"][0], "arn:${AWS::Partition}:route53:::healthcheck/${Id}");
    assert_eq!(switch["Resource"]["Fn::Sub"][1]["Id"], environment["ROUTE53_HEALTH_CHECK_ID"]);
    for action in ["route53:GetHealthCheck", "route53:ListTagsForResource", "route53:ChangeTagsForResource"] {
        assert!(list(&switch["Action"]).contains(&&Value::from(action)), "{action}");
    }
}

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
