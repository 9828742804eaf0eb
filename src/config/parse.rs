//! How each kind of value is written. `None` is "not one of these"; the caller names the variable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use super::{Failback, Mode, OnUnreachable, Topic};
use crate::health::Trigger;
use crate::probe::Endpoint;
use crate::status::{Health, Status};

pub(super) fn duration(text: &str) -> Option<Duration> {
    // More than a week is a typing error for everything that is configured here.
    SpanParser::new()
        .parse_unsigned_duration(text)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(7 * 24 * 3600))
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

pub(super) fn count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| (1..=100).contains(count))
}

pub(super) fn quorum(text: &str, endpoints: usize) -> Option<usize> {
    if text.eq_ignore_ascii_case("majority") {
        return Some(endpoints / 2 + 1);
    }
    text.parse().ok().filter(|quorum| (1..=endpoints).contains(quorum))
}

pub(super) fn failback(text: &str) -> Option<Failback> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Some(Failback::Auto),
        "manual" => Some(Failback::Manual),
        _ => None,
    }
}

pub(super) fn mode(text: &str) -> Option<Mode> {
    match text.to_ascii_lowercase().as_str() {
        "act" => Some(Mode::Act),
        "observe" => Some(Mode::Observe),
        _ => None,
    }
}

pub(super) fn on_unreachable(text: &str) -> Option<OnUnreachable> {
    match text.to_ascii_lowercase().as_str() {
        "hold" => Some(OnUnreachable::Hold),
        "failover" => Some(OnUnreachable::FailOver),
        _ => None,
    }
}

/// The items of a comma-separated list, at least one.
fn items(text: &str) -> Option<impl Iterator<Item = &str>> {
    let mut items = text.split(',').map(str::trim).filter(|item| !item.is_empty()).peekable();
    items.peek().is_some().then_some(items)
}

pub(super) fn status_overrides(text: &str) -> Option<BTreeMap<Status, Health>> {
    let mut overrides = BTreeMap::new();
    for item in items(text)? {
        let (status, health) = item.split_once('=')?;
        let health = match health.trim().to_ascii_lowercase().as_str() {
            "healthy" => Health::Healthy,
            "hold" => Health::Hold,
            "unhealthy" => Health::Unhealthy,
            _ => return None,
        };
        let status = status_name(status)?;
        // The same status twice can't both be meant.
        if overrides.insert(status, health).is_some_and(|earlier| earlier != health) {
            return None;
        }
    }
    Some(overrides)
}

pub(super) fn promote_on(text: &str) -> Option<BTreeSet<Trigger>> {
    items(text)?
        .map(|item| match item.to_ascii_lowercase().as_str() {
            "missing" => Some(Trigger::Missing),
            "unreachable" => Some(Trigger::Unreachable),
            "unresponsive" => Some(Trigger::Unresponsive),
            _ => status_name(item).map(Trigger::Status),
        })
        .collect()
}

fn status_name(text: &str) -> Option<Status> {
    let status = Status::parse(text);
    let valid = status.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-');
    (valid && !status.as_str().is_empty()).then_some(status)
}

pub(super) fn default_promote_on() -> BTreeSet<Trigger> {
    Status::ALL.iter().filter(|status| status.promotable_by_default()).cloned().map(Trigger::Status).collect()
}

pub(super) fn endpoints(text: &str) -> Option<Vec<Endpoint>> {
    items(text)?.map(Endpoint::parse).collect()
}

pub(super) fn health_check_id(text: &str) -> Option<String> {
    // "GetHealthCheck", HealthCheckId: at most 64 characters.
    let valid = text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    valid.then(|| text.to_owned())
}

pub(super) fn hosted_zone_id(text: &str) -> Option<String> {
    let id = text.strip_prefix("/hostedzone/").unwrap_or(text);
    let valid = id.len() <= 32 && !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    valid.then(|| id.to_owned())
}

pub(super) fn record_name(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let valid = name.contains('.') && name.len() <= 253 && !name.contains(char::is_whitespace);
    valid.then_some(name)
}

pub(super) fn topic(text: &str) -> Option<Topic> {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "sns", region, account, name] = parts.as_slice() else { return None };
    // "CreateTopic", Name: at most 256 letters, digits, hyphens and underscores; a FIFO topic ends in `.fifo`.
    let allowed = |part: &str, also: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    let valid = allowed(partition, "-")
        && allowed(region, "-")
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit())
        && name.len() <= 256
        && allowed(name.strip_suffix(".fifo").unwrap_or(name), "-_");
    valid.then(|| Topic { arn: text.to_owned(), region: (*region).to_owned() })
}
