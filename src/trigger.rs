//! What an event asks for. An event only wakes the function: nothing it says of the database is believed.
//!
//! An event is read field by field, without a tree of its values: whoever may invoke the function must not be able
//! to fill its memory.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Failure, Kind};
use crate::model::InstanceRef;
use crate::policy::Pair;
use crate::text::{cut, folded};

mod fields;

use fields::Fields;

/// The largest event that is read: what Lambda takes asynchronously. Source: "Lambda quotas", invocation payload.
pub const MAX_EVENT: usize = 1024 * 1024;

/// How many characters of a person's words are taken.
const MAX_REASON: usize = 1000;

/// How much of an event is echoed.
const ECHOED: usize = 200;

/// What the function is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Observe, decide, act.
    Tick,
    /// The event concerns nothing here.
    Ignore {
        /// A stable code.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// A direct invoke.
    Action(Action),
}

/// What a person asks for with a direct invoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read all, report, change nothing.
    Status,
    /// Would a failover work now?
    Check,
    /// An operator's failover.
    Failover {
        /// Why, in the operator's words.
        reason: String,
        /// Overrides the rules that say so.
        force: bool,
        /// Promote the replica, too.
        promote: bool,
        /// Overrides the lag guard.
        allow_data_loss: bool,
    },
    /// An operator's failback.
    Failback {
        /// Why, in the operator's words.
        reason: String,
        /// Overrides the rules that say so.
        force: bool,
    },
    /// Stop automatic change.
    Pause {
        /// Why, in the operator's words.
        reason: String,
        /// For how long; `None` until `resume`.
        duration: Option<Duration>,
    },
    /// Resume automatic change.
    Resume,
}

impl Action {
    /// The person's words; empty where the action takes none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Failover { reason, .. } | Self::Failback { reason, .. } | Self::Pause { reason, .. } => {
                reason
            }
            Self::Status | Self::Check | Self::Resume => "",
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

/// An EventBridge event as far as it counts here: that of `aws_lambda_events` keeps the whole detail as a tree.
#[derive(Deserialize)]
struct EventBridge<'a> {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
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
pub fn read(event: &[u8], pair: &Pair) -> Result<Request, Failure> {
    if event.len() > MAX_EVENT {
        return Err(not_understood(&format!("the event is larger than {} KB", MAX_EVENT / 1024)));
    }
    let text = std::str::from_utf8(event)
        .map_err(|error| not_understood(&format!("the event is not UTF-8: {error}")))?;
    let fields: Fields<'_> = serde_json::from_str(text)
        .map_err(|error| not_understood(&format!("the event can't be read as a JSON object: {error}")))?;
    if fields.get("action").is_some() {
        // An order counts only as the whole payload: with anything else beside it, it is refused.
        return action(&fields);
    }
    if let Some(records) = fields.get("Records") {
        return sns(records, pair);
    }
    if fields.get("source").is_some() {
        return eventbridge(text, pair);
    }
    let known: Vec<_> = fields.names().take(8).collect();
    Err(not_understood(&format!(
        "an object with the fields [{}] is neither an action nor an event from EventBridge or SNS",
        known.join(", ")
    )))
}

fn action(fields: &Fields<'_>) -> Result<Request, Failure> {
    let name = fields.text("action", "the name of an action").map_err(|why| not_understood(&why))?;
    let name = name.unwrap_or_default();
    let alone = |action| reason(fields, &[]).map(|_| Request::Action(action));
    let read = match name.as_str() {
        "tick" => reason(fields, &[]).map(|_| Request::Tick),
        "status" => alone(Action::Status),
        "check" => alone(Action::Check),
        "resume" => alone(Action::Resume),
        "failover" => failover(fields).map(Request::Action),
        "failback" => failback(fields).map(Request::Action),
        "pause" => pause(fields).map(Request::Action),
        _ => return Err(not_understood(&format!("there is no action `{name}`"))),
    };
    read.map_err(|why| not_understood(&format!("the action `{name}`: {why}")))
}

fn failover(fields: &Fields<'_>) -> Result<Action, String> {
    Ok(Action::Failover {
        reason: required_reason(fields, &["force", "promote", "allow_data_loss"])?,
        force: fields.flag("force")?,
        promote: fields.flag("promote")?,
        allow_data_loss: fields.flag("allow_data_loss")?,
    })
}

fn failback(fields: &Fields<'_>) -> Result<Action, String> {
    Ok(Action::Failback { reason: required_reason(fields, &["force"])?, force: fields.flag("force")? })
}

fn pause(fields: &Fields<'_>) -> Result<Action, String> {
    Ok(Action::Pause { reason: required_reason(fields, &["for"])?, duration: fields.duration("for")? })
}

/// The reason, once it is certain that no field is given but it and those that are allowed.
fn reason(fields: &Fields<'_>, allowed: &[&str]) -> Result<Option<String>, String> {
    fields.refuse_others(&[&["action", "reason"], allowed].concat())?;
    let Some(reason) = fields.text("reason", "text")? else { return Ok(None) };
    if reason.trim().is_empty() {
        return Err("`reason` is empty: say why, for those who read it later".to_owned());
    }
    if reason.chars().count() > MAX_REASON {
        return Err(format!("`reason` has more than {MAX_REASON} characters: shorten it"));
    }
    Ok(Some(folded(&reason).trim().to_owned()))
}

fn required_reason(fields: &Fields<'_>, allowed: &[&str]) -> Result<String, String> {
    reason(fields, allowed)?
        .ok_or_else(|| "`reason` is missing: say why, for those who read it later".to_owned())
}

fn sns(records: &RawValue, pair: &Pair) -> Result<Request, Failure> {
    let records: Vec<Record> = serde_json::from_str(records.get())
        .map_err(|error| not_understood(&format!("`Records` can't be read as SNS records: {error}")))?;
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
            && concerns(rds.source_id.as_deref(), rds.source_arn.as_deref(), pair)
        {
            return Ok(Request::Tick);
        }
        others.extend(rds.source_id.or(rds.source_arn));
    }
    Ok(if others.is_empty() {
        Request::Ignore {
            reason: "not-an-rds-notification",
            message: "The SNS message is not an RDS event notification; nothing was read or changed"
                .to_owned(),
        }
    } else {
        about_others(&others.join(", "))
    })
}

fn eventbridge(event: &str, pair: &Pair) -> Result<Request, Failure> {
    let event: EventBridge<'_> = serde_json::from_str(event)
        .map_err(|error| not_understood(&format!("the EventBridge event can't be read: {error}")))?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events" | "aws.scheduler", "Scheduled Event") => Ok(Request::Tick),
        ("aws.rds", "RDS DB Instance Event") => {
            let detail = event.detail.map_or("{}", RawValue::get);
            let detail: RdsDetail = serde_json::from_str(detail).map_err(|error| {
                not_understood(&format!("the detail of the RDS event can't be read: {error}"))
            })?;
            let (id, arn) = (detail.source_identifier.as_deref(), detail.source_arn.as_deref());
            if concerns(id, arn, pair) {
                Ok(Request::Tick)
            } else {
                match arn.or(id) {
                    Some(other) => Ok(about_others(other)),
                    None => Err(not_understood("the RDS event names no instance")),
                }
            }
        }
        (source, detail_type) => Err(not_understood(&format!(
            "there is no support for an EventBridge event with source `{source}` and detail-type `{detail_type}`"
        ))),
    }
}

fn about_others(others: &str) -> Request {
    Request::Ignore {
        reason: "about-another-database",
        message: format!(
            "The event concerns {}, not this primary or replica; nothing was read or changed",
            echoed(others)
        ),
    }
}

/// Whether an event names the primary or the replica. The ARN counts where there is one: one of AWS's own samples
/// has `rds:` before the identifier.
fn concerns(id: Option<&str>, arn: Option<&str>, pair: &Pair) -> bool {
    let named = arn
        .and_then(|arn| InstanceRef::parse(arn, None).ok())
        .or_else(|| InstanceRef::parse(id?.strip_prefix("rds:").unwrap_or(id?), None).ok());
    let Some(named) = named else { return false };
    pair.rds_primary().into_iter().chain(&pair.replica).any(|ours| ours.same_as(&named))
}

fn echoed(text: &str) -> String {
    cut(&folded(text), ECHOED)
}

fn not_understood(what: &str) -> Failure {
    Failure::new(
        Kind::EventNotUnderstood,
        format!(
            "{}. Supported: scheduled events, RDS DB instance events through EventBridge or SNS, and a payload {{\"action\": …}} with tick, status, check, failover, failback, pause or resume",
            echoed(what)
        ),
    )
}

/// The value as a person would type it, cut.
fn shown(value: &RawValue) -> String {
    match serde_json::from_str::<Value>(value.get()) {
        Ok(Value::String(text)) => echoed(&text),
        _ => echoed(value.get()),
    }
}
