//! Servers and clients as child processes on their hosts.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::net::Host;

/// A command that runs on a host: in its network namespace, with nothing to read.
pub fn on(host: Host, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{}", host.name)).arg("--").arg(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The same as the account `postgres`, for servers that refuse to be root. It is that account in a user namespace of
/// its own only, so all files stay ours, and it works without being root outside.
///
/// # Errors
/// If there is no such account; Debian's package makes it.
pub fn on_as_postgres(host: Host, program: &str) -> Result<Command> {
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let account = accounts.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = account.context("there is no account postgres")?.split(':').skip(2);
    let (user, group) = fields.next().zip(fields.next()).context("the account postgres has no number")?;
    let mut command = on(host, "unshare");
    command.arg("--user").arg(format!("--map-user={user}")).arg(format!("--map-group={group}"));
    command.arg("--").arg(program);
    Ok(command)
}

/// Kills everything that runs on a host, as a power cut does.
pub fn kill_all(host: Host) -> Result<()> {
    let listed = std::process::Command::new("ip").args(["netns", "pids", host.name]).output()?;
    for pid in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
        if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}

/// Starts a server whose words go into a log.
pub fn start(mut command: Command, log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    command.stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("can't start {command:?}"))
}

/// Sends a signal; `nsenter` has become the program itself, so the child is the server.
pub fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = child.id().context("the process has ended")?;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no process")?;
    kill_process(pid, signal).context("the process can't be signalled")
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> F,
) -> Result<()> {
    let begun = Instant::now();
    while !holds().await {
        if begun.elapsed() > limit {
            bail!("not within {limit:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
