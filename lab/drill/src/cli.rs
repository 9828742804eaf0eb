//! The command line.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use clap::{CommandFactory, FromArgMatches, Parser};
use serde_json::json;

use super::scenario::{Handler, Scenario};
use super::timeline::{Fate, Run};
use super::{html, stage, text};

/// Everything is as expected.
pub const HELD: u8 = 0;
/// A promise or an expectation was not met, or a scenario could not be played.
pub const BROKEN: u8 = 1;
/// The command line is invalid.
pub const MISUSED: u8 = 2;

/// Plays outages through the real function, against a local AWS, in simulated time.
#[derive(Parser)]
#[command(
    name = "drill",
    bin_name = "cargo drill",
    after_help = "Without options, the first scenario is played.\n\nExit code: 0 if everything is as expected, 1 if not, 2 if the command line is invalid."
)]
struct Options {
    /// List the scenarios
    #[arg(long)]
    list: bool,
    /// Play this scenario; can be repeated
    #[arg(long = "scenario", value_name = "NAME", hide_possible_values = true)]
    names: Vec<String>,
    /// Play all scenarios, one line each
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Also write the result to this file, as a self-contained HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON object per event, and one per run with its totals
    #[arg(long)]
    json: bool,
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

    /// How it ended with this function; not as expected if any of the runs is not.
    pub fn fate(&self) -> Fate {
        let function = self.runs.iter().rfind(|run| run.handler == Handler::Function);
        match function.or(self.runs.last()) {
            Some(run) if self.held() => run.fate(),
            Some(_) | None => Fate::Unexpected,
        }
    }
}

/// Runs the command line, of which the first word is the program, and returns the exit code.
pub fn run<A: Into<OsString> + Clone>(
    arguments: impl IntoIterator<Item = A>,
    scenarios: &[Scenario],
    out: &mut impl Write,
    err: &mut impl Write,
) -> u8 {
    let names = PossibleValuesParser::new(scenarios.iter().map(|scenario| scenario.name));
    let command = Options::command().mut_arg("names", |argument| argument.value_parser(names));
    let matches = command.try_get_matches_from(arguments);
    let options = match matches.and_then(|matches| Options::from_arg_matches(&matches)) {
        Ok(options) => options,
        Err(error) => {
            let words = error.render().ansi().to_string();
            return if error.use_stderr() {
                done(err.write_all(words.as_bytes()), MISUSED)
            } else {
                done(out.write_all(words.as_bytes()), HELD)
            };
        }
    };
    if options.list {
        return done(text::list(scenarios, out), HELD);
    }
    let report = match options.report.as_deref().map(open).transpose() {
        Ok(report) => report,
        Err(error) => return done(writeln!(err, "error: {error}"), MISUSED),
    };
    match play(&options, scenarios, report, out) {
        Ok(true) => HELD,
        Ok(false) => BROKEN,
        // The reader has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => HELD,
        Err(error) => done(writeln!(err, "error: {error}"), BROKEN),
    }
}

fn done(written: io::Result<()>, code: u8) -> u8 {
    if written.is_ok() { code } else { BROKEN }
}

/// Opens the report's file before anything is played. An older report stays until then.
fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(path).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write the report to {}: {error}", path.display()))
}

fn play(
    options: &Options,
    scenarios: &[Scenario],
    report: Option<File>,
    out: &mut impl Write,
) -> io::Result<bool> {
    let chosen: Vec<&Scenario> = if options.all {
        scenarios.iter().collect()
    } else if options.names.is_empty() {
        scenarios.iter().take(1).collect()
    } else {
        let find = |name: &String| scenarios.iter().find(|scenario| scenario.name == name);
        options.names.iter().filter_map(find).collect()
    };
    if options.all && !options.json {
        text::head(out)?;
    }
    let mut all = Vec::new();
    for scenario in chosen {
        let started = Instant::now();
        let runs: io::Result<Vec<Run>> =
            scenario.handlers.iter().map(|handler| stage::play(scenario, *handler)).collect();
        let played = Played { scenario, runs: runs?, took: started.elapsed().as_secs_f64() };
        if options.json {
            print_json(&played, out)?;
        } else if options.all {
            text::one_line(&played, out)?;
        } else {
            text::timeline(&played, out)?;
        }
        out.flush()?;
        all.push(played);
    }
    if options.all && !options.json {
        text::sum(&all, out)?;
    }
    if let (Some(mut file), Some(path)) = (report, &options.report) {
        let written = file.set_len(0).and_then(|()| file.write_all(html::page(&all).as_bytes()));
        written.map_err(|error| named(path, &error))?;
        if !options.json {
            writeln!(out, "Report: {}", path.display())?;
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
            "outcome": run.fate(),
            "verdicts": run.verdicts,
            "totals": run.totals,
            "tracks": run.tracks,
        });
        writeln!(out, "{summary}")?;
    }
    Ok(())
}
