//! What a fresh function would change where nothing but the plain statuses decides. That must come, and in time.

use std::time::Duration;

use emulator::{Actor, Change as Happened};
use jiff::Timestamp;
use rds_route53_failover::memory::By;
use rds_route53_failover::model::{Change, CheckState, Symptom, after};
use rds_route53_failover::observe::memory_of;
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
        if self.is_intricate() || !self.replicates() {
            return None;
        }
        let world = self.rig.emulator.world();
        let check = world.health_check(CHECK)?;
        let (state, now) = (CheckState::of(check.disabled, check.inverted), world.now());
        let at = i64::try_from(check.version).ok()?;
        let memory = memory_of(&check.tags).ok()?;
        let primary = world.instance(&self.place.primary().arn())?;
        let paused = memory.pause.as_ref().is_some_and(|pause| pause.in_force(now));
        let sent = memory.promoted.as_ref().is_some_and(|sent| sent.version == at || sent.is_recent(now));
        if paused || sent {
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
        let world = self.rig.emulator.world();
        let came = world.history().iter().find(|event| {
            event.by == Actor::Api
                && event.time >= begun
                && match (&event.change, due) {
                    (Happened::CheckUpdated { inverted, .. }, Change::RouteToSecondary) => *inverted,
                    (Happened::CheckUpdated { inverted, .. }, Change::RouteToPrimary) => !inverted,
                    (Happened::PromotionAccepted { .. }, Change::PromoteReplica) => true,
                    _ => false,
                }
        });
        let came = came.map(|event| event.time);
        drop(world);
        match (due, came) {
            // What broke the replication under the tick is in no history, but shows at its end.
            (_, None) if !self.replicates() => {}
            (_, None) => self.report_late(due, &format!("by {latest}, and did not come")),
            (_, Some(at)) if at > latest => self.report_late(due, &format!("by {latest}, and came at {at}")),
            (Change::RouteToSecondary, Some(_)) => self.counts.moved_in_time += 1,
            (Change::RouteToPrimary, Some(_)) => self.counts.returned_in_time += 1,
            (_, Some(_)) => self.counts.promoted_in_time += 1,
        }
    }

    fn report_late(&self, due: Change, when: &str) {
        let sentence = format!("{due:?} was due in a tick that nothing disturbed, {when}");
        self.rig.watch().report(Promise::Comes, sentence);
    }

    /// Whether the replica is available and replicates from the primary.
    fn replicates(&self) -> bool {
        let world = self.rig.emulator.world();
        // In its region: a person may have swapped the names across them.
        let replica = self.place.replica();
        world.instance(&replica.arn()).is_some_and(|found| {
            found.source == replica.source
                && found.status == "available"
                && found.promoting_since.is_none()
                && found.status_infos.iter().all(|info| info.normal)
        })
    }

    /// Whether more decides than the plain statuses.
    pub(super) fn is_intricate(&self) -> bool {
        self.place.probes || self.second_sight || self.observes
    }
}

/// How long it takes to observe what a change rests on as often as it must be.
fn confirmed_in(change: Change, policy: &Policy) -> Duration {
    let observations =
        if change == Change::RouteToPrimary { policy.failback_confirmations } else { policy.confirmations };
    policy.interval * observations.saturating_sub(1)
}
