//! Hosted zones and their record sets.

use bytes::Bytes;
use roxmltree::Node;

use crate::record::Change;
use crate::route53::{invalid, members, parse, parsed, root, text};
use crate::wire::{ApiError, ApiResult, Params, Service, Xml, iso};
use crate::world::World;

/// Which of two failover records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Failover {
    Primary,
    Secondary,
}

impl Failover {
    fn name(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Secondary => "SECONDARY",
        }
    }
}

/// A resource record set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RecordSet {
    /// Ends with a dot once it is in a zone.
    pub name: String,
    /// Such as `CNAME`.
    pub kind: String,
    /// In seconds.
    pub ttl: u32,
    pub values: Vec<String>,
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
            set_identifier: None,
            failover: None,
            health_check: None,
        }
    }

    /// The primary failover CNAME.
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

    /// Route 53's order: by the labels from the right, then by type and identifier.
    fn order(&self) -> (Vec<&str>, &str, &str) {
        let set = self.set_identifier.as_deref().unwrap_or_default();
        (labels(&self.name), &self.kind, set)
    }

    fn is_same(&self, other: &Self) -> bool {
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
    /// Adds a hosted zone.
    pub fn add_zone(&mut self, id: &str, name: &str, records: impl IntoIterator<Item = RecordSet>) {
        let mut records: Vec<_> =
            records.into_iter().map(|record| RecordSet { name: absolute(&record.name), ..record }).collect();
        records.sort_by(|a, b| a.order().cmp(&b.order()));
        self.route53.zones.push(Zone { id: id.to_owned(), name: absolute(name), records });
    }

    /// The record sets of a zone.
    #[must_use]
    pub fn records(&self, zone: &str) -> &[RecordSet] {
        let zones = self.route53.zones.iter();
        zones.filter(|z| z.id == zone).map(|z| z.records.as_slice()).next().unwrap_or_default()
    }
}

fn find<'w>(world: &'w mut World, id: &str) -> ApiResult<&'w mut Zone> {
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
        write(&mut xml, record);
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

fn write(xml: &mut Xml, record: &RecordSet) {
    xml.open("ResourceRecordSet")
        .leaf("Name", &record.name)
        .leaf("Type", &record.kind)
        .optional("SetIdentifier", record.set_identifier.as_ref())
        .optional("Failover", record.failover.map(Failover::name))
        .leaf("TTL", record.ttl)
        .open("ResourceRecords");
    for value in &record.values {
        xml.open("ResourceRecord").leaf("Value", value).close();
    }
    xml.close().optional("HealthCheckId", record.health_check.as_ref()).close();
}

pub(crate) fn change(world: &mut World, id: &str, body: &[u8]) -> ApiResult<Bytes> {
    let document = parse(body)?;
    let root = root(&document, "ChangeResourceRecordSetsRequest")?;
    let batch = only(root, "ChangeBatch")?;
    let batch = members(batch, &["Comment", "Changes"], false)?;
    let changes = batch.iter().find(|(name, _)| *name == "Changes");
    let changes = changes.ok_or_else(|| invalid("Missing field 'Changes'"))?.1;
    let mut wanted = Vec::new();
    for (_, node) in members(changes, &["Change"], true)? {
        let parts = members(node, &["Action", "ResourceRecordSet"], false)?;
        let part = |name: &str| {
            let part = parts.iter().find(|(part, _)| *part == name);
            part.map(|(_, node)| *node).ok_or_else(|| invalid(format!("Missing field '{name}'")))
        };
        wanted.push((text(part("Action")?), read(part("ResourceRecordSet")?)?));
    }
    let now = iso(world.now);
    let known = |check: &str| world.health_check(check).is_some();
    for check in wanted.iter().filter_map(|(_, r)| r.health_check.as_deref()) {
        if !known(check) {
            let message = format!("A health check with id {check} does not exist.");
            return Err(ApiError::new(404, "NoSuchHealthCheck", message));
        }
    }
    let zone = find(world, id)?;
    // All changes of a batch are made, or none.
    let mut records = zone.records.clone();
    let mut done = Vec::new();
    for (action, record) in wanted {
        let outside = record.name != zone.name && !record.name.ends_with(&format!(".{}", zone.name));
        if outside {
            return Err(bad_batch(format!(
                "RRSet with DNS name {} is not permitted in zone {}",
                record.name, zone.name
            )));
        }
        done.push(apply(&mut records, id, action, record)?);
    }
    records.sort_by(|a, b| a.order().cmp(&b.order()));
    zone.records = records;
    for change in done {
        world.changed(change);
    }
    let mut xml = Xml::new("ChangeResourceRecordSetsResponse", Service::Route53.namespace());
    xml.open("ChangeInfo")
        .leaf("Id", "/change/C0000000000001")
        .leaf("Status", "PENDING")
        .leaf("SubmittedAt", now);
    Ok(xml.finish())
}

fn bad_batch(message: String) -> ApiError {
    ApiError::bad("InvalidChangeBatch", format!("[{message}]"))
}

fn apply(records: &mut Vec<RecordSet>, zone: &str, action: &str, record: RecordSet) -> ApiResult<Change> {
    let described = format!(
        "resource record set [name='{}', type='{}', set identifier='{}']",
        record.name,
        record.kind,
        record.set_identifier.as_deref().unwrap_or_default()
    );
    let present = records.iter().position(|other| other.is_same(&record));
    match (action, present) {
        ("CREATE", Some(_)) => Err(bad_batch(format!("Tried to create {described} but it already exists"))),
        ("DELETE", None) => Err(bad_batch(format!("Tried to delete {described} but it was not found"))),
        ("DELETE", Some(index)) if records[index] != record => Err(bad_batch(format!(
            "Tried to delete {described} but the values provided do not match the current values"
        ))),
        ("DELETE", Some(index)) => {
            records.remove(index);
            Ok(Change::RecordDeleted {
                zone: zone.to_owned(),
                name: record.name,
                set_identifier: record.set_identifier,
            })
        }
        ("CREATE" | "UPSERT", present) => {
            if let Some(index) = present {
                records.remove(index);
            }
            let conflict = |other: &RecordSet| {
                other.name == record.name
                    && other.kind == record.kind
                    && (other.failover.is_none() || other.failover == record.failover)
            };
            if records.iter().any(conflict) {
                return Err(bad_batch(format!(
                    "RRSet of type {} with DNS name {} is not permitted because a conflicting RRSet with the same \
                     DNS name already exists",
                    record.kind, record.name
                )));
            }
            records.push(record.clone());
            Ok(Change::RecordSet {
                zone: zone.to_owned(),
                name: record.name,
                set_identifier: record.set_identifier,
                values: record.values,
            })
        }
        (other, _) => Err(invalid(format!("Invalid action '{other}'"))),
    }
}

fn only<'d, 'i>(node: Node<'d, 'i>, name: &str) -> ApiResult<Node<'d, 'i>> {
    let found = members(node, &[name], false)?;
    let first = found.first().map(|(_, node)| *node);
    first.ok_or_else(|| invalid(format!("Missing field '{name}'")))
}

fn read(node: Node<'_, '_>) -> ApiResult<RecordSet> {
    let mut record = RecordSet::cname("", "");
    record.values.clear();
    record.kind.clear();
    let mut ttl = None;
    let known = [
        "Name",
        "Type",
        "SetIdentifier",
        "Failover",
        "TTL",
        "ResourceRecords",
        "HealthCheckId",
        "AliasTarget",
        "Weight",
        "Region",
        "GeoLocation",
        "MultiValueAnswer",
    ];
    for (name, node) in members(node, &known, false)? {
        match name {
            "Name" => record.name = absolute(text(node)),
            "Type" => text(node).clone_into(&mut record.kind),
            "SetIdentifier" => record.set_identifier = Some(text(node).to_owned()),
            "HealthCheckId" => record.health_check = Some(text(node).to_owned()),
            "TTL" => ttl = Some(parsed::<u32>(node)?),
            "Failover" => {
                record.failover = [Failover::Primary, Failover::Secondary]
                    .into_iter()
                    .find(|failover| failover.name() == text(node));
                if record.failover.is_none() {
                    return Err(invalid("Invalid parameter : Failover"));
                }
            }
            "ResourceRecords" => {
                for (_, value) in members(node, &["ResourceRecord"], true)? {
                    record.values.push(text(only(value, "Value")?).to_owned());
                }
            }
            other => {
                let what = format!("{other} of a resource record set");
                return Err(ApiError::not_emulated(what));
            }
        }
    }
    record.ttl = ttl.ok_or_else(|| invalid("Missing field 'TTL'"))?;
    if record.name == "." || record.kind.is_empty() || record.values.is_empty() {
        return Err(invalid("Name, Type and ResourceRecords are required."));
    }
    if record.failover.is_some() != record.set_identifier.is_some() {
        return Err(invalid(
            "A SetIdentifier goes with a routing policy, and a routing policy with a SetIdentifier.",
        ));
    }
    if record.kind == "CNAME" && record.values.len() != 1 {
        return Err(invalid("A CNAME has exactly one value."));
    }
    Ok(record)
}
