//! Writing the tags of the health check.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_route53::types::{Tag as SdkTag, TagResourceType};

use super::{Actor, route53_once};
use crate::aws::{Patience, answered, patiently, was_throttled};
use crate::clock::reserve;
use crate::error::{Failure, Kind};
use crate::memory::{Sent, Tag};
use crate::model::{Cause, Evidence, ReadFailure};

/// An announcement that was held up for longer is looked at anew before it is sent.
const HELD_UP: Duration = Duration::from_secs(1);

/// How often an invocation sends an announcement that finds no answer.
const ATTEMPTS: u32 = 3;

impl Actor<'_> {
    /// Writes the tags that announce a change; `false` where they were held up and are not written.
    ///
    /// # Errors
    /// A failure if they could not be written: the change must not be made.
    pub(super) async fn announce(&self, tags: &[(Tag, Option<String>)]) -> Result<bool, Failure> {
        let begun = self.clock.elapsed();
        let mut patience = Patience::default();
        loop {
            let why = match self.write_once(tags).await {
                Ok(()) => return Ok(true),
                Err(why) => why,
            };
            let may_try_again = match why.cause {
                Cause::Throttled => true,
                // Repeated a few times only: where Route 53 is down, the metric is the way out.
                Cause::Unreachable => self.lost.fetch_add(1, Ordering::Relaxed) + 1 < ATTEMPTS,
                Cause::Denied | Cause::Other => false,
            };
            if !(may_try_again && patience.wait(&self.clock, reserve::CHANGING).await) {
                return Err(Failure::new(
                    Kind::TagWriteFailed,
                    format!("the change could not be announced in the tags, so it was not made: {why}"),
                )
                .due_to(&why));
            }
            if self.clock.elapsed() - begun > HELD_UP {
                return Ok(false);
            }
        }
    }

    /// Sets tags to values, or removes them; a throttled call is repeated.
    pub(super) async fn write(&self, tags: &[(Tag, Option<String>)]) -> Result<(), ReadFailure> {
        let request = self.request(tags);
        answered(patiently(&self.clock, reserve::REPORTING, was_throttled, || request.clone().send()).await)
            .map(|_| ())
    }

    /// Sets tags to values, or removes them, in one attempt.
    pub(super) async fn write_once(&self, tags: &[(Tag, Option<String>)]) -> Result<(), ReadFailure> {
        let request = self.request(tags).customize().config_override(route53_once());
        answered(self.clock.within(request.send()).await).map(|_| ())
    }

    /// Removes the announcement of a request that RDS certainly did not take, where it is still this invocation's.
    pub(super) async fn take_back(&self, tag: Tag, sent: &Sent) -> bool {
        let mut patience = Patience::default();
        loop {
            let ours = match self.observer.read_memory().await {
                Evidence::Read(memory) if tag == Tag::Fenced => memory.fenced.as_ref() == Some(sent),
                Evidence::Read(memory) => memory.promoted.as_ref() == Some(sent),
                Evidence::NotRead | Evidence::Unreadable(_) => false,
            };
            if !ours {
                return false;
            }
            match self.write_once(&[(tag, None)]).await {
                Ok(()) => return true,
                // Looked at anew before each attempt: another invocation may have announced the same meanwhile.
                Err(why)
                    if why.cause == Cause::Throttled
                        && patience.wait(&self.clock, reserve::REPORTING).await => {}
                Err(_) => return false,
            }
        }
    }

    fn request(
        &self,
        tags: &[(Tag, Option<String>)],
    ) -> aws_sdk_route53::operation::change_tags_for_resource::builders::ChangeTagsForResourceFluentBuilder
    {
        let add: Vec<SdkTag> = tags
            .iter()
            .filter_map(|(tag, value)| Some(SdkTag::builder().key(tag.key()).value(value.as_ref()?).build()))
            .collect();
        let remove: Vec<String> =
            tags.iter().filter(|(_, value)| value.is_none()).map(|(tag, _)| tag.key().to_owned()).collect();
        self.aws
            .route53()
            .change_tags_for_resource()
            .resource_type(TagResourceType::Healthcheck)
            .resource_id(&self.pair.health_check_id)
            .set_add_tags((!add.is_empty()).then_some(add))
            .set_remove_tag_keys((!remove.is_empty()).then_some(remove))
    }

    /// Writes the pause, or removes it.
    ///
    /// # Errors
    /// A failure if the tag could not be changed.
    pub async fn set_pause(&self, value: Option<String>) -> Result<(), Failure> {
        self.write(&[(Tag::Pause, value)]).await.map_err(|why| {
            Failure::new(
                Kind::TagWriteFailed,
                format!("the tag {} could not be changed: {why}", Tag::Pause.key()),
            )
        })
    }
}
