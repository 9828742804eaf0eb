//! Carries out what was decided. Every change is announced by a tag, carries the version that was read, and is
//! read back; every step is safe to repeat.
//!
//! Two invocations may act at the same time, and a person at any time. So a tag is read back before the change it
//! announces: the one that wrote last goes on, the other looks again.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::aws::{Aws, RetryThrottlesOnly, blind, may_have_happened};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Failure, Kind};
use crate::memory::{By, Memory, Move, Promotion, Tag};
use crate::model::{Blind, CheckState, HealthCheck, InstanceRef, Observation, Reading};
use crate::observe::{Observer, out_of_time};
use crate::report::Action;
use crate::status::Status;

mod tags;

use tags::Claim;

/// How often an update whose answer was lost is sent, each time after a look whether it was carried out.
const ATTEMPTS: u32 = 3;
/// Between these attempts, growing.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a change.
#[derive(Debug)]
pub enum Outcome {
    /// It was made and read back; what the check and the tags are now.
    Done(Box<HealthCheck>, Box<Memory>),
    /// The world changed meanwhile: observe and decide again.
    Raced,
}

/// Where traffic is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both flags set.
    ToSecondary,
    /// Both flags cleared.
    ToPrimary,
}

impl Direction {
    /// The action it is reported as.
    pub fn action(self) -> Action {
        match self {
            Self::ToSecondary => Action::RouteToSecondary,
            Self::ToPrimary => Action::RouteToPrimary,
        }
    }

    fn tag(self) -> Tag {
        match self {
            Self::ToSecondary => Tag::Routed,
            Self::ToPrimary => Tag::Returned,
        }
    }

    fn state(self) -> CheckState {
        match self {
            Self::ToSecondary => CheckState::ForcedUnhealthy,
            Self::ToPrimary => CheckState::Normal,
        }
    }
}

/// Makes changes within one invocation.
pub struct Actor<'a> {
    aws: &'a Aws,
    config: &'a Config,
    observer: &'a Observer<'a>,
    clock: Clock,
}

/// How a write ended.
enum Written {
    Yes,
    /// Certainly not.
    Refused(Blind),
    /// The health check has another version, or the instance another state.
    Conflict,
    /// Perhaps: the answer was lost.
    Unknown(Blind),
}

impl Written {
    /// Reads the answer to a write; `None` where the invocation ran out of time.
    fn of<T, E>(
        answer: Option<Result<T, SdkError<E, HttpResponse>>>,
        is_conflict: impl FnOnce(&E) -> bool,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match answer {
            None => Self::Unknown(out_of_time()),
            Some(Ok(_)) => Self::Yes,
            Some(Err(error)) if error.as_service_error().is_some_and(is_conflict) => Self::Conflict,
            Some(Err(error)) if may_have_happened(&error) => Self::Unknown(blind(&error)),
            Some(Err(error)) => Self::Refused(blind(&error)),
        }
    }
}

impl<'a> Actor<'a> {
    /// An actor that looks through `observer`.
    pub fn new(aws: &'a Aws, config: &'a Config, observer: &'a Observer<'a>, clock: Clock) -> Self {
        Self { aws, config, observer, clock }
    }

    /// Moves traffic: tag, flags, read back.
    ///
    /// # Errors
    /// A failure that says whether the flags may have been changed.
    pub async fn route(
        &self,
        to: Direction,
        seen: &Observation,
        by: By,
        reason: &str,
    ) -> Result<Outcome, Failure> {
        let (Some(check), Some(memory)) = (seen.check.known(), seen.memory.read()) else {
            return Ok(Outcome::Raced);
        };
        let version = check.version + 1;
        let claims = [Claim::new(
            to.tag(),
            &Move { version, by, at: self.clock.now(), reason: reason.to_owned() },
            memory,
        )];
        let Some(memory) = self.announce(&claims, check, memory).await? else {
            return Ok(Outcome::Raced);
        };
        for attempt in 1.. {
            let lost = match self.set_flags(to.state(), check.version).await {
                Written::Yes => break,
                Written::Conflict if attempt == 1 => return self.raced(&claims).await,
                // Perhaps with our own first attempt: look.
                Written::Conflict => None,
                Written::Refused(why) => {
                    let note = self.retract(&claims).await.err().unwrap_or_default();
                    return Err(Failure::new(
                        Kind::RouteRefused,
                        format!("the update of the health check was refused: {why}{note}"),
                    ));
                }
                Written::Unknown(why) => Some(why),
            };
            let words = lost.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            match self.observer.health_check().await {
                Reading::Known(now) if now.version == version && now.state == to.state() => break,
                Reading::Known(now) if now.version == check.version => {
                    if attempt == ATTEMPTS {
                        // Should it be carried out late after all, nobody claims it: that is left to a person.
                        let note = self.retract(&claims).await.err().unwrap_or_default();
                        let failure = Failure::new(
                            Kind::RouteUnconfirmed,
                            format!("the health check was not updated in {ATTEMPTS} attempts{words}{note}"),
                        );
                        return Err(lost.iter().fold(failure, Failure::for_want_of));
                    }
                    tokio::time::sleep(PAUSE * attempt).await;
                }
                Reading::Known(_) => return self.raced(&claims).await,
                Reading::Missing | Reading::Unknown(_) => {
                    return Err(Failure::new(
                        Kind::RouteUnconfirmed,
                        format!("whether the health check was updated is unknown{words}"),
                    ));
                }
            }
        }
        let (now, note) = tokio::join!(self.observer.health_check(), self.keep(&claims));
        let why = match now {
            Reading::Known(now) => return Ok(Outcome::Done(Box::new(now), Box::new(memory))),
            Reading::Missing => "it is missing".to_owned(),
            Reading::Unknown(why) => why.to_string(),
        };
        Err(Failure::new(
            Kind::RouteUnconfirmed,
            format!(
                "the health check was updated but could not be read back: {why}{}",
                note.unwrap_or_default()
            ),
        )
        .after(&[to.action()]))
    }

    /// Promotes the replica behind a check that is forced unhealthy: tag, one last look at the switch, call.
    ///
    /// # Errors
    /// A failure that says whether the promotion was sent.
    pub async fn promote(&self, seen: &Observation, by: By, reason: &str) -> Result<Outcome, Failure> {
        let (Some(check), Some(memory), Some(replica)) =
            (seen.check.known(), seen.memory.read(), &self.config.policy.replica)
        else {
            return Ok(Outcome::Raced);
        };
        let at = self.clock.now();
        let promotion = Promotion { version: check.version, at, instance: replica.identifier.clone() };
        let mut claims = vec![Claim::new(Tag::Promoted, &promotion, memory)];
        if memory.routed_by(check.version).is_none() {
            // Traffic was moved by somebody else, and an operator's force adopts that: the promotion must have an
            // incident to belong to.
            let adopted = Move { version: check.version, by, at, reason: reason.to_owned() };
            claims.push(Claim::new(Tag::Routed, &adopted, memory));
        }
        let Some(memory) = self.announce(&claims, check, memory).await? else {
            return Ok(Outcome::Raced);
        };

        match self.send_promotion(replica).await {
            Written::Yes => {
                self.keep(&claims).await;
                Ok(Outcome::Done(Box::new(check.clone()), Box::new(memory)))
            }
            Written::Unknown(why) => {
                let note = self.keep(&claims).await.unwrap_or_default();
                Err(Failure::new(
                    Kind::PromotionUnconfirmed,
                    format!(
                        "whether RDS accepted the promotion of {replica} is unknown: {why}; it counts as sent{note}"
                    ),
                ))
            }
            Written::Conflict => {
                // InvalidDBInstanceState: done already, under way, or impossible. Only RDS can tell.
                let now = self.observer.instance(replica).await;
                match now.known() {
                    Some(instance) if instance.source.is_none() => Ok(Outcome::Raced),
                    Some(instance) if !matches!(instance.status, Status::Available | Status::Modifying) => {
                        let note = self.retract(&claims).await.err().unwrap_or_default();
                        Err(Failure::new(
                            Kind::PromotionRefused,
                            format!("RDS refused to promote {replica}, which is {}{note}", instance.status),
                        ))
                    }
                    // Perhaps an earlier promotion is under way, which does not show at once: to forget it could
                    // route to a stale primary.
                    Some(_) | None => Err(Failure::new(
                        Kind::PromotionUnconfirmed,
                        format!(
                            "RDS refused to promote {replica} in its present state, perhaps as a promotion is under way; it counts as sent"
                        ),
                    )),
                }
            }
            Written::Refused(why) => {
                let note = self.retract(&claims).await.err().unwrap_or_default();
                Err(Failure::new(
                    Kind::PromotionRefused,
                    format!("RDS refused to promote {replica}: {why}{note}"),
                ))
            }
        }
    }

    /// Writes the pause, or removes it.
    ///
    /// # Errors
    /// A failure if the tag could not be changed.
    pub async fn set_pause(&self, value: Option<String>) -> Result<(), Failure> {
        self.tag(&[(Tag::Pause, value)]).await.map_err(|why| {
            Failure::new(
                Kind::TagWriteFailed,
                format!("the tag {} could not be changed: {why}", Tag::Pause.key()),
            )
        })
    }

    async fn set_flags(&self, state: CheckState, version: i64) -> Written {
        let both = state == CheckState::ForcedUnhealthy;
        let request = self
            .aws
            .route53()
            .update_health_check()
            .health_check_id(&self.config.health_check_id)
            .health_check_version(version)
            .disabled(both)
            .inverted(both)
            .customize()
            .config_override(aws_sdk_route53::config::Builder::new().retry_classifier(RetryThrottlesOnly))
            .send();
        Written::of(self.clock.within(request).await, |error| error.is_health_check_version_mismatch())
    }

    async fn send_promotion(&self, replica: &InstanceRef) -> Written {
        let request = self
            .aws
            .rds(replica.region.as_deref())
            .promote_read_replica()
            .db_instance_identifier(&replica.identifier)
            .customize()
            .config_override(aws_sdk_rds::config::Builder::new().retry_classifier(RetryThrottlesOnly))
            .send();
        Written::of(self.clock.within(request).await, |error| error.is_invalid_db_instance_state_fault())
    }
}
