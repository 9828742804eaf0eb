//! Explores every order of calls of invocations that coincide, or replays one order.
//!
//! `cargo run --profile sim -p proof --bin explore`
//! `cargo run --profile sim -p proof --bin explore -- --case "two failovers" --replay "A1 A2 B1 A3!crash"`

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use proof::explore::{Bounds, Case, Disturbance, Step, cases, explore, replay};

/// Explores every order of calls of invocations that coincide, or replays one order.
#[derive(Parser)]
struct Options {
    /// The cases whose name contains this; with `=` before it, the one of exactly that name.
    #[arg(long, default_value = "")]
    case: String,
    /// Instead of three with two invocations and two with three.
    #[arg(long)]
    preemptions: Option<u32>,
    /// No crash, no lost answer, no throttle.
    #[arg(long)]
    undisturbed: bool,
    /// Calls that an invocation makes side by side go through as they were asked.
    #[arg(long)]
    in_order: bool,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Ends a case after so many broken promises.
    #[arg(long, default_value_t = 3)]
    broken: usize,
    /// The steps of one order, such as "A1 A2 B1 A3!crash".
    #[arg(long, value_delimiter = ' ')]
    replay: Vec<Step>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut cases = cases();
    cases.retain(|case| match options.case.strip_prefix('=') {
        Some(name) => case.name == name,
        None => case.name.contains(&options.case),
    });
    let Some(first) = cases.first() else {
        eprintln!("no case is called `{}`", options.case);
        return ExitCode::from(2);
    };
    if options.replay.is_empty() {
        return if explore_all(&cases, &options) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (trace, judged) = replay(first, &options.replay);
    println!("{}", first.name);
    trace.iter().for_each(|line| println!("  {line}"));
    match judged {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("broken: {why}");
            ExitCode::FAILURE
        }
    }
}

fn explore_all(cases: &[Case], options: &Options) -> bool {
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let total = Mutex::new((0, 0, 0));
    println!("{:>9} {:>9} {:>9} {:>7}  case", "schedules", "known", "points", "seconds");
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let preemptions = options.preemptions.unwrap_or(if case.asked.len() > 2 { 2 } else { 3 });
            let bounds = Bounds {
                preemptions,
                disturbances: if options.undisturbed { Vec::new() } else { Disturbance::ALL.to_vec() },
                any_order: !options.in_order,
            };
            let tally = explore(case, &bounds, options.broken);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.0 += tally.schedules;
            total.1 += tally.known;
            total.2 += tally.broken.len();
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "{:>9} {:>9} {:>9} {seconds:>7.1}  {} (up to {preemptions} preemptions)",
                tally.schedules, tally.known, tally.points, case.name
            );
            for (steps, why) in tally.broken {
                let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
                println!(
                    "    broken: {why}\n      --case \"={}\" --replay \"{}\"",
                    case.name,
                    steps.join(" ")
                );
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(work);
        }
    });
    let (schedules, known, broken) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} cases, {schedules} schedules judged, {known} left at a known point, {broken} broken, {:.1} s",
        cases.len(),
        started.elapsed().as_secs_f64()
    );
    broken == 0
}
