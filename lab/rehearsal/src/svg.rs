//! A case as a picture: who took rows, what RDS, Route 53 and the function said, and which rows are lost.

use std::fmt::Write;

use crate::html::escape;
use crate::record::{Event, Outcome, What, reason};

const WIDTH: f64 = 1080.0;
/// Where the tracks begin; their names are left of it.
const LEFT: f64 = 128.0;
const TOP: f64 = 34.0;
const ROW: f64 = 26.0;
const BAR: f64 = 17.0;
/// Rows further apart than this are two spans.
const GAP: f64 = 0.4;

/// A value that lasted.
struct Span {
    from: f64,
    to: f64,
    value: String,
}

struct Track {
    name: String,
    spans: Vec<Span>,
}

struct Picture {
    seconds: f64,
    svg: String,
}

impl Picture {
    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - 8.0) * (at / self.seconds).clamp(0.0, 1.0)
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.svg.write_fmt(element);
    }

    fn name(&mut self, name: &str, y: f64) {
        self.add(format_args!(
            r#"<text class="name" x="{:.1}" y="{y:.1}">{}</text>"#,
            LEFT - 10.0,
            escape(name)
        ));
    }

    fn tick(&mut self, class: &str, at: f64, from: f64, to: f64, title: &str) {
        let x = self.x(at);
        self.add(format_args!(
            r#"<line class="{class}" x1="{x:.1}" y1="{from:.1}" x2="{x:.1}" y2="{to:.1}"><title>{at:.2} s {}</title></line>"#,
            escape(title)
        ));
    }
}

/// The chart of a case.
pub fn chart(outcome: &Outcome) -> String {
    let clients = clients(&outcome.events);
    let tracks = tracks(outcome);
    let rows = clients.len() + tracks.len();
    let bottom = TOP + rows as f64 * ROW;
    let height = bottom + 52.0;
    let mut picture = Picture { seconds: outcome.seconds.max(1.0), svg: String::new() };
    picture.add(format_args!(
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline of {}">"#,
        escape(&outcome.name)
    ));
    axis(&mut picture, bottom, height);
    for (index, client) in clients.iter().enumerate() {
        writer(&mut picture, outcome, client, TOP + index as f64 * ROW);
    }
    for (index, track) in tracks.iter().enumerate() {
        row(&mut picture, track, TOP + (clients.len() + index) as f64 * ROW);
    }
    picture.name("decisions", bottom + 19.0);
    for event in &outcome.events {
        if let What::Invocation { action, until, answer, failed } = &event.what {
            invoked(&mut picture, event.at, *until, action, answer, *failed, bottom);
        }
    }
    story(&mut picture, &outcome.events, bottom + 30.0);
    picture.svg.push_str("</svg>");
    picture.svg
}

fn axis(picture: &mut Picture, bottom: f64, height: f64) {
    let step = if picture.seconds > 60.0 { 10 } else { 5 };
    for second in (0..=picture.seconds as u32).step_by(step) {
        let x = picture.x(f64::from(second));
        picture.add(format_args!(
            r#"<line class="grid" x1="{x:.1}" y1="{:.1}" x2="{x:.1}" y2="{:.1}"/><text class="tick" x="{x:.1}" y="{:.1}">{second}</text>"#,
            TOP - 4.0,
            bottom + 32.0,
            height - 4.0
        ));
    }
    picture.name("second", height - 4.0);
}

/// The clients that wrote or read, in the order of their first word.
fn clients(events: &[Event]) -> Vec<String> {
    let mut clients = Vec::new();
    for event in events {
        if let What::Ack { client, .. } | What::Read { client, .. } | What::Trouble { client, .. } =
            &event.what
            && !clients.contains(client)
        {
            clients.push(client.clone());
        }
    }
    clients
}

/// A client's acknowledged rows as bars in the colour of the server, its errors and its lost rows as lines on them.
fn writer(picture: &mut Picture, outcome: &Outcome, name: &str, top: f64) {
    let mut track = Track { name: format!("{name} client"), spans: Vec::new() };
    for event in &outcome.events {
        let (What::Ack { client, server, .. } | What::Read { client, server }) = &event.what else {
            continue;
        };
        if client != name {
            continue;
        }
        match track.spans.last_mut() {
            Some(last) if last.value == *server && event.at - last.to < GAP => last.to = event.at,
            _ => track.spans.push(Span { from: event.at, to: event.at, value: server.clone() }),
        }
    }
    row(picture, &track, top);
    for event in &outcome.events {
        if let What::Trouble { client, code, message, .. } = &event.what
            && client == name
        {
            picture.tick("read", event.at, top + 3.0, top + BAR - 3.0, &format!("{code}: {message}"));
        }
    }
    for (client, n, at) in &outcome.lost {
        if client == name {
            picture.tick("fault", *at, top, top + BAR, &format!("row {n} is lost"));
        }
    }
}

/// What lasted: statuses, flags, the answer of DNS.
fn tracks(outcome: &Outcome) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    let mut set = |name: &str, at: f64, value: &str| {
        let index = tracks.iter().position(|track| track.name == name).unwrap_or_else(|| {
            tracks.push(Track { name: name.to_owned(), spans: Vec::new() });
            tracks.len() - 1
        });
        let spans = &mut tracks[index].spans;
        if let Some(last) = spans.last_mut() {
            if last.value == value {
                return;
            }
            last.to = at;
        }
        spans.push(Span { from: at, to: outcome.seconds, value: value.to_owned() });
    };
    set("flags", 0.0, "normal");
    for event in &outcome.events {
        match &event.what {
            What::Status { instance, status } => {
                let short = instance.trim_start_matches("orders-");
                set(&format!("RDS: {short}"), event.at, status);
            }
            What::Flags { forced, .. } => {
                set("flags", event.at, if *forced { "forced unhealthy" } else { "normal" });
            }
            What::Dns { answer } => {
                set("DNS answer", event.at, answer.split('.').next().unwrap_or_default());
            }
            What::Step { .. }
            | What::Invocation { .. }
            | What::Ack { .. }
            | What::Trouble { .. }
            | What::GaveUp { .. }
            | What::Read { .. } => {}
        }
    }
    tracks
}

fn row(picture: &mut Picture, track: &Track, top: f64) {
    picture.name(&track.name, top + BAR - 4.0);
    for span in &track.spans {
        let (from, to) = (picture.x(span.from), picture.x(span.to));
        let width = (to - from).max(1.5);
        let (value, class) = (escape(&span.value), class(&span.value));
        picture.add(format_args!(
            r#"<g><title>{}: {value}, {:.1} to {:.1} s</title><rect class="{class}" x="{from:.1}" y="{top:.1}" width="{width:.1}" height="{BAR}" rx="3"/>"#,
            escape(&track.name),
            span.from,
            span.to
        ));
        // What does not fit is in the title.
        if width > 6.2 * span.value.len() as f64 + 10.0 {
            picture.add(format_args!(
                r#"<text class="value" x="{:.1}" y="{:.1}">{value}</text>"#,
                from + 6.0,
                top + BAR - 4.5
            ));
        }
        picture.svg.push_str("</g>");
    }
}

fn class(value: &str) -> &'static str {
    match value {
        "b1" | "orders-replica" | "site-b" | "forced unhealthy" | "promoted" => "moved",
        "a1" | "orders-primary" | "site-a" | "normal" | "available" => "good",
        "a2" | "a3" | "modifying" | "rebooting" => "odd",
        _ => "bad",
    }
}

fn invoked(
    picture: &mut Picture,
    at: f64,
    until: f64,
    action: &str,
    answer: &serde_json::Value,
    failed: bool,
    top: f64,
) {
    let (x, end) = (picture.x(at), picture.x(until));
    let acted = answer["actions"].as_array().is_some_and(|actions| !actions.is_empty());
    let class = if failed {
        "bad"
    } else if acted {
        "moved"
    } else {
        "calm"
    };
    let said = reason(answer);
    picture.add(format_args!(
        r#"<g><title>{at:.1} s {action}: {}</title><rect class="{class}" x="{:.1}" y="{:.1}" width="{:.1}" height="9" rx="4.5"/></g>"#,
        escape(said),
        x - 4.5,
        top + 10.0,
        (end - x) + 9.0
    ));
}

fn story(picture: &mut Picture, events: &[Event], bottom: f64) {
    let steps = events.iter().filter_map(|event| Some((event.at, event.what.step()?)));
    let mut right = 0.0;
    for (index, (at, text)) in steps.enumerate() {
        let x = picture.x(at);
        picture.add(format_args!(r#"<line class="step" x1="{x:.1}" y1="22" x2="{x:.1}" y2="{bottom:.1}"/>"#));
        let badge = f64::max(x, right);
        right = badge + 19.0;
        picture.add(format_args!(
            r#"<g><title>{at:.1} s {}</title><circle class="badge" cx="{badge:.1}" cy="13" r="9"/><text class="number" x="{badge:.1}" y="17">{}</text></g>"#,
            escape(text),
            index + 1
        ));
    }
}
