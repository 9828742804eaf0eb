#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
//! The binary, as a person starts it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn the_binary_says_where_it_listens_and_does_what_it_is_told() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello: serde_json::Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
    assert!(hello["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let mut ask = |command: &str| {
        writeln!(input, "{command}").unwrap();
        output.next().unwrap().unwrap()
    };
    assert!(ask("dns").starts_with("orders-primary."));
    assert_eq!(ask("flags true true"), "ok");
    assert!(ask("dns").starts_with("orders-replica."));
    assert_eq!(ask("status orders-primary storage-full"), "ok");
    assert_eq!(ask("status nobody failed"), "there is no instance nobody");
    writeln!(input, "quit").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_binary_lets_an_agent_promote_and_refuses_an_option_that_it_does_not_know() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .args(["--agent", "--limit-requests"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    output.next().unwrap().unwrap();
    let mut ask = |command: &str| {
        writeln!(input, "{command}").unwrap();
        output.next().unwrap().unwrap()
    };
    assert_eq!(ask("work"), "null");
    assert_eq!(ask("flags true true"), "ok");
    let flags: serde_json::Value = serde_json::from_str(&ask("flags")).unwrap();
    assert_eq!(
        flags,
        serde_json::json!({ "disabled": true, "inverted": true, "version": 2, "healthy": false })
    );
    assert_eq!(ask("connections orders-primary 12"), "ok");
    assert_eq!(ask("replication orders-replica terminated"), "ok");
    assert_eq!(ask("promoted nobody"), "there is no instance nobody");
    writeln!(input, "quit").unwrap();
    assert!(child.wait().unwrap().success());
    let refused = Command::new(env!("CARGO_BIN_EXE_emulator")).arg("--agnet").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("unknown option `--agnet`"));
}
