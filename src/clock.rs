//! The time of one invocation: what it is now, and how much of it is left.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// What is kept back from the deadline, to report before Lambda ends the invocation.
const MARGIN: Duration = Duration::from_millis(500);

/// The time before the deadline that is kept for a step and for all that follow it: an earlier step ends before it.
pub mod reserve {
    use std::time::Duration;

    /// All of a change: kept while RDS, the probes and the switch are read.
    pub const ANNOUNCING: Duration = Duration::from_secs(4);
    /// The change and what follows: kept while it is announced.
    pub const CHANGING: Duration = Duration::from_secs(3);
    /// Reading the change back and confirming it: kept while it is made.
    pub const CONFIRMING: Duration = Duration::from_secs(2);
    /// The report: kept while the change is confirmed.
    pub const REPORTING: Duration = Duration::from_secs(1);
}

/// The clock of one invocation. It follows tokio's clock from where it was started, so tests can pause it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Timestamp,
    started: Instant,
    budget: Option<Duration>,
}

impl Clock {
    /// Starts the clock at `now`. A deadline in the past means no deadline: `cargo lambda watch` sends 1970.
    pub fn start(now: Timestamp, deadline: Option<Timestamp>) -> Self {
        let budget = deadline
            .map(|deadline| deadline.duration_since(now))
            .filter(SignedDuration::is_positive)
            .map(|left| left.unsigned_abs().saturating_sub(MARGIN));
        Self { origin: now, started: Instant::now(), budget }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::ZERO);
        self.origin.checked_add(elapsed).unwrap_or(self.origin)
    }

    /// How long the invocation has run.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is left of the invocation, less the margin; `None` if it has no deadline.
    pub fn left(&self) -> Option<Duration> {
        self.budget.map(|budget| budget.saturating_sub(self.started.elapsed()))
    }

    /// The same clock, with a deadline no later than this from now.
    #[must_use]
    pub fn at_most(self, duration: Duration) -> Self {
        let budget = self.started.elapsed() + duration;
        Self { budget: Some(self.budget.map_or(budget, |own| own.min(budget))), ..self }
    }

    /// Whether this much time is left.
    pub fn allows(&self, duration: Duration) -> bool {
        self.left().is_none_or(|left| duration < left)
    }

    /// Waits for the future, at most until the deadline less the margin.
    ///
    /// The future goes to the heap: those of the SDK are so large that a few of them side by side fill a stack.
    pub fn within<T>(&self, future: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
        let future = Box::pin(future);
        let left = self.left();
        async move {
            match left {
                Some(left) => tokio::time::timeout(left, future).await.ok(),
                None => Some(future.await),
            }
        }
    }
}
