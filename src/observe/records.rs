//! The failover records in the hosted zone, and where they lead.

use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover, RrType};

use super::{Observer, nonsense};
use crate::aws::ask;
use crate::model::{Evidence, PrimaryRecord, ReadFailure};
use crate::text::named;

/// A zone of 300 records a page: beyond this many pages something answers that is not Route 53.
const MAX_PAGES: usize = 100;
/// How many aliases are followed within the zone.
const MAX_ALIASES: usize = 4;

/// Where a page of records begins.
type Start = (String, Option<RrType>, Option<String>);

/// Where a record leads.
pub struct Followed {
    /// The names, in lower case, without a trailing dot.
    pub targets: Vec<String>,
    /// In seconds; `None` where AWS sets it. An alias has that of the record in the zone to which it leads. Source:
    /// "Choosing between alias and non-alias records" in the Route 53 Developer Guide.
    pub ttl: Option<i64>,
}

impl Observer<'_> {
    /// `ListResourceRecordSets`: the primary failover record.
    pub(super) async fn read_record(&self) -> Evidence<Option<PrimaryRecord>> {
        match self.primary_record().await {
            Ok(record) => Evidence::Read(record),
            Err(failure) => Evidence::Unreadable(failure),
        }
    }

    async fn primary_record(&self) -> Result<Option<PrimaryRecord>, ReadFailure> {
        let sets = self.record_sets().await?;
        let primary = sets.iter().find(|set| set.failover() == Some(&ResourceRecordSetFailover::Primary));
        match primary {
            None => Ok(None),
            Some(set) => Ok(Some(PrimaryRecord { targets: self.follow(set).await?.targets })),
        }
    }

    /// The failover records: those of `RECORD_NAME`, else those of the name whose primary uses the health check.
    ///
    /// # Errors
    /// Why they could not be read.
    pub async fn record_sets(&self) -> Result<Vec<ResourceRecordSet>, ReadFailure> {
        let Some(name) = &self.pair.record_name else {
            let mut sets = self.records(None).await?;
            let name = sets
                .iter()
                .find(|set| set.health_check_id() == Some(&self.pair.health_check_id))
                // Under a check that is made of ours: a zone with one pair of records leaves no doubt.
                .or_else(|| sets.first().filter(|first| sets.iter().all(|set| set.name() == first.name())))
                .map(|set| set.name().to_owned());
            sets.retain(|set| Some(set.name()) == name.as_deref());
            return Ok(sets);
        };
        let mut sets = self.records(Some(name)).await?;
        sets.retain(|set| set.failover().is_some());
        Ok(sets)
    }

    /// Follows a record: its values, or those of the records in the zone that its alias names.
    ///
    /// # Errors
    /// Why a record on the way could not be read.
    pub async fn follow(&self, set: &ResourceRecordSet) -> Result<Followed, ReadFailure> {
        let mut targets = values(set);
        let mut ttl = set.ttl();
        let mut alias = alias(set);
        for _ in 0..MAX_ALIASES {
            let Some(name) = alias.take() else { break };
            let found = self.records(Some(&name)).await?;
            let plain: Vec<String> = found.iter().flat_map(values).collect();
            ttl = found.iter().filter_map(ResourceRecordSet::ttl).max();
            alias = found.iter().find_map(self::alias);
            targets = if plain.is_empty() && alias.is_none() { vec![name] } else { plain };
        }
        Ok(Followed { targets, ttl })
    }

    /// The records of a name, or the failover records of the whole zone.
    async fn records(&self, name: Option<&str>) -> Result<Vec<ResourceRecordSet>, ReadFailure> {
        let Some(zone) = &self.pair.hosted_zone_id else { return Ok(Vec::new()) };
        let is_wanted = |set: &ResourceRecordSet| {
            name.map_or(set.failover().is_some(), |name| plain(set.name()) == plain(name))
        };
        let mut sets = Vec::new();
        let mut start: Option<Start> = name.map(|name| (name.to_owned(), None, None));
        for _ in 0..MAX_PAGES {
            let mut request = self.aws.route53().list_resource_record_sets().hosted_zone_id(zone);
            if let Some((name, kind, identifier)) = start {
                request = request
                    .start_record_name(name)
                    .set_start_record_type(kind)
                    .set_start_record_identifier(identifier);
            }
            let page = ask(&self.clock, self.reserve, || request.clone().send()).await?;
            // Route 53 always says how many it lists at most; without that, no record is no news of the records.
            if page.max_items == 0 && page.resource_record_sets.is_empty() {
                return Err(nonsense("Route 53's answer is not a page of records"));
            }
            let beyond = page.resource_record_sets().iter().any(|set| !is_wanted(set));
            sets.extend(page.resource_record_sets.into_iter().filter(is_wanted));
            let next = page.next_record_name.filter(|_| page.is_truncated);
            // Names come in order: after the one that is looked for there is nothing more of it.
            let Some(next) = next.filter(|_| name.is_none() || !beyond) else { return Ok(sets) };
            start = Some((next, page.next_record_type, page.next_record_identifier));
        }
        Err(nonsense("the zone has more pages of records than this function reads"))
    }
}

fn plain(name: &str) -> String {
    // Route 53 writes the asterisk of a wildcard as an octal code.
    named(&name.trim_end_matches('.').to_ascii_lowercase().replace("\\052", "*"))
}

fn values(set: &ResourceRecordSet) -> Vec<String> {
    set.resource_records().iter().map(|record| plain(record.value())).collect()
}

fn alias(set: &ResourceRecordSet) -> Option<String> {
    set.alias_target().map(|alias| plain(alias.dns_name()))
}
