//! The metrics of CloudWatch, and what AWS itself puts into them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::alarm::Alarm;
use crate::world::World;

/// The dimensions of a metric. A query must name exactly these to find it.
pub type Dimensions = BTreeMap<String, String>;

/// How far back a fed metric is filled in when it was not looked at for long.
const KEPT: SignedDuration = SignedDuration::from_hours(3);

#[derive(Debug, Default)]
pub(crate) struct CloudWatch {
    metrics: Vec<Metric>,
    pub(crate) alarms: Vec<Alarm>,
}

#[derive(Debug)]
pub(crate) struct Metric {
    region: String,
    namespace: String,
    name: String,
    dimensions: Dimensions,
    /// In order of time.
    samples: Vec<(Timestamp, f64)>,
    /// What AWS itself puts.
    feed: Option<Feed>,
}

/// A sample every minute.
#[derive(Debug, Clone, Copy)]
struct Feed {
    next: Timestamp,
    value: f64,
    growth: f64,
}

impl Metric {
    /// From inclusive, to exclusive.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> &[(Timestamp, f64)] {
        let at = |limit| self.samples.partition_point(|(time, _)| *time < limit);
        self.samples.get(at(from)..at(to)).unwrap_or_default()
    }

    fn put(&mut self, time: Timestamp, value: f64) {
        let index = self.samples.partition_point(|(other, _)| *other <= time);
        self.samples.insert(index, (time, value));
    }

    fn fill(&mut self, now: Timestamp) {
        let Some(mut feed) = self.feed else {
            return;
        };
        if now - KEPT > feed.next {
            let skipped = minute(now - KEPT);
            feed.value += feed.growth * minutes(feed.next, skipped);
            feed.next = skipped;
            self.samples.clear();
        }
        while feed.next <= now {
            self.put(feed.next, feed.value);
            feed.next += SignedDuration::from_mins(1);
            feed.value += feed.growth;
        }
        self.feed = Some(feed);
        let old = self.samples.partition_point(|(time, _)| *time < now - KEPT);
        // In bulk, for a vector is expensive to shorten at its front.
        if old > 1000 {
            self.samples.drain(..old);
        }
    }
}

/// What CloudWatch keeps of the samples of a period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statistics {
    count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

impl Statistics {
    pub(crate) fn of(samples: &[(Timestamp, f64)]) -> Option<Self> {
        let (_, first) = samples.first()?;
        let start = Self { count: 0.0, sum: 0.0, minimum: *first, maximum: *first };
        Some(samples.iter().fold(start, |all, (_, value)| Self {
            count: all.count + 1.0,
            sum: all.sum + value,
            minimum: all.minimum.min(*value),
            maximum: all.maximum.max(*value),
        }))
    }

    pub(crate) fn named(&self, name: &str) -> Option<f64> {
        match name {
            "Average" => Some(self.sum / self.count),
            "Sum" => Some(self.sum),
            "Minimum" => Some(self.minimum),
            "Maximum" => Some(self.maximum),
            "SampleCount" => Some(self.count),
            _ => None,
        }
    }
}

pub(crate) const STATISTICS: [&str; 5] = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"];

impl CloudWatch {
    pub(crate) fn find(
        &self,
        region: &str,
        namespace: &str,
        name: &str,
        dimensions: &Dimensions,
    ) -> Option<&Metric> {
        self.metrics.iter().find(|metric| {
            metric.region == region
                && metric.namespace == namespace
                && metric.name == name
                && metric.dimensions == *dimensions
        })
    }

    fn entry(&mut self, region: &str, namespace: &str, name: &str, dimensions: Dimensions) -> &mut Metric {
        let found = self.metrics.iter().position(|metric| {
            metric.region == region
                && metric.namespace == namespace
                && metric.name == name
                && metric.dimensions == dimensions
        });
        let index = found.unwrap_or_else(|| {
            self.metrics.push(Metric {
                region: region.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                dimensions,
                samples: Vec::new(),
                feed: None,
            });
            self.metrics.len() - 1
        });
        &mut self.metrics[index]
    }

    pub(crate) fn fill(&mut self, now: Timestamp) {
        for metric in &mut self.metrics {
            metric.fill(now);
        }
    }
}

impl World {
    /// Adds a sample of a metric.
    pub fn put_sample(
        &mut self,
        region: &str,
        namespace: &str,
        name: &str,
        dimensions: Dimensions,
        time: Timestamp,
        value: f64,
    ) {
        let metric = self.cloudwatch.entry(region, namespace, name, dimensions);
        metric.put(time, value);
    }

    /// From now on RDS puts one sample of `ReplicaLag` (in seconds) a minute for an instance, or
    /// none. Nothing if the instance is gone.
    pub fn set_replica_lag(&mut self, id: &str, lag: Option<f64>) {
        self.feed(id, "ReplicaLag", lag.map(|value| (value, 0.0)));
    }

    /// From now on the lag grows with the time, as PostgreSQL's does once its source is dead.
    pub fn grow_replica_lag(&mut self, id: &str, from: f64) {
        self.feed(id, "ReplicaLag", Some((from, 60.0)));
    }

    /// From now on RDS puts one sample of `DatabaseConnections` a minute for an instance, or none.
    pub fn set_database_connections(&mut self, id: &str, connections: Option<f64>) {
        self.feed(id, "DatabaseConnections", connections.map(|value| (value, 0.0)));
    }

    fn feed(&mut self, id: &str, name: &str, value: Option<(f64, f64)>) {
        let Some((region, id)) = self.instance(id).map(|i| (i.region.clone(), i.id.clone())) else {
            return;
        };
        let now = self.now;
        let dimensions = [("DBInstanceIdentifier".to_owned(), id)].into();
        let metric = self.cloudwatch.entry(&region, "AWS/RDS", name, dimensions);
        metric.fill(now);
        let next = metric.feed.map_or(minute(now), |feed| feed.next);
        metric.feed = value.map(|(value, growth)| Feed { next, value, growth });
    }
}

fn minutes(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).as_secs_f64() / 60.0
}

/// The start of the minute of a time.
pub(crate) fn minute(time: Timestamp) -> Timestamp {
    let second = time.as_second().div_euclid(60) * 60;
    Timestamp::from_second(second).unwrap_or(time)
}
