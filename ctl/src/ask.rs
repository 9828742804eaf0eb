//! Before traffic is moved: what to expect of the request, in words.

use serde_json::Value;

use crate::args::{Command, Failover};
use crate::show::{lines, text};

/// What must be typed to send it. A promotion is confirmed with the replica's name: nobody types that by habit.
pub fn consent(command: &Command, status: &Value) -> String {
    let promotes =
        matches!(command, Command::Failover(Failover { promote, planned, .. }) if *promote || *planned);
    match text(&status["replica"]["id"]) {
        _ if !promotes => "yes".to_owned(),
        id if id.is_empty() => "promote".to_owned(),
        id => id,
    }
}

/// What the command changes and what refuses it, as far as `status` tells.
pub fn expectations(command: &Command, status: &Value) -> String {
    let mut out = "\nIf you send this:\n".to_owned();
    for consequence in consequences(command, status) {
        out.push_str(&lines("  - ", &consequence));
    }
    let refusals = refusals(command, status);
    if !refusals.is_empty() {
        out.push_str("\nExpect a refusal:\n");
        for refusal in refusals {
            out.push_str(&lines("  - ", &refusal));
        }
    }
    out
}

fn names(status: &Value) -> (String, String) {
    let or = |value: &Value, otherwise: &str| match text(value) {
        id if id.is_empty() => otherwise.to_owned(),
        id => id,
    };
    (or(&status["primary"]["id"], "the primary"), or(&status["replica"]["id"], "the secondary"))
}

fn consequences(command: &Command, status: &Value) -> Vec<String> {
    let (primary, replica) = names(status);
    let available = status["primary"]["status"] == "available";
    let mut all = Vec::new();
    if let Command::Failover(Failover { force, promote, allow_data_loss, .. }) = command {
        all.push(format!(
            "DNS answers with the secondary record ({replica}). Clients follow as their DNS caches expire. Open connections stay where they are."
        ));
        all.push("Traffic does not return by itself: that takes `ctl failback`.".to_owned());
        if *promote {
            let lag = status["replica"]["lag_seconds"].as_f64();
            let lag = lag.map_or_else(|| "unknown".to_owned(), |lag| format!("{lag} s"));
            let writes =
                if available { ", and whatever clients still write over open connections" } else { "" };
            all.push(format!(
                "IRREVERSIBLE: {replica} is promoted and leaves {primary} for good. What it has not received is lost: at least its lag ({lag}){writes}."
            ));
            all.push(format!(
                "{primary} is stale from then on. Keep writers away from it, and rebuild a replica (docs/runbook.md)."
            ));
            all.push("RDS accepts a promotion in seconds and takes minutes to complete it.".to_owned());
        } else {
            all.push(format!("Nothing is promoted: while {replica} is a read replica, writes fail."));
        }
        if *allow_data_loss {
            all.push("--allow-data-loss: the replica is promoted whatever its lag is.".to_owned());
        }
        if *force {
            all.push(
                    "--force: it happens even if the primary is healthy or unknown, or the replica is not fit to serve."
                        .to_owned(),
                );
        }
        all.push("A cooldown does not hold you up: it binds automatic failovers only.".to_owned());
        all.push(
            "The answer takes seconds, or up to a minute or so while the function confirms an outage."
                .to_owned(),
        );
    } else if let Command::Failback { force, .. } = command {
        all.push(format!("DNS answers with the primary record again ({primary}), for reads and writes."));
        all.push("No automatic failover follows for the length of COOLDOWN.".to_owned());
        if *force {
            all.push(format!(
                "--force: it happens even if {primary} is unhealthy or stale. If another instance was promoted, what was written there since is not on {primary}."
            ));
        }
    }
    all
}

/// What the function would say no to, as far as `status` tells: better before the wait than after it.
fn refusals(command: &Command, status: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let mut expect = |applies: bool, words: &str| {
        if applies {
            all.push(words.to_owned());
        }
    };
    let check = &status["health_check"];
    let forced = check["state"] == "forced-unhealthy";
    let health = &status["primary"]["health"];
    let role = status["replica"]["role"].as_str();
    let applies = |code: &str| {
        let rules = status["rules"].as_array();
        rules.is_some_and(|rules| rules.iter().any(|rule| rule["code"] == code && rule["applies"] == "yes"))
    };
    expect(status["mode"] == "observe", "MODE=observe: the function reports and changes nothing.");
    expect(
        check["state"] == "foreign",
        "Somebody set only one flag of the health check. The function leaves such a check alone; --force does not help.",
    );
    if let Command::Failover(Failover { force, promote, allow_data_loss, .. }) = command {
        let available = status["primary"]["status"] == "available";
        expect(
            check["state"] == "normal" && !force && health.is_string() && health != "unhealthy",
            "The primary is not unhealthy. To fail over anyway, pass --force.",
        );
        expect(
            applies("replica-not-fit") && !force,
            "The replica is not fit to serve. To use it as it is, pass --force.",
        );
        expect(
            forced && !promote && check["by"] == "auto",
            "The function itself moved traffic already. It returns by itself once the primary is healthy; `ctl pause` keeps it on the secondary.",
        );
        expect(
            *promote && available && !(*force && *allow_data_loss),
            "RDS calls the primary `available`: a promotion then requires --force and --allow-data-loss. To lose nothing, use --planned.",
        );
        expect(
            *promote && !allow_data_loss && role.is_some() && status["replica"]["lag_seconds"].is_null(),
            "The replica's lag is unknown. To promote anyway, pass --allow-data-loss.",
        );
        expect(*promote && status.is_object() && role.is_none(), "No replica is configured to promote.");
        expect(*promote && role == Some("promoted"), "The replica is promoted already.");
    } else if let Command::Failback { force, .. } = command {
        expect(check["state"] == "normal", "Traffic is already on the primary: nothing to fail back.");
        expect(
            !force && health.is_string() && health != "healthy",
            "The primary is not healthy. Pass --force only if it holds the current data.",
        );
        expect(
            !force && role.is_some_and(|role| role != "replica"),
            "The replica does not replicate from this primary. After a promotion, follow docs/runbook.md first.",
        );
        expect(
            !force && forced && check["by"].is_null(),
            "The health check was set outside this function. To take that back, pass --force.",
        );
    }
    all
}
