//! Holds the fence against the promises: stopping the old primary.

use emulator::{Call, Instance, World};
use rds_route53_failover::memory::SENT_VOID_AFTER;
use rds_route53_failover::model::CheckState;
use rds_route53_failover::observe::memory_of;

use super::sight::{Sight, in_region};
use super::{Promise, Watch};
use crate::rig::REGION;

impl Watch {
    /// An invocation may have stopped an instance.
    pub(super) fn fence(&mut self, number: u64, call: &Call, world: &World) {
        if call.operation != "StopDBInstance" {
            return;
        }
        let Some(invocation) = self.invocations.get(&number) else { return };
        let mut broken = Vec::new();
        let target = call.target.as_deref().unwrap_or_default();
        let mut no = |sentence: &str| broken.push((Promise::OneFence, format!("{target}: {sentence}")));
        if !self.setting.fence {
            no("a stop was sent without FENCE_PRIMARY");
        }
        if !target.eq_ignore_ascii_case(&self.setting.primary) {
            no("a stop was sent for another instance than the primary");
        }
        let stopped = self.primary(world).map(|instance| instance.key);
        // A person gave the name to another instance after the last look: the request can only name it.
        let renamed = invocation.named_primary == self.old_primary;
        let another = !call.changes.is_empty() && self.old_primary.is_some() && stopped != self.old_primary;
        if another && !renamed {
            no("another instance was stopped than the primary of before the failover");
        }
        let replica = self.setting.replica.as_deref().and_then(|id| world.instance(id));
        let mut by_accident = replica.is_none_or(|replica| replica.source.is_some());
        if by_accident && invocation.replica_alone != Sight::Seen(true) {
            no("a stop was sent before the replica was on its own");
        }
        if call.changes.is_empty() {
            self.broke(broken);
            return;
        }
        let moved = self.switch_moved_under(invocation);
        if !moved && self.flags.state != CheckState::ForcedUnhealthy {
            no("a stop was accepted while traffic was on the primary");
        }
        if !moved && self.promoted.is_none() {
            if self.promoted_elsewhere && self.announces_a_promotion() {
                by_accident = true;
            } else {
                no("a stop was accepted without a promotion of this incident");
            }
        }
        let early = self.fenced.is_some_and(|before| self.now.duration_since(before) < SENT_VOID_AFTER);
        if early {
            no("a second stop was accepted within five minutes");
        }
        broken.extend(self.blind(invocation, CheckState::ForcedUnhealthy).into_iter().filter(
            // The primary is well, and stopped for just that.
            |(promise, _)| *promise == Promise::HandsOff,
        ));
        self.residue.switch_moved_under_promotion += u64::from(moved);
        self.residue.fenced_by_accident += u64::from(by_accident || another);
        self.fenced = Some(self.now);
        self.changes += 1;
        self.broke(broken);
    }

    /// The instance that has the primary's name, in its region.
    pub(super) fn primary<'w>(&self, world: &'w World) -> Option<&'w Instance> {
        in_region(REGION, &self.setting.primary, world)
    }

    /// Whether the function says of the present flags that it sent a promotion.
    fn announces_a_promotion(&self) -> bool {
        let version = i64::try_from(self.flags.version).unwrap_or(i64::MAX);
        memory_of(&self.tags).is_ok_and(|memory| memory.promotion_in(version).is_some())
    }
}
