//! Holds `template.yaml` to the code: the variables it sets, the permissions it grants, the metrics it watches.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alarms;
mod costs;
mod permissions;
mod reading;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};

use rds_route53_failover::config::VARIABLES;

use serde_json::Value;

use crate::reading::{default_of, environment, seconds, statements, template, text, texts};

#[test]
fn every_variable_of_the_function_is_set_and_no_unknown_one() {
    let template = template();
    let set: BTreeSet<_> = environment(&template).keys().map(String::as_str).collect();
    let known: BTreeSet<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(set, known);
}

/// The parameter that a variable is made of, where it is one parameter.
fn parameter_of(value: &Value) -> Option<&str> {
    // What needs RDS is left out where the primary is not in RDS.
    if value["Fn::If"][0] == "PrimaryInRds" {
        assert_eq!(value["Fn::If"][2], "", "an empty variable counts as unset");
        return value["Fn::If"][1]["Ref"].as_str();
    }
    value["Ref"].as_str()
}

#[test]
fn a_parameter_left_alone_means_the_functions_own_default() {
    let template = template();
    // These three are composed of parameters or of resources of the stack.
    let composed = ["PRIMARY_DB_INSTANCE_IDENTIFIER", "ROUTE53_HEALTH_CHECK_ID", "NOTIFICATION_TOPIC_ARN"];
    for variable in VARIABLES.iter().filter(|variable| !composed.contains(&variable.name)) {
        let value = &environment(&template)[variable.name];
        let expected = match variable.default {
            "none" => "",
            // Depends on PRIMARY_NAME: the function knows better than the template.
            default if default.contains("PRIMARY_NAME") => "",
            default => default,
        };
        if variable.name == "FAILOVER_DB_INSTANCE_IDENTIFIER" {
            assert_eq!(value["Fn::If"][0], "HasReplica");
            assert_eq!(value["Fn::If"][2], expected);
            assert_eq!(default_of(&template, "ReplicaDbInstanceIdentifier").as_deref(), Some(""));
        } else {
            let parameter = parameter_of(value).unwrap_or_else(|| panic!("{} is composed", variable.name));
            assert_eq!(default_of(&template, parameter).as_deref(), Some(expected), "{}", variable.name);
        }
    }
    for parameter in ["PrimaryDbInstanceIdentifier", "PrimaryRegion", "PrimaryName"] {
        assert_eq!(default_of(&template, parameter).as_deref(), Some(""), "{parameter} names a database");
    }
}

#[test]
fn a_primary_outside_rds_gets_no_variable_that_needs_rds() {
    let template = template();
    let environment = environment(&template);
    for name in [
        "PRIMARY_DB_INSTANCE_IDENTIFIER",
        "PROMOTE_ON",
        "MAX_REPLICA_LAG",
        "STATUS_OVERRIDES",
        "FENCE_PRIMARY",
        "ON_PRIMARY_UNREACHABLE",
    ] {
        assert_eq!(environment[name]["Fn::If"][0], "PrimaryInRds", "{name}");
        assert_eq!(environment[name]["Fn::If"][2], "", "{name}");
    }
    let replica = template["Conditions"]["HasReplica"].to_string();
    assert!(replica.contains("PrimaryInRds"), "{replica}");
    for statement in statements(&template) {
        let needs_rds = texts(&statement.body["Action"])
            .iter()
            .any(|action| action.starts_with("rds:") || action.starts_with("cloudwatch:"));
        let guarded = ["PrimaryInRds", "HasReplica", "MayPromote", "FenceIsOn"];
        assert!(
            !needs_rds || statement.conditions.iter().any(|condition| guarded.contains(condition)),
            "{} is granted without RDS",
            statement.sid()
        );
    }
}

#[test]
fn what_the_function_refuses_together_the_template_refuses_first() {
    let template = template();
    let rules = template["Rules"].as_object().unwrap();
    let all = serde_json::to_string(rules).unwrap();
    for parameter in ["PrimaryName", "FencePrimary", "AllowPromotionRequests", "EndpointHealthCheckId"] {
        assert!(all.contains(parameter), "no rule is about {parameter}");
    }
    for (name, rule) in rules {
        for assertion in rule["Assertions"].as_array().unwrap() {
            let description = text(&assertion["AssertDescription"]);
            for parameter in template["Parameters"].as_object().unwrap().keys() {
                let named = description.split(|c: char| !c.is_alphanumeric()).any(|word| word == parameter);
                let used = texts(rule).contains(&parameter.as_str());
                assert!(!named || used, "{name} speaks of {parameter} and does not look at it");
            }
        }
    }
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
        assert_eq!(groups[name.as_str()], 1, "{name} is in more than one group");
        assert!(text(&parameter["Description"]).ends_with('.'), "{name} needs a sentence");
        let validated =
            ["AllowedPattern", "AllowedValues", "MinValue"].iter().any(|key| !parameter[key].is_null());
        // CloudFormation validates no list as a whole, and Lambda refuses ids that don't exist.
        assert!(validated || parameter["Type"] == "CommaDelimitedList", "{name} takes anything");
    }
}

/// A reservation takes from the other functions of the account; a readiness that is looked at each day rots for a day.
#[test]
fn no_concurrency_is_reserved_by_default_and_the_readiness_is_looked_at_each_hour() {
    let template = template();
    assert_eq!(default_of(&template, "ReservedConcurrency").as_deref(), Some("none"));
    assert_eq!(default_of(&template, "CheckSchedule").as_deref(), Some("rate(1 hour)"));
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
