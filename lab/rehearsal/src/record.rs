//! What happened in a case, with the time since it began, and what must hold of it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that happened, in seconds since the case began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub at: f64,
    pub what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// A step of the case.
    Step { text: String },
    /// What RDS says of an instance.
    Status { instance: String, status: String },
    /// The flags of the health check.
    Flags { forced: bool, text: String },
    /// Route 53 gave the resolver another answer than before.
    Dns { answer: String },
    /// The function was invoked.
    Invocation { action: String, until: f64, answer: Value, failed: bool },
    /// A row was acknowledged to a client.
    Ack { client: String, n: u64, server: String },
    /// A client met an error.
    Trouble { client: String, n: u64, code: String, message: String },
    /// A client gave a row up: its caller saw the error.
    GaveUp { client: String, n: u64 },
    /// A read was answered.
    Read { client: String, server: String },
}

impl What {
    /// What the function answered, if this is an invocation.
    pub fn answer(&self) -> Option<&Value> {
        if let Self::Invocation { answer, .. } = self { Some(answer) } else { None }
    }

    /// Client, number and server, if this is an acknowledged row.
    pub fn ack(&self) -> Option<(&str, u64, &str)> {
        if let Self::Ack { client, n, server } = self { Some((client, *n, server)) } else { None }
    }

    pub fn step(&self) -> Option<&str> {
        if let Self::Step { text } = self { Some(text) } else { None }
    }
}

/// Why the function decided as it did: the reason of a response, or the type of an error.
pub fn reason(answer: &Value) -> &str {
    answer["reason"].as_str().or(answer["errorType"].as_str()).unwrap_or_default()
}

#[derive(Debug)]
pub struct Record {
    start: Timestamp,
    events: Mutex<Vec<Event>>,
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

impl Record {
    pub fn new() -> Self {
        Self { start: Timestamp::now(), events: Mutex::default() }
    }

    pub fn seconds(&self, time: Timestamp) -> f64 {
        time.duration_since(self.start).as_secs_f64()
    }

    pub fn now(&self) -> f64 {
        self.seconds(Timestamp::now())
    }

    pub fn add(&self, what: What) {
        self.add_at(Timestamp::now(), what);
    }

    pub fn add_at(&self, time: Timestamp, what: What) {
        let at = self.seconds(time);
        self.lock().push(Event { at, what });
    }

    /// A step of the case, also shown while it runs.
    pub fn step(&self, text: impl Into<String>) -> f64 {
        let text = text.into();
        eprintln!("{:6.1} s  {text}", self.now());
        self.add(What::Step { text });
        self.now()
    }

    /// Everything up to now, in order of time.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.lock().clone();
        events.sort_by(|a, b| a.at.total_cmp(&b.at));
        events
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Acknowledged rows that are not among those that are there.
pub fn lost(record: &Record, there: Vec<(String, u64)>) -> Vec<(String, u64, f64)> {
    let there: HashSet<_> = there.into_iter().collect();
    let events = record.events();
    let acks = events.iter().filter_map(|event| Some((event.what.ack()?, event.at)));
    let acks = acks.map(|((client, n, _), at)| (client.to_owned(), n, at));
    acks.filter(|(client, n, _)| !there.contains(&(client.clone(), *n))).collect()
}

/// Something that must hold, and what was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    pub must: String,
    pub found: String,
    pub held: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub value: String,
}

/// What a case leaves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub name: String,
    pub title: String,
    pub figures: Vec<Figure>,
    pub checks: Vec<Check>,
    pub events: Vec<Event>,
    /// Rows that were acknowledged to a client and are not on the server that counts: client, number, second.
    pub lost: Vec<(String, u64, f64)>,
    pub seconds: f64,
    /// Why it could not be played to its end.
    pub broken: Option<String>,
}

impl Outcome {
    pub fn figure(&mut self, name: &str, value: impl Into<String>) {
        self.figures.push(Figure { name: name.to_owned(), value: value.into() });
    }

    pub fn check(&mut self, must: &str, held: bool, found: impl Into<String>) {
        self.checks.push(Check { must: must.to_owned(), held, found: found.into() });
    }

    pub fn no_row_is_lost(&mut self) {
        self.check("no row is lost", self.lost.is_empty(), format!("{} rows", self.lost.len()));
    }

    /// What was acknowledged in the last instant before an outage had not reached the replica.
    pub fn few_rows_are_lost(&mut self) {
        let lost = self.lost.len();
        self.figure("rows lost", lost.to_string());
        self.check("no more rows are lost than were in flight", lost <= 4, lost.to_string());
    }

    pub fn held(&self) -> bool {
        self.broken.is_none() && !self.checks.is_empty() && self.checks.iter().all(|check| check.held)
    }
}
