//! What the function changed, from its log: when, who, why, by which rule, and how long traffic stayed away.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use aws_config::timeout::TimeoutConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::args::History;
use crate::credentials::find;
use crate::exit::Exit;
use crate::fault::{Fault, identity};
use crate::invoke::CONNECT;
use crate::reason::folded;
use crate::show::{row, say};
use crate::terminal::{Interrupted, waiting};

/// The lines that can be a row: an answer that names its changes, or a failure. CloudWatch Logs reads only JSON with
/// such a pattern.
pub const PATTERN: &str = r#"{ ($.actions = "*") || ($.error_type = "*") }"#;

/// The failures at which a change was wanted and not made, or not certainly made.
pub const FAILED_CHANGES: [&str; 9] = [
    "ControlPlaneDown",
    "TagWriteFailed",
    "RouteRefused",
    "RouteUnconfirmed",
    "PromotionRefused",
    "PromotionUnconfirmed",
    "FenceRefused",
    "FenceUnconfirmed",
    "VersionConflict",
];

/// CloudWatch Logs answers a page with at most 1 MB of log searched or 10,000 lines: enough for months of ticks.
const PAGES: u32 = 1000;
/// One page takes seconds.
const WAIT: Duration = Duration::from_secs(60);
/// A message quotes AWS and people: more of it is no help in a list.
const MOST: usize = 600;

/// One invocation that changed something, or whose change failed.
#[derive(Debug)]
struct Row {
    at: Timestamp,
    actions: Vec<String>,
    error: Option<String>,
    rule: String,
    /// A person's words, empty where the action takes none; `None` where the function acted by itself.
    requested: Option<String>,
    message: String,
    away: Option<Away>,
}

/// How long traffic stayed on the secondary after a failover.
#[derive(Clone, Copy, Debug)]
enum Away {
    Still,
    Until(Timestamp),
    /// The next failover came without a failback of this function.
    Unknown,
}

/// How far the log was read.
enum Read {
    ToTheEnd,
    /// Why not, in sentences.
    Partly(String),
    Nothing(String),
}

/// Prints the history.
///
/// # Errors
/// The terminal or pipe is gone.
pub async fn print(history: &History) -> io::Result<Exit> {
    let mut errors = io::stderr();
    let group = group(history);
    if history.common.local.is_some() {
        say(&mut errors, "Nothing was read: a local function has no log group.")?;
        return Ok(Exit::NothingSent);
    }
    let sdk = match waiting(|_| "looking for credentials".to_owned(), find(&history.common)).await {
        Ok(Ok(sdk)) => sdk,
        Ok(Err(why)) => {
            say(&mut errors, &format!("The log group {group} was not read. {why}"))?;
            return Ok(Exit::NothingSent);
        }
        Err(Interrupted(_)) => {
            say(&mut errors, "You stopped before the log was read.")?;
            return Ok(Exit::NothingSent);
        }
    };
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(WAIT).build();
    let config = aws_sdk_cloudwatchlogs::config::Builder::from(&sdk).timeout_config(timeouts).build();
    let client = Client::from_conf(config);
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let since = now.checked_sub(history.since).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut rows = Vec::new();
    let reading = read(&client, history, &group, since, &mut rows);
    let read = match waiting(|_| format!("reading {group}"), reading).await {
        Ok(read) => read,
        Err(Interrupted(_)) => Read::Partly("You stopped before its end.".to_owned()),
    };
    if let Read::Nothing(why) = &read {
        say(&mut errors, &format!("The log group {group} was not read. {why}"))?;
        return Ok(Exit::NothingSent);
    }
    rows.sort_by_key(|row| row.at);
    pair(&mut rows);
    let mut out = io::stdout();
    if history.common.json {
        writeln!(out, "{}", Value::Array(rows.iter().map(|row| row.json(now)).collect()))?;
    } else {
        out.write_all(table(&rows, &group, since, now).as_bytes())?;
    }
    match read {
        Read::Partly(why) => {
            say(
                &mut errors,
                &format!("The log group {group} was not read to its end: rows are missing. {why}"),
            )?;
            Ok(Exit::Unknown)
        }
        Read::ToTheEnd | Read::Nothing(_) => Ok(Exit::Done),
    }
}

fn group(history: &History) -> String {
    history.log_group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", history.common.function_name()))
}

/// Reads page after page. CloudWatch Logs also answers empty pages with a token: only a page without one is the last.
async fn read(
    client: &Client,
    history: &History,
    group: &str,
    since: Timestamp,
    rows: &mut Vec<Row>,
) -> Read {
    let mut token: Option<String> = None;
    for page in 0..PAGES {
        let request = client
            .filter_log_events()
            .log_group_name(group)
            .start_time(since.as_millisecond())
            .filter_pattern(PATTERN)
            .set_next_token(token.take());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let why = match Fault::of("CloudWatch Logs", WAIT, &error) {
                    Fault::Refused { code, message } => refusal(history, group, &code, &message),
                    Fault::NotSent(why) | Fault::Lost(why) => format!("{why} Run the same command again."),
                };
                return if page == 0 { Read::Nothing(why) } else { Read::Partly(why) };
            }
        };
        rows.extend(answer.events().iter().filter_map(Row::of));
        token = answer.next_token().map(str::to_owned);
        if token.is_none() {
            return Read::ToTheEnd;
        }
    }
    Read::Partly(format!("{PAGES} pages are the most that is read at once. Pass a shorter --since."))
}

fn refusal(history: &History, group: &str, code: &str, message: &str) -> String {
    let permission = format!("logs:FilterLogEvents on {group}");
    identity(&history.common, code, message, &permission).unwrap_or_else(|| match code {
        "ResourceNotFoundException" => format!(
            "There is no such log group in this account and region. Check --function, --region and --profile; if the function logs elsewhere (`aws lambda get-function-configuration --function-name {} --query LoggingConfig.LogGroup`), pass --log-group.",
            history.common.function
        ),
        "ThrottlingException" => format!("{code}: {message}. Run the same command again."),
        _ => format!("{code}: {message}."),
    })
}

impl Row {
    /// A line of the log as a row, if it is one.
    fn of(event: &FilteredLogEvent) -> Option<Self> {
        let line: Value = serde_json::from_str(event.message()?).ok()?;
        let text = |field: &str| line[field].as_str().map(|text| folded(text, MOST));
        let actions: Vec<_> =
            text("actions")?.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let error = text("error_type").filter(|kind| !kind.is_empty());
        let failed = error.as_ref().is_some_and(|error| FAILED_CHANGES.contains(&error.as_str()));
        (failed || !actions.is_empty()).then_some(())?;
        Some(Self {
            at: Timestamp::from_millisecond(event.timestamp()?).ok()?,
            actions,
            error,
            rule: text("reason").unwrap_or_default(),
            requested: text("requested"),
            message: text("message").unwrap_or_default(),
            away: None,
        })
    }

    fn did(&self, action: &str) -> bool {
        self.actions.iter().any(|done| done == action)
    }

    fn who(&self) -> String {
        match self.requested.as_deref() {
            None => "the function".to_owned(),
            Some("") => "a person".to_owned(),
            Some(reason) => format!("a person: {reason}"),
        }
    }

    fn json(&self, now: Timestamp) -> Value {
        let (until, seconds) = match self.away {
            Some(Away::Until(until)) => {
                (Some(until.to_string()), Some(until.duration_since(self.at).as_secs()))
            }
            Some(Away::Still) => (None, Some(now.duration_since(self.at).as_secs())),
            Some(Away::Unknown) | None => (None, None),
        };
        json!({
            "at": self.at.to_string(), "actions": self.actions, "error": self.error, "rule": self.rule,
            "by": if self.requested.is_some() { "operator" } else { "auto" }, "requested": self.requested,
            "message": self.message, "on_secondary_until": until, "on_secondary_seconds": seconds,
        })
    }
}

/// Finds the end of each stay on the secondary.
fn pair(rows: &mut [Row]) {
    let mut end = Away::Still;
    for row in rows.iter_mut().rev() {
        if row.did("route-to-primary") {
            end = Away::Until(row.at);
        } else if row.did("route-to-secondary") {
            row.away = Some(end);
            end = Away::Unknown;
        }
    }
}

fn table(rows: &[Row], group: &str, since: Timestamp, now: Timestamp) -> String {
    if rows.is_empty() {
        return crate::show::lines(
            "",
            &format!(
                "The function changed nothing since {since:.0}, as far as {group} says. With LogLevel above INFO it logs failures only."
            ),
        );
    }
    let mut out = format!("\nHISTORY since {since:.0}, oldest first\n");
    for line in rows {
        out.push_str(&format!("\n{:.0}\n", line.at));
        let did = if line.actions.is_empty() { "nothing".to_owned() } else { line.actions.join(", ") };
        row(&mut out, "Changed", &did);
        if let Some(error) = &line.error {
            row(&mut out, "FAILED", error);
        }
        row(&mut out, "Who", &line.who());
        row(&mut out, "Rule", &line.rule);
        row(&mut out, "Why", &line.message);
        let passed = |until: Timestamp| {
            let whole = SignedDuration::from_secs(until.duration_since(line.at).as_secs());
            format!("{whole:#}")
        };
        match line.away {
            None => {}
            Some(Away::Until(until)) => {
                row(&mut out, "On secondary", &format!("for {}, until {until:.0}", passed(until)));
            }
            Some(Away::Still) => {
                row(&mut out, "On secondary", &format!("still, for {}: no failback is logged", passed(now)));
            }
            Some(Away::Unknown) => {
                row(
                    &mut out,
                    "On secondary",
                    "for an unknown time: the failback was made outside this function",
                );
            }
        }
    }
    out
}
