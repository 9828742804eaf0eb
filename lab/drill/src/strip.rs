//! A run in a few lines of signs.

use std::io::{self, Write};

use super::text::{BAD, BLUE, DIM, GOOD, INDENT, PLAIN, WARN, WIDTH, put};
use super::timeline::{Run, Tone, Track};

/// Seconds per column: the first that fits is taken.
const STRIDES: [usize; 5] = [10, 15, 20, 30, 60];
const NAME: usize = 15;

/// What each thing was over time. A column shows the worst of its seconds, so that no dip is lost.
pub fn strip(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let seconds = run.seconds as usize;
    let fits = |stride: &&usize| seconds.div_ceil(**stride) <= WIDTH - INDENT - NAME;
    let stride = STRIDES.iter().find(fits).copied().unwrap_or(60);
    let mut ruler = String::new();
    for minute in (0..=seconds / 60).step_by(5) {
        let column = minute * 60 / stride;
        ruler.push_str(&" ".repeat(column.saturating_sub(ruler.len())));
        ruler.push_str(&minute.to_string());
    }
    writeln!(out, "  {:<NAME$}{DIM}{ruler}{DIM:#}", "minute")?;
    for track in &run.tracks {
        write!(out, "  {:<NAME$}", track.name)?;
        for column in 0..seconds.div_ceil(stride) {
            let value = worst(track, (column * stride) as f64, ((column + 1) * stride) as f64);
            let style = match Tone::of(value) {
                Tone::Plain => PLAIN,
                Tone::Good => GOOD,
                Tone::Moved => BLUE,
                Tone::Odd => WARN,
                Tone::Bad => BAD,
            };
            write!(out, "{style}{}{style:#}", sign(value))?;
        }
        writeln!(out)?;
    }
    let key = "█ well, served · ░ not · P primary · S secondary · n normal · F forced unhealthy · ! set by somebody else, or stale";
    put(out, &" ".repeat(INDENT + NAME), "", DIM, key)
}

fn worst(track: &Track, from: f64, to: f64) -> &str {
    let spans = track.spans.iter().filter(|span| span.from < to && span.to > from);
    let worst = spans.max_by_key(|span| Tone::of(&span.value));
    worst.map_or_else(|| track.last(), |span| &span.value)
}

fn sign(value: &str) -> &'static str {
    match value {
        "orders-primary" => "P",
        "orders-replica" | "asks for secondary" => "S",
        "forced unhealthy" => "F",
        "normal" => "n",
        "quiet" => "·",
        "disabled alone" | "inverted alone" | "stale" => "!",
        value if Tone::of(value) == Tone::Good => "█",
        _ => "░",
    }
}
