//! What the rules ask: each question has its one place, and says so where evidence is missing to answer it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Code, Gap, MULTI_AZ_FAILOVER, Order, Streak};
use crate::diagnosis::Diagnosis;
use crate::lag::{self, AtStake, Lag, NoLag};
use crate::memory::{By, Memory, Move};
use crate::model::{
    CheckState, Evidence, HealthCheck, Instance, InstanceRef, Need, Observation, Reading, Replication,
    Symptom, after,
};
use crate::policy::Pair;
use crate::replica::{self, Role, Unfit};
use crate::status::{Health, Status};

/// An announced change is sent within this time, or looked at anew.
const SENT_WITHIN: Duration = Duration::from_secs(30);

/// One question to the rules: all that a decision may depend on.
pub struct Case<'a> {
    /// What was observed last.
    pub seen: &'a Observation,
    /// How often it was observed so.
    pub streak: Streak,
    /// Who asks.
    pub order: Order,
    /// The pair that it is about, with its policy.
    pub pair: &'a Pair,
    /// When the decision is made.
    pub now: Timestamp,
    /// What the observation says of the primary.
    pub diagnosis: Diagnosis,
}

impl<'a> Case<'a> {
    /// Puts the question.
    pub fn new(seen: &'a Observation, streak: Streak, order: Order, pair: &'a Pair, now: Timestamp) -> Self {
        Self { seen, streak, order, pair, now, diagnosis: Diagnosis::of(seen, pair) }
    }

    /// The same question of another order.
    pub(super) fn asked(&self, order: Order) -> Self {
        Self::new(self.seen, self.streak.clone(), order, self.pair, self.now)
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

    /// Whether the health check is known and in this state.
    pub fn state(&self, state: CheckState) -> bool {
        self.check().is_some_and(|check| check.state == state)
    }

    fn version(&self) -> Option<i64> {
        self.check().map(|check| check.version)
    }

    pub(super) fn memory(&self) -> Result<&'a Memory, Gap> {
        match &self.seen.memory {
            Evidence::Read(memory) => Ok(memory),
            Evidence::NotRead => Err(Gap::Unread(Need::Memory)),
            Evidence::Unreadable(_) => Err(Gap::Unreadable(Code::MemoryUnreadable)),
        }
    }

    pub(super) fn paused(&self) -> Result<bool, Gap> {
        Ok(self.memory()?.pause.as_ref().is_some_and(|pause| pause.in_force(self.now)))
    }

    /// The move that forced the check unhealthy, where one claims it.
    fn routed(&self) -> Result<Option<&'a Move>, Gap> {
        let memory = self.memory()?;
        Ok(self.version().and_then(|version| memory.routed_at(version, self.now)))
    }

    /// Who forced the check unhealthy, where it is.
    pub(super) fn routed_by(&self) -> Result<Option<By>, Gap> {
        Ok(self.routed()?.map(|routed| routed.by))
    }

    /// The move of the present incident, where the tags were read.
    pub fn incident(&self) -> Option<&'a Move> {
        if self.state(CheckState::ForcedUnhealthy) { self.routed().ok().flatten() } else { None }
    }

    /// Who moved traffic in the present incident, where the tags were read.
    pub fn forced_by(&self) -> Option<By> {
        self.incident().map(|routed| routed.by)
    }

    /// The role of the replica, where one is configured.
    pub(super) fn role(&self) -> Result<Option<Role>, Gap> {
        let memory = self.memory()?;
        Ok(self.replica().map(|(replica, id, primary)| {
            replica::role(replica, id, primary, Some(memory), self.version(), self.now)
        }))
    }

    /// The role of the replica as far as the tags were read, for the report.
    pub fn role_as_known(&self) -> Option<Role> {
        let memory = self.seen.memory.read();
        self.replica().map(|(replica, id, primary)| {
            replica::role(replica, id, primary, memory, self.version(), self.now)
        })
    }

    pub(super) fn replica(&self) -> Option<(&'a Reading<Instance>, &'a InstanceRef, &'a InstanceRef)> {
        Some((self.seen.replica.as_ref()?, self.pair.replica.as_ref()?, self.pair.rds_primary()?))
    }

    /// Whether the present incident ended in a promotion, according to the tags or RDS.
    pub(super) fn latched(&self) -> Result<bool, Gap> {
        let memory = self.memory()?;
        let Some(version) = self.version() else { return Ok(false) };
        let sent = match self.replica() {
            Some((replica, id, _)) => replica::promotion_sent(memory, version, replica, id, self.now),
            // Without its name nothing can show that a promotion came to nothing.
            None => memory
                .promoted
                .as_ref()
                .is_some_and(|sent| sent.version == version || sent.is_recent(self.now)),
        };
        Ok(sent || self.replica_stands_alone())
    }

    /// Whether the replica replicates from nobody, whatever its status.
    pub(super) fn replica_stands_alone(&self) -> bool {
        self.seen.replica().is_some_and(|instance| instance.source.is_none())
    }

    /// Whether the promotion of this incident is complete while RDS calls the old primary `available`.
    pub(super) fn old_primary_is_available(&self) -> Result<bool, Gap> {
        let (Some((_, id, _)), Some(version)) = (self.replica(), self.version()) else { return Ok(false) };
        let available = |instance: Option<&Instance>| {
            instance.is_some_and(|instance| instance.status == Status::Available)
        };
        if !(available(self.seen.primary()) && available(self.seen.replica()) && self.replica_stands_alone())
        {
            return Ok(false);
        }
        let promoted =
            self.memory()?.promotion_in(version).is_some_and(|sent| sent.instance == id.identifier);
        // One that was made anew since is not the old primary, whatever its name.
        Ok(promoted && self.routed()?.is_some() && !self.primary_was_recreated()?)
    }

    /// Whether the old primary is stopped: whatever has its name may not be it.
    pub(super) fn fences(&self) -> bool {
        // A replica is never older than its source: somebody swapped the names of the two.
        let renamed = self
            .seen
            .primary()
            .zip(self.seen.replica())
            .is_some_and(|(primary, replica)| replica.is_older_than(primary));
        self.pair.fences() && !renamed
    }

    /// Whether a stop of the old primary was sent so recently that RDS may not show it yet.
    pub(super) fn fence_is_under_way(&self) -> Result<bool, Gap> {
        let Some((primary, version)) = self.pair.rds_primary().zip(self.version()) else { return Ok(false) };
        Ok(self.memory()?.fenced.as_ref().is_some_and(|sent| {
            sent.version == version && sent.instance == primary.identifier && sent.is_recent(self.now)
        }))
    }

    /// The open connections of the old primary; `None` where CloudWatch does not say.
    pub(super) fn connections(&self) -> Result<Option<f64>, Gap> {
        match &self.seen.connections {
            Evidence::NotRead => Err(Gap::Unread(Need::Connections)),
            Evidence::Read(connections) => Ok(*connections),
            Evidence::Unreadable(_) => Ok(None),
        }
    }

    /// When the cooldown ends, where it is not over.
    pub(super) fn cooldown_ends(&self) -> Result<Option<Timestamp>, Gap> {
        // A return that was announced and never made cools nothing down.
        let made = |returned: &&Move| {
            self.version().is_some_and(|version| returned.version <= version) && returned.claims(self.now)
        };
        let Some(returned) = self.memory()?.returned.as_ref().filter(made) else { return Ok(None) };
        let ends = after(returned.at, self.pair.policy.cooldown);
        Ok((self.now < ends).then_some(ends))
    }

    /// When the cooldown ends, where one is in force and the tags were read.
    pub fn cooldown_end(&self) -> Option<Timestamp> {
        self.cooldown_ends().ok().flatten().filter(|_| self.state(CheckState::Normal))
    }

    /// Whether RDS's status says nothing of a Multi-AZ failover, but its events do.
    pub(super) fn in_multi_az_failover(&self) -> Result<bool, Gap> {
        let multi_az = self.seen.primary().is_some_and(|primary| primary.multi_az);
        if self.diagnosis.symptom() != Some(&Symptom::Unresponsive) || !multi_az {
            return Ok(false);
        }
        match &self.seen.multi_az_failover {
            Evidence::NotRead => Err(Gap::Unread(Need::MultiAzFailover)),
            Evidence::Unreadable(_) => Err(Gap::Unreadable(Code::EventsUnreadable)),
            Evidence::Read(last) => Ok(last.is_some_and(|last| self.now < after(last, MULTI_AZ_FAILOVER))),
        }
    }

    /// Whether the secondary is probed and nothing there answers.
    pub(super) fn secondary_is_silent(&self) -> bool {
        !self.pair.secondary_endpoints.is_empty()
            && self.seen.secondary.is_none_or(|probes| probes.answered == 0)
    }

    /// Whether no replica can have become the newer copy: none is configured, or it replicates from the primary.
    pub fn primary_is_followed(&self) -> bool {
        self.replica().is_none_or(|(replica, _, primary)| {
            replica
                .known()
                .and_then(|replica| replica.source.as_ref())
                .is_some_and(|source| replica::follows(source, primary))
        })
    }

    pub(super) fn promotion_is_on(&self) -> bool {
        self.pair.policy.promote && self.pair.replica.is_some()
    }

    /// Whether, traffic once moved, a promotion may be decided in the same invocation.
    pub fn promotion_may_follow(&self) -> bool {
        self.order.promotes() || (self.order.is_tick() && self.promotion_is_on())
    }

    /// Why the replica can't serve in the primary's place, if so.
    pub fn reason_replica_not_fit(&self) -> Option<Unfit> {
        let (replica, _, primary) = self.replica()?;
        replica::reason_not_fit(replica, primary, &self.pair.policy)
    }

    /// Whether traffic may be sent to the secondary, as far as anything is known of it.
    pub(super) fn secondary_can_take_over(&self) -> bool {
        self.reason_replica_not_fit().is_none() && !self.secondary_is_silent()
    }

    /// Whether traffic may be sent back: nothing shows that the primary is stale or that the record leads elsewhere.
    pub(super) fn primary_can_take_over(&self) -> Result<bool, Gap> {
        Ok(!self.replica_may_be_ahead()?
            && !self.primary_was_recreated()?
            && (!self.compares_record() || self.record_on_primary()?))
    }

    pub(super) fn reason_replica_not_ready(&self) -> Option<Unfit> {
        let (replica, _, primary) = self.replica()?;
        replica::reason_not_ready(replica, primary, &self.pair.policy)
    }

    pub(super) fn symptom_in_promote_on(&self) -> bool {
        self.diagnosis.symptom().is_some_and(|symptom| self.pair.policy.promote_on.contains(symptom))
    }

    /// Whether this is an order to promote while RDS calls the primary `available`, without the double consent
    /// that it takes: no lag bounds what open connections still write.
    pub(super) fn promotes_behind_a_living_primary(&self) -> bool {
        self.primary_lives() && !(self.order.force() && self.order.allows_data_loss())
    }

    fn primary_lives(&self) -> bool {
        self.seen.primary().is_some_and(|primary| primary.status == Status::Available)
    }

    /// Whether the replica may hold what the primary does not: it does not replicate from it, or may stop doing so.
    pub(super) fn replica_may_be_ahead(&self) -> Result<bool, Gap> {
        let follows = self.role()?.is_none_or(|role| role == Role::Replica);
        let Some((replica, ..)) = self.replica() else { return Ok(!follows) };
        // A promotion that somebody requested at the console shows as such a status, with the source still there.
        let perhaps_promoting = replica.known().is_some_and(|replica| {
            matches!(replica.status, Status::Modifying | Status::Rebooting | Status::Unrecognised(_))
        });
        Ok(!follows || perhaps_promoting || replica::replication_is_broken(replica))
    }

    /// Whether the primary was created after traffic was moved away from the one of its name.
    pub(super) fn primary_was_recreated(&self) -> Result<bool, Gap> {
        let Some(primary) = self.seen.primary() else { return Ok(false) };
        Ok(self.routed()?.is_some_and(|routed| primary.was_created_after(routed.at)))
    }

    /// Whether an invocation that may be about to send its update has announced the flags' way back from here. The
    /// update would be accepted after a promotion, too: only a version guards it.
    pub(super) fn failback_announced(&self) -> Result<bool, Gap> {
        let returned = self.memory()?.returned.as_ref();
        Ok(returned.is_some_and(|returned| {
            returned.version.checked_sub(1) == self.version()
                && returned.until.is_some()
                && self.now < after(returned.at, SENT_WITHIN)
        }))
    }

    /// When the outage was first seen, as far as this invocation and the tags know; `None` while the primary is not
    /// unhealthy.
    fn outage(&self) -> Result<Option<Timestamp>, Gap> {
        let routed = self.routed()?;
        let since = self.streak.since;
        Ok((self.health() == Health::Unhealthy).then(|| routed.map_or(since, |routed| routed.at.min(since))))
    }

    /// The replica's lag, or why it is unknown.
    pub(super) fn lag(&self) -> Result<Result<Lag, NoLag>, Gap> {
        // Without an outage the newest sample counts.
        let detected = self.outage()?.unwrap_or(Timestamp::MAX);
        let replication = self.replica().and_then(|(replica, ..)| Some(&replica.known()?.replication));
        if let Some(broken @ Replication::Broken(_)) = replication {
            return Ok(Err(NoLag::Broken(broken.clone())));
        }
        match &self.seen.lag {
            Evidence::NotRead => Err(Gap::Unread(Need::Lag)),
            Evidence::Unreadable(why) => Ok(Err(NoLag::Unreadable(why.clone()))),
            Evidence::Read(samples) => Ok(lag::lag(samples, detected, self.now)),
        }
    }

    pub(super) fn lag_is_too_high(&self) -> Result<bool, Gap> {
        Ok(self.lag()?.is_ok_and(|lag| lag.seconds > self.pair.policy.max_lag.as_secs_f64()))
    }

    /// The lag that counts, where it was read and is known.
    pub fn known_lag(&self) -> Option<Lag> {
        self.lag().ok()?.ok()
    }

    /// The data that a promotion loses, where the lag was read and is known.
    pub fn at_stake(&self) -> Option<AtStake> {
        // Where RDS calls the primary available, clients may be writing to it whatever the probes say.
        let outage = if self.primary_lives() { None } else { self.outage().ok()? };
        Some(AtStake::new(self.known_lag()?, outage, self.now))
    }

    /// Why the lag is unknown, where it was read.
    pub fn reason_lag_unknown(&self) -> Option<NoLag> {
        self.lag().ok()?.err()
    }

    /// Whether the record's target can say anything: it is known where the records are, and RDS knows the primary.
    pub(super) fn compares_record(&self) -> bool {
        self.pair.hosted_zone_id.is_some() && self.pair.rds_primary().is_some()
    }

    pub(super) fn record_on_primary(&self) -> Result<bool, Gap> {
        let record = match &self.seen.record {
            Evidence::NotRead => return Err(Gap::Unread(Need::Record)),
            Evidence::Unreadable(_) => return Err(Gap::Unreadable(Code::RecordUnreadable)),
            Evidence::Read(record) => record,
        };
        let endpoint = self.seen.primary().and_then(|primary| primary.endpoint.as_ref());
        Ok(record.as_ref().zip(endpoint).is_some_and(|(record, endpoint)| {
            record.targets.iter().any(|target| target.eq_ignore_ascii_case(endpoint))
        }))
    }

    /// Whether a tick that changed nothing may go on watching: traffic is on the primary, and it is known how that is.
    pub fn may_watch(&self) -> bool {
        self.order.is_tick() && self.state(CheckState::Normal) && self.health() != Health::Unknown
    }
}
