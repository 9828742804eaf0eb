//! Holds calls at the door until a scheduler lets them through, one at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// What befalls one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disturbance {
    /// It is carried out, and the invocation dies before it hears the answer.
    Crash,
    /// It is carried out, and the connection is reset before the answer.
    Lost,
    /// It is refused as throttled.
    Throttle,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Crash, Self::Lost, Self::Throttle];

    /// Its name in a schedule.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Lost => "lost",
            Self::Throttle => "throttle",
        }
    }
}

/// A call of an invocation: which one, counted from 1 in the order in which it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId {
    pub(crate) invocation: u64,
    pub(crate) nth: u64,
}

type Release = oneshot::Sender<Option<Disturbance>>;

/// The calls that wait, and a digest of what each invocation was answered.
#[derive(Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    held: BTreeMap<CallId, Release>,
    asked: BTreeMap<u64, u64>,
    heard: BTreeMap<u64, u64>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the scheduler lets this call through; answers what is to befall it.
    pub(crate) async fn pass(&self, invocation: u64) -> (CallId, Option<Disturbance>) {
        let (release, released) = oneshot::channel();
        let id = {
            let mut state = self.state();
            let asked = state.asked.entry(invocation).or_default();
            *asked += 1;
            let id = CallId { invocation, nth: *asked };
            state.held.insert(id, release);
            id
        };
        (id, released.await.unwrap_or(None))
    }

    /// The calls that wait. One whose caller gave up is none.
    pub(crate) fn held(&self) -> Vec<CallId> {
        let mut state = self.state();
        state.held.retain(|_, release| !release.is_closed());
        state.held.keys().copied().collect()
    }

    /// Lets a call through; `false` if it does not wait.
    pub(crate) fn release(&self, id: CallId, disturbance: Option<Disturbance>) -> bool {
        let release = self.state().held.remove(&id);
        release.is_some_and(|release| release.send(disturbance).is_ok())
    }

    /// Adds an answer to what an invocation knows. The order of answers to calls that were made side by side does
    /// not count: the caller waits for all of them.
    pub(crate) fn heard(&self, id: CallId, answer: &impl Hash) {
        let mut digest = DefaultHasher::new();
        (id, answer).hash(&mut digest);
        let mut state = self.state();
        let heard = state.heard.entry(id.invocation).or_default();
        *heard = heard.wrapping_add(digest.finish());
    }

    /// A digest of all that an invocation was answered.
    pub(crate) fn knowledge(&self, invocation: u64) -> u64 {
        self.state().heard.get(&invocation).copied().unwrap_or_default()
    }
}
