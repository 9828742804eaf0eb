//! Before traffic is moved: the consequences in words, and the question.

use std::io::{self, BufRead, Write};

use serde_json::Value;

use crate::args::Command;
use crate::show::{lines, text};

/// Asks, and says whether the answer was yes. A promotion is confirmed by the replica's name: nobody types that by
/// habit.
pub fn confirmed(
    command: &Command,
    status: &Value,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<bool> {
    writeln!(out, "\nThis order:")?;
    for consequence in consequences(command, status) {
        write!(out, "{}", lines("  - ", &consequence))?;
    }
    let replica = text(&status["replica"]["id"]);
    let promotes = matches!(command, Command::Failover { promote: true, .. });
    let expected = if promotes && !replica.is_empty() { replica } else { "yes".to_owned() };
    write!(out, "\nType `{expected}` to send it, anything else to leave all as it is: ")?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == expected)
}

fn consequences(command: &Command, status: &Value) -> Vec<String> {
    let primary = text(&status["primary"]["id"]);
    let replica = match text(&status["replica"]["id"]) {
        id if id.is_empty() => "the secondary".to_owned(),
        id => id,
    };
    let mut all = Vec::new();
    match command {
        Command::Failover { force, promote, allow_data_loss, .. } => {
            all.push(format!(
                "Route 53 answers with the secondary record ({replica}); clients follow as their DNS caches expire, and open connections stay where they are."
            ));
            all.push("Traffic goes back by an order only, never by itself.".to_owned());
            if *promote {
                let lag = status["replica"]["lag_seconds"].as_f64();
                let lag = lag.map_or_else(|| "an unknown lag".to_owned(), |lag| format!("a lag of {lag} s"));
                all.push(format!(
                    "IRREVERSIBLE: {replica} is promoted and leaves {primary} for good. What it has not received by then is lost; status shows {lag}."
                ));
                all.push(format!(
                    "{primary} is stale from then on: keep writes away from it, and rebuild a replica (docs/runbook.md)."
                ));
            } else {
                all.push(format!("Nothing is promoted: while {replica} is a read replica, writes fail."));
            }
            if *allow_data_loss {
                all.push("--allow-data-loss: the replica is promoted whatever its lag is.".to_owned());
            }
            if *force {
                all.push(
                    "--force: it happens even if the primary is healthy, unknown or in its cooldown, or the replica is unfit to serve."
                        .to_owned(),
                );
            }
        }
        Command::Failback { force, .. } => {
            all.push(format!(
                "Route 53 answers with the primary record again ({primary}), for reads and writes."
            ));
            all.push("For the time of COOLDOWN no automatic failover follows.".to_owned());
            if *force {
                all.push(format!(
                    "--force: it happens even if {primary} is unhealthy or stale. If another instance was promoted, what was written there since is not on {primary}."
                ));
            }
        }
        Command::Status(_) | Command::Check(_) | Command::Pause { .. } | Command::Resume(_) => {}
    }
    all
}
