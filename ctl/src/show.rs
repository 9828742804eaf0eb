//! The answer as a table for a tired reader.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::Value;

use crate::args::Command;
use crate::exit::Exit;
use crate::invoke::Answer;
use crate::reason::folded;
use crate::run::status_command;

const WIDTH: usize = 80;
const LABEL: usize = 14;

/// Prints an answer.
///
/// # Errors
/// The terminal or pipe is gone.
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
            Ok(Exit::of(command, report))
        }
        Answer::Failed(failure) => {
            if json {
                writeln!(out, "{failure}")?;
            }
            let kind = text(&failure["errorType"]);
            say(errors, &format!("The function failed: {kind}"))?;
            write!(errors, "{}", lines("  ", &text(&failure["errorMessage"])))?;
            // Lambda's own words, not the function's: it was ended from outside.
            if !command.reads() && (kind.contains("Timedout") || kind.starts_with("Runtime.")) {
                say(
                    errors,
                    &format!(
                        "It was cut off, and may have changed something before. Run `{}`.",
                        status_command(command)
                    ),
                )?;
            }
            say(errors, "What it means and what to do: docs/runbook.md, \"When an invocation fails\".")?;
            Ok(Exit::Failed)
        }
        Answer::NotSent(why) => {
            say(errors, &format!("Nothing was sent. {why}"))?;
            Ok(Exit::NothingSent)
        }
        Answer::Lost(why) if command.reads() => {
            say(errors, &format!("No answer. {why} `{}` changes nothing.", command.name()))?;
            Ok(Exit::Unknown)
        }
        Answer::Lost(why) => {
            say(
                errors,
                &format!(
                    "UNKNOWN: the function may have carried out `{}`. {why} Run `{}` before you repeat it.",
                    command.name(),
                    status_command(command)
                ),
            )?;
            Ok(Exit::Unknown)
        }
    }
}

/// A paragraph.
///
/// # Errors
/// The terminal or pipe is gone.
pub fn say(out: &mut impl Write, words: &str) -> io::Result<()> {
    out.write_all(lines("", words).as_bytes())
}

/// The answer as a table.
pub fn table(title: &str, report: &Value) -> String {
    let mut out = format!("\n{}\n", title.to_uppercase());
    row(&mut out, "Automatic", &automatic(report));
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
    if let Some(dns) = report["dns"].as_str() {
        row(&mut out, "DNS answers", dns);
    }
    for (label, field) in
        [("Unhealthy", "unhealthy_since"), ("Routed", "routed_at"), ("Promoted", "promoted_at")]
    {
        if let Some(time) = report["times"][field].as_str() {
            row(
                &mut out,
                label,
                &format!("{}{time}", if field == "unhealthy_since" { "since " } else { "at " }),
            );
        }
    }
    let actions: Vec<String> = report["actions"].as_array().into_iter().flatten().map(text).collect();
    let changed = if actions.is_empty() { "nothing".to_owned() } else { actions.join(", ") };
    row(&mut out, "Changed", &changed);
    findings(&mut out, report);
    rules(&mut out, report);
    out
}

/// Whether the function would act by itself, and everything that keeps it: what a person asks first.
fn automatic(report: &Value) -> String {
    let holds = |code: &str| {
        let rules = report["rules"].as_array();
        report["reason"] == code
            || rules.is_some_and(|rules| {
                rules.iter().any(|rule| rule["code"] == code && rule["applies"] == "yes")
            })
    };
    let mut all = Vec::new();
    if report["mode"] == "observe" {
        all.push("OFF: MODE=observe, the function changes nothing.".to_owned());
    }
    let pause = &report["pause"];
    if pause.is_object() {
        let until = match pause["until"].as_str() {
            Some(until) => format!("until {until}"),
            None => "until `ctl resume`".to_owned(),
        };
        let reason = match text(&pause["reason"]) {
            reason if reason.is_empty() => "no reason given".to_owned(),
            reason => folded(&reason, 200),
        };
        all.push(format!("PAUSED by a person {until}: {reason}."));
    } else if holds("paused") {
        all.push("PAUSED: nothing changes until `ctl resume`, or the pause ends.".to_owned());
    }
    if let Some(until) = report["times"]["cooldown_until"].as_str() {
        all.push(format!("IN COOLDOWN until {until}: no automatic failover."));
    } else if holds("cooldown") {
        all.push("IN COOLDOWN: no automatic failover until it ends.".to_owned());
    }
    if all.is_empty() { "on".to_owned() } else { all.join(" ") }
}

fn traffic(state: Option<&str>) -> &'static str {
    match state {
        Some("normal") => "primary record, unless the check itself fails",
        Some("forced-unhealthy") => "secondary record",
        Some("foreign") => "unclear: somebody set only one flag of the check",
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
    if !passed.is_empty() {
        row(out, "pass", &passed.join(", "));
    }
}

/// Why not? Every rule of the section, with whether it applies.
fn rules(out: &mut String, report: &Value) {
    let Some(rules) = report["rules"].as_array().filter(|rules| !rules.is_empty()) else { return };
    out.push_str("\nRULES, first match decides\n");
    for rule in rules {
        let applies = match rule["applies"].as_str() {
            Some("yes") => "YES",
            Some("not-read") => "not read",
            Some(applies) => applies,
            None => "?",
        };
        let (code, when) = (text(&rule["code"]), text(&rule["when"]));
        row(out, applies, &if when.is_empty() { code } else { format!("{code}: {when}") });
    }
}

/// A labelled line of a table.
pub fn row(out: &mut String, label: &str, value: &str) {
    out.push_str(&lines(&format!("{label:<LABEL$}"), value));
}

/// Wraps words after a head.
pub fn lines(head: &str, words: &str) -> String {
    let indent = " ".repeat(head.len());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(head)
        .subsequent_indent(&indent)
        .break_words(false)
        // An identifier or endpoint that is split at a hyphen can't be copied.
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
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
