//! Why a decision is as it is: what `force` did or would do, and which rows were considered.

use serde::Serialize;

use super::{Case, Code, Decision, Gap, Order, Rule, Section, decide};
use crate::model::CheckState;

/// A row that was considered, and whether it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// The row's code.
    #[serde(serialize_with = "code")]
    pub code: Code,
    /// What else must be true for it, in words.
    pub when: &'static str,
    /// Whether it applies.
    pub applies: Applies,
}

/// Whether a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applies {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The evidence for it was not read, as an earlier row decided, or could not be.
    NotRead,
}

fn code<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

/// Every row that the state of the check leaves open, in order; before the first that needs evidence which could not be
/// read, the row for that. The first that applies decides.
pub fn considered(case: &Case<'_>) -> Vec<Considered> {
    let forced = case.state(CheckState::ForcedUnhealthy);
    let normal = case.state(CheckState::Normal);
    let sections = Section::ALL.iter().filter(|section| match section {
        Section::Evidence => true,
        Section::OnPrimary => normal,
        Section::OnSecondary | Section::Promotion | Section::Failback => forced,
    });
    let mut rows: Vec<Considered> = Vec::new();
    for rule in sections.flat_map(|section| section.rules()) {
        let applies = match rule.applies_to(case) {
            Ok(true) => Applies::Yes,
            Ok(false) => Applies::No,
            Err(Gap::Unread(_)) => Applies::NotRead,
            Err(Gap::Unreadable(code)) => {
                if rows.iter().all(|row| row.code != code) {
                    rows.push(Considered::of(Rule::of_unreadable(code), Applies::Yes));
                }
                Applies::NotRead
            }
        };
        rows.push(Considered::of(rule, applies));
    }
    rows
}

impl Considered {
    fn of(rule: &Rule, applies: Applies) -> Self {
        Self { code: rule.code, when: rule.when, applies }
    }
}

/// The code of the rule that `force` overrides here, if it overrides one.
pub fn overridden(case: &Case<'_>) -> Option<Code> {
    if !case.order.force() {
        return None;
    }
    match (decide(case), decide(&case.asked(case.order.with_force(false)))) {
        (Decision::Apply(forced), Decision::Apply(unforced)) if forced.code != unforced.code => {
            Some(unforced.code)
        }
        (Decision::Apply(_) | Decision::Read(_), Decision::Apply(_) | Decision::Read(_)) => None,
    }
}

/// What `force` would come to where an operator's order was refused: a row that carries it out, or evidence that was
/// not read, as the row that refused stands before it.
pub fn force_would_help(case: &Case<'_>) -> Option<Decision> {
    let Decision::Apply(refused) = decide(case) else { return None };
    // For a tick, and where it is forced already, both are the same.
    let forced = decide(&case.asked(case.order.with_force(true)));
    let helps = match forced {
        Decision::Apply(rule) => rule.code != refused.code && !rule.effect.refuses(),
        Decision::Read(_) => true,
    };
    helps.then_some(forced)
}

/// Whether this is an order for a change that is not made already.
pub fn is_refused_order(case: &Case<'_>) -> bool {
    match case.order {
        Order::Tick => false,
        Order::Failover { promote, .. } => promote || !case.state(CheckState::ForcedUnhealthy),
        Order::Failback { .. } => !case.state(CheckState::Normal),
    }
}

/// Whether the promotion of this incident is complete while RDS calls the old primary `available`.
pub fn old_primary_may_take_writes(case: &Case<'_>) -> bool {
    case.old_primary_is_available() == Ok(true)
}

/// Whether the incident ended in a promotion, as far as that was read.
pub fn is_latched(case: &Case<'_>) -> bool {
    case.latched() == Ok(true)
}

/// Whether RDS calls the old primary `available` although its stop was requested.
pub fn fence_is_awaited(case: &Case<'_>) -> bool {
    old_primary_may_take_writes(case) && case.fence_is_under_way() == Ok(true)
}

/// Whether `code` is one at which a failover was wanted and refused.
pub fn refused_failover(code: Code) -> bool {
    matches!(code, Code::Cooldown | Code::ReplicaNotFit | Code::SecondaryUnreachable)
}

/// Whether `code` is one at which a promotion was wanted and refused.
pub fn refused_promotion(code: Code) -> bool {
    matches!(code, Code::ReplicaNotReady | Code::LagUnknown | Code::LagTooHigh)
}

/// Whether an update that failed leaves the failover to the metric: a tick would have moved traffic, and the
/// evidence needs no word of Route 53.
pub fn metric_takes_over(case: &Case<'_>, code: Code) -> bool {
    code == Code::PrimaryUnhealthy && case.nothing_but_the_switch_is_in_the_way() == Ok(true)
}
