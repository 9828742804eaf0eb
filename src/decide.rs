//! What to do: a pure, total function of what was observed, the policy and the time.
//!
//! Nothing here reads a clock, an environment variable or the network, and nothing outside of here chooses. Where
//! a decision turns on evidence that was not read yet, the answer is to read it: so the steady state reads little.

use jiff::Timestamp;

use crate::diagnosis::Diagnosis;
use crate::memory::By;
use crate::model::{Change, Need, Symptom};
use crate::status::Health;

mod case;
mod code;
pub mod explain;
mod rules;
mod way_out;

pub use case::Case;
pub use code::Code;
pub use rules::{
    Asked, Check, Command, Force, MULTI_AZ_FAILOVER, Next, Rule, Section, Sees, UNREADABLE, rules,
};

/// Who asks, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A schedule or an event: the function's own rules.
    Tick,
    /// An operator's failover.
    Failover {
        /// Overrides the rules that say so.
        force: bool,
        /// Promote the replica, whatever `PROMOTE_REPLICA` and `PROMOTE_ON` say.
        promote: bool,
        /// Overrides the lag guard.
        allow_data_loss: bool,
    },
    /// An operator's failback.
    Failback {
        /// Overrides the rules that say so.
        force: bool,
    },
}

impl Order {
    /// A schedule or an event.
    pub fn is_tick(self) -> bool {
        matches!(self, Self::Tick)
    }

    fn is_failover(self) -> bool {
        matches!(self, Self::Failover { .. })
    }

    fn is_failback(self) -> bool {
        matches!(self, Self::Failback { .. })
    }

    fn promotes(self) -> bool {
        matches!(self, Self::Failover { promote: true, .. })
    }

    fn allows_data_loss(self) -> bool {
        matches!(self, Self::Failover { allow_data_loss: true, .. })
    }

    fn force(self) -> bool {
        matches!(self, Self::Failover { force: true, .. } | Self::Failback { force: true })
    }

    /// The same order with or without `force`.
    fn with_force(self, force: bool) -> Self {
        match self {
            Self::Tick => Self::Tick,
            Self::Failover { promote, allow_data_loss, .. } => {
                Self::Failover { force, promote, allow_data_loss }
            }
            Self::Failback { .. } => Self::Failback { force },
        }
    }

    /// Whose word the tags carry for a change made on this order.
    pub fn by(self) -> By {
        match self {
            Self::Tick => By::Auto,
            Self::Failover { .. } | Self::Failback { .. } => By::Operator,
        }
    }
}

/// The consecutive observations of the same health that end with the present one, in this invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streak {
    /// What they all found.
    pub health: Health,
    /// How many they are, at least 1.
    pub length: u32,
    /// How many of the last of them found the same symptom, at least 1.
    pub alike: u32,
    symptom: Option<Symptom>,
    /// When the first of them was made.
    pub since: Timestamp,
}

impl Streak {
    /// A streak of one.
    pub fn new(diagnosis: &Diagnosis, at: Timestamp) -> Self {
        Self {
            health: diagnosis.health(),
            length: 1,
            alike: 1,
            symptom: diagnosis.symptom().cloned(),
            since: at,
        }
    }

    /// The streak with one more observation.
    #[must_use]
    pub fn and(&self, diagnosis: &Diagnosis, at: Timestamp) -> Self {
        let next = Self::new(diagnosis, at);
        if next.health != self.health {
            return next;
        }
        let alike = if next.symptom == self.symptom { self.alike + 1 } else { 1 };
        Self { length: self.length + 1, alike, since: self.since, ..next }
    }
}

/// What follows where a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is changed.
    Stay {
        /// Whether a person should hear of it: a change was refused or is impossible.
        notify: bool,
    },
    /// Nothing is changed, and the invocation fails, so that the ordinary error alarm fires.
    Fail,
    /// Observe again, then decide again.
    Observe(After),
    /// Make this change.
    Change(Change),
}

impl Effect {
    /// Nothing is to be done.
    pub const STAY: Self = Self::Stay { notify: false };
    /// A change was refused or is impossible.
    pub const REFUSE: Self = Self::Stay { notify: true };
}

/// When to observe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// `CONFIRMATION_INTERVAL` after the beginning of the present look.
    Interval,
    /// At once.
    Nothing,
}

impl Effect {
    /// Whether nothing is done, for now or for good.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Stay { .. } | Self::Fail)
    }

    /// Whether something is changed.
    pub fn changes(self) -> bool {
        matches!(self, Self::Change(_))
    }

    /// The word in the response's `decision`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stay { .. } | Self::Fail | Self::Observe(_) => "stay",
            Self::Change(Change::RouteToSecondary) => "fail-over",
            Self::Change(Change::PromoteReplica) => "promote",
            Self::Change(Change::FencePrimary) => "fence",
            Self::Change(Change::RouteToPrimary) => "fail-back",
            // No rule pauses: a person does.
            Self::Change(Change::Pause | Change::Resume) => "stay",
        }
    }
}

/// What comes next.
pub enum Decision {
    /// Read this and decide again.
    Read(Need),
    /// This rule applies.
    Apply(&'static Rule),
}

/// Why a rule can't tell yet whether it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The evidence was not read.
    Unread(Need),
    /// The evidence could not be read; the code of the rule that applies then.
    Unreadable(Code),
}

/// Finds the first rule that applies, or the evidence that is needed to tell.
///
/// A change is decided only on a fresh look at the switch: confirming an outage takes a while, and meanwhile another
/// invocation or a person may have moved it.
pub fn decide(case: &Case<'_>) -> Decision {
    for rule in rules() {
        match rule.applies_to(case) {
            Ok(false) => {}
            Ok(true) if rule.effect.changes() && !case.seen.switch_is_fresh => {
                return Decision::Read(Need::Switch);
            }
            Ok(true) => return Decision::Apply(rule),
            Err(Gap::Unread(need)) => return Decision::Read(need),
            Err(Gap::Unreadable(code)) => return Decision::Apply(Rule::of_unreadable(code)),
        }
    }
    Decision::Apply(&rules::NO_RULE)
}
