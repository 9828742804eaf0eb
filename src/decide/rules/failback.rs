//! Traffic is on the secondary, nothing was promoted, and the primary may be back: may traffic go back?

use super::{Asked, Check, Command, Force, Next, Rule, Sees, always};
use crate::decide::{After, Code, Effect};
use crate::model::Change;
use crate::policy::Failback;
use crate::status::Health;

const STAY: Effect = Effect::Stay { notify: false };
const REFUSE: Effect = Effect::Stay { notify: true };
const WHICH: Next = Next::run(
    "Find out which instance holds the current data. Only if it is the primary:",
    Command::FORCED_FAILBACK,
);

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::WaitingForPrimary,
        check: Check::Forced,
        asked: Asked::Tick,
        sees: Sees::Not(Health::Healthy),
        force: Force::Respects,
        when: "",
        effect: STAY,
        message: "Traffic is on the secondary; the primary is neither healthy nor clearly down",
        next: Next::NOTHING,
        applies: always,
    },
    Rule {
        code: Code::FailbackManual,
        check: Check::Forced,
        asked: Asked::Tick,
        sees: Sees::Any,
        force: Force::Respects,
        when: "FAILBACK=manual",
        effect: STAY,
        message: "The primary is healthy; with FAILBACK=manual only an operator fails back",
        next: Next::run("When the primary should serve again:", Command::FAILBACK),
        applies: |c| Ok(c.pair.policy.failback == Failback::Manual),
    },
    Rule {
        code: Code::PrimaryNotHealthy,
        check: Check::Forced,
        asked: Asked::Failback,
        sees: Sees::Not(Health::Healthy),
        force: Force::Overrides,
        when: "",
        effect: REFUSE,
        message: "Failback requested while the primary is not healthy: repeat with `force` to fail back anyway",
        next: WHICH,
        applies: always,
    },
    Rule {
        code: Code::ReplicaNotFollowing,
        check: Check::Forced,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Overrides,
        when: "the replica does not replicate from this primary, or its status or replication says that it may stop",
        effect: REFUSE,
        message: "The replica is not replicating from this primary, or may be about to stop doing so: the primary may be stale, traffic stays on the secondary",
        next: WHICH,
        applies: |c| c.replica_may_be_ahead(),
    },
    Rule {
        code: Code::PrimaryRecreated,
        check: Check::Forced,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Overrides,
        when: "RDS created the primary after traffic was moved",
        effect: REFUSE,
        message: "The primary was created after traffic was moved, perhaps from an old snapshot: traffic stays on the secondary",
        next: WHICH,
        applies: |c| c.primary_was_recreated(),
    },
    Rule {
        code: Code::RecordNotOnPrimary,
        check: Check::Forced,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Overrides,
        when: "HOSTED_ZONE_ID is set and the primary record does not lead to this primary's endpoint",
        effect: REFUSE,
        message: "The primary record does not point at this primary's endpoint: traffic stays on the secondary",
        next: WHICH,
        applies: |c| Ok(c.compares_record() && !c.record_on_primary()?),
    },
    Rule {
        code: Code::RecoveryUnconfirmed,
        check: Check::Forced,
        asked: Asked::Any,
        sees: Sees::Only(Health::Healthy),
        force: Force::Overrides,
        when: "fewer than FAILBACK_CONFIRMATIONS observations in a row",
        effect: Effect::Observe(After::Interval),
        message: "The primary looks healthy again, which is not confirmed yet",
        next: Next::NOTHING,
        applies: |c| Ok(!c.confirmed(c.pair.policy.failback_confirmations)),
    },
    Rule {
        code: Code::FailbackOrdered,
        check: Check::Forced,
        asked: Asked::Failback,
        sees: Sees::ConfirmedHealthyOrForce,
        force: Force::Respects,
        when: "",
        effect: Effect::Change(Change::RouteToPrimary),
        message: "An operator requested a failback: traffic goes to the primary",
        next: Next::words("Nothing. Within the cooldown there is no automatic failover."),
        applies: |c| c.memory().map(|_| true),
    },
    Rule {
        code: Code::PrimaryRecovered,
        check: Check::ForcedByUs,
        asked: Asked::Tick,
        sees: Sees::ConfirmedHealthyOrForce,
        force: Force::Respects,
        when: "FAILBACK=auto, and nothing was promoted",
        effect: Effect::Change(Change::RouteToPrimary),
        message: "The primary is healthy again, confirmed, and nothing was promoted: traffic goes back",
        next: Next::words("Nothing. Within the cooldown there is no automatic failover."),
        applies: |c| {
            Ok(c.pair.policy.failback == Failback::Auto && !c.latched()? && !c.replica_may_be_ahead()?)
        },
    },
];
