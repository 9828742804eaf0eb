//! The operator's actions that move no traffic: status, check, pause, resume.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::account::{Account, Basis, Finding, Last, Made, Step};
use crate::act::Actor;
use crate::clock::Clock;
use crate::config::Mode;
use crate::context::Context;
use crate::decide::{Case, Code, Command, Decision, Next, Order, Streak, decide, explain};
use crate::diagnosis::Diagnosis;
use crate::error::{Failure, Kind};
use crate::facts;
use crate::memory::Pause;
use crate::model::{Change, Evidence, Need, Observation, Reading, after};
use crate::observe::Observer;
use crate::readiness;

/// Lambda retries a failed asynchronous order within some minutes: a pause that ends so close to one in force,
/// for the same reason, is the same pause.
const REPEATED_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// Reads all and reports what a tick would do, and every row that was considered.
///
/// # Errors
/// The health check could not be read.
pub async fn status(context: &Context, clock: &Clock, account: &mut Account) -> Result<(), Failure> {
    (account.reads_only, account.was_asked) = (true, true);
    let (mut seen, observer) = look_at_all(context, clock).await;
    require_check(context, &seen)?;
    let streak = streak_of(context, &seen, clock);
    // What is read in order to decide changes nothing: as much is read as that takes.
    let rule = loop {
        let case = Case::new(&seen, streak.clone(), Order::Tick, &context.config.pair, clock.now());
        match decide(&case) {
            Decision::Read(need) => observer.read(need, &mut seen).await,
            Decision::Apply(rule) => break rule,
        }
    };
    let case = Case::new(&seen, streak.clone(), Order::Tick, &context.config.pair, clock.now());
    let message = format!(
        "A tick would now decide `{}` ({}). {}",
        rule.effect.as_str(),
        rule.code,
        facts::message(rule, &case, None)
    );
    account.rules = Some(explain::considered(&case));
    remember(account, seen, streak, Basis::Rule(rule), message, clock);
    Ok(())
}

/// Would a failover work now?
///
/// What can't be read is a finding, and no failure.
pub async fn check(context: &Context, clock: &Clock, account: &mut Account) {
    (account.reads_only, account.was_asked) = (true, true);
    let (seen, observer) = look_at_all(context, clock).await;
    let findings = readiness::examine(&context.config, &seen, &observer, clock).await;
    let failed = Finding::failed(&findings);
    account.findings = Some(findings);
    let streak = streak_of(context, &seen, clock);
    let case = Case::new(&seen, streak.clone(), Order::Tick, &context.config.pair, clock.now());
    let (reason, verdict) = if failed == 0 {
        ("ready", "A failover would work now, as far as can be verified".to_owned())
    } else {
        ("not-ready", format!("{failed} finding(s) would keep a failover from working"))
    };
    let message = format!("{verdict}: {}", facts::facts(&case));
    remember(account, seen, streak, Basis::Request(reason), message, clock);
}

/// Stops automatic change.
///
/// # Errors
/// The health check could not be read, or its tag not be written.
pub async fn pause(
    context: &Context,
    reason: String,
    duration: Option<Duration>,
    clock: &Clock,
    account: &mut Account,
) -> Result<(), Failure> {
    let until = duration.map(|duration| after(clock.now(), duration));
    set_pause(context, Some(Pause { until, reason }), clock, account).await
}

/// Resumes automatic change.
///
/// # Errors
/// The health check could not be read, or its tag not be removed.
pub async fn resume(context: &Context, clock: &Clock, account: &mut Account) -> Result<(), Failure> {
    set_pause(context, None, clock, account).await
}

async fn set_pause(
    context: &Context,
    pause: Option<Pause>,
    clock: &Clock,
    account: &mut Account,
) -> Result<(), Failure> {
    let (mut seen, observer) = look_at_all(context, clock).await;
    require_check(context, &seen)?;
    let (change, basis, next) = match &pause {
        Some(_) => {
            (Change::Pause, Basis::Request("paused"), Next::run("When the work is done:", Command::RESUME))
        }
        None => (Change::Resume, Basis::Request("resumed"), Next::words("Nothing.")),
    };
    let actor = Actor::new(&context.aws, &context.config.pair, observer, *clock);
    let is_so = seen.memory.read().is_some_and(|memory| match (&memory.pause, &pause) {
        (None, None) => true,
        (Some(present), Some(wanted)) => same(present, wanted, clock.now()) && present.in_force(clock.now()),
        (Some(_), None) | (None, Some(_)) => false,
    });
    let in_force =
        if is_so { seen.memory.read().and_then(|memory| memory.pause.as_ref()) } else { pause.as_ref() };
    let verdict = match in_force {
        Some(pause) if is_so => format!("Automatic change is already {}", pause.words()),
        Some(pause) => format!("Automatic change is {}", pause.words()),
        None if is_so => "Automatic change was not paused, so there was nothing to resume".to_owned(),
        None => "Automatic change is resumed".to_owned(),
    };
    let mut made = false;
    let verdict = if is_so {
        verdict
    } else if context.config.mode == Mode::Observe {
        format!("MODE=observe: nothing was changed. With MODE=act the answer would be: {verdict}")
    } else {
        actor.set_pause(pause.as_ref().map(Pause::to_string)).await?;
        made = true;
        if let Evidence::Read(memory) = &mut seen.memory {
            memory.pause = pause;
        }
        verdict
    };
    // Only now: it may wait for a request that coincides, and a pause is urgent.
    if context.config.mode == Mode::Act {
        actor.confirm_what_was_made(&mut seen).await;
    }
    let streak = streak_of(context, &seen, clock);
    let case = Case::new(&seen, streak.clone(), Order::Tick, &context.config.pair, clock.now());
    let message = format!("{verdict}: {}", facts::facts(&case));
    if made {
        account.changes.push(Made {
            change,
            step: Step { basis, message: message.clone(), observations: 1 },
            next,
            at: clock.now(),
        });
    }
    remember(account, seen, streak, basis, message, clock);
    Ok(())
}

fn remember(
    account: &mut Account,
    seen: Observation,
    streak: Streak,
    basis: Basis,
    message: String,
    clock: &Clock,
) {
    account.last = Some(Last { seen, streak, order: Order::Tick, now: clock.now(), basis, message });
}

async fn look_at_all<'a>(context: &'a Context, clock: &Clock) -> (Observation, Observer<'a>) {
    let observer = context.observer(*clock).of_a_person();
    let mut seen = observer.look().await;
    observer.read(Need::Memory, &mut seen).await;
    if context.config.pair.replica.is_some() {
        observer.read(Need::Lag, &mut seen).await;
    }
    (seen, observer)
}

fn streak_of(context: &Context, seen: &Observation, clock: &Clock) -> Streak {
    Streak::new(&Diagnosis::of(seen, &context.config.pair), clock.now())
}

fn require_check(context: &Context, seen: &Observation) -> Result<(), Failure> {
    let why = match &seen.check {
        Reading::Known(_) => return Ok(()),
        Reading::Missing => "it does not exist".to_owned(),
        Reading::Unknown(why) => why.to_string(),
    };
    Err(Failure::new(
        Kind::Rule(Code::HealthCheckUnreadable),
        format!("The health check {} could not be read: {why}", context.config.pair.health_check_id),
    ))
}

/// Whether the pause in force is what is wanted. A repeated request ends a little later; one that was renewed or
/// shortened on purpose ends at another time, for as long as it was asked for.
fn same(present: &Pause, wanted: &Pause, now: Timestamp) -> bool {
    // What is wanted is compared as the tag would hold it.
    let words = |pause: &Pause| Pause { until: None, ..pause.clone() }.to_string();
    let close = match (present.until, wanted.until) {
        (None, None) => true,
        (Some(present), Some(wanted)) => {
            let apart = wanted.duration_since(present).abs();
            apart < REPEATED_WITHIN.min(wanted.duration_since(now) / 2)
        }
        (Some(_), None) | (None, Some(_)) => false,
    };
    close && words(present) == words(wanted)
}
