//! The check is forced unhealthy: traffic goes to the secondary. Who moved it, and was the replica promoted?

use super::{Asked, Check, Command, Force, Next, Rule, Sees, both_sides};
use crate::decide::{Code, Effect};
use crate::memory::By;
use crate::model::Change;
use crate::replica::Role;

pub(super) const RULES: &[Rule] = &[
    both_sides::paused(Check::Forced),
    Rule {
        code: Code::FencePrimary,
        check: Check::Forced,
        asked: Asked::TickOrFailover,
        sees: Sees::Any,
        force: Force::Respects,
        when: "FENCE_PRIMARY=stop and it is certain which instance is the old primary, the promotion of this incident is complete, RDS calls the old primary `available`, no stop of it is under way, and no failback is announced",
        effect: Effect::Change(Change::FencePrimary),
        message: "The replica is promoted and the old primary is available: this function stops it, so that no client writes to it",
        next: Next::words(
            "Rebuild a replica of the promoted instance. RDS starts a stopped instance again after seven days, and this function stops it again. To start the old primary for a while and save what only it holds, pause this function first.",
        ),
        applies: |c| {
            Ok(c.fences()
                && c.old_primary_is_available()?
                && !c.fence_is_under_way()?
                && !c.failback_announced()?)
        },
    },
    Rule {
        code: Code::OldPrimaryAvailable,
        check: Check::Forced,
        asked: Asked::Tick,
        sees: Sees::Any,
        force: Force::Respects,
        when: "FENCE_PRIMARY=off, or both instances have the same name or their names were swapped; the promotion of this incident is complete, and RDS calls the old primary `available`",
        effect: Effect::REFUSE,
        message: "The replica is promoted and the old primary is available: it may still take writes from open connections, and those writes will be lost",
        next: Next::words(
            "Stop the old primary, or make it read-only, and restart clients that still write to it. With FENCE_PRIMARY=stop, and names that tell the two instances apart, this function stops it by itself.",
        ),
        applies: |c| Ok(!c.fences() && c.old_primary_is_available()? && c.connections().map(|_| true)?),
    },
    Rule {
        code: Code::AlreadyOnSecondary,
        check: Check::Forced,
        asked: Asked::Failover,
        sees: Sees::Any,
        force: Force::Respects,
        when: "no promotion is requested",
        effect: Effect::STAY,
        message: "Traffic is already on the secondary",
        next: Next::words("Nothing."),
        applies: |c| Ok(!c.order.promotes() && c.memory().map(|_| true)?),
    },
    Rule {
        code: Code::ForcedByOperator,
        check: Check::Forced,
        asked: Asked::Tick,
        sees: Sees::Any,
        force: Force::Respects,
        when: "an operator requested the failover",
        effect: Effect::STAY,
        message: "An operator moved traffic to the secondary: only an operator can fail back",
        next: Next::run("When the primary should serve again:", Command::FAILBACK),
        applies: |c| Ok(c.routed_by()? == Some(By::Operator)),
    },
    Rule {
        code: Code::ForcedElsewhere,
        check: Check::Forced,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Overrides,
        when: "no tag of this function claims the check's version",
        effect: Effect::STAY,
        message: "Somebody forced this health check unhealthy without this function: left unchanged",
        next: Next::run("To send traffic back anyway:", Command::FORCED_FAILBACK),
        applies: |c| Ok(c.routed_by()?.is_none()),
    },
    Rule {
        code: Code::PromotionInProgress,
        check: Check::Forced,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::OverridesForFailback,
        when: "a promotion was requested, and RDS does not show yet that it is complete",
        effect: Effect::STAY,
        message: "Promotion of the replica was requested: traffic stays on it",
        next: Next::words(
            "Wait for the promotion to finish. If the replica is still an `available` replica after five minutes, the promotion did not start: request it again.",
        ),
        applies: |c| Ok(c.role()? == Some(Role::Promoting)),
    },
    Rule {
        code: Code::ReplicaPromoted,
        check: Check::Forced,
        asked: Asked::TickOrFailover,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the replica was promoted",
        effect: Effect::STAY,
        message: "The replica was promoted: traffic stays on it whatever the old primary does, until an operator fails back",
        next: Next::run(
            "Rebuild a replica of the promoted instance, point the primary record at the promoted instance, swap the two identifiers, then:",
            Command::FAILBACK,
        ),
        applies: |c| c.latched(),
    },
    Rule {
        code: Code::NoReplicaToPromote,
        check: Check::Forced,
        asked: Asked::Promotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "no replica is configured",
        effect: Effect::REFUSE,
        message: "A promotion was requested, but no replica is configured: nothing is changed",
        next: Next::words("Set FAILOVER_DB_INSTANCE_IDENTIFIER, or promote the replica in the console."),
        applies: |c| Ok(c.pair.replica.is_none()),
    },
];
