//! The command line, and the namespaces within namespaces that it runs in.
//!
//! `rehearse` starts itself in new namespaces as `rehearse inside`, which prepares what the cases share and starts
//! itself once more for each case, as `rehearse case`. Each runs under the first process of its process namespace: when
//! that ends, the kernel ends the rest. Its standard input is a pipe that the process outside holds and never writes: when
//! that process is gone, by whatever signal, the pipe ends and so does this one.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use tokio::process::{Child, ChildStdin};
use tokio::sync::Semaphore;

use crate::cases::{self, ALL, Case};
use crate::fault::{Fault, PLANTED};
use crate::page::Page;
use crate::record::{Outcome, Record};
use crate::stage::Paths;
use crate::{html, mariadb, net, preflight};

/// Plays outages with real databases, real DNS answers and real clients, and counts rows.
#[derive(Parser)]
#[command(name = "rehearse", args_conflicts_with_subcommands = true)]
pub struct Command {
    #[command(subcommand)]
    inner: Option<Inner>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args, Clone)]
struct Options {
    /// The cases to play; all without any.
    cases: Vec<String>,
    /// The function's binary.
    #[arg(long, default_value_os_t = beside("rds-route53-failover"))]
    function: PathBuf,
    /// Where the page and what the processes logged go.
    #[arg(long, default_value = "target/rehearsal")]
    out: PathBuf,
    /// Ends after so many seconds, as a failure.
    #[arg(long)]
    limit: Option<u64>,
    /// Cases at the same time.
    #[arg(long, default_value_t = 8)]
    parallel: usize,
    /// Plants a fault, such as `lost-rows`: assertions must fail.
    #[arg(long, default_value = "")]
    plant: String,
    /// Plants every fault, and lists the assertions that never fail and the faults that break nothing.
    #[arg(long)]
    planted: bool,
}

#[derive(Subcommand)]
enum Inner {
    #[command(hide = true)]
    Inside(Options),
    #[command(hide = true)]
    Case(Options),
    #[command(hide = true)]
    Page(Page),
}

/// Where everything is, inside.
const ROOT: &str = "/run/rehearsal";

fn beside(name: &str) -> PathBuf {
    std::env::current_exe().map(|program| program.with_file_name(name)).unwrap_or_default()
}

impl Command {
    /// Runs it; whether everything held.
    pub fn run(self) -> Result<bool> {
        if std::process::id() == 1 {
            return reap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match self.inner {
                None => outside(self.options).await,
                Some(Inner::Inside(options)) => {
                    end_with_parent();
                    inside(options).await
                }
                Some(Inner::Case(options)) => {
                    end_with_parent();
                    case(options).await
                }
                Some(Inner::Page(page)) => page.serve().await.map(|()| true),
            }
        })
    }
}

/// What the first process of a namespace has to do: the rest runs as its child, and it collects every orphan. A server
/// whose end nobody collects would look alive to whoever waits for it.
fn reap() -> Result<bool> {
    let child =
        std::process::Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).spawn()?;
    let child = i32::try_from(child.id())?;
    loop {
        if let Some((pid, status)) = rustix::process::wait(rustix::process::WaitOptions::empty())?
            && pid.as_raw_nonzero().get() == child
        {
            return Ok(status.exit_status() == Some(0));
        }
    }
}

/// Ends this process, and so its whole namespace, when the one that started it is gone.
fn end_with_parent() {
    std::thread::spawn(|| {
        let mut nothing = [0];
        while std::io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
        std::process::exit(130);
    });
}

async fn outside(mut options: Options) -> Result<bool> {
    for name in &options.cases {
        if !ALL.iter().any(|case| case.name == name) {
            let names: Vec<_> = ALL.iter().map(|case| case.name).collect();
            bail!("unknown case `{name}`; there are {}", names.join(", "));
        }
    }
    options.plant.parse::<Fault>()?;
    options.function = fs::canonicalize(&options.function)
        .with_context(|| format!("the function's binary {} is missing", options.function.display()))?;
    preflight::check()?;
    fs::create_dir_all(&options.out)?;
    options.out = fs::canonicalize(&options.out)?;
    let (mut child, _lifeline) = within("inside", &options, !rustix::process::geteuid().is_root())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let limit = options.limit.unwrap_or(u64::MAX);
    tokio::select! {
        status = child.wait() => Ok(status?.success()),
        // The namespaces end with the child, and so does everything in them.
        () = tokio::time::sleep(Duration::from_secs(limit)) => {
            bail!("not done after {limit} s, which is the limit; what the cases left is in {}", options.out.display())
        }
        _ = interrupt.recv() => Ok(false),
        _ = terminate.recv() => Ok(false),
    }
}

/// Starts this program in new namespaces, with a pipe whose end ends it.
fn within(what: &str, options: &Options, user: bool) -> Result<(Child, ChildStdin)> {
    let mut command = tokio::process::Command::new("unshare");
    if user {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(std::env::current_exe()?).arg(what);
    command.arg("--function").arg(&options.function).arg("--out").arg(&options.out);
    command.arg("--parallel").arg(options.parallel.to_string()).arg("--plant").arg(&options.plant);
    if options.planted {
        command.arg("--planted");
    }
    command.args(&options.cases);
    // The programs of the distribution, whatever else stands first in the caller's PATH.
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("unshare can't be run")?;
    // Apart from the child, for waiting on it would close the pipe.
    let lifeline = child.stdin.take().context("no pipe")?;
    Ok((child, lifeline))
}

async fn inside(options: Options) -> Result<bool> {
    net::run(&["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"])?;
    fs::create_dir_all(ROOT)?;
    mariadb::template(&Path::new(ROOT).join("mariadb"))?;
    let begun = std::time::Instant::now();
    let chosen = |name: &str| options.cases.is_empty() || options.cases.iter().any(|case| case == name);
    if options.planted {
        return planted(&options, &chosen).await;
    }
    let chosen: Vec<_> =
        ALL.iter().filter(|case| chosen(case.name)).map(|case| (case, options.plant.clone())).collect();
    let outcomes = play_all(&options, chosen).await?;
    outcomes.iter().for_each(print);
    let took = begun.elapsed().as_secs_f64();
    let page = options.out.join("rehearsal.html");
    fs::write(&page, html::page(&outcomes, &machine(), took))?;
    fs::write(options.out.join("figures.md"), figures(&outcomes))?;
    let held = outcomes.iter().filter(|outcome| outcome.held()).count();
    println!("\n{held} of {} cases held in {took:.0} s; the page is {}", outcomes.len(), page.display());
    Ok(held == outcomes.len())
}

/// Plays cases with a fault each, so many at a time.
async fn play_all(options: &Options, cases: Vec<(&'static Case, String)>) -> Result<Vec<Outcome>> {
    let places = Arc::new(Semaphore::new(options.parallel.max(1)));
    let mut running = Vec::new();
    for (case, plant) in cases {
        let options = Options { cases: vec![case.name.to_owned()], plant, planted: false, ..options.clone() };
        let places = Arc::clone(&places);
        running.push(tokio::spawn(async move {
            let _place = places.acquire().await?;
            play(case, &options).await
        }));
    }
    let mut outcomes = Vec::new();
    for case in running {
        outcomes.push(case.await??);
    }
    Ok(outcomes)
}

/// Plays one case in namespaces of its own.
async fn play(case: &Case, options: &Options) -> Result<Outcome> {
    let file = result(options, case.name);
    // What an earlier run left must not pass for this one's.
    let _ = fs::remove_file(&file);
    let (mut child, _lifeline) = within("case", options, false)?;
    let status = child.wait().await?;
    let outcome = fs::read(&file).ok().and_then(|json| serde_json::from_slice::<Outcome>(&json).ok());
    let broken = || Outcome {
        name: case.name.to_owned(),
        title: case.title.to_owned(),
        broken: Some(format!("its process ended with {status}")),
        ..Outcome::default()
    };
    Ok(outcome.unwrap_or_else(broken))
}

/// Plays every case as it is and with the faults that are planted in it: an assertion that never fails asserts nothing.
async fn planted(options: &Options, chosen: &dyn Fn(&str) -> bool) -> Result<bool> {
    let mut cases: Vec<(&'static Case, String)> = Vec::new();
    for case in ALL.iter().filter(|case| chosen(case.name)) {
        cases.push((case, String::new()));
        let faults = PLANTED.iter().filter(|(_, names)| names.contains(&case.name));
        cases.extend(faults.map(|(fault, _)| (case, (*fault).to_owned())));
    }
    let faults: Vec<String> = cases.iter().map(|(_, fault)| fault.clone()).collect();
    let outcomes = play_all(options, cases).await?;
    let mut never = 0;
    for case in ALL.iter().filter(|case| chosen(case.name)) {
        let played = || outcomes.iter().zip(&faults).filter(|(outcome, _)| outcome.name == case.name);
        println!("\n{}", case.name);
        for check in
            played().find(|(_, fault)| fault.is_empty()).iter().flat_map(|(outcome, _)| &outcome.checks)
        {
            let fails = played().filter_map(|(outcome, fault)| {
                let found = outcome.checks.iter().find(|other| other.must == check.must && !other.held)?;
                let fault = if fault.is_empty() { "no fault" } else { fault };
                Some(format!("{fault} ({})", found.found))
            });
            let fails: Vec<_> = fails.collect();
            never += usize::from(fails.is_empty());
            let seen = if fails.is_empty() { "NEVER FAILED".to_owned() } else { fails.join("; ") };
            println!("  {}: {seen}", check.must);
        }
        for (_, fault) in played().filter(|(outcome, fault)| outcome.held() && !fault.is_empty()) {
            never += 1;
            println!("  with {fault}: NOTHING FAILED");
        }
        for (outcome, fault) in played().filter(|(outcome, _)| outcome.broken.is_some()) {
            println!("  with {fault}: {}", outcome.broken.as_deref().unwrap_or_default());
        }
    }
    println!("\n{never} assertions or faults had no failure");
    Ok(never == 0)
}

/// Where a case leaves what came of it.
fn result(options: &Options, name: &str) -> PathBuf {
    let fault = options.plant.replace([':', '=', '/'], "-");
    let name = if fault.is_empty() { name.to_owned() } else { format!("{name}.{fault}") };
    options.out.join(format!("{name}.json"))
}

/// Where it was played, for the page.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("");
    format!("{processors} cores {model}, Linux {}, {:.0}", kernel.trim(), jiff::Timestamp::now())
}

/// The figures as a table for `docs/recovery.md`.
fn figures(outcomes: &[Outcome]) -> String {
    let mut text = format!("Measured on {}.\n\n| case | what came out |\n|---|---|\n", machine());
    for outcome in outcomes {
        let figures: Vec<_> = outcome.figures.iter().map(|f| format!("{}: {}", f.name, f.value)).collect();
        text.push_str(&format!("| {} | {} |\n", outcome.title, figures.join("<br>")));
    }
    text
}

fn print(outcome: &Outcome) {
    println!("\n{} · {} ({:.0} s)", outcome.name, outcome.title, outcome.seconds);
    for figure in &outcome.figures {
        println!("  {}: {}", figure.name, figure.value);
    }
    for check in &outcome.checks {
        println!("  {} {} ({})", if check.held { "✓" } else { "✗" }, check.must, check.found);
    }
    if let Some(broken) = &outcome.broken {
        println!("  ✗ {broken}");
    }
}

async fn case(options: Options) -> Result<bool> {
    let name = options.cases.first().context("no case")?;
    let case = ALL.iter().find(|case| case.name == name).context("no such case")?;
    let root = Path::new(ROOT);
    let file = result(&options, name);
    let play = file.file_stem().context("no name")?;
    let folder = root.join("cases").join(play);
    fs::create_dir_all(&folder)?;
    net::build(&folder)?;
    let record = Arc::new(Record::new());
    let paths = Paths {
        function: options.function.clone(),
        mariadb: root.join("mariadb"),
        folder: folder.clone(),
        record: Arc::clone(&record),
        fault: options.plant.parse()?,
    };
    let mut outcome = Outcome { name: name.clone(), title: case.title.to_owned(), ..Outcome::default() };
    if let Err(error) = cases::play(name, &paths, &mut outcome).await {
        outcome.broken = Some(format!("{error:#}"));
    }
    outcome.events = record.events();
    outcome.seconds = record.now();
    let logs = options.out.join("logs").join(play);
    keep_logs(&folder, &logs)?;
    fs::remove_dir_all(&folder)?;
    fs::write(&file, serde_json::to_vec(&outcome)?)?;
    Ok(outcome.held())
}

/// Copies the logs out of the tmpfs, which ends with the command.
fn keep_logs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() && path.join("log").exists() {
            fs::copy(path.join("log"), to.join(name).with_extension("server.log"))?;
        } else if path.extension().is_some_and(|e| e == "log") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
