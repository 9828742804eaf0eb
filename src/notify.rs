//! Notifies a topic of every change that was made, refused or found impossible, so that a person can act on the
//! message alone.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::account::Account;
use crate::aws::{Aws, failure_of};
use crate::clock::Clock;
use crate::config::{Config, Topic};
use crate::decide::{Case, Command, Effect, Next, explain};
use crate::error::Failure;
use crate::facts;
use crate::model::Change;
use crate::text::{cut, folded};

/// Time limit for publishing one message.
const PATIENCE: Duration = Duration::from_secs(4);

/// How much of the facts goes into a message: SNS takes 256 KB in all, and a person reads less.
const MOST: usize = 4000;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What happened, in a few words.
    pub what: String,
    /// The rule's code or the error's type.
    pub code: String,
    /// Why, with the facts.
    pub why: String,
    /// What a person does next.
    pub next: Next,
    /// What data is at stake, or why nobody knows; `None` where there is no replica to promote.
    pub stake: Option<String>,
    /// The version in `failover:routed` of the incident that it belongs to.
    pub incident: Option<i64>,
    /// Whether it says what lasts rather than what was changed: then it is not repeated each minute.
    pub standing: bool,
}

/// What an invocation has to notify of: every change, and what was refused or failed.
pub fn notes(account: &Account, failure: Option<&Failure>, config: &Config) -> Vec<Note> {
    let case = account.last.as_ref().map(|last| last.case(&config.pair));
    let stake = case.as_ref().and_then(facts::at_stake);
    let incident = incident(account, case.as_ref());
    let mut notes: Vec<Note> = account
        .changes
        .iter()
        .map(|made| Note {
            what: made.change.as_str().to_owned(),
            code: made.step.basis.reason().to_owned(),
            why: made.step.message.clone(),
            next: made.next,
            stake: stake.clone(),
            incident,
            standing: false,
        })
        .collect();
    if let Some(failure) = failure {
        // To have seen nothing is what the error alarm is for; but what an operator asked for and did not get is
        // always worth a message.
        if account.was_ordered || !failure.kind.is_blindness() {
            notes.push(Note {
                what: "a change failed".to_owned(),
                code: failure.kind.name(),
                why: failure.to_string(),
                next: failure.kind.next(),
                stake,
                incident,
                standing: !account.was_ordered && failure.done.is_empty() && !failure.perhaps_made,
            });
        }
    } else if let (Some(case), Some(last)) = (&case, &account.last)
        && let Some(rule) = last.basis.rule()
        && !account.reads_only
    {
        let refused =
            rule.effect == Effect::REFUSE || (!rule.effect.changes() && explain::is_refused_order(case));
        if refused {
            notes.push(Note {
                what: "no change was made".to_owned(),
                code: rule.code.as_str().to_owned(),
                why: last.message.clone(),
                next: rule.next,
                stake,
                incident,
                standing: !account.was_ordered,
            });
        }
    }
    notes
}

/// The incident of an invocation: the one that keeps traffic on the secondary, or the one that its failback ended.
fn incident(account: &Account, case: Option<&Case<'_>>) -> Option<i64> {
    let case = case?;
    if let Some(routed) = case.incident() {
        return Some(routed.version);
    }
    if account.changes.iter().all(|made| made.change != Change::RouteToPrimary) {
        return None;
    }
    let (routed, check) = (case.seen.memory.read()?.routed.as_ref()?, case.seen.check.known()?);
    (routed.version.checked_add(1) == Some(check.version)).then_some(routed.version)
}

/// Who sends, and how a person reaches it.
pub struct Sender<'a> {
    primary: String,
    health_check_id: &'a str,
    function: &'a str,
    region: &'a str,
    account: &'a str,
}

impl<'a> Sender<'a> {
    /// The function of this configuration. `function_arn` is what was invoked, where the runtime said so.
    pub fn new(config: &'a Config, function_arn: Option<&'a str>) -> Self {
        let part = |arn: Option<&'a str>, index| arn.and_then(|arn| arn.split(':').nth(index));
        let topic = config.topic.as_ref().map(|topic| topic.arn.as_str());
        let known = |index| part(function_arn, index).filter(|part| !part.is_empty());
        Self {
            primary: config.pair.primary.to_string(),
            health_check_id: &config.pair.health_check_id,
            function: &config.function_name,
            region: known(3).or(config.region.as_deref()).or(part(topic, 3)).unwrap_or("unknown"),
            account: known(4).or(part(topic, 4)).unwrap_or("unknown"),
        }
    }

    /// The command that makes a request, as it is pasted into a shell.
    fn command(&self, command: Command) -> String {
        format!(
            "aws lambda invoke --function-name {} --region {} --cli-read-timeout 900 --cli-binary-format raw-in-base64-out --payload '{}' /dev/stdout",
            self.function, self.region, command.0
        )
    }

    /// The subject: SNS takes at most 100 ASCII characters.
    fn subject(&self, note: &Note) -> String {
        format!("{}: {} ({})", self.primary, note.what, note.code)
            .chars()
            .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
            .take(100)
            .collect()
    }

    /// The form for people.
    fn mail(&self, note: &Note) -> String {
        let command =
            note.next.command.map_or_else(String::new, |command| format!("  {}\n", self.command(command)));
        let stake = note.stake.as_ref().map_or_else(String::new, |stake| format!("At stake: {stake}\n"));
        format!(
            "{what}\n\nRule: {code}\nWhy: {why}\n{stake}Function: {function} (account {account}, region {region})\nHealth check: {check}\n\nNext: {words}\n{command}\nSee for yourself:\n  {status}\n",
            what = note.what,
            code = note.code,
            why = cut(&folded(&note.why), MOST),
            function = self.function,
            account = self.account,
            region = self.region,
            check = self.health_check_id,
            words = note.next.words,
            status = self.command(Command(r#"{"action":"status"}"#)),
        )
    }

    /// The form for chat. Source: "Custom notifications" in the Amazon Q Developer in chat applications guide.
    fn chat(&self, note: &Note, now: Timestamp) -> String {
        let mut next = vec![note.next.words.to_owned()];
        next.extend(note.next.command.map(|command| format!("`{}`", self.command(command))));
        let mut description = cut(&folded(&note.why), MOST);
        if let Some(stake) = &note.stake {
            description = format!("{description}\n*At stake:* {stake}");
        }
        json!({
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": format!("{}: {} ({})", self.primary, note.what, note.code),
                "description": description,
                "nextSteps": next,
                "keywords": [self.primary, note.code],
            },
            "metadata": {
                "threadId": self.thread(note, now),
                "summary": format!("{}: {}", self.primary, note.what),
                "eventType": note.code,
                "relatedResources": [self.primary, self.health_check_id],
                "additionalContext": {
                    "account": self.account,
                    "region": self.region,
                    "function": self.function,
                },
            },
        })
        .to_string()
    }

    /// The thread of an incident, from the move to the failback: the two identifiers may be swapped in between, the
    /// version of the check names it all the same. What belongs to none has the thread of its day.
    fn thread(&self, note: &Note, now: Timestamp) -> String {
        match note.incident {
            Some(version) => format!("{}-{}-{version}", self.function, self.health_check_id),
            None => format!("{}-{}-{}", self.function, self.health_check_id, now.strftime("%F")),
        }
    }

    /// All forms in one publish: for mail, for chat, and for whoever else subscribes.
    fn forms(&self, note: &Note, now: Timestamp) -> String {
        let mail = self.mail(note);
        json!({"default": mail, "email": mail, "https": self.chat(note, now)}).to_string()
    }
}

/// Publishes a note; answers whether that worked.
pub async fn publish(aws: &Aws, sender: &Sender<'_>, clock: &Clock, topic: &Topic, note: &Note) -> bool {
    let request = aws
        .sns(&topic.region)
        .publish()
        .topic_arn(&topic.arn)
        .subject(sender.subject(note))
        .message_structure("json")
        .message(sender.forms(note, clock.now()))
        .send();
    let sent = clock.within(tokio::time::timeout(PATIENCE, request)).await;
    let why = match sent {
        Some(Ok(Ok(_))) => return true,
        Some(Ok(Err(error))) => failure_of(&error).to_string(),
        Some(Err(_)) | None => "no answer in time".to_owned(),
    };
    tracing::error!(code = note.code, topic = topic.arn, why, "the notification could not be published");
    false
}
