//! What the rules ask: each question has its one place, and says so where evidence is missing to answer it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Gap, MULTI_AZ_FAILOVER, Need, Next, Order, Streak, decide};
use crate::clock::after;
use crate::config::Policy;
use crate::health::{self, Diagnosis, Lag, Role, Trigger};
use crate::memory::{By, Memory};
use crate::model::{
    Blind, Cause, CheckState, Evidence, HealthCheck, Instance, InstanceRef, Observation, Reading,
};
use crate::status::{Health, Status};

/// Lambda ends every invocation by then. Source: "Lambda quotas", function timeout.
const LONGEST_INVOCATION: Duration = Duration::from_secs(900);

/// One question to the rules: all that a decision may depend on.
pub struct Case<'a> {
    /// What was observed last.
    pub seen: &'a Observation,
    /// How often it was observed so.
    pub streak: Streak,
    /// Who asks.
    pub order: Order,
    /// What the decision goes by.
    pub policy: &'a Policy,
    /// When the decision is made.
    pub now: Timestamp,
    /// What the observation says of the primary.
    pub diagnosis: Diagnosis,
}

impl<'a> Case<'a> {
    /// Puts the question.
    pub fn new(
        seen: &'a Observation,
        streak: Streak,
        order: Order,
        policy: &'a Policy,
        now: Timestamp,
    ) -> Self {
        let diagnosis = Diagnosis::of(&seen.primary, seen.probes, policy);
        Self { seen, streak, order, policy, now, diagnosis }
    }

    /// The code of the rule that `force` overrides here, if it overrides one.
    pub fn overridden(&self) -> Option<&'static str> {
        if !self.force() {
            return None;
        }
        let unforced =
            Case::new(self.seen, self.streak.clone(), self.order.unforced(), self.policy, self.now);
        match (decide(self), decide(&unforced)) {
            (Next::Apply(forced), Next::Apply(unforced)) if forced.code != unforced.code => {
                Some(unforced.code)
            }
            (Next::Apply(_) | Next::Read(_), Next::Apply(_) | Next::Read(_)) => None,
        }
    }

    pub(super) fn force(&self) -> bool {
        self.order.force()
    }

    pub(super) fn health(&self) -> Health {
        self.diagnosis.health()
    }

    pub(super) fn confirmed(&self, observations: u32) -> bool {
        self.streak.length >= observations
    }

    pub(super) fn check(&self) -> Option<&'a HealthCheck> {
        self.seen.check.known()
    }

    pub(super) fn state(&self, state: CheckState) -> bool {
        self.check().is_some_and(|check| check.state == state)
    }

    pub(super) fn version(&self) -> Option<i64> {
        self.check().map(|check| check.version)
    }

    pub(super) fn memory(&self) -> Result<&'a Memory, Gap> {
        match &self.seen.memory {
            Evidence::Read(memory) => Ok(memory),
            Evidence::NotRead => Err(Gap::Unread(Need::Memory)),
            Evidence::Unreadable(_) => Err(Gap::Unreadable("memory-unreadable")),
        }
    }

    /// Who forced the check unhealthy, where it is.
    pub(super) fn routed_by(&self) -> Result<Option<By>, Gap> {
        let memory = self.memory()?;
        Ok(self.version().and_then(|version| memory.routed_by(version)))
    }

    /// The role of the replica, where one is configured.
    pub(super) fn role(&self) -> Result<Option<Role>, Gap> {
        let memory = self.memory()?;
        Ok(self.replica().map(|(replica, id)| {
            health::role(replica, id, &self.policy.primary, Some(memory), self.version(), self.now)
        }))
    }

    pub(super) fn replica(&self) -> Option<(&'a Reading<Instance>, &'a InstanceRef)> {
        self.seen.replica.as_ref().zip(self.policy.replica.as_ref())
    }

    /// Whether the present incident ended in a promotion, by what the tags or RDS say.
    pub(super) fn latched(&self) -> Result<bool, Gap> {
        let memory = self.memory()?;
        let Some(version) = self.version() else { return Ok(false) };
        let sent = match self.replica() {
            Some((replica, id)) => health::promotion_sent(memory, version, replica, id, self.now),
            None => memory.promotion_in(version).is_some(),
        };
        Ok(sent || self.replica_stands_alone())
    }

    /// Whether the replica replicates from nobody, whatever its status.
    pub(super) fn replica_stands_alone(&self) -> bool {
        self.replica()
            .and_then(|(replica, _)| replica.known())
            .is_some_and(|instance| instance.source.is_none())
    }

    /// Whether the replica that the tags call promoted stands alone while the check is normal.
    pub(super) fn promoted_replica_is_on_its_own(&self) -> Result<bool, Gap> {
        let Some((_, id)) = self.replica().filter(|_| self.replica_stands_alone()) else { return Ok(false) };
        match self.memory() {
            Ok(memory) => {
                Ok(memory.promoted.as_ref().is_some_and(|promoted| promoted.instance == id.identifier))
            }
            // An unreadable tag does not hide a healthy primary; an unhealthy one meets it further down.
            Err(Gap::Unreadable(_)) => Ok(false),
            Err(gap @ Gap::Unread(_)) => Err(gap),
        }
    }

    /// When the cooldown ends, where it is not over.
    pub(super) fn cooldown_ends(&self) -> Result<Option<Timestamp>, Gap> {
        let Some(returned) = &self.memory()?.returned else { return Ok(None) };
        let ends = after(returned.at, self.policy.cooldown);
        Ok((self.now < ends).then_some(ends))
    }

    /// Whether RDS's status says nothing of a Multi-AZ failover, but its events do.
    pub(super) fn in_multi_az_failover(&self) -> Result<bool, Gap> {
        let multi_az = self.seen.primary.known().is_some_and(|primary| primary.multi_az);
        if self.trigger() != Some(&Trigger::Unresponsive) || !multi_az {
            return Ok(false);
        }
        match &self.seen.multi_az_failover {
            Evidence::NotRead => Err(Gap::Unread(Need::MultiAzFailover)),
            Evidence::Unreadable(_) => Err(Gap::Unreadable("events-unreadable")),
            Evidence::Read(last) => Ok(last.is_some_and(|last| self.now < after(last, MULTI_AZ_FAILOVER))),
        }
    }

    /// Whether traffic may be moved by the metric alone, as the check can't be reached.
    ///
    /// The tags are out of reach with the check, so a pause is not seen here.
    pub(super) fn metric_alone_may_move(&self) -> Result<bool, Gap> {
        let unreachable = match &self.seen.check {
            Reading::Unknown(blind) => blind.cause == Cause::Unreachable,
            Reading::Known(_) | Reading::Missing => false,
        };
        Ok(unreachable
            && self.order.is_tick()
            && self.health() == Health::Unhealthy
            && self.reason_replica_not_fit().is_none()
            && !self.in_multi_az_failover()?)
    }

    /// Whether no replica can have become the newer copy: none is configured, or it replicates from the primary.
    pub fn primary_is_followed(&self) -> bool {
        self.seen.replica.as_ref().is_none_or(|replica| {
            replica
                .known()
                .and_then(|replica| replica.source.as_ref())
                .is_some_and(|source| health::follows(source, &self.policy.primary))
        })
    }

    /// Whether, traffic once moved, a promotion may be decided in the same invocation.
    pub fn promotion_may_follow(&self) -> bool {
        self.order.promotes()
            || (self.order.is_tick() && self.policy.promote && self.policy.replica.is_some())
    }

    pub(super) fn reason_replica_not_fit(&self) -> Option<String> {
        let (replica, _) = self.replica()?;
        health::reason_replica_not_fit(replica, &self.policy.primary, self.policy)
    }

    pub(super) fn reason_replica_not_ready(&self) -> Option<String> {
        self.reason_replica_not_fit().or_else(|| {
            let status = &self.replica()?.0.known()?.status;
            (*status != Status::Available).then(|| format!("the replica is {status}, not available"))
        })
    }

    pub(super) fn trigger(&self) -> Option<&Trigger> {
        self.diagnosis.trigger()
    }

    /// Whether an invocation that may still be at work has announced the flags' way back from here. Its update
    /// would be accepted behind a promotion, too: only a version guards it.
    pub(super) fn failback_announced(&self) -> Result<bool, Gap> {
        let returned = self.memory()?.returned.as_ref();
        Ok(returned.is_some_and(|returned| {
            Some(returned.version - 1) == self.version() && self.now < after(returned.at, LONGEST_INVOCATION)
        }))
    }

    /// Whether the rules about the replica and its lag decide next.
    pub(super) fn promotion_at_hand(&self) -> bool {
        self.order.promotes() || (self.order.is_tick() && self.health() == Health::Unhealthy)
    }

    /// The data at stake, or why it is unknown.
    pub(super) fn lag(&self) -> Result<Result<Lag, String>, Gap> {
        let memory = self.memory()?;
        let routed = memory.routed.as_ref().filter(|routed| Some(routed.version) == self.version());
        // Without an outage the newest sample counts.
        let detected = match self.health() {
            Health::Unhealthy => routed.map_or(self.streak.since, |routed| routed.at.min(self.streak.since)),
            Health::Healthy | Health::Hold | Health::Unknown => Timestamp::MAX,
        };
        match &self.seen.lag {
            Evidence::NotRead => Err(Gap::Unread(Need::Lag)),
            Evidence::Unreadable(Blind { cause, detail }) => {
                Ok(Err(format!("ReplicaLag is {}: {detail}", cause.as_str())))
            }
            Evidence::Read(samples) => Ok(health::lag(samples, detected, self.now)),
        }
    }

    /// Whether this is an order for a change that is not made already.
    pub fn is_refused_order(&self) -> bool {
        match self.order {
            Order::Tick => false,
            Order::Failover { promote, .. } => promote || !self.state(CheckState::ForcedUnhealthy),
            Order::Failback { .. } => !self.state(CheckState::Normal),
        }
    }

    /// Why an operator's order was refused though `force` would carry it out, in words.
    pub fn force_would_help(&self) -> Option<&'static str> {
        if self.order.is_tick() || self.force() {
            return None;
        }
        let forced = Case::new(self.seen, self.streak.clone(), self.order.forced(), self.policy, self.now);
        match (decide(self), decide(&forced)) {
            (Next::Apply(refused), Next::Apply(forced))
                if refused.code != forced.code && !forced.does.refuses() =>
            {
                Some("with `force` it would be carried out")
            }
            (Next::Apply(_), Next::Read(_)) => Some("`force` overrides this rule"),
            (Next::Apply(_) | Next::Read(_), Next::Apply(_) | Next::Read(_)) => None,
        }
    }

    /// The lag that counts, where it was read and is known.
    pub fn known_lag(&self) -> Option<Lag> {
        self.lag().ok()?.ok()
    }

    /// The lag in words, where it was read.
    pub fn lag_words(&self) -> Option<String> {
        Some(match self.lag().ok()? {
            Ok(Lag { seconds, age }) => format!(
                "replica lag is {seconds} s by a sample {} s old, with {} s allowed: that is the data at stake",
                age.as_secs().max(0),
                self.policy.max_lag.as_secs_f64()
            ),
            Err(why) => why,
        })
    }

    /// When the cooldown ends, where one is in force and the tags were read.
    pub fn cooldown_end(&self) -> Option<Timestamp> {
        self.cooldown_ends().ok().flatten().filter(|_| self.state(CheckState::Normal))
    }

    pub(super) fn record_on_primary(&self) -> Result<bool, Gap> {
        let record = match &self.seen.record {
            Evidence::NotRead => return Err(Gap::Unread(Need::Record)),
            Evidence::Unreadable(_) => return Err(Gap::Unreadable("record-unreadable")),
            Evidence::Read(record) => record,
        };
        let endpoint = self.seen.primary.known().and_then(|primary| primary.endpoint.as_ref());
        Ok(record.as_ref().zip(endpoint).is_some_and(|(record, endpoint)| {
            record.targets.iter().any(|target| target.eq_ignore_ascii_case(endpoint))
        }))
    }
}
