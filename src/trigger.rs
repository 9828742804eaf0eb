//! What an event asks for. An event only wakes the function: nothing it says of the database is believed.

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::fmt::friendly::SpanParser;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Policy;
use crate::error::{Failure, Kind};
use crate::model::InstanceRef;

/// What the function is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Observe, decide, act. `topic` is the SNS topic that brought the event, if one did.
    Tick {
        /// Its ARN.
        topic: Option<String>,
    },
    /// The event concerns nothing here.
    Ignore {
        /// A stable code.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// An order that was invoked directly.
    Action(Action),
}

/// The top-level payload of a direct invoke.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// As a schedule would.
    Tick {},
    /// Read all, report, change nothing.
    Status {},
    /// Would a failover work now?
    Check {},
    /// An operator's failover.
    Failover {
        /// Why, in the operator's words.
        reason: String,
        /// Overrides rules 3 to 6 and 8.
        #[serde(default)]
        force: bool,
        /// Promote the replica, too.
        #[serde(default)]
        promote: bool,
        /// Overrides the lag guard.
        #[serde(default)]
        allow_data_loss: bool,
    },
    /// An operator's failback.
    Failback {
        /// Why, in the operator's words.
        reason: String,
        /// Overrides the guards of rule 12.
        #[serde(default)]
        force: bool,
    },
    /// Stop automatic change.
    Pause {
        /// Why, in the operator's words.
        reason: String,
        /// For how long; without it, until `resume`.
        #[serde(default, rename = "for", deserialize_with = "duration")]
        duration: Option<Duration>,
    },
    /// Resume automatic change.
    Resume {
        /// Why, in the operator's words.
        #[serde(default)]
        reason: Option<String>,
    },
}

fn duration<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(text)? else { return Ok(None) };
    if text == "forever" {
        return Ok(None);
    }
    SpanParser::new()
        .parse_unsigned_duration(&text)
        .ok()
        .filter(|duration| !duration.is_zero())
        .map(Some)
        .ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`for` holds `{text}`; it may hold a duration such as `30m` or `2h`, or `forever`"
            ))
        })
}

impl Action {
    /// The operator's words, where there are some.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Tick {} | Self::Status {} | Self::Check {} => None,
            Self::Failover { reason, .. } | Self::Failback { reason, .. } | Self::Pause { reason, .. } => {
                Some(reason)
            }
            Self::Resume { reason } => reason.as_deref(),
        }
    }
}

/// An SNS record as far as it counts here. The type of `aws_lambda_events` demands the signature and its
/// certificate, too; an event without them, replayed by hand, must still wake the function.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "Sns")]
    sns: Notification,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Message")]
    message: String,
    #[serde(rename = "TopicArn")]
    topic: Option<String>,
}

/// An RDS event notification as SNS carries it ("Amazon RDS event notification messages" in the RDS User Guide).
#[derive(Deserialize)]
struct RdsNotification {
    #[serde(rename = "Event Source", default = "db_instance")]
    event_source: String,
    #[serde(rename = "Source ID")]
    source_id: Option<String>,
    #[serde(rename = "Source ARN")]
    source_arn: Option<String>,
}

fn db_instance() -> String {
    "db-instance".to_owned()
}

/// The `detail` of an `RDS DB Instance Event`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RdsDetail {
    source_identifier: Option<String>,
    source_arn: Option<String>,
}

/// Reads an event.
///
/// # Errors
/// `EventNotUnderstood`, naming what was not understood and what would be.
pub fn read(event: Value, policy: &Policy) -> Result<Trigger, Failure> {
    let Value::Object(fields) = &event else {
        return Err(not_understood("the payload is not a JSON object"));
    };
    if fields.contains_key("action") {
        // An order counts only as the whole payload: with anything else beside it, it is refused.
        return action(event);
    }
    if let Some(records) = fields.get("Records") {
        return sns(records, policy);
    }
    if fields.contains_key("source") {
        return eventbridge(event, policy);
    }
    let known: Vec<_> = fields.keys().take(8).map(String::as_str).collect();
    Err(not_understood(&format!(
        "an object with the fields [{}] is neither an action nor an event of EventBridge or SNS",
        known.join(", ")
    )))
}

fn action(event: Value) -> Result<Trigger, Failure> {
    let action: Action = serde_json::from_value(event)
        .map_err(|error| not_understood(&format!("the action was not understood: {error}")))?;
    if action.reason().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(not_understood("`reason` is empty: say why, for those who read it later"));
    }
    Ok(if action == (Action::Tick {}) { Trigger::Tick { topic: None } } else { Trigger::Action(action) })
}

fn sns(records: &Value, policy: &Policy) -> Result<Trigger, Failure> {
    let records: Vec<Record> = Vec::deserialize(records)
        .map_err(|error| not_understood(&format!("`Records` are not those of SNS: {error}")))?;
    if records.is_empty() {
        return Err(not_understood("`Records` is empty"));
    }
    let mut others = Vec::new();
    for Record { sns } in records {
        let Ok(rds) = serde_json::from_str::<RdsNotification>(&sns.message) else { continue };
        if rds.source_id.is_none() && rds.source_arn.is_none() {
            continue;
        }
        if rds.event_source == "db-instance"
            && concerns(rds.source_id.as_deref(), rds.source_arn.as_deref(), policy)
        {
            return Ok(Trigger::Tick { topic: sns.topic });
        }
        others.extend(rds.source_id.or(rds.source_arn));
    }
    Ok(if others.is_empty() {
        Trigger::Ignore {
            reason: "not-an-rds-notification",
            message: "The SNS message is no RDS event notification; nothing was read or changed".to_owned(),
        }
    } else {
        about_others(&others.join(", "))
    })
}

fn eventbridge(mut event: Value, policy: &Policy) -> Result<Trigger, Failure> {
    if let Value::Object(fields) = &mut event {
        fields.entry("detail").or_insert(Value::Null);
    }
    let event: EventBridgeEvent = serde_json::from_value(event)
        .map_err(|error| not_understood(&format!("the EventBridge event was not understood: {error}")))?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events" | "aws.scheduler", "Scheduled Event") => Ok(Trigger::Tick { topic: None }),
        ("aws.rds", "RDS DB Instance Event") => {
            let detail: RdsDetail = serde_json::from_value(event.detail).map_err(|error| {
                not_understood(&format!("the detail of the RDS event was not understood: {error}"))
            })?;
            let (id, arn) = (detail.source_identifier.as_deref(), detail.source_arn.as_deref());
            if concerns(id, arn, policy) {
                Ok(Trigger::Tick { topic: None })
            } else {
                match arn.or(id) {
                    Some(other) => Ok(about_others(other)),
                    None => Err(not_understood("the RDS event names no instance")),
                }
            }
        }
        (source, detail_type) => Err(not_understood(&format!(
            "an EventBridge event with source `{source}` and detail-type `{detail_type}`"
        ))),
    }
}

fn about_others(others: &str) -> Trigger {
    Trigger::Ignore {
        reason: "about-another-database",
        message: format!(
            "The event concerns {others}, not this primary or replica; nothing was read or changed"
        ),
    }
}

/// Whether an event names the primary or the replica. The ARN counts where there is one: one of AWS's own samples
/// has `rds:` before the identifier.
fn concerns(id: Option<&str>, arn: Option<&str>, policy: &Policy) -> bool {
    let named = arn
        .and_then(|arn| InstanceRef::parse(arn, None).ok())
        .or_else(|| InstanceRef::parse(id?.strip_prefix("rds:").unwrap_or(id?), None).ok());
    let Some(named) = named else { return false };
    std::iter::once(&policy.primary).chain(&policy.replica).any(|ours| ours.same_as(&named))
}

fn not_understood(what: &str) -> Failure {
    Failure::new(
        Kind::EventNotUnderstood,
        format!(
            "{what}. Understood are: a scheduled event, an RDS DB instance event by EventBridge or SNS, and a payload {{\"action\": …}} with tick, status, check, failover, failback, pause or resume"
        ),
    )
}
