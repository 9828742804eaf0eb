//! The report: one page with all in it, and without a script.

use std::fmt::Write;

use report::escape;

use super::cli::Played;
use super::scenario::Handler;
use super::svg;
use super::text::{clock, counted, ending, failed, long, since, summary, told, written};
use super::timeline::{CallLine, Ending, Event, Fate, Invocation, Run, What};

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
    report::page("Failover drill", &body)
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
        "<p class=\"soft\">Time is simulated: {minutes} minutes were played in {took:.1} s. The function and its AWS clients are the real ones; RDS, Route 53, CloudWatch and SNS are emulated. Nothing here was measured on AWS. Times are minutes:seconds since the start; the function is invoked at each full minute. Clients look up the database's name and keep the answer for its TTL of 60 s.</p>"
    );
}

fn pill(outcome: Fate) -> &'static str {
    match outcome {
        Fate::Served => "<span class=\"pill good\">served</span>",
        Fate::Unserved => "<span class=\"pill odd\">waits for a person</span>",
        Fate::Unexpected => "<span class=\"pill bad\">not as expected</span>",
    }
}

fn overview(to: &mut String, all: &[Played<'_>]) {
    let heads = ["Detected", "DNS moved", "Promoted", "Reads failed", "Writes failed", "Calls"];
    add!(
        to,
        "<section><h2>{}</h2><table class=\"cards\"><thead><tr><th>Scenario</th>",
        escape(&summary(all).1)
    );
    for head in heads {
        add!(to, "<th class=\"number\">{head}</th>");
    }
    add!(to, "<th></th></tr></thead><tbody>");
    for played in all {
        let Some(run) = played.runs.last() else { continue };
        let (totals, outage, name) = (&run.totals, run.outage(), played.scenario.name);
        let after = |moment: Option<f64>| {
            let after = outage.and_then(|outage| Some(since(outage.began, moment?)));
            after.unwrap_or_else(|| "–".to_owned())
        };
        let cells = [
            after(outage.and_then(|outage| outage.detected)),
            after(outage.and_then(|outage| outage.rerouted)),
            after(outage.and_then(|outage| outage.promoted)),
            failed(totals.reads_failed),
            failed(totals.writes_failed),
            (totals.read_calls + totals.write_calls).to_string(),
        ];
        add!(to, "<tr><td><a href=\"#{name}\">{name}</a></td>");
        for (head, cell) in heads.iter().zip(cells) {
            add!(to, "<td class=\"number\" data-head=\"{head}\">{cell}</td>");
        }
        add!(to, "<td>{}</td></tr>", pill(played.fate()));
    }
    add!(
        to,
        "</tbody></table><p class=\"soft\">Detected, moved and promoted are counted from the beginning of the outage that moved DNS, or else of the longest one; reads and writes failed are counted over all outages of the scenario.</p></section>"
    );
}

fn scenario(to: &mut String, played: &Played<'_>) {
    let scenario = played.scenario;
    add!(
        to,
        "<section id=\"{name}\"><div class=\"head\"><h2>{name}</h2>{}</div><p>{}</p>",
        pill(played.fate()),
        escape(scenario.title),
        name = scenario.name
    );
    if !scenario.moral.is_empty() {
        add!(to, "<p class=\"moral\">{}</p>", escape(scenario.moral));
    }
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
        to.push_str(&svg::charts(run));
        outages(to, run);
        verdicts(to, run);
        details(to, run);
    }
    add!(to, "</section>");
}

fn key(to: &mut String) {
    let colours = [
        ("good", "well, served"),
        ("bad", "failing, or the invocation failed"),
        ("moved", "on the secondary, or a change was made"),
        ("odd", "in between, or set by somebody else"),
        ("plain", "normal, on the primary"),
        ("calm", "an invocation that changed nothing"),
    ];
    add!(to, "<div class=\"key\">");
    for (name, says) in colours {
        add!(to, "<span><i style=\"background:var(--{name})\"></i>{says}</span>");
    }
    add!(to, "<span>calls: short grey = read, tall blue = write, red = read that failed</span></div>");
}

fn outages(to: &mut String, run: &Run) {
    let totals = &run.totals;
    for outage in &totals.outages {
        let over = outage
            .over
            .map_or_else(|| "not over at the end".to_owned(), |over| format!("to {}", clock(over)));
        add!(
            to,
            "<h3>Outage from {} {over} ({})</h3><table class=\"legs\">",
            clock(outage.began),
            long(outage.length())
        );
        for (at, says) in outage.legs() {
            let (at, since) = (clock(at), since(outage.began, at));
            add!(to, "<tr><td>{at}</td><td class=\"number\">{since}</td><td>{says}</td></tr>");
        }
        add!(to, "</table>");
    }
    add!(to, "<div class=\"totals\">");
    for (what, seconds) in [("reads failed", totals.reads_failed), ("writes failed", totals.writes_failed)] {
        add!(to, "<div><span>{what}</span><b>{}</b></div>", failed(seconds));
    }
    for (seconds, whose) in [
        (totals.stale_writes, "by clients that follow DNS"),
        (totals.open_stale_writes, "over open connections"),
    ] {
        if seconds > 0.0 {
            add!(to, "<div><span>writes to a stale primary {whose}</span><b>{}</b></div>", long(seconds));
        }
    }
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
        // What the recipe, or no fence, does as expected is nothing to be pleased with.
        let class = match (verdict.held, run.handler) {
            (false, _) => "bad",
            (true, Handler::Function) => "good",
            (true, Handler::Recipe | Handler::Unfenced) => "plain",
        };
        add!(to, "<li class=\"{class}\">{}</li>", escape(&verdict.says));
    }
    if run.held() {
        for (promise, count) in &run.broken {
            add!(
                to,
                "<li class=\"warn\">breaks the promise {promise} {count} times; this function keeps it</li>"
            );
        }
    }
    let class = match run.fate() {
        Fate::Served => "good",
        Fate::Unserved => "warn",
        Fate::Unexpected => "bad",
    };
    add!(to, "<li class=\"{class}\">{}</li></ul>", ending(run).2);
}

fn details(to: &mut String, run: &Run) {
    add!(to, "<details><summary>Everything that happened</summary><table class=\"events\">");
    for event in &run.events {
        let (label, text) = describe(event);
        add!(to, "<tr><td>{}</td><td>{label}</td><td>{text}</td></tr>", clock(event.at));
    }
    add!(to, "</table></details>");
}

fn describe(event: &Event) -> (&'static str, String) {
    let (label, text, _) = told(&event.what);
    match &event.what {
        What::Story { .. } => ("", format!("<b>{}</b>", escape(&text))),
        What::Invocation(invocation) => (label, invoked(invocation)),
        What::Rds { .. }
        | What::Console { .. }
        | What::Metric { .. }
        | What::Dns { .. }
        | What::Clients { .. }
        | What::Open { .. } => (label, escape(&text)),
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
        Ending::Crashed => "the function was cut off here".to_owned(),
    };
    let reads: Vec<&CallLine> = invocation.calls.iter().filter(|call| !call.write).collect();
    let _ = write!(text, "<div class=\"calls\">{}</div>", escape(&counted(&reads)));
    for call in invocation.calls.iter().filter(|call| call.write) {
        let _ = write!(text, "<div class=\"calls\">{} {}</div>", clock(call.at), escape(&written(call)));
    }
    text
}
