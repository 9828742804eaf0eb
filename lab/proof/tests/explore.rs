//! A part of the exploration on every run of the tests. `docs/proof.md` has the whole.
#![allow(missing_docs)]

use proof::explore::{Bounds, Case, Disturbance, Step, cases, explore, replay};

fn hold(chosen: impl Fn(&Case) -> bool, preemptions: u32, disturbances: &[Disturbance]) {
    let bounds = Bounds { preemptions, disturbances: disturbances.to_vec(), any_order: false };
    let mut schedules = 0;
    for case in cases().into_iter().filter(chosen) {
        let tally = explore(&case, &bounds, 1);
        println!("{:>6} schedules, {:>6} points: {}", tally.schedules, tally.points, case.name);
        schedules += tally.schedules;
        if let Some((steps, why)) = tally.broken.first() {
            let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
            let (case, steps) = (&case.name, steps.join(" "));
            panic!("{case}: {why}\nreplay: explore --case \"={case}\" --replay \"{steps}\"");
        }
    }
    assert!(schedules > 1, "no more than {schedules} schedules prove nothing");
}

#[test]
fn two_invocations_keep_every_promise_whichever_is_overtaken_once() {
    hold(|case| case.asked.len() == 2 && case.person.is_none() && !case.promotion, 1, &[]);
}

#[test]
fn two_invocations_promote_once_whichever_is_overtaken_once() {
    hold(|case| case.asked.len() == 2 && case.person.is_none() && case.promotion, 1, &[]);
}

#[test]
fn a_person_may_interfere_between_any_two_calls() {
    hold(|case| case.asked.len() == 1 && case.person.is_some(), 0, &[]);
}

#[test]
fn a_crash_a_lost_answer_or_a_throttle_at_any_call_leaves_nothing_undone() {
    hold(|case| case.name == "two failovers", 0, &Disturbance::ALL);
}

#[test]
fn the_same_order_of_calls_is_replayed_as_it_was() {
    let case = cases().into_iter().find(|case| case.name == "two failovers, promotion");
    let case = case.unwrap_or_else(|| panic!("the case is gone"));
    // Back and forth from the beginning; a throttled call brings in the jitter of the back-off.
    let steps = [
        Step::Call(1, 1, None),
        Step::Call(0, 2, None),
        Step::Call(1, 2, Some(Disturbance::Throttle)),
        Step::Call(0, 1, None),
    ];
    let (first, second) = (replay(&case, &steps), replay(&case, &steps));
    assert!(first.0.len() > 20, "two failovers make more than {} calls", first.0.len());
    assert_eq!(first, second);
}

#[test]
fn an_order_and_its_mirror_end_alike() {
    let case = cases().into_iter().find(|case| case.name == "two failovers, promotion");
    let case = case.unwrap_or_else(|| panic!("the case is gone"));
    let steps = [(0, 1, None), (0, 2, Some(Disturbance::Throttle)), (1, 1, None), (0, 3, None), (1, 3, None)];
    let order = steps.map(|(who, nth, disturbance)| Step::Call(who, nth, disturbance));
    let mirror = steps.map(|(who, nth, disturbance)| Step::Call(1 - who, nth, disturbance));
    let (trace, judged) = replay(&case, &order);
    let (mirrored, judged_mirror) = replay(&case, &mirror);
    // Only the lines of calls are compared: results are listed by name, and a claim carries its invocation's name.
    let exchanged = |line: &String| match line.split_at_checked(1)? {
        ("A", rest) => Some(format!("B{rest}")),
        ("B", rest) => Some(format!("A{rest}")),
        _ => None,
    };
    let of_a_call = |line: &&String| line.starts_with(['A', 'B']);
    let exchanged: Vec<_> = trace.iter().filter_map(exchanged).collect();
    assert!(exchanged.len() > 20, "two failovers make more than {} calls", exchanged.len());
    assert_eq!(mirrored.iter().filter(of_a_call).collect::<Vec<_>>(), exchanged.iter().collect::<Vec<_>>());
    assert_eq!(judged_mirror, judged);
}

#[test]
fn a_schedule_reads_as_it_is_written() {
    for step in [
        Step::Call(0, 1, None),
        Step::Call(1, 12, Some(Disturbance::Crash)),
        Step::Call(2, 3, Some(Disturbance::Lost)),
        Step::Person,
        Step::Wait,
    ] {
        assert_eq!(step.to_string().parse(), Ok(step));
    }
    for wrong in ["", "A", "a1", "1A", "A1!", "A1!boom", "person!crash"] {
        assert!(wrong.parse::<Step>().is_err(), "{wrong} is not a step");
    }
}
