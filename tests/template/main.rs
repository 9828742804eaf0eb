//! Holds `template.yaml` to the code: the variables it sets, the permissions it grants, the metrics it watches.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alarms;
mod permissions;
mod reading;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};

use rds_route53_failover::config::VARIABLES;

use crate::reading::{default_of, environment, seconds, template, text, texts};

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
