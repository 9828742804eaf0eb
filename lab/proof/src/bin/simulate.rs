//! Runs the simulation for a given number of ticks, or replays the world of one seed.
//!
//! `cargo run --profile sim -p proof --bin simulate -- --ticks 10000000 --threads 2 [--seed N]`
//! `cargo run --profile sim -p proof --bin simulate -- --seed N --replay`

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use proof::simulation::{Counts, run};

/// How many failing seeds are shown; one bug fails many.
const SHOWN: usize = 20;

/// Runs the simulation, or replays the world of one seed.
#[derive(Parser)]
struct Options {
    /// How many ticks at least.
    #[arg(long, default_value_t = 100_000)]
    ticks: u64,
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Shows what happens in the world of the seed.
    #[arg(long)]
    replay: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.replay { replay(options.seed) } else { simulate(&options) }
}

fn replay(seed: u64) -> ExitCode {
    let result = run(seed, Some(&mut |line| println!("{line}")));
    match result.violation {
        None => {
            println!("seed {seed}: every promise was kept\n{}", result.counts);
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(options: &Options) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(options.seed);
    let ticks = AtomicU64::new(0);
    let total = Mutex::new((Counts::default(), Vec::new()));
    let work = || {
        while ticks.load(Ordering::Relaxed) < options.ticks {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let result = run(seed, None);
            ticks.fetch_add(result.counts.ticks, Ordering::Relaxed);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.0 += result.counts;
            if let Some(violation) = result.violation {
                if total.1.len() < SHOWN {
                    println!("seed {seed}: {violation}");
                }
                total.1.push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(work);
        }
        scope.spawn(|| {
            let mut told = started;
            while ticks.load(Ordering::Relaxed) < options.ticks {
                std::thread::sleep(Duration::from_millis(200));
                if told.elapsed() > Duration::from_secs(30) {
                    told = Instant::now();
                    let done = ticks.load(Ordering::Relaxed);
                    let rate = done as f64 / started.elapsed().as_secs_f64();
                    eprintln!("{done} of {} ticks, {rate:.0} a second", options.ticks);
                }
            }
        });
    });
    let (counts, failing) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = started.elapsed().as_secs_f64();
    let last = next.into_inner() - 1;
    print!("{counts}");
    println!(
        "{} ticks in {seconds:.1} s on {} threads: {:.0} a second; seeds {} to {last}; {} of them broke a promise",
        counts.ticks,
        options.threads,
        counts.ticks as f64 / seconds,
        options.seed,
        failing.len()
    );
    if failing.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("replay one: cargo run --profile sim -p proof --bin simulate -- --seed {} --replay", failing[0]);
    ExitCode::FAILURE
}
