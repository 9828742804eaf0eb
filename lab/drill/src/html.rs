//! The report: one page with all in it, and without a script.

use std::fmt::Write;

use super::cli::Played;
use super::cost::Cost;
use super::svg;
use super::text::{clock, counted, failed, long, moments};
use super::timeline::{CallLine, Ending, Event, Invocation, Run, What};

/// The page.
pub fn page(all: &[Played<'_>]) -> String {
    let mut body = String::new();
    head(&mut body, all);
    if all.len() > 1 {
        overview(&mut body, all);
    }
    key(&mut body);
    for played in all {
        scenario(&mut body, played);
    }
    if let Some(run) = all.iter().flat_map(|played| &played.runs).rfind(|run| run.totals.metrics > 0) {
        cost(&mut body, run);
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Failover drill</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        include_str!("style.css")
    )
}

/// Text that may stand in an element or an attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Writing into a string does not fail.
macro_rules! add {
    ($to:expr, $($text:tt)+) => { let _ = writeln!($to, $($text)+); };
}

fn head(to: &mut String, all: &[Played<'_>]) {
    let minutes: u64 = all.iter().map(|played| played.scenario.minutes * played.runs.len() as u64).sum();
    let took: f64 = all.iter().map(|played| played.took).sum();
    add!(to, "<h1>Failover drill</h1>");
    add!(
        to,
        "<p class=\"soft\">Time is simulated: {minutes} minutes were played in {took:.1} s. The handler, its AWS clients and their HTTP calls over loopback are the real ones; RDS, Route 53, CloudWatch and SNS are a local emulator. Nothing here was measured on AWS. Times are minutes:seconds since the start; the function is invoked at each full minute. Clients look the database's name up and keep the answer for its 60 s.</p>"
    );
}

fn pill(held: bool) -> &'static str {
    if held { "<span class=\"pill good\">held</span>" } else { "<span class=\"pill bad\">broken</span>" }
}

fn overview(to: &mut String, all: &[Played<'_>]) {
    let held = all.iter().filter(|played| played.held()).count();
    add!(
        to,
        "<section><div class=\"head\"><h2>{held} of {} scenarios held</h2></div><div class=\"scroll\"><table>",
        all.len()
    );
    add!(
        to,
        "<tr><th>Scenario</th><th class=\"number\">Detected</th><th class=\"number\">DNS moved</th><th class=\"number\">Promoted</th><th class=\"number\">Reads failed</th><th class=\"number\">Writes failed</th><th class=\"number\">Calls</th><th></th></tr>"
    );
    for played in all {
        let Some(run) = played.runs.last() else { continue };
        let totals = &run.totals;
        let began = totals.outage.unwrap_or(0.0);
        let after =
            |moment: Option<f64>| moment.map_or_else(|| "–".to_owned(), |at| long((at - began).max(0.0)));
        let name = played.scenario.name;
        add!(
            to,
            "<tr><td><a href=\"#{name}\">{name}</a></td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            after(totals.detected),
            after(totals.rerouted),
            after(totals.promoted),
            failed(totals.reads_failed),
            failed(totals.writes_failed),
            totals.read_calls + totals.write_calls,
            pill(played.held())
        );
    }
    add!(
        to,
        "</table></div><p class=\"soft\">Detected, moved and promoted are counted from the moment when clients could not write any more.</p></section>"
    );
}

fn scenario(to: &mut String, played: &Played<'_>) {
    let scenario = played.scenario;
    add!(
        to,
        "<section id=\"{name}\"><div class=\"head\"><h2>{name}</h2>{}</div><p>{}</p>",
        pill(played.held()),
        escape(scenario.title),
        name = scenario.name
    );
    if !scenario.variables.is_empty() {
        let variables: Vec<_> = scenario
            .variables
            .iter()
            .map(|(name, value)| format!("<code>{name}={}</code>", escape(value)))
            .collect();
        add!(to, "<p class=\"soft\">{}</p>", variables.join(" "));
    }
    add!(to, "<ol class=\"story\">");
    for step in &scenario.steps {
        add!(
            to,
            "<li><span class=\"soft\">{}</span> {}</li>",
            clock(step.at.as_secs_f64()),
            escape(step.says)
        );
    }
    add!(to, "</ol>");
    for run in &played.runs {
        if played.runs.len() > 1 {
            add!(to, "<h3>With {}</h3>", run.handler.name());
        }
        add!(to, "<div class=\"scroll\">{}</div>", svg::chart(run));
        totals(to, run);
        verdicts(to, run);
        details(to, run);
    }
    add!(to, "<p class=\"moral\">{}</p></section>", escape(scenario.moral));
}

fn key(to: &mut String) {
    let colours = [
        ("good", "well, normal, on the primary"),
        ("bad", "failing, or the invocation failed"),
        ("moved", "on the secondary, or a change was made"),
        ("odd", "in between, or set by somebody else"),
        ("calm", "nothing to do"),
    ];
    add!(to, "<div class=\"key\">");
    for (name, says) in colours {
        add!(to, "<span><i style=\"background:var(--{name})\"></i>{says}</span>");
    }
    add!(to, "<span>calls: short grey = read, tall blue = write, red = read that failed</span></div>");
}

fn totals(to: &mut String, run: &Run) {
    let totals = &run.totals;
    add!(to, "<div class=\"totals\">");
    for (what, when) in moments(run) {
        // "30 s after (02:00)": the time of day is the small print.
        let (value, small) = when.split_once(" after ").unwrap_or((&when, ""));
        add!(to, "<div><span>{what}</span><b>{value}</b> <small>{small}</small></div>");
    }
    add!(to, "<div><span>reads failed</span><b>{}</b></div>", failed(totals.reads_failed));
    add!(to, "<div><span>writes failed</span><b>{}</b></div>", failed(totals.writes_failed));
    add!(
        to,
        "<div><span>calls in {} invocations</span><b>{}</b> <small>reads</small> <b>{}</b> <small>writes</small></div></div>",
        totals.invocations,
        totals.read_calls,
        totals.write_calls
    );
}

fn verdicts(to: &mut String, run: &Run) {
    add!(to, "<ul class=\"verdicts\">");
    for verdict in &run.verdicts {
        let class = if verdict.held { "good" } else { "bad" };
        add!(to, "<li class=\"{class}\">{}</li>", escape(&verdict.says));
    }
    if run.verdicts.iter().all(|verdict| verdict.held) {
        for (promise, count) in &run.broken {
            add!(to, "<li class=\"warn\">breaks {promise}, {count} times, which this function keeps</li>");
        }
    }
    add!(to, "</ul>");
}

fn details(to: &mut String, run: &Run) {
    add!(to, "<details><summary>All that happened</summary><div class=\"scroll\"><table>");
    for event in &run.events {
        let (label, text) = describe(event);
        add!(to, "<tr><td>{}</td><td>{label}</td><td>{text}</td></tr>", clock(event.at));
    }
    add!(to, "</table></div></details>");
}

fn describe(event: &Event) -> (&'static str, String) {
    match &event.what {
        What::Story { text } => ("", format!("<b>{}</b>", escape(text))),
        What::Rds { instance, text } => ("RDS", format!("{instance}: {}", escape(text))),
        What::Console { text } => ("console", escape(text)),
        What::Dns { instance } => ("DNS", format!("answers {instance} from now on")),
        What::Clients { instance, reads, writes } => {
            let fate = |good: &bool| if *good { "served" } else { "failing" };
            ("clients", format!("reach {instance}: reads {}, writes {}", fate(reads), fate(writes)))
        }
        What::Invocation(invocation) => ("tick", invoked(invocation)),
    }
}

fn invoked(invocation: &Invocation) -> String {
    let mut text = match &invocation.outcome {
        Ending::Answered { decision, reason, message, .. } => {
            format!("{decision} · <code>{reason}</code> <span class=\"soft\">{}</span>", escape(message))
        }
        Ending::Failed { error_type, message, .. } => {
            format!("failed · <code>{error_type}</code> <span class=\"soft\">{}</span>", escape(message))
        }
        Ending::Crashed => "the function died here".to_owned(),
    };
    let reads: Vec<&CallLine> = invocation.calls.iter().filter(|call| !call.write).collect();
    let _ = write!(text, "<div class=\"calls\">{}</div>", escape(&counted(&reads)));
    for call in invocation.calls.iter().filter(|call| call.write) {
        let _ = write!(
            text,
            "<div class=\"calls\">{} <b>{}</b> → {} [{}]</div>",
            clock(call.at),
            call.operation,
            if call.effects.is_empty() { "nothing".to_owned() } else { escape(&call.effects.join("; ")) },
            escape(&call.outcome)
        );
    }
    text
}

fn cost(to: &mut String, run: &Run) {
    let cost = Cost::of(&run.totals);
    add!(
        to,
        "<section><h2>Costs a month at one tick a minute</h2><p class=\"soft\">List prices of us-east-1 without any free tier; 730 hours a month. Check them before you rely on them.</p><div class=\"scroll\"><table>"
    );
    for position in &cost.0 {
        add!(
            to,
            "<tr><td>{}</td><td>{}</td><td class=\"number\">${:.3}</td></tr>",
            position.what,
            escape(&position.sum),
            position.dollars
        );
    }
    add!(
        to,
        "<tr><td><b>Together</b></td><td></td><td class=\"number\"><b>${:.2}</b></td></tr></table></div></section>",
        cost.total()
    );
}
