//! Some thousands of ticks in random worlds, on every run of the tests. `docs/proof.md` has the long run.
#![allow(missing_docs)]

use proof::simulation::{Counts, run};

/// Worlds of 200 ticks: seconds without optimisation.
const WORLDS: u64 = 12;

#[test]
fn random_worlds_break_no_promise() {
    let mut counts = Counts::default();
    for seed in 1..=WORLDS {
        let result = run(seed, None);
        if let Some(violation) = result.violation {
            panic!("{violation}\nreplay: cargo run -p proof --bin simulate -- --seed {seed} --replay");
        }
        counts += result.counts;
    }
    println!("{counts}");
    // A simulation in which nothing happens proves nothing.
    for (what, count) in [
        ("failovers", counts.failovers),
        ("promotions", counts.promotions),
        ("failbacks", counts.failbacks),
        ("crashes", counts.crashes),
        ("overlaps", counts.overlaps),
    ] {
        assert!(count > 3, "only {count} {what}");
    }
    for (what, count) in [("moved", counts.moved_in_time), ("returned", counts.returned_in_time)] {
        assert!(count > 0, "none {what} in time");
    }
}

#[test]
fn a_seed_is_replayed_as_it_was() {
    let told = |seed| {
        let mut lines = Vec::new();
        run(seed, Some(&mut |line: &str| lines.push(line.to_owned())));
        lines
    };
    let (first, second) = (told(5), told(5));
    assert!(first.len() > 200, "a world of 200 ticks tells more than {} lines", first.len());
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first, second);
    }
    assert_eq!(first.len(), second.len());
}
