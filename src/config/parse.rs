//! How each kind of value is written. `None` is "not one of these"; the caller names the variable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use super::{Mode, Topic, shown};
use crate::model::Symptom;
use crate::policy::{Endpoint, Failback, OnUnreachable};
use crate::status::{Health, Status};

pub(super) fn duration(text: &str) -> Option<Duration> {
    // Above a week it is certainly a typo.
    SpanParser::new()
        .parse_unsigned_duration(text)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(7 * 24 * 3600))
}

/// What one of a few words means, in whatever case it is written.
fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    word(text, &[("true", true), ("false", false)])
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
    word(text, &[("auto", Failback::Auto), ("manual", Failback::Manual)])
}

pub(super) fn mode(text: &str) -> Option<Mode> {
    word(text, &[("act", Mode::Act), ("observe", Mode::Observe)])
}

pub(super) fn on_unreachable(text: &str) -> Option<OnUnreachable> {
    word(text, &[("hold", OnUnreachable::Hold), ("failover", OnUnreachable::FailOver)])
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
        let words = [("healthy", Health::Healthy), ("hold", Health::Hold), ("unhealthy", Health::Unhealthy)];
        let health = word(health.trim(), &words)?;
        let status = status_name(status)?;
        // The same status twice can't both be meant.
        if overrides.insert(status, health).is_some_and(|earlier| earlier != health) {
            return None;
        }
    }
    Some(overrides)
}

pub(super) fn promote_on(text: &str) -> Option<BTreeSet<Symptom>> {
    items(text)?
        .map(|item| match item.to_ascii_lowercase().as_str() {
            "missing" => Some(Symptom::Missing),
            "unreachable" => Some(Symptom::Unreachable),
            "unresponsive" => Some(Symptom::Unresponsive),
            _ => status_name(item).map(Symptom::Status),
        })
        .collect()
}

fn status_name(text: &str) -> Option<Status> {
    let status = Status::parse(text);
    let valid = status.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-');
    (valid && !status.as_str().is_empty()).then_some(status)
}

pub(super) fn default_promote_on() -> BTreeSet<Symptom> {
    Status::ALL.iter().filter(|status| status.promotable_by_default()).cloned().map(Symptom::Status).collect()
}

/// Endpoints to probe, each listed once.
pub(super) fn endpoints(text: &str) -> Result<Vec<Endpoint>, String> {
    let mut endpoints = Vec::new();
    for item in items(text).ok_or("it lists no endpoint")? {
        let found = endpoint(item).ok_or_else(|| match without_secrets(text) == text {
            true => format!("`{}` can't be probed", shown(item)),
            // What is left of it after a comma in its password shows no `@`.
            false => "an address with credentials can't be probed".to_owned(),
        })?;
        if endpoints.contains(&found) {
            return Err(format!("`{}` is listed twice", shown(item)));
        }
        endpoints.push(found);
    }
    Ok(endpoints)
}

fn endpoint(text: &str) -> Option<Endpoint> {
    if let Some(address) = text.strip_prefix("tcp://") {
        let (host, port) = address.rsplit_once(':')?;
        return (is_host(host) && is_port(port)).then(|| Endpoint::Tcp(address.to_ascii_lowercase()));
    }
    let uri: http::Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    // The parser accepts an invalid port, and a user with a password, which a probe does not send.
    let port = authority.as_str().strip_prefix(authority.host())?;
    let valid = matches!(uri.scheme_str(), Some("http" | "https"))
        && is_host(authority.host())
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    valid.then_some(Endpoint::Http(uri))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A host name ("Requirements on host names", RFC 1123, with the underscores that private zones have), or an address.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The text without the user and the password of any URL in it: what is shown ends up in a log. A password may hold a
/// slash, a comma or another address, so all between the first scheme and the last `@` goes.
pub(super) fn without_secrets(text: &str) -> String {
    let Some(at) = text.rfind('@') else { return text.to_owned() };
    let scheme = ["http://", "https://", "tcp://"].into_iter().find(|scheme| text.starts_with(scheme));
    format!("{}***{}", scheme.unwrap_or_default(), &text[at..])
}

/// A name that a report, a metric and a message can carry.
pub(super) fn primary_name(text: &str) -> Option<String> {
    let valid = text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    valid.then(|| text.to_owned())
}

pub(super) fn fence(text: &str) -> Option<bool> {
    word(text, &[("off", false), ("stop", true)])
}

/// Every look costs calls: RDS takes a dozen a second of a whole account.
pub(super) fn watch_interval(text: &str) -> Option<Duration> {
    duration(text).filter(|interval| *interval >= Duration::from_secs(1))
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
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    // A wildcard is a name of Route 53, too.
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    let valid = name.contains('.') && name.len() <= 253 && labels.split('.').all(is_label);
    valid.then_some(name)
}

pub(super) fn topic(text: &str) -> Option<Topic> {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "sns", region, account, name] = parts.as_slice() else { return None };
    // "CreateTopic", Name: at most 256 letters, digits, hyphens and underscores. A FIFO topic (`.fifo`) wants a message
    // group and delivers to no mail address.
    let allowed = |part: &str, also: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    let valid = allowed(partition, "-")
        && allowed(region, "-")
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit())
        && name.len() <= 256
        && allowed(name, "-_");
    valid.then(|| Topic { arn: text.to_owned(), region: (*region).to_owned() })
}
