//! The state of everything, its time, and its record.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::cloudwatch::metric::CloudWatch;
use crate::faults::{Faults, On};
use crate::limits::Limits;
use crate::rds::Rds;
use crate::rds::instance::Instance;
use crate::rds::lifecycle::Promotion;
use crate::record::{Actor, Call, Change, Event, Record};
use crate::route53::Route53;
use crate::route53::check::HealthCheck;
use crate::route53::zone::RecordSet;
use crate::sns::Sns;

pub(crate) type Step = Box<dyn FnOnce(&mut World) + Send>;

/// RDS, Route 53, CloudWatch and SNS of one account.
///
/// Time is what the caller says it is; it never runs backwards. Before a request is carried out,
/// everything that was due by then (scripted changes, the steps of a promotion) happens.
pub struct World {
    pub(crate) now: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) rds: Rds,
    pub(crate) route53: Route53,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) sns: Sns,
    pub(crate) record: Record,
    timeline: BTreeMap<(Timestamp, u64), Step>,
    timeline_entries: u64,
    pub(crate) hooks: Vec<(Trigger, Step)>,
    pub(crate) crash: Option<Crash>,
    pub(crate) crashed: Arc<Notify>,
    pub faults: Faults,
    /// How many requests AWS takes, once [`World::limit_requests`] is on.
    pub limits: Limits,
    pub promotion: Promotion,
    /// How long each step of a stop, a change or a creation takes.
    pub step: Duration,
    /// How long a change of a health check's flags takes to reach DNS answers.
    pub dns_propagation: Duration,
    /// Whether Route 53 wants to be signed for `us-east-1`, as AWS does. An SDK client with
    /// `AWS_ENDPOINT_URL` signs for its own region instead, so a binary that runs elsewhere
    /// needs `false`.
    pub route53_only_in_us_east_1: bool,
}

pub(crate) enum Trigger {
    CallNumber(u64),
    Next(On),
}

#[derive(Debug)]
pub(crate) struct Crash {
    pub(crate) number: u64,
    pub(crate) after: bool,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("rds", &self.rds)
            .field("route53", &self.route53)
            .finish_non_exhaustive()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            actor: Actor::Aws,
            rds: Rds::default(),
            route53: Route53::default(),
            cloudwatch: CloudWatch::default(),
            sns: Sns::default(),
            record: Record::default(),
            timeline: BTreeMap::new(),
            timeline_entries: 0,
            hooks: Vec::new(),
            crash: None,
            crashed: Arc::default(),
            faults: Faults::default(),
            limits: Limits::default(),
            promotion: Promotion::default(),
            step: Duration::from_secs(60),
            dns_propagation: Duration::ZERO,
            route53_only_in_us_east_1: true,
        }
    }

    /// A pair as a function guards it: both instances, a check of the primary, and both failover records of a
    /// name in a zone (its id and domain).
    #[must_use]
    pub fn of_pair(
        now: Timestamp,
        [primary, replica]: [Instance; 2],
        check: &str,
        (zone, domain): (&str, &str),
        name: &str,
    ) -> Self {
        let mut world = Self::new();
        world.advance(now);
        let records =
            [RecordSet::primary(name, &primary.address, check), RecordSet::secondary(name, &replica.address)];
        world.add_zone(zone, domain, records);
        world.add_health_check(HealthCheck::tcp(check, &primary.address, primary.port));
        world.add(primary);
        world.add(replica);
        world
    }

    /// The latest time this world was told.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.timeline.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                break;
            }
            let step = entry.remove();
            self.now = self.now.max(due);
            step(self);
        }
        self.now = self.now.max(now);
    }

    /// Scripts a change for a time; at once, on the next request, if that is past.
    pub fn at(&mut self, time: Timestamp, change: impl FnOnce(&mut Self) + Send + 'static) {
        self.timeline_entries += 1;
        self.timeline.insert((time, self.timeline_entries), Box::new(change));
    }

    /// Scripts a change for this long after [`World::now`].
    pub fn after(&mut self, delay: Duration, change: impl FnOnce(&mut Self) + Send + 'static) {
        let time = self.now + SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
        self.at(time, change);
    }

    /// Runs `hook` when the `n`-th call from now (1 is the next) has arrived and nothing of it is
    /// carried out yet: "a person changes something at the console just now".
    pub fn on_call(&mut self, n: u64, hook: impl FnOnce(&mut Self) + Send + 'static) {
        let number = self.record.number + n;
        self.hooks.push((Trigger::CallNumber(number), Box::new(hook)));
    }

    /// Runs `hook` once, when the next matching call has arrived and nothing of it is carried out.
    pub fn on_next(&mut self, on: impl Into<On>, hook: impl FnOnce(&mut Self) + Send + 'static) {
        self.hooks.push((Trigger::Next(on.into()), Box::new(hook)));
    }

    /// The caller dies as it sends the `n`-th call from now: the call is not carried out, never
    /// answered, and [`crate::Emulator::crashed`] resolves.
    pub fn crash_before_call(&mut self, n: u64) {
        self.no_crash();
        let number = self.record.number + n;
        self.crash = Some(Crash { number, after: false });
    }

    /// The caller dies before it gets the answer to the `n`-th call from now, which is carried out.
    pub fn crash_after_call(&mut self, n: u64) {
        self.no_crash();
        let number = self.record.number + n;
        self.crash = Some(Crash { number, after: true });
    }

    /// Takes back a crash that has not happened, and the word of one that nobody awaited.
    pub fn no_crash(&mut self) {
        self.crash = None;
        self.crashed = Arc::default();
    }

    /// Every call since the start, or since [`World::forget_record`].
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.record.calls
    }

    /// The calls of operations that can change something.
    pub fn writes(&self) -> impl Iterator<Item = &Call> {
        self.record.calls.iter().filter(|call| call.is_write)
    }

    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        let calls = self.record.calls.iter();
        calls.filter(|call| call.operation == operation).count()
    }

    /// Every change, in order, whoever made it.
    #[must_use]
    pub fn history(&self) -> &[Event] {
        &self.record.history
    }

    /// Drops the call log and the history; long simulations would fill the memory with them.
    pub fn forget_record(&mut self) {
        self.record.calls.clear();
        self.record.history.clear();
    }

    pub(crate) fn changed(&mut self, change: Change) {
        self.record.history.push(Event { time: self.now, by: self.actor, change });
    }

    pub(crate) fn acting<T>(&mut self, actor: Actor, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.actor, actor);
        let result = act(self);
        self.actor = before;
        result
    }
}
