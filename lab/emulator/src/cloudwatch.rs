//! The operations of CloudWatch.

use std::borrow::Cow;

use bytes::Bytes;
use ciborium::Value;
use http::{HeaderValue, Request, Response};
use jiff::{SignedDuration, Timestamp};

use crate::cloudwatch::metric::{Dimensions, STATISTICS, Statistics, minute};
use crate::faults::Asked;
use crate::wire::cbor::{Members, encode, map, text, time};
use crate::wire::{self, ApiError, ApiResult, Service};
use crate::world::World;

pub(crate) mod alarm;
pub(crate) mod metric;

fn invalid_value(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterValue", message)
}

fn invalid_combination(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterCombination", message)
}

/// One metric, statistics and period over a range of time.
struct Query {
    namespace: String,
    name: String,
    dimensions: Dimensions,
    period: i64,
    statistics: Vec<String>,
}

impl Query {
    fn check(&self) -> ApiResult<()> {
        let short = [1, 5, 10, 20, 30].contains(&self.period);
        if self.period < 1 || !short && self.period % 60 != 0 {
            return Err(invalid_value("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60."));
        }
        for statistic in &self.statistics {
            if !STATISTICS.contains(&statistic.as_str()) {
                return Err(invalid_value(format!(
                    "The parameter Statistics holds '{statistic}', which is not supported."
                )));
            }
        }
        Ok(())
    }

    /// The periods that have samples, in order of time.
    fn run(
        &self,
        world: &mut World,
        region: &str,
        (start, end): (Timestamp, Timestamp),
    ) -> Vec<(Timestamp, Statistics)> {
        world.cloudwatch.fill(world.now);
        let found = world.cloudwatch.find(region, &self.namespace, &self.name, &self.dimensions);
        let Some(metric) = found else {
            return Vec::new();
        };
        let start = minute(start);
        let mut periods = Vec::new();
        let mut samples = metric.between(start, end);
        while let Some((first, _)) = samples.first() {
            let offset = (first.as_second() - start.as_second()) / self.period * self.period;
            let begin = start + SignedDuration::from_secs(offset);
            let until = begin + SignedDuration::from_secs(self.period);
            let count = samples.partition_point(|(time, _)| *time < until);
            let (now, later) = samples.split_at(count);
            periods.extend(Statistics::of(now).map(|statistics| (begin, statistics)));
            samples = later;
        }
        periods
    }
}

fn check_range((start, end): (Timestamp, Timestamp)) -> ApiResult<()> {
    if start < end {
        return Ok(());
    }
    Err(invalid_value("The parameter StartTime must be less than the parameter EndTime."))
}

pub(crate) fn identify(region: &str, request: &Request<Bytes>) -> ApiResult<Asked> {
    let operation = request.uri().path().strip_prefix("/service/GraniteServiceVersion20100801/operation/");
    let is_rpc = request.headers().get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor");
    let Some(operation) = operation.filter(|_| is_rpc) else {
        let what = format!("cloudwatch: {} {}", request.method(), request.uri());
        return Err(ApiError::not_emulated(what));
    };
    let target = Members::parse(request.body())
        .ok()
        .and_then(|mut members| members.take("MetricName"))
        .and_then(|name| name.into_text().ok());
    Ok(Asked {
        service: Service::CloudWatch,
        operation: Cow::Owned(operation.to_owned()),
        region: region.to_owned(),
        target,
    })
}

pub(crate) fn run_cbor(world: &mut World, asked: &Asked, body: &[u8]) -> ApiResult<Bytes> {
    let members = Members::parse(body)?;
    let answer = match asked.operation.as_ref() {
        "GetMetricStatistics" => metric_statistics(world, &asked.region, members)?,
        "GetMetricData" => metric_data(world, &asked.region, members)?,
        other => return Err(ApiError::not_emulated(format_args!("cloudwatch:{other}"))),
    };
    Ok(encode(&answer))
}

fn statistics_request(mut members: Members) -> ApiResult<(Query, (Timestamp, Timestamp))> {
    let query = Query {
        namespace: members.text("Namespace")?,
        name: members.text("MetricName")?,
        dimensions: members.dimensions()?,
        period: members.integer("Period")?,
        statistics: members.texts("Statistics")?,
    };
    let range = (members.time("StartTime")?, members.time("EndTime")?);
    members.finish()?;
    Ok((query, range))
}

fn statistics_found(
    world: &mut World,
    region: &str,
    query: &Query,
    range: (Timestamp, Timestamp),
) -> ApiResult<Vec<(Timestamp, Statistics)>> {
    query.check()?;
    check_range(range)?;
    if query.statistics.is_empty() {
        return Err(invalid_combination(
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        ));
    }
    let wanted = (range.1.as_second() - range.0.as_second()) / query.period;
    if wanted > 1440 {
        return Err(invalid_combination(format!(
            "You have requested up to {wanted} datapoints, which exceeds the limit of 1440."
        )));
    }
    let mut periods = query.run(world, region, range);
    // The real answer is in no order, and nobody should rely on one.
    let half = periods.len() / 2;
    periods.rotate_left(half);
    Ok(periods)
}

fn unit(metric: &str) -> &'static str {
    if metric == "ReplicaLag" { "Seconds" } else { "Count" }
}

fn metric_statistics(world: &mut World, region: &str, members: Members) -> ApiResult<Value> {
    let (query, range) = statistics_request(members)?;
    let datapoints = statistics_found(world, region, &query, range)?
        .into_iter()
        .map(|(begin, statistics)| {
            let mut point = vec![("Timestamp", time(begin)), ("Unit", text(unit(&query.name)))];
            for name in STATISTICS {
                if query.statistics.iter().any(|wanted| wanted == name) {
                    let value = statistics.named(name).unwrap_or_default();
                    point.push((name, Value::Float(value)));
                }
            }
            map(point)
        })
        .collect();
    Ok(map([("Label", text(&query.name)), ("Datapoints", Value::Array(datapoints))]))
}

fn metric_data(world: &mut World, region: &str, mut members: Members) -> ApiResult<Value> {
    let queries = members.maps("MetricDataQueries")?;
    let range = (members.time("StartTime")?, members.time("EndTime")?);
    let ascending = match members.optional_text("ScanBy")?.as_deref() {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(other) => return Err(invalid_value(format!("ScanBy is '{other}'."))),
    };
    members.take("MaxDatapoints");
    members.finish()?;
    check_range(range)?;
    if queries.is_empty() {
        return Err(ApiError::bad("MissingParameter", "The parameter MetricDataQueries is required."));
    }
    let mut results = Vec::new();
    for mut query in queries {
        let id = query.text("Id")?;
        if !id.starts_with(|c: char| c.is_ascii_lowercase()) {
            let message = format!("The value {id} for parameter Id must begin with a lower-case letter.");
            return Err(invalid_value(message));
        }
        let mut stat = query.map("MetricStat")?;
        let label = query.optional_text("Label")?;
        let returned = query.take("ReturnData") != Some(Value::Bool(false));
        query.finish()?;
        let mut metric = stat.map("Metric")?;
        let query = Query {
            namespace: metric.text("Namespace")?,
            name: metric.text("MetricName")?,
            dimensions: metric.dimensions()?,
            period: stat.integer("Period")?,
            statistics: vec![stat.text("Stat")?],
        };
        stat.optional_text("Unit")?;
        metric.finish()?;
        stat.finish()?;
        query.check()?;
        let mut periods = query.run(world, region, range);
        if !ascending {
            periods.reverse();
        }
        let value = |(_, statistics): &(_, Statistics)| {
            let value = statistics.named(&query.statistics[0]);
            Value::Float(value.unwrap_or_default())
        };
        let times = periods.iter().map(|(begin, _)| time(*begin)).collect();
        let values = periods.iter().map(value).collect();
        if returned {
            results.push(map([
                ("Id", text(&id)),
                ("Label", text(label.as_ref().unwrap_or(&query.name))),
                ("Timestamps", Value::Array(times)),
                ("Values", Value::Array(values)),
                ("StatusCode", text("Complete")),
            ]));
        }
    }
    Ok(map([("MetricDataResults", Value::Array(results))]))
}

pub(crate) fn cbor_response(status: u16, request_id: &str, body: Bytes) -> Response<Bytes> {
    let mut response = wire::respond(status, "application/cbor", request_id, body);
    let protocol = HeaderValue::from_static("rpc-v2-cbor");
    response.headers_mut().insert("smithy-protocol", protocol);
    response
}

pub(crate) fn cbor_refusal(error: &ApiError, request_id: &str) -> Response<Bytes> {
    let body = encode(&map([
        ("__type", text(&format!("com.amazonaws.cloudwatch#{}", error.code))),
        ("message", text(&error.message)),
    ]));
    let mut response = cbor_response(error.status, request_id, body);
    let fault = if error.status < 500 { "Sender" } else { "Receiver" };
    if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", error.code)) {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}
