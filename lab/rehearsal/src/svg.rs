//! A case as a picture: who took rows, what RDS, Route 53 and the function said, and which rows are lost.

use report::picture::{BAR, Format, Picture, both};

use crate::record::{Event, Outcome, What, reason};

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

pub fn charts(outcome: &Outcome) -> String {
    both(|format| chart(outcome, format))
}

fn chart(outcome: &Outcome, format: Format) -> String {
    let clients = clients(&outcome.events);
    let tracks = tracks(outcome);
    let rows = clients.len() + tracks.len();
    let mut picture = Picture::new(format, outcome.seconds, rows, 52.0, &outcome.name);
    axis(&mut picture, outcome.seconds);
    for (index, client) in clients.iter().enumerate() {
        writer(&mut picture, outcome, client, index);
    }
    for (index, track) in tracks.iter().enumerate() {
        row(&mut picture, track, clients.len() + index);
    }
    picture.name("decisions", picture.bottom + 6.0);
    for event in &outcome.events {
        if let What::Invocation { action, until, answer, failed } = &event.what {
            let title = format!("{:.1} s {action}: {}", event.at, reason(answer));
            picture.dot((event.at, *until), decided(answer, *failed), &title);
        }
    }
    for event in &outcome.events {
        if let Some(text) = event.what.step() {
            picture.step(event.at, 30.0, &format!("{:.1} s {text}", event.at));
        }
    }
    picture.done()
}

fn axis(picture: &mut Picture, seconds: f64) {
    let step = match (seconds > 60.0, picture.format.is_narrow()) {
        (true, true) => 20,
        (true, false) | (false, true) => 10,
        (false, false) => 5,
    };
    for second in (0..=seconds as usize).step_by(step) {
        picture.grid(second as f64, 32.0, Some(second));
    }
    picture.unit("second");
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
fn writer(picture: &mut Picture, outcome: &Outcome, name: &str, index: usize) {
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
    row(picture, &track, index);
    let top = picture.top(index);
    for event in &outcome.events {
        if let What::Trouble { client, code, message, .. } = &event.what
            && client == name
        {
            let title = format!("{:.2} s {code}: {message}", event.at);
            picture.line(picture.x(event.at), (top + 3.0, top + BAR - 3.0), "read", &title);
        }
    }
    for (client, n, at) in &outcome.lost {
        if client == name {
            let title = format!("{at:.2} s row {n} is lost");
            picture.line(picture.x(*at), (top, top + BAR), "fault", &title);
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

fn row(picture: &mut Picture, track: &Track, index: usize) {
    let top = picture.top(index);
    picture.name(&track.name, top);
    for Span { from, to, value } in &track.spans {
        let title = format!("{}: {value}, {from:.1} to {to:.1} s", track.name);
        picture.bar((*from, *to), top, class(value), value, &title);
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

/// The colour of an invocation.
fn decided(answer: &serde_json::Value, failed: bool) -> &'static str {
    match answer["actions"].as_array().is_some_and(|actions| !actions.is_empty()) {
        _ if failed => "bad",
        true => "moved",
        false => "calm",
    }
}
