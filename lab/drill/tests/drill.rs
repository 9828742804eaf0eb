//! The drill: what its first command promises to whoever tries it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use emulator::{Emulator, World};
use rds_route53_failover::aws::BEHAVIOUR;
use serde_json::Value;

use drill::cli::{BROKEN, HELD, MISUSED, Terminal, run};
use drill::scenario::{Expect, Scenario, primary};
use drill::wire::Wire;

/// What a person who tries this project is told to look for.
const NAMES: &[&str] = &[
    "storage-full-and-recovery",
    "failed-with-promotion",
    "old-primary-returns",
    "throttled-api",
    "missing-instance",
    "multi-az-ridden-out",
    "flapping",
    "both-down",
    "operators-own-setting",
    "crash-between-tag-and-flags",
    "lost-answer",
    "common-recipe",
    "grey-failure",
    "evidence-conflict",
    "region-unreachable",
    "lag-too-high",
    "lag-unknown",
    "cooldown",
    "control-plane-down",
];

struct Printed {
    code: u8,
    out: String,
    err: String,
}

fn drill_of(scenarios: &[Scenario], arguments: &[&str], terminal: Terminal) -> Printed {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = arguments.iter().map(|argument| (*argument).to_owned());
    let code = run(arguments, scenarios, terminal, &mut out, &mut err);
    Printed { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn drill(arguments: &[&str]) -> Printed {
    drill_of(&drill::scenarios::all(), arguments, Terminal::default())
}

fn json_lines(arguments: &[&str]) -> Vec<Value> {
    let Printed { code, out, err } = drill(arguments);
    assert_eq!(code, HELD, "{out}{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn summaries(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["event"] == "summary").collect()
}

#[test]
fn every_scenario_of_the_list_is_known_once() {
    let Printed { code, out, .. } = drill(&["--list"]);
    assert_eq!(code, HELD);
    let listed: Vec<_> = out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let distinct: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(listed.len(), distinct.len(), "{listed:?}");
    for name in NAMES {
        assert!(distinct.contains(name), "{name} is not in the list");
    }
}

#[test]
fn every_scenario_holds_and_the_page_about_them_needs_nothing_else() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drill.html");
    let Printed { code, out, err } = drill(&["--all", "--report", file.to_str().unwrap()]);
    assert_eq!(code, HELD, "{out}{err}");
    assert!(err.is_empty(), "progress without a terminal: {err}");
    assert!(!out.contains('\x1b'), "colours without a terminal");

    let page = std::fs::read_to_string(&file).unwrap();
    for name in NAMES {
        assert!(page.contains(&format!("id=\"{name}\"")), "{name} is not in the report");
    }
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
    for outside in ["http://", "https://", "src=", "url(", "@import", "<link", "<script", "<iframe"] {
        assert!(!page.contains(outside), "the page refers to something outside: {outside}");
    }
}

#[test]
fn each_line_for_a_machine_is_an_object_that_says_where_it_belongs() {
    let lines = json_lines(&["--json", "--scenario", "common-recipe"]);
    for line in &lines {
        for field in ["event", "scenario", "handler"] {
            assert!(line[field].is_string(), "{field} is missing: {line}");
        }
        assert!(line["event"] == "summary" || line["at"].is_number(), "{line}");
    }
    let summaries = summaries(&lines);
    assert_eq!(summaries.len(), 2, "one for the recipe, one for the function");
    let moved: Vec<_> = summaries
        .iter()
        .map(|summary| (&summary["handler"], !summary["totals"]["rerouted"].is_null()))
        .collect();
    assert_eq!(moved, [(&Value::from("the common recipe"), false), (&Value::from("this function"), true)]);
}

/// Answers one request after so much real time.
fn slow_server(delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        std::thread::park_timeout(delay);
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    address
}

#[tokio::test(start_paused = true)]
async fn a_call_on_the_wire_holds_the_simulated_time() {
    let wire = Arc::<Wire>::default();
    let emulator = Emulator::new(World::new(), || jiff::Timestamp::UNIX_EPOCH);
    let holding = tokio::spawn(Arc::clone(&wire).hold_time(emulator));
    let config = aws_sdk_rds::Config::builder()
        .behavior_version(BEHAVIOUR())
        .http_client(wire.http_client())
        .endpoint_url(format!("http://{}", slow_server(Duration::from_millis(50))))
        .region(aws_sdk_rds::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_rds::config::Credentials::new("drill", "drill", None, None, "drill"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(3)).build())
        .build();
    let client = aws_sdk_rds::Client::from_conf(config);
    let started = tokio::time::Instant::now();
    let refused = wire.during(Box::pin(client.describe_db_instances().send())).await.unwrap_err();
    assert!(refused.raw_response().is_some_and(|answer| answer.status().as_u16() == 403), "{refused:?}");
    assert_eq!(started.elapsed(), Duration::ZERO);
    // With nothing under way, time runs to the next timer again.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    holding.abort();
}

#[test]
fn simulated_time_passes_between_observations_and_nowhere_else() {
    let lines = json_lines(&["--json"]);
    let invocations: Vec<_> = lines.iter().filter(|line| line["event"] == "invocation").collect();
    assert!(invocations.len() > 10);
    for invocation in invocations {
        // Two intervals of ten seconds between three observations, or none.
        let seconds = invocation["seconds"].as_f64().unwrap();
        let waited = if invocation["outcome"]["actions"].as_array().unwrap().is_empty() { 0.0 } else { 20.0 };
        assert!((seconds - waited).abs() < 0.1, "{invocation}");
    }
}

#[test]
fn the_same_scenario_comes_to_the_same_twice() {
    let totals = || {
        let lines = json_lines(&["--json", "--scenario", "region-unreachable"]);
        summaries(&lines)
            .iter()
            .map(|summary| (summary["totals"].clone(), summary["tracks"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(totals(), totals());
}

#[test]
fn a_broken_promise_gives_a_non_zero_exit() {
    let broken = Scenario::new("broken", "The recipe is held to this function's promises", 4)
        .at((1, 30), "The primary is down", [primary("storage-full")])
        .beside_the_recipe([Expect::PromisesKept]);
    let Printed { code, out, .. } = drill_of(&[broken], &["--all"], Terminal::default());
    assert_eq!(code, BROKEN, "{out}");
    assert!(out.contains("CleanSwitch") && out.contains("0 of 1 scenarios held"), "{out}");
}

#[test]
fn an_expectation_that_fails_gives_a_non_zero_exit() {
    let broken = Scenario::new("broken", "An outage that is expected to move nothing", 4)
        .at((0, 30), "The primary is down", [primary("storage-full")])
        .expect([Expect::DnsNeverMoved]);
    let Printed { code, out, .. } = drill_of(&[broken], &[], Terminal::default());
    assert_eq!(code, BROKEN, "{out}");
    assert!(out.contains("BROKEN: DNS never moved"), "{out}");
}

#[test]
fn a_command_line_that_makes_no_sense_plays_nothing() {
    for arguments in [&["--scenario", "no-such"][..], &["--scenario"], &["--report"], &["--verbose"]] {
        let Printed { code, out, err } = drill(arguments);
        assert_eq!(code, MISUSED, "{arguments:?}");
        assert!(out.is_empty() && !err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn colours_and_progress_are_for_terminals() {
    let quiet = || Scenario::new("quiet", "Nothing happens", 2);
    let terminal = Terminal { color: true, progress: true };
    let Printed { code, out, err } = drill_of(&[quiet(), quiet()], &["--all"], terminal);
    assert_eq!(code, HELD);
    assert!(out.contains("\x1b[32m"), "{out}");
    assert!(err.contains("2/2 quiet"), "{err}");
}
