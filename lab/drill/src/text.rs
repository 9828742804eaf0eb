//! A timeline for a terminal.

use std::io::{self, Write};

use super::cli::Played;
use super::cost::Cost;
use super::strip::strip;
use super::timeline::{CallLine, Ending, Event, Invocation, Run, What};

/// Columns of text.
const WIDTH: usize = 110;
/// Where a line's own text begins.
const INDENT: usize = 17;

/// A colour, where colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Good,
    Bad,
    Warn,
    Blue,
    Dim,
    Bold,
}

#[derive(Clone, Copy)]
pub struct Pen(pub bool);

impl Pen {
    pub fn ink(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Warn => "33",
            Ink::Blue => "36",
            Ink::Dim => "2",
            Ink::Bold => "1",
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

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

/// Writes a scenario: its timeline, its strip, its totals and its verdicts.
pub fn timeline(played: &Played<'_>, color: bool, out: &mut impl Write) -> io::Result<()> {
    let pen = Pen(color);
    let scenario = played.scenario;
    writeln!(out, "\n{}", pen.ink(Ink::Bold, scenario.name))?;
    writeln!(out, "{}\n", scenario.title)?;
    let note = format!(
        "Time is simulated: {} minutes took {:.1} s. The handler, its AWS clients and their HTTP calls over loopback are the real ones; RDS, Route 53, CloudWatch and SNS are a local emulator. Times are minutes:seconds since the start.",
        scenario.minutes, played.took
    );
    for line in wrapped(&note, WIDTH - 2) {
        writeln!(out, "  {}", pen.ink(Ink::Dim, &line))?;
    }
    writeln!(out)?;
    match played.runs.as_slice() {
        [run] => events(run, pen, out)?,
        runs => beside(runs, pen, out)?,
    }
    for run in &played.runs {
        writeln!(out)?;
        if played.runs.len() > 1 {
            writeln!(out, "  {}", pen.ink(Ink::Bold, run.handler.name()))?;
        }
        strip(run, pen, out)?;
        totals(run, pen, out)?;
        verdicts(run, pen, out)?;
    }
    writeln!(out)?;
    for line in wrapped(scenario.moral, WIDTH - 2) {
        writeln!(out, "  {}", pen.ink(Ink::Bold, &line))?;
    }
    writeln!(out)
}

fn events(run: &Run, pen: Pen, out: &mut impl Write) -> io::Result<()> {
    let mut events = run.events.iter().peekable();
    let mut before: Option<&Ending> = None;
    while let Some(event) = events.next() {
        line(event, pen, out)?;
        let What::Invocation(invocation) = &event.what else { continue };
        // What repeats itself is told once.
        if !before.is_some_and(|before| invocation.outcome.repeats(before)) {
            details(invocation, pen, out)?;
        }
        before = Some(&invocation.outcome);
        let mut repeated = None;
        while let Some(next) = events.next_if(|next| {
            next.what.invocation().is_some_and(|next| next.outcome.repeats(&invocation.outcome))
        }) {
            let (count, _) = repeated.unwrap_or((0, 0.0));
            repeated = Some((count + 1, next.at));
        }
        if let Some((count, until)) = repeated {
            let more = format!("… and {count} more like this until {}", clock(until));
            writeln!(out, "{:INDENT$}{}", "", pen.ink(Ink::Dim, &more))?;
        }
    }
    Ok(())
}

fn line(event: &Event, pen: Pen, out: &mut impl Write) -> io::Result<()> {
    let at = clock(event.at);
    let mut put =
        |label: &str, ink: Ink, text: &str| writeln!(out, "  {at}  {label:<8}{}", pen.ink(ink, text));
    match &event.what {
        What::Story { text } => put("│", Ink::Bold, text),
        What::Rds { instance, text } => put("RDS", Ink::Warn, &format!("{instance}: {text}")),
        What::Console { text } => put("console", Ink::Warn, text),
        What::Dns { instance } => put("DNS", Ink::Blue, &format!("answers {instance} from now on")),
        What::Clients { instance, reads, writes } => {
            let fate = |good: bool| if good { "served" } else { "failing" };
            let ink = if *reads && *writes { Ink::Good } else { Ink::Bad };
            put(
                "clients",
                ink,
                &format!("reach {instance}: reads {}, writes {}", fate(*reads), fate(*writes)),
            )
        }
        What::Invocation(invocation) => {
            let (headline, ink) = headline(invocation);
            put("tick", ink, &headline)
        }
    }
}

/// What an invocation decided, in a line.
fn headline(invocation: &Invocation) -> (String, Ink) {
    let woken = match invocation.trigger {
        "schedule" => String::new(),
        other => format!("  (woken by: {other})"),
    };
    let (text, ink) = match &invocation.outcome {
        Ending::Answered { decision, reason, actions, primary, .. } => {
            let ink = if !actions.is_empty() { Ink::Blue } else { Ink::Dim };
            (format!("{decision} · {reason}  [primary {primary}]"), ink)
        }
        Ending::Failed { error_type, .. } => (format!("failed · {error_type}"), Ink::Bad),
        Ending::Crashed => ("the function died here".to_owned(), Ink::Bad),
    };
    (format!("{text}{woken}"), ink)
}

fn details(invocation: &Invocation, pen: Pen, out: &mut impl Write) -> io::Result<()> {
    let quiet = match &invocation.outcome {
        Ending::Answered { reason, actions, .. } => actions.is_empty() && reason == "primary-healthy",
        Ending::Failed { .. } | Ending::Crashed => false,
    };
    let mut put = |label: &str, text: &str| -> io::Result<()> {
        let label = format!("{label:<8}");
        for (index, line) in wrapped(text, WIDTH - INDENT - 8).iter().enumerate() {
            let label = if index == 0 { label.as_str() } else { "" };
            writeln!(out, "{:INDENT$}{}{line}", "", pen.ink(Ink::Dim, &format!("{label:<8}")))?;
        }
        Ok(())
    };
    if !quiet {
        match &invocation.outcome {
            Ending::Answered { message, .. } | Ending::Failed { message, .. } => put("why", message)?,
            Ending::Crashed => {}
        }
    }
    let reads: Vec<&CallLine> = invocation.calls.iter().filter(|call| !call.write).collect();
    if !reads.is_empty() {
        let lasted = if invocation.seconds < 1.0 {
            String::new()
        } else {
            format!(", in {}", long(invocation.seconds))
        };
        put("reads", &format!("{}{lasted}", counted(&reads)))?;
    }
    for call in invocation.calls.iter().filter(|call| call.write) {
        let outcome = if call.outcome == "ok" { String::new() } else { format!("  [{}]", call.outcome) };
        let effects = if call.effects.is_empty() { "nothing".to_owned() } else { call.effects.join("; ") };
        put(&clock(call.at), &format!("{} → {effects}{outcome}", call.operation))?;
    }
    Ok(())
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

/// Two runs of the same scenario in two columns.
fn beside(runs: &[Run], pen: Pen, out: &mut impl Write) -> io::Result<()> {
    let column = (WIDTH - 10) / runs.len().max(1);
    let names: Vec<_> = runs.iter().map(|run| format!("{:<column$}", run.handler.name())).collect();
    writeln!(out, "  {:7}{}", "", pen.ink(Ink::Bold, names.concat().trim_end()))?;
    let mut rows: Vec<(f64, usize, String, Ink)> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let mut before: Option<&Ending> = None;
        for event in &run.events {
            let (text, ink) = match &event.what {
                // The story is the same for all, and stands in front of both columns.
                What::Story { text } if index == 0 => (text.clone(), Ink::Bold),
                What::Story { .. } | What::Rds { .. } | What::Console { .. } => continue,
                What::Invocation(invocation) => {
                    let repeats = before.is_some_and(|before| invocation.outcome.repeats(before));
                    before = Some(&invocation.outcome);
                    if repeats {
                        continue;
                    }
                    headline(invocation)
                }
                What::Dns { instance } => (format!("DNS answers {instance}"), Ink::Blue),
                What::Clients { instance, reads, writes } => {
                    let ink = if *reads { Ink::Good } else { Ink::Bad };
                    let fate = match (reads, writes) {
                        (true, true) => "reads and writes served",
                        (true, false) => "reads served",
                        (false, _) => "nothing served",
                    };
                    (format!("clients at {instance}: {fate}"), ink)
                }
            };
            let index = if matches!(event.what, What::Story { .. }) { usize::MAX } else { index };
            rows.push((event.at, index, text, ink));
        }
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (b.1 == usize::MAX).cmp(&(a.1 == usize::MAX))));
    for (at, index, text, ink) in rows {
        let offset = if index == usize::MAX { 0 } else { column * index };
        writeln!(out, "  {}  {:offset$}{}", clock(at), "", pen.ink(ink, &text))?;
    }
    Ok(())
}

/// The times that matter, each in words and from the outage on where there was one.
pub fn moments(run: &Run) -> Vec<(&'static str, String)> {
    let totals = &run.totals;
    let began = totals.outage.or(totals.detected).unwrap_or(0.0);
    let after = |moment: Option<f64>| match moment {
        Some(at) => format!("{} after ({})", long((at - began).max(0.0)), clock(at)),
        None => "never".to_owned(),
    };
    let mut moments = vec![
        ("outage began", totals.outage.map_or_else(|| "never".to_owned(), clock)),
        ("detected", after(totals.detected)),
        ("DNS moved", after(totals.rerouted)),
        ("clients followed", after(totals.followed)),
    ];
    if totals.promotion_sent.is_some() {
        moments.push(("promotion sent", after(totals.promotion_sent)));
        moments.push(("promotion done", after(totals.promoted)));
    }
    if totals.returned.is_some() {
        moments.push(("clients returned", after(totals.returned)));
    }
    moments
}

/// How long something failed.
pub fn failed(seconds: f64) -> String {
    if seconds == 0.0 { "never".to_owned() } else { long(seconds) }
}

fn totals(run: &Run, pen: Pen, out: &mut impl Write) -> io::Result<()> {
    let totals = &run.totals;
    for (what, when) in moments(run) {
        writeln!(out, "  {what:<18}{when}")?;
    }
    let failed =
        |seconds: f64| if seconds == 0.0 { "never".to_owned() } else { format!("for {}", long(seconds)) };
    writeln!(out, "  {:<18}{}", "writes failed", pen.ink(Ink::Bold, &failed(totals.writes_failed)))?;
    writeln!(out, "  {:<18}{}", "reads failed", failed(totals.reads_failed))?;
    writeln!(
        out,
        "  {:<18}{} invocations, {} reads, {} writes",
        "calls", totals.invocations, totals.read_calls, totals.write_calls
    )?;
    if totals.metrics > 0 {
        let cost = Cost::of(totals);
        let greatest = cost.0.iter().max_by(|a, b| a.dollars.total_cmp(&b.dollars));
        let greatest = greatest.map(|position| format!("{} {}", position.what, position.sum));
        let dollars = cost.total();
        let most = greatest.unwrap_or_default();
        writeln!(out, "  {:<18}about ${dollars:.2} at a tick a minute, most of it {most}", "a month")?;
    }
    Ok(())
}

fn verdicts(run: &Run, pen: Pen, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    for verdict in &run.verdicts {
        let mark = if verdict.held { pen.ink(Ink::Good, "✓") } else { pen.ink(Ink::Bad, "✗ BROKEN:") };
        writeln!(out, "  {mark} {}", verdict.says)?;
    }
    if run.verdicts.iter().all(|verdict| verdict.held) && !run.broken.is_empty() {
        let broken: Vec<_> =
            run.broken.iter().map(|(promise, count)| format!("{promise} ×{count}")).collect();
        let text = format!("breaks the promises this function keeps: {}", broken.join(", "));
        writeln!(out, "  {} {text}", pen.ink(Ink::Warn, "!"))?;
    }
    Ok(())
}

/// A line for a scenario among many.
pub fn one_line(played: &Played<'_>, color: bool, out: &mut impl Write) -> io::Result<()> {
    let pen = Pen(color);
    let mark = if played.held() { pen.ink(Ink::Good, "✓") } else { pen.ink(Ink::Bad, "✗") };
    let name = played.scenario.name;
    let Some(run) = played.runs.last() else { return Ok(()) };
    let totals = &run.totals;
    let moved = totals.rerouted.map_or_else(|| "stays".to_owned(), |at| format!("moves at {}", clock(at)));
    let (failed, calls) = (failed(totals.writes_failed), totals.read_calls + totals.write_calls);
    writeln!(out, "{mark} {name:<28} DNS {moved:<14} writes fail {failed:<14} {calls:>4} calls")?;
    for verdict in played.runs.iter().flat_map(|run| &run.verdicts).filter(|verdict| !verdict.held) {
        writeln!(out, "    {} {}", pen.ink(Ink::Bad, "BROKEN:"), verdict.says)?;
    }
    Ok(())
}

/// The last line of many scenarios.
pub fn sum(all: &[Played<'_>], color: bool, out: &mut impl Write) -> io::Result<()> {
    let held = all.iter().filter(|played| played.held()).count();
    let minutes: u64 = all.iter().map(|played| played.scenario.minutes * played.runs.len() as u64).sum();
    let took: f64 = all.iter().map(|played| played.took).sum();
    let ink = if held == all.len() { Ink::Good } else { Ink::Bad };
    let text = format!("{held} of {} scenarios held", all.len());
    writeln!(
        out,
        "\n{}: {minutes} simulated minutes in {took:.1} s. --scenario NAME shows one.",
        Pen(color).ink(ink, &text)
    )
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
