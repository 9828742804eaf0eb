//! What DNS answers, and what a client with a cache connects to.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::world::World;
use crate::zone::{Failover, RecordSet, absolute};

/// A DNS answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record's first value, such as an endpoint's name.
    pub value: String,
    /// In seconds.
    pub ttl: u32,
    /// Which failover record it is from.
    pub failover: Option<Failover>,
}

impl World {
    /// What Route 53 answers for a name at a time, or `None` if it has no such record.
    ///
    /// The primary record while it is healthy (a record without a check is); else the secondary,
    /// if that is; and if neither is, the primary.
    pub fn dns_answer(&mut self, name: &str, now: Timestamp) -> Option<Answer> {
        self.advance(now);
        let name = absolute(name);
        let records: Vec<RecordSet> = self
            .route53
            .zones
            .iter()
            .flat_map(|zone| &zone.records)
            .filter(|record| record.name == name)
            .cloned()
            .collect();
        let role = |role| records.iter().find(|r| r.failover == Some(role));
        let record = match (role(Failover::Primary), role(Failover::Secondary)) {
            (Some(primary), Some(secondary)) => {
                if !self.serves(primary) && self.serves(secondary) {
                    secondary
                } else {
                    primary
                }
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => records.first()?,
        };
        Some(Answer { value: record.values.first()?.clone(), ttl: record.ttl, failover: record.failover })
    }

    fn serves(&mut self, record: &RecordSet) -> bool {
        match &record.health_check {
            None => true,
            Some(check) => self.is_healthy(check),
        }
    }
}

/// A client that keeps an answer for its TTL, or longer.
#[derive(Debug, Clone, Default)]
pub struct DnsClient {
    cache: HashMap<String, (Answer, Timestamp)>,
    hold: Duration,
}

impl DnsClient {
    /// One that honours the TTL.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that keeps every answer at least this long, as some runtimes do.
    #[must_use]
    pub fn holding(hold: Duration) -> Self {
        Self { hold, ..Self::default() }
    }

    /// The cached answer, or a fresh one once that has expired.
    pub fn resolve(&mut self, world: &mut World, name: &str, now: Timestamp) -> Option<Answer> {
        if let Some((answer, expires)) = self.cache.get(name)
            && now < *expires
        {
            return Some(answer.clone());
        }
        let answer = world.dns_answer(name, now)?;
        let hold = Duration::from_secs(answer.ttl.into()).max(self.hold);
        let hold = SignedDuration::try_from(hold).unwrap_or(SignedDuration::MAX);
        let expires = now.checked_add(hold).unwrap_or(Timestamp::MAX);
        self.cache.insert(name.to_owned(), (answer.clone(), expires));
        Some(answer)
    }
}
