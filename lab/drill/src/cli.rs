//! The command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::scenario::Scenario;
use super::timeline::Run;
use super::{cost, html, stage, text};

const USAGE: &str = "\
Plays an outage through the real function, over real HTTP against a local AWS, in simulated time.

Usage: cargo run --example drill [-- OPTIONS]

  (no option)       play the first scenario
  --list            name the scenarios
  --scenario NAME   play this one; may be given more than once
  --all             play all of them
  --report FILE     write a self-contained HTML page about what was played, too
  --json            print one JSON object per event instead of a timeline
  --help            this text

The exit code is 0 if everything held that had to, 1 if not, and 2 for a command line that makes no sense.
";

/// Everything held.
pub const HELD: u8 = 0;
/// An invariant or an expectation did not hold, or a scenario could not be played.
pub const BROKEN: u8 = 1;
/// The command line makes no sense.
pub const MISUSED: u8 = 2;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Whether colours are wanted on the standard output.
    pub color: bool,
    /// Whether a line on the standard error may be rewritten.
    pub progress: bool,
}

/// A scenario with its runs.
pub struct Played<'a> {
    pub scenario: &'a Scenario,
    pub runs: Vec<Run>,
    /// Real seconds.
    pub took: f64,
}

impl Played<'_> {
    pub fn held(&self) -> bool {
        self.runs.iter().all(Run::held)
    }
}

#[derive(Default)]
struct Options {
    list: bool,
    all: bool,
    json: bool,
    names: Vec<String>,
    report: Option<PathBuf>,
}

/// Runs the command line and answers the exit code.
pub fn run(
    arguments: impl IntoIterator<Item = String>,
    scenarios: &[Scenario],
    terminal: Terminal,
    out: &mut impl Write,
    err: &mut impl Write,
) -> u8 {
    let options = match parse(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => return done(out.write_all(USAGE.as_bytes()), HELD),
        Err(fault) => return done(writeln!(err, "{fault}\n\n{USAGE}"), MISUSED),
    };
    if options.list {
        return done(list(scenarios, out), HELD);
    }
    let chosen = match choose(&options, scenarios) {
        Ok(chosen) => chosen,
        Err(fault) => return done(writeln!(err, "{fault}"), MISUSED),
    };
    match play(&chosen, &options, terminal, out, err) {
        Ok(true) => HELD,
        Ok(false) => BROKEN,
        // Whoever reads the output has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => HELD,
        Err(error) => done(writeln!(err, "the drill could not be played: {error}"), BROKEN),
    }
}

fn done(written: io::Result<()>, code: u8) -> u8 {
    if written.is_ok() { code } else { BROKEN }
}

fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = |what: &str| arguments.next().ok_or(format!("{argument} wants {what}"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--list" => options.list = true,
            "--all" => options.all = true,
            "--json" => options.json = true,
            "--scenario" => options.names.push(value("the name of a scenario; --list shows them")?),
            "--report" => options.report = Some(value("the name of a file")?.into()),
            other => return Err(format!("{other} is no option")),
        }
    }
    Ok(Some(options))
}

fn choose<'a>(options: &Options, scenarios: &'a [Scenario]) -> Result<Vec<&'a Scenario>, String> {
    if options.all {
        return Ok(scenarios.iter().collect());
    }
    if options.names.is_empty() {
        return Ok(scenarios.first().into_iter().collect());
    }
    let find = |name: &String| {
        scenarios
            .iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| format!("there is no scenario {name}; --list shows all"))
    };
    options.names.iter().map(find).collect()
}

fn list(scenarios: &[Scenario], out: &mut impl Write) -> io::Result<()> {
    for Scenario { name, title, .. } in scenarios {
        writeln!(out, "{name:<28} {title}")?;
    }
    Ok(())
}

fn play(
    chosen: &[&Scenario],
    options: &Options,
    terminal: Terminal,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<bool> {
    let mut all = Vec::new();
    for (index, scenario) in chosen.iter().enumerate() {
        let progress = terminal.progress && chosen.len() > 1;
        if progress {
            let (width, filled) = (20, 20 * index / chosen.len());
            let bar = format!("{}{}", "█".repeat(filled), "░".repeat(width - filled));
            write!(err, "\r\x1b[2K{bar} {}/{} {}", index + 1, chosen.len(), scenario.name)?;
            err.flush()?;
        }
        let started = Instant::now();
        let runs: io::Result<Vec<Run>> =
            scenario.handlers.iter().map(|handler| stage::play(scenario, *handler)).collect();
        let played = Played { scenario, runs: runs?, took: started.elapsed().as_secs_f64() };
        if progress {
            write!(err, "\r\x1b[2K")?;
            err.flush()?;
        }
        if options.json {
            print_json(&played, out)?;
        } else if options.all {
            text::one_line(&played, terminal.color, out)?;
        } else {
            text::timeline(&played, terminal.color, out)?;
        }
        out.flush()?;
        all.push(played);
    }
    if options.all && !options.json {
        text::sum(&all, terminal.color, out)?;
    }
    if let Some(file) = &options.report {
        std::fs::write(file, html::page(&all))?;
        if !options.json {
            writeln!(out, "The report is in {}", file.display())?;
        }
    }
    Ok(all.iter().all(Played::held))
}

fn print_json(played: &Played<'_>, out: &mut impl Write) -> io::Result<()> {
    let scenario = played.scenario.name;
    for run in &played.runs {
        let handler = run.handler.name();
        for event in &run.events {
            let mut line = json!(event);
            line["scenario"] = json!(scenario);
            line["handler"] = json!(handler);
            writeln!(out, "{line}")?;
        }
        let summary = json!({
            "event": "summary",
            "scenario": scenario,
            "handler": handler,
            "simulated_seconds": run.seconds,
            "real_seconds": played.took,
            "held": run.held(),
            "verdicts": run.verdicts,
            "totals": run.totals,
            "tracks": run.tracks,
            "dollars_a_month": cost::Cost::of(&run.totals).total(),
        });
        writeln!(out, "{summary}")?;
    }
    Ok(())
}
