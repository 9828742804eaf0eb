//! Moving traffic: the two flags of the health check.

use std::time::Duration;

use jiff::Timestamp;

use super::{Actor, FRESH, Outcome, Switch, WriteOutcome, route53_once};
use crate::aws::Patience;
use crate::clock::reserve;
use crate::error::{Failure, Kind};
use crate::memory::{ANNOUNCED_FOR, By, Memory, Move, Tag};
use crate::model::{Cause, Change, CheckState, HealthCheck, Need, Observation, ReadFailure, Reading};
use crate::observe::memory_of;

/// How often an update whose answer was lost is sent, each time after a look whether it was carried out.
const ATTEMPTS: u32 = 3;
/// How long after the first attempt an update is sent again: an announcement that is older counts for less to others,
/// who may promote meanwhile.
const SENT_AGAIN_WITHIN: Duration = Duration::from_secs(15);
/// The pause after the first attempt at an update; it grows by as much each time.
const PAUSE: Duration = Duration::from_millis(200);
/// After its change an order waits this long before it looks at its claim: a tick's announcement that was under way
/// has landed by then.
const CLAIM_SETTLES: Duration = Duration::from_secs(2);
/// Whoever finds the announcement of another invocation's failover looks again so much later, before it counts.
const CLAIM_SETTLED: Duration = CLAIM_SETTLES.saturating_add(Duration::from_secs(1));
/// A tick that cannot tell whether a change is its own waits this long: an order that found the tick's announcement on
/// its claim has looked at it anew and restored it by then.
const ORDERS_SETTLE: Duration = CLAIM_SETTLES.saturating_mul(3);

/// A confirmation that is held up looks at the tag so often: another incident takes longer.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where traffic is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both flags set.
    ToSecondary,
    /// Both flags cleared.
    ToPrimary,
}

impl Direction {
    fn change(self) -> Change {
        match self {
            Self::ToSecondary => Change::RouteToSecondary,
            Self::ToPrimary => Change::RouteToPrimary,
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

impl Actor<'_> {
    /// Moves traffic: announce, update, read back, confirm.
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
            return Ok(Outcome::Superseded);
        };
        let Some(version) = check.version.checked_add(1) else { return Ok(Outcome::Superseded) };
        if self.was_made_since(to.tag(), memory, check, by).await {
            return Ok(Outcome::Superseded);
        }
        let (now, begun) = (self.clock.now(), self.clock.elapsed());
        let announced = Move {
            version,
            by,
            at: now,
            id: Some(self.id.clone()),
            until: Some(now.checked_add(ANNOUNCED_FOR).unwrap_or(Timestamp::MAX)),
            reason: reason.to_owned(),
        };
        if !self.announce(&[(to.tag(), Some(announced.to_string()))]).await? {
            return Ok(Outcome::HeldUp);
        }
        if to == Direction::ToPrimary && self.pair.replica.is_some() {
            if self.was_disturbed(check, memory, by).await? {
                return Ok(Outcome::Superseded);
            }
            // Others heed the announcement of a failback for half a minute only.
            if self.clock.elapsed() - begun > FRESH {
                return Ok(Outcome::HeldUp);
            }
        }
        match self.update(to, check.version, &announced).await? {
            Updated::Ours => {
                self.confirm_change(to, memory, announced).await.map(|switch| Outcome::Made(Box::new(switch)))
            }
            Updated::Others => Ok(Outcome::MadeByAnother),
            Updated::Superseded => Ok(Outcome::Superseded),
            Updated::HeldUp => Ok(Outcome::HeldUp),
        }
    }

    /// Whether another owner made the change since the check was read: the tags, read later, claim it. An announcement
    /// would cover a request's claim; of two ticks it makes no difference whose claim stands.
    async fn was_made_since(&self, tag: Tag, memory: &Memory, check: &HealthCheck, by: By) -> bool {
        let claim = if tag == Tag::Routed { &memory.routed } else { &memory.returned };
        let claimed = claim.as_ref().is_some_and(|claim| {
            claim.by != by && claim.version > check.version && claim.claims(self.clock.now())
        });
        // Or another invocation is about to make it, or a person wrote such a tag: only the check can tell.
        let observer = self.observer.keeping(reserve::CHANGING);
        claimed
            && !matches!(observer.health_check().await, Reading::Known(now) if now.version == check.version)
    }

    /// Whether the failover has another owner, a pause was set, or a promotion or a stop announced since the tags were
    /// read: before traffic goes back, once that is announced. Whoever promotes or stops announces, too, before its last
    /// look at the tags: of the two, one at least sees the other.
    async fn was_disturbed(&self, check: &HealthCheck, remembered: &Memory, by: By) -> Result<bool, Failure> {
        let observer = self.observer.keeping(reserve::CHANGING);
        let memory = observer.read_tags().await.and_then(|tags| memory_of(&tags)).map_err(|why| {
            Failure::new(
                Kind::TagWriteFailed,
                format!("traffic was not sent back, as the tags could not be read once more: {why}"),
            )
            .due_to(&why)
        })?;
        let owner = |memory: &Memory| memory.routed_by(check.version, self.clock.now());
        let another_owner = by == By::Auto && owner(&memory) != owner(remembered);
        let promoted = memory.promoted.is_some() && memory.promoted != remembered.promoted;
        let fenced = memory.fenced.is_some() && memory.fenced != remembered.fenced;
        Ok(another_owner || promoted || fenced || memory.pause != remembered.pause)
    }

    /// Sends the update until it is known what became of it.
    async fn update(&self, to: Direction, from: i64, announced: &Move) -> Result<Updated, Failure> {
        let begun = self.clock.elapsed();
        for attempt in 1.. {
            let (lost, certain) = match self.set_flags(to.state(), from).await {
                WriteOutcome::Accepted => return Ok(Updated::Ours),
                WriteOutcome::Conflict(why) => (why, true),
                WriteOutcome::Refused(why) => {
                    return Err(Failure::new(
                        Kind::RouteRefused,
                        format!("Route 53 refused to update the health check: {why}"),
                    ));
                }
                WriteOutcome::HeldUp(_) if attempt == 1 => return Ok(Updated::HeldUp),
                WriteOutcome::HeldUp(why) | WriteOutcome::Unknown(why) => (why, false),
            };
            // Where an earlier answer was lost, a conflict may be with our own update.
            let ours = attempt > 1 || !certain;
            match self.observer.health_check().await {
                Reading::Known(now) if now.version == announced.version && now.state == to.state() => {
                    let others = !ours || self.was_requested(to.tag(), announced).await?;
                    return Ok(if others { Updated::Others } else { Updated::Ours });
                }
                Reading::Known(now) if now.version == from => {
                    if attempt == ATTEMPTS || self.clock.elapsed() - begun > SENT_AGAIN_WITHIN {
                        return Err(Failure::new(
                            Kind::RouteUnconfirmed,
                            format!("the health check was not updated in {attempt} attempt(s): {lost}"),
                        )
                        .due_to(&lost));
                    }
                    tokio::time::sleep(PAUSE * attempt).await;
                }
                Reading::Known(_) => return Ok(Updated::Superseded),
                Reading::Missing | Reading::Unknown(_) => {
                    return Err(Failure::new(
                        Kind::RouteUnconfirmed,
                        format!("whether the health check was updated is unknown: {lost}"),
                    )
                    .due_to(&lost)
                    .perhaps_made());
                }
            }
        }
        Ok(Updated::Superseded)
    }

    /// Whether an order made the change that a tick may have made, as its answer was lost: a tick does not take an
    /// order's failover for its own, nor promote behind it.
    async fn was_requested(&self, tag: Tag, announced: &Move) -> Result<bool, Failure> {
        if announced.by == By::Operator {
            return Ok(false);
        }
        if self.clock.allows(ORDERS_SETTLE + reserve::CONFIRMING) {
            tokio::time::sleep(ORDERS_SETTLE).await;
        }
        let present = self.announced(tag).await.map_err(|why| {
            Failure::new(
                Kind::RouteUnconfirmed,
                format!("the health check was updated, but it is unknown whether by this invocation: {why}"),
            )
            .due_to(&why)
            .perhaps_made()
        })?;
        Ok(present.is_some_and(|present| present.version == announced.version && present.by == By::Operator))
    }

    /// What the tag says now; `None` too where it does not read as a claim.
    async fn announced(&self, tag: Tag) -> Result<Option<Move>, ReadFailure> {
        let tags = self.observer.read_tags().await?;
        Ok(tags.get(tag.key()).and_then(|value| value.parse().ok()))
    }

    /// Reads the change back, and confirms its announcement.
    async fn confirm_change(
        &self,
        to: Direction,
        memory: &Memory,
        announced: Move,
    ) -> Result<Switch, Failure> {
        let confirmed = announced.confirmed();
        let observer = self.observer.keeping(reserve::REPORTING);
        let (read_back, kept) = tokio::join!(observer.health_check(), self.confirm(to.tag(), &confirmed));
        let note = kept.err().map_or_else(String::new, |why| {
            format!("the announcement of this change could not be confirmed ({why}): a tick within 15 minutes confirms it")
        });
        let why = match read_back {
            Reading::Known(check) => {
                let mut memory = memory.clone();
                let claim = Some((to.tag(), confirmed.clone()));
                match to {
                    Direction::ToSecondary => memory.routed = Some(confirmed),
                    Direction::ToPrimary => memory.returned = Some(confirmed),
                }
                return Ok(Switch { check, memory, claim, note });
            }
            Reading::Missing => "it is missing".to_owned(),
            Reading::Unknown(why) => why.to_string(),
        };
        let note = if note.is_empty() { note } else { format!("; {note}") };
        Err(Failure::new(
            Kind::RouteUnconfirmed,
            format!("the health check was updated but could not be read back: {why}{note}"),
        )
        .after(&[to.change()]))
    }

    /// Confirms the announcement of a change that was made: the same tag without `until`.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn confirm(&self, tag: Tag, made: &Move) -> Result<(), ReadFailure> {
        let confirmed = [(tag, Some(made.confirmed().to_string()))];
        let mut looked = self.clock.elapsed();
        let mut patience = Patience::default();
        let mut lost = 0;
        loop {
            let why = match self.write_once(&confirmed).await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            lost += u32::from(why.cause == Cause::Unreachable);
            let may_try_again = why.cause == Cause::Throttled || (1..ATTEMPTS).contains(&lost);
            if !(may_try_again && patience.wait(&self.clock, reserve::REPORTING).await) {
                return Err(why);
            }
            // Held up for so long, it must not cover what was announced meanwhile.
            if self.clock.elapsed() - looked > LOOK_AGAIN {
                looked = self.clock.elapsed();
                if self.is_superseded(tag, made).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Confirms the announcement of a change that is seen made: the invocation that made it may have died. A note, no
    /// change; so it is written while paused, too.
    pub async fn confirm_what_was_made(&self, seen: &mut Observation) {
        // A tick's announcement may have landed on an operator's claim, which that request restores by then.
        let perhaps_an_operators =
            self.unconfirmed(seen).is_some_and(|(tag, made)| tag == Tag::Routed && made.by == By::Auto);
        if perhaps_an_operators && self.clock.allows(CLAIM_SETTLED + reserve::ANNOUNCING) {
            tokio::time::sleep(CLAIM_SETTLED).await;
            self.observer.read(Need::Switch, seen).await;
        }
        let Some((tag, made)) = self.unconfirmed(seen) else { return };
        if let Err(why) = self.confirm(tag, made).await {
            tracing::warn!(%why, "an announcement could not be confirmed; the next tick tries again");
        }
    }

    /// The announcement of a change that is seen made.
    fn unconfirmed<'s>(&self, seen: &'s Observation) -> Option<(Tag, &'s Move)> {
        seen.check.known()?.unconfirmed(seen.memory.read()?, self.clock.now())
    }

    /// Whether the tag claims a later version, or is confirmed already.
    async fn is_superseded(&self, tag: Tag, made: &Move) -> Result<bool, ReadFailure> {
        let present = self.announced(tag).await?;
        Ok(present.is_some_and(|present| present.version > made.version || present == made.confirmed()))
    }

    /// Looks at an order's claim once more, and writes it again where another announcement of the same change landed
    /// on top of it.
    pub async fn settle_claim(&self, tag: Tag, ours: &Move) {
        if !self.clock.allows(CLAIM_SETTLES + reserve::REPORTING) {
            return;
        }
        tokio::time::sleep(CLAIM_SETTLES).await;
        let Ok(present) = self.announced(tag).await else { return };
        let lost = present.is_none_or(|present| {
            present.version < ours.version
                || (present.version == ours.version && (present.by != ours.by || present.until.is_some()))
        });
        if lost && let Err(why) = self.confirm(tag, ours).await {
            tracing::error!(%why, "another announcement replaced this request's claim, which could not be restored");
        }
    }

    async fn set_flags(&self, state: CheckState, version: i64) -> WriteOutcome {
        let both = state == CheckState::ForcedUnhealthy;
        let request = self
            .aws
            .route53()
            .update_health_check()
            .health_check_id(&self.pair.health_check_id)
            .health_check_version(version)
            .disabled(both)
            .inverted(both);
        let send = || request.clone().customize().config_override(route53_once()).send();
        self.change(send, |error| error.is_health_check_version_mismatch()).await
    }
}

/// What became of an update.
enum Updated {
    Ours,
    Others,
    Superseded,
    HeldUp,
}
