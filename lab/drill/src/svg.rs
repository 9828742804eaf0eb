//! A run as a picture.

use std::fmt::Write;

use super::html::escape;
use super::text::clock;
use super::timeline::{Ending, Invocation, Run, Tone, Track, What};

const ROW: f64 = 26.0;
const BAR: f64 = 17.0;
const TOP: f64 = 34.0;

/// How wide a picture is, and where the names of its rows are.
#[derive(Clone, Copy)]
struct Format {
    class: &'static str,
    width: f64,
    /// Where the bars begin; left of it are the names, or, where there is no room, above.
    left: f64,
    /// Room above a bar for its name.
    above: f64,
    /// Minutes from one number of the axis to the next.
    step: usize,
}

const WIDE: Format = Format { class: "wide", width: 1080.0, left: 128.0, above: 0.0, step: 1 };
const NARROW: Format = Format { class: "narrow", width: 340.0, left: 6.0, above: 15.0, step: 5 };

struct Picture {
    format: Format,
    seconds: f64,
    svg: String,
}

impl Picture {
    fn x(&self, at: f64) -> f64 {
        let Format { width, left, .. } = self.format;
        left + (width - left - 8.0) * (at / self.seconds).clamp(0.0, 1.0)
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.svg.write_fmt(element);
    }

    /// The name of a row whose bar begins at `top`.
    fn name(&mut self, name: &str, top: f64) {
        let Format { left, above, .. } = self.format;
        let (x, y) = if above > 0.0 { (left, top - 4.0) } else { (left - 10.0, top + BAR - 4.0) };
        self.add(format_args!(r#"<text class="name" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(name)));
    }
}

/// The chart of a run, once for wide and once for narrow windows: a row for what lasted, a row for invocations and
/// calls, a line for each step of the story.
pub fn charts(run: &Run) -> String {
    [WIDE, NARROW].map(|format| chart(run, format)).concat()
}

fn chart(run: &Run, format: Format) -> String {
    let row_height = ROW + format.above;
    let bottom = TOP + run.tracks.len() as f64 * row_height + format.above;
    let height = bottom + 84.0;
    let mut picture = Picture { format, seconds: run.seconds.max(1.0), svg: String::new() };
    picture.add(format_args!(
        r#"<svg class="{}" viewBox="0 0 {} {height}" role="img" aria-label="Timeline of {}">"#,
        format.class,
        format.width,
        run.handler.name()
    ));
    axis(&mut picture, bottom, height);
    for (index, track) in run.tracks.iter().enumerate() {
        row(&mut picture, track, TOP + index as f64 * row_height + format.above);
    }
    picture.name("invocations", bottom + 6.0);
    if format.above == 0.0 {
        picture.name("calls", bottom + 39.0);
    }
    for (at, invocation) in run.invocations() {
        invoked(&mut picture, at, invocation, bottom);
    }
    story(&mut picture, run, bottom + 66.0);
    picture.svg.push_str("</svg>");
    picture.svg
}

fn axis(picture: &mut Picture, bottom: f64, height: f64) {
    let minutes = (picture.seconds / 60.0) as usize;
    for minute in 0..=minutes {
        let x = picture.x(60.0 * minute as f64);
        picture.add(format_args!(
            r#"<line class="grid" x1="{x:.1}" y1="{:.1}" x2="{x:.1}" y2="{:.1}"/>"#,
            TOP - 4.0,
            bottom + 66.0
        ));
        if minute % picture.format.step == 0 && (minutes <= 12 || minute % 2 == 0 || picture.format.step > 1)
        {
            picture.add(format_args!(
                r#"<text class="tick" x="{x:.1}" y="{:.1}">{minute}</text>"#,
                height - 4.0
            ));
        }
    }
    if picture.format.above == 0.0 {
        picture.name("minute", height - BAR);
    }
}

fn row(picture: &mut Picture, track: &Track, top: f64) {
    picture.name(track.name, top);
    for span in &track.spans {
        let (from, to) = (picture.x(span.from), picture.x(span.to));
        let width = (to - from).max(1.0);
        let (value, class) = (escape(&span.value), class(&span.value));
        picture.add(format_args!(
            r#"<g><title>{}: {value}, {} to {}</title><rect class="{class}" x="{from:.1}" y="{top:.1}" width="{width:.1}" height="{BAR}" rx="3"/>"#,
            escape(track.name),
            clock(span.from),
            clock(span.to)
        ));
        // What does not fit stands in the title.
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
    match Tone::of(value) {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Moved => "moved",
        Tone::Odd => "odd",
        Tone::Bad => "bad",
    }
}

fn invoked(picture: &mut Picture, at: f64, invocation: &Invocation, top: f64) {
    let (x, end) = (picture.x(at), picture.x(at + invocation.seconds));
    let (class, title) = match &invocation.outcome {
        Ending::Answered { decision, reason, actions, .. } => {
            (if actions.is_empty() { "calm" } else { "moved" }, format!("{decision} · {reason}"))
        }
        Ending::Failed { error_type, .. } => ("bad", format!("failed · {error_type}")),
        Ending::Crashed => ("bad", "cut off".to_owned()),
    };
    picture.add(format_args!(
        r#"<g><title>{} {} ({})</title><rect class="{class}" x="{:.1}" y="{:.1}" width="{:.1}" height="9" rx="4.5"/></g>"#,
        clock(at),
        escape(&title),
        invocation.trigger,
        x - 4.5,
        top + 10.0,
        (end - x) + 9.0
    ));
    for (index, call) in invocation.calls.iter().enumerate() {
        // Calls of the same moment stand side by side.
        let x = picture.x(call.at) + (index % 4) as f64 * 1.8;
        let (class, height) = match (call.write, call.outcome == "ok") {
            (true, _) => ("write", 20.0),
            (false, true) => ("read", 10.0),
            (false, false) => ("fault", 10.0),
        };
        picture.add(format_args!(
            r#"<line class="{class}" x1="{x:.1}" y1="{:.1}" x2="{x:.1}" y2="{:.1}"><title>{} {} {}</title></line>"#,
            top + 56.0 - height,
            top + 56.0,
            clock(call.at),
            escape(&call.operation),
            escape(&call.outcome)
        ));
    }
}

fn story(picture: &mut Picture, run: &Run, bottom: f64) {
    let steps = run.events.iter().filter_map(|event| {
        if let What::Story { text } = &event.what { Some((event.at, text)) } else { None }
    });
    let mut right = 0.0;
    for (index, (at, text)) in steps.enumerate() {
        let x = picture.x(at);
        picture.add(format_args!(r#"<line class="step" x1="{x:.1}" y1="22" x2="{x:.1}" y2="{bottom:.1}"/>"#));
        let badge = f64::max(x, right);
        right = badge + 19.0;
        picture.add(format_args!(
            r#"<g><title>{} {}</title><circle class="badge" cx="{badge:.1}" cy="13" r="9"/><text class="number" x="{badge:.1}" y="17">{}</text></g>"#,
            clock(at),
            escape(text),
            index + 1
        ));
    }
}
