//! What a run adds up to, and whether it is as expected.

use emulator::{Actor, Change, World};
use jiff::Timestamp;
use proof::invariants::Violation;
use proof::rig::PRIMARY;

use super::open::{OPEN, STALE};
use super::outage::outages;
use super::scenario::{Expect, Scenario};
use super::text::{failed, long};
use super::timeline::{Ending, Run, Totals, Verdict, What};

pub fn total(run: &mut Run, world: &World, start: Timestamp) {
    let lasted = |track: &str, value: &str| {
        run.track(track).map_or(0.0, |track| track.seconds(value, 0.0, run.seconds))
    };
    let calls = || run.invocations().flat_map(|(_, invocation)| &invocation.calls);
    run.totals = Totals {
        outages: outages(run, world, start),
        reads_failed: lasted("reads", "failing"),
        writes_failed: lasted("writes", "failing"),
        stale_writes: lasted("writes", STALE),
        open_stale_writes: lasted(OPEN, STALE),
        invocations: run.invocations().count(),
        read_calls: calls().filter(|call| !call.write).count(),
        write_calls: calls().filter(|call| call.write).count(),
    };
}

/// Judges a run by the scenario's expectations.
pub fn judge(run: &mut Run, scenario: &Scenario, world: &World, violations: &[Violation]) {
    for violation in violations {
        let promise = format!("{:?}", violation.promise);
        match run.broken.iter_mut().find(|(known, _)| *known == promise) {
            Some((_, count)) => *count += 1,
            None => run.broken.push((promise, 1)),
        }
    }
    for expect in scenario.expects_of(run.handler) {
        if matches!(expect, Expect::PromisesKept) && !violations.is_empty() {
            let broken = violations.iter().map(|broken| Verdict { says: broken.to_string(), held: false });
            run.verdicts.extend(broken);
        } else {
            run.verdicts.push(verdict(&expect, run, world));
        }
    }
}

fn verdict(expect: &Expect, run: &Run, world: &World) -> Verdict {
    let endings = || run.invocations().map(|(_, invocation)| &invocation.outcome);
    let dns = run.track("DNS answers");
    let accepted = || {
        let history = world.history().iter();
        history.filter(|event| matches!(event.change, Change::PromotionAccepted { .. })).count()
    };
    let (says, held) = match *expect {
        Expect::Reason(code) => (format!("{code} was decided"), endings().any(|ending| ending.names(code))),
        Expect::Failure(name) => (
            format!("an invocation failed with {name}"),
            endings().any(|ending| matches!(ending, Ending::Failed { error_type, .. } if error_type == name)),
        ),
        Expect::Actions(wanted) => {
            let made: Vec<_> = endings().flat_map(Ending::actions).copied().collect();
            let says = format!("changes made: {}", if made.is_empty() { "none".into() } else { made.join(", ") });
            if made == wanted {
                (says, true)
            } else {
                (format!("{says}; expected: {}", wanted.join(", ")), false)
            }
        }
        Expect::Promotions(wanted) => {
            let accepted = accepted();
            (format!("promotions accepted: {accepted}; expected: {wanted}"), accepted == wanted)
        }
        Expect::NothingChanged => {
            let changes = world.history().iter().filter(|event| {
                event.by == Actor::Api && !matches!(event.change, Change::Published { .. })
            });
            let changes = changes.count();
            (format!("nothing was changed through the API (changes: {changes})"), changes == 0)
        }
        Expect::DnsNeverMoved => (
            "DNS never moved".to_owned(),
            dns.is_some_and(|track| track.spans.iter().all(|span| span.value == PRIMARY)),
        ),
        Expect::EndsOn(instance) => {
            (format!("DNS ends on {instance}"), dns.is_some_and(|track| track.last() == instance))
        }
        Expect::WritesAtEnd(wanted) => (
            format!("writes are {} at the end", run.last("writes")),
            (run.last("writes") == "served") == wanted,
        ),
        Expect::NoStaleWrites => (
            "nobody wrote to the stale primary".to_owned(),
            run.totals.stale_writes == 0.0 && run.totals.open_stale_writes == 0.0,
        ),
        Expect::StaleWritesFor { at_most } => {
            let lasted = run.totals.open_stale_writes;
            let stopped = run.track("RDS: primary").is_some_and(|track| track.last() == "stopped");
            let says = format!(
                "open connections wrote to the stale primary for {}, at most {}, until it was stopped",
                failed(lasted),
                long(at_most)
            );
            (says, stopped && lasted > 0.0 && lasted <= at_most && run.last(OPEN) == "served")
        }
        Expect::StaleWritesToTheEnd => {
            let lasted = failed(run.totals.open_stale_writes);
            (format!("open connections wrote to the stale primary to the end: {lasted}"), run.last(OPEN) == STALE)
        }
        Expect::PromisesKept => {
            let calls = run.totals.read_calls + run.totals.write_calls;
            (format!("every promise was kept, checked at each of {calls} calls"), true)
        }
        Expect::Says(words) => {
            let said = endings().any(|ending| ending.message().contains(words));
            let published = world.messages().iter().any(|message| format!("{message:?}").contains(words));
            (format!("a person reads \"{words}\""), said || published)
        }
        Expect::Crash => (
            "an invocation was cut off half-way".to_owned(),
            run.events.iter().any(|event| {
                matches!(&event.what, What::Invocation(invocation) if matches!(invocation.outcome, Ending::Crashed))
            }),
        ),
    };
    Verdict { says, held }
}
