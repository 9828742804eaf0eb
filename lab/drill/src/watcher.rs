//! Looks at the world each simulated second, as clients of the database do.

use std::collections::BTreeMap;

use emulator::{DnsClient, Instance, World};
use jiff::{SignedDuration, Timestamp};
use proof::rig::{CHECK, PRIMARY, RECORD, REPLICA};
use rds_route53_failover::status::{Health, Status};

use super::open::{OpenClients, STALE};
use super::timeline::{Event, Track, What, observed};

/// What clients find, over time.
#[derive(Debug)]
pub struct Watcher {
    start: Timestamp,
    dns: DnsClient,
    /// Whether instances serve, where that is not what RDS reports.
    pub serves: BTreeMap<&'static str, bool>,
    /// What was seen of the emulator's history.
    history: usize,
    pub events: Vec<Event>,
    pub primary: Track,
    pub replica: Track,
    pub check: Track,
    pub metric: Track,
    /// Whether the function's metric asks for the secondary.
    pub asks: bool,
    pub answer: Track,
    pub clients: Track,
    pub reads: Track,
    pub writes: Track,
    pub open: OpenClients,
}

impl Watcher {
    pub fn new(start: Timestamp) -> Self {
        Self {
            start,
            dns: DnsClient::new(),
            serves: BTreeMap::new(),
            history: 0,
            events: Vec::new(),
            primary: Track::new("RDS: primary"),
            replica: Track::new("RDS: replica"),
            check: Track::new("health check"),
            metric: Track::new("metric"),
            asks: false,
            answer: Track::new("DNS answers"),
            clients: Track::new("clients reach"),
            reads: Track::new("reads"),
            writes: Track::new("writes"),
            open: OpenClients::default(),
        }
    }

    pub fn since_start(&self, time: Timestamp) -> f64 {
        (time - self.start).as_secs_f64()
    }

    /// Clients looked the name up 13 s before the start, so their caches do not end together with the minute.
    pub fn fill_cache(&mut self, world: &mut World) {
        let _ = self.dns.resolve(world, RECORD, self.start - SignedDuration::from_secs(13));
    }

    /// Looks at the world as it is now.
    pub fn look(&mut self, world: &mut World) {
        let now = world.now();
        // It looks once per second, and no finer.
        let at = self.since_start(now).floor();
        let new: Vec<Event> = world.history()[self.history..]
            .iter()
            .filter_map(|event| Some(Event { at: self.since_start(event.time), what: observed(event)? }))
            .collect();
        self.history = world.history().len();
        self.events.extend(new);

        for (track, id) in [(&mut self.primary, PRIMARY), (&mut self.replica, REPLICA)] {
            let instance = world.instance(id);
            let status = instance.map_or("missing", |instance| instance.status.as_str());
            let alone = id == REPLICA && instance.is_some_and(|replica| replica.source.is_none());
            track.push(at, &if alone { format!("{status}, on its own") } else { status.to_owned() });
        }
        let flags = world.health_check(CHECK).map(|check| (check.disabled, check.inverted));
        self.check.push(
            at,
            match flags {
                Some((false, false)) => "normal",
                Some((true, true)) => "forced unhealthy",
                Some((true, false)) => "disabled alone",
                Some((false, true)) => "inverted alone",
                None => "missing",
            },
        );

        let asked = self.metric.last() == ASKS;
        self.metric.push(at, if self.asks { ASKS } else { "quiet" });
        if self.asks != asked {
            self.events.push(Event { at, what: What::Metric { asks: self.asks } });
        }

        let answered = world.dns_answer(RECORD, now).map(|answer| answer.value).unwrap_or_default();
        let moved = push(&mut self.answer, at, instance_of(&answered));
        let first = self.clients.spans.is_empty();
        if moved && !first {
            self.events.push(Event { at, what: What::Dns { instance: instance_of(&answered).to_owned() } });
        }
        let reached = self.dns.resolve(world, RECORD, now).map(|answer| answer.value).unwrap_or_default();
        let (reads, writes) = self.fate(world, &reached);
        let id = instance_of(&reached);
        let changes = [
            push(&mut self.clients, at, id),
            push(&mut self.reads, at, if reads { "served" } else { "failing" }),
            push(&mut self.writes, at, writes.as_str()),
        ];
        if changes.contains(&true) && !first {
            let writes = writes != Writes::Failing;
            let what = What::Clients { instance: id.to_owned(), reads, writes };
            self.events.push(Event { at, what });
        }
        let serves = &self.serves;
        self.open.look(at, world, id, |instance| serve(serves, instance));
    }

    /// Whether reads and writes at an endpoint are served.
    fn fate(&self, world: &World, endpoint: &str) -> (bool, Writes) {
        let here = [PRIMARY, REPLICA]
            .into_iter()
            .find_map(|id| world.instance(id).filter(|instance| instance.address == endpoint));
        let Some(instance) = here else { return (false, Writes::Failing) };
        let serves = serve(&self.serves, instance);
        (serves, writes(world, instance, serves))
    }
}

/// Whether an instance serves, where `known` does not say otherwise.
fn serve(known: &BTreeMap<&'static str, bool>, instance: &Instance) -> bool {
    // A promotion reboots the instance.
    let by_status = Status::parse(&instance.status).health() == Health::Healthy;
    known.get(instance.id.as_str()).copied().unwrap_or(by_status)
}

/// What becomes of a write at an instance that takes connections, or doesn't.
pub fn writes(world: &World, instance: &Instance, alive: bool) -> Writes {
    let promoted = || world.instance(REPLICA).is_some_and(|replica| replica.source.is_none());
    match alive && instance.source.is_none() {
        false => Writes::Failing,
        true if instance.id == PRIMARY && promoted() => Writes::Stale,
        true => Writes::Served,
    }
}

/// The value of the metric's track where it asks for the secondary.
pub const ASKS: &str = "asks for secondary";

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    Served,
    Failing,
    /// Served by a primary whose replica was promoted: lost sooner or later.
    Stale,
}

impl Writes {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Failing => "failing",
            Self::Stale => STALE,
        }
    }
}

/// Adds a value and says whether it is a new one.
fn push(track: &mut Track, at: f64, value: &str) -> bool {
    let moved = track.last() != value;
    track.push(at, value);
    moved
}

/// The identifier is the first label of an endpoint.
fn instance_of(endpoint: &str) -> &str {
    endpoint.split('.').next().unwrap_or_default()
}
