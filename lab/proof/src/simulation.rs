//! Seeded random worlds around the real function, every step held against the [promises](crate::invariants).
//!
//! All randomness comes from the seed and all time is simulated, so a seed that fails is replayed as it was.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use rds_route53_failover::error::Failure;
use rds_route53_failover::model::Change;
use rds_route53_failover::report::Report;
use serde_json::{Value, json};

use crate::invariants::{Promise, Violation};
use crate::rig::Rig;

mod calm;
mod due;
mod setup;
mod weather;

macro_rules! counts {
    ($($field:ident),+ $(,)?) => {
        /// What happened in a run.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub struct Counts {
            $(pub $field: u64,)+
        }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)+
            }
        }

        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (name, count) in [$((stringify!($field), self.$field)),+] {
                    writeln!(f, "{:>32} {count}", name.replace('_', " "))?;
                }
                Ok(())
            }
        }
    };
}

counts!(
    worlds,
    ticks,
    failed_ticks,
    calls,
    failovers,
    promotions,
    failbacks,
    orders,
    console,
    faults,
    crashes,
    overlaps,
    doubled,
    claimed_by_accident,
    switch_moved_under_promotion,
    accepted_twice,
    order_overtaken,
    fenced_by_accident,
    promoted_unseen,
    moved_in_time,
    promoted_in_time,
    returned_in_time,
    calm,
    stays_moved,
    stays_returned,
);

/// A world's end.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened.
    pub counts: Counts,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
}

/// How many invocations a world sees.
pub const TICKS_PER_WORLD: u64 = 200;

/// Runs the world of a seed, on a thread of its own runtime. `told` takes a line of its timeline.
///
/// # Panics
/// If no runtime can be built.
pub fn run(seed: u64, told: Option<&mut dyn FnMut(&str)>) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let Ok(runtime) = runtime else { panic!("no runtime could be built") };
    // The SDK's back-off takes its jitter from here.
    fastrand::seed(seed);
    runtime.block_on(async {
        // Timers fire at whole milliseconds of the runtime's clock: from such a one on, a replay is the same.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Simulation::new(seed, told).run().await
    })
}

struct Simulation<'a> {
    rng: Rng,
    rig: Rig,
    counts: Counts,
    told: Option<&'a mut dyn FnMut(&str)>,
    /// Whether calls take a while to arrive, so that invocations overlap.
    slow: Arc<AtomicBool>,
    /// Events that come late, or twice.
    late: Vec<Value>,
    place: setup::Place,
    shown: (u64, usize),
    /// What was to happen and had not yet: it does not, once this is set.
    over: Arc<AtomicBool>,
    second_sight: bool,
    fails_back: bool,
    observes: bool,
}

impl<'a> Simulation<'a> {
    fn new(seed: u64, told: Option<&'a mut dyn FnMut(&str)>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (place, world, variables) = setup::setup(&mut rng);
        let settings: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let set = |name, value| settings.contains(&(name, value));
        let rig = Rig::new(world, &settings).tolerant();
        rig.watch().tell_lag(rig.time.now(), Some(0.5));
        rig.watch().tell_probes(place.probes_fail);
        let slow = Arc::new(AtomicBool::new(false));
        let (asked, mut random) = (Arc::clone(&slow), rng.fork());
        rig.delay_calls(move || {
            let slow = asked.load(Ordering::Relaxed);
            if slow { Duration::from_millis(random.u64(0..400)) } else { Duration::ZERO }
        });
        let mut simulation = Self {
            rng,
            rig,
            counts: Counts { worlds: 1, ..Counts::default() },
            told,
            slow,
            late: Vec::new(),
            place,
            shown: (0, 0),
            over: Arc::default(),
            second_sight: settings.iter().any(|(name, _)| *name == "SECONDARY_ENDPOINTS"),
            fails_back: !set("FAILBACK", "manual"),
            observes: set("MODE", "observe"),
        };
        simulation.say(|| format!("seed {seed}: {settings:?}"));
        simulation
    }

    async fn run(mut self) -> Run {
        while self.counts.ticks < TICKS_PER_WORLD {
            for _ in 0..self.rng.u32(0..3) {
                self.weather();
            }
            self.step().await;
            self.show();
            self.rig.emulator.world().no_crash();
            if let Err(violation) = self.rig.check() {
                self.say(|| format!("VIOLATION {violation}"));
                return self.end(Some(violation));
            }
            if self.rng.u32(0..3) == 0 {
                self.rig.emulator.world().faults.clear();
            }
            self.counts.calls += self.rig.emulator.world().calls().len() as u64;
            self.rig.forget_record();
            self.shown.1 = 0;
            let wait = self.pick(&[0, 5, 60, 60, 60, 60, 300, 1200]);
            self.rig.wait(Duration::from_secs(wait)).await;
        }
        let violation = self.calm().await;
        if let Some(violation) = &violation {
            self.say(|| format!("VIOLATION {violation}"));
        }
        self.end(violation)
    }

    fn end(mut self, violation: Option<Violation>) -> Run {
        let residue = self.rig.watch().residue();
        self.counts.claimed_by_accident = residue.claimed_by_accident;
        self.counts.switch_moved_under_promotion = residue.switch_moved_under_promotion;
        self.counts.accepted_twice = residue.accepted_twice;
        self.counts.order_overtaken = residue.order_overtaken;
        self.counts.fenced_by_accident = residue.fenced_by_accident;
        self.counts.promoted_unseen = residue.promoted_unseen;
        Run { counts: self.counts, violation }
    }

    async fn step(&mut self) {
        let event = self.event();
        match self.rng.u32(0..100) {
            0..60 => drop(self.invoke(event).await),
            60..70 => self.twice(event).await,
            70..85 => self.overlap(event).await,
            _ => self.crash(event).await,
        }
    }

    async fn invoke(&mut self, event: Value) -> Result<Report, Failure> {
        self.say(|| format!("event {event}"));
        let within = self.pick(&[900, 900, 900, 900, 25, 5]);
        let (others, begun) = (self.others(), self.rig.time.now());
        let undisturbed = within == 900
            && event == json!({"action": "tick"})
            && self.rig.emulator.world().faults.is_empty();
        let due = self.due().filter(|_| undisturbed);
        let result = self.rig.invoke_within(event, Duration::from_secs(within)).await;
        self.count(&result);
        if let Some(due) = due
            && self.others() == others
        {
            self.must_have_come(due, begun);
        }
        result
    }

    /// The same trigger, delivered twice: the second time nothing is left to do.
    async fn twice(&mut self, event: Value) {
        let calm = self.rig.emulator.world().faults.is_empty();
        let (others, before) = (self.others(), self.rig.watch().changes());
        let first = self.invoke(event.clone()).await;
        let between = self.rig.watch().changes();
        let second = self.invoke(event).await;
        let after = self.rig.watch().changes();
        let undisturbed = calm && self.others() == others;
        self.counts.doubled += 1;
        let (Ok(first), Ok(second)) = (first, second) else { return };
        let promoted = |report: &Report| report.actions.contains(&Change::PromoteReplica);
        let only_carried_on = promoted(&second) && !promoted(&first) && after == between + 1;
        if undisturbed && between > before && after > between && !only_carried_on {
            let sentence = format!("the first time {:?}, the second {:?}", first.actions, second.actions);
            self.rig.watch().report(Promise::Idempotent, sentence);
        }
    }

    /// Two invocations at the same time, their calls in any order.
    async fn overlap(&mut self, event: Value) {
        let other = if self.rng.bool() { event.clone() } else { self.event() };
        let offset = Duration::from_millis(self.pick(&[0, 100, 1000, 10_000, 20_000]));
        if self.rng.u32(0..4) == 0 {
            self.arm_crash();
        }
        self.say(|| format!("events {event} and, {offset:?} later, {other}"));
        self.slow.store(true, Ordering::Relaxed);
        let rig = &self.rig;
        let second = async {
            tokio::time::sleep(offset).await;
            rig.invoke(other).await
        };
        let (first, second) = tokio::join!(rig.invoke(event), second);
        self.slow.store(false, Ordering::Relaxed);
        self.counts.overlaps += 1;
        self.count(&first);
        self.count(&second);
    }

    /// The execution environment dies at one of its calls.
    async fn crash(&mut self, event: Value) {
        self.arm_crash();
        self.say(|| format!("event {event}, and a crash"));
        let emulator = self.rig.emulator.clone();
        let result = tokio::select! {
            biased;
            () = emulator.crashed() => None,
            result = self.rig.invoke(event) => Some(result),
        };
        match result {
            Some(result) => self.count(&result),
            None => {
                self.counts.crashes += 1;
                self.counts.ticks += 1;
                self.counts.failed_ticks += 1;
            }
        }
    }

    fn arm_crash(&mut self) {
        let call = self.rng.u64(1..24);
        let mut world = self.rig.emulator.world();
        if self.rng.bool() {
            world.crash_before_call(call);
        } else {
            world.crash_after_call(call);
        }
    }

    fn event(&mut self) -> Value {
        if !self.late.is_empty() && self.rng.u32(0..3) == 0 {
            let at = self.rng.usize(0..self.late.len());
            // A doubled one stays in the mail.
            return if self.rng.bool() { self.late[at].clone() } else { self.late.swap_remove(at) };
        }
        let r = self.rng.u32(0..100);
        if r >= 84 {
            self.counts.orders += 1;
        }
        let force = self.rng.u32(0..5) == 0;
        match r {
            0..80 => json!({"action": "tick"}),
            80..82 => json!({"action": "status"}),
            82..84 => json!({"action": "check"}),
            84..88 => json!({
                "action": "failover",
                "reason": "drill",
                "force": force,
                "promote": self.rng.u32(0..3) == 0,
                "allow_data_loss": self.rng.u32(0..4) == 0,
            }),
            88..93 => json!({"action": "failback", "reason": "repaired", "force": force}),
            93..95 => json!({"action": "pause", "reason": "maintenance", "for": "10m"}),
            95..96 => json!({"action": "pause", "reason": "maintenance"}),
            _ => json!({"action": "resume"}),
        }
    }

    fn others(&self) -> u64 {
        let world = self.rig.emulator.world();
        let mut watch = self.rig.watch();
        watch.catch_up(&world);
        watch.others()
    }

    fn count(&mut self, result: &Result<Report, Failure>) {
        self.counts.ticks += 1;
        let done = match result {
            Ok(report) => &report.actions,
            Err(failure) => {
                self.counts.failed_ticks += 1;
                &failure.done
            }
        };
        let of = |action| done.iter().filter(|done| **done == action).count() as u64;
        self.counts.failovers += of(Change::RouteToSecondary);
        self.counts.promotions += of(Change::PromoteReplica);
        self.counts.failbacks += of(Change::RouteToPrimary);
        let words = match result {
            Ok(report) => format!("  => {} {} {:?}", report.decision, report.reason, report.actions),
            Err(failure) => format!("  => {} {failure}", failure.kind.name()),
        };
        self.show();
        self.say(|| words);
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(0..from.len())]
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told(&format!("{:.3} {}", self.rig.time.now(), line()));
        }
    }

    /// Tells what was called and what others changed since the last time.
    fn show(&mut self) {
        let Some(told) = &mut self.told else { return };
        let world = self.rig.emulator.world();
        let calls = world.calls().iter().filter(|call| call.number > self.shown.0).map(|call| {
            let changes =
                if call.changes.is_empty() { String::new() } else { format!(" {:?}", call.changes) };
            (call.time, format!("    {call}{changes}"))
        });
        let events = world.history().iter().skip(self.shown.1);
        let events = events.filter(|event| event.by != emulator::Actor::Api);
        let mut lines: Vec<_> = events.map(|event| (event.time, format!("  {event}"))).collect();
        lines.extend(calls);
        lines.sort_by_key(|(time, _)| *time);
        for (_, line) in lines {
            told(&line);
        }
        self.shown = (world.calls().last().map_or(self.shown.0, |call| call.number), world.history().len());
    }
}
