//! Tells a topic of every change that was made, refused or found impossible, so that a person can act on the
//! message alone.

use std::time::Duration;

use crate::aws::{Aws, blind};
use crate::clock::Clock;
use crate::config::{Config, Topic};

/// A topic that does not answer costs this much and no more.
const PATIENCE: Duration = Duration::from_secs(4);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What happened, in a few words.
    pub what: String,
    /// The rule's code or the error's type.
    pub code: String,
    /// Why, with the facts.
    pub why: String,
    /// Whether it says what lasts rather than what was changed: then it is told once, not each minute.
    pub standing: bool,
}

impl Note {
    /// The subject: SNS takes at most 100 ASCII characters.
    fn subject(&self, config: &Config) -> String {
        format!("{}: {} ({})", config.policy.primary, self.what, self.code)
            .chars()
            .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
            .take(100)
            .collect()
    }

    fn body(&self, config: &Config) -> String {
        let Next { words, order } = next(&self.code);
        let command = |order: &str| {
            format!(
                "aws lambda invoke --function-name {} --cli-binary-format raw-in-base64-out --payload '{order}' /dev/stdout",
                config.function_name
            )
        };
        let order = order.map_or_else(String::new, |order| format!("  {}\n", command(order)));
        format!(
            "{what}\n\nRule: {code}\nWhy: {why}\nHealth check: {check}\n\nNext: {words}\n{order}\nSee for yourself:\n  {status}\n",
            what = self.what,
            code = self.code,
            why = self.why,
            check = config.health_check_id,
            status = command(r#"{"action":"status"}"#),
        )
    }
}

/// What a person does next.
struct Next {
    words: &'static str,
    /// The order that does it, where there is one.
    order: Option<&'static str>,
}

/// What a person does after a rule was applied or an error of this type was met.
fn next(code: &str) -> Next {
    const FAILBACK: &str = r#"{"action":"failback","reason":"WHY"}"#;
    const FORCED_FAILBACK: &str = r#"{"action":"failback","reason":"WHY","force":true}"#;
    const FORCED_FAILOVER: &str = r#"{"action":"failover","reason":"WHY","force":true}"#;
    let (words, order) = match code {
        "primary-unhealthy" => (
            "Check that the application works on the secondary. Traffic goes back by itself once the primary is healthy, if FAILBACK=auto and nothing is promoted; else order it:",
            Some(FAILBACK),
        ),
        "failover-ordered" => (
            "Check that the application works on the secondary. Traffic goes back only by order:",
            Some(FAILBACK),
        ),
        "replica-fit-to-promote" | "promotion-ordered" => (
            "The old primary is stale from now on: keep writes away from it. Rebuild a replica of the promoted instance, point the primary record at the promoted instance, swap the two identifiers in the configuration, then order:",
            Some(FAILBACK),
        ),
        "primary-recovered" | "failback-ordered" => {
            ("Nothing. Within the cooldown no automatic failover happens.", None)
        }
        "paused" => ("When the work is done, order:", Some(r#"{"action":"resume"}"#)),
        "resumed" => ("Nothing.", None),
        "cooldown" => ("If the secondary should serve all the same, order:", Some(FORCED_FAILOVER)),
        "replica-not-fit" => {
            ("Repair the replica; or, if the secondary can serve as it is, order:", Some(FORCED_FAILOVER))
        }
        "lag-unknown" | "lag-too-high" => (
            "Decide whether the data named above may be lost. Only if so, order:",
            Some(r#"{"action":"failover","reason":"WHY","promote":true,"allow_data_loss":true}"#),
        ),
        "stale-primary" => (
            "Stop writes to the old primary. To use the promoted instance at once, order:",
            Some(FORCED_FAILOVER),
        ),
        "foreign-check" => {
            ("Whoever set the flag: clear it, or set both. Until then this function moves nothing.", None)
        }
        "replica-not-following" | "record-not-on-primary" | "primary-not-healthy" => (
            "Find out which instance holds the current data. Only if it is the primary, order:",
            Some(FORCED_FAILBACK),
        ),
        _ => ("Read the message above; the next tick carries on from what it finds.", None),
    };
    Next { words, order }
}

/// Publishes the notes; answers how many could not be.
pub async fn publish(aws: &Aws, config: &Config, clock: &Clock, topic: &Topic, notes: &[Note]) -> usize {
    let sns = aws.sns(&topic.region);
    let mut failures = 0;
    for note in notes {
        let request = sns
            .publish()
            .topic_arn(&topic.arn)
            .subject(note.subject(config))
            .message(note.body(config))
            .send();
        let sent = clock.within(tokio::time::timeout(PATIENCE, request)).await;
        let why = match sent {
            Some(Ok(Ok(_))) => continue,
            Some(Ok(Err(error))) => blind(&error).to_string(),
            Some(Err(_)) | None => "no answer in time".to_owned(),
        };
        failures += 1;
        tracing::error!(code = note.code, topic = topic.arn, why, "the notification could not be published");
    }
    failures
}
