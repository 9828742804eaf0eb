//! The way out without Route 53's control plane: may a metric ask for the secondary in place of the switch?

use super::{Case, Gap};
use crate::memory::Move;
use crate::model::{Cause, Evidence, Need, Reading, Symptom, after};
use crate::policy::OnUnreachable;

impl Case<'_> {
    /// Whether a failover may be signalled through the metric, as the check can't be reached.
    ///
    /// The tags are mostly out of reach with the check. Where they are not, a pause and a cooldown hold here, too.
    pub(super) fn metric_may_move(&self) -> Result<bool, Gap> {
        let unreachable = match &self.seen.check {
            Reading::Unknown(failure) => failure.cause == Cause::Unreachable,
            Reading::Known(_) | Reading::Missing => false,
        };
        Ok(unreachable
            && self.order.is_tick()
            && !self.tags_hold_traffic()
            && self.nothing_but_the_switch_is_in_the_way()?)
    }

    /// Whether the metric asks for traffic to move: the check was tried once more, and may be back since the first look.
    pub(super) fn metric_must_move(&self) -> Result<bool, Gap> {
        match self.metric_may_move()? {
            true if !self.seen.switch_is_fresh => Err(Gap::Unread(Need::Switch)),
            true if self.seen.memory == Evidence::NotRead => Err(Gap::Unread(Need::Memory)),
            may => Ok(may),
        }
    }

    /// Whether the tags could be read, and say that no tick may move traffic, or make no sense.
    fn tags_hold_traffic(&self) -> bool {
        let memory = match &self.seen.memory {
            Evidence::Read(memory) => memory,
            Evidence::NotRead => return false,
            Evidence::Unreadable(why) => return why.cause != Cause::Unreachable,
        };
        let cools = |returned: &Move| self.now < after(returned.at, self.pair.policy.cooldown);
        memory.pause.as_ref().is_some_and(|pause| pause.in_force(self.now))
            || memory.returned.as_ref().is_some_and(|returned| returned.claims(self.now) && cools(returned))
    }

    /// Whether the evidence would carry a failover that needs no word of Route 53, not even of this function's
    /// memory. Probes alone don't: a function that has lost its own network finds them all silent.
    pub(super) fn nothing_but_the_switch_is_in_the_way(&self) -> Result<bool, Gap> {
        let proven = match self.diagnosis.symptom() {
            Some(Symptom::Status(_) | Symptom::Missing) => true,
            Some(Symptom::Unreachable) => {
                self.pair.policy.on_unreachable == OnUnreachable::FailOver && self.something_else_answered()
            }
            Some(Symptom::Unresponsive) | None => false,
        };
        Ok(proven
            && self.reason_replica_not_fit().is_none()
            && !self.secondary_is_silent()
            && !self.in_multi_az_failover()?)
    }

    /// Whether another service answered in the same look: then this function's network works.
    fn something_else_answered(&self) -> bool {
        let elsewhere = self
            .replica()
            .is_some_and(|(reading, id, primary)| reading.known().is_some() && id.region != primary.region);
        elsewhere || self.seen.secondary.is_some_and(|probes| probes.answered > 0)
    }
}
