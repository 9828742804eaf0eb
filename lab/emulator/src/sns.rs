//! SNS: topics that keep what is published.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::ACCOUNT;
use crate::faults::Asked;
use crate::record::Change;
use crate::wire::{ApiError, ApiResult, Params, Service, Xml};
use crate::world::World;

/// The keys of a message in JSON that are somebody's form.
const PROTOCOLS: &[&str] =
    &["default", "application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"];

/// The largest message, in bytes, its attributes included.
const LARGEST: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Sns {
    topics: BTreeSet<String>,
    messages: Vec<Message>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub time: Timestamp,
    pub topic: String,
    pub subject: Option<String>,
    /// As it was sent: with `MessageStructure=json`, the JSON of all forms.
    pub message: String,
    /// Of a message with `MessageStructure=json`: the text for each protocol, and `default`.
    pub forms: BTreeMap<String, String>,
    /// Of a message to a FIFO topic.
    pub group: Option<String>,
}

impl Message {
    /// What a subscriber by this protocol gets, such as `email` or `https`.
    #[must_use]
    pub fn text_for(&self, protocol: &str) -> &str {
        let form = self.forms.get(protocol).or_else(|| self.forms.get("default"));
        form.unwrap_or(&self.message)
    }
}

impl World {
    /// Adds a topic and returns its ARN. One whose name ends in `.fifo` is a FIFO topic without
    /// content-based deduplication.
    pub fn add_topic(&mut self, region: &str, name: &str) -> String {
        let arn = format!("arn:aws:sns:{region}:{ACCOUNT}:{name}");
        self.sns.topics.insert(arn.clone());
        arn
    }

    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.sns.messages
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameter", message)
}

pub(crate) fn run(
    world: &mut World,
    asked: &Asked,
    mut params: Params<'_>,
    request_id: &str,
) -> ApiResult<Bytes> {
    if asked.operation != "Publish" {
        return Err(ApiError::not_emulated(format_args!("sns:{}", asked.operation)));
    }
    let Some(topic) = params.take("TopicArn").filter(|topic| !topic.is_empty()) else {
        return Err(invalid(
            "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
        ));
    };
    let message = params.take("Message").unwrap_or_default();
    let subject = params.take("Subject");
    let structure = params.take("MessageStructure");
    let group = params.take("MessageGroupId");
    let deduplication = params.take("MessageDeduplicationId");
    let attributes = params.drop_prefixed("MessageAttributes.");
    params.finish()?;
    if message.is_empty() {
        return Err(invalid("Invalid parameter: Empty message"));
    }
    if message.len() + attributes > LARGEST {
        return Err(invalid("Invalid parameter: Message too long"));
    }
    if subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
        return Err(invalid("Invalid parameter: Subject"));
    }
    let mut parts = topic.split(':').skip(2);
    if parts.next() != Some("sns") || parts.next() != Some(asked.region.as_str()) {
        return Err(invalid("Invalid parameter: TopicArn"));
    }
    if !world.sns.topics.contains(&topic) {
        return Err(ApiError::new(404, "NotFound", "Topic does not exist"));
    }
    check_fifo(topic.ends_with(".fifo"), group.as_deref(), deduplication.as_deref())?;
    let forms = match structure.as_deref() {
        None => BTreeMap::new(),
        Some("json") => forms(&message)?,
        Some(_) => return Err(invalid("Invalid parameter: MessageStructure")),
    };
    world.sns.messages.push(Message {
        forms,
        group,
        time: world.now,
        topic: topic.clone(),
        subject: subject.clone(),
        message: message.clone(),
    });
    world.changed(Change::Published { topic, subject, message });
    let mut xml = Xml::new("PublishResponse", Service::Sns.namespace());
    xml.open("PublishResult").leaf("MessageId", request_id).close();
    Ok(xml.metadata(request_id).finish())
}

fn check_fifo(is_fifo: bool, group: Option<&str>, deduplication: Option<&str>) -> ApiResult<()> {
    let printable = |id: &str| (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic());
    match (is_fifo, group, deduplication) {
        (true, None, _) => {
            Err(invalid("Invalid parameter: The MessageGroupId parameter is required for FIFO topics"))
        }
        (true, _, None) => Err(invalid(
            "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or \
             MessageDeduplicationId provided explicitly",
        )),
        (false, _, Some(_)) => Err(invalid(
            "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId \
             parameter that is not valid for this topic type",
        )),
        _ if !group.is_none_or(printable) || !deduplication.is_none_or(printable) => {
            Err(invalid("Invalid parameter: MessageGroupId or MessageDeduplicationId"))
        }
        _ => Ok(()),
    }
}

/// The strings of a JSON object by protocol. SNS ignores keys that name none, and values that are
/// no strings.
fn forms(message: &str) -> ApiResult<BTreeMap<String, String>> {
    let structure = |why: &str| invalid(format!("Invalid parameter: Message Structure - {why}"));
    let all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(message).map_err(|_| structure("JSON message body failed to parse"))?;
    let forms: BTreeMap<String, String> = all
        .into_iter()
        .filter(|(protocol, _)| PROTOCOLS.contains(&protocol.as_str()))
        .filter_map(|(protocol, form)| Some((protocol, form.as_str()?.to_owned())))
        .collect();
    if !forms.contains_key("default") {
        return Err(structure("No default entry in JSON message body"));
    }
    Ok(forms)
}

/// ASCII without control characters, 1 to 100 of them, the first no space.
fn is_subject(subject: &str) -> bool {
    (1..=100).contains(&subject.len())
        && subject.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && !subject.starts_with(' ')
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.as_deref().unwrap_or_default();
        write!(f, "{:.3} {} {subject}: {}", self.time, self.topic, self.message)
    }
}
