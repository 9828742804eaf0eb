//! What a run leaves: its events, what lasted how long, and what came of it.

use emulator::{Actor, Call, Change, Outcome};
use serde::Serialize;

use super::scenario::Handler;

/// One thing that happened, with the time since the start in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub at: f64,
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
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
    /// DNS answers with another endpoint.
    Dns { instance: String },
    /// Clients, with the caching of DNS, reach another endpoint, or another fate there.
    Clients { instance: String, reads: bool, writes: bool },
}

impl What {
    /// The invocation, if it is one.
    pub fn invocation(&self) -> Option<&Invocation> {
        if let Self::Invocation(invocation) = self { Some(invocation) } else { None }
    }
}

/// One invocation.
#[derive(Clone, Debug, Serialize)]
pub struct Invocation {
    /// What woke it.
    pub trigger: &'static str,
    /// Simulated seconds.
    pub seconds: f64,
    pub outcome: Ending,
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
    /// What was changed.
    pub fn actions(&self) -> &[&'static str] {
        match self {
            Self::Answered { actions, .. } | Self::Failed { actions, .. } => actions,
            Self::Crashed => &[],
        }
    }

    /// Whether a code stands in it: as the reason, or as a further one in the message.
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
                (true, false) => "Disabled alone: Route 53 takes it for healthy",
                (false, true) => "Inverted alone: the opposite of what it finds",
            };
            format!("{flags} (version {version})")
        }
        Change::TagSet { key, value, .. } => format!("{key} = {value}"),
        Change::TagRemoved { key, .. } => format!("{key} removed"),
        Change::PromotionAccepted { instance } => format!("promotion of {instance} accepted"),
        Change::Promoted { instance } => format!("{instance} is on its own now, and takes writes"),
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

    /// What it was last.
    pub fn last(&self) -> &str {
        self.spans.last().map_or("", |span| span.value.as_str())
    }

    /// How long it was a value, in seconds.
    pub fn seconds(&self, value: &str) -> f64 {
        self.spans.iter().filter(|span| span.value == value).map(|span| span.to - span.from).sum()
    }

    /// When it first was a value.
    pub fn first(&self, value: &str) -> Option<f64> {
        self.spans.iter().find(|span| span.value == value).map(|span| span.from)
    }
}

/// The times that matter, in seconds since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Clients could not write any more.
    pub outage: Option<f64>,
    /// An invocation that found the primary unhealthy began.
    pub detected: Option<f64>,
    /// DNS answered with the secondary.
    pub rerouted: Option<f64>,
    /// Clients, with their caches, reached the secondary.
    pub followed: Option<f64>,
    /// RDS accepted the promotion.
    pub promotion_sent: Option<f64>,
    /// The replica took writes.
    pub promoted: Option<f64>,
    /// Clients reached the primary again.
    pub returned: Option<f64>,
    pub reads_failed: f64,
    pub writes_failed: f64,
    /// How long clients wrote to a primary behind a promoted replica.
    pub stale_writes: f64,
    pub invocations: usize,
    pub read_calls: usize,
    pub write_calls: usize,
    /// Metrics with their dimensions, as CloudWatch bills them.
    pub metrics: usize,
    /// Bytes of metrics that an invocation logs, on average.
    pub metric_bytes: usize,
}

/// Whether something held that had to.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub says: String,
    pub held: bool,
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
    /// Whether all held.
    pub fn held(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.held)
    }

    /// The invocations, with when they began.
    pub fn invocations(&self) -> impl Iterator<Item = (f64, &Invocation)> {
        self.events.iter().filter_map(|event| Some((event.at, event.what.invocation()?)))
    }

    /// The track of this name.
    pub fn track(&self, name: &str) -> Option<&Track> {
        self.tracks.iter().find(|track| track.name == name)
    }
}
