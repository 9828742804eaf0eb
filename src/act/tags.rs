//! The tags around a change: announced before it, kept after it, taken back where it was not made.

use aws_sdk_route53::types::{Tag as SdkTag, TagResourceType};

use super::{Actor, Outcome};
use crate::aws::blind;
use crate::error::{Failure, Kind};
use crate::memory::{Memory, Tag};
use crate::model::{Blind, Evidence, HealthCheck, Reading};
use crate::observe::{Tags, memory_of, out_of_time};

/// A tag that announces a change.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    tag: Tag,
    value: String,
    /// What the tag held before.
    earlier: Option<String>,
}

impl Claim {
    pub(super) fn new(tag: Tag, value: &impl ToString, memory: &Memory) -> Self {
        Self { tag, value: value.to_string(), earlier: memory.value_of(tag) }
    }

    fn stands_in(&self, tags: &Tags) -> bool {
        tags.get(self.tag.key()) == Some(&self.value)
    }
}

impl Actor<'_> {
    /// Writes the tags that announce a change, and reads back all that the change rests on.
    ///
    /// `None` if somebody else is at work: the change must not be made. What a decision rests on may be seconds
    /// old, so it is looked at once more before the first tag is written: an announcement of another invocation
    /// must not be lost under ours.
    pub(super) async fn announce(
        &self,
        claims: &[Claim],
        expected: &HealthCheck,
        remembered: &Memory,
    ) -> Result<Option<Memory>, Failure> {
        match tokio::join!(self.observer.read_memory(), self.observer.health_check()) {
            (Evidence::Read(memory), Reading::Known(check)) => {
                if memory != *remembered || (check.version, check.state) != (expected.version, expected.state)
                {
                    return Ok(None);
                }
            }
            (Evidence::Unreadable(why), _) | (_, Reading::Unknown(why)) => {
                return Err(Failure::new(
                    Kind::TagWriteFailed,
                    format!("the change was not made, as what it rests on could not be read again: {why}"),
                )
                .for_want_of(&why));
            }
            (Evidence::NotRead, _) | (_, Reading::Missing) => return Ok(None),
        }
        let tags: Vec<_> = claims.iter().map(|claim| (claim.tag, Some(claim.value.clone()))).collect();
        if let Err(why) = self.tag(&tags).await {
            return Err(self.not_announced(claims, &why).await);
        }
        let (tags, check) = tokio::join!(self.observer.read_tags(), self.observer.health_check());
        let tags = match tags {
            Ok(tags) => tags,
            Err(why) => return Err(self.not_announced(claims, &why).await),
        };
        if !claims.iter().all(|claim| claim.stands_in(&tags)) {
            return Ok(None);
        }
        let memory = match memory_of(&tags) {
            Ok(memory) => memory,
            Err(why) => return Err(self.not_announced(claims, &why).await),
        };
        let check = match check {
            Reading::Known(check) => check,
            Reading::Unknown(why) => return Err(self.not_announced(claims, &why).await),
            Reading::Missing => return self.raced(claims).await.map(|_| None),
        };
        // Two invocations that announce different changes, or a person who pauses: each writes before it reads, so
        // at least one of them sees the other, and gives way.
        let disturbed = Tag::ALL
            .iter()
            .filter(|tag| claims.iter().all(|claim| claim.tag != **tag))
            .any(|tag| memory.value_of(*tag) != remembered.value_of(*tag));
        if disturbed || (check.version, check.state) != (expected.version, expected.state) {
            return self.raced(claims).await.map(|_| None);
        }
        Ok(Some(memory))
    }

    async fn not_announced(&self, claims: &[Claim], why: &Blind) -> Failure {
        let note = self.give_way(claims).await.err().unwrap_or_default();
        Failure::new(
            Kind::TagWriteFailed,
            format!("the change could not be announced in the tags, so it was not made: {why}{note}"),
        )
        .for_want_of(why)
    }

    /// Makes sure that the announcement of a change that was made still stands: another invocation that lost the
    /// race for the same change may have written over it. Answers in words where it does not stand.
    pub(super) async fn keep(&self, claims: &[Claim]) -> Option<String> {
        let tags = self.observer.read_tags().await.ok()?;
        // No invocation writes what makes no sense: a person did, and it stops the next step.
        memory_of(&tags).ok()?;
        let lost: Vec<_> = claims
            .iter()
            .filter(|claim| !claim.stands_in(&tags))
            .map(|claim| (claim.tag, Some(claim.value.clone())))
            .collect();
        if lost.is_empty() {
            return None;
        }
        let why = self.tag(&lost).await.err()?;
        tracing::error!(%why, "the announcement of a change that was made is lost");
        Some(format!("; its announcement in the tags is lost: {why}"))
    }

    /// The change was certainly not made, since somebody else changed the world.
    pub(super) async fn raced(&self, claims: &[Claim]) -> Result<Outcome, Failure> {
        self.give_way(claims).await.map_err(|note| {
            Failure::new(
                Kind::TagWriteFailed,
                format!("the health check was changed meanwhile, so it was left as it is{note}"),
            )
        })?;
        Ok(Outcome::Raced)
    }

    /// Takes back the announcement of a change that was not tried, but that of a promotion stands: another
    /// invocation may be about to send the promotion whose announcement it was written over, and forgotten, that
    /// one would no longer keep traffic from a stale primary. It is void in a few minutes.
    async fn give_way(&self, claims: &[Claim]) -> Result<(), String> {
        let claims: Vec<_> = claims.iter().filter(|claim| claim.tag != Tag::Promoted).cloned().collect();
        if claims.is_empty() { Ok(()) } else { self.retract(&claims).await }
    }

    /// Puts back what the tags held before, where they still announce the change that was not made. An earlier
    /// claim to the same version is put back, too: its invocation may be at work still. Another tag that makes no
    /// sense is no reason to leave a claim, which a person's setting of that version would pass for.
    pub(super) async fn retract(&self, claims: &[Claim]) -> Result<(), String> {
        let note = || {
            let keys: Vec<_> = claims.iter().map(|claim| claim.tag.key()).collect();
            format!("; its announcement in {} could not be taken back", keys.join(", "))
        };
        let tags = self.observer.read_tags().await.map_err(|_| note())?;
        let back: Vec<_> = claims
            .iter()
            .filter(|claim| claim.stands_in(&tags))
            .map(|claim| (claim.tag, claim.earlier.clone()))
            .collect();
        if back.is_empty() {
            return Ok(());
        }
        self.tag(&back).await.map_err(|_| note())
    }

    /// Sets tags to values, or removes them.
    pub(super) async fn tag(&self, tags: &[(Tag, Option<String>)]) -> Result<(), Blind> {
        let add: Vec<SdkTag> = tags
            .iter()
            .filter_map(|(tag, value)| Some(SdkTag::builder().key(tag.key()).value(value.as_ref()?).build()))
            .collect();
        let remove: Vec<String> =
            tags.iter().filter(|(_, value)| value.is_none()).map(|(tag, _)| tag.key().to_owned()).collect();
        let request = self
            .aws
            .route53()
            .change_tags_for_resource()
            .resource_type(TagResourceType::Healthcheck)
            .resource_id(&self.config.health_check_id)
            .set_add_tags((!add.is_empty()).then_some(add))
            .set_remove_tag_keys((!remove.is_empty()).then_some(remove))
            .send();
        match self.clock.within(request).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(blind(&error)),
            None => Err(out_of_time()),
        }
    }
}
