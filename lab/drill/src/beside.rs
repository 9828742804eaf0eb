//! Runs of the same scenario, side by side.

use std::io::{self, Write};

use anstyle::Style;
use textwrap::wrap;

use super::text::{BOLD, WIDTH, clock, told};
use super::timeline::{Ending, Run, What};

/// Two runs of the same scenario in two columns.
pub fn beside(runs: &[Run], out: &mut impl Write) -> io::Result<()> {
    let column = (WIDTH - 9) / runs.len().max(1);
    let names: Vec<_> = runs.iter().map(|run| format!("{:<column$}", run.handler.name())).collect();
    writeln!(out, "  {:7}{BOLD}{}{BOLD:#}", "", names.concat().trim_end())?;
    // The story is the same for all and goes across both columns.
    let mut rows: Vec<(f64, Option<usize>, String, Style)> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let mut before: Option<&Ending> = None;
        for event in &run.events {
            let (_, text, style) = told(&event.what);
            match &event.what {
                What::Story { .. } if index == 0 => rows.push((event.at, None, text, style)),
                What::Story { .. } | What::Rds { .. } | What::Console { .. } => {}
                What::Invocation(invocation) => {
                    if !before.is_some_and(|before| invocation.outcome.repeats(before)) {
                        rows.push((event.at, Some(index), text, style));
                    }
                    before = Some(&invocation.outcome);
                }
                What::Dns { .. } => rows.push((event.at, Some(index), format!("DNS {text}"), style)),
                What::Clients { .. } => {
                    rows.push((event.at, Some(index), format!("clients {text}"), style));
                }
                What::Metric { .. } | What::Open { .. } => rows.push((event.at, Some(index), text, style)),
            }
        }
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.is_some().cmp(&b.1.is_some())));
    for (at, index, text, style) in rows {
        let offset = column * index.unwrap_or(0);
        let width = if index.is_some() { column - 2 } else { WIDTH - 9 };
        for (line, text) in wrap(&text, width).iter().enumerate() {
            let at = if line == 0 { clock(at) } else { " ".repeat(5) };
            writeln!(out, "  {at}  {:offset$}{style}{text}{style:#}", "")?;
        }
    }
    Ok(())
}
