//! A run as a picture.

use report::picture::{Format, Picture, both};

use super::text::clock;
use super::timeline::{Ending, Invocation, Run, Tone, What};

/// The chart of a run: a row for what lasted, a row for invocations and calls, a line for each step of the story.
pub fn charts(run: &Run) -> String {
    both(|format| chart(run, format))
}

fn chart(run: &Run, format: Format) -> String {
    let mut picture = Picture::new(format, run.seconds, run.tracks.len(), 84.0, run.handler.name());
    axis(&mut picture, (run.seconds / 60.0) as usize);
    for (index, track) in run.tracks.iter().enumerate() {
        let top = picture.top(index);
        picture.name(track.name, top);
        for span in &track.spans {
            let title = format!("{}: {}, {} to {}", track.name, span.value, clock(span.from), clock(span.to));
            picture.bar((span.from, span.to), top, class(&span.value), &span.value, &title);
        }
    }
    picture.name("invocations", picture.bottom + 6.0);
    if !format.is_narrow() {
        picture.name("calls", picture.bottom + 39.0);
    }
    for (at, invocation) in run.invocations() {
        invoked(&mut picture, at, invocation);
    }
    for event in &run.events {
        if let What::Story { text } = &event.what {
            picture.step(event.at, 66.0, &format!("{} {text}", clock(event.at)));
        }
    }
    picture.done()
}

fn axis(picture: &mut Picture, minutes: usize) {
    let step = match (picture.format.is_narrow(), minutes) {
        (true, _) => 5,
        (false, 0..=12) => 1,
        (false, _) => 2,
    };
    for minute in 0..=minutes {
        picture.grid(60.0 * minute as f64, 66.0, (minute % step == 0).then_some(minute));
    }
    picture.unit("minute");
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

fn invoked(picture: &mut Picture, at: f64, invocation: &Invocation) {
    let (class, title) = match &invocation.outcome {
        Ending::Answered { decision, reason, actions, .. } => {
            (if actions.is_empty() { "calm" } else { "moved" }, format!("{decision} · {reason}"))
        }
        Ending::Failed { error_type, .. } => ("bad", format!("failed · {error_type}")),
        Ending::Crashed => ("bad", "cut off".to_owned()),
    };
    let title = format!("{} {title} ({})", clock(at), invocation.trigger);
    picture.dot((at, at + invocation.seconds), class, &title);
    for (index, call) in invocation.calls.iter().enumerate() {
        // Calls of the same moment stand side by side.
        let x = picture.x(call.at) + (index % 4) as f64 * 1.8;
        let (class, height) = match (call.write, call.outcome == "ok") {
            (true, _) => ("write", 20.0),
            (false, true) => ("read", 10.0),
            (false, false) => ("fault", 10.0),
        };
        let foot = picture.bottom + 56.0;
        let title = format!("{} {} {}", clock(call.at), call.operation, call.outcome);
        picture.line(x, (foot - height, foot), class, &title);
    }
}
