//! The rules: one ordered list, the first that applies decides.
//!
//! `number` is the rule's number in the contract that users read as the README's table; several codes may share
//! one, so that each reason has a name of its own.

use std::time::Duration;

use super::{Case, Does, Gap};
use crate::config::Failback;
use crate::health::{Role, Trigger};
use crate::memory::By;
use crate::model::CheckState::{ForcedUnhealthy, Foreign, Normal};
use crate::status::Health::{Healthy, Hold, Unhealthy, Unknown};

/// A rule of the list.
pub struct Rule {
    /// The group it belongs to.
    pub number: &'static str,
    /// Its stable code, as in the response, the log, the metric and the tags.
    pub code: &'static str,
    /// What is done where it applies.
    pub does: Does,
    /// What it says to a person.
    pub says: &'static str,
    /// Whether it applies; a gap where evidence is missing to tell.
    pub(super) applies: fn(&Case<'_>) -> Result<bool, Gap>,
}

/// The rules in order. The last one applies always, so that deciding is total.
pub static RULES: &[Rule] = &[
    // Before anything else: what must be known of the switch and of the primary.
    Rule {
        number: "0",
        code: "health-check-not-updatable",
        does: Does::Fail,
        says: "Route 53 does not let this health check be updated, so it can't move traffic: configure another one",
        applies: |c| Ok(c.check().is_some_and(|check| check.not_updatable.is_some())),
    },
    Rule {
        number: "0",
        code: "control-plane-down-unconfirmed",
        does: Does::ObserveAgain,
        says: "Route 53's control plane can't be reached and the primary looks unhealthy: observe again",
        applies: |c| Ok(c.metric_alone_may_move()? && !c.confirmed(c.policy.confirmations)),
    },
    Rule {
        number: "0",
        code: "control-plane-down",
        does: Does::Fail,
        says: "The primary is unhealthy and Route 53's control plane can't be reached: only the RouteToSecondary metric asks for the secondary",
        applies: |c| c.metric_alone_may_move(),
    },
    Rule {
        number: "0",
        code: "health-check-unreadable",
        does: Does::Fail,
        says: "The health check could not be read: nothing is changed",
        applies: |c| Ok(c.check().is_none()),
    },
    Rule {
        number: "0",
        code: "primary-unknown",
        does: Does::Fail,
        says: "The primary could not be observed: unknown is not unhealthy, nothing is changed",
        applies: |c| Ok(c.health() == Unknown && !c.force()),
    },
    Rule {
        number: "1",
        code: "foreign-check",
        does: Does::StayAndTell,
        says: "One of Disabled and Inverted is set alone, by somebody else: it is left as it is",
        applies: |c| Ok(c.state(Foreign)),
    },
    // The check is normal: Route 53 goes by what it finds.
    Rule {
        number: "3",
        code: "already-on-primary",
        does: Does::Stay,
        says: "Traffic was not moved by this health check: there is nothing to take back",
        applies: |c| Ok(c.state(Normal) && c.order.is_failback()),
    },
    Rule {
        number: "5",
        code: "stale-primary",
        does: Does::StayAndTell,
        says: "The replica was promoted by this function and is on its own, but traffic is not kept from the old primary: a stale primary may be in service",
        applies: |c| Ok(c.state(Normal) && !c.force() && c.promoted_replica_is_on_its_own()?),
    },
    Rule {
        number: "3",
        code: "primary-healthy",
        does: Does::Stay,
        says: "The primary is healthy",
        applies: |c| Ok(c.state(Normal) && c.health() == Healthy && !c.force()),
    },
    Rule {
        number: "3",
        code: "primary-on-hold",
        does: Does::Stay,
        says: "The primary is neither healthy nor clearly down: wait",
        applies: |c| Ok(c.state(Normal) && c.health() == Hold && !c.force()),
    },
    // From here a change is at hand, or was made: what the tags say counts.
    Rule {
        number: "2",
        code: "paused",
        does: Does::Stay,
        says: "Automatic change is paused",
        applies: |c| Ok(c.order.is_tick() && c.memory()?.pause.as_ref().is_some_and(|p| p.in_force(c.now))),
    },
    Rule {
        number: "4",
        code: "unconfirmed",
        does: Does::ObserveAgain,
        says: "The primary looks unhealthy and that is not confirmed yet",
        applies: |c| Ok(c.state(Normal) && !c.force() && !c.confirmed(c.policy.confirmations)),
    },
    Rule {
        number: "4",
        code: "multi-az-failover",
        does: Does::Stay,
        says: "The primary is in a Multi-AZ failover of its own, under the same name: it is ridden out",
        applies: |c| Ok(c.state(Normal) && !c.force() && c.in_multi_az_failover()?),
    },
    Rule {
        number: "5",
        code: "cooldown",
        does: Does::StayAndTell,
        says: "Traffic went back to the primary a short while ago: no automatic failover within the cooldown",
        applies: |c| Ok(c.state(Normal) && !c.force() && c.cooldown_ends()?.is_some()),
    },
    Rule {
        number: "6",
        code: "replica-not-fit",
        does: Does::StayAndTell,
        says: "The primary is unhealthy and the replica can't serve in its place: there is nowhere safe to send traffic",
        applies: |c| Ok(c.state(Normal) && !c.force() && c.reason_replica_not_fit().is_some()),
    },
    Rule {
        number: "6",
        code: "no-replica-to-promote",
        does: Does::StayAndTell,
        says: "A promotion was ordered and no replica is configured: nothing is changed",
        applies: |c| Ok(c.order.promotes() && c.policy.replica.is_none()),
    },
    Rule {
        number: "7",
        code: "failover-ordered",
        does: Does::FailOver,
        says: "An operator ordered a failover: traffic goes to the secondary",
        applies: |c| Ok(c.state(Normal) && c.order.is_failover() && c.memory().map(|_| true)?),
    },
    Rule {
        number: "7",
        code: "primary-unhealthy",
        does: Does::FailOver,
        says: "The primary is unhealthy, confirmed: traffic goes to the secondary",
        applies: |c| Ok(c.state(Normal) && c.memory().map(|_| true)?),
    },
    // The check is forced unhealthy: traffic is on the secondary.
    Rule {
        number: "8",
        code: "already-on-secondary",
        does: Does::Stay,
        says: "Traffic is on the secondary already",
        applies: |c| {
            Ok(c.state(ForcedUnhealthy)
                && c.order.is_failover()
                && !c.order.promotes()
                && c.memory().map(|_| true)?)
        },
    },
    Rule {
        number: "8",
        code: "forced-by-operator",
        does: Does::Stay,
        says: "An operator ordered traffic to the secondary: only an operator takes it back",
        applies: |c| Ok(c.order.is_tick() && c.routed_by()? == Some(By::Operator)),
    },
    Rule {
        number: "8",
        code: "forced-elsewhere",
        does: Does::Stay,
        says: "Somebody forced this health check unhealthy without this function: it is left as it is",
        applies: |c| Ok(c.routed_by()?.is_none() && !c.force()),
    },
    Rule {
        number: "11",
        code: "promotion-in-progress",
        does: Does::Stay,
        says: "The promotion of the replica was sent: traffic stays on it",
        applies: |c| Ok(c.role()? == Some(Role::Promoting) && !(c.order.is_failback() && c.force())),
    },
    Rule {
        number: "11",
        code: "replica-promoted",
        does: Does::Stay,
        says: "The replica was promoted: traffic stays on it whatever the old primary does, until an operator's failback",
        applies: |c| Ok(!c.order.is_failback() && c.latched()?),
    },
    // Still unhealthy: is a promotion allowed?
    Rule {
        number: "9",
        code: "promotion-off",
        does: Does::Stay,
        says: "Traffic is on the secondary and the primary is still unhealthy; automatic promotion is off",
        applies: |c| {
            Ok(c.order.is_tick()
                && c.health() == Unhealthy
                && !(c.policy.promote && c.policy.replica.is_some()))
        },
    },
    Rule {
        number: "9",
        code: "not-promotable",
        does: Does::Stay,
        says: "Traffic is on the secondary; the primary's trouble is none on which PROMOTE_ON allows a promotion",
        applies: |c| Ok(c.order.is_tick() && c.health() == Unhealthy && !c.trigger_in_promote_on()),
    },
    Rule {
        number: "9",
        code: "primary-not-unhealthy",
        does: Does::StayAndTell,
        says: "A promotion was ordered behind a primary that is not unhealthy: that takes `force`",
        applies: |c| Ok(c.order.promotes() && c.health() != Unhealthy && !c.force()),
    },
    Rule {
        number: "10",
        code: "failback-in-progress",
        does: Does::Stay,
        says: "Another invocation has announced that traffic goes back: nothing is promoted meanwhile",
        applies: |c| Ok(c.promotion_at_hand() && c.failback_announced()?),
    },
    Rule {
        number: "10",
        code: "replica-not-ready",
        does: Does::StayAndTell,
        says: "The replica can't be promoted as it is",
        applies: |c| Ok(c.promotion_at_hand() && c.reason_replica_not_ready().is_some()),
    },
    Rule {
        number: "10",
        code: "lag-unknown",
        does: Does::StayAndTell,
        says: "The replica's lag is unknown, and so is the data that a promotion would lose",
        applies: |c| Ok(c.promotion_at_hand() && c.lag()?.is_err() && !c.order.allows_data_loss()),
    },
    Rule {
        number: "10",
        code: "lag-too-high",
        does: Does::StayAndTell,
        says: "The replica is further behind than MAX_REPLICA_LAG allows",
        applies: |c| {
            Ok(c.promotion_at_hand()
                && c.lag()?.is_ok_and(|lag| lag.seconds > c.policy.max_lag.as_secs_f64())
                && !c.order.allows_data_loss())
        },
    },
    Rule {
        number: "9",
        code: "promotion-read-again",
        does: Does::ObserveAtOnce,
        says: "The replica may be promoted; the primary is read once more",
        applies: |c| Ok(c.promotion_at_hand() && c.streak.alike < 2),
    },
    Rule {
        number: "9",
        code: "promotion-ordered",
        does: Does::Promote,
        says: "An operator ordered the replica to be promoted",
        applies: |c| Ok(c.order.promotes()),
    },
    Rule {
        number: "9",
        code: "replica-fit-to-promote",
        does: Does::Promote,
        says: "The primary is still unhealthy and the replica is close behind: it is promoted",
        applies: |c| Ok(c.promotion_at_hand()),
    },
    // Not unhealthy any more: may traffic go back?
    Rule {
        number: "12",
        code: "waiting-for-primary",
        does: Does::Stay,
        says: "Traffic is on the secondary; the primary is neither healthy nor clearly down",
        applies: |c| Ok(c.order.is_tick() && c.health() != Healthy),
    },
    Rule {
        number: "12",
        code: "failback-manual",
        does: Does::Stay,
        says: "The primary is healthy; FAILBACK=manual leaves the way back to an operator",
        applies: |c| Ok(c.order.is_tick() && c.policy.failback == Failback::Manual),
    },
    Rule {
        number: "12",
        code: "primary-not-healthy",
        does: Does::StayAndTell,
        says: "A failback was ordered and the primary is not healthy: that takes `force`",
        applies: |c| Ok(c.health() != Healthy && !c.force()),
    },
    Rule {
        number: "12",
        code: "replica-not-following",
        does: Does::StayAndTell,
        says: "The replica does not replicate from this primary, or may be about to stop: the primary may be stale, traffic stays on the secondary",
        applies: |c| {
            Ok(!c.force() && (c.role()?.is_some_and(|role| role != Role::Replica) || c.replica_on_hold()))
        },
    },
    Rule {
        number: "12",
        code: "record-not-on-primary",
        does: Does::StayAndTell,
        says: "The primary record does not point at this primary's endpoint: traffic stays on the secondary",
        applies: |c| Ok(!c.force() && c.policy.knows_zone && !c.record_on_primary()?),
    },
    Rule {
        number: "12",
        code: "recovery-unconfirmed",
        does: Does::ObserveAgain,
        says: "The primary looks healthy again and that is not confirmed yet",
        applies: |c| Ok(!c.force() && !c.confirmed(c.policy.failback_confirmations)),
    },
    Rule {
        number: "12",
        code: "failback-ordered",
        does: Does::FailBack,
        says: "An operator ordered traffic back to the primary",
        applies: |c| Ok(c.order.is_failback()),
    },
    Rule {
        number: "12",
        code: "primary-recovered",
        does: Does::FailBack,
        says: "The primary is healthy again, confirmed, and nothing was promoted: traffic goes back",
        applies: |_| Ok(true),
    },
];

/// What is decided where a rule needs evidence that was asked for and could not be read.
pub static UNREADABLE: &[Rule] = &[
    Rule {
        number: "2",
        code: "memory-unreadable",
        does: Does::Fail,
        says: "The tags of the health check could not be read or make no sense: nothing is changed",
        applies: |_| Ok(true),
    },
    Rule {
        number: "4",
        code: "events-unreadable",
        does: Does::Fail,
        says: "Whether the primary is in a Multi-AZ failover of its own could not be read: nothing is changed",
        applies: |_| Ok(true),
    },
    Rule {
        number: "12",
        code: "record-unreadable",
        does: Does::Fail,
        says: "The primary failover record could not be read: nothing is changed",
        applies: |_| Ok(true),
    },
];

/// How long after an event of a Multi-AZ failover it is ridden out: AWS says 60 to 120 s, and clients follow
/// within the endpoint's TTL. Source: "Failing over a Multi-AZ DB instance" in the RDS User Guide.
pub const MULTI_AZ_FAILOVER: Duration = Duration::from_secs(180);

impl Case<'_> {
    /// A promotion that somebody ordered at the console looks so, with the source still there.
    fn replica_on_hold(&self) -> bool {
        self.replica()
            .and_then(|(replica, _)| replica.known())
            .is_some_and(|replica| self.policy.health_of(&replica.status) == Hold)
    }

    fn trigger_in_promote_on(&self) -> bool {
        self.trigger().is_some_and(|trigger: &Trigger| self.policy.promote_on.contains(trigger))
    }
}
