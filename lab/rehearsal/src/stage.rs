//! What every case on a pair of MariaDB servers stands on: the two servers, the agent, AWS, DNS, the function, clients.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use emulator::{Change, Emulator, HealthCheck, RecordSet, Server, World};
use jiff::Timestamp;
use serde_json::Value;
use tokio::process::Child;

use crate::client::{self, Loop, Target};
use crate::dns::{self, Dns};
use crate::fault::Fault;
use crate::function::{Function, REGION};
use crate::mariadb::{PASSWORD, USER};
use crate::net::{self, Host};
use crate::page::Kind;
use crate::process::{on, start, until};
use crate::record::{Record, What, reason};

pub const CHECK: &str = "11111111-2222-4333-8444-555555555555";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:failover";
const ZONE: &str = "Z0000000EXAMPLE";
/// The name that clients connect to.
pub const NAME: &str = "db.orders.example";
/// Of the failover records, in seconds.
pub const TTL: u32 = 5;

/// Where everything of this run is.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The function's binary.
    pub function: PathBuf,
    /// The template of a MariaDB data folder.
    pub mariadb: PathBuf,
    pub folder: PathBuf,
    pub record: Arc<Record>,
    pub fault: Fault,
}

/// AWS and DNS, with a record of every change.
pub struct Aws {
    pub emulator: Emulator,
    pub server: Server,
    _dns: Dns,
    watcher: tokio::task::AbortHandle,
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Aws {
    /// Starts both for a world to which the zone and the check are added.
    pub async fn start(
        mut world: World,
        ttl: u32,
        primary: (&str, Vec<Host>),
        secondary: (&str, Vec<Host>),
        paths: &Paths,
    ) -> Result<Self> {
        let record = Arc::clone(&paths.record);
        world.advance(Timestamp::now());
        let records = [
            RecordSet { ttl, ..RecordSet::primary(NAME, primary.0, CHECK) },
            RecordSet { ttl, ..RecordSet::secondary(NAME, secondary.0) },
        ];
        world.add_zone(ZONE, "orders.example", records);
        world.add_topic(REGION, "failover");
        world.add_health_check(HealthCheck::switch(CHECK));
        // The agent ends each of these; nothing ends by itself.
        world.step = Duration::from_secs(86_400);
        world.promotion.notice = Duration::from_millis(100);
        world.promotion.duration = Duration::from_secs(86_400);
        let emulator = Emulator::new(world, Timestamp::now);
        let server = emulator.listen().await?;
        let endpoints = [primary, secondary].map(|(name, hosts)| {
            (name.to_ascii_lowercase(), hosts.iter().map(|host| host.address).collect())
        });
        let dns = dns::start(emulator.clone(), HashMap::from(endpoints), paths).await?;
        let watcher = tokio::spawn(watch(emulator.clone(), record)).abort_handle();
        Ok(Self { emulator, server, _dns: dns, watcher })
    }

    /// Whether the health check is forced unhealthy.
    pub fn forced(&self) -> bool {
        let world = self.emulator.world();
        world.health_check(CHECK).is_some_and(|check| check.disabled && check.inverted)
    }
}

/// Copies what changes in the emulator's world into the record.
async fn watch(emulator: Emulator, record: Arc<Record>) {
    let mut seen = 0;
    loop {
        let events = emulator.world().history().get(seen..).unwrap_or_default().to_vec();
        seen += events.len();
        for event in events {
            if let Change::CheckUpdated { disabled, inverted, version, .. } = event.change {
                let forced = disabled && inverted;
                let text = if forced { "forced unhealthy" } else { "normal" };
                let text = format!("{text} (version {version})");
                record.add_at(event.time, What::Flags { forced, text });
            } else if let Change::Published { subject, .. } = event.change {
                let text = format!("notified: {}", subject.unwrap_or_default());
                record.add_at(event.time, What::Step { text });
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What every case has: AWS, the function, clients, pages, and a record of it all.
pub struct Scene {
    pub record: Arc<Record>,
    pub aws: Aws,
    pub function: Function,
    paths: Paths,
    target: Target,
    clients: Vec<Child>,
    pages: Vec<Child>,
}

/// The function's environment. Durations are compressed by about 30 against the defaults, as the schedule is.
fn variables(more: &[(&str, &str)], fault: &Fault) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        ("ROUTE53_HEALTH_CHECK_ID", CHECK),
        ("HOSTED_ZONE_ID", ZONE),
        ("RECORD_NAME", NAME),
        ("NOTIFICATION_TOPIC_ARN", TOPIC),
        ("CONFIRMATION_INTERVAL", "300ms"),
        ("HEALTH_ENDPOINT_TIMEOUT", "1s"),
    ]);
    all.extend(more.iter().copied());
    if let Fault::Setting(name, value) = fault {
        all.insert(name, value);
    }
    all.retain(|_, value| !value.is_empty());
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The clients' way to MariaDB servers, which are told apart by the last part of their address.
pub fn mysql_target(hosts: &[Host]) -> Target {
    Target {
        dsn: format!("mysql:host={NAME};dbname=app"),
        user: USER.into(),
        password: PASSWORD.into(),
        which: "SELECT @@bind_address".into(),
        servers: hosts.iter().map(|host| (host.address.to_string(), host.name.to_owned())).collect(),
    }
}

impl Scene {
    /// Starts the function; no tick and no client yet.
    pub async fn start(paths: &Paths, aws: Aws, settings: &[(&str, &str)], target: Target) -> Result<Self> {
        let function =
            Function::start(paths, &variables(settings, &paths.fault), aws.server.address()).await?;
        let record = Arc::clone(&paths.record);
        let paths = paths.clone();
        Ok(Self { record, aws, function, paths, target, clients: Vec::new(), pages: Vec::new() })
    }

    pub fn fault(&self) -> &Fault {
        &self.paths.fault
    }

    /// Waits for what must come. With a planted fault it may not come, and the case goes on: an assertion has to tell.
    ///
    /// # Errors
    /// If it does not come, and no fault is planted.
    pub async fn must<F: Future<Output = bool>>(
        &self,
        what: &str,
        limit: Duration,
        holds: impl FnMut() -> F,
    ) -> Result<()> {
        if self.fault() == &Fault::None {
            return until(what, limit, holds).await;
        }
        if let Err(missing) = until(what, limit, holds).await {
            self.record.step(format!("{missing:#}"));
        }
        Ok(())
    }

    /// Where it is planted, a person sends traffic back to the stale primary.
    pub fn interfere(&self) {
        if self.fault() == &Fault::ClearedFlags {
            self.aws.emulator.world().console_set_flags(CHECK, false, false);
        }
    }

    /// Drops all packets between two networks, silently.
    pub fn cut(&self, one: &str, other: &str) -> Result<()> {
        if self.fault() == &Fault::NoCut { Ok(()) } else { net::cut(one, other) }
    }

    /// Takes a cut back.
    pub fn heal(&self, one: &str, other: &str) -> Result<()> {
        if self.fault() == &Fault::NoCut { Ok(()) } else { net::heal(one, other) }
    }

    pub fn writer(&mut self, retries: Loop, options: &[&str]) -> Result<()> {
        self.client(retries.name(), retries, "write", options)
    }

    pub fn reader(&mut self) -> Result<()> {
        self.client("reader", Loop::Resilient, "read", &[])
    }

    fn client(&mut self, name: &str, retries: Loop, mode: &str, options: &[&str]) -> Result<()> {
        let log = self.paths.folder.join("clients.log");
        let record = Arc::clone(&self.record);
        let planted = match (&self.paths.fault, retries) {
            (Fault::Client(option), Loop::Resilient) => vec![option.as_str()],
            (Fault::CommonTimeout, Loop::Common) => vec!["net_read_timeout=2"],
            _ => Vec::new(),
        };
        let options = &[options, planted.as_slice()].concat();
        self.clients.push(client::start(name, retries, mode, options, &self.target, &log, record)?);
        Ok(())
    }

    /// Both writers, and the ticks; then a moment of normal service.
    pub async fn serve(&mut self) -> Result<()> {
        self.serve_every(crate::TICK, &[]).await
    }

    /// The same with another schedule and options of the resilient client.
    pub async fn serve_every(&mut self, tick: Duration, options: &[&str]) -> Result<()> {
        self.writer(Loop::Common, &[])?;
        self.writer(Loop::Resilient, options)?;
        self.wait_for_rows(&["common", "resilient"], "").await?;
        self.function.schedule(tick);
        Ok(())
    }

    /// Waits until each client was acknowledged ten more rows by a server.
    ///
    /// # Errors
    /// If not within forty seconds.
    pub async fn wait_for_rows(&self, clients: &[&str], server: &str) -> Result<()> {
        let since = self.record.now();
        for client in clients {
            let enough = || async { self.acks(client, server, since, f64::MAX).len() >= 10 };
            self.must(&format!("rows of {client} on {server}"), Duration::from_secs(40), enough).await?;
        }
        Ok(())
    }

    /// Starts the health page of a host's server.
    pub async fn page(&mut self, host: Host) -> Result<()> {
        let socket = self.paths.folder.join(host.name).join("sock");
        self.pages.push(page(host, &socket, Kind::Writable, &self.paths.folder)?);
        Ok(())
    }

    /// Stops ticks and clients, so that nothing changes any more.
    pub async fn quiesce(&mut self) {
        self.function.pause_schedule();
        for client in &mut self.clients {
            // It may have ended by itself.
            let _ = client.kill().await;
        }
        self.clients.clear();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// When rows of a client were acknowledged by a server: number and second.
    pub fn acks(&self, client: &str, server: &str, from: f64, to: f64) -> Vec<(u64, f64)> {
        let wanted =
            |c: &str, s: &str| (client.is_empty() || c == client) && (server.is_empty() || s == server);
        let events = self.record.events();
        let acks = events.iter().filter(|event| event.at >= from && event.at < to);
        let acks = acks.filter_map(|event| {
            let (client, n, server) = event.what.ack()?;
            wanted(client, server).then_some((n, event.at))
        });
        acks.collect()
    }

    /// The longest time without an acknowledged row of a client, from when the outage began.
    pub fn downtime(&self, client: &str, from: f64) -> f64 {
        let acks = self.acks(client, "", from - 0.5, f64::MAX);
        let times: Vec<f64> = acks.iter().map(|(_, at)| *at).collect();
        let last = times.last().copied().unwrap_or(from);
        let end = self.record.now();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        // Where no row came any more, it lasts until now.
        gaps.fold(if end - last > 3.0 { end - last } else { 0.0 }, f64::max)
    }

    /// The second of the first event from a moment on for which a condition holds.
    pub fn first(&self, from: f64, holds: impl Fn(&What) -> bool) -> Option<f64> {
        self.record.events().iter().find(|event| event.at >= from && holds(&event.what)).map(|event| event.at)
    }

    pub async fn wait_forced(&self, forced: bool, limit: Duration) -> Result<()> {
        let so = || async { self.aws.forced() == forced };
        self.must(&format!("the check is forced: {forced}"), limit, so).await
    }

    /// What the answers of the function said, newest last.
    pub fn reasons(&self, from: f64) -> Vec<String> {
        let events = self.record.events();
        let answers = events.iter().filter(|event| event.at >= from);
        answers.filter_map(|event| Some(reason(event.what.answer()?).to_owned())).collect()
    }

    pub async fn request(&self, event: Value) -> Result<Value> {
        self.record.step(format!("a person requests {event}"));
        self.function.invoke(event).await?.map_err(|error| anyhow::anyhow!("refused: {error}"))
    }
}

/// A health page as a process on a host.
pub fn page(host: Host, socket: &Path, kind: Kind, folder: &Path) -> Result<Child> {
    let program = std::env::current_exe()?;
    let mut command = on(host, &program.to_string_lossy());
    let listen = SocketAddr::from((host.address, 8008));
    let kind = match kind {
        Kind::Writable => "writable",
        Kind::Galera => "galera",
    };
    command.args(["page", "--listen", &listen.to_string(), "--kind", kind, "--socket"]).arg(socket);
    start(command, &folder.join("pages.log"))
}
