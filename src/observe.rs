//! One look at the world: everything a decision may need, read at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_rds::types::SourceType;
use aws_sdk_route53::types::TagResourceType;
use jiff::Timestamp;

use crate::aws::{Aws, ask, failure_of, out_of_time, patiently, was_throttled};
use crate::clock::{Clock, reserve};
use crate::diagnosis::{Diagnosis, was_there};
use crate::memory::Memory;
use crate::model::{
    Cause, Evidence, HealthCheck, Instance, InstanceRef, Need, Observation, ReadFailure, Reading,
};
use crate::policy::Pair;
use crate::probe::Prober;
use crate::status::Health;
use crate::text::named;

mod answers;
mod metrics;
mod records;

pub use records::Followed;

use answers::{health_check, instance, timestamp};

/// The tags of the health check, by key.
pub type Tags = BTreeMap<String, String>;

/// How far back the primary's events about a Multi-AZ failover are read, minutes.
const FAILOVER_WINDOW: i32 = 15;
/// How far back its deletion is looked for, minutes: as long as RDS keeps events. Source: "DescribeEvents".
const DELETION_WINDOW: i32 = 14 * 24 * 60;

/// The probes of a pair.
pub struct Probers {
    /// Of the primary.
    pub primary: Option<Prober>,
    /// Of the secondary.
    pub secondary: Option<Prober>,
}

impl Probers {
    /// Those that the pair configures.
    pub fn new(pair: &Pair) -> Self {
        Self {
            primary: Prober::new(&pair.endpoints, pair.endpoint_timeout),
            secondary: Prober::new(&pair.secondary_endpoints, pair.endpoint_timeout),
        }
    }
}

/// Looks at the world through the clients of one invocation.
#[derive(Clone, Copy)]
pub struct Observer<'a> {
    aws: &'a Aws,
    pair: &'a Pair,
    probers: &'a Probers,
    clock: Clock,
    /// The time before the deadline that a throttled read leaves.
    reserve: Duration,
}

impl<'a> Observer<'a> {
    /// An observer of this pair, who leaves the time for a change.
    pub fn new(aws: &'a Aws, pair: &'a Pair, probers: &'a Probers, clock: Clock) -> Self {
        Self { aws, pair, probers, clock, reserve: reserve::ANNOUNCING }
    }

    /// The same, who leaves only so much time before the deadline.
    #[must_use]
    pub fn keeping(self, reserve: Duration) -> Self {
        Self { reserve, ..self }
    }

    /// The same, who does not stand behind the looks of all ticks where the account is throttled.
    #[must_use]
    pub fn of_a_person(self) -> Self {
        self.keeping(reserve::CHANGING)
    }

    /// Reads the primary, the replica, the probes and the health check.
    pub async fn look(&self) -> Observation {
        // The SDK's futures are large: side by side they belong on the heap.
        let (check, mut seen) = tokio::join!(Box::pin(self.health_check()), Box::pin(self.databases()));
        seen.check = check;
        seen.switch_is_fresh = true;
        seen
    }

    /// Reads the primary, the replica and the probes again. What is known of the switch is kept, and is not fresh any
    /// more; other evidence is read again when it is needed.
    pub async fn look_again(&self, seen: &Observation) -> Observation {
        let databases = self.databases().await;
        Observation {
            check: seen.check.clone(),
            memory: seen.memory.clone(),
            record: seen.record.clone(),
            connections: seen.connections.clone(),
            ..databases
        }
    }

    async fn databases(&self) -> Observation {
        let (primary, replica, probes, secondary) = tokio::join!(
            maybe(self.pair.rds_primary().map(|primary| Box::pin(self.instance(primary)))),
            maybe(self.pair.replica.as_ref().map(|replica| Box::pin(self.instance(replica)))),
            maybe(self.probers.primary.as_ref().map(|prober| Box::pin(self.clock.within(prober.ask())))),
            maybe(self.probers.secondary.as_ref().map(|prober| Box::pin(self.clock.within(prober.ask())))),
        );
        let mut seen = Observation {
            primary,
            replica,
            probes: probes.flatten(),
            secondary: secondary.flatten(),
            ..Observation::unread()
        };
        // Probes that were cut off say nothing, and without them RDS alone must not be believed.
        if probes == Some(None) && seen.primary.is_some() {
            seen.primary = Some(Reading::Unknown(out_of_time()));
        }
        self.look_for_a_witness(&mut seen).await;
        seen
    }

    /// Where the primary is missing and the replica does not name it, RDS's events are the only other witness.
    async fn look_for_a_witness(&self, seen: &mut Observation) {
        if seen.primary == Some(Reading::Missing) && !was_there(seen, self.pair) {
            seen.deletion = self.last_event("deletion", DELETION_WINDOW).await;
        }
    }

    /// Looks at the primary alone, and at RDS only if it is `due`: what watching between two ticks costs. Where the
    /// primary does not serve, the rest that a decision needs is read, too.
    pub async fn glance(&self, seen: &Observation, due: bool) -> Observation {
        let mut now = Observation { switch_is_fresh: false, ..seen.clone() };
        let primary = self.pair.rds_primary().filter(|_| due);
        let (primary, probes) = tokio::join!(
            maybe(primary.map(|primary| Box::pin(self.instance(primary)))),
            maybe(self.probers.primary.as_ref().map(|prober| Box::pin(self.clock.within(prober.ask())))),
        );
        if primary.is_some() {
            now.primary = primary;
        }
        now.probes = probes.flatten();
        if matches!(Diagnosis::of(&now, self.pair).health(), Health::Healthy | Health::Hold)
            && (now.primary != Some(Reading::Missing) || !due)
        {
            return now;
        }
        let (replica, secondary) = tokio::join!(
            maybe(self.pair.replica.as_ref().map(|replica| Box::pin(self.instance(replica)))),
            maybe(self.probers.secondary.as_ref().map(|prober| Box::pin(self.clock.within(prober.ask())))),
        );
        now.replica = replica;
        now.secondary = secondary.flatten();
        (now.lag, now.multi_az_failover) = (Evidence::NotRead, Evidence::NotRead);
        self.look_for_a_witness(&mut now).await;
        now
    }

    /// Reads one more piece of evidence into an observation.
    pub async fn read(&self, need: Need, seen: &mut Observation) {
        match need {
            Need::Memory => seen.memory = self.read_memory().await,
            Need::Switch => self.refresh_switch(seen).await,
            Need::Lag => seen.lag = self.read_lag().await,
            Need::MultiAzFailover => seen.multi_az_failover = self.last_failover().await,
            Need::Record => seen.record = self.read_record().await,
            Need::Connections => seen.connections = self.read_connections().await,
        }
    }

    async fn refresh_switch(&self, seen: &mut Observation) {
        let (check, memory) = tokio::join!(Box::pin(self.health_check()), Box::pin(self.read_memory()));
        seen.check = check;
        seen.memory = memory;
        seen.switch_is_fresh = true;
    }

    /// `DescribeDBInstances` of one instance.
    pub async fn instance(&self, id: &InstanceRef) -> Reading<Instance> {
        let request =
            self.aws.rds(id.region.as_deref()).describe_db_instances().db_instance_identifier(&id.identifier);
        match patiently(&self.clock, self.reserve, was_throttled, || request.clone().send()).await {
            None => Reading::Unknown(out_of_time()),
            Some(Ok(answer)) => answer
                .db_instances()
                .iter()
                .find(|instance| {
                    instance
                        .db_instance_identifier()
                        .is_some_and(|found| found.eq_ignore_ascii_case(&id.identifier))
                })
                .and_then(|found| instance(found, id))
                .map_or_else(
                    || Reading::Unknown(nonsense("the answer does not contain this instance with a status")),
                    Reading::Known,
                ),
            Some(Err(error)) => {
                // The one error that says something of the database, and only with the status that belongs to it.
                let missing =
                    error.as_service_error().is_some_and(|error| error.is_db_instance_not_found_fault())
                        && error.raw_response().is_some_and(|response| response.status().as_u16() == 404);
                if missing { Reading::Missing } else { Reading::Unknown(failure_of(&error)) }
            }
        }
    }

    /// `GetHealthCheck`
    pub async fn health_check(&self) -> Reading<HealthCheck> {
        self.health_check_by_id(&self.pair.health_check_id).await
    }

    /// `GetHealthCheck` of any check.
    pub async fn health_check_by_id(&self, id: &str) -> Reading<HealthCheck> {
        let request = self.aws.route53().get_health_check().health_check_id(id);
        match patiently(&self.clock, self.reserve, was_throttled, || request.clone().send()).await {
            None => Reading::Unknown(out_of_time()),
            Some(Ok(answer)) => answer.health_check().and_then(health_check).map_or_else(
                || Reading::Unknown(nonsense("the answer contains no health check with a version")),
                Reading::Known,
            ),
            Some(Err(error)) => {
                let missing = error.as_service_error().is_some_and(|error| error.is_no_such_health_check());
                if missing { Reading::Missing } else { Reading::Unknown(failure_of(&error)) }
            }
        }
    }

    /// `ListTagsForResource` of the health check, as what the function remembers.
    pub async fn read_memory(&self) -> Evidence<Memory> {
        match self.read_tags().await.and_then(|tags| memory_of(&tags)) {
            Ok(memory) => Evidence::Read(memory),
            Err(why) => Evidence::Unreadable(why),
        }
    }

    /// `ListTagsForResource` of the health check, as they stand: tags that make no sense, too.
    ///
    /// # Errors
    /// Why they could not be read.
    pub async fn read_tags(&self) -> Result<Tags, ReadFailure> {
        let id = &self.pair.health_check_id;
        let request = self
            .aws
            .route53()
            .list_tags_for_resource()
            .resource_type(TagResourceType::Healthcheck)
            .resource_id(id);
        let answer = ask(&self.clock, self.reserve, || request.clone().send()).await?;
        // The SDK makes an empty set of one that is absent; a real one names the resource.
        let set = answer
            .resource_tag_set()
            .filter(|set| set.resource_id() == Some(id))
            .ok_or_else(|| nonsense("the answer contains no tags of this health check"))?;
        let tags = set.tags().iter();
        Ok(tags
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
            .collect())
    }

    /// When the primary's last event about a Multi-AZ failover was.
    pub async fn last_failover(&self) -> Evidence<Option<Timestamp>> {
        self.last_event("failover", FAILOVER_WINDOW).await
    }

    /// `DescribeEvents` of the primary: when the last one of a category was within so many minutes.
    async fn last_event(&self, category: &str, minutes: i32) -> Evidence<Option<Timestamp>> {
        let Some(primary) = self.pair.rds_primary() else { return Evidence::NotRead };
        let request = self
            .aws
            .rds(primary.region.as_deref())
            .describe_events()
            .source_type(SourceType::DbInstance)
            .source_identifier(&primary.identifier)
            .event_categories(category)
            .duration(minutes);
        match ask(&self.clock, self.reserve, || request.clone().send()).await {
            Err(why) => Evidence::Unreadable(why),
            Ok(answer) => {
                // The filter is the service's to apply; another event must not count where it was not applied.
                let of_category = answer.events().iter().filter(|event| {
                    event.event_categories().iter().any(|found| found.eq_ignore_ascii_case(category))
                        && event
                            .source_identifier()
                            .is_none_or(|id| id.eq_ignore_ascii_case(&primary.identifier))
                });
                Evidence::Read(of_category.filter_map(|event| timestamp(event.date()?)).max())
            }
        }
    }
}

async fn maybe<T>(future: Option<impl Future<Output = T>>) -> Option<T> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}

/// What the function remembers according to these tags.
///
/// # Errors
/// Which of them makes no sense.
pub fn memory_of(tags: &Tags) -> Result<Memory, ReadFailure> {
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Memory::parse(pairs).map_err(|fault| nonsense(&fault))
}

fn nonsense(detail: &str) -> ReadFailure {
    ReadFailure { cause: Cause::Other, detail: named(detail) }
}
