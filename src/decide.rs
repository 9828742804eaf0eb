//! What to do: a pure, total function of what was observed, the policy and the time.
//!
//! Nothing here reads a clock, an environment variable or the network, and nothing outside of here chooses. Where
//! a decision turns on evidence that was not read yet, the answer is to read it: so the steady state reads little.

use jiff::Timestamp;

use crate::health::{Diagnosis, Trigger};
use crate::memory::By;
use crate::status::Health;

mod case;
mod rules;

pub use case::Case;
pub use rules::{MULTI_AZ_FAILOVER, RULES, Rule, UNREADABLE};

/// Who asks, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A schedule or an event: the function's own rules.
    Tick,
    /// An operator's failover.
    Failover {
        /// Overrides rules 3 to 6 and 8.
        force: bool,
        /// Promote the replica, whatever `PROMOTE_REPLICA` and `PROMOTE_ON` say.
        promote: bool,
        /// Overrides the lag guard.
        allow_data_loss: bool,
    },
    /// An operator's failback.
    Failback {
        /// Overrides the guards of rule 12.
        force: bool,
    },
}

impl Order {
    fn is_tick(self) -> bool {
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

    /// The same order without `force`.
    fn unforced(self) -> Self {
        match self {
            Self::Tick => Self::Tick,
            Self::Failover { promote, allow_data_loss, .. } => {
                Self::Failover { force: false, promote, allow_data_loss }
            }
            Self::Failback { .. } => Self::Failback { force: false },
        }
    }

    /// The same order with `force`.
    fn forced(self) -> Self {
        match self {
            Self::Tick => Self::Tick,
            Self::Failover { promote, allow_data_loss, .. } => {
                Self::Failover { force: true, promote, allow_data_loss }
            }
            Self::Failback { .. } => Self::Failback { force: true },
        }
    }

    /// Whose word stands in the tags for a change made on this order.
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
    /// How many of the last of them found the same trouble, at least 1.
    pub alike: u32,
    trouble: Option<Trigger>,
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
            trouble: diagnosis.trigger().cloned(),
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
        let alike = if next.trouble == self.trouble { self.alike + 1 } else { 1 };
        Self { length: self.length + 1, alike, since: self.since, ..next }
    }
}

/// Evidence that is read on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The tags of the health check.
    Memory,
    /// The replica's lag.
    Lag,
    /// The primary's recent events.
    MultiAzFailover,
    /// The primary failover record.
    Record,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing.
    Stay,
    /// Nothing, and a person should hear of it: a change was refused or is impossible.
    StayAndTell,
    /// Nothing, and the invocation fails, so that the ordinary error alarm fires.
    Fail,
    /// Observe again after `CONFIRMATION_INTERVAL`.
    ObserveAgain,
    /// Observe again at once.
    ObserveAtOnce,
    /// Move traffic to the secondary.
    FailOver,
    /// Promote the replica.
    Promote,
    /// Move traffic back to the primary.
    FailBack,
}

impl Does {
    /// Whether nothing is done, for now or for good.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Stay | Self::StayAndTell | Self::Fail)
    }

    /// The word in the response's `decision`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stay | Self::StayAndTell | Self::Fail | Self::ObserveAgain | Self::ObserveAtOnce => "stay",
            Self::FailOver => "fail-over",
            Self::Promote => "promote",
            Self::FailBack => "fail-back",
        }
    }
}

/// What comes next.
pub enum Next {
    /// Read this and decide again.
    Read(Need),
    /// This rule applies.
    Apply(&'static Rule),
}

/// Why a rule can't tell yet whether it applies.
enum Gap {
    /// The evidence was not read.
    Unread(Need),
    /// The evidence could not be read.
    Unreadable(&'static str),
}

/// Finds the first rule that applies, or the evidence that is needed to tell.
pub fn decide(case: &Case<'_>) -> Next {
    for rule in RULES {
        match (rule.applies)(case) {
            Ok(true) => return Next::Apply(rule),
            Ok(false) => {}
            Err(Gap::Unread(need)) => return Next::Read(need),
            Err(Gap::Unreadable(code)) => {
                return Next::Apply(UNREADABLE.iter().find(|rule| rule.code == code).unwrap_or(rule));
            }
        }
    }
    // The last rule applies always; to do nothing is the answer to a list that was broken.
    Next::Apply(&UNREADABLE[0])
}
