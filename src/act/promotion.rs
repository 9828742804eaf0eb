//! Promoting the replica, once traffic was moved to it.

use super::{Actor, Outcome, WriteOutcome, rds_once};
use crate::error::{Failure, Kind};
use crate::memory::{By, Memory, Move, Sent, Tag};
use crate::model::{HealthCheck, InstanceRef, Observation, ReadFailure, Reading};
use crate::observe::memory_of;
use crate::status::Status;

impl Actor<'_> {
    /// Promotes the replica while the check is forced unhealthy: announce, one last look at the switch, call.
    ///
    /// # Errors
    /// A failure that says whether the promotion was sent.
    pub async fn promote(&self, seen: &Observation, by: By, reason: &str) -> Result<Outcome, Failure> {
        let (Some(check), Some(memory), Some(replica)) =
            (seen.check.known(), seen.memory.read(), &self.pair.replica)
        else {
            return Ok(Outcome::Superseded);
        };
        let sent = Sent { version: check.version, at: self.moment(), instance: replica.identifier.clone() };
        let mut announcements = vec![(Tag::Promoted, Some(sent.to_string()))];
        if memory.routed_by(check.version, self.clock.now()).is_none() {
            // Traffic was moved by somebody else, and an operator's force adopts that: the promotion must have an
            // incident to belong to.
            let reason = reason.to_owned();
            let adopted = Move { version: check.version, by, at: sent.at, id: None, until: None, reason };
            announcements.push((Tag::Routed, Some(adopted.to_string())));
        }
        if !self.announce(&announcements).await? {
            return Ok(Outcome::HeldUp);
        }
        let memory = match self.last_look(check, memory, &sent, by).await {
            Ok(LastLook::Clear(memory)) => *memory,
            Ok(LastLook::Disturbed) => return Ok(Outcome::Superseded),
            Ok(LastLook::Returning) => {
                // The failback looks as well, and would wait for a promotion that is not sent.
                self.take_back(Tag::Promoted, &sent).await;
                return Ok(Outcome::Superseded);
            }
            Ok(LastLook::SentByAnother) => return Ok(Outcome::MadeByAnother),
            Err(failure) => {
                // Nothing was sent, so the next tick need not wait for it.
                self.take_back(Tag::Promoted, &sent).await;
                return Err(failure);
            }
        };
        match self.send_promotion(replica).await {
            WriteOutcome::Accepted => Ok(Outcome::made(check, memory)),
            WriteOutcome::Unknown(why) => Err(Failure::new(
                Kind::PromotionUnconfirmed,
                format!(
                    "whether RDS accepted the promotion of {replica} is unknown: {why}; the promotion counts as sent"
                ),
            )
            .perhaps_made()),
            WriteOutcome::Conflict(why) => self.after_conflict(replica, &sent, &why).await,
            WriteOutcome::HeldUp(_) => {
                self.take_back(Tag::Promoted, &sent).await;
                Ok(Outcome::HeldUp)
            }
            WriteOutcome::Refused(why) => Err(self.refused(replica, &sent, &why).await),
        }
    }

    /// What the promotion rests on, once it is announced.
    async fn last_look(
        &self,
        check: &HealthCheck,
        remembered: &Memory,
        sent: &Sent,
        by: By,
    ) -> Result<LastLook, Failure> {
        let (tags, now) = tokio::join!(self.observer.read_tags(), self.observer.health_check());
        let not_sent = |why: &ReadFailure| {
            Failure::new(
                Kind::TagWriteFailed,
                format!("the promotion was not sent, as the switch could not be read once more: {why}"),
            )
        };
        let memory = tags.and_then(|tags| memory_of(&tags)).map_err(|why| not_sent(&why))?;
        let now = match now {
            Reading::Known(now) => now,
            Reading::Unknown(why) => return Err(not_sent(&why)),
            Reading::Missing => return Ok(LastLook::Disturbed),
        };
        let owner = |memory: &Memory| memory.routed_by(check.version, self.clock.now());
        let adopts = owner(remembered).is_none();
        let another_owner = match by {
            By::Auto => owner(&memory) != owner(remembered),
            // A tick's announcement that landed on the request's claim does not stop the request.
            By::Operator => owner(&memory).is_none(),
        };
        // Another version or another owner, a pause or a failback: not another text of the same announcement.
        let disturbed = (now.version, now.state) != (check.version, check.state)
            || memory.pause != remembered.pause
            || (!adopts && another_owner);
        if disturbed {
            return Ok(LastLook::Disturbed);
        }
        if memory.returned != remembered.returned {
            return Ok(LastLook::Returning);
        }
        Ok(match &memory.promoted {
            Some(found) if found == sent => LastLook::Clear(Box::new(memory)),
            // Written over by another invocation that announced the same: it sends it.
            Some(found) if found.version == sent.version && found.instance == sent.instance => {
                LastLook::SentByAnother
            }
            Some(_) | None => LastLook::Disturbed,
        })
    }

    /// `InvalidDBInstanceState`: done already, under way, or impossible. Only the instance can tell.
    async fn after_conflict(
        &self,
        replica: &InstanceRef,
        sent: &Sent,
        why: &ReadFailure,
    ) -> Result<Outcome, Failure> {
        match self.observer.instance(replica).await {
            Reading::Known(instance) if instance.source.is_none() => {
                // On its own already, and not through this request: the tag must not say so.
                self.take_back(Tag::Promoted, sent).await;
                Ok(Outcome::Superseded)
            }
            // Perhaps a promotion that another invocation sent is under way, which does not show at once: to forget it
            // could route to a stale primary.
            Reading::Known(instance) if matches!(instance.status, Status::Available | Status::Modifying) => {
                tracing::warn!(%why, "RDS refused the promotion in the replica's present state: the promotion counts as sent");
                Ok(Outcome::MadeByAnother)
            }
            Reading::Known(_) => Err(self.refused(replica, sent, why).await),
            Reading::Missing | Reading::Unknown(_) => Err(Failure::new(
                Kind::PromotionUnconfirmed,
                format!(
                    "RDS refused to promote {replica}, whose state could not be read: {why}; the promotion counts as sent"
                ),
            )
            .perhaps_made()),
        }
    }

    /// A definite refusal: the tag goes, as nothing was sent.
    async fn refused(&self, replica: &InstanceRef, sent: &Sent, why: &ReadFailure) -> Failure {
        let removed = self.take_back(Tag::Promoted, sent).await;
        let note =
            if removed { "" } else { "; the tag failover:promoted stays, and is ignored after five minutes" };
        Failure::new(Kind::PromotionRefused, format!("RDS refused to promote {replica}: {why}{note}"))
    }

    async fn send_promotion(&self, replica: &InstanceRef) -> WriteOutcome {
        let request = self
            .aws
            .rds(replica.region.as_deref())
            .promote_read_replica()
            .db_instance_identifier(&replica.identifier);
        let send = || request.clone().customize().config_override(rds_once()).send();
        self.change(send, |error| error.is_invalid_db_instance_state_fault()).await
    }
}

/// What the last look before a promotion found.
enum LastLook {
    Clear(Box<Memory>),
    Disturbed,
    /// A failback was announced.
    Returning,
    SentByAnother,
}
