//! Carries out what was decided. Every change is announced in a tag, carries the version that was read, and is read
//! back; every step is safe to repeat.
//!
//! # The announcement protocol
//! 1. The tag announces the change: the version it will produce, who makes it, and `until` when that counts.
//! 2. The update names the version that was read, so Route 53 accepts one of any number that coincide.
//! 3. Whoever sees the change made writes the tag once more without `until`: confirmed, for good. That is the
//!    invocation whose update was accepted, or any later one that finds the flags at that version.
//! 4. Nobody takes an announcement back. One to a version that was never forced is dead by itself, as versions only
//!    grow; one that nobody confirmed lapses after the longest life of an invocation.
//! 5. An invocation whose update came too late, and that finds the check as its own update would have left it, has
//!    nothing to do: another invocation did it.
//! 6. A tick's announcement may land on top of an operator's. So an order looks at its claim once more, two seconds
//!    after its change.
//! 7. Where there is a replica, traffic goes back only after one more look at the tags: its promotion, or the stop of the
//!    old primary, may have been announced in that moment. Whoever promotes or stops looks, too, and takes its
//!    announcement back where it finds a failback's.
//! 8. A request to RDS is announced in a tag, too, and counts as sent for five minutes. The one that wrote the tag
//!    last sends it. The tag goes only where RDS certainly took nothing: it was not sent, as what it rests on could not
//!    be read once more or a failback was announced; RDS refused the promotion; or RDS throttled the request for so
//!    long that it is decided anew.

use std::error::Error;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;

use crate::aws::{Aws, GIVE_UP, failure_of, out_of_time, patiently, was_refused, was_throttled};
use crate::clock::{Clock, reserve};
use crate::memory::{Memory, Move, Tag};
use crate::model::{Cause, HealthCheck, ReadFailure, after};
use crate::observe::Observer;
use crate::policy::Pair;

mod fence;
mod promotion;
mod switch;
mod tags;

pub use switch::Direction;

/// A decided write that is throttled for so long is not sent on old evidence: it is decided anew.
const FRESH: Duration = Duration::from_secs(5);

/// What became of a change.
#[derive(Debug)]
pub enum Outcome {
    /// It was made; what the check and the tags are now.
    Made(Box<Switch>),
    /// Another invocation made it, or is about to.
    MadeByAnother,
    /// The world changed meanwhile: observe and decide again.
    Superseded,
    /// The announcement or the change was held up: look at the switch and decide again before it is sent.
    HeldUp,
}

impl Outcome {
    /// A change that leaves the switch as it was.
    fn made(check: &HealthCheck, memory: Memory) -> Self {
        Self::Made(Box::new(Switch { check: check.clone(), memory, claim: None, note: String::new() }))
    }
}

/// The switch after a change.
#[derive(Debug)]
pub struct Switch {
    /// The health check, read back.
    pub check: HealthCheck,
    /// What the tags say.
    pub memory: Memory,
    /// The announcement that claims the change, where the switch was flipped.
    pub claim: Option<(Tag, Move)>,
    /// What did not work, though the change was made; empty where all did.
    pub note: String,
}

/// Makes changes within one invocation.
pub struct Actor<'a> {
    aws: &'a Aws,
    pair: &'a Pair,
    observer: Observer<'a>,
    clock: Clock,
    /// Tells this invocation's announcements from those of others.
    id: String,
    /// How many announcements found no answer.
    lost: AtomicU32,
}

impl<'a> Actor<'a> {
    /// An actor that looks through `observer`. What it looks at belongs to a change, and leaves less time after it than
    /// what precedes one.
    pub fn new(aws: &'a Aws, pair: &'a Pair, observer: Observer<'a>, clock: Clock) -> Self {
        Self {
            aws,
            pair,
            observer: observer.keeping(reserve::CONFIRMING),
            clock,
            id: format!("{:016x}", fastrand::u64(..)),
            lost: AtomicU32::new(0),
        }
    }

    /// The moment of an announcement: with a random fraction of a millisecond, so that no two are alike.
    fn moment(&self) -> Timestamp {
        let jitter = Duration::from_nanos(fastrand::u64(0..1_000_000));
        after(self.clock.now(), jitter)
    }

    /// Sends a decided change, again only where a refusal says that it was throttled. The request itself must not be
    /// retried: one whose answer was lost, or is a server's error, may have been carried out, and a second attempt would
    /// hide that.
    async fn change<T, E, F>(
        &self,
        send: impl FnMut() -> F,
        is_conflict: impl FnOnce(&E) -> bool,
    ) -> WriteOutcome
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        // Where too little time is left to decide anew, what there is goes into the change.
        let may_decide_anew = self.clock.allows(FRESH + FRESH + reserve::ANNOUNCING);
        let clock =
            if may_decide_anew { self.clock.at_most(FRESH + reserve::CONFIRMING) } else { self.clock };
        let throttled = |error: &_| was_refused(error) && was_throttled(error);
        let answer = patiently(&clock, reserve::CONFIRMING, throttled, send).await;
        WriteOutcome::of(answer, &self.clock, is_conflict)
    }
}

/// Overrides of RDS's client for a request that it must not retry by itself.
fn rds_once() -> aws_sdk_rds::config::Builder {
    aws_sdk_rds::config::Builder::new().retry_config(RetryConfig::disabled())
}

/// Overrides of Route 53's client for a request that it must not retry by itself.
fn route53_once() -> aws_sdk_route53::config::Builder {
    aws_sdk_route53::config::Builder::new().retry_config(RetryConfig::disabled())
}

/// How a write ended.
enum WriteOutcome {
    Accepted,
    /// Certainly not.
    Refused(ReadFailure),
    /// Certainly not, for as long as what it rests on is fresh; there is time to decide anew.
    HeldUp(ReadFailure),
    /// The health check has another version, or the instance another state.
    Conflict(ReadFailure),
    /// Perhaps: the answer was lost.
    Unknown(ReadFailure),
}

impl WriteOutcome {
    /// Reads the answer to a write; `None` where the invocation ran out of time.
    fn of<T, E>(
        answer: Option<Result<T, SdkError<E, HttpResponse>>>,
        clock: &Clock,
        is_conflict: impl FnOnce(&E) -> bool,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match answer {
            None => Self::Unknown(out_of_time()),
            Some(Ok(_)) => Self::Accepted,
            // A server's error may carry any code, even after the update was made.
            Some(Err(error)) if !was_refused(&error) => Self::Unknown(failure_of(&error)),
            Some(Err(error)) if error.as_service_error().is_some_and(is_conflict) => {
                Self::Conflict(failure_of(&error))
            }
            Some(Err(error)) => match failure_of(&error) {
                why if why.cause == Cause::Throttled
                    && clock.allows(reserve::ANNOUNCING + FRESH)
                    && clock.elapsed() < GIVE_UP =>
                {
                    Self::HeldUp(why)
                }
                why => Self::Refused(why),
            },
        }
    }
}
