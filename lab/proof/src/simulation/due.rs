//! What a fresh function would change where nothing but the plain statuses decides. That must come, and in time.

use std::time::Duration;

use emulator::{Actor, Change as Happened};
use jiff::Timestamp;
use rds_route53_failover::memory::{By, Memory};
use rds_route53_failover::model::{Change, CheckState, Symptom, after};
use rds_route53_failover::policy::Policy;
use rds_route53_failover::status::Status;

use super::Simulation;
use crate::invariants::{Promise, SetBy};
use crate::rig::CHECK;

/// What the calls of a change take at most, where nothing delays them.
const CALLS: Duration = Duration::from_secs(5);

impl Simulation<'_> {
    /// The change that is due; `None` where none is, or where more decides than the statuses.
    pub(super) fn due(&self) -> Option<Change> {
        if self.place.probes || self.second_sight || self.observes {
            return None;
        }
        let world = self.rig.emulator.world();
        let check = world.health_check(CHECK)?;
        let (state, now) = (CheckState::of(check.disabled, check.inverted), world.now());
        let at = i64::try_from(check.version).ok()?;
        let pairs = check.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let memory = Memory::parse(pairs).ok()?;
        // In their regions: a person may have swapped the names across them.
        let (primary, replica) = (self.place.primary(), self.place.replica());
        let source = replica.source.clone();
        let (primary, replica) = (world.instance(&primary.arn())?, world.instance(&replica.arn())?);
        let replicates = replica.source == source
            && replica.status == "available"
            && replica.promoting_since.is_none()
            && replica.status_infos.iter().all(|info| info.normal);
        let paused = memory.pause.as_ref().is_some_and(|pause| pause.in_force(now));
        let sent = memory.promoted.as_ref().is_some_and(|sent| sent.version == at || sent.is_recent(now));
        if !replicates || paused || sent {
            return None;
        }
        let policy = &self.rig.config().pair.policy;
        let ours = self.rig.watch().set_by() == SetBy::Auto && memory.routed_by(at, now) == Some(By::Auto);
        let returned = memory.returned.as_ref();
        let cools = returned.is_some_and(|returned| now < after(returned.at, policy.cooldown));
        // Statuses that no override of the simulation touches.
        match (state, primary.status.as_str()) {
            (CheckState::Normal, "failed" | "stopped") if !cools => Some(Change::RouteToSecondary),
            (CheckState::ForcedUnhealthy, "available")
                if ours && self.fails_back && primary.created == self.place.primary().created =>
            {
                Some(Change::RouteToPrimary)
            }
            (CheckState::ForcedUnhealthy, status @ ("failed" | "stopped"))
                if ours
                    && policy.promote
                    && policy.promote_on.contains(&Symptom::Status(Status::parse(status)))
                    && returned.is_none_or(|returned| returned.version <= at)
                    && self.rig.watch().lag_stayed_within_bounds() =>
            {
                Some(Change::PromoteReplica)
            }
            _ => None,
        }
    }

    /// Holds a tick that nothing disturbed, and that began at this moment, to when the change had to come.
    pub(super) fn must_have_come(&mut self, due: Change, begun: Timestamp) {
        let latest = after(begun, confirmed_in(due, &self.rig.config().pair.policy) + CALLS);
        let came = self.rig.emulator.world().history().iter().any(|event| {
            event.by == Actor::Api
                && (begun..=latest).contains(&event.time)
                && match (&event.change, due) {
                    (Happened::CheckUpdated { inverted, .. }, Change::RouteToSecondary) => *inverted,
                    (Happened::CheckUpdated { inverted, .. }, Change::RouteToPrimary) => !inverted,
                    (Happened::PromotionAccepted { .. }, Change::PromoteReplica) => true,
                    _ => false,
                }
        });
        match due {
            // What broke the replication under the tick is in no history, but shows at its end.
            _ if !came && self.due() != Some(due) => {}
            _ if !came => {
                let sentence = format!("{due:?} was due in a tick that nothing disturbed, by {latest}");
                self.rig.watch().report(Promise::Comes, sentence);
            }
            Change::RouteToSecondary => self.counts.moved_in_time += 1,
            Change::RouteToPrimary => self.counts.returned_in_time += 1,
            _ => self.counts.promoted_in_time += 1,
        }
    }
}

/// How long it takes to observe what a change rests on as often as it must be.
fn confirmed_in(change: Change, policy: &Policy) -> Duration {
    let observations = match change {
        Change::RouteToPrimary => policy.failback_confirmations,
        _ => policy.confirmations,
    };
    policy.interval * observations.saturating_sub(1)
}
