//! What a run leaves: its events, what lasted how long, and what came of it.

use emulator::{Actor, Call, Change, Outcome};
use serde::Serialize;

use super::open::{OPEN, STALE};
use super::outage::Outage;
use super::scenario::Handler;

/// One thing that happened, with the time since the start in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub at: f64,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// A step of the scenario.
    Story { text: String },
    /// RDS reports something new of an instance.
    Rds { instance: String, text: String },
    /// A person changed the health check.
    Console { text: String },
    /// The function, or the recipe, was invoked.
    Invocation(Invocation),
    /// The function's metric asks Route 53 for the secondary, or no longer does.
    Metric { asks: bool },
    /// DNS answers with another endpoint.
    Dns { instance: String },
    /// Clients, with the caching of DNS, reach another endpoint, or another fate there.
    Clients { instance: String, reads: bool, writes: bool },
    /// Clients that keep their connections reach another instance, or their writes another fate.
    Open { instance: String, writes: &'static str },
}

impl What {
    pub fn invocation(&self) -> Option<&Invocation> {
        if let Self::Invocation(invocation) = self { Some(invocation) } else { None }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Invocation {
    /// What woke it.
    pub trigger: &'static str,
    /// Simulated seconds.
    pub seconds: f64,
    pub outcome: Ending,
    /// Whether it found the primary unhealthy.
    pub unhealthy: bool,
    pub calls: Vec<CallLine>,
}

/// How an invocation ended.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "ended", rename_all = "kebab-case")]
pub enum Ending {
    /// With a response.
    Answered {
        decision: String,
        reason: String,
        message: String,
        actions: Vec<&'static str>,
        observations: u32,
        primary: String,
        health: String,
    },
    /// With a typed error.
    Failed { error_type: String, reason: String, message: String, actions: Vec<&'static str> },
    /// Not at all: the execution environment died.
    Crashed,
}

impl Ending {
    pub fn actions(&self) -> &[&'static str] {
        match self {
            Self::Answered { actions, .. } | Self::Failed { actions, .. } => actions,
            Self::Crashed => &[],
        }
    }

    /// Its words for a person.
    pub fn message(&self) -> &str {
        match self {
            Self::Answered { message, .. } | Self::Failed { message, .. } => message,
            Self::Crashed => "",
        }
    }

    /// Whether it names a code: as the reason, or as a further one in the message.
    pub fn names(&self, code: &str) -> bool {
        match self {
            Self::Answered { reason, message, .. } | Self::Failed { reason, message, .. } => {
                reason == code || message.contains(&format!("({code})"))
            }
            Self::Crashed => false,
        }
    }

    /// Whether it looks just like the one before, so that a person need not read it again.
    pub fn repeats(&self, before: &Self) -> bool {
        match (self, before) {
            (
                Self::Answered { reason, primary, actions, .. },
                Self::Answered { reason: before, primary: was, actions: earlier, .. },
            ) => actions.is_empty() && earlier.is_empty() && reason == before && primary == was,
            (Self::Failed { error_type, .. }, Self::Failed { error_type: before, .. }) => {
                error_type == before
            }
            _ => false,
        }
    }
}

/// A call that reached the emulator.
#[derive(Clone, Debug, Serialize)]
pub struct CallLine {
    pub at: f64,
    pub operation: String,
    pub region: String,
    pub target: Option<String>,
    pub write: bool,
    /// `ok`, an error code, or how it broke off.
    pub outcome: String,
    /// What it changed, in words.
    pub effects: Vec<String>,
}

impl CallLine {
    pub fn new(call: &Call, at: f64) -> Self {
        Self {
            at,
            operation: call.operation.to_string(),
            region: call.region.clone(),
            target: call.target.clone(),
            write: call.is_write,
            outcome: match &call.outcome {
                Outcome::Ok => "ok".to_owned(),
                Outcome::Refused { code, .. } => code.to_string(),
                Outcome::Fault(fault) => format!("{fault:?}"),
                Outcome::Crash => "the caller died".to_owned(),
            },
            effects: call.changes.iter().filter_map(effect).collect(),
        }
    }
}

/// A change in words.
pub fn effect(change: &Change) -> Option<String> {
    Some(match change {
        Change::CheckUpdated { disabled, inverted, version, .. } => {
            let flags = match (disabled, inverted) {
                (true, true) => "Disabled + Inverted: forced unhealthy",
                (false, false) => "neither Disabled nor Inverted: normal",
                (true, false) => "Disabled alone: Route 53 treats it as healthy",
                (false, true) => "Inverted alone: the opposite of what it finds",
            };
            format!("{flags} (version {version})")
        }
        Change::TagSet { key, value, .. } => format!("{key} = {value}"),
        Change::TagRemoved { key, .. } => format!("{key} removed"),
        Change::PromotionAccepted { instance } => format!("promotion of {instance} accepted"),
        Change::Promoted { instance } => format!("{instance} is on its own and accepts writes"),
        Change::Status { status, .. } => status.clone(),
        Change::InstanceDeleted { instance } => format!("{instance} is deleted"),
        Change::Renamed { from, to } => format!("{from} is now called {to}"),
        Change::Published { subject, .. } => format!("\"{}\"", subject.as_deref().unwrap_or_default()),
        Change::InstanceCreated { .. }
        | Change::InstanceModified { .. }
        | Change::RecordSet { .. }
        | Change::RecordDeleted { .. } => return None,
    })
}

/// A change that was not made by a call, as an event.
pub fn observed(event: &emulator::Event) -> Option<What> {
    let text = effect(&event.change)?;
    match (&event.change, event.by) {
        (Change::CheckUpdated { .. } | Change::TagSet { .. } | Change::TagRemoved { .. }, Actor::Console) => {
            Some(What::Console { text })
        }
        (
            Change::Status { instance, .. }
            | Change::Promoted { instance }
            | Change::InstanceDeleted { instance }
            | Change::Renamed { from: instance, .. },
            _,
        ) => Some(What::Rds { instance: instance.clone(), text }),
        _ => None,
    }
}

/// A value that lasted, from one second to another.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    pub from: f64,
    pub to: f64,
    pub value: String,
}

/// What one thing was, over the whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Track {
    pub name: &'static str,
    pub spans: Vec<Span>,
}

impl Track {
    pub fn new(name: &'static str) -> Self {
        Self { name, spans: Vec::new() }
    }

    /// Adds what it is at a time.
    pub fn push(&mut self, at: f64, value: &str) {
        match self.spans.last_mut() {
            Some(last) if last.value == value => last.to = at,
            last => {
                if let Some(last) = last {
                    last.to = at;
                }
                self.spans.push(Span { from: at, to: at, value: value.to_owned() });
            }
        }
    }

    pub fn last(&self) -> &str {
        self.spans.last().map_or("", |span| span.value.as_str())
    }

    /// How long it was a value between two times, in seconds.
    pub fn seconds(&self, value: &str, from: f64, to: f64) -> f64 {
        let spans = self.spans.iter().filter(|span| span.value == value);
        spans.map(|span| (span.to.min(to) - span.from.max(from)).max(0.0)).sum()
    }

    /// When it first became a value between two times.
    pub fn first(&self, value: &str, from: f64, to: f64) -> Option<f64> {
        let spans = self.spans.iter().skip(1).filter(|span| span.value == value);
        spans.map(|span| span.from).find(|at| (from..=to).contains(at))
    }
}

/// What a run adds up to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Each time clients were without the database, in order.
    pub outages: Vec<Outage>,
    pub reads_failed: f64,
    pub writes_failed: f64,
    /// How long clients that follow DNS wrote to a primary whose replica had been promoted.
    pub stale_writes: f64,
    /// The same of clients that keep their connections.
    pub open_stale_writes: f64,
    pub invocations: usize,
    pub read_calls: usize,
    pub write_calls: usize,
}

/// An expectation, and whether the run met it.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub says: String,
    pub held: bool,
}

/// How a run ended, for those who use the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// As expected, and clients are served.
    Served,
    /// As expected, but clients are not served, or not fully: a person is needed.
    Unserved,
    /// Not as expected.
    Unexpected,
}

/// A scenario played with a handler.
#[derive(Clone, Debug)]
pub struct Run {
    pub handler: Handler,
    pub seconds: f64,
    pub events: Vec<Event>,
    pub tracks: Vec<Track>,
    pub totals: Totals,
    pub verdicts: Vec<Verdict>,
    /// The promises that were broken, with how often.
    pub broken: Vec<(String, usize)>,
}

impl Run {
    /// Whether everything is as expected.
    pub fn held(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.held)
    }

    pub fn fate(&self) -> Fate {
        match (self.held(), self.last("reads"), self.last("writes"), self.last(OPEN)) {
            (false, ..) => Fate::Unexpected,
            (true, _, _, STALE) => Fate::Unserved,
            (true, "served", "served", _) => Fate::Served,
            (true, ..) => Fate::Unserved,
        }
    }

    /// The outage that counts: the first that moved DNS, else the longest.
    pub fn outage(&self) -> Option<&Outage> {
        let outages = &self.totals.outages;
        let moved = outages.iter().find(|outage| outage.rerouted.is_some());
        moved.or_else(|| outages.iter().max_by(|a, b| a.length().total_cmp(&b.length())))
    }

    /// The invocations, with when they began.
    pub fn invocations(&self) -> impl Iterator<Item = (f64, &Invocation)> {
        self.events.iter().filter_map(|event| Some((event.at, event.what.invocation()?)))
    }

    pub fn track(&self, name: &str) -> Option<&Track> {
        self.tracks.iter().find(|track| track.name == name)
    }

    pub fn last(&self, track: &str) -> &str {
        self.track(track).map_or("", Track::last)
    }
}

/// How good a value of a track is: for colours, and for what stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Neither good nor bad.
    Plain,
    Good,
    /// On the secondary.
    Moved,
    /// In between, or set by somebody else.
    Odd,
    Bad,
}

impl Tone {
    /// Of a value. Where traffic goes is not good by itself: the primary there may be dead.
    pub fn of(value: &str) -> Self {
        match value {
            "served" => Self::Good,
            "orders-primary" | "normal" | "quiet" => Self::Plain,
            "orders-replica" | "forced unhealthy" | "asks for secondary" => Self::Moved,
            "modifying" | "disabled alone" | "inverted alone" => Self::Odd,
            value if value.starts_with("available") => Self::Good,
            _ => Self::Bad,
        }
    }
}
