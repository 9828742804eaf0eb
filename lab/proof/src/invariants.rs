//! What must hold after every step, whatever the order of events, crashes, duplicates and faults.
//!
//! [`Watch`] sees every call at the moment it reaches the emulator, with all that changed until then and with the
//! invocation that made it. So each promise is held against the truth, not against what the function reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use emulator::{Actor, Change, Event, World};
use jiff::Timestamp;
use rds_route53_failover::memory::Tag;
use rds_route53_failover::model::CheckState;
use rds_route53_failover::observe::memory_of;
use rds_route53_failover::status::{Health, Status};

mod claims;
mod fence;
mod judge;
mod residue;
mod sight;

pub use residue::Residue;
use sight::{Flags, Invocation};

/// The promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Traffic never returns by itself to a primary behind a promoted replica.
    NoStalePrimary,
    /// At most one accepted promotion an incident, and never one before traffic was moved.
    OnePromotion,
    /// Unknown is never down, missing data is never zero.
    UnknownIsNotDown,
    /// Paused, observing or blind: no change.
    HandsOff,
    /// A setting made by a person is never overwritten.
    PeopleFirst,
    /// The same trigger delivered twice changes nothing the second time.
    Idempotent,
    /// Both flags together, each update with the version that was read and announced by a tag.
    CleanSwitch,
    /// An announcement says until when it counts, only what was made is confirmed, and nobody takes either back.
    Claims,
    /// Only the old primary is stopped, once, after the promotion of this incident is complete, and only if asked.
    OneFence,
    /// What must come: after the last disturbance three ticks lead to the state that a fresh function would choose,
    /// claimed, and then to no more writes.
    Comes,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub promise: Promise,
    /// When.
    pub at: Timestamp,
    /// What happened, in a sentence.
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.promise, self.at, self.sentence)
    }
}

/// On whose word an invocation works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its own rules.
    Automatic,
    /// `status` and `check`: it may change nothing.
    ReadOnly,
    /// An operator's order.
    Ordered {
        /// With `force`.
        force: bool,
    },
}

impl Kind {
    /// The kind of the invocation that an event starts.
    pub fn of(event: &serde_json::Value) -> Self {
        match event.get("action").and_then(serde_json::Value::as_str) {
            None | Some("tick") => Self::Automatic,
            Some("status" | "check") => Self::ReadOnly,
            Some(_) => Self::Ordered { force: event.get("force") == Some(&serde_json::Value::Bool(true)) },
        }
    }
}

/// What the promises depend on in the configuration and the world.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The health check.
    pub check: String,
    /// The primary.
    pub primary: String,
    /// The replica, where one is configured.
    pub replica: Option<String>,
    /// `MODE=observe`
    pub observe: bool,
    /// `MAX_REPLICA_LAG`
    pub max_lag: Duration,
    /// `STATUS_OVERRIDES`
    pub overrides: BTreeMap<Status, Health>,
    /// `FENCE_PRIMARY=stop`
    pub fence: bool,
    /// Whether probes are configured, and whether an unreachable API together with them is an outage.
    pub probes: Option<bool>,
}

/// Who set the flags that the check has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The function's own rules.
    Auto,
    /// An operator, through the function.
    Operator,
    /// A person, elsewhere.
    Person,
}

/// Watches one world.
#[derive(Debug)]
pub struct Watch {
    setting: Setting,
    cursor: usize,
    now: Timestamp,
    flags: Flags,
    set_by: SetBy,
    tags: BTreeMap<String, String>,
    /// When this function's last promotion in the present incident was accepted.
    promoted: Option<Timestamp>,
    /// Whether the instance that was promoted is still the one of that name.
    promoted_is_there: bool,
    /// Whether a person promoted the instance that the replica is now.
    promoted_elsewhere: bool,
    /// Invocations of lower numbers had begun when it was accepted.
    promoted_before: u64,
    /// The instance that was the primary as traffic was moved, by its key, which a rename does not change; `None` once
    /// a person has deleted an instance.
    old_primary: Option<u64>,
    /// When the old primary's stop was accepted in the present incident.
    fenced: Option<Timestamp>,
    /// What the check was at each version.
    states: BTreeMap<u64, CheckState>,
    /// The invocation that set the flags, where one did.
    setter: u64,
    /// The version of a person's setting that passes for the function's.
    passes_for_ours: Option<u64>,
    invocations: BTreeMap<u64, Invocation>,
    cut: BTreeSet<u64>,
    /// Whether somebody else than this function changed `failover:routed` since the flags were set.
    claim_touched: bool,
    /// The invocations that were at work as a person set the flags last.
    at_work: BTreeSet<u64>,
    next: u64,
    lag_truth: Vec<(Timestamp, Option<f64>)>,
    /// Whether the probes fail, where somebody said so.
    probes_fail: Option<bool>,
    violations: Vec<Violation>,
    residue: Residue,
    changes: u64,
    /// Changes by anybody but this function's automatic rules.
    others: u64,
}

impl Watch {
    /// Watches a world from now on.
    pub fn new(setting: Setting, world: &World) -> Self {
        let check = world.health_check(&setting.check);
        let flags = check.map_or(Flags { state: CheckState::Normal, version: 0 }, |check| Flags {
            state: CheckState::of(check.disabled, check.inverted),
            version: check.version,
        });
        let tags: BTreeMap<_, _> = check.map(|check| check.tags.clone()).unwrap_or_default();
        let mut watch = Self {
            setting,
            cursor: world.history().len(),
            now: world.now(),
            flags,
            set_by: SetBy::Person,
            tags,
            promoted: None,
            promoted_is_there: false,
            promoted_elsewhere: false,
            promoted_before: 0,
            old_primary: None,
            fenced: None,
            claim_touched: false,
            states: BTreeMap::from([(flags.version, flags.state)]),
            setter: 0,
            passes_for_ours: None,
            invocations: BTreeMap::new(),
            cut: BTreeSet::new(),
            at_work: BTreeSet::new(),
            next: 1,
            lag_truth: Vec::new(),
            probes_fail: None,
            violations: Vec::new(),
            residue: Residue::default(),
            changes: 0,
            others: 0,
        };
        watch.adopt();
        let memory = memory_of(&watch.tags).unwrap_or_default();
        let version = i64::try_from(watch.flags.version).unwrap_or(i64::MAX);
        watch.promoted = memory.promotion_in(version).map(|sent| sent.at);
        watch.promoted_is_there = watch.promoted.is_some();
        watch.old_primary = watch.primary(world).map(|instance| instance.key);
        watch
    }

    /// An invocation of this kind begins; answers with its number.
    pub fn begin(&mut self, kind: Kind) -> u64 {
        let number = self.next;
        self.next += 1;
        self.invocations.insert(number, Invocation::new(kind));
        number
    }

    /// The invocation has answered, or is gone.
    pub fn end(&mut self, number: u64, died: bool) {
        if let Some(invocation) = self.invocations.remove(&number)
            && (invocation.cut || died)
        {
            self.cut.insert(number);
        }
    }

    /// Everything broken so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// What nobody can prevent, so far.
    pub fn residue(&self) -> Residue {
        self.residue
    }

    /// Who really set the flags, whatever the tags say.
    pub fn set_by(&self) -> SetBy {
        self.set_by
    }

    /// Changes of the switch and promotions made by this function so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Changes of the world by anybody else so far.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Says what the replica's lag is from now on: the truth that a promotion is held against.
    pub fn tell_lag(&mut self, at: Timestamp, lag: Option<f64>) {
        self.lag_truth.push((at, lag));
    }

    /// Says whether the probes fail from now on.
    pub fn tell_probes(&mut self, fail: bool) {
        self.probes_fail = Some(fail);
    }

    /// Adds a violation that only the caller could see.
    pub fn report(&mut self, promise: Promise, sentence: String) {
        self.violations.push(Violation { promise, at: self.now, sentence });
    }

    /// Takes in what happened while nobody called.
    pub fn catch_up(&mut self, world: &World) {
        self.now = world.now();
        for event in self.news(world) {
            self.happened(&event, None, world);
        }
    }

    /// The function runs with another configuration from now on.
    pub fn reconfigured(&mut self, setting: Setting) {
        self.setting = setting;
    }

    /// The record was dropped ([`World::forget_record`]).
    pub fn forgotten(&mut self) {
        self.cursor = 0;
    }

    /// A call of an invocation has just reached the world.
    pub fn called(&mut self, number: u64, world: &World) {
        let Some(call) = world.calls().last() else { return };
        self.now = world.now();
        for event in self.news(world) {
            self.happened(&event, Some(number), world);
        }
        self.fence(number, call, world);
        self.saw(number, call, world);
    }

    fn news(&mut self, world: &World) -> Vec<Event> {
        let news = world.history().get(self.cursor..).unwrap_or_default().to_vec();
        self.cursor = world.history().len();
        news
    }

    fn happened(&mut self, event: &Event, number: Option<u64>, world: &World) {
        let number = number.filter(|_| event.by == Actor::Api);
        match &event.change {
            Change::CheckUpdated { check, disabled, inverted, version } if *check == self.setting.check => {
                let now = Flags { state: CheckState::of(*disabled, *inverted), version: *version };
                let before = std::mem::replace(&mut self.flags, now);
                self.states.insert(*version, now.state);
                self.claim_touched = false;
                if let Some(number) = number {
                    self.changes += 1;
                    self.switched(number, before, now, world);
                    self.setter = number;
                } else {
                    self.others += 1;
                    self.set_by_person();
                }
                if now.state != CheckState::ForcedUnhealthy || before.state != CheckState::ForcedUnhealthy {
                    self.promoted = None;
                    self.fenced = None;
                    self.old_primary = self.primary(world).map(|instance| instance.key);
                }
            }
            Change::TagSet { check, key, value } if *check == self.setting.check => {
                self.tags.insert(key.clone(), value.clone());
                match number {
                    Some(number) => self.claim(number, key, value),
                    None => {
                        self.others += 1;
                        self.claim_touched |= key == Tag::Routed.key();
                        self.adopt();
                    }
                }
            }
            Change::TagRemoved { check, key } if *check == self.setting.check => {
                self.tags.remove(key);
                match number {
                    Some(_) => self.unclaimed(key),
                    None => {
                        self.others += 1;
                        self.claim_touched |= key == Tag::Routed.key();
                    }
                }
            }
            Change::PromotionAccepted { instance } => match number {
                Some(number) => {
                    self.changes += 1;
                    self.promotion(number, instance);
                }
                None => {
                    self.others += 1;
                    self.promoted_elsewhere = true;
                }
            },
            Change::Published { .. } => {}
            // A call stopped it: the fence, which is judged as a call.
            Change::Status { .. } => self.others += u64::from(number.is_none()),
            Change::InstanceDeleted { .. } | Change::Renamed { .. } => {
                self.others += 1;
                self.promoted_is_there = false;
                self.promoted_elsewhere = false;
                if let Change::InstanceDeleted { .. } = event.change {
                    self.old_primary = None;
                }
            }
            Change::CheckUpdated { .. }
            | Change::TagSet { .. }
            | Change::TagRemoved { .. }
            | Change::Promoted { .. }
            | Change::InstanceCreated { .. }
            | Change::InstanceModified { .. }
            | Change::RecordSet { .. }
            | Change::RecordDeleted { .. } => self.others += 1,
        }
    }
}
