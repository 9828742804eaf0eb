//! Every order of the calls of invocations that coincide, of the real code.
//!
//! Each AWS call waits at the door of the [rig](crate::rig) until a scheduler lets it through; time passes only
//! while no call waits. A depth-first search replays a prefix of choices and runs on without a preemption, which
//! is switching away from an invocation that could have gone on (context-bounded search, as CHESS does it). A
//! point whose whole past is known from another order is not followed twice: what happened in the world, and what
//! each invocation was answered, decide everything that can come of it.

use std::collections::HashMap;

mod cases;
mod ending;
mod schedule;

pub use cases::{Asked, Case, Person, cases};
pub use schedule::Step;

pub use crate::gate::Disturbance;

/// How far the search goes.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How often the scheduler may switch away from an invocation that could have gone on.
    pub preemptions: u32,
    /// What may befall one call, whichever.
    pub disturbances: Vec<Disturbance>,
    /// Whether calls that an invocation makes side by side go through in any order, or as they were asked.
    pub any_order: bool,
}

/// What was explored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Orders of calls that were run to their end and judged.
    pub schedules: u64,
    /// Orders that were left where they met a point that was known already.
    pub known: u64,
    /// Points at which the scheduler chose.
    pub points: u64,
    /// The orders that broke a promise, with the promise.
    pub broken: Vec<(Vec<Step>, String)>,
}

/// Explores a case within bounds; stops after `enough` broken promises.
pub fn explore(case: &Case, bounds: &Bounds, enough: usize) -> Tally {
    let mut tally = Tally::default();
    // For each point, with how few preemptions it was reached.
    let mut reached: HashMap<u64, u32> = HashMap::new();
    let mut waiting: Vec<Vec<Step>> = vec![Vec::new()];
    while let Some(prefix) = waiting.pop() {
        let run = schedule::run(case, &prefix, &mut |point| {
            let before = reached.get(&point.key).copied();
            let known = before.is_some_and(|spent| spent <= point.spent);
            if !known {
                reached.insert(point.key, point.spent);
            }
            known
        });
        let Some(judged) = run.ending else {
            tally.known += 1;
            branch(&mut waiting, case, &run.points[..run.points.len() - 1], prefix.len(), bounds);
            continue;
        };
        tally.schedules += 1;
        if let Err(why) = judged {
            tally.broken.push((run.points.iter().map(|point| point.taken).collect(), why));
            if tally.broken.len() >= enough {
                break;
            }
        }
        branch(&mut waiting, case, &run.points, prefix.len(), bounds);
    }
    tally.points = reached.len() as u64;
    tally
}

/// Every other step at the points of a run that were new.
fn branch(
    waiting: &mut Vec<Vec<Step>>,
    case: &Case,
    points: &[schedule::Point],
    known: usize,
    bounds: &Bounds,
) {
    for (at, point) in points.iter().enumerate().skip(known) {
        for (step, cost) in &point.possible {
            let disturbance = match step {
                Step::Call(_, _, disturbance) => *disturbance,
                Step::Person | Step::Wait => None,
            };
            let within = disturbance
                .is_none_or(|disturbance| !point.disturbed && bounds.disturbances.contains(&disturbance));
            let in_order = bounds.any_order || is_next_of_its_invocation(*step, point);
            let mirrored = is_mirrored(*step, case, &points[..at]);
            if *step != point.taken
                && within
                && in_order
                && !mirrored
                && point.spent + cost <= bounds.preemptions
            {
                let steps = points[..at].iter().map(|point| point.taken).chain([*step]);
                waiting.push(steps.collect());
            }
        }
    }
}

/// Whether an invocation would begin before one that is asked the same and stands before it. That order is another one
/// with their names exchanged: nothing tells them apart until their first call.
fn is_mirrored(step: Step, case: &Case, before: &[schedule::Point]) -> bool {
    let Step::Call(who, ..) = step else { return false };
    let waits =
        |who| !before.iter().any(|point| matches!(point.taken, Step::Call(begun, ..) if begun == who));
    waits(who) && (0..who).any(|other| case.asked[other] == case.asked[who] && waits(other))
}

fn is_next_of_its_invocation(step: Step, point: &schedule::Point) -> bool {
    let Step::Call(who, nth, _) = step else { return true };
    !point
        .possible
        .iter()
        .any(|(other, _)| matches!(other, Step::Call(owner, before, _) if *owner == who && *before < nth))
}

/// Runs one order of calls, and on from its end without a preemption: its trace, and whether promises were kept.
pub fn replay(case: &Case, steps: &[Step]) -> (Vec<String>, Result<(), String>) {
    let run = schedule::run(case, steps, &mut |_| false);
    (run.trace, run.ending.unwrap_or(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins_in_place_of_a(case: &str, begun: &[Step]) -> bool {
        let case = cases().into_iter().find(|found| found.name == case);
        let point = |taken: &Step| schedule::Point {
            taken: *taken,
            possible: Vec::new(),
            key: 0,
            spent: 0,
            disturbed: false,
        };
        let before: Vec<_> = begun.iter().map(point).collect();
        case.is_some_and(|case| is_mirrored(Step::Call(1, 1, None), &case, &before))
    }

    #[test]
    fn only_an_order_whose_mirror_is_run_is_left_out() {
        assert!(begins_in_place_of_a("two failovers", &[]));
        assert!(begins_in_place_of_a("two failovers, promotion, flags set by hand", &[Step::Person]));
        assert!(!begins_in_place_of_a("two failovers", &[Step::Call(0, 1, None)]));
        assert!(!begins_in_place_of_a("failover and a requested failover", &[]));
    }
}
