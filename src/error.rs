//! How an invocation fails: a stable `errorType` for alarms and filters, a sentence for a person, and what was
//! done before.

use lambda_runtime::Diagnostic;

use crate::model::{Blind, Cause};
use crate::report::Action;

/// The `errorType` of a failed invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The event is none that the function understands.
    EventNotUnderstood,
    /// A rule decided to fail; its code names the type.
    Rule(&'static str),
    /// A tag could not be written or read back; the change it announces was not made.
    TagWriteFailed,
    /// Route 53 refused to update the health check.
    RouteRefused,
    /// Whether the health check was updated is unknown, or it could not be read back.
    RouteUnconfirmed,
    /// RDS refused the promotion.
    PromotionRefused,
    /// Whether RDS accepted the promotion is unknown.
    PromotionUnconfirmed,
    /// Somebody changed the health check each time the function was about to.
    VersionConflict,
}

impl Kind {
    /// Those that no rule decides.
    pub const BESIDE_RULES: [Self; 7] = [
        Self::EventNotUnderstood,
        Self::TagWriteFailed,
        Self::RouteRefused,
        Self::RouteUnconfirmed,
        Self::PromotionRefused,
        Self::PromotionUnconfirmed,
        Self::VersionConflict,
    ];

    /// The `errorType`, such as `PrimaryUnknown`.
    pub fn name(self) -> String {
        self.code().split('-').map(capitalised).collect()
    }

    /// The same as a code, such as `primary-unknown`: a rule's, where one decided to fail.
    pub fn code(self) -> &'static str {
        match self {
            Self::Rule(code) => code,
            Self::EventNotUnderstood => "event-not-understood",
            Self::TagWriteFailed => "tag-write-failed",
            Self::RouteRefused => "route-refused",
            Self::RouteUnconfirmed => "route-unconfirmed",
            Self::PromotionRefused => "promotion-refused",
            Self::PromotionUnconfirmed => "promotion-unconfirmed",
            Self::VersionConflict => "version-conflict",
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// A failed invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", done_words(done))]
pub struct Failure {
    /// The type.
    pub kind: Kind,
    /// What failed, in a sentence.
    pub message: String,
    /// What was changed before and stays changed.
    pub done: Vec<Action>,
    /// Whether the switch was not flipped as Route 53 could not be reached.
    pub switch_unreachable: bool,
}

impl Failure {
    /// A failure before anything was changed.
    pub fn new(kind: Kind, message: String) -> Self {
        Self { kind, message, done: Vec::new(), switch_unreachable: false }
    }

    /// The same failure for this reason, which kept the switch from being flipped.
    #[must_use]
    pub fn for_want_of(self, why: &Blind) -> Self {
        Self { switch_unreachable: why.cause == Cause::Unreachable, ..self }
    }

    /// The same failure after these changes.
    #[must_use]
    pub fn after(mut self, done: &[Action]) -> Self {
        self.done.splice(0..0, done.iter().copied());
        self
    }
}

fn done_words(done: &[Action]) -> String {
    if done.is_empty() {
        return String::new();
    }
    let done: Vec<_> = done.iter().map(|action| action.as_str()).collect();
    format!(" (done before and left so: {}; the next tick carries on)", done.join(", "))
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.name(), error_message: failure.to_string() }
    }
}
