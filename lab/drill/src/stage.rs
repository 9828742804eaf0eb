//! Plays a scenario: the real handler on the rig, in simulated time.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use emulator::{ACCOUNT, RdsEvent, World};
use futures_util::future::join_all;
use jiff::SignedDuration;
use proof::invariants::Kind;
use proof::rig::{REGION, REPLICA, Rig, TOPIC, Time, origin};
use rds_route53_failover::error::Failure;
use rds_route53_failover::model::Change;
use rds_route53_failover::report::Report;
use serde_json::{Value, json};
use tokio::sync::{Notify, RwLock};

use super::attend::{Seen, attend};
use super::ports::Ports;
use super::recipe;
use super::scenario::{Deed, Handler, Scenario, Step};
use super::timeline::{CallLine, Ending, Event, Invocation, Run, Totals, What};
use super::verdict;
use super::watcher::{ASKS, Watcher};

/// How long Lambda lets an invocation run, as the template sets it.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The probed ports of a scenario with probes. A majority of them is the quorum.
const PORTS: usize = 3;

/// Plays a scenario with one of its handlers, in a runtime of its own.
///
/// # Errors
/// If no port can be opened on the loopback interface.
///
/// # Panics
/// If the scenario's environment variables are invalid.
pub fn play(scenario: &Scenario, handler: Handler) -> io::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    // The SDK takes the jitter of its pauses from here: the same scenario is played the same.
    fastrand::seed(0);
    runtime.block_on(async {
        // Timers fire at whole milliseconds of the runtime's clock.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Stage::new(scenario, handler).await?.play().await
    })
}

struct Stage<'a> {
    scenario: &'a Scenario,
    handler: Handler,
    /// Held for writing only to replace an execution environment that died.
    rig: RwLock<Rig>,
    time: Time,
    watcher: Mutex<Watcher>,
    crash: Arc<Notify>,
    ports: Mutex<Ports>,
}

impl<'a> Stage<'a> {
    async fn new(scenario: &'a Scenario, handler: Handler) -> io::Result<Self> {
        let mut world = (scenario.world)();
        world.set_replica_lag(REPLICA, Some(scenario.lag));
        let mut watcher = Watcher::new(origin());
        watcher.fill_cache(&mut world);
        let ports = Ports::open(if scenario.probed { PORTS } else { 0 }).await?;
        let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC}");
        let endpoints = ports.endpoints();
        let mut variables =
            vec![("NOTIFICATION_TOPIC_ARN", topic.as_str()), ("HEALTH_ENDPOINTS", endpoints.as_str())];
        variables.extend(scenario.variables_of(handler));
        let rig = Rig::new(world, &variables).tolerant();
        rig.watch().tell_lag(origin(), Some(scenario.lag).filter(|lag| *lag >= 0.0));
        rig.watch().tell_probes(false);
        Ok(Self {
            scenario,
            handler,
            time: rig.time,
            rig: RwLock::new(rig),
            watcher: Mutex::new(watcher),
            crash: Arc::default(),
            ports: Mutex::new(ports),
        })
    }

    async fn play(self) -> io::Result<Run> {
        let invocations =
            self.agenda().into_iter().map(|(at, trigger, payload)| self.invoke_at(at, trigger, payload));
        let end = Duration::from_secs(60 * self.scenario.minutes);
        let events = async {
            let (events, ()) = tokio::join!(join_all(invocations), self.sleep_until(end));
            Ok(events)
        };
        let events: io::Result<Vec<Event>> = tokio::select! {
            // What happens in the world at a time, the function finds at that time.
            biased;
            Err(error) = self.script() => Err(error),
            () = self.watch() => Ok(Vec::new()),
            events = events => events,
        };
        Ok(self.finish(events?))
    }

    /// When the function is invoked: by the schedule, by events of RDS, by an operator.
    fn agenda(&self) -> Vec<(Duration, &'static str, Value)> {
        let tick = json!({"action": "tick"});
        let minutes = 0..self.scenario.minutes;
        let mut agenda: Vec<_> =
            minutes.map(|minute| (Duration::from_secs(60 * minute), "schedule", tick.clone())).collect();
        for step in &self.scenario.steps {
            for deed in &step.deeds {
                if let Deed::Order(payload) = deed {
                    agenda.push((step.at, "operator", serde_json::from_str(payload).unwrap_or_default()));
                }
                if let Deed::RdsEvent(instance, id) = deed {
                    let message = RdsEvent::new(instance, id).sns_message(REGION);
                    let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:rds-events");
                    let payload = json!({"Records": [{"Sns": {"Message": message, "TopicArn": topic}}]});
                    agenda.push((step.at, "RDS event", payload));
                }
            }
        }
        agenda
    }

    /// Lets the steps happen, each at its time.
    async fn script(&self) -> io::Result<()> {
        for Step { at, says, deeds } in &self.scenario.steps {
            self.sleep_until(*at).await;
            let story = What::Story { text: (*says).to_owned() };
            lock(&self.watcher).events.push(Event { at: at.as_secs_f64(), what: story });
            for deed in deeds {
                if let Deed::Serves(id, serves) = deed {
                    lock(&self.watcher).serves.insert(id, *serves);
                }
                if let Deed::Probes(answering) = deed {
                    lock(&self.ports).answer(*answering)?;
                    self.rig.read().await.watch().tell_probes(*answering <= PORTS / 2);
                }
                change(&mut self.rig.read().await.emulator.world(), deed, &self.crash);
            }
        }
        std::future::pending().await
    }

    /// Looks at the world as clients do, each second.
    async fn watch(&self) {
        // A moment after the full second, so that what happens then has happened.
        tokio::time::sleep(Duration::from_millis(1)).await;
        loop {
            let emulator = self.rig.read().await.emulator.clone();
            lock(&self.watcher).look(&mut emulator.world());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn invoke_at(&self, at: Duration, trigger: &'static str, payload: Value) -> Event {
        self.sleep_until(at).await;
        let began = self.time.now();
        let mut seen = Seen::default();
        let ending = match self.handler {
            Handler::Recipe => {
                let rig = self.rig.read().await;
                attend(&rig, &mut seen, rig.invoke_other(Kind::Automatic, recipe::run)).await
            }
            Handler::Function | Handler::Unfenced => {
                let ended = {
                    let rig = self.rig.read().await;
                    tokio::select! {
                        biased;
                        () = self.crash.notified() => None,
                        result = attend(&rig, &mut seen, rig.invoke_within(payload, TIMEOUT)) => Some(result),
                    }
                };
                if ended.is_none() {
                    // A new execution environment replaces the one that died.
                    self.rig.write().await.redeploy(&[]);
                }
                ended.map_or(Ending::Crashed, ending)
            }
        };
        let mut watcher = lock(&self.watcher);
        if let Some(asks) = seen.metric("RouteToSecondary") {
            watcher.asks = asks > 0.0;
        }
        let calls: Vec<_> =
            seen.calls.iter().map(|call| CallLine::new(call, watcher.since_start(call.time))).collect();
        let unhealthy = match &ending {
            // It leaves no metrics; but only an outage makes it write.
            Ending::Crashed => calls.iter().any(|call| call.write),
            Ending::Answered { health, .. } => health == "unhealthy",
            Ending::Failed { .. } => seen.metric("PrimaryUnhealthy").is_some_and(|value| value > 0.0),
        };
        let seconds = (self.time.now() - began).as_secs_f64();
        let invocation = Invocation { trigger, seconds, outcome: ending, unhealthy, calls };
        Event { at: watcher.since_start(began), what: What::Invocation(invocation) }
    }

    async fn sleep_until(&self, at: Duration) {
        let due = origin() + SignedDuration::try_from(at).unwrap_or_default();
        if let Ok(left) = Duration::try_from(due - self.time.now()) {
            tokio::time::sleep(left).await;
        }
    }

    fn finish(self, mut events: Vec<Event>) -> Run {
        let rig = self.rig.into_inner();
        // What the promises say of the last calls.
        let _ = rig.check();
        let mut world = rig.emulator.world();
        let mut watcher = self.watcher.into_inner().unwrap_or_else(PoisonError::into_inner);
        watcher.look(&mut world);
        events.append(&mut watcher.events);
        let (open, mut seen) = watcher.open.told().unzip();
        events.append(seen.as_mut().unwrap_or(&mut Vec::new()));
        // A story comes before what it tells of, and a cause before what follows from it.
        events.sort_by(|a, b| a.at.total_cmp(&b.at).then_with(|| order(a).cmp(&order(b))));
        let metric = watcher.metric.spans.iter().any(|span| span.value == ASKS).then_some(watcher.metric);
        let tracks = [Some(watcher.primary), Some(watcher.replica), Some(watcher.check), metric];
        let clients = [watcher.answer, watcher.clients, watcher.reads, watcher.writes];
        let mut run = Run {
            handler: self.handler,
            seconds: 60.0 * self.scenario.minutes as f64,
            events,
            tracks: tracks.into_iter().flatten().chain(clients).chain(open).collect(),
            totals: Totals::default(),
            verdicts: Vec::new(),
            broken: Vec::new(),
        };
        verdict::total(&mut run, &world, origin());
        verdict::judge(&mut run, self.scenario, &world, rig.watch().violations());
        run
    }
}

fn order(event: &Event) -> u8 {
    match event.what {
        What::Story { .. } => 0,
        What::Rds { .. } | What::Console { .. } => 1,
        What::Clients { .. } | What::Open { .. } => 2,
        What::Invocation(_) => 3,
        What::Metric { .. } => 4,
        What::Dns { .. } => 5,
    }
}

fn ending(result: Result<Report, Failure>) -> Ending {
    let words = |actions: &[Change]| actions.iter().map(|action| action.as_str()).collect();
    match result {
        Ok(report) => Ending::Answered {
            actions: words(&report.actions),
            decision: report.decision.to_owned(),
            reason: report.reason.to_owned(),
            message: report.message,
            observations: report.observations,
            primary: report.primary.status.unwrap_or_else(|| "not read".to_owned()),
            health: report.primary.health.to_owned(),
        },
        Err(failure) => Ending::Failed {
            error_type: failure.kind.name(),
            reason: failure.kind.code().to_owned(),
            message: failure.message,
            actions: words(&failure.done),
        },
    }
}

fn change(world: &mut World, deed: &Deed, crash: &Arc<Notify>) {
    match deed.clone() {
        Deed::Status(id, status) => world.set_status(id, status),
        Deed::Fault(on, fault) => world.faults.standing(on, fault),
        Deed::FaultOnce(on, fault) => world.faults.once(on, fault),
        Deed::FaultsEnd => world.faults.clear(),
        Deed::World(change) => change(world),
        Deed::RdsEvent(id, event) => world.push_event(RdsEvent::new(id, event)),
        Deed::CrashBefore(operation) => {
            let crash = Arc::clone(crash);
            world.on_next(operation, move |world| {
                world.crash_before_call(0);
                crash.notify_one();
            });
        }
        // These concern somebody else than the world.
        Deed::Serves(..) | Deed::Probes(_) | Deed::Order(_) => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
