//! Plays a scenario: the real handler, over real HTTP, in simulated time.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_rds::config::{Credentials, SharedCredentialsProvider};
use emulator::{ACCOUNT, Emulator, RdsEvent, Server, World};
use jiff::SignedDuration;
use proof::invariants::Kind;
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, TOPIC, Time, origin};
use rds_route53_failover::app::App;
use rds_route53_failover::aws::{Aws, BEHAVIOUR};
use rds_route53_failover::clock::Clock;
use rds_route53_failover::config::Config;
use rds_route53_failover::error::Failure;
use rds_route53_failover::report::{Action, Report};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::metrics::{Metrics, record};
use super::ports::Ports;
use super::recipe;
use super::referee::Referee;
use super::scenario::{Deed, Handler, Scenario, Step};
use super::timeline::{CallLine, Ending, Event, Invocation, Run, Totals, What};
use super::verdict;
use super::watcher::Watcher;
use super::wire::Wire;

/// How long Lambda lets an invocation run, as the template sets it.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(120);

/// Plays a scenario with one of its handlers, in a runtime of its own.
///
/// # Errors
/// If there is no socket to be had on the loopback interface, or the scenario's variables are faulty.
pub fn play(scenario: &Scenario, handler: Handler) -> io::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async { Stage::new(scenario, handler).await?.play().await })
}

struct Stage<'a> {
    scenario: &'a Scenario,
    handler: Handler,
    time: Time,
    emulator: Emulator,
    server: Server,
    wire: Arc<Wire>,
    referee: Arc<Referee>,
    watcher: Arc<Mutex<Watcher>>,
    metrics: Arc<Mutex<Metrics>>,
    crash: Arc<Notify>,
    ports: Arc<Mutex<Ports>>,
    app: App,
    aws: Aws,
    events: Vec<Event>,
    calls_seen: usize,
}

impl<'a> Stage<'a> {
    async fn new(scenario: &'a Scenario, handler: Handler) -> io::Result<Self> {
        let mut world = (scenario.world)();
        let mut watcher = Watcher::new(origin());
        world.set_replica_lag(REPLICA, Some(scenario.lag));
        let lagging_since = world.now();
        world.advance(origin());
        watcher.fill_cache(&mut world);
        let time = Time::start(world.now());
        let emulator = Emulator::new(world, move || time.now());
        let server = emulator.listen().await?;
        let wire = Arc::<Wire>::default();
        let metrics = Arc::default();
        let ports = Ports::open(if scenario.probed { 3 } else { 0 }).await?;
        let (app, aws) = function(scenario, &ports, &emulator, &server, &wire, &metrics)?;
        let referee = Referee::new(app.config(), &mut emulator.world());
        referee.watch().tell_lag(lagging_since, Some(scenario.lag).filter(|lag| *lag >= 0.0));
        referee.watch().tell_probes(false);
        Ok(Self {
            scenario,
            handler,
            time,
            emulator,
            server,
            wire,
            referee,
            watcher: Arc::new(Mutex::new(watcher)),
            metrics,
            crash: Arc::default(),
            ports: Arc::new(Mutex::new(ports)),
            app,
            aws,
            events: Vec::new(),
            calls_seen: 0,
        })
    }

    async fn play(mut self) -> io::Result<Run> {
        // They end with the run.
        let mut background = JoinSet::new();
        background.spawn(Arc::clone(&self.wire).hold_time(self.emulator.clone()));
        background.spawn(self.script());
        background.spawn(watch(Arc::clone(&self.watcher), self.emulator.clone()));

        for (at, trigger, payload) in self.agenda() {
            self.sleep_until(at).await;
            let event = self.invoke(trigger, payload).await?;
            self.events.push(event);
        }
        self.sleep_until(Duration::from_secs(60 * self.scenario.minutes)).await;
        drop(background);
        self.finish()
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
        agenda.sort_by_key(|(at, _, _)| *at);
        agenda
    }

    /// Lets the steps happen, each at its time.
    fn script(&self) -> impl Future<Output = ()> + Send + 'static {
        let (started, steps) = (self.time, self.scenario.steps.clone());
        let (emulator, watcher) = (self.emulator.clone(), Arc::clone(&self.watcher));
        let (ports, crash) = (Arc::clone(&self.ports), Arc::clone(&self.crash));
        let (referee, quorum) = (Arc::clone(&self.referee), self.app.config().policy.quorum);
        async move {
            for Step { at, says, deeds } in steps {
                sleep_until(started, at).await;
                let seconds = at.as_secs_f64();
                lock(&watcher)
                    .events
                    .push(Event { at: seconds, what: What::Story { text: says.to_owned() } });
                for deed in deeds {
                    if let Deed::Serves(id, serves) = deed {
                        lock(&watcher).serves.insert(id, serves);
                    }
                    if let Deed::Probes(answering) = deed {
                        referee.watch().tell_probes(answering < quorum);
                        let to_open = lock(&ports).wanted(answering);
                        for port in to_open {
                            if let Ok(listener) = TcpListener::bind(port).await {
                                lock(&ports).serve(port, listener);
                            }
                        }
                    }
                    change(&mut emulator.world(), deed, &crash);
                }
            }
        }
    }

    async fn invoke(&mut self, trigger: &'static str, payload: Value) -> io::Result<Event> {
        let now = self.time.now();
        self.referee.begin(Kind::of(&payload), &self.emulator.world());
        let ending = match self.handler {
            Handler::Recipe => self.wire.during(Box::pin(recipe::run(&self.aws, PRIMARY, CHECK))).await,
            Handler::Function => {
                let clock = Clock::start(now, Some(now + TIMEOUT));
                let invocation = self.wire.during(Box::pin(self.app.handle(payload, clock)));
                let ending = tokio::select! {
                    result = invocation => Some(ending(result)),
                    () = self.crash.notified() => None,
                };
                if ending.is_none() {
                    // What died is replaced by a new execution environment.
                    self.app = function(
                        self.scenario,
                        &lock(&self.ports),
                        &self.emulator,
                        &self.server,
                        &self.wire,
                        &self.metrics,
                    )?
                    .0;
                }
                ending.unwrap_or(Ending::Crashed)
            }
        };
        let at = lock(&self.watcher).since_start(now);
        let seconds = (self.time.now() - now).as_secs_f64();
        let world = self.emulator.world();
        self.referee.end(matches!(ending, Ending::Crashed), &world);
        let new = world.calls().get(self.calls_seen..).unwrap_or_default();
        let calls =
            new.iter().map(|call| CallLine::new(call, lock(&self.watcher).since_start(call.time))).collect();
        self.calls_seen = world.calls().len();
        let invocation = Invocation { trigger, seconds, outcome: ending, calls };
        Ok(Event { at, what: What::Invocation(invocation) })
    }

    async fn sleep_until(&self, at: Duration) {
        sleep_until(self.time, at).await;
    }

    fn finish(mut self) -> io::Result<Run> {
        let mut world = self.emulator.world();
        let mut watcher = lock(&self.watcher);
        watcher.look(&mut world);
        self.events.append(&mut watcher.events);
        // A story comes before what it tells of, and a cause before what follows from it.
        self.events.sort_by(|a, b| a.at.total_cmp(&b.at).then_with(|| order(a).cmp(&order(b))));
        let tracks = [
            &watcher.primary,
            &watcher.replica,
            &watcher.check,
            &watcher.answer,
            &watcher.clients,
            &watcher.reads,
            &watcher.writes,
        ];
        let mut run = Run {
            handler: self.handler,
            seconds: 60.0 * self.scenario.minutes as f64,
            events: std::mem::take(&mut self.events),
            tracks: tracks.map(Clone::clone).to_vec(),
            totals: Totals::default(),
            verdicts: Vec::new(),
            broken: Vec::new(),
        };
        verdict::total(&mut run, &world, origin(), &lock(&self.metrics));
        verdict::judge(&mut run, self.scenario, &world, self.referee.watch().violations());
        Ok(run)
    }
}

fn order(event: &Event) -> u8 {
    match event.what {
        What::Story { .. } => 0,
        What::Rds { .. } | What::Console { .. } => 1,
        What::Clients { .. } => 2,
        What::Invocation(_) => 3,
        What::Dns { .. } => 4,
    }
}

/// The function as Lambda would start it, and the clients it calls AWS by.
fn function(
    scenario: &Scenario,
    ports: &Ports,
    emulator: &Emulator,
    server: &Server,
    wire: &Arc<Wire>,
    metrics: &Arc<Mutex<Metrics>>,
) -> io::Result<(App, Aws)> {
    let mut variables: BTreeMap<&str, String> = [
        ("AWS_REGION", REGION.to_owned()),
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY.to_owned()),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA.to_owned()),
        ("ROUTE53_HEALTH_CHECK_ID", CHECK.to_owned()),
        ("NOTIFICATION_TOPIC_ARN", format!("arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC}")),
        ("HEALTH_ENDPOINTS", ports.endpoints()),
    ]
    .into();
    variables.extend(scenario.variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let config = Config::load(|name| variables.get(name).cloned())
        .map_err(|faults| io::Error::new(io::ErrorKind::InvalidInput, faults.to_string()))?;
    let sdk = SdkConfig::builder()
        .behavior_version(BEHAVIOUR())
        .http_client(wire.http_client())
        .region(Region::new(REGION))
        .endpoint_url(server.url())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "drill", "drill", None, None, "drill",
        )))
        .build();
    let aws = Aws::new(sdk, &config.policy);
    let (emulator, metrics) = (emulator.clone(), Arc::clone(metrics));
    let app =
        App::new(config, aws.clone(), move |line| record(line, &mut emulator.world(), &mut lock(&metrics)));
    Ok((app, aws))
}

fn ending(result: Result<Report, Failure>) -> Ending {
    let words = |actions: &[Action]| actions.iter().map(|action| action.as_str()).collect();
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

fn change(world: &mut World, deed: Deed, crash: &Arc<Notify>) {
    match deed {
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

async fn watch(watcher: Arc<Mutex<Watcher>>, emulator: Emulator) {
    // A moment after the full second, so that what happens then has happened.
    tokio::time::sleep(Duration::from_millis(1)).await;
    loop {
        lock(&watcher).look(&mut emulator.world());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn sleep_until(time: Time, at: Duration) {
    let due = origin() + SignedDuration::try_from(at).unwrap_or_default();
    let left = due - time.now();
    if let Ok(left) = Duration::try_from(left) {
        tokio::time::sleep(left).await;
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
