//! The report: one page with all in it, without a script, in the look of the drill's.

use std::fmt::Write;

use report::escape;

use crate::record::{Outcome, What, reason};
use crate::svg;

/// Writing into a string does not fail.
macro_rules! add {
    ($to:expr, $($text:tt)+) => { let _ = writeln!($to, $($text)+); };
}

/// The page. `machine` says where and with what it was played.
pub fn page(outcomes: &[Outcome], machine: &str, took: f64) -> String {
    let mut body = String::new();
    add!(body, "<h1>Rehearsal</h1>");
    add!(
        body,
        "<p class=\"soft\">Real servers, real DNS answers, real PHP clients, the function's real binary; RDS, Route 53, CloudWatch and SNS are a local emulator that reports the state of these servers. A tick each 2 s and three confirmations of 300 ms stand for a minute and 10 s (a factor of 30) except where a case says otherwise; the TTL is 5 s. Nothing here was measured on AWS. {} cases in {took:.0} s on {}.</p>",
        outcomes.len(),
        escape(machine)
    );
    overview(&mut body, outcomes);
    key(&mut body);
    for outcome in outcomes {
        case(&mut body, outcome);
    }
    report::page("Failover rehearsal", &body)
}

fn pill(held: bool) -> &'static str {
    if held { "<span class=\"pill good\">held</span>" } else { "<span class=\"pill bad\">broken</span>" }
}

fn overview(to: &mut String, outcomes: &[Outcome]) {
    let held = outcomes.iter().filter(|outcome| outcome.held()).count();
    add!(to, "<section><div class=\"head\"><h2>{held} of {} cases held</h2></div>", outcomes.len());
    add!(to, "<table class=\"cards\"><thead><tr><th>Case</th><th></th>");
    let heads = ["Rows acknowledged", "Rows lost"];
    for head in heads {
        add!(to, "<th class=\"number\">{head}</th>");
    }
    add!(to, "<th></th></tr></thead><tbody>");
    for outcome in outcomes {
        let (name, title) = (&outcome.name, escape(&outcome.title));
        let rows = outcome.events.iter().filter(|event| matches!(event.what, What::Ack { .. })).count();
        add!(to, "<tr><td><a href=\"#{name}\">{name}</a></td><td class=\"wide\">{title}</td>");
        for (head, cell) in heads.iter().zip([rows, outcome.lost.len()]) {
            add!(to, "<td class=\"number\" data-head=\"{head}\">{cell}</td>");
        }
        add!(to, "<td>{}</td></tr>", pill(outcome.held()));
    }
    add!(to, "</tbody></table></section>");
}

fn key(to: &mut String) {
    add!(to, "<div class=\"key\">");
    for (color, text) in [
        ("good", "rows on the primary, or in order"),
        ("moved", "rows on the secondary, or moved"),
        ("odd", "another node of the primary's cluster, or in between"),
        ("bad", "down"),
        ("fault", "a row that is lost"),
        ("read", "an error that a client met"),
    ] {
        add!(to, "<span><i style=\"background:var(--{color})\"></i>{text}</span>");
    }
    add!(to, "</div>");
}

fn case(to: &mut String, outcome: &Outcome) {
    add!(
        to,
        "<section id=\"{name}\"><div class=\"head\"><h2>{name}</h2>{}</div><p>{}</p>",
        pill(outcome.held()),
        escape(&outcome.title),
        name = outcome.name
    );
    if let Some(broken) = &outcome.broken {
        add!(to, "<p class=\"moral\">Not played to its end: {}</p>", escape(broken));
    }
    add!(to, "<div class=\"totals\">");
    for figure in &outcome.figures {
        add!(to, "<div><span>{}</span>{}</div>", escape(&figure.name), escape(&figure.value));
    }
    add!(to, "</div>{}<ol class=\"story\">", svg::charts(outcome));
    for event in &outcome.events {
        if let What::Step { text } = &event.what {
            add!(to, "<li>{:.1} s: {}</li>", event.at, escape(text));
        }
    }
    add!(to, "</ol><ul class=\"verdicts\">");
    for check in &outcome.checks {
        let class = if check.held { "good" } else { "bad" };
        add!(
            to,
            "<li class=\"{class}\">{} <span class=\"soft\">({})</span></li>",
            escape(&check.must),
            escape(&check.found)
        );
    }
    add!(to, "</ul>");
    decisions(to, outcome);
    add!(to, "</section>");
}

/// What the function answered, without what it said the time before.
fn decisions(to: &mut String, outcome: &Outcome) {
    add!(to, "<details><summary>What the function decided</summary><table class=\"events\">");
    let mut before = None;
    for event in &outcome.events {
        let What::Invocation { action, answer, .. } = &event.what else { continue };
        let reason = reason(answer);
        if before.replace(reason) == Some(reason) {
            continue;
        }
        let message = answer["message"].as_str().or(answer["errorMessage"].as_str()).unwrap_or_default();
        add!(
            to,
            "<tr><td>{:.1} s</td><td>{}</td><td><code>{}</code> {}</td></tr>",
            event.at,
            escape(action),
            escape(reason),
            escape(message)
        );
    }
    add!(to, "</table></details>");
}
