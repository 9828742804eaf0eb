//! Waiting out a throttled account.
//!
//! Route 53 takes ten requests a second of a whole account, so thirty databases that fail together throttle each
//! other. A refusal for that reason says nothing about the call: it is repeated until it is heard, or until the time
//! that is left belongs to the steps that follow.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{failure_of, was_throttled};
use crate::clock::{Clock, reserve};
use crate::model::{Cause, ReadFailure};

/// The first pause.
const FIRST: Duration = Duration::from_millis(100);
/// How much longer each pause is than the one before: slow enough that one who is refused for a few seconds only is not
/// overtaken by those that came later.
const GROWTH: f64 = 1.4;
/// The longest before a tick's change. Nearly all requests of an account that is throttled are looks: the longer they
/// are refused, the more they leave to the changes that others have begun. Longer pauses would only cost time where other
/// tools use up the limit.
const LONGEST: Duration = Duration::from_secs(3);
/// The longest once the change is decided or a person waits: what it rests on grows old, and to read it again takes more
/// requests.
const LONGEST_DECIDED: Duration = Duration::from_millis(200);
/// The longest after a change: it leaves the requests of the account to those that have not changed anything yet.
const LONGEST_AFTER: Duration = Duration::from_secs(2);
/// Without a deadline, as under `cargo lambda watch`: Lambda's longest invocation.
pub const GIVE_UP: Duration = Duration::from_secs(900);

/// The pauses between the attempts at a call, growing and jittered.
#[derive(Debug)]
pub struct Patience {
    next: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Patience {
    /// Waits before the next attempt; `false`, at once, where that would not leave `reserve` before the deadline.
    pub async fn wait(&mut self, clock: &Clock, reserve: Duration) -> bool {
        // A long pause must not pass over what is left for another attempt.
        let spare = clock.left().unwrap_or(Duration::MAX).saturating_sub(reserve);
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0).min(FIRST.max(spare / 2));
        let longest = match reserve {
            reserve if reserve >= reserve::ANNOUNCING => LONGEST,
            reserve if reserve >= reserve::CONFIRMING => LONGEST_DECIDED,
            _ => LONGEST_AFTER,
        };
        self.next = self.next.mul_f64(GROWTH).min(longest);
        if !clock.allows(pause + reserve) || clock.elapsed() > GIVE_UP {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

/// Makes a call, and repeats it while it is `throttled` and the deadline leaves `reserve`.
///
/// `None` where the invocation ran out of time within an attempt.
pub async fn patiently<T, E, F>(
    clock: &Clock,
    reserve: Duration,
    throttled: impl Fn(&SdkError<E, HttpResponse>) -> bool,
    mut send: impl FnMut() -> F,
) -> Option<Result<T, SdkError<E, HttpResponse>>>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut patience = Patience::default();
    loop {
        let answer = clock.within(send()).await?;
        if !answer.as_ref().is_err_and(&throttled) || !patience.wait(clock, reserve).await {
            return Some(answer);
        }
    }
}

/// Asks for evidence, and says why there is none. A throttled call is repeated while the deadline leaves `reserve`.
///
/// # Errors
/// Why the call was not answered, or was refused.
pub async fn ask<T, E, F>(clock: &Clock, reserve: Duration, send: impl FnMut() -> F) -> Result<T, ReadFailure>
where
    E: ProvideErrorMetadata + Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    answered(patiently(clock, reserve, was_throttled, send).await)
}

/// An answer that may have come too late, without the SDK's own error.
///
/// # Errors
/// Why the call was not answered, or was refused.
pub fn answered<T, E>(answer: Option<Result<T, SdkError<E, HttpResponse>>>) -> Result<T, ReadFailure>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    answer.ok_or_else(out_of_time)?.map_err(|error| failure_of(&error))
}

/// The invocation ran out of time: that says nothing of the service.
pub fn out_of_time() -> ReadFailure {
    ReadFailure { cause: Cause::Other, detail: "the invocation's deadline is too close".to_owned() }
}
