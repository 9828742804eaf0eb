//! The answer as a table for a tired reader, and what it is worth as an exit code.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::args::Command;
use crate::invoke::Answer;

const WIDTH: usize = 90;
const LABEL: usize = 14;

/// The exit codes of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, healthy, ready.
    Done = 0,
    /// Refused, not healthy, not ready.
    Refused = 1,
    /// Nothing was sent, for want of something on the command line.
    Usage = 2,
    /// The function failed.
    Failed = 3,
    /// No answer.
    Unreachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints an answer.
pub fn answer(
    command: &Command,
    answer: &Answer,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<Exit> {
    let json = command.common().json;
    match answer {
        Answer::Done(report) => {
            if json {
                writeln!(out, "{report}")?;
            } else {
                write!(out, "{}", table(command.name(), report))?;
            }
            return Ok(worth(command, report));
        }
        Answer::Failed(failure) => {
            if json {
                writeln!(out, "{failure}")?;
            }
            writeln!(errors, "The function failed: {}", text(&failure["errorType"]))?;
            write!(errors, "{}", lines("  ", &text(&failure["errorMessage"])))?;
            writeln!(errors, "What it means and what to do: docs/runbook.md, \"When an invocation fails\".")?;
            return Ok(Exit::Failed);
        }
        Answer::NotSent(why) => {
            writeln!(errors, "The function could not be reached, nothing was ordered: {why}")?
        }
        Answer::Lost(why) if command.reads() => writeln!(errors, "The function gave no answer: {why}")?,
        Answer::Lost(why) => writeln!(
            errors,
            "No answer, and whether the order was carried out is unknown: ask for `status` before you repeat it. {why}"
        )?,
    }
    Ok(Exit::Unreachable)
}

/// What an answer is worth.
pub fn worth(command: &Command, report: &Value) -> Exit {
    let reason = report["reason"].as_str().unwrap_or_default();
    let did = |action: &str| {
        report["actions"].as_array().is_some_and(|actions| actions.iter().any(|done| done == action))
    };
    let acts = report["mode"] == "act";
    let done = match command {
        Command::Status(_) => reason == "primary-healthy",
        Command::Check(_) => report["ready"] == true,
        Command::Failover { promote: true, .. } => {
            did("promote-replica") || matches!(reason, "promotion-in-progress" | "replica-promoted")
        }
        Command::Failover { promote: false, .. } => {
            did("route-to-secondary") || reason == "already-on-secondary"
        }
        Command::Failback { .. } => did("route-to-primary") || reason == "already-on-primary",
        Command::Pause { .. } => acts && reason == "paused",
        Command::Resume(_) => acts && reason == "resumed",
    };
    if done { Exit::Done } else { Exit::Refused }
}

/// The answer as a table.
pub fn table(title: &str, report: &Value) -> String {
    let mut out = format!("\n{}\n", title.to_uppercase());
    if let Some(ready) = report["ready"].as_bool() {
        row(&mut out, "Ready", if ready { "yes" } else { "NO" });
    }
    row(&mut out, "Decision", &format!("{}  ({})", text(&report["decision"]), text(&report["reason"])));
    row(&mut out, "", &text(&report["message"]));
    let primary = &report["primary"];
    row(&mut out, "Primary", &cells(&[&primary["id"], &primary["status"], &primary["health"]]));
    let replica = &report["replica"];
    if replica.is_object() {
        let lag = replica["lag_seconds"].as_f64();
        let lag = lag.map_or_else(|| "lag unknown".to_owned(), |lag| format!("lag {lag} s"));
        row(
            &mut out,
            "Replica",
            &format!("{}  {lag}", cells(&[&replica["id"], &replica["status"], &replica["role"]])),
        );
    } else {
        row(&mut out, "Replica", "none configured");
    }
    let check = &report["health_check"];
    let by = check["by"].as_str().map(|by| format!("  set by {by}")).unwrap_or_default();
    row(
        &mut out,
        "Health check",
        &format!("{}  version {}{by}", cells(&[&check["id"], &check["state"]]), text(&check["version"])),
    );
    row(&mut out, "Traffic", traffic(check["state"].as_str()));
    let actions: Vec<String> = report["actions"].as_array().into_iter().flatten().map(text).collect();
    let changed = if actions.is_empty() { "nothing".to_owned() } else { actions.join(", ") };
    row(&mut out, "Changed", &changed);
    if report["mode"] == "observe" {
        row(&mut out, "Mode", "observe: the function changes nothing");
    }
    findings(&mut out, report);
    out
}

fn traffic(state: Option<&str>) -> &'static str {
    match state {
        Some("normal") => "primary record, unless the check itself fails",
        Some("forced-unhealthy") => "secondary record",
        Some("foreign") => "unclear: one flag of the check was set alone, by somebody else",
        _ => "unknown",
    }
}

fn findings(out: &mut String, report: &Value) {
    let Some(findings) = report["findings"].as_array() else { return };
    let of =
        |level: &str| findings.iter().filter(move |finding| finding["level"] == level).collect::<Vec<_>>();
    out.push_str("\nFINDINGS\n");
    for level in ["fail", "warn"] {
        for finding in of(level) {
            row(
                out,
                &level.to_uppercase(),
                &format!("{}: {}", text(&finding["id"]), text(&finding["message"])),
            );
            row(out, "", &format!("fix: {}", text(&finding["fix"])));
        }
    }
    let passed: Vec<String> = of("pass").into_iter().map(|finding| text(&finding["id"])).collect();
    row(out, "pass", &passed.join(", "));
}

fn row(out: &mut String, label: &str, value: &str) {
    out.push_str(&lines(&format!("{label:<LABEL$}"), value));
}

/// Wraps words behind a head.
pub fn lines(head: &str, words: &str) -> String {
    let indent = " ".repeat(head.len());
    let options =
        textwrap::Options::new(WIDTH).initial_indent(head).subsequent_indent(&indent).break_words(false);
    let mut out = String::new();
    for line in textwrap::wrap(words, options) {
        // Writing to a string can't fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn cells(values: &[&Value]) -> String {
    values.iter().map(|value| text(value)).collect::<Vec<_>>().join("  ")
}

/// A value without quotation marks; nothing for null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
