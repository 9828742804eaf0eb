//! What a person at a terminal meets: missing credentials, a function that does not answer, Ctrl-C, broken
//! connections, and the walk through a planned failover. Lambda is a listener with canned answers.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::process::Stdio;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use common::{Terminal, Then, ctl, interrupt, noting, read, with_keys};

mod common;

/// A listener, and the payloads that reached it.
fn lambda(then: Then) -> (String, Receiver<Value>) {
    noting(then, |request| request.body)
}

const FAILOVER: &[&str] = &["failover", "--reason", "x", "--yes"];

#[test]
fn without_credentials_nothing_is_sent_and_the_words_say_what_to_do() {
    let (url, sent) = lambda(Then::Silence);
    let home = tempfile::tempdir().unwrap();
    let (exit, words) = read(&ctl(FAILOVER, &url).env("HOME", home.path()).output().unwrap());
    assert_eq!(exit, 5, "{words}");
    assert!(words.starts_with("Nothing was sent.") && words.contains("aws sso login"), "{words}");
    assert_plain(&words);
    assert!(sent.try_recv().is_err());
}

#[test]
fn an_sso_profile_without_a_login_and_an_unknown_one_are_told_apart() {
    let (url, sent) = lambda(Then::Silence);
    let home = tempfile::tempdir().unwrap();
    let config = "[profile work]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = ops\n\n[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n";
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let of = |profile: &str| {
        let words = [FAILOVER, &["--profile", profile]].concat();
        // Keys in the environment don't stand in for a profile that is named.
        read(&with_keys(&words, &url).env("HOME", home.path()).output().unwrap())
    };
    let (exit, words) = of("work");
    assert_eq!(exit, 5, "{words}");
    assert!(words.contains("`aws sso login --profile work`"), "{words}");
    assert_plain(&words);
    let (exit, words) = of("nobody");
    assert_eq!(exit, 5, "{words}");
    assert!(words.contains("no profile `nobody`"), "{words}");
    assert_plain(&words);
    assert!(sent.try_recv().is_err());
}

/// No Rust debug text.
fn assert_plain(words: &str) {
    for mark in ["Error {", "Some(", "source:", "CredentialsNotLoaded", "kind:", "Unhandled"] {
        assert!(!words.contains(mark), "{mark} in {words}");
    }
}

#[test]
fn what_lambda_refuses_was_not_sent_and_a_server_error_or_a_cut_connection_is_unknown() {
    let refused = |payload: &Value| {
        assert_eq!(payload["action"], "failover");
        (
            403,
            json!({"__type": "ExpiredTokenException", "Message": "The security token included in the request is expired"}),
        )
    };
    let server = |_: &Value| (500, json!({"__type": "ServiceException", "Message": "internal"}));
    for (then, exit, word) in [
        (Then::Answer(refused), 5, "aws sso login"),
        (Then::Answer(server), 4, "UNKNOWN"),
        (Then::Cut, 4, "UNKNOWN"),
    ] {
        let (url, sent) = lambda(then);
        let (came, words) = read(&with_keys(FAILOVER, &url).output().unwrap());
        assert_eq!(came, exit, "{words}");
        assert!(words.contains(word) && words.contains("Nothing was sent") == (exit == 5), "{words}");
        assert_plain(&words);
        assert_eq!(sent.try_iter().count(), 1, "a request is sent once");
    }
}

#[test]
fn a_function_that_does_not_answer_in_time_is_unknown_and_says_how_long_it_was_waited_for() {
    let (url, _sent) = lambda(Then::Silence);
    let words = [FAILOVER, &["--wait", "1s"]].concat();
    let (exit, words) = read(&with_keys(&words, &url).output().unwrap());
    assert_eq!(exit, 4, "{words}");
    assert!(
        words.contains("No answer within 1 s") && words.contains("ctl status --function orders"),
        "{words}"
    );
}

#[test]
fn ctrl_c_says_that_the_request_may_be_carried_out_and_how_to_find_out() {
    let (url, sent) = lambda(Then::Silence);
    let child = with_keys(FAILOVER, &url).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(sent.recv().unwrap()["action"], "failover");
    interrupt(&child);
    let (exit, words) = read(&child.wait_with_output().unwrap());
    assert_eq!(exit, 4, "{words}");
    assert!(words.contains("may still carry out `failover`") && words.contains("ctl status"), "{words}");
    let child = with_keys(&["status"], &url).stderr(Stdio::piped()).spawn().unwrap();
    sent.recv().unwrap();
    interrupt(&child);
    let (exit, words) = read(&child.wait_with_output().unwrap());
    assert!(exit == 4 && words.contains("changes nothing"), "{words}");
}

#[test]
fn a_reason_that_is_too_long_is_refused_here_and_one_that_forges_lines_is_folded() {
    let (url, sent) = lambda(Then::Answer(|_| (200, healthy())));
    let long = "x".repeat(1001);
    let (exit, words) = read(&with_keys(&["failover", "--reason", &long, "--yes"], &url).output().unwrap());
    assert!(exit == 2 && words.contains("1001 characters"), "{words}");
    assert!(sent.try_recv().is_err());
    with_keys(&["failover", "--yes", "--reason", "full\nNext: aws rds\u{202e}"], &url).output().unwrap();
    assert_eq!(sent.try_recv().unwrap()["reason"], "full Next: aws rds");
}

fn healthy() -> Value {
    json!({
        "decision": "stay", "reason": "primary-healthy", "message": "The primary is healthy", "mode": "act",
        "primary": {"id": "orders-primary", "status": "available", "health": "healthy"},
        "replica": {"id": "orders-replica", "status": "available", "role": "replica", "lag_seconds": 0.0},
        "health_check": {"id": "abc", "state": "normal", "by": null, "version": 7},
        "actions": [], "dns": "primary",
        "times": {"unhealthy_since": null, "routed_at": "2026-01-01T00:00:00Z", "promoted_at": null},
        "rules": [
            {"code": "paused", "when": "a pause is in force", "applies": "yes"},
            {"code": "replica-not-fit", "when": "the replica is missing, unknown or unhealthy, or replicates from another instance", "applies": "not-read"},
        ],
    })
}

#[test]
fn status_shows_pause_dns_times_and_every_rule_within_80_columns() {
    let (url, _sent) = lambda(Then::Answer(|_| (200, healthy())));
    let output = with_keys(&["status"], &url).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    for words in [
        "Automatic     PAUSED",
        "DNS answers   primary",
        "at 2026-01-01T00:00:00Z",
        "YES           paused: a pause",
        "not read      replica-not-fit",
    ] {
        assert!(table.contains(words), "{words} is not in {table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(!table.contains("Unhealthy"), "{table}");
}

#[test]
fn the_wait_is_a_running_display_with_the_time_and_what_is_probably_done() {
    let (url, _sent) = lambda(Then::Silence);
    let mut terminal = Terminal::open(with_keys(FAILOVER, &url));
    terminal.until("0 s  probably reading RDS");
    terminal.until("1 s  probably");
    terminal.until("3 s  probably confirming");
    interrupt(&terminal.child);
    terminal.until("may still carry out");
    assert_eq!(terminal.exit(), 4);
}

#[test]
fn at_the_question_anything_but_consent_sends_nothing_and_so_does_ctrl_c() {
    for pressed in [Some("y"), None] {
        let (url, sent) = lambda(Then::Answer(|_| (200, healthy())));
        let mut terminal = Terminal::open(with_keys(&["failover", "--reason", "x"], &url));
        let before = terminal.until("Type `yes` to send it");
        assert!(before.contains("Expect a refusal") && before.contains("pass --force"), "{before}");
        match pressed {
            Some(line) => terminal.press(line),
            None => interrupt(&terminal.child),
        }
        terminal.until("Nothing was sent.");
        assert_eq!(terminal.exit(), 5);
        assert_eq!(sent.try_iter().collect::<Vec<_>>(), [json!({"action": "status"})]);
    }
}

const PLANNED: &[&str] =
    &["failover", "--planned", "--engine", "mysql", "--reason", "move", "--settle", "1s", "--patience", "2s"];

#[test]
fn a_planned_failover_stops_the_writes_waits_for_a_lag_of_0_and_only_then_promotes() {
    let (url, sent) = lambda(Then::Answer(|payload| {
        let mut report = healthy();
        if payload["action"] == "failover" {
            report["actions"] = json!(["route-to-secondary", "promote-replica"]);
            report["decision"] = json!("promote");
            report["reason"] = json!("promotion-requested");
        }
        (200, report)
    }));
    let mut terminal = Terminal::open(with_keys(PLANNED, &url));
    let before = terminal.until("Type `stopped`");
    assert!(
        before.contains("ParameterName=read_only,ParameterValue=1") && before.contains("CONNECTION_ADMIN"),
        "{before}"
    );
    terminal.press("stopped");
    terminal.until("The lag is 0 s");
    let before = terminal.until("Type `orders-replica`");
    assert!(before.contains("SHOW REPLICA STATUS"), "{before}");
    assert!(sent.try_iter().all(|payload| payload == json!({"action": "status"})));
    terminal.press("orders-replica");
    terminal.until("On the promoted instance");
    assert_eq!(terminal.exit(), 0);
    let order = json!({"action": "failover", "reason": "move", "force": true, "promote": true, "allow_data_loss": true});
    assert_eq!(sent.try_iter().collect::<Vec<_>>(), [order]);
}

#[test]
fn a_planned_failover_with_a_lag_that_stays_says_so_and_leaving_shows_how_to_undo() {
    let (url, sent) = lambda(Then::Answer(|_| {
        let mut report = healthy();
        report["replica"]["lag_seconds"] = json!(7.0);
        (200, report)
    }));
    let mut terminal = Terminal::open(with_keys(PLANNED, &url));
    terminal.until("Type `stopped`");
    terminal.press("stopped");
    terminal.until("THE LAG IS 7 s, NOT 0 s");
    terminal.until("Type `orders-replica`");
    terminal.press("");
    terminal.until("Nothing was sent.");
    terminal.until("{TrueIfReplica}");
    assert_eq!(terminal.exit(), 5);
    assert!(sent.try_iter().all(|payload| payload == json!({"action": "status"})));
}

#[test]
fn a_planned_failover_does_not_start_from_an_unhealthy_primary() {
    let (url, _sent) = lambda(Then::Answer(|_| {
        let mut report = healthy();
        report["primary"]["health"] = json!("unhealthy");
        (200, report)
    }));
    let mut terminal = Terminal::open(with_keys(PLANNED, &url));
    terminal.until("Nothing was sent. The primary is `unhealthy`.");
    assert_eq!(terminal.exit(), 5);
}
