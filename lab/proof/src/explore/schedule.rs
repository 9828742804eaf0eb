//! One order of calls: the invocations of a case run side by side, and a scheduler says which call goes next.

use std::fmt;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use emulator::Actor;
use rds_route53_failover::app::App;
use rds_route53_failover::error::Failure;
use rds_route53_failover::report::Report;

use super::cases::Case;
use super::ending::{self, Ending};
use crate::gate::{CallId, Disturbance, Gate};
use crate::rig::Rig;

/// One step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A held call goes through: of which invocation (from 0), its how manieth (from 1), and what befalls it.
    Call(usize, u64, Option<Disturbance>),
    /// The person acts.
    Person,
    /// No call is held: time passes until one is.
    Wait,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(who, nth, disturbance) => {
                write!(f, "{}{nth}", letter(*who))?;
                disturbance.map_or(Ok(()), |disturbance| write!(f, "!{}", disturbance.name()))
            }
            Self::Person => f.write_str("person"),
            Self::Wait => f.write_str("wait"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "person" => return Ok(Self::Person),
            "wait" => return Ok(Self::Wait),
            _ => {}
        }
        let no_step = || format!("`{text}` is not a step; steps look like A1, B12!crash, person, wait");
        let (call, disturbance) =
            text.split_once('!').map_or((text, None), |(call, name)| (call, Some(name)));
        let disturbance = disturbance.map(|name| {
            Disturbance::ALL.into_iter().find(|disturbance| disturbance.name() == name).ok_or_else(no_step)
        });
        let who = call.bytes().next().filter(u8::is_ascii_uppercase).ok_or_else(no_step)?;
        let nth = call[1..].parse().map_err(|_| no_step())?;
        Ok(Self::Call(usize::from(who - b'A'), nth, disturbance.transpose()?))
    }
}

fn letter(who: usize) -> char {
    u8::try_from(who).map_or('?', |who| char::from(b'A' + who))
}

/// A point at which the scheduler chose.
pub(super) struct Point {
    pub(super) taken: Step,
    /// Every step that was possible, with what it costs in preemptions.
    pub(super) possible: Vec<(Step, u32)>,
    pub(super) key: u64,
    /// Preemptions spent before it.
    pub(super) spent: u32,
    /// Whether a call was disturbed before it.
    pub(super) disturbed: bool,
}

/// What came of a schedule.
pub(super) struct Run {
    pub(super) points: Vec<Point>,
    /// `None` where it was cut off, as everything from there on is known.
    pub(super) ending: Option<Result<(), String>>,
    pub(super) trace: Vec<String>,
}

/// Wakes the scheduler and remembers whom.
#[derive(Default)]
struct Awake {
    flag: AtomicBool,
    scheduler: Mutex<Option<Waker>>,
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        if let Some(waker) = &*self.scheduler.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }
}

type Handled<'a> = Pin<Box<dyn Future<Output = Result<Report, Failure>> + 'a>>;

/// An invocation at work, or how it ended.
struct Invocation<'a> {
    future: Option<Handled<'a>>,
    awake: Arc<Awake>,
    result: Option<Result<Report, Failure>>,
}

impl<'a> Invocation<'a> {
    fn new(future: Handled<'a>) -> Self {
        let awake = Arc::new(Awake { flag: AtomicBool::new(true), scheduler: Mutex::default() });
        Self { future: Some(future), awake, result: None }
    }

    fn wakes(&self, scheduler: &Context<'_>) {
        *self.awake.scheduler.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(scheduler.waker().clone());
    }

    fn poll(&mut self, scheduler: &Context<'_>) {
        self.wakes(scheduler);
        if !self.awake.flag.swap(false, Ordering::SeqCst) {
            return;
        }
        let Some(future) = &mut self.future else { return };
        let waker = Waker::from(Arc::clone(&self.awake));
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.result = Some(result);
            self.future = None;
        }
    }

    fn is_awake(&self) -> bool {
        self.future.is_some() && self.awake.flag.load(Ordering::SeqCst)
    }
}

/// Runs every invocation as far as it gets without a call or time.
async fn settle(invocations: &mut [Invocation<'_>]) {
    poll_fn(|context| {
        for invocation in &mut *invocations {
            invocation.poll(context);
        }
        // In a new turn of this task: tokio lets one do so much only.
        if invocations.iter().any(Invocation::is_awake) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Lets time pass until an invocation wakes up. The paused clock only moves while the scheduler waits here.
async fn until_awake(invocations: &[Invocation<'_>]) {
    poll_fn(|context| {
        invocations.iter().for_each(|invocation| invocation.wakes(context));
        let awake = invocations.iter().any(Invocation::is_awake);
        if awake { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What the world has gone through, as a digest.
struct Past {
    cursor: usize,
    digest: u64,
}

impl Past {
    fn add(&mut self, rig: &Rig, who: &str) {
        let world = rig.emulator.world();
        for event in world.history().iter().skip(self.cursor) {
            let mut digest = DefaultHasher::new();
            let who = if event.by == Actor::Api { who } else { "" };
            (self.digest, who, format!("{event:?}")).hash(&mut digest);
            self.digest = digest.finish();
        }
        self.cursor = world.history().len();
    }
}

/// No case needs nearly as many; an invocation that never ends must not go unnoticed.
const MAX_STEPS: usize = 600;

/// Runs a case by a prefix of steps and then on without a preemption. `known` says of a point whether everything
/// from there on is known already.
pub(super) fn run(case: &Case, prefix: &[Step], known: &mut dyn FnMut(&Point) -> bool) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let Ok(runtime) = runtime else { panic!("no runtime could be built") };
    // The SDK's back-off takes its jitter from here.
    fastrand::seed(1);
    runtime.block_on(async {
        // Timers fire at whole milliseconds of the runtime's clock.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let rig = Rig::new(case.world(), &case.variables()).tolerant();
        rig.watch().tell_lag(rig.time.now(), Some(0.5));
        let environments: Vec<App> = case.asked.iter().map(|_| rig.environment()).collect();
        Scheduler::new(case, &rig, &environments).run(prefix, known).await
    })
}

struct Scheduler<'a> {
    case: &'a Case,
    rig: &'a Rig,
    gate: Arc<Gate>,
    invocations: Vec<Invocation<'a>>,
    person_acted: bool,
    /// The invocation whose call went last.
    current: Option<usize>,
    spent: u32,
    disturbed: Option<(usize, Disturbance)>,
    past: Past,
    points: Vec<Point>,
    trace: Vec<String>,
}

impl<'a> Scheduler<'a> {
    fn new(case: &'a Case, rig: &'a Rig, environments: &'a [App]) -> Self {
        let gate = Arc::new(Gate::default());
        rig.hold_calls(Some(Arc::clone(&gate)));
        let invocations = case.asked.iter().zip(environments).map(|(asked, environment)| {
            let handled = rig.invoke_in(environment, asked.event(), Duration::from_secs(900));
            Invocation::new(Box::pin(handled))
        });
        Self {
            case,
            rig,
            gate,
            invocations: invocations.collect(),
            person_acted: case.person.is_none(),
            current: None,
            spent: 0,
            disturbed: None,
            past: Past { cursor: 0, digest: 0 },
            points: Vec::new(),
            trace: Vec::new(),
        }
    }

    async fn run(mut self, prefix: &[Step], known: &mut dyn FnMut(&Point) -> bool) -> Run {
        loop {
            settle(&mut self.invocations).await;
            let possible = self.possible();
            let Some((default, _)) = possible.first().copied() else { break };
            let at = self.points.len();
            assert!(at < MAX_STEPS, "the invocations of `{}` do not end", self.case.name);
            let taken = prefix.get(at).copied().unwrap_or(default);
            let Some(cost) = possible.iter().find(|(step, _)| *step == taken).map(|(_, cost)| *cost) else {
                let steps: Vec<_> = possible.iter().map(|(step, _)| step.to_string()).collect();
                panic!("step {at} of the schedule, {taken}, is not possible; {} are", steps.join(", "));
            };
            let (spent, disturbed) = (self.spent, self.disturbed.is_some());
            let point = Point { taken, possible, key: self.key(), spent, disturbed };
            let cut_off = at >= prefix.len() && known(&point);
            self.points.push(point);
            if cut_off {
                return Run { points: self.points, ending: None, trace: self.trace };
            }
            self.spent += cost;
            self.take(taken).await;
        }
        self.rig.hold_calls(None);
        let ending = Ending {
            case: self.case,
            rig: self.rig,
            results: self.invocations.iter().map(|invocation| invocation.result.as_ref()).collect(),
            disturbed: self.disturbed,
        };
        let (judged, told) = ending::reach(&ending).await;
        self.trace.extend(told);
        Run { points: self.points, ending: Some(judged), trace: self.trace }
    }

    /// The steps that are possible now, the one without a preemption first.
    fn possible(&self) -> Vec<(Step, u32)> {
        let held: Vec<(usize, u64)> = self
            .gate
            .held()
            .into_iter()
            .filter_map(|id| Some((usize::try_from(id.invocation).ok()?.checked_sub(1)?, id.nth)))
            .collect();
        let goes_on = self.current.filter(|current| held.iter().any(|(who, _)| who == current));
        let mut steps: Vec<(Step, u32)> = Vec::new();
        let disturbances = Disturbance::ALL.into_iter().map(Some).filter(|_| self.disturbed.is_none());
        for disturbance in std::iter::once(None).chain(disturbances) {
            let (own, others): (Vec<_>, Vec<_>) =
                held.iter().partition(|(who, _)| goes_on.is_none_or(|goes_on| *who == goes_on));
            steps.extend(own.iter().map(|(who, nth)| (Step::Call(*who, *nth, disturbance), 0)));
            steps.extend(others.iter().map(|(who, nth)| (Step::Call(*who, *nth, disturbance), 1)));
        }
        let at_work = self.invocations.iter().any(|invocation| invocation.future.is_some());
        if held.is_empty() && at_work {
            steps.push((Step::Wait, 0));
        }
        if !self.person_acted {
            steps.push((Step::Person, 0));
        }
        steps
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Wait => {
                until_awake(&self.invocations).await;
                self.past.add(self.rig, "");
            }
            Step::Person => {
                self.person_acted = true;
                if let Some(person) = self.case.person {
                    person.acts(&mut self.rig.emulator.world());
                }
                self.past.add(self.rig, "person");
                self.trace.push(format!("{step}"));
            }
            Step::Call(who, nth, disturbance) => {
                self.current = Some(who);
                if let Some(disturbance) = disturbance {
                    self.disturbed = Some((who, disturbance));
                }
                let id = CallId { invocation: who as u64 + 1, nth };
                assert!(self.gate.release(id, disturbance), "{step} is not held");
                settle(&mut self.invocations).await;
                if disturbance == Some(Disturbance::Crash) {
                    self.invocations[who].future = None;
                    self.rig.emulator.world().no_crash();
                }
                self.past.add(self.rig, &letter(who).to_string());
                let world = self.rig.emulator.world();
                let call = world.calls().last().map(ToString::to_string).unwrap_or_default();
                let call = call.split_once(' ').map_or("", |(_, call)| call);
                self.trace.push(format!("{:<12} {call}", step.to_string()));
            }
        }
    }

    /// A digest of all that the future depends on: what happened in the world, what each invocation at work was
    /// answered, how the others ended, whose turn it is and whether something may still be disturbed.
    fn key(&self) -> u64 {
        let mut digest = DefaultHasher::new();
        self.past.digest.hash(&mut digest);
        self.rig.time.now().hash(&mut digest);
        let held = self.gate.held();
        for (who, invocation) in self.invocations.iter().enumerate() {
            let number = who as u64 + 1;
            if invocation.future.is_some() {
                (1, self.gate.knowledge(number)).hash(&mut digest);
                held.iter().filter(|id| id.invocation == number).for_each(|id| id.nth.hash(&mut digest));
            } else {
                let done = match &invocation.result {
                    None => None,
                    Some(Ok(report)) => Some(format!("{:?}", report.actions)),
                    Some(Err(failure)) => Some(format!("{:?} {:?}", failure.kind, failure.done)),
                };
                (0, done).hash(&mut digest);
            }
        }
        let goes_on = self.current.filter(|who| held.iter().any(|id| id.invocation == *who as u64 + 1));
        (goes_on, self.person_acted, self.disturbed).hash(&mut digest);
        digest.finish()
    }
}
