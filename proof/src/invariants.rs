//! What must hold after every step, whatever the order of events, crashes, duplicates and faults.
//!
//! [`Watch`] sees every call at the moment it reaches the emulator, with all that changed until then and with the
//! invocation that made it. So each promise is held against the truth, not against what the function reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use emulator::{ACCOUNT, Actor, Call, Change, Event, Fault, Instance, Outcome, World};
use jiff::{SignedDuration, Timestamp};
use rds_route53_failover::memory::{By, Memory, PROMOTION_VOID_AFTER, Tag};
use rds_route53_failover::model::CheckState;
use rds_route53_failover::status::{Health, Status};

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
    /// Whether probes are configured, and whether an unreachable API together with them is an outage.
    pub probes: Option<bool>,
}

/// What nobody can prevent, as Route 53, RDS and people share no transaction; counted, not hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Residue {
    /// A person forced the check unhealthy with exactly the version that an invocation had announced before it
    /// was cut off, or was about to announce in that moment: the setting passes for the function's.
    pub claimed_by_accident: u64,
    /// A person took the switch back between the last look at it and the promotion.
    pub switch_moved_under_promotion: u64,
    /// RDS accepted the promotions of two overlapping invocations, as nothing came of the first.
    pub accepted_twice: u64,
}

/// The outcome of the last read of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Sight<T> {
    #[default]
    Never,
    Seen(T),
    Unreachable,
    Blind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flags {
    state: CheckState,
    version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TagsSeen {
    paused: bool,
    readable: bool,
}

#[derive(Debug)]
struct Invocation {
    kind: Kind,
    primary: Sight<Option<String>>,
    replica_alone: Sight<bool>,
    check: Sight<Flags>,
    tags: Sight<TagsSeen>,
    lag: Sight<()>,
    claimed: BTreeSet<i64>,
    cut: bool,
}

/// Who set the flags that the check has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetBy {
    Auto,
    Operator,
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
    /// Invocations of lower numbers had begun when it was accepted.
    promoted_before: u64,
    /// Claims of the function to a version, by who made them.
    claims: BTreeMap<i64, BTreeSet<u64>>,
    invocations: BTreeMap<u64, Invocation>,
    cut: BTreeSet<u64>,
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
            promoted_before: 0,
            claims: BTreeMap::new(),
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
        watch
    }

    /// An invocation of this kind begins; answers with its number.
    pub fn begin(&mut self, kind: Kind) -> u64 {
        let number = self.next;
        self.next += 1;
        let invocation = Invocation {
            kind,
            primary: Sight::Never,
            replica_alone: Sight::Never,
            check: Sight::Never,
            tags: Sight::Never,
            lag: Sight::Never,
            claimed: BTreeSet::new(),
            cut: false,
        };
        self.invocations.insert(number, invocation);
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
        self.saw(number, call, world);
    }

    fn news(&mut self, world: &World) -> Vec<Event> {
        let news = world.history().get(self.cursor..).unwrap_or_default().to_vec();
        self.cursor = world.history().len();
        news
    }

    fn saw(&mut self, number: u64, call: &Call, world: &World) {
        let sight = sight(call);
        let target = call.target.as_deref().unwrap_or_default();
        let is = |id: &str| {
            target.eq_ignore_ascii_case(id) || id.ends_with(&format!(":{}", target.to_ascii_lowercase()))
        };
        let tags_seen = self.tags_seen();
        let flags = self.flags;
        let (observe, at) = (self.setting.observe, self.now);
        let Some(invocation) = self.invocations.get_mut(&number) else { return };
        match &*call.operation {
            "DescribeDBInstances" if is(&self.setting.primary) => {
                let status = described(call, &self.setting.primary, world).map(|i| i.status.clone());
                // Half of the answer that there is no such instance says so, too.
                let cut_off = call.outcome == Outcome::Fault(Fault::Truncated);
                let sight = if cut_off && status.is_none() { Sight::Seen(()) } else { sight };
                invocation.primary = sight.map_to(status);
            }
            "DescribeDBInstances" if self.setting.replica.as_deref().is_some_and(is) => {
                let alone = self.setting.replica.as_deref().and_then(|id| described(call, id, world));
                invocation.replica_alone = sight.map_to(alone.is_some_and(|i| i.source.is_none()));
            }
            "GetHealthCheck" => invocation.check = sight.map_to(flags),
            "ListTagsForResource" => invocation.tags = sight.map_to(tags_seen),
            "GetMetricStatistics" => invocation.lag = sight.map_to(()),
            _ => {}
        }
        let lost = matches!(call.outcome, Outcome::Fault(_) | Outcome::Crash);
        if lost && !invocation.claimed.is_empty() {
            invocation.cut = true;
        }
        let kind = invocation.kind;
        if call.is_write && (observe || kind == Kind::ReadOnly) {
            let why = if observe { "with MODE=observe" } else { "for a question" };
            let sentence = format!("{} was called {why}", call.operation);
            self.violations.push(Violation { promise: Promise::HandsOff, at, sentence });
        }
    }

    fn tags_seen(&self) -> TagsSeen {
        match Memory::parse(self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))) {
            Ok(memory) => TagsSeen {
                paused: memory.pause.as_ref().is_some_and(|pause| pause.in_force(self.now)),
                readable: true,
            },
            Err(_) => TagsSeen { paused: false, readable: false },
        }
    }

    fn happened(&mut self, event: &Event, number: Option<u64>, world: &World) {
        let number = number.filter(|_| event.by == Actor::Api);
        match &event.change {
            Change::CheckUpdated { check, disabled, inverted, version } if *check == self.setting.check => {
                let now = Flags { state: CheckState::of(*disabled, *inverted), version: *version };
                let before = std::mem::replace(&mut self.flags, now);
                if let Some(number) = number {
                    self.changes += 1;
                    self.switched(number, before, now, world);
                } else {
                    self.others += 1;
                    self.set_by = SetBy::Person;
                    self.at_work = self.invocations.keys().copied().collect();
                }
                if now.state != CheckState::ForcedUnhealthy || before.state != CheckState::ForcedUnhealthy {
                    self.promoted = None;
                }
            }
            Change::TagSet { check, key, value } if *check == self.setting.check => {
                self.tags.insert(key.clone(), value.clone());
                match number {
                    Some(number) => self.claim(number, key, value),
                    None => {
                        self.others += 1;
                        self.adopt();
                    }
                }
            }
            Change::TagRemoved { check, key } if *check == self.setting.check => {
                self.tags.remove(key);
                self.others += u64::from(number.is_none());
            }
            Change::PromotionAccepted { instance } => match number {
                Some(number) => {
                    self.changes += 1;
                    self.promotion(number, instance);
                }
                None => self.others += 1,
            },
            Change::Published { .. } => {}
            Change::InstanceDeleted { .. } | Change::Renamed { .. } => {
                self.others += 1;
                self.promoted_is_there = false;
            }
            Change::CheckUpdated { .. }
            | Change::TagSet { .. }
            | Change::TagRemoved { .. }
            | Change::Status { .. }
            | Change::Promoted { .. }
            | Change::InstanceCreated { .. }
            | Change::InstanceModified { .. }
            | Change::RecordSet { .. }
            | Change::RecordDeleted { .. } => self.others += 1,
        }
    }

    /// A person who writes the function's tag for the present flags hands them over to it.
    fn adopt(&mut self) {
        let routed = self.tags.get(Tag::Routed.key()).and_then(|value| claim_of(value));
        if let Some((version, by)) = routed
            && u64::try_from(version) == Ok(self.flags.version)
        {
            self.set_by = if by == By::Auto { SetBy::Auto } else { SetBy::Operator };
        }
    }

    fn claim(&mut self, number: u64, key: &str, value: &str) {
        if key != Tag::Routed.key() && key != Tag::Returned.key() {
            return;
        }
        let Some((version, by)) = claim_of(value) else { return };
        if let Some(invocation) = self.invocations.get_mut(&number) {
            invocation.claimed.insert(version);
        }
        if key == Tag::Routed.key() && by == By::Auto {
            self.claims.entry(version).or_default().insert(number);
        }
        // A promotion ordered by force behind a person's setting makes that setting an operator's.
        let adopted = u64::try_from(version) == Ok(self.flags.version) && by == By::Operator;
        if adopted && self.set_by == SetBy::Person {
            self.set_by = SetBy::Operator;
        }
    }

    /// Whether an invocation claimed this version for the function's own rules that was cut off, or that was at
    /// work as a person produced it.
    fn claimed_by_accident(&self, version: u64) -> bool {
        let claimers = i64::try_from(version).ok().and_then(|version| self.claims.get(&version));
        let cut = |number: &u64| {
            self.cut.contains(number) || self.invocations.get(number).is_some_and(|invocation| invocation.cut)
        };
        let at_work = |number: &u64| self.at_work.contains(number);
        claimers.is_some_and(|claimers| claimers.iter().any(|number| cut(number) || at_work(number)))
    }

    fn switched(&mut self, number: u64, before: Flags, now: Flags, world: &World) {
        let Some(invocation) = self.invocations.get(&number) else { return };
        let mut broken: Vec<(Promise, String)> = Vec::new();
        let automatic = invocation.kind == Kind::Automatic;
        if now.state == CheckState::Foreign {
            broken.push((Promise::CleanSwitch, "one flag was set without the other".to_owned()));
        }
        match &invocation.check {
            Sight::Seen(seen) if seen.version + 1 == now.version && seen.state == before.state => {}
            other @ (Sight::Never | Sight::Seen(_) | Sight::Unreachable | Sight::Blind) => broken.push((
                Promise::CleanSwitch,
                format!("version {} was made over {before:?} after having seen {other:?}", now.version),
            )),
        }
        if !i64::try_from(now.version).is_ok_and(|version| invocation.claimed.contains(&version)) {
            broken
                .push((Promise::CleanSwitch, format!("version {} was not announced by a tag", now.version)));
        }
        if before.state == CheckState::Foreign {
            broken.push((Promise::PeopleFirst, "a foreign setting of the flags was overwritten".to_owned()));
        }
        broken.extend(self.blind(invocation, now.state));
        let mut residue = self.residue;
        if automatic && before.state == CheckState::ForcedUnhealthy {
            if self.set_by != SetBy::Auto {
                if self.claimed_by_accident(before.version) {
                    residue.claimed_by_accident += 1;
                } else {
                    let who = self.set_by;
                    broken.push((
                        Promise::PeopleFirst,
                        format!("version {} was set by {who:?} and undone automatically", before.version),
                    ));
                }
            }
            let replica = self.setting.replica.as_deref().and_then(|id| world.instance(id));
            let alone = replica.is_some_and(|i| i.source.is_none() || i.promoting_since.is_some());
            let ours = self.promoted.is_some() && self.promoted_is_there && alone;
            if ours || invocation.replica_alone == Sight::Seen(true) {
                broken.push((
                    Promise::NoStalePrimary,
                    "traffic went back by itself to a primary behind a promoted replica".to_owned(),
                ));
            }
        }
        self.set_by = if automatic { SetBy::Auto } else { SetBy::Operator };
        self.residue = residue;
        let at = self.now;
        self.violations.extend(broken.into_iter().map(|(promise, sentence)| Violation {
            promise,
            at,
            sentence,
        }));
    }

    fn promotion(&mut self, number: u64, instance: &str) {
        let Some(invocation) = self.invocations.get(&number) else { return };
        let mut broken: Vec<(Promise, String)> = Vec::new();
        let mut residue = self.residue;
        let automatic = invocation.kind == Kind::Automatic;
        let forced = CheckState::ForcedUnhealthy;
        let moved_by_person = self.set_by == SetBy::Person
            && matches!(invocation.check, Sight::Seen(seen) if seen.state == forced && seen != self.flags);
        if moved_by_person {
            residue.switch_moved_under_promotion += 1;
        } else if self.flags.state != forced {
            broken.push((
                Promise::OnePromotion,
                format!("{instance} was promoted while traffic was on the primary"),
            ));
        }
        if let Some(first) = self.promoted
            && self.now.duration_since(first) < PROMOTION_VOID_AFTER
        {
            // A tag is no lock. RDS refuses a second promotion while the first runs: that closes the gap.
            if number < self.promoted_before {
                residue.accepted_twice += 1;
            } else {
                broken.push((Promise::OnePromotion, format!("{instance} was promoted twice in an incident")));
            }
        }
        broken.extend(self.blind(invocation, forced));
        if automatic {
            if self.set_by != SetBy::Auto && self.flags.state == forced && !moved_by_person {
                if self.claimed_by_accident(self.flags.version) {
                    residue.claimed_by_accident += 1;
                } else {
                    broken.push((
                        Promise::PeopleFirst,
                        format!("{instance} was promoted behind a setting by {:?}", self.set_by),
                    ));
                }
            }
            if !matches!(invocation.lag, Sight::Seen(())) || !self.lag_was_within_bounds() {
                broken.push((
                    Promise::UnknownIsNotDown,
                    format!("{instance} was promoted with a lag that is unknown or too high"),
                ));
            }
        }
        self.promoted = Some(self.now);
        self.promoted_is_there = true;
        self.promoted_before = self.next;
        self.residue = residue;
        let at = self.now;
        self.violations.extend(broken.into_iter().map(|(promise, sentence)| Violation {
            promise,
            at,
            sentence,
        }));
    }

    /// What an invocation did not know, and changed something all the same.
    fn blind(&self, invocation: &Invocation, to: CheckState) -> Vec<(Promise, String)> {
        let mut broken = Vec::new();
        if self.setting.observe {
            broken.push((Promise::HandsOff, "a change was made with MODE=observe".to_owned()));
        }
        let automatic = invocation.kind == Kind::Automatic;
        match &invocation.tags {
            Sight::Seen(tags) if tags.readable => {
                if automatic && tags.paused {
                    broken.push((Promise::HandsOff, "a change was made while paused".to_owned()));
                }
            }
            other @ (Sight::Never | Sight::Seen(_) | Sight::Unreachable | Sight::Blind) => {
                broken.push((Promise::HandsOff, format!("a change was made after tags {other:?}")));
            }
        }
        if matches!(invocation.kind, Kind::Ordered { force: true }) {
            return broken;
        }
        let probes_fail = self.probes_fail.unwrap_or(true);
        let dead_by_probes = self.setting.probes.is_some() && probes_fail;
        let sight = match &invocation.primary {
            Sight::Seen(status) => {
                let health = status.as_deref().map_or(Health::Unhealthy, |status| {
                    let status = Status::parse(status);
                    self.setting.overrides.get(&status).copied().unwrap_or_else(|| status.health())
                });
                let down = health == Health::Unhealthy || (health == Health::Healthy && dead_by_probes);
                let moves_away = to == CheckState::ForcedUnhealthy;
                let fits = if moves_away { down || !automatic } else { health == Health::Healthy };
                (!fits).then(|| format!("a change to {to:?} was made with the primary {status:?}"))
            }
            Sight::Unreachable if self.setting.probes == Some(true) && probes_fail => None,
            other @ (Sight::Never | Sight::Unreachable | Sight::Blind) => {
                Some(format!("a change was made after {other:?} of the primary"))
            }
        };
        broken.extend(sight.map(|sentence| (Promise::UnknownIsNotDown, sentence)));
        broken
    }

    fn lag_was_within_bounds(&self) -> bool {
        if self.lag_truth.is_empty() {
            return true;
        }
        // A sample counts for 15 minutes, and is a minute older than its value at most.
        let since = self.now - SignedDuration::from_mins(17);
        let max = self.setting.max_lag.as_secs_f64();
        let ends = self.lag_truth.iter().skip(1).map(|(at, _)| *at).chain([self.now]);
        let mut spans = self.lag_truth.iter().zip(ends).filter(|(_, end)| *end >= since);
        spans.any(|((_, lag), _)| lag.is_some_and(|lag| (0.0..=max).contains(&lag)))
    }
}

impl Sight<()> {
    fn map_to<T>(self, value: T) -> Sight<T> {
        match self {
            Self::Never => Sight::Never,
            Self::Seen(()) => Sight::Seen(value),
            Self::Unreachable => Sight::Unreachable,
            Self::Blind => Sight::Blind,
        }
    }
}

/// An attempt that is answered later than this counts as unanswered: the function's time-out for one attempt.
const ATTEMPT: Duration = Duration::from_secs(3);

fn sight(call: &Call) -> Sight<()> {
    match &call.outcome {
        Outcome::Ok => Sight::Seen(()),
        // The one refusal that says something of a database.
        Outcome::Refused { code, .. } if code.starts_with("DBInstanceNotFound") => Sight::Seen(()),
        Outcome::Refused { .. } => Sight::Blind,
        Outcome::Fault(Fault::Slow(delay)) if *delay < ATTEMPT => Sight::Seen(()),
        Outcome::Fault(
            Fault::Slow(_)
            | Fault::Hang
            | Fault::Reset
            | Fault::Server(_)
            | Fault::AppliedThenReset
            | Fault::AppliedThenHang
            | Fault::AppliedThenServer(_),
        ) => Sight::Unreachable,
        Outcome::Fault(
            Fault::Throttle | Fault::Denied | Fault::Error { .. } | Fault::Malformed | Fault::Truncated,
        )
        | Outcome::Crash => Sight::Blind,
    }
}

/// The instance that a describe is about: in the region of the call.
fn described<'a>(call: &Call, id: &str, world: &'a World) -> Option<&'a Instance> {
    world.instance(&format!("arn:aws:rds:{}:{ACCOUNT}:db:{id}", call.region))
}

fn claim_of(value: &str) -> Option<(i64, By)> {
    let tags = [(Tag::Routed.key(), value)];
    let routed = Memory::parse(tags).ok()?.routed?;
    Some((routed.version, routed.by))
}
