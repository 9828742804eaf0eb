//! Stopping the old primary, once the replica is on its own: open connections would go on writing to it.

use super::{Actor, Outcome, WriteOutcome, rds_once};
use crate::error::{Failure, Kind};
use crate::memory::{Memory, Sent, Tag};
use crate::model::{Evidence, HealthCheck, Instance, InstanceRef, Observation, ReadFailure, Reading};
use crate::status::Status;

impl Actor<'_> {
    /// Stops the old primary: announce, a fresh look at both instances and the switch, call.
    ///
    /// # Errors
    /// A failure that says whether the stop was sent.
    pub async fn fence(&self, seen: &Observation) -> Result<Outcome, Failure> {
        let (Some(check), Some(remembered), Some(primary), Some(replica)) =
            (seen.check.known(), seen.memory.read(), self.pair.rds_primary(), &self.pair.replica)
        else {
            return Ok(Outcome::Superseded);
        };
        let sent = Sent { version: check.version, at: self.moment(), instance: primary.identifier.clone() };
        if !self.announce(&[(Tag::Fenced, Some(sent.to_string()))]).await? {
            return Ok(Outcome::HeldUp);
        }
        let (memory, old) = match self.look_before_fence(primary, replica, check, &sent).await {
            Ok(Some((memory, _))) if memory.returned != remembered.returned => {
                // Traffic is about to go back to it: nothing was sent.
                self.take_back(Tag::Fenced, &sent).await;
                return Ok(Outcome::Superseded);
            }
            Ok(Some(found)) if found.0.pause == remembered.pause => found,
            Ok(Some(_) | None) => return Ok(Outcome::Superseded),
            Err(failure) => {
                self.take_back(Tag::Fenced, &sent).await;
                return Err(failure);
            }
        };
        if memory.fenced.as_ref() != Some(&sent) {
            // Another invocation announced the same after us: it sends it.
            return Ok(Outcome::MadeByAnother);
        }
        match self.send_stop(primary).await {
            WriteOutcome::Accepted => Ok(Outcome::made(check, memory)),
            WriteOutcome::Unknown(why) => Err(Failure::new(
                Kind::FenceUnconfirmed,
                format!("whether RDS accepted the request to stop {primary} is unknown: {why}; the request counts as sent"),
            )
            .perhaps_made()),
            WriteOutcome::Conflict(why) => match self.observer.instance(primary).await {
                // Stopped, or about to be.
                Reading::Known(now) if now.status != Status::Available => Ok(Outcome::MadeByAnother),
                Reading::Known(_) | Reading::Missing | Reading::Unknown(_) => {
                    Err(refused(primary, &old, &why))
                }
            },
            WriteOutcome::HeldUp(_) => {
                self.take_back(Tag::Fenced, &sent).await;
                Ok(Outcome::HeldUp)
            }
            WriteOutcome::Refused(why) => Err(refused(primary, &old, &why)),
        }
    }

    /// Everything that the stop rests on, read anew; `None` where it does not hold any more.
    async fn look_before_fence(
        &self,
        primary: &InstanceRef,
        replica: &InstanceRef,
        check: &HealthCheck,
        sent: &Sent,
    ) -> Result<Option<(Memory, Instance)>, Failure> {
        let (old, promoted, now, memory) = tokio::join!(
            Box::pin(self.observer.instance(primary)),
            Box::pin(self.observer.instance(replica)),
            Box::pin(self.observer.health_check()),
            Box::pin(self.observer.read_memory()),
        );
        let not_sent = |why: &ReadFailure| {
            Failure::new(
                Kind::FenceUnconfirmed,
                format!(
                    "the old primary was not stopped, as the evidence for that could not be read once more: {why}"
                ),
            )
        };
        if let Reading::Unknown(why) = &old {
            return Err(not_sent(why));
        }
        if let Reading::Unknown(why) = &promoted {
            return Err(not_sent(why));
        }
        if let Reading::Unknown(why) = &now {
            return Err(not_sent(why));
        }
        let memory = match memory {
            Evidence::Read(memory) => memory,
            Evidence::Unreadable(why) => return Err(not_sent(&why)),
            Evidence::NotRead => return Ok(None),
        };
        let (Reading::Known(old), Some(promoted), Some(now)) = (old, promoted.known(), now.known()) else {
            return Ok(None);
        };
        let of_this_incident = memory
            .promotion_in(check.version)
            .is_some_and(|promotion| promotion.instance == replica.identifier);
        let fenced = memory
            .fenced
            .as_ref()
            .is_some_and(|found| found.version == sent.version && found.instance == sent.instance);
        let made_anew = memory
            .routed_at(check.version, self.clock.now())
            .is_some_and(|routed| old.was_created_after(routed.at));
        let holds = old.status == Status::Available
            && !made_anew
            // A replica is never older than its source: somebody swapped the names of the two.
            && !promoted.is_older_than(&old)
            && promoted.status == Status::Available
            && promoted.source.is_none()
            && (now.version, now.state) == (check.version, check.state)
            && of_this_incident
            && fenced;
        Ok(holds.then_some((memory, old)))
    }

    async fn send_stop(&self, primary: &InstanceRef) -> WriteOutcome {
        let request = self
            .aws
            .rds(primary.region.as_deref())
            .stop_db_instance()
            .db_instance_identifier(&primary.identifier);
        let send = || request.clone().customize().config_override(rds_once()).send();
        self.change(send, |error| error.is_invalid_db_instance_state_fault()).await
    }
}

fn refused(primary: &InstanceRef, old: &Instance, why: &ReadFailure) -> Failure {
    let replicas = if old.replicas.is_empty() {
        String::new()
    } else {
        format!("; the old primary has read replicas: {}", old.replicas.join(", "))
    };
    Failure::new(
        Kind::FenceRefused,
        format!("RDS refused to stop the old primary {primary}: {why}{replicas}"),
    )
}
