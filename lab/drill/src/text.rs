//! A run for a terminal of 80 columns.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use rds_route53_failover::decide::Code;
use textwrap::{Options, fill, wrap};

use super::beside::beside;
use super::cli::Played;
use super::open::{OPEN, STALE};
use super::scenario::{Handler, Scenario};
use super::strip::strip;
use super::timeline::{CallLine, Ending, Event, Fate, Invocation, Run, What};

/// Columns of text.
pub const WIDTH: usize = 80;
/// Where everything but a heading begins.
pub const INDENT: usize = 2;
/// Where the text of an event begins, after its time and its label.
const TEXT: usize = 19;

pub const PLAIN: Style = Style::new();
pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const WARN: Style = AnsiColor::Yellow.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const BLUE: Style = AnsiColor::Cyan.on_default();

/// Minutes and seconds.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.floor() as u64;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// A length of time for a person.
pub fn long(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// How long something failed.
pub fn failed(seconds: f64) -> String {
    if seconds == 0.0 { "never".to_owned() } else { long(seconds) }
}

/// Writes a paragraph after a label, wrapped.
pub fn put(out: &mut impl Write, indent: &str, label: &str, style: Style, text: &str) -> io::Result<()> {
    let rest = " ".repeat(textwrap::core::display_width(indent) + textwrap::core::display_width(label));
    let width = WIDTH - rest.len();
    for (index, line) in wrap(text, width).iter().enumerate() {
        if index == 0 {
            write!(out, "{indent}{label}")?
        } else {
            write!(out, "{rest}")?
        }
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

pub fn list(scenarios: &[Scenario], out: &mut impl Write) -> io::Result<()> {
    for Scenario { name, title, .. } in scenarios {
        let options = Options::new(WIDTH).initial_indent("    ").subsequent_indent("    ");
        writeln!(out, "{BOLD}{name}{BOLD:#}\n{}", fill(title, options))?;
    }
    Ok(())
}

/// Writes a scenario: what happened, what it was like over time, how long it took, and whether that is as expected.
pub fn timeline(played: &Played<'_>, out: &mut impl Write) -> io::Result<()> {
    let scenario = played.scenario;
    writeln!(out, "\n{BOLD}{}{BOLD:#}", scenario.name)?;
    writeln!(out, "{}\n", fill(scenario.title, WIDTH))?;
    if !scenario.moral.is_empty() {
        put(out, "  ", "", BOLD, scenario.moral)?;
        writeln!(out)?;
    }
    let minutes = scenario.minutes * played.runs.len() as u64;
    let note = format!(
        "{minutes} simulated minutes in {:.1} s. The function and its AWS clients are the real ones; RDS, Route 53, CloudWatch and SNS are emulated. Times are minutes:seconds.",
        played.took
    );
    put(out, "  ", "", DIM, &note)?;
    writeln!(out)?;
    match played.runs.as_slice() {
        [run] => events(run, out)?,
        runs => beside(runs, out)?,
    }
    for run in &played.runs {
        writeln!(out)?;
        if played.runs.len() > 1 {
            writeln!(out, "  {BOLD}With {}{BOLD:#}", run.handler.name())?;
        }
        strip(run, out)?;
        writeln!(out)?;
        outages(run, out)?;
        writeln!(out)?;
        verdicts(run, out)?;
    }
    writeln!(out)
}

fn events(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let mut events = run.events.iter().peekable();
    let mut before: Option<&Ending> = None;
    while let Some(event) = events.next() {
        line(event, out)?;
        let What::Invocation(invocation) = &event.what else { continue };
        // What repeats itself is shown once.
        if !before.is_some_and(|before| invocation.outcome.repeats(before)) {
            details(invocation, out)?;
        }
        before = Some(&invocation.outcome);
        let (mut count, mut until) = (0, 0.0);
        while let Some(next) = events.next_if(|next| {
            next.what.invocation().is_some_and(|next| next.outcome.repeats(&invocation.outcome))
        }) {
            (count, until) = (count + 1, next.at);
        }
        if count > 0 {
            writeln!(out, "{:TEXT$}{DIM}… and {count} more like this until {}{DIM:#}", "", clock(until))?;
        }
    }
    Ok(())
}

/// The label of an event, its text and its colour.
pub fn told(what: &What) -> (&'static str, String, Style) {
    let fate = |good: bool| if good { "served" } else { "failing" };
    match what {
        What::Story { text } => ("│", text.clone(), BOLD),
        What::Rds { instance, text } => ("RDS", format!("{instance}: {text}"), WARN),
        What::Console { text } => ("console", text.clone(), WARN),
        What::Metric { asks: true } => {
            ("metric", "RouteToSecondary is 1: asks for the secondary".to_owned(), BLUE)
        }
        What::Metric { asks: false } => ("metric", "RouteToSecondary is 0 again".to_owned(), BLUE),
        What::Dns { instance } => ("DNS", format!("answers {instance} from now on"), BLUE),
        What::Clients { instance, reads, writes } => (
            "clients",
            format!("at {instance}: reads {}, writes {}", fate(*reads), fate(*writes)),
            if *reads && *writes { GOOD } else { BAD },
        ),
        What::Open { instance, writes: STALE } => {
            ("open", format!("open connections to {instance} still write there: rows to lose"), BAD)
        }
        What::Open { instance, writes } => {
            let style = if *writes == "served" { GOOD } else { BAD };
            ("open", format!("open connections broke; anew to {instance}: writes {writes}"), style)
        }
        What::Invocation(invocation) => {
            let label = match invocation.trigger {
                "operator" => "operator",
                "RDS event" => "event",
                _ => "tick",
            };
            let (text, style) = headline(invocation);
            (label, text, style)
        }
    }
}

fn line(event: &Event, out: &mut impl Write) -> io::Result<()> {
    let (label, text, style) = told(&event.what);
    put(out, &format!("  {}  ", clock(event.at)), &format!("{label:<10}"), style, &text)
}

/// What an invocation decided, in a line.
fn headline(invocation: &Invocation) -> (String, Style) {
    match &invocation.outcome {
        Ending::Answered { decision, reason, actions, primary, .. } => {
            let style = if actions.is_empty() { DIM } else { BLUE };
            (format!("{decision} · {reason}  [primary: {primary}]"), style)
        }
        Ending::Failed { error_type, .. } => (format!("failed · {error_type}"), BAD),
        Ending::Crashed => ("the function was cut off here".to_owned(), BAD),
    }
}

fn details(invocation: &Invocation, out: &mut impl Write) -> io::Result<()> {
    let indent = " ".repeat(TEXT);
    match &invocation.outcome {
        Ending::Answered { reason, actions, .. }
            if actions.is_empty() && *reason == Code::PrimaryHealthy.as_str() => {}
        Ending::Answered { message, .. } | Ending::Failed { message, .. } => {
            put(out, &indent, "why    ", PLAIN, message)?;
        }
        Ending::Crashed => {}
    }
    let reads: Vec<&CallLine> = invocation.calls.iter().filter(|call| !call.write).collect();
    if !reads.is_empty() {
        let lasted = match invocation.seconds {
            ..1.0 => String::new(),
            seconds => format!(", in {}", long(seconds)),
        };
        put(out, &indent, "reads  ", DIM, &format!("{}{lasted}", counted(&reads)))?;
    }
    for call in invocation.calls.iter().filter(|call| call.write) {
        put(out, &indent, &format!("{}  ", clock(call.at)), PLAIN, &written(call))?;
    }
    Ok(())
}

/// What a write came to.
pub fn written(call: &CallLine) -> String {
    let outcome = if call.outcome == "ok" { String::new() } else { format!("  [{}]", call.outcome) };
    let effects = if call.effects.is_empty() { "nothing".to_owned() } else { call.effects.join("; ") };
    format!("{} → {effects}{outcome}", call.operation)
}

/// Calls counted by operation and outcome, in the order of their first.
pub fn counted(calls: &[&CallLine]) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for call in calls {
        let what = match call.outcome.as_str() {
            "ok" => call.operation.clone(),
            other => format!("{} [{other}]", call.operation),
        };
        match counts.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => counts.push((what, 1)),
        }
    }
    let words: Vec<_> = counts.iter().map(|(what, count)| format!("{what} ×{count}")).collect();
    words.join(", ")
}

/// When something happened, as seen from the beginning of an outage.
pub fn since(began: f64, at: f64) -> String {
    match at - began {
        0.0 => String::new(),
        after if after > 0.0 => format!("+ {}", long(after)),
        before => format!("− {}", long(-before)),
    }
}

fn outages(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let totals = &run.totals;
    for outage in &totals.outages {
        if outage.rerouted.is_none()
            && let Some(over) = outage.over
        {
            let seen =
                if outage.detected.is_some() { "DNS stayed" } else { "DNS stayed; no confirmed outage" };
            let text =
                format!("{} to {} ({}): {seen}", clock(outage.began), clock(over), long(outage.length()));
            put(out, "  ", "Outage ", PLAIN, &text)?;
            continue;
        }
        writeln!(out, "  {BOLD}Outage, leg by leg{BOLD:#}")?;
        for (at, says) in outage.legs() {
            writeln!(out, "    {}  {:>14}  {says}", clock(at), since(outage.began, at))?;
        }
        if outage.over.is_none() {
            writeln!(out, "    {BAD}not over at the end, at {}{BAD:#}", clock(run.seconds))?;
        }
    }
    if totals.outages.is_empty() {
        writeln!(out, "  {GOOD}Clients were served all the time.{GOOD:#}")?;
    } else {
        writeln!(out, "  {BOLD}Clients without a database{BOLD:#}")?;
        writeln!(out, "    {:<8}{BOLD}{}{BOLD:#}", "reads", failed(totals.reads_failed))?;
        writeln!(out, "    {:<8}{BOLD}{}{BOLD:#}", "writes", failed(totals.writes_failed))?;
    }
    for (seconds, whose) in [
        (totals.stale_writes, "by clients that follow DNS"),
        (totals.open_stale_writes, "over open connections"),
    ] {
        if seconds > 0.0 {
            let stale = format!("{} of writes to a stale primary {whose}", long(seconds));
            put(out, "    ", &format!("{:<8}", "lost"), BAD, &stale)?;
        }
    }
    let (reads, writes) = (totals.read_calls, totals.write_calls);
    writeln!(
        out,
        "  {DIM}{} invocations, {reads} reading and {writes} writing calls{DIM:#}",
        totals.invocations
    )
}

fn verdicts(run: &Run, out: &mut impl Write) -> io::Result<()> {
    for verdict in &run.verdicts {
        // What the recipe, or no fence, does as expected is nothing to be pleased with.
        let (mark, style) = match (verdict.held, run.handler) {
            (false, _) => ("✗ ", BAD),
            (true, Handler::Function) => ("✓ ", GOOD),
            (true, Handler::Recipe | Handler::Unfenced) => ("· ", PLAIN),
        };
        let text =
            if verdict.held { verdict.says.clone() } else { format!("NOT AS EXPECTED: {}", verdict.says) };
        put(out, "  ", mark, style, &text)?;
    }
    if run.held() && !run.broken.is_empty() {
        let broken: Vec<_> =
            run.broken.iter().map(|(promise, count)| format!("{promise} ×{count}")).collect();
        put(
            out,
            "  ",
            "! ",
            WARN,
            &format!("breaks promises that this function keeps: {}", broken.join(", ")),
        )?;
    }
    let (mark, style, text) = ending(run);
    put(out, "  ", mark, style, &text)
}

/// How a run ended, in a sentence.
pub fn ending(run: &Run) -> (&'static str, Style, String) {
    match run.fate() {
        Fate::Unexpected => ("✗ ", BAD, "not as expected".to_owned()),
        Fate::Served => ("✓ ", GOOD, "clients are served at the end".to_owned()),
        Fate::Unserved if run.last(OPEN) == STALE => {
            ("! ", BAD, "at the end open connections still write to the stale primary".to_owned())
        }
        Fate::Unserved => {
            let fate =
                format!("at the end reads are {}, writes are {}", run.last("reads"), run.last("writes"));
            ("! ", if run.last("reads") == "served" { WARN } else { BAD }, fate)
        }
    }
}

/// A line for a scenario among many.
pub fn one_line(played: &Played<'_>, out: &mut impl Write) -> io::Result<()> {
    let (mark, style) = match played.fate() {
        Fate::Served => ("✓", GOOD),
        Fate::Unserved => ("!", WARN),
        Fate::Unexpected => ("✗", BAD),
    };
    let name = played.scenario.name;
    let Some(run) = played.runs.last() else { return Ok(()) };
    let moved = run.outage().and_then(|outage| Some(outage.rerouted? - outage.began));
    let dns = moved.map_or_else(|| "stays".to_owned(), |after| format!("after {}", long(after)));
    let (reads, writes) = (failed(run.totals.reads_failed), failed(run.totals.writes_failed));
    writeln!(out, "{style}{mark}{style:#} {name:<28}{dns:<18}{reads:<16}{writes}")?;
    for verdict in played.runs.iter().flat_map(|run| &run.verdicts).filter(|verdict| !verdict.held) {
        put(out, "    ", "NOT AS EXPECTED: ", BAD, &verdict.says)?;
    }
    Ok(())
}

/// The head of the lines of many scenarios.
pub fn head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{DIM}  {:<28}{:<18}{:<16}writes fail{DIM:#}", "", "DNS moves", "reads fail")
}

/// The last lines of many scenarios.
pub fn sum(all: &[Played<'_>], out: &mut impl Write) -> io::Result<()> {
    let minutes: u64 = all.iter().map(|played| played.scenario.minutes * played.runs.len() as u64).sum();
    let took: f64 = all.iter().map(|played| played.took).sum();
    let (style, text) = summary(all);
    writeln!(out)?;
    put(out, "", "", style, &text)?;
    writeln!(out, "{minutes} simulated minutes in {took:.1} s. `--scenario NAME` shows one in full.")
}

/// How many scenarios ended how.
pub fn summary(all: &[Played<'_>]) -> (Style, String) {
    let held = all.iter().filter(|played| played.held()).count();
    let unserved = all.iter().filter(|played| played.fate() == Fate::Unserved).count();
    let mut text = format!("{held} of {} scenarios are as expected", all.len());
    if unserved > 0 {
        text.push_str(&format!(
            "; {unserved} of them (!) leave clients waiting for a person, as they should"
        ));
    }
    (if held == all.len() { GOOD } else { BAD }, text)
}
