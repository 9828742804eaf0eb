//! SNS: topics that keep what is published.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::ACCOUNT;
use crate::faults::Asked;
use crate::rds_describe::metadata;
use crate::record::Change;
use crate::wire::{ApiError, ApiResult, Params, Service, Xml};
use crate::world::World;

/// The largest message, in bytes.
const LARGEST: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Sns {
    topics: BTreeSet<String>,
    messages: Vec<Message>,
}

/// A published message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Message {
    pub time: Timestamp,
    pub topic: String,
    pub subject: Option<String>,
    pub message: String,
}

impl World {
    /// Adds a topic and returns its ARN.
    pub fn add_topic(&mut self, region: &str, name: &str) -> String {
        let arn = format!("arn:aws:sns:{region}:{ACCOUNT}:{name}");
        self.sns.topics.insert(arn.clone());
        arn
    }

    /// Everything that was published.
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
    params.drop_prefixed("MessageAttributes.");
    params.finish()?;
    if message.is_empty() {
        return Err(invalid("Invalid parameter: Empty message"));
    }
    if message.len() > LARGEST {
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
    world.sns.messages.push(Message {
        time: world.now,
        topic: topic.clone(),
        subject: subject.clone(),
        message: message.clone(),
    });
    world.changed(Change::Published { topic, subject, message });
    let mut xml = Xml::new("PublishResponse", Service::Sns.namespace());
    xml.open("PublishResult").leaf("MessageId", request_id).close();
    metadata(&mut xml, request_id);
    Ok(xml.finish())
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
