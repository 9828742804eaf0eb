//! Explores every order of calls of invocations that coincide, or replays one order.
//!
//! `cargo run --profile sim -p proof --bin explore`
//! `cargo run --profile sim -p proof --bin explore -- --case "two failovers" --replay "A1 A2 B1 A3!crash"`

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use proof::explore::{Bounds, Case, Disturbance, Step, cases, explore, replay};

const USAGE: &str = "usage: explore [--case WORDS] [--preemptions N] [--undisturbed] [--in-order] [--threads N] [--broken N] \
                     [--replay STEPS]";

struct Options {
    /// The cases whose name contains this; with `=` before it, the one of exactly that name.
    case: String,
    /// Instead of three with two invocations and two with three.
    preemptions: Option<u32>,
    disturbances: Vec<Disturbance>,
    any_order: bool,
    threads: usize,
    /// Ends a case after so many broken promises.
    broken: usize,
    replay: Option<Vec<Step>>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        case: String::new(),
        preemptions: None,
        disturbances: Disturbance::ALL.to_vec(),
        any_order: true,
        threads: 2,
        broken: 3,
        replay: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value; {USAGE}"));
        let number = |text: String| text.parse().map_err(|_| format!("`{text}` is not a number; {USAGE}"));
        match argument.as_str() {
            "--case" => options.case = value()?,
            "--preemptions" => options.preemptions = Some(number(value()?)?),
            "--undisturbed" => options.disturbances.clear(),
            "--in-order" => options.any_order = false,
            "--threads" => options.threads = number(value()?)? as usize,
            "--broken" => options.broken = number(value()?)? as usize,
            "--replay" => {
                let steps: Result<_, _> = value()?.split_whitespace().map(str::parse).collect();
                options.replay = Some(steps?);
            }
            _ => return Err(format!("{argument} is not understood; {USAGE}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut cases = cases();
    cases.retain(|case| match options.case.strip_prefix('=') {
        Some(name) => case.name == name,
        None => case.name.contains(&options.case),
    });
    let Some(first) = cases.first() else {
        eprintln!("no case is called `{}`", options.case);
        return ExitCode::from(2);
    };
    if let Some(steps) = &options.replay {
        let (trace, judged) = replay(first, steps);
        println!("{}", first.name);
        trace.iter().for_each(|line| println!("  {line}"));
        return match judged {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("broken: {why}");
                ExitCode::FAILURE
            }
        };
    }
    if explore_all(&cases, &options) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
                disturbances: options.disturbances.clone(),
                any_order: options.any_order,
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
