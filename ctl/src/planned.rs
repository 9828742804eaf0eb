//! The planned way without loss: stop the writes, wait until the replica has everything, then fail over and promote.
//! The client can't reach the database, so a person runs the statements and says what came out.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::args::{Command, Failover};
use crate::ask;
use crate::engine::{Engine, Way};
use crate::exit::Exit;
use crate::invoke::{Answer, Function};
use crate::run::{nothing_sent, send, status};
use crate::show::{self, lines, text};
use crate::terminal::{Interrupted, asked, waiting};

/// Between two looks at the lag: CloudWatch has a new sample once a minute.
const LOOK: Duration = Duration::from_secs(10);

/// Walks a person through it.
///
/// # Errors
/// The terminal is gone.
pub async fn walk(
    function: &Function<'_>,
    command: &Command,
    failover: &Failover,
    engine: Engine,
) -> io::Result<Exit> {
    let way = engine.way();
    let mut out = io::stderr();
    let report = match status(function).await {
        Ok(Answer::Done(report)) => report,
        Ok(answer) => return show::answer(command, &answer, &mut io::stdout(), &mut out),
        Err(Interrupted(_)) => return nothing_sent("You stopped before the request was sent."),
    };
    out.write_all(show::table("status", &report).as_bytes())?;
    if let Some(why) = unsuited(&report) {
        return nothing_sent(&format!(
            "{why} The planned way starts with a healthy primary in service, and a replica."
        ));
    }
    list(&mut out, "1. Stop the writes on the primary", way.stop)?;
    list(&mut out, "What it costs, and can't do", way.limits)?;
    list(&mut out, "It works when", &[way.proof])?;
    let question = "Type `stopped` when writes are refused, anything else to leave: ";
    if asked(question).await?.as_deref() != Some("stopped") {
        return leave("You left before the request was sent.", way);
    }
    writeln!(out, "\n2. Wait for the replica")?;
    let lag = match waiting(|passed| waiting_for(failover, passed), lag_of_zero(function, failover)).await {
        Ok(Ok(lag)) => lag,
        Ok(Err(why)) => return leave(&why, way),
        Err(Interrupted(_)) => return leave("You stopped before the request was sent.", way),
    };
    show::say(&mut out, &lag)?;
    list(
        &mut out,
        "Compare the two sides: 0 s behind means that all it received is applied, no more",
        way.compare,
    )?;
    list(&mut out, "Nothing is lost when", &[way.equal])?;
    let expected = ask::consent(command, &report);
    let question =
        format!("3. Type `{expected}` to fail over and promote it, irreversibly; anything else to leave: ");
    if asked(&question).await? != Some(expected) {
        return leave("You left before the request was sent.", way);
    }
    let exit = send(function, command).await?;
    if exit == Exit::Done {
        list(&mut out, "4. On the promoted instance", &[way.after])?;
        show::say(
            &mut out,
            "Leave the old primary as it is: it is stale. Go on with docs/runbook.md, \"The replica was promoted\".",
        )?;
    } else {
        show::say(
            &mut out,
            "The primary still refuses writes. If nothing was promoted (see status), undo that:",
        )?;
        list(&mut out, "Undo", way.undo)?;
    }
    Ok(exit)
}

/// Why the planned way can't start here.
fn unsuited(report: &Value) -> Option<String> {
    let (replica, check, primary) = (&report["replica"], &report["health_check"], &report["primary"]);
    if report["mode"] == "observe" {
        Some("MODE=observe: the function changes nothing.".to_owned())
    } else if replica["role"] != "replica" {
        Some("There is no replica that replicates from this primary.".to_owned())
    } else if check["state"] != "normal" {
        Some(format!(
            "The health check is `{}`, so traffic is not plainly on the primary.",
            text(&check["state"])
        ))
    } else if primary["health"] != "healthy" {
        Some(format!("The primary is `{}`.", text(&primary["health"])))
    } else {
        None
    }
}

/// Looks until the lag is 0 and the writes stopped long enough ago for CloudWatch to know, or patience ends.
async fn lag_of_zero(function: &Function<'_>, failover: &Failover) -> Result<String, String> {
    let began = Instant::now();
    loop {
        let answer = function.invoke(serde_json::json!({"action": "status"})).await;
        let lag = match &answer {
            Answer::Done(report) => match unsuited(report) {
                // A probe that writes sees an outage now: the function may have acted on it.
                Some(why) => return Err(format!("{why} Something changed meanwhile: run status.")),
                None => report["replica"]["lag_seconds"].as_f64(),
            },
            // One answer may fail: the next look asks again.
            Answer::Failed(_) | Answer::Lost(_) => None,
            Answer::NotSent(why) => return Err(why.clone()),
        };
        let passed = began.elapsed();
        if lag == Some(0.0) && passed >= failover.settle {
            return Ok(format!("The lag is 0 s, {} s after the writes stopped.", passed.as_secs()));
        }
        if passed >= failover.patience {
            let lag = lag.map_or_else(|| "unknown".to_owned(), |lag| format!("{lag} s"));
            return Ok(format!(
                "AFTER {} s THE LAG IS {lag}, NOT 0 s. Go on only if the comparison below says that everything has arrived.",
                passed.as_secs()
            ));
        }
        tokio::time::sleep(LOOK.min(failover.settle)).await;
    }
}

fn waiting_for(failover: &Failover, passed: Duration) -> String {
    if passed < failover.settle {
        format!("waiting for a lag of 0 s measured after the writes stopped: {} s", failover.settle.as_secs())
    } else {
        format!("waiting for a lag of 0 s, at most {} s", failover.patience.as_secs())
    }
}

/// Nothing was sent, but the writes may have been stopped.
fn leave(why: &str, way: &Way) -> io::Result<Exit> {
    let exit = nothing_sent(why)?;
    list(&mut io::stderr(), "If you stopped the writes, undo that", way.undo)?;
    Ok(exit)
}

fn list(out: &mut impl Write, head: &str, items: &[&str]) -> io::Result<()> {
    writeln!(out, "\n{head}:")?;
    for item in items {
        // What is pasted into a shell or a client stays one line.
        let pasted = item.starts_with(|c: char| c.is_ascii_uppercase()) && item.contains(';')
            || item.starts_with("aws ");
        let pasted = pasted || item.starts_with("EXEC ") || item.starts_with("SHOW ");
        if pasted { writeln!(out, "  {item}")? } else { write!(out, "{}", lines("  - ", item))? }
    }
    Ok(())
}
