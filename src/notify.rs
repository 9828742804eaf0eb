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
    /// What to do next.
    pub next: &'static str,
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
        let function =
            std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "rds-route53-failover".to_owned());
        format!(
            "{what}\n\nRule: {code}\nWhy: {why}\nHealth check: {check}\n\nNext: {next}\nSee for yourself:\n  aws lambda invoke --function-name {function} --cli-binary-format raw-in-base64-out --payload '{{\"action\":\"status\"}}' /dev/stdout\n",
            what = self.what,
            code = self.code,
            why = self.why,
            check = config.health_check_id,
            next = self.next,
        )
    }
}

/// What a person does after a rule was applied or an error of this type was met.
pub fn next_step(code: &str) -> &'static str {
    match code {
        "primary-unhealthy" | "failover-ordered" => {
            "Check that the application works on the secondary. Traffic goes back by itself when the primary is healthy, unless an operator ordered the failover or FAILBACK=manual; then send {\"action\":\"failback\",\"reason\":\"…\"}."
        }
        "replica-fit-to-promote" | "promotion-ordered" => {
            "The old primary is stale from now on. Rebuild a replica of the promoted instance, swap the two identifiers in the configuration, then send {\"action\":\"failback\",\"reason\":\"…\"} (README, runbook)."
        }
        "primary-recovered" | "failback-ordered" => {
            "Nothing. Within the cooldown no automatic failover happens."
        }
        "cooldown" => {
            "If the secondary should serve all the same, send {\"action\":\"failover\",\"reason\":\"…\",\"force\":true}."
        }
        "replica-not-fit" => {
            "Repair the replica, or send {\"action\":\"failover\",\"reason\":\"…\",\"force\":true} if the secondary can serve as it is."
        }
        "lag-unknown" | "lag-too-high" => {
            "Decide whether the data named above may be lost. If so, send {\"action\":\"failover\",\"reason\":\"…\",\"promote\":true,\"allow_data_loss\":true}."
        }
        "stale-primary" => {
            "Stop writes to the old primary. To use the promoted instance, send {\"action\":\"failover\",\"reason\":\"…\",\"force\":true} or swap the two identifiers in the configuration."
        }
        "foreign-check" => {
            "Whoever set the flag: clear it, or set both. Until then this function moves nothing."
        }
        "replica-not-ready" => "Look at the replica's status in the RDS console; the next tick tries again.",
        "replica-not-following" | "record-not-on-primary" | "primary-not-healthy" => {
            "Find out which instance holds the current data, then send {\"action\":\"failback\",\"reason\":\"…\",\"force\":true} if it is the primary."
        }
        _ => "Read the message above; the next tick carries on from what it finds.",
    }
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
