//! Hosted zones and their record sets.

use bytes::Bytes;

use super::invalid;
use crate::wire::{ApiError, ApiResult, Params, Service, Xml};
use crate::world::World;

/// Which of two failover records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    Primary,
    Secondary,
}

impl Failover {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Secondary => "SECONDARY",
        }
    }
}

/// What an alias record answers with: another record set of its type in the same zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name of that record set.
    pub name: String,
    /// `EvaluateTargetHealth`: whether the alias is healthy only while that is.
    pub evaluate_target_health: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// Ends with a dot once it is in a zone.
    pub name: String,
    /// Such as `CNAME`.
    pub kind: String,
    /// In seconds. An alias has the one of its target.
    pub ttl: u32,
    /// Empty for an alias.
    pub values: Vec<String>,
    pub alias: Option<Alias>,
    pub set_identifier: Option<String>,
    pub failover: Option<Failover>,
    pub health_check: Option<String>,
}

impl RecordSet {
    /// A CNAME without routing, TTL 60 s.
    #[must_use]
    pub fn cname(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: "CNAME".to_owned(),
            ttl: 60,
            values: vec![value.to_owned()],
            alias: None,
            set_identifier: None,
            failover: None,
            health_check: None,
        }
    }

    #[must_use]
    pub fn primary(name: &str, value: &str, health_check: &str) -> Self {
        Self {
            set_identifier: Some("primary".to_owned()),
            failover: Some(Failover::Primary),
            health_check: Some(health_check.to_owned()),
            ..Self::cname(name, value)
        }
    }

    /// The secondary failover CNAME, without a health check.
    #[must_use]
    pub fn secondary(name: &str, value: &str) -> Self {
        Self {
            set_identifier: Some("secondary".to_owned()),
            failover: Some(Failover::Secondary),
            ..Self::cname(name, value)
        }
    }

    /// The same record as an alias of another one in the zone.
    #[must_use]
    pub fn alias_of(self, name: &str, evaluate_target_health: bool) -> Self {
        let alias = Alias { name: absolute(name), evaluate_target_health };
        Self { alias: Some(alias), ttl: 0, values: Vec::new(), ..self }
    }

    /// Route 53's order: by the labels from the right, then by type and identifier.
    pub(super) fn order(&self) -> (Vec<&str>, &str, &str) {
        let set = self.set_identifier.as_deref().unwrap_or_default();
        (labels(&self.name), &self.kind, set)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

fn labels(name: &str) -> Vec<&str> {
    name.trim_end_matches('.').rsplit('.').collect()
}

pub(crate) fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}

#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    /// In [`RecordSet::order`].
    pub(crate) records: Vec<RecordSet>,
}

impl World {
    pub fn add_zone(&mut self, id: &str, name: &str, records: impl IntoIterator<Item = RecordSet>) {
        let mut records: Vec<_> =
            records.into_iter().map(|record| RecordSet { name: absolute(&record.name), ..record }).collect();
        records.sort_by(|a, b| a.order().cmp(&b.order()));
        self.route53.zones.push(Zone { id: id.to_owned(), name: absolute(name), records });
    }

    #[must_use]
    pub fn records(&self, zone: &str) -> &[RecordSet] {
        let zones = self.route53.zones.iter();
        zones.filter(|z| z.id == zone).map(|z| z.records.as_slice()).next().unwrap_or_default()
    }
}

pub(super) fn find<'w>(world: &'w mut World, id: &str) -> ApiResult<&'w mut Zone> {
    let zone = world.route53.zones.iter_mut().find(|zone| zone.id == id);
    zone.ok_or_else(|| {
        let message = format!("No hosted zone found with ID: {id}");
        ApiError::new(404, "NoSuchHostedZone", message)
    })
}

pub(crate) fn list(world: &mut World, id: &str, query: &str) -> ApiResult<Bytes> {
    let mut params = Params::parse(query.as_bytes());
    let name = params.take("name").map(|name| absolute(&name));
    let kind = params.take("type");
    let identifier = params.take("identifier");
    let limit = params.take_parsed::<usize>("maxitems")?.unwrap_or(300);
    params.finish()?;
    if name.is_none() && kind.is_some() || kind.is_none() && identifier.is_some() {
        return Err(invalid("The input is not valid: type needs a name, and identifier needs a type."));
    }
    if limit == 0 {
        return Err(invalid("maxItems must be at least 1."));
    }
    let limit = limit.min(300);
    let start = (
        name.as_deref().map(labels).unwrap_or_default(),
        kind.as_deref().unwrap_or_default(),
        identifier.as_deref().unwrap_or_default(),
    );
    let zone = find(world, id)?;
    let mut from = zone.records.iter().skip_while(|r| r.order() < start);
    let mut xml = Xml::new("ListResourceRecordSetsResponse", Service::Route53.namespace());
    xml.open("ResourceRecordSets");
    for record in from.by_ref().take(limit) {
        write(&mut xml, &zone.id, record);
    }
    let next = from.next();
    xml.close().leaf("IsTruncated", next.is_some());
    if let Some(next) = next {
        xml.leaf("NextRecordName", &next.name)
            .leaf("NextRecordType", &next.kind)
            .optional("NextRecordIdentifier", next.set_identifier.as_ref());
    }
    xml.leaf("MaxItems", limit);
    Ok(xml.finish())
}

fn write(xml: &mut Xml, zone: &str, record: &RecordSet) {
    xml.open("ResourceRecordSet")
        .leaf("Name", &record.name)
        .leaf("Type", &record.kind)
        .optional("SetIdentifier", record.set_identifier.as_ref())
        .optional("Failover", record.failover.map(Failover::name));
    if let Some(alias) = &record.alias {
        xml.open("AliasTarget")
            .leaf("HostedZoneId", zone)
            .leaf("DNSName", &alias.name)
            .leaf("EvaluateTargetHealth", alias.evaluate_target_health)
            .close();
    } else {
        xml.leaf("TTL", record.ttl).open("ResourceRecords");
        for value in &record.values {
            xml.open("ResourceRecord").leaf("Value", value).close();
        }
        xml.close();
    }
    xml.optional("HealthCheckId", record.health_check.as_ref()).close();
}
