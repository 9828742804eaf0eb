//! A run in a few lines of signs.

use std::io::{self, Write};

use super::text::{Ink, Pen};
use super::timeline::{Run, Track};

/// Seconds to a column.
const STRIDE: usize = 15;

/// What lasted how long, a column each quarter of a minute.
pub fn strip(run: &Run, pen: Pen, out: &mut impl Write) -> io::Result<()> {
    let columns = run.seconds as usize / STRIDE;
    let mut ruler = String::new();
    for minute in (0..=run.seconds as usize / 60).step_by(5) {
        let column = minute * 60 / STRIDE;
        ruler.push_str(&" ".repeat(column.saturating_sub(ruler.len())));
        ruler.push_str(&minute.to_string());
    }
    writeln!(out, "  {:<15}{}", "minute", pen.ink(Ink::Dim, &ruler))?;
    for track in &run.tracks {
        write!(out, "  {:<15}", track.name)?;
        for column in 0..columns {
            let value = at(track, (column * STRIDE) as f64 + STRIDE as f64 / 2.0);
            let (sign, ink) = sign(value);
            write!(out, "{}", pen.ink(ink, sign))?;
        }
        writeln!(out)?;
    }
    let key = "█ well  ░ not  P primary  S secondary  F forced unhealthy  ! set by somebody else";
    writeln!(out, "  {:<15}{}\n", "", pen.ink(Ink::Dim, key))
}

fn at(track: &Track, seconds: f64) -> &str {
    let span = track.spans.iter().find(|span| span.to > seconds).or(track.spans.last());
    span.map_or("", |span| span.value.as_str())
}

fn sign(value: &str) -> (&'static str, Ink) {
    match value {
        "orders-primary" => ("P", Ink::Good),
        "orders-replica" => ("S", Ink::Blue),
        "forced unhealthy" => ("F", Ink::Blue),
        "disabled alone" | "inverted alone" | "stale" => ("!", Ink::Bad),
        "served" | "normal" => ("█", Ink::Good),
        value if value.starts_with("available") => ("█", Ink::Good),
        _ => ("░", Ink::Bad),
    }
}
