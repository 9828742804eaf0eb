//! How an invocation fails: a stable `errorType` for alarms and filters, a sentence for a person, and what was
//! done before.

use lambda_runtime::Diagnostic;

use crate::decide::{Code, Next, Rule};
use crate::model::{Cause, Change, ReadFailure};
use crate::text::{cut, folded};

/// How much of a message is shown: it quotes AWS and endpoints.
const MOST: usize = 4000;

/// The `errorType` of a failed invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The event is not one the function understands.
    EventNotUnderstood,
    /// A rule decided to fail; its code names the type.
    Rule(Code),
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
    /// RDS refused to stop the old primary.
    FenceRefused,
    /// Whether RDS accepted the request to stop the old primary is unknown.
    FenceUnconfirmed,
    /// Somebody changed the health check each time the function was about to.
    VersionConflict,
}

impl Kind {
    /// Those that no rule decides.
    pub const BESIDE_RULES: [Self; 9] = [
        Self::EventNotUnderstood,
        Self::TagWriteFailed,
        Self::RouteRefused,
        Self::RouteUnconfirmed,
        Self::PromotionRefused,
        Self::PromotionUnconfirmed,
        Self::FenceRefused,
        Self::FenceUnconfirmed,
        Self::VersionConflict,
    ];

    /// The `errorType`, such as `PrimaryUnknown`.
    pub fn name(self) -> String {
        self.code().split('-').map(capitalised).collect()
    }

    /// The same as a code, such as `primary-unknown`: a rule's, where one decided to fail.
    pub fn code(self) -> &'static str {
        match self {
            Self::Rule(code) => code.as_str(),
            Self::EventNotUnderstood => "event-not-understood",
            Self::TagWriteFailed => "tag-write-failed",
            Self::RouteRefused => "route-refused",
            Self::RouteUnconfirmed => "route-unconfirmed",
            Self::PromotionRefused => "promotion-refused",
            Self::PromotionUnconfirmed => "promotion-unconfirmed",
            Self::FenceRefused => "fence-refused",
            Self::FenceUnconfirmed => "fence-unconfirmed",
            Self::VersionConflict => "version-conflict",
        }
    }

    /// What a person does next.
    pub fn next(self) -> Next {
        match self {
            Self::Rule(code) => Rule::of(code).next,
            Self::EventNotUnderstood => Next::words("Correct the event or the request: nothing was done."),
            Self::TagWriteFailed => Next::words(
                "Check the permissions on the health check's tags, and how many tags the health check has (at most ten). The next tick tries again.",
            ),
            Self::RouteRefused => Next::words(
                "Read the refusal above: most often a permission is missing (route53:UpdateHealthCheck). The next tick tries again.",
            ),
            Self::PromotionRefused => Next::words(
                "Read the refusal above: either a permission is missing (rds:PromoteReadReplica), or the replica's state does not allow it. The next tick tries again.",
            ),
            Self::FenceRefused => Next::words(
                "Keep writes away from the old primary by other means: RDS does not stop an instance that has read replicas. Delete or promote the replicas named above, or make the old primary read-only. The function tries again every five minutes.",
            ),
            Self::RouteUnconfirmed
            | Self::PromotionUnconfirmed
            | Self::FenceUnconfirmed
            | Self::VersionConflict => Next::NOTHING,
        }
    }

    /// Whether it says that the function could not see, which the error alarm is for, rather than that a change
    /// failed.
    pub fn is_blindness(self) -> bool {
        matches!(
            self,
            Self::EventNotUnderstood | Self::Rule(Code::PrimaryUnknown | Code::HealthCheckUnreadable)
        )
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
    pub done: Vec<Change>,
    /// Whether the switch was not flipped as Route 53 could not be reached.
    pub switch_unreachable: bool,
    /// Whether a change may have been made whose answer was lost.
    pub perhaps_made: bool,
}

impl Failure {
    /// A failure before anything was changed.
    pub fn new(kind: Kind, message: String) -> Self {
        let message = cut(&folded(&message), MOST);
        Self { kind, message, done: Vec::new(), switch_unreachable: false, perhaps_made: false }
    }

    /// The same failure for this reason, which kept the switch from being flipped.
    #[must_use]
    pub fn due_to(self, why: &ReadFailure) -> Self {
        Self { switch_unreachable: why.cause == Cause::Unreachable, ..self }
    }

    /// The same failure, where the change itself may have been made.
    #[must_use]
    pub fn perhaps_made(self) -> Self {
        Self { perhaps_made: true, ..self }
    }

    /// The same failure after these changes.
    #[must_use]
    pub fn after(mut self, done: &[Change]) -> Self {
        self.done.splice(0..0, done.iter().copied());
        self
    }
}

fn done_words(done: &[Change]) -> String {
    if done.is_empty() {
        return String::new();
    }
    let done: Vec<_> = done.iter().map(|change| change.as_str()).collect();
    format!(" (already done: {}; the next tick continues)", done.join(", "))
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.name(), error_message: failure.to_string() }
    }
}
