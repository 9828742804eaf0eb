//! RDS's events: `DescribeEvents`, and the messages by which they wake a function.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::describe::page;
use super::{check_identifier, instance};
use crate::ACCOUNT;
use crate::wire::{ApiError, ApiResult, Params, Service, Xml, iso};
use crate::world::World;

/// How long RDS keeps events, in minutes.
const LONGEST: i64 = 14 * 24 * 60;

/// An event of a database instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdsEvent {
    /// Identifier or ARN of the instance.
    pub source: String,
    /// Such as `RDS-EVENT-0013`; no answer of `DescribeEvents` has it.
    pub id: String,
    /// Such as `failover`.
    pub categories: Vec<String>,
    pub message: String,
    /// When it happened. [`World::push_event`] sets it, if it is the epoch.
    pub time: Timestamp,
}

impl RdsEvent {
    /// An event with the category and text of its id; of another id: `notification`.
    #[must_use]
    pub fn new(source: &str, id: &str) -> Self {
        let (category, message) = match id {
            "RDS-EVENT-0013" => ("failover", "A Multi-AZ failover has started"),
            "RDS-EVENT-0015" => ("failover", "The failover to the standby is complete"),
            "RDS-EVENT-0049" => ("failover", "A Multi-AZ failover has completed"),
            "RDS-EVENT-0004" => ("availability", "DB instance shutdown"),
            "RDS-EVENT-0006" => ("availability", "DB instance restarted"),
            "RDS-EVENT-0221" => (
                "availability",
                "DB instance has reached the storage-full threshold, and the database has been shut down",
            ),
            "RDS-EVENT-0031" => ("failure", "DB instance has been put into a failed state"),
            "RDS-EVENT-0036" => ("failure", "DB instance is in an incompatible network"),
            "RDS-EVENT-0020" => ("recovery", "Recovery of the DB instance has started"),
            "RDS-EVENT-0021" => ("recovery", "Recovery of the DB instance is complete"),
            "RDS-EVENT-0045" => ("read replica", "Replication has stopped"),
            "RDS-EVENT-0046" => ("read replica", "Replication has resumed"),
            "RDS-EVENT-0003" => ("deletion", "DB instance deleted"),
            "RDS-EVENT-0087" => ("notification", "DB instance stopped"),
            "RDS-EVENT-0088" => ("notification", "DB instance started"),
            _ => ("notification", "Something happened"),
        };
        Self {
            source: source.to_owned(),
            id: id.to_owned(),
            categories: vec![category.to_owned()],
            message: message.to_owned(),
            time: Timestamp::UNIX_EPOCH,
        }
    }

    /// The text of `Records[].Sns.Message` for this event.
    #[must_use]
    pub fn sns_message(&self, region: &str) -> String {
        let (id, arn) = self.names(region);
        let seconds = self.time.to_string();
        // SNS has a space instead of the `T`, and no zone.
        let time = format!("{}.000", seconds.get(..19).unwrap_or_default()).replace('T', " ");
        json!({
            "Event Source": "db-instance",
            "Event Time": time,
            "Identifier Link": format!(
                "https://console.aws.amazon.com/rds/home?region={region}#dbinstance:id={id}"
            ),
            "Source ID": id,
            "Source ARN": arn,
            "Event ID": format!(
                "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#{}",
                self.id
            ),
            "Event Message": self.message,
        })
        .to_string()
    }

    /// The event that EventBridge sends for this event.
    #[must_use]
    pub fn eventbridge(&self, region: &str) -> serde_json::Value {
        let (id, arn) = self.names(region);
        json!({
            "version": "0",
            "id": "00000000-0000-4000-8000-000000000000",
            "detail-type": "RDS DB Instance Event",
            "source": "aws.rds",
            "account": ACCOUNT,
            "time": iso(self.time),
            "region": region,
            "resources": [arn],
            "detail": {
                "EventCategories": self.categories,
                "SourceType": "DB_INSTANCE",
                "SourceArn": arn,
                "Date": iso(self.time),
                "Message": self.message,
                "SourceIdentifier": id,
                "EventID": self.id,
            },
        })
    }

    fn names(&self, region: &str) -> (&str, String) {
        let id = self.source.rsplit(':').next().unwrap_or_default();
        let arn =
            if self.source.starts_with("arn:") { self.source.clone() } else { instance::arn(region, id) };
        (id, arn)
    }
}

impl World {
    /// Lets an event happen, now if it has no time of its own.
    pub fn push_event(&mut self, event: RdsEvent) {
        let time = if event.time == Timestamp::UNIX_EPOCH { self.now } else { event.time };
        self.rds.events.push(RdsEvent { time, ..event });
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> &[RdsEvent] {
        &self.rds.events
    }
}

pub(crate) fn describe_events(
    world: &World,
    region: &str,
    mut params: Params<'_>,
    request_id: &str,
) -> ApiResult<Bytes> {
    let combination = |message: &str| ApiError::bad("InvalidParameterCombination", message);
    let source = params.take("SourceIdentifier");
    let source_type = params.take("SourceType");
    let end = params.take_parsed::<Timestamp>("EndTime")?;
    let start = params.take_parsed::<Timestamp>("StartTime")?;
    let duration = params.take_parsed::<i64>("Duration")?;
    let categories = params.take_list("EventCategories.EventCategory");
    let (limit, skip) = page(&mut params)?;
    params.finish()?;
    if source.is_some() && source_type.is_none() {
        return Err(combination("SourceType must be specified if SourceIdentifier is specified."));
    }
    if start.is_some() && duration.is_some() {
        return Err(combination("Cannot specify both a Duration and a StartTime."));
    }
    if source_type.as_deref().is_some_and(|t| t != "db-instance") {
        return Err(ApiError::not_emulated("events of other things than db-instance"));
    }
    if let Some(source) = &source {
        check_identifier("SourceIdentifier", source)?;
    }
    if duration.is_some_and(|minutes| !(1..=LONGEST).contains(&minutes)) {
        return Err(ApiError::bad(
            "InvalidParameterValue",
            format!("Invalid value for Duration. Must be between 1 and {LONGEST} minutes."),
        ));
    }
    let end = end.unwrap_or(world.now);
    let minutes = SignedDuration::from_mins(duration.unwrap_or(60));
    let start = start.unwrap_or_else(|| end.checked_sub(minutes).unwrap_or(Timestamp::MIN));
    // Older events are gone.
    let start = start.max(world.now - SignedDuration::from_mins(LONGEST));
    let here = |event: &&RdsEvent| {
        let (id, arn) = event.names(region);
        arn == instance::arn(region, id)
            && source.as_deref().is_none_or(|s| s.eq_ignore_ascii_case(id))
            && (start..=end).contains(&event.time)
            && (categories.is_empty() || event.categories.iter().any(|c| categories.contains(c)))
    };
    let mut found: Vec<_> = world.rds.events.iter().filter(here).collect();
    found.sort_by_key(|event| event.time);
    let next = (skip + limit < found.len()).then_some(skip + limit);
    let mut xml = Xml::new("DescribeEventsResponse", Service::Rds.namespace());
    xml.open("DescribeEventsResult").optional("Marker", next).open("Events");
    for event in found.into_iter().skip(skip).take(limit) {
        let (id, arn) = event.names(region);
        xml.open("Event")
            .leaf("SourceIdentifier", id)
            .leaf("SourceType", "db-instance")
            .leaf("Message", &event.message)
            .open("EventCategories");
        for category in &event.categories {
            xml.leaf("EventCategory", category);
        }
        xml.close().leaf("Date", iso(event.time)).leaf("SourceArn", arn).close();
    }
    xml.close().close();
    Ok(xml.metadata(request_id).finish())
}
