//! One look at the world: everything a decision may need, read at the same time.

use std::collections::BTreeMap;

use aws_sdk_rds::types::SourceType;
use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover, TagResourceType};
use jiff::{SignedDuration, Timestamp};

use crate::aws::{Aws, blind};
use crate::clock::Clock;
use crate::config::Config;
use crate::decide::Need;
use crate::memory::Memory;
use crate::model::{
    Blind, Cause, Evidence, HealthCheck, Instance, InstanceRef, Observation, PrimaryRecord, Reading, Sample,
};
use crate::probe::Prober;

mod answers;

pub use answers::targets;
use answers::{health_check, instance, sample, timestamp};

/// The tags of the health check, by key.
pub type Tags = BTreeMap<String, String>;

/// How far back the lag is read: beyond that a sample counts for nothing.
const LAG_WINDOW: SignedDuration = SignedDuration::from_mins(20);
/// How far back the primary's events are read, in minutes.
const EVENT_WINDOW: i32 = 15;

/// Looks at the world through the clients of one invocation.
pub struct Observer<'a> {
    aws: &'a Aws,
    config: &'a Config,
    prober: Option<&'a Prober>,
    clock: Clock,
    // Evidence that was needed once is read with every later look, so that each look is whole.
    memory: bool,
    lag: bool,
    multi_az_failover: bool,
    record: bool,
}

impl<'a> Observer<'a> {
    /// An observer that reads the least.
    pub fn new(aws: &'a Aws, config: &'a Config, prober: Option<&'a Prober>, clock: Clock) -> Self {
        Self {
            aws,
            config,
            prober,
            clock,
            memory: false,
            lag: false,
            multi_az_failover: false,
            record: false,
        }
    }

    /// An observer that reads everything.
    pub fn thorough(aws: &'a Aws, config: &'a Config, prober: Option<&'a Prober>, clock: Clock) -> Self {
        Self {
            memory: true,
            lag: config.policy.replica.is_some(),
            record: config.policy.knows_zone,
            ..Self::new(aws, config, prober, clock)
        }
    }

    /// Reads the primary, the replica, the health check, the probes, and what else was needed before, at once.
    pub async fn look(&self) -> Observation {
        let policy = &self.config.policy;
        // The SDK's futures are large: side by side they belong on the heap.
        let (primary, replica, check, probes, memory, lag, multi_az_failover, record) = tokio::join!(
            Box::pin(self.instance(&policy.primary)),
            maybe(policy.replica.as_ref().map(|replica| Box::pin(self.instance(replica)))),
            Box::pin(self.health_check()),
            maybe(self.prober.map(|prober| Box::pin(self.clock.within(prober.ask())))),
            maybe(self.memory.then(|| Box::pin(self.read_memory()))),
            maybe(self.lag.then(|| Box::pin(self.read_lag()))),
            maybe(self.multi_az_failover.then(|| Box::pin(self.read_events()))),
            maybe(self.record.then(|| Box::pin(self.read_record()))),
        );
        // Probes that were cut off say nothing, and without them RDS alone must not be believed.
        let (primary, probes) = match probes {
            Some(None) => (Reading::Unknown(out_of_time()), None),
            Some(probes @ Some(_)) => (primary, probes),
            None => (primary, None),
        };
        Observation {
            primary,
            replica,
            check,
            probes,
            memory: memory.unwrap_or_default(),
            lag: lag.unwrap_or_default(),
            multi_az_failover: multi_az_failover.unwrap_or_default(),
            record: record.unwrap_or_default(),
        }
    }

    /// Reads one more piece of evidence into an observation, and with every look from now on.
    pub async fn read(&mut self, need: Need, seen: &mut Observation) {
        match need {
            Need::Memory => {
                self.memory = true;
                seen.memory = self.read_memory().await;
            }
            Need::Lag => {
                self.lag = true;
                seen.lag = self.read_lag().await;
            }
            Need::MultiAzFailover => {
                self.multi_az_failover = true;
                seen.multi_az_failover = self.read_events().await;
            }
            Need::Record => {
                self.record = true;
                seen.record = self.read_record().await;
            }
        }
    }

    /// `DescribeDBInstances` of one instance.
    pub async fn instance(&self, id: &InstanceRef) -> Reading<Instance> {
        let request = self
            .aws
            .rds(id.region.as_deref())
            .describe_db_instances()
            .db_instance_identifier(&id.identifier)
            .send();
        match self.clock.within(request).await {
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
                    || Reading::Unknown(nonsense("the answer holds no such instance with a status")),
                    Reading::Known,
                ),
            Some(Err(error)) => {
                // The one error that says something of the database.
                let missing =
                    error.as_service_error().is_some_and(|error| error.is_db_instance_not_found_fault());
                if missing { Reading::Missing } else { Reading::Unknown(blind(&error)) }
            }
        }
    }

    /// `GetHealthCheck`
    pub async fn health_check(&self) -> Reading<HealthCheck> {
        self.health_check_by_id(&self.config.health_check_id).await
    }

    /// `GetHealthCheck` of any check.
    pub async fn health_check_by_id(&self, id: &str) -> Reading<HealthCheck> {
        let request = self.aws.route53().get_health_check().health_check_id(id).send();
        match self.clock.within(request).await {
            None => Reading::Unknown(out_of_time()),
            Some(Ok(answer)) => answer.health_check().and_then(health_check).map_or_else(
                || Reading::Unknown(nonsense("the answer holds no health check")),
                Reading::Known,
            ),
            Some(Err(error)) => {
                let missing = error.as_service_error().is_some_and(|error| error.is_no_such_health_check());
                if missing { Reading::Missing } else { Reading::Unknown(blind(&error)) }
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
    pub async fn read_tags(&self) -> Result<Tags, Blind> {
        let request = self
            .aws
            .route53()
            .list_tags_for_resource()
            .resource_type(TagResourceType::Healthcheck)
            .resource_id(&self.config.health_check_id)
            .send();
        let answer = match self.clock.within(request).await {
            None => return Err(out_of_time()),
            Some(answer) => answer.map_err(|error| blind(&error))?,
        };
        let set = answer.resource_tag_set().ok_or_else(|| nonsense("the answer holds no tags"))?;
        let tags = set.tags().iter();
        Ok(tags
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
            .collect())
    }

    /// `GetMetricStatistics` of the replica's `ReplicaLag`, a sample a minute.
    async fn read_lag(&self) -> Evidence<Vec<Sample>> {
        use aws_sdk_cloudwatch::primitives::DateTime;
        use aws_sdk_cloudwatch::types::{Dimension, Statistic};

        let Some(replica) = &self.config.policy.replica else { return Evidence::NotRead };
        let now = self.clock.now();
        let request = self
            .aws
            .cloudwatch(replica.region.as_deref())
            .get_metric_statistics()
            .namespace("AWS/RDS")
            .metric_name("ReplicaLag")
            .dimensions(Dimension::builder().name("DBInstanceIdentifier").value(&replica.identifier).build())
            .start_time(DateTime::from_secs((now - LAG_WINDOW).as_second()))
            // The end is exclusive, and the newest sample is the one that matters.
            .end_time(DateTime::from_secs(now.as_second() + 60))
            .period(60)
            .statistics(Statistic::Average)
            .statistics(Statistic::Maximum)
            .statistics(Statistic::Minimum)
            .send();
        match self.clock.within(request).await {
            None => Evidence::Unreadable(out_of_time()),
            Some(Err(error)) => Evidence::Unreadable(blind(&error)),
            Some(Ok(answer)) => {
                let mut samples: Vec<Sample> = answer.datapoints().iter().filter_map(sample).collect();
                samples.sort_by_key(|sample| sample.at);
                Evidence::Read(samples)
            }
        }
    }

    /// `DescribeEvents` of the primary: the last one about a Multi-AZ failover.
    pub async fn read_events(&self) -> Evidence<Option<Timestamp>> {
        let primary = &self.config.policy.primary;
        let request = self
            .aws
            .rds(primary.region.as_deref())
            .describe_events()
            .source_type(SourceType::DbInstance)
            .source_identifier(&primary.identifier)
            .event_categories("failover")
            .duration(EVENT_WINDOW)
            .send();
        match self.clock.within(request).await {
            None => Evidence::Unreadable(out_of_time()),
            Some(Err(error)) => Evidence::Unreadable(blind(&error)),
            Some(Ok(answer)) => {
                // The filter is the service's to apply; a backup must not pass for a failover where it was not.
                let failovers = answer.events().iter().filter(|event| {
                    let categories = event.event_categories();
                    categories.is_empty() || categories.iter().any(|category| category == "failover")
                });
                Evidence::Read(failovers.filter_map(|event| timestamp(event.date()?)).max())
            }
        }
    }

    /// `ListResourceRecordSets`: the primary failover record.
    async fn read_record(&self) -> Evidence<Option<PrimaryRecord>> {
        match self.record_sets().await {
            Err(blind) => Evidence::Unreadable(blind),
            Ok(sets) => Evidence::Read(
                sets.iter()
                    .find(|set| set.failover() == Some(&ResourceRecordSetFailover::Primary))
                    .map(|set| PrimaryRecord { targets: targets(set) }),
            ),
        }
    }

    /// The failover records: those of `RECORD_NAME`, else those of the name whose primary uses the health check.
    ///
    /// # Errors
    /// Why they could not be read.
    pub async fn record_sets(&self) -> Result<Vec<ResourceRecordSet>, Blind> {
        let Some(zone) = &self.config.hosted_zone_id else { return Ok(Vec::new()) };
        let mut sets = Vec::new();
        let mut start = self.config.record_name.clone().map(|name| (name, None, None));
        loop {
            let mut request = self.aws.route53().list_resource_record_sets().hosted_zone_id(zone);
            if let Some((name, kind, identifier)) = start {
                request = request
                    .start_record_name(name)
                    .set_start_record_type(kind)
                    .set_start_record_identifier(identifier);
            }
            let page = match self.clock.within(request.send()).await {
                None => return Err(out_of_time()),
                Some(Err(error)) => return Err(blind(&error)),
                Some(Ok(page)) => page,
            };
            let beyond = page.resource_record_sets().iter().any(|set| !self.is_named(set));
            sets.extend(page.resource_record_sets.into_iter().filter(|set| set.failover().is_some()));
            let next = page.next_record_name.filter(|_| page.is_truncated);
            // Names come in order: behind the one that is looked for there is nothing more of it.
            let Some(name) = next.filter(|_| self.config.record_name.is_none() || !beyond) else { break };
            start = Some((name, page.next_record_type, page.next_record_identifier));
        }
        match &self.config.record_name {
            Some(_) => sets.retain(|set| self.is_named(set)),
            None => {
                let name = sets
                    .iter()
                    .find(|set| set.health_check_id() == Some(&self.config.health_check_id))
                    // Under a check that is made of ours: a zone with one pair of records leaves no doubt.
                    .or_else(|| {
                        sets.first().filter(|first| sets.iter().all(|set| set.name() == first.name()))
                    })
                    .map(|set| set.name().to_owned());
                sets.retain(|set| Some(set.name()) == name.as_deref());
            }
        }
        Ok(sets)
    }

    fn is_named(&self, set: &ResourceRecordSet) -> bool {
        self.config
            .record_name
            .as_ref()
            .is_none_or(|name| set.name().trim_end_matches('.').eq_ignore_ascii_case(name))
    }
}

async fn maybe<T>(future: Option<impl Future<Output = T>>) -> Option<T> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}

/// What the function remembers by these tags.
///
/// # Errors
/// Which of them makes no sense.
pub fn memory_of(tags: &Tags) -> Result<Memory, Blind> {
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Memory::parse(pairs).map_err(|fault| nonsense(&fault))
}

/// The invocation ran out of time: that says nothing of the service.
pub fn out_of_time() -> Blind {
    Blind { cause: Cause::Other, detail: "the invocation's deadline is too close".to_owned() }
}

fn nonsense(detail: &str) -> Blind {
    Blind { cause: Cause::Other, detail: detail.to_owned() }
}
