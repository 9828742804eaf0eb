//! The rules: one ordered list in five sections, the first row that applies decides.
//!
//! Most of a row is data, matched here in one place; what is left is a small predicate. A row that changes something
//! says positively what it requires. The last row changes nothing.

use std::time::Duration;

use super::{Case, Code, Effect, Gap};
use crate::memory::By;
use crate::model::CheckState;
use crate::status::Health;

mod both_sides;
mod evidence;
mod failback;
mod on_primary;
mod on_secondary;
mod promotion;

pub(super) use evidence::NO_RULE;
pub use evidence::UNREADABLE;

/// How long after an event of a Multi-AZ failover the function waits for it to finish: AWS says 60 to 120 s, and
/// clients follow within the endpoint's TTL. Source: "Failing over a Multi-AZ DB instance" in the RDS User Guide.
pub const MULTI_AZ_FAILOVER: Duration = Duration::from_secs(180);

/// The rules in order.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    Section::ALL.iter().flat_map(|section| section.rules())
}

/// A part of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What must be known before anything else.
    Evidence,
    /// The check is normal: traffic goes to the primary.
    OnPrimary,
    /// The check is forced unhealthy: traffic goes to the secondary.
    OnSecondary,
    /// Traffic is on the secondary and the primary is unhealthy: may the replica be promoted?
    Promotion,
    /// Traffic is on the secondary and the primary may be back: may traffic go back?
    Failback,
}

impl Section {
    /// All of them, in order.
    pub const ALL: &[Self] =
        &[Self::Evidence, Self::OnPrimary, Self::OnSecondary, Self::Promotion, Self::Failback];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Evidence => "Evidence",
            Self::OnPrimary => "On the primary",
            Self::OnSecondary => "On the secondary",
            Self::Promotion => "Promotion",
            Self::Failback => "Failback",
        }
    }

    /// Its rules, in order.
    pub fn rules(self) -> &'static [Rule] {
        match self {
            Self::Evidence => evidence::RULES,
            Self::OnPrimary => on_primary::RULES,
            Self::OnSecondary => on_secondary::RULES,
            Self::Promotion => promotion::RULES,
            Self::Failback => failback::RULES,
        }
    }
}

/// What the health check must be for a row to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Anything, unreadable included.
    Any,
    /// Neither disabled nor inverted.
    Normal,
    /// Disabled and inverted.
    Forced,
    /// Forced by this function on its own.
    ForcedByUs,
    /// One flag alone.
    Foreign,
}

/// Who must have asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Anybody.
    Any,
    /// A schedule or an event.
    Tick,
    /// An operator, for a failover with or without a promotion.
    Failover,
    /// An operator, for a failover with a promotion.
    Promotion,
    /// An operator, for a failback.
    Failback,
    /// A tick, or an operator for a failover.
    TickOrFailover,
    /// A tick that finds the primary unhealthy, or an operator for a promotion.
    TickOrPromotion,
}

/// Whether the row gives way to an operator's `force`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It applies all the same.
    Respects,
    /// It does not apply with `force`.
    Overrides,
    /// It does not apply to a failback with `force`.
    OverridesForFailback,
}

/// What the primary must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Anything.
    Any,
    /// Exactly this.
    Only(Health),
    /// Anything else.
    Not(Health),
    /// Healthy as often as `FAILBACK_CONFIRMATIONS` wants.
    ConfirmedHealthy,
    /// Healthy as often as `FAILBACK_CONFIRMATIONS` wants, or anything with `force`.
    ConfirmedHealthyOrForce,
    /// Unhealthy as often as `CONFIRMATIONS` wants.
    ConfirmedUnhealthy,
    /// Unhealthy as often as `CONFIRMATIONS` wants, or anything with `force`.
    ConfirmedUnhealthyOrForce,
}

/// A request that a person can make next, as the payload of a direct invoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command(pub &'static str);

impl Command {
    /// Traffic back to the primary.
    pub const FAILBACK: Self = Self(r#"{"action":"failback","reason":"WHY"}"#);
    /// Traffic back to the primary, over the guards.
    pub const FORCED_FAILBACK: Self = Self(r#"{"action":"failback","reason":"WHY","force":true}"#);
    /// Traffic to the secondary.
    pub const FAILOVER: Self = Self(r#"{"action":"failover","reason":"WHY"}"#);
    /// Traffic to the secondary, over the guards.
    pub const FORCED_FAILOVER: Self = Self(r#"{"action":"failover","reason":"WHY","force":true}"#);
    /// A promotion.
    pub const PROMOTION: Self = Self(r#"{"action":"failover","reason":"WHY","promote":true}"#);
    /// A promotion over the guard of data loss.
    pub const LOSSY_PROMOTION: Self =
        Self(r#"{"action":"failover","reason":"WHY","promote":true,"allow_data_loss":true}"#);
    /// A promotion over every guard.
    pub const FORCED_PROMOTION: Self =
        Self(r#"{"action":"failover","reason":"WHY","promote":true,"force":true,"allow_data_loss":true}"#);
    /// Automatic change again.
    pub const RESUME: Self = Self(r#"{"action":"resume"}"#);
    /// Would a failover work now?
    pub const CHECK: Self = Self(r#"{"action":"check"}"#);
}

/// What a person does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// In words.
    pub words: &'static str,
    /// The request that does it, where there is one.
    pub command: Option<Command>,
}

impl Next {
    /// Nothing but waiting.
    pub const NOTHING: Self = Self::words("Nothing: the next tick checks again.");

    /// Something that no request to the function does.
    pub const fn words(words: &'static str) -> Self {
        Self { words, command: None }
    }

    /// A request, with the condition under which to make it.
    pub const fn run(words: &'static str, command: Command) -> Self {
        Self { words, command: Some(command) }
    }
}

/// A row of the list.
pub struct Rule {
    /// Its stable code.
    pub code: Code,
    /// What the health check must be.
    pub check: Check,
    /// Who must have asked.
    pub asked: Asked,
    /// What the primary must look like.
    pub sees: Sees,
    /// Whether `force` overrides it.
    pub force: Force,
    /// What else must be true, in words; empty where nothing must.
    pub when: &'static str,
    /// What follows.
    pub effect: Effect,
    /// What it says to a person.
    pub message: &'static str,
    /// What a person does next.
    pub next: Next,
    /// What else must be true; a gap where evidence is missing to tell.
    pub(super) applies: fn(&Case<'_>) -> Result<bool, Gap>,
}

impl Rule {
    /// Whether the row applies.
    pub(crate) fn applies_to(&self, case: &Case<'_>) -> Result<bool, Gap> {
        Ok(self.asked_for(case) && self.sees(case) && self.check_is(case)? && (self.applies)(case)?)
    }

    fn check_is(&self, case: &Case<'_>) -> Result<bool, Gap> {
        Ok(match self.check {
            Check::Any => true,
            Check::Normal => case.state(CheckState::Normal),
            Check::Foreign => case.state(CheckState::Foreign),
            Check::Forced => case.state(CheckState::ForcedUnhealthy),
            Check::ForcedByUs => {
                case.state(CheckState::ForcedUnhealthy) && case.routed_by()? == Some(By::Auto)
            }
        })
    }

    fn asked_for(&self, case: &Case<'_>) -> bool {
        let order = case.order;
        let asked = match self.asked {
            Asked::Any => true,
            Asked::Tick => order.is_tick(),
            Asked::Failover => order.is_failover(),
            Asked::Promotion => order.promotes(),
            Asked::Failback => order.is_failback(),
            Asked::TickOrFailover => !order.is_failback(),
            Asked::TickOrPromotion => {
                order.promotes() || (order.is_tick() && case.health() == Health::Unhealthy)
            }
        };
        asked
            && match self.force {
                Force::Respects => true,
                Force::Overrides => !order.force(),
                Force::OverridesForFailback => !(order.force() && order.is_failback()),
            }
    }

    fn sees(&self, case: &Case<'_>) -> bool {
        let policy = &case.pair.policy;
        let healthy = || case.health() == Health::Healthy && case.confirmed(policy.failback_confirmations);
        let unhealthy = || case.health() == Health::Unhealthy && case.confirmed(policy.confirmations);
        match self.sees {
            Sees::Any => true,
            Sees::Only(health) => case.health() == health,
            Sees::Not(health) => case.health() != health,
            Sees::ConfirmedUnhealthy => unhealthy(),
            Sees::ConfirmedUnhealthyOrForce => case.order.force() || unhealthy(),
            Sees::ConfirmedHealthy => healthy(),
            Sees::ConfirmedHealthyOrForce => case.order.force() || healthy(),
        }
    }

    /// The row for evidence that can't be read.
    pub(super) fn of_unreadable(code: Code) -> &'static Self {
        UNREADABLE.iter().find(|rule| rule.code == code).unwrap_or(&NO_RULE)
    }

    /// The row of a code; the first, where both a normal and a forced check have one.
    pub fn of(code: Code) -> &'static Self {
        rules().chain(UNREADABLE).find(|rule| rule.code == code).unwrap_or(&NO_RULE)
    }
}

/// Nothing else must be true.
fn always(_: &Case<'_>) -> Result<bool, Gap> {
    Ok(true)
}
