//! What the runbook says, held to the client, the function and the template.

use std::collections::BTreeSet;
use std::path::Path;

use ctl::args::{Args, Command};
use ctl::history::PATTERN;
use ctl::plan::swap_command;
use proof::rig::{Rig, world};
use rds_route53_failover::decide::{Effect, UNREADABLE, rules};
use rds_route53_failover::error::Kind;

use super::ZONED;

/// Every text that documents the project.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([root.join("README.md")])
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

fn runbook() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap()
}

/// A shell's words, as far as the documents use a shell.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => words.push(String::new()),
            Some(_) | None => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The command line of the client that a line of a document holds.
fn of_client(line: &str) -> Option<Vec<String>> {
    let line = match line.split_once("--example ctl -- ") {
        Some((_, line)) => line.split('`').next().unwrap(),
        None => line.strip_prefix("ctl ")?,
    };
    Some([vec!["ctl".to_owned()], words(line)].concat())
}

#[test]
fn every_command_line_in_the_documents_is_one_that_the_client_takes() {
    let mut seen = 0;
    for (document, text) in documents() {
        for line in text.lines() {
            let Some(words) = of_client(line) else { continue };
            if words.iter().any(|word| word == "--help") {
                continue;
            }
            Args::of_words(words).unwrap_or_else(|error| panic!("{document}: {line}\n{error}"));
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen}");
}

/// The payload of an `aws lambda invoke` that works as pasted.
fn payload(line: &str) -> serde_json::Value {
    let words = words(line);
    let after = |option: &str| {
        let at =
            words.iter().position(|word| word == option).unwrap_or_else(|| panic!("no {option}: {line}"));
        words[at + 1].as_str()
    };
    assert_eq!(after("--cli-read-timeout"), "900", "{line}");
    assert_eq!(after("--cli-binary-format"), "raw-in-base64-out", "{line}");
    assert!(!after("--region").is_empty() && !after("--function-name").is_empty());
    assert_eq!(words.last().unwrap(), "/dev/stdout");
    serde_json::from_str(after("--payload")).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn beside_every_command_of_the_client_is_the_aws_command_that_sends_the_same() {
    let runbook = runbook();
    let lines: Vec<_> = runbook.lines().collect();
    let mut seen = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some(words) = of_client(line) else { continue };
        let command = Args::of_words(words).unwrap().command;
        if let Command::History(history) = &command {
            let beside = format!(
                "aws logs filter-log-events --region {} --log-group-name /aws/lambda/{} --filter-pattern '{PATTERN}' --start-time",
                history.common.region.as_deref().unwrap(),
                history.common.function
            );
            assert!(lines[index + 1].starts_with(&beside), "{beside}");
            continue;
        }
        // Its steps are commands of their own, held to it by the next test.
        if let Command::Rebuild(_) = &command {
            assert!(lines[index + 1].starts_with("aws rds create-db-instance-read-replica "), "{line}");
            continue;
        }
        // It waits for a person between two requests; its section has the steps by hand.
        if line.contains("--planned") {
            continue;
        }
        assert_eq!(payload(lines[index + 1]), command.payload(), "{line}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[tokio::test(start_paused = true)]
async fn every_payload_of_the_runbook_is_one_that_the_function_understands() {
    let mut seen = 0;
    for line in runbook().lines().filter(|line| line.starts_with("aws lambda invoke ")) {
        let answer = Rig::new(world(), ZONED).invoke(payload(line)).await;
        if let Err(failure) = answer {
            assert_ne!(failure.kind.name(), "EventNotUnderstood", "{line}");
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn a_change_of_parameters_touches_neither_template_nor_code_and_names_parameters_that_exist() {
    let template =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
    let runbook = runbook();
    assert!(
        !runbook.lines().any(|line| line.starts_with("sam ")),
        "a deployment in the middle of an incident"
    );
    let commands: Vec<_> =
        runbook.lines().filter(|line| line.starts_with("aws cloudformation update-stack")).collect();
    assert!(commands.len() >= 2);
    for command in commands {
        assert!(command.contains("--use-previous-template") && !command.contains("--template-"), "{command}");
        for part in command.split("ParameterKey=").skip(1).filter(|part| !part.starts_with("%s")) {
            let name = part.split(',').next().unwrap();
            assert!(template.contains(&format!("\n  {name}:\n")), "{name}");
            assert!(command.contains(&format!("ParameterKey!=`{name}`")), "{name} would be given twice");
        }
    }
}

#[test]
fn the_swap_of_the_runbook_is_the_one_that_rebuild_prints() {
    let swap = swap_command("orders-failover", "eu-west-1", "orders-replica", "orders-replica-2", None);
    assert!(runbook().lines().any(|line| line == swap), "{swap}");
}

/// What stands in backquotes in the first column of the table under a heading.
fn first_column(text: &str, heading: &str) -> BTreeSet<String> {
    let section = text.split(&format!("\n## {heading}\n")).nth(1).expect(heading);
    let section = section.split("\n## ").next().unwrap();
    let names: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    let set: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(names.len(), set.len(), "{heading} names one twice");
    set
}

#[test]
fn the_table_of_codes_is_the_list_of_rules() {
    let codes: BTreeSet<_> = rules().chain(UNREADABLE).map(|rule| rule.code.as_str().to_owned()).collect();
    assert_eq!(first_column(&runbook(), "Every code"), codes);
}

#[test]
fn the_table_of_failures_is_the_list_of_error_types() {
    let rules = rules().chain(UNREADABLE).filter(|rule| rule.effect == Effect::Fail);
    let names = rules.map(|rule| Kind::Rule(rule.code)).chain(Kind::BESIDE_RULES).map(Kind::name);
    let names: BTreeSet<_> = names.chain(["ConfigInvalid".to_owned()]).collect();
    assert_eq!(first_column(&runbook(), "When an invocation fails"), names);
}

#[test]
fn the_table_of_alarms_is_that_of_the_template() {
    let template =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
    let alarms: BTreeSet<_> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("AlarmName: !Sub ${AWS::StackName}-"))
        .map(str::to_owned)
        .collect();
    assert_eq!(first_column(&runbook(), "Alarms"), alarms);
}
