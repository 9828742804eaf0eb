#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
//! The binary, as a person starts it.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Started {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// The binary with these options, and the first line that it says.
fn started(options: &[&str]) -> (Started, serde_json::Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_emulator"))
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
    (Started { child, input, output }, hello)
}

impl Started {
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        self.output.next().unwrap().unwrap()
    }

    fn quit(mut self) {
        writeln!(self.input, "quit").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn the_binary_says_where_it_listens_and_does_what_it_is_told() {
    let (mut started, hello) = started(&[]);
    let mut ask = |command: &str| started.ask(command);
    assert!(hello["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(ask("dns").starts_with("orders-primary."));
    assert_eq!(ask("flags true true"), "ok");
    assert!(ask("dns").starts_with("orders-replica."));
    assert_eq!(ask("status orders-primary storage-full"), "ok");
    assert_eq!(ask("status nobody failed"), "there is no instance nobody");
    started.quit();
}

#[test]
fn the_binary_says_the_flags_as_json_and_refuses_an_option_that_it_does_not_know() {
    let (mut started, _) = started(&["--limit-requests"]);
    let mut ask = |command: &str| started.ask(command);
    assert_eq!(ask("flags true true"), "ok");
    let flags: serde_json::Value = serde_json::from_str(&ask("flags")).unwrap();
    assert_eq!(
        flags,
        serde_json::json!({ "disabled": true, "inverted": true, "version": 2, "healthy": false })
    );
    assert_eq!(ask("promoted nobody"), "there is no instance nobody");
    started.quit();
    let refused = Command::new(env!("CARGO_BIN_EXE_emulator")).arg("--limt-requests").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("unexpected argument '--limt-requests'"));
}
