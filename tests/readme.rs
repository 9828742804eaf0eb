//! What the README's tables claim is what the code holds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use rds_route53_failover::config::VARIABLES;
use rds_route53_failover::decide::{Does, RULES, Rule, UNREADABLE};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The rows of the table under a heading, without its head.
fn table(heading: &str) -> Vec<String> {
    let text = readme();
    let section = text.split_once(&format!("\n{heading}\n")).expect(heading).1;
    section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect()
}

fn row(rule: &Rule) -> String {
    let does = match rule.does {
        Does::Stay => "stay",
        Does::StayAndTell => "stay, tell",
        Does::Fail => "fail the invocation",
        Does::ObserveAgain => "observe again",
        Does::ObserveAtOnce => "observe again at once",
        Does::FailOver => "**fail over**",
        Does::Promote => "**promote**",
        Does::FailBack => "**fail back**",
    };
    format!("| {} | `{}` | {does} | {} |", rule.number, rule.code, rule.says)
}

fn assert_same(stated: &[String], expected: &[String]) {
    assert_eq!(stated, expected, "the README should read:\n{}", expected.join("\n"));
}

#[test]
fn the_rule_table_is_the_list_of_rules() {
    let expected: Vec<_> = RULES.iter().map(row).collect();
    assert_same(&table("### The rules"), &expected);
    let expected: Vec<_> = UNREADABLE.iter().map(row).collect();
    assert_same(&table("### Where evidence can't be read"), &expected);
}

#[test]
fn the_configuration_table_names_every_variable_with_its_default() {
    let stated: Vec<String> = table("## Configuration")
        .iter()
        .map(|row| row.splitn(4, '|').take(3).collect::<Vec<_>>().join("|"))
        .collect();
    let expected: Vec<_> = VARIABLES
        .iter()
        .map(|variable| match variable.default {
            word @ ("required" | "none" | "majority") => format!("| `{}` | {word} ", variable.name),
            value => format!("| `{}` | `{value}` ", variable.name),
        })
        .collect();
    assert_same(&stated, &expected);
}

#[test]
fn every_file_and_folder_the_documents_link_to_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    documents.extend(std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                let file = document.parent().unwrap().join(target);
                assert!(file.exists(), "{} links to {target}, which is not there", document.display());
            }
        }
    }
}
