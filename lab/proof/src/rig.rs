//! The real function over the emulator, in simulated time: for tests, the drill and the simulation.
//!
//! Needs tokio's paused clock (`#[tokio::test(start_paused = true)]`): waiting then costs no time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use emulator::{Emulator, Instance, World};
use jiff::{SignedDuration, Timestamp};
use rds_route53_failover::app::App;
use rds_route53_failover::aws::{Aws, BEHAVIOUR};
use rds_route53_failover::clock::Clock;
use rds_route53_failover::config::{Config, Mode};
use rds_route53_failover::error::Failure;
use rds_route53_failover::policy::OnUnreachable;
use rds_route53_failover::report::Report;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::door::{self, Door};
use crate::gate::Gate;
use crate::invariants::{Kind, Setting, Violation, Watch};

/// The primary of the standard world.
pub const PRIMARY: &str = "orders-primary";
/// The replica of the standard world.
pub const REPLICA: &str = "orders-replica";
/// The health check of the standard world.
pub const CHECK: &str = "11111111-2222-3333-4444-555555555555";
/// The zone of the failover records.
pub const ZONE: &str = "Z0ORDERS";
/// The name of the failover records.
pub const RECORD: &str = "db.orders.example";
/// The function's region.
pub const REGION: &str = "us-east-1";
/// What is invoked.
pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:rds-route53-failover";
/// The notification topic of the standard world.
pub const TOPIC: &str = "failover-alerts";

/// Simulated time: tokio's clock from a given moment on.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    origin: Timestamp,
    started: Instant,
}

impl Time {
    /// Starts at a moment.
    pub fn start(origin: Timestamp) -> Self {
        Self { origin, started: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.origin + SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::ZERO)
    }
}

/// When simulated time begins.
pub fn origin() -> Timestamp {
    // 2026-01-31T12:00:00Z: any moment would do.
    Timestamp::from_second(1_769_860_800).unwrap_or_default()
}

/// The standard world: a primary, its replica with a steady lag, a health check on the primary's failover record.
pub fn world() -> World {
    let primary = Instance::new(REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    let mut world = world_of(primary, replica);
    world.set_replica_lag(REPLICA, Some(0.5));
    world
}

/// The same around other instances of these names; no lag is reported yet.
pub fn world_of(primary: Instance, replica: Instance) -> World {
    let mut world = World::of_pair(origin(), [primary, replica], CHECK, (ZONE, "orders.example"), RECORD);
    world.add_topic(REGION, TOPIC);
    world
}

/// The function over an emulator.
pub struct Rig {
    /// The world that the function sees.
    pub emulator: Emulator,
    /// Simulated time.
    pub time: Time,
    /// Every line of metrics so far.
    pub metrics: Arc<Mutex<Vec<Value>>>,
    environment: BTreeMap<String, String>,
    door: Arc<Door>,
    tolerant: bool,
    app: App,
}

impl Rig {
    /// The function with the standard configuration and these variables over it; an empty value unsets one.
    ///
    /// # Panics
    /// If the configuration is faulty.
    pub fn new(world: World, variables: &[(&str, &str)]) -> Self {
        let time = Time::start(world.now());
        let emulator = Emulator::new(world, move || time.now());
        let environment = environment(variables);
        let metrics = Arc::default();
        let config = config(&environment);
        let watch = Watch::new(setting(&config), &emulator.world());
        let door = Arc::new(Door::new(emulator.clone(), watch));
        let app = app(config, &emulator, door::client(&door), &metrics);
        Self { emulator, time, metrics, environment, door, tolerant: false, app }
    }

    /// Notes violations for [`Rig::check`] instead of panicking at the first.
    #[must_use]
    pub fn tolerant(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// What watches the promises.
    pub fn watch(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.door.watch()
    }

    /// Delays each call by what `latency` says, before it reaches the world: so invocations overlap in many ways.
    pub fn delay_calls(&self, latency: impl FnMut() -> Duration + Send + 'static) {
        self.door.delay(Box::new(latency));
    }

    /// Whether every promise was kept so far.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        let world = self.emulator.world();
        let mut watch = self.watch();
        watch.catch_up(&world);
        watch.violations().first().map_or(Ok(()), |violation| Err(violation.clone()))
    }

    /// Drops the record of calls and changes, which long runs would fill the memory with.
    pub fn forget_record(&self) {
        let mut world = self.emulator.world();
        let mut watch = self.watch();
        watch.catch_up(&world);
        world.forget_record();
        watch.forgotten();
    }

    /// A new execution environment, with these variables over the ones it had.
    #[must_use]
    pub fn redeployed(mut self, variables: &[(&str, &str)]) -> Self {
        self.redeploy(variables);
        self
    }

    /// The same in place.
    pub fn redeploy(&mut self, variables: &[(&str, &str)]) {
        for (name, value) in variables {
            self.environment.insert((*name).to_owned(), (*value).to_owned());
        }
        let config = config(&self.environment);
        self.watch().reconfigured(setting(&config));
        self.app = app(config, &self.emulator, door::client(&self.door), &self.metrics);
    }

    /// Another execution environment of the same function: invocations that overlap never share one.
    pub fn environment(&self) -> App {
        app(config(&self.environment), &self.emulator, door::client(&self.door), &self.metrics)
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> &Config {
        self.app.config()
    }

    /// Holds every call of an invocation at this gate from now on, or none any more.
    pub(crate) fn hold_calls(&self, gate: Option<Arc<Gate>>) {
        self.door.hold(gate);
    }

    /// One invocation with a deadline of 15 minutes, or as long as Lambda allows.
    ///
    /// # Errors
    /// As the function fails.
    pub async fn invoke(&self, event: Value) -> Result<Report, Failure> {
        self.invoke_within(event, Duration::from_secs(900)).await
    }

    /// One invocation with this much time. Dropped halfway, it is an execution environment that died.
    ///
    /// # Errors
    /// As the function fails.
    ///
    /// # Panics
    /// If a promise was broken, unless the rig is [`tolerant`](Rig::tolerant).
    pub async fn invoke_within(&self, event: Value, timeout: Duration) -> Result<Report, Failure> {
        self.invoke_in(&self.app, event, timeout).await
    }

    /// One invocation in another execution environment, made by [`Rig::environment`].
    ///
    /// # Errors
    /// As the function fails.
    ///
    /// # Panics
    /// As [`Rig::invoke_within`].
    pub async fn invoke_in(&self, app: &App, event: Value, timeout: Duration) -> Result<Report, Failure> {
        let now = self.time.now();
        let deadline = now + SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
        let kind = Kind::of(&event);
        let payload = event.to_string();
        let handled = app.handle(payload.as_bytes(), Clock::start(now, Some(deadline)), Some(FUNCTION));
        let result = self.door.attribute(kind, handled).await;
        if let Err(violation) = self.check()
            && !self.tolerant
        {
            panic!("{violation}");
        }
        result
    }

    /// Lets something else handle an invocation, with AWS clients whose calls are held against the promises, too.
    pub async fn invoke_other<F: Future>(
        &self,
        kind: Kind,
        handler: impl FnOnce(&SdkConfig) -> F,
    ) -> F::Output {
        let sdk = sdk(door::client(&self.door));
        self.door.attribute(kind, handler(&sdk)).await
    }

    /// One tick.
    ///
    /// # Errors
    /// As the function fails.
    pub async fn tick(&self) -> Result<Report, Failure> {
        self.invoke(json!({"action": "tick"})).await
    }

    /// Lets time pass.
    pub async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A function of its own over an emulator that others share, in simulated time; nothing watches it.
///
/// # Panics
/// If the configuration is faulty.
pub fn function(emulator: &Emulator, variables: &[(&str, &str)]) -> App {
    let environment = environment(variables);
    app(config(&environment), emulator, emulator.http_client(), &Arc::default())
}

/// The standard configuration and these variables over it.
fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let standard = [
        ("AWS_REGION", REGION),
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("ROUTE53_HEALTH_CHECK_ID", CHECK),
    ];
    let pairs = standard.iter().chain(variables);
    pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn config(environment: &BTreeMap<String, String>) -> Config {
    match Config::load(|name| environment.get(name).cloned()) {
        Ok(config) => config,
        Err(faults) => panic!("{faults}"),
    }
}

fn setting(config: &Config) -> Setting {
    let pair = &config.pair;
    let policy = &pair.policy;
    Setting {
        check: pair.health_check_id.clone(),
        primary: pair.primary.to_string(),
        replica: pair.replica.as_ref().map(|replica| replica.identifier.clone()),
        observe: config.mode == Mode::Observe,
        max_lag: policy.max_lag,
        overrides: policy.overrides.clone(),
        fence: policy.fence,
        probes: (!pair.endpoints.is_empty()).then_some(policy.on_unreachable == OnUnreachable::FailOver),
    }
}

/// Follows the emulator's records to an endpoint, which has an address made of its name.
fn resolve(emulator: &Emulator, name: &str) -> BTreeSet<IpAddr> {
    let now = emulator.world().now();
    let answer = emulator.world().dns_answer(name, now);
    let endpoint = answer.map_or_else(|| name.to_owned(), |answer| answer.value);
    let endpoint = endpoint.trim_end_matches('.').to_ascii_lowercase();
    let number = endpoint.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    BTreeSet::from([IpAddr::from(Ipv4Addr::from(0x0a00_0000 | (number & 0x00ff_ffff)))])
}

/// What a client of an emulator is built from; the credentials are made up.
pub fn sdk(http: impl HttpClient + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BEHAVIOUR())
        .http_client(http)
        .sleep_impl(TokioSleep::new())
        .region(Region::new(REGION))
        .endpoint_url("http://emulator.test")
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .build()
}

fn app(config: Config, emulator: &Emulator, http: SharedHttpClient, metrics: &Arc<Mutex<Vec<Value>>>) -> App {
    let aws = Aws::new(sdk(http), &config.pair);
    let lines = Arc::clone(metrics);
    let names = emulator.clone();
    let lookup = Box::new(move |name: String| {
        let found = resolve(&names, &name);
        Box::pin(async move { found }) as Pin<Box<dyn Future<Output = _> + Send>>
    });
    App::new(config, aws, lookup, move |line| {
        if let Ok(line) = serde_json::from_str(line) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
