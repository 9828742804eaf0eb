//! What an answer is worth, as an exit code.

use std::process::ExitCode;

use serde_json::Value;

use crate::args::{Command, Failover};

/// The exit codes of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or already so.
    Done = 0,
    /// The function answered, and did not do what was requested.
    Refused = 1,
    /// The function failed.
    Failed = 3,
    /// Whether the request arrived, or what came of it, is unknown.
    Unknown = 4,
    /// The request certainly did not reach the function.
    NothingSent = 5,
    /// Not ready, not healthy.
    NotReady = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What the function's answer to a command is worth.
    pub fn of(command: &Command, report: &Value) -> Self {
        let reason = report["reason"].as_str().unwrap_or_default();
        let did = |action: &str| {
            report["actions"].as_array().is_some_and(|actions| actions.iter().any(|done| done == action))
        };
        let acts = report["mode"] == "act";
        let (done, otherwise) = match command {
            Command::Status(_) | Command::Tick(_) => (reason == "primary-healthy", Self::NotReady),
            Command::Check(_) => (report["ready"] == true, Self::NotReady),
            Command::Failover(Failover { promote, planned, .. }) if *promote || *planned => (
                did("promote-replica") || matches!(reason, "promotion-in-progress" | "replica-promoted"),
                Self::Refused,
            ),
            Command::Failover(_) => {
                (did("route-to-secondary") || reason == "already-on-secondary", Self::Refused)
            }
            Command::Failback { .. } => {
                (did("route-to-primary") || reason == "already-on-primary", Self::Refused)
            }
            Command::Pause { .. } => (acts && reason == "paused", Self::Refused),
            // Neither is an answer of the function.
            Command::History(_) | Command::Rebuild(_) => (false, Self::Unknown),
            Command::Resume(_) => (acts && reason == "resumed", Self::Refused),
        };
        if done { Self::Done } else { otherwise }
    }
}
