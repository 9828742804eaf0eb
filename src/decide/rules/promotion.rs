//! Traffic is on the secondary and the primary is still unhealthy, or an operator wants it: may the replica be
//! promoted?

use super::{Asked, Check, Command, Force, Next, Rule, Sees, always, both_sides};
use crate::decide::{After, Code, Effect};
use crate::model::Change;
use crate::status::Health;

const LOSS: Next = Next::run(
    "Decide whether the data named above may be lost. If the primary is dead, first see whether the replica has applied all it received. MySQL: in `SHOW REPLICA STATUS`, `Exec_Source_Log_Pos` must equal `Read_Source_Log_Pos`, and `Relay_Source_Log_File` must equal `Source_Log_File`. MariaDB: the same, with `Master` instead of `Source` in these names. PostgreSQL: `SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()` must return true. What the primary did not send is lost in any case. Only if the rest may be lost:",
    Command::LOSSY_PROMOTION,
);
const PROMOTED: Next = Next::run(
    "The old primary is stale from now on: keep writes away from it. Rebuild a replica of the promoted instance, point the primary record at the promoted instance, swap the two identifiers, then:",
    Command::FAILBACK,
);

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::PromotionOff,
        check: Check::Forced,
        asked: Asked::Tick,
        sees: Sees::Only(Health::Unhealthy),
        force: Force::Respects,
        when: "PROMOTE_REPLICA is not set, or no replica is configured",
        effect: Effect::STAY,
        message: "Traffic is on the secondary and the primary is still unhealthy; automatic promotion is off",
        next: Next::run("To promote the replica:", Command::PROMOTION),
        applies: |c| Ok(!c.promotion_is_on()),
    },
    Rule {
        code: Code::NotPromotable,
        check: Check::Forced,
        asked: Asked::Tick,
        sees: Sees::Only(Health::Unhealthy),
        force: Force::Respects,
        when: "PROMOTE_ON does not name what is wrong with the primary",
        effect: Effect::STAY,
        message: "Traffic is on the secondary; PROMOTE_ON does not allow promotion for this failure",
        next: Next::run("To promote anyway:", Command::PROMOTION),
        applies: |c| Ok(!c.symptom_in_promote_on()),
    },
    Rule {
        code: Code::PrimaryNotUnhealthy,
        check: Check::Forced,
        asked: Asked::Promotion,
        sees: Sees::Not(Health::Unhealthy),
        force: Force::Overrides,
        when: "",
        effect: Effect::REFUSE,
        message: "Promotion requested while the primary is not unhealthy: repeat with `force` to promote anyway",
        next: Next::run("Only if the primary's last writes may be lost:", Command::FORCED_PROMOTION),
        applies: always,
    },
    both_sides::still_available(Check::Forced),
    Rule {
        code: Code::FailbackInProgress,
        check: Check::Forced,
        asked: Asked::TickOrPromotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "another invocation has announced a failback",
        effect: Effect::STAY,
        message: "Another invocation is failing back: not promoting until it is done",
        next: Next::NOTHING,
        applies: |c| c.failback_announced(),
    },
    Rule {
        code: Code::ReplicaNotReady,
        check: Check::Forced,
        asked: Asked::TickOrPromotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the replica is not `available`, or does not replicate from the primary",
        effect: Effect::REFUSE,
        message: "The replica can't be promoted as it is",
        next: Next::words("Get the replica back to `available`; the next tick then promotes it."),
        applies: |c| Ok(c.reason_replica_not_ready().is_some()),
    },
    Rule {
        code: Code::LagUnknown,
        check: Check::Forced,
        asked: Asked::TickOrPromotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the replica's lag is unknown, and `allow_data_loss` is not given",
        effect: Effect::REFUSE,
        message: "The replica's lag is unknown, and so is how much data a promotion would lose",
        next: LOSS,
        applies: |c| Ok(!c.order.allows_data_loss() && c.lag()?.is_err()),
    },
    Rule {
        code: Code::LagTooHigh,
        check: Check::Forced,
        asked: Asked::TickOrPromotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the lag is over MAX_REPLICA_LAG, and `allow_data_loss` is not given",
        effect: Effect::REFUSE,
        message: "The replica is further behind than MAX_REPLICA_LAG allows",
        next: LOSS,
        applies: |c| Ok(!c.order.allows_data_loss() && c.lag_is_too_high()?),
    },
    Rule {
        code: Code::PromotionReadAgain,
        check: Check::Forced,
        asked: Asked::TickOrPromotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the primary was seen in this state only once",
        effect: Effect::Observe(After::Nothing),
        message: "The replica can be promoted: reading the primary once more before that",
        next: Next::NOTHING,
        applies: |c| Ok(c.streak.alike < 2),
    },
    Rule {
        code: Code::PromotionOrdered,
        check: Check::Forced,
        asked: Asked::Promotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the primary is unhealthy, or `force`; the replica is `available`; its lag is within MAX_REPLICA_LAG, or `allow_data_loss`",
        effect: Effect::Change(Change::PromoteReplica),
        message: "An operator requested the promotion of the replica",
        next: PROMOTED,
        applies: |c| {
            // Whatever the lag is, the message says it.
            let lag_is_known = c.memory().and(c.lag())?.is_ok();
            Ok((c.order.force() || c.health() == Health::Unhealthy)
                && c.pair.replica.is_some()
                && c.reason_replica_not_ready().is_none()
                && (c.order.allows_data_loss() || (lag_is_known && !c.lag_is_too_high()?)))
        },
    },
    Rule {
        code: Code::ReplicaFitToPromote,
        check: Check::ForcedByUs,
        asked: Asked::Tick,
        sees: Sees::Only(Health::Unhealthy),
        force: Force::Respects,
        when: "PROMOTE_ON names what is wrong, the replica is `available`, and its lag is within MAX_REPLICA_LAG",
        effect: Effect::Change(Change::PromoteReplica),
        message: "The primary is still unhealthy and the replica's lag is within the limit: this function promotes the replica",
        next: PROMOTED,
        applies: |c| {
            Ok(c.promotion_is_on()
                && c.symptom_in_promote_on()
                && c.reason_replica_not_ready().is_none()
                && c.lag()?.is_ok()
                && !c.lag_is_too_high()?)
        },
    },
];
