//! Rows that stand in two sections: one for a check that is normal, one for a check that is forced.

use super::{Asked, Check, Command, Force, Next, Rule, Sees};
use crate::decide::{Code, Effect};

pub(super) const fn paused(check: Check) -> Rule {
    Rule {
        code: Code::Paused,
        check,
        asked: Asked::Tick,
        sees: Sees::Any,
        force: Force::Respects,
        when: "a pause is in force",
        effect: Effect::STAY,
        message: "Automatic change is paused",
        next: Next::run("When the work is done:", Command::RESUME),
        applies: |c| c.paused(),
    }
}

pub(super) const fn still_available(check: Check) -> Rule {
    Rule {
        code: Code::PrimaryStillAvailable,
        check,
        asked: Asked::Promotion,
        sees: Sees::Any,
        force: Force::Respects,
        when: "RDS calls the primary `available`, and `force` and `allow_data_loss` are not both given",
        effect: Effect::REFUSE,
        message: "A promotion was requested while RDS calls the primary available. Clients would keep writing to it over open connections, and those writes would be lost: nothing is changed",
        next: Next::run(
            "Make the primary read-only first. Only if its last writes may be lost:",
            Command::FORCED_PROMOTION,
        ),
        applies: |c| Ok(c.promotes_behind_a_living_primary()),
    }
}
