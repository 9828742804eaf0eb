//! What CloudWatch measured of the two instances.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Datapoint, Dimension, Statistic};
use jiff::SignedDuration;

use super::Observer;
use super::answers::sample;
use crate::aws::ask;
use crate::model::{Evidence, InstanceRef, ReadFailure, Sample};

/// How far back the lag is read: beyond that a sample counts for nothing.
const LAG_WINDOW: SignedDuration = SignedDuration::from_mins(20);
/// How far back the connections are read.
const CONNECTIONS_WINDOW: SignedDuration = SignedDuration::from_mins(10);

impl Observer<'_> {
    /// `GetMetricStatistics` of the replica's `ReplicaLag`, a sample per minute.
    pub async fn read_lag(&self) -> Evidence<Vec<Sample>> {
        let Some(replica) = &self.pair.replica else { return Evidence::NotRead };
        match self.samples(replica, "ReplicaLag", LAG_WINDOW).await {
            Err(failure) => Evidence::Unreadable(failure),
            Ok(points) => {
                let mut samples: Vec<Sample> = points.iter().filter_map(sample).collect();
                samples.sort_by_key(|sample| sample.at);
                Evidence::Read(samples)
            }
        }
    }

    /// `GetMetricStatistics` of the primary's `DatabaseConnections`: the newest sample's highest value.
    pub(super) async fn read_connections(&self) -> Evidence<Option<f64>> {
        let Some(primary) = self.pair.rds_primary() else { return Evidence::NotRead };
        match self.samples(primary, "DatabaseConnections", CONNECTIONS_WINDOW).await {
            Err(failure) => Evidence::Unreadable(failure),
            Ok(points) => {
                let newest = points
                    .iter()
                    .filter(|point| point.timestamp().is_some())
                    .max_by_key(|point| point.timestamp().map(DateTime::secs));
                let highest = newest.and_then(Datapoint::maximum);
                Evidence::Read(highest.filter(|count| count.is_finite() && *count >= 0.0))
            }
        }
    }

    async fn samples(
        &self,
        instance: &InstanceRef,
        metric: &str,
        window: SignedDuration,
    ) -> Result<Vec<Datapoint>, ReadFailure> {
        let now = self.clock.now();
        let request = self
            .aws
            .cloudwatch(instance.region.as_deref())
            .get_metric_statistics()
            .namespace("AWS/RDS")
            .metric_name(metric)
            .dimensions(Dimension::builder().name("DBInstanceIdentifier").value(&instance.identifier).build())
            .start_time(DateTime::from_secs((now - window).as_second()))
            // The end is exclusive, and the newest sample is the one that matters.
            .end_time(DateTime::from_secs(now.as_second() + 60))
            .period(60)
            .statistics(Statistic::Average)
            .statistics(Statistic::Maximum)
            .statistics(Statistic::Minimum);
        let answer = ask(&self.clock, self.reserve, || request.clone().send()).await?;
        Ok(answer.datapoints.unwrap_or_default())
    }
}
