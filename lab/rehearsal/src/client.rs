//! The PHP clients, as processes on the application's host.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::net::APP;
use crate::process::on;
use crate::record::{Record, What};

/// How a client connects and retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Five retries, pauses doubling from one second, PDO's defaults.
    Common,
    /// `examples/resilient_client.php`.
    Resilient,
}

impl Loop {
    pub fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Resilient => "resilient",
        }
    }
}

/// What a client connects to.
#[derive(Clone, Debug)]
pub struct Target {
    pub dsn: String,
    pub user: String,
    pub password: String,
    /// A query whose answer names the server.
    pub which: String,
    /// The server's host for each answer.
    pub servers: BTreeMap<String, String>,
}

/// One line of a client.
#[derive(Deserialize)]
struct Line {
    t: f64,
    kind: String,
    client: String,
    #[serde(default)]
    n: u64,
    #[serde(default)]
    server: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Where the PHP files are: in the source tree, which the binary was built from.
const PHP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/php/client.php");
const RESILIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/resilient_client.php");

/// Starts a client that writes rows, or reads, until it is dropped.
pub fn start(
    name: &str,
    retries: Loop,
    mode: &str,
    options: &[&str],
    target: &Target,
    log: &Path,
    record: Arc<Record>,
) -> Result<Child> {
    let mut command = on(APP, "php");
    let log = std::fs::File::options().create(true).append(true).open(log)?;
    command.env("RESILIENT_CLIENT", RESILIENT);
    command.args([
        PHP,
        name,
        retries.name(),
        mode,
        &target.dsn,
        &target.user,
        &target.password,
        &target.which,
    ]);
    command.args(options);
    command.stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().context("PHP can't be started")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let servers = target.servers.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(line) = serde_json::from_str::<Line>(&line) else { continue };
            let Ok(time) = Timestamp::from_microsecond((line.t * 1e6) as i64) else { continue };
            let server = servers.get(&line.server).cloned().unwrap_or(line.server);
            let (client, n) = (line.client, line.n);
            record.add_at(
                time,
                match line.kind.as_str() {
                    "ack" => What::Ack { client, n, server },
                    "read" => What::Read { client, server },
                    "gave-up" => What::GaveUp { client, n },
                    _ => What::Trouble { client, n, code: line.code, message: line.message },
                },
            );
        }
    });
    Ok(child)
}
