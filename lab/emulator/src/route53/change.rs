//! Changes record sets, a whole batch or nothing.

use bytes::Bytes;
use roxmltree::Node;

use super::invalid;
use super::xml::{members, parse, parsed, root, text};
use super::zone::{Alias, Failover, RecordSet, absolute, find};
use crate::record::Change;
use crate::wire::{ApiError, ApiResult, Service, Xml, iso};
use crate::world::World;

pub(super) fn change(world: &mut World, id: &str, body: &[u8]) -> ApiResult<Bytes> {
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
        wanted.push((text(part("Action")?), read(id, part("ResourceRecordSet")?)?));
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
    for record in &records {
        let found = |alias: &Alias| records.iter().any(|r| r.name == alias.name && r.kind == record.kind);
        if let Some(alias) = record.alias.as_ref().filter(|alias| !found(alias)) {
            return Err(bad_batch(format!(
                "Tried to create an alias that targets {}, type {} in zone {id}, but the alias target name was not \
                 found",
                alias.name, record.kind
            )));
        }
    }
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

fn read(zone: &str, node: Node<'_, '_>) -> ApiResult<RecordSet> {
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
            "AliasTarget" => record.alias = Some(read_alias(zone, node)?),
            other => {
                let what = format!("{other} of a resource record set");
                return Err(ApiError::not_emulated(what));
            }
        }
    }
    if record.name == "." || record.kind.is_empty() {
        return Err(invalid("Name and Type are required."));
    }
    match (&record.alias, ttl) {
        (None, Some(ttl)) if !record.values.is_empty() => record.ttl = ttl,
        (Some(_), None) if record.values.is_empty() => record.ttl = 0,
        _ => {
            return Err(invalid(
                "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] in the record set.",
            ));
        }
    }
    if record.failover.is_some() != record.set_identifier.is_some() {
        return Err(invalid(
            "A SetIdentifier goes with a routing policy, and a routing policy with a SetIdentifier.",
        ));
    }
    if record.kind == "CNAME" && record.alias.is_none() && record.values.len() != 1 {
        return Err(invalid("A CNAME has exactly one value."));
    }
    Ok(record)
}

fn read_alias(zone: &str, node: Node<'_, '_>) -> ApiResult<Alias> {
    let (mut target_zone, mut name, mut evaluate) = ("", "", None);
    for (member, node) in members(node, &["HostedZoneId", "DNSName", "EvaluateTargetHealth"], false)? {
        match member {
            "HostedZoneId" => target_zone = text(node),
            "DNSName" => name = text(node),
            _ => evaluate = Some(parsed::<bool>(node)?),
        }
    }
    let evaluate_target_health = evaluate.ok_or_else(|| invalid("Missing field 'EvaluateTargetHealth'"))?;
    if name.is_empty() || target_zone.is_empty() {
        return Err(invalid("HostedZoneId and DNSName of an AliasTarget are required."));
    }
    if target_zone != zone {
        return Err(ApiError::not_emulated("an alias to something outside the zone"));
    }
    Ok(Alias { name: absolute(name), evaluate_target_health })
}
