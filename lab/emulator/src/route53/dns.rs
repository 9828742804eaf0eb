//! What DNS answers, and what a client with a cache connects to.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::zone::{Failover, RecordSet, absolute};
use crate::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record's first value, such as an endpoint's name.
    pub value: String,
    /// In seconds.
    pub ttl: u32,
    /// Which failover record it is from.
    pub failover: Option<Failover>,
}

/// How many records an answer is followed through.
const DEEPEST: u8 = 8;

impl World {
    /// What a resolver answers for a name at a time, or `None` if nothing of that name has a value.
    ///
    /// The primary record while it is healthy; else the secondary, if that is; and if neither is,
    /// the primary. A record is healthy if it has no check or a healthy one, and, for an alias that
    /// evaluates its target, if a record of that name is. Aliases, and CNAMEs within the zones, are
    /// followed; the shortest TTL on the way counts.
    pub fn dns_answer(&mut self, name: &str, now: Timestamp) -> Option<Answer> {
        self.advance(now);
        self.resolve(name, None, DEEPEST)
    }

    fn resolve(&mut self, name: &str, kind: Option<&str>, depth: u8) -> Option<Answer> {
        let depth = depth.checked_sub(1)?;
        let record = self.choose(&self.records_of(name, kind), depth)?;
        if let Some(alias) = &record.alias {
            let target = self.resolve(&alias.name, Some(&record.kind), depth)?;
            return Some(Answer { failover: record.failover.or(target.failover), ..target });
        }
        let value = record.values.first()?.clone();
        let here = Answer { value, ttl: record.ttl, failover: record.failover };
        let next = (record.kind == "CNAME").then(|| self.resolve(&here.value, None, depth)).flatten();
        Some(match next {
            None => here,
            Some(next) => Answer {
                ttl: here.ttl.min(next.ttl),
                failover: here.failover.or(next.failover),
                value: next.value,
            },
        })
    }

    fn records_of(&self, name: &str, kind: Option<&str>) -> Vec<RecordSet> {
        let name = absolute(name);
        let records = self.route53.zones.iter().flat_map(|zone| &zone.records);
        records.filter(|r| r.name == name && kind.is_none_or(|kind| r.kind == kind)).cloned().collect()
    }

    fn choose(&mut self, records: &[RecordSet], depth: u8) -> Option<RecordSet> {
        let role = |role| records.iter().find(|r| r.failover == Some(role));
        let record = match (role(Failover::Primary), role(Failover::Secondary)) {
            (Some(primary), Some(secondary)) => {
                if !self.serves(primary, depth) && self.serves(secondary, depth) {
                    secondary
                } else {
                    primary
                }
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => records.first()?,
        };
        Some(record.clone())
    }

    fn serves(&mut self, record: &RecordSet, depth: u8) -> bool {
        if record.health_check.as_ref().is_some_and(|check| !self.is_healthy(check)) {
            return false;
        }
        let Some(alias) = record.alias.as_ref().filter(|alias| alias.evaluate_target_health) else {
            return true;
        };
        let Some(depth) = depth.checked_sub(1) else {
            return false;
        };
        let targets = self.records_of(&alias.name, Some(&record.kind));
        targets.iter().any(|target| self.serves(target, depth))
    }
}

/// A client that keeps an answer for its TTL.
#[derive(Debug, Clone, Default)]
pub struct DnsClient {
    cache: HashMap<String, (Answer, Timestamp)>,
}

impl DnsClient {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The cached answer, or a fresh one once that has expired.
    pub fn resolve(&mut self, world: &mut World, name: &str, now: Timestamp) -> Option<Answer> {
        if let Some((answer, expires)) = self.cache.get(name)
            && now < *expires
        {
            return Some(answer.clone());
        }
        let answer = world.dns_answer(name, now)?;
        let expires = now + SignedDuration::from_secs(answer.ttl.into());
        self.cache.insert(name.to_owned(), (answer.clone(), expires));
        Some(answer)
    }
}
