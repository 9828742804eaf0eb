//! Creates, updates, reads and lists health checks.

use std::collections::BTreeMap;

use bytes::Bytes;
use roxmltree::Node;

use super::check::{HealthCheck, InsufficientData};
use super::xml::{members, parse, parsed, root, text};
use super::{find, invalid};
use crate::record::Change;
use crate::wire::{ApiError, ApiResult, Params, Service, Xml};
use crate::world::World;

/// The members that can be set at a creation and changed later.
const SETTINGS: &[&str] = &[
    "IPAddress",
    "Port",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "FailureThreshold",
    "Inverted",
    "Disabled",
    "HealthThreshold",
    "ChildHealthChecks",
    "EnableSNI",
    "Regions",
    "AlarmIdentifier",
    "InsufficientDataHealthStatus",
];

const KINDS: &[&str] = &[
    "HTTP",
    "HTTPS",
    "HTTP_STR_MATCH",
    "HTTPS_STR_MATCH",
    "TCP",
    "CALCULATED",
    "CLOUDWATCH_METRIC",
    "RECOVERY_CONTROL",
];

/// The most children that a check may have.
const MOST_CHILDREN: usize = 255;

pub(super) fn get(world: &World, id: &str) -> ApiResult<Bytes> {
    Ok(answer("GetHealthCheckResponse", find(world, id)?))
}

pub(super) fn list(world: &World, query: &str) -> ApiResult<Bytes> {
    let mut params = Params::parse(query.as_bytes());
    let marker = params.take("marker");
    let limit = params.take_parsed::<usize>("maxitems")?.unwrap_or(100).min(1000);
    params.finish()?;
    let checks = &world.route53.checks;
    let start = match &marker {
        None => 0,
        Some(marker) => checks
            .iter()
            .position(|check| check.id == *marker)
            .ok_or_else(|| invalid(format!("Marker {marker} does not exist.")))?,
    };
    if limit == 0 {
        return Err(invalid("maxItems must be at least 1."));
    }
    let mut from = checks[start..].iter();
    let mut xml = Xml::new("ListHealthChecksResponse", Service::Route53.namespace());
    xml.open("HealthChecks");
    for check in from.by_ref().take(limit) {
        write(&mut xml, check);
    }
    let next = from.next();
    xml.close()
        .leaf("Marker", marker.unwrap_or_default())
        .leaf("IsTruncated", next.is_some())
        .optional("NextMarker", next.map(|check| &check.id))
        .leaf("MaxItems", limit);
    Ok(xml.finish())
}

pub(super) fn create(world: &mut World, body: &[u8]) -> ApiResult<Bytes> {
    let document = parse(body)?;
    let request = root(&document, "CreateHealthCheckRequest")?;
    let request = members(request, &["CallerReference", "HealthCheckConfig"], false)?;
    let part = |name: &str| {
        let part = request.iter().find(|(part, _)| *part == name);
        part.map(|(_, node)| *node).ok_or_else(|| invalid(format!("Missing field '{name}'")))
    };
    let reference = text(part("CallerReference")?).to_owned();
    if !(1..=64).contains(&reference.chars().count()) {
        return Err(invalid("Invalid parameter : CallerReference must have 1 to 64 characters."));
    }
    let at_creation = ["Type", "RequestInterval", "MeasureLatency", "RoutingControlArn"];
    let config = members(part("HealthCheckConfig")?, &[&at_creation, SETTINGS].concat(), false)?;
    let given = |name: &str| config.iter().any(|(given, _)| *given == name);
    let kind = config.iter().find(|(name, _)| *name == "Type");
    let kind = text(kind.ok_or_else(|| invalid("Missing field 'Type'"))?.1);
    if !KINDS.contains(&kind) {
        return Err(invalid(format!("Invalid parameter : Type '{kind}'")));
    }
    if kind == "CALCULATED" && !given("HealthThreshold") {
        return Err(invalid(
            "Invalid parameter : Calculated health checks must have a health threshold specified.",
        ));
    }
    if kind == "CLOUDWATCH_METRIC" && !given("AlarmIdentifier") {
        return Err(invalid("Invalid parameter : AlarmIdentifier is required."));
    }
    let number = world.route53.checks.len() + 1;
    let id = format!("00000000-0000-4000-9000-{number:012x}");
    let mut check = HealthCheck { kind: kind.to_owned(), ..HealthCheck::switch(&id) };
    for (name, node) in &config {
        if *name != "Type" {
            apply(world, &mut check, name, *node)?;
        }
    }
    if let Some(before) = world.route53.created.get(&reference) {
        // The id is the emulator's own; a repetition asks for the same of all else.
        check.id.clone_from(&before.id);
        if check != *before {
            let message = "A health check with this caller reference and other settings already exists.";
            return Err(ApiError::new(409, "HealthCheckAlreadyExists", message));
        }
        return Ok(answer("CreateHealthCheckResponse", find(world, &before.id)?));
    }
    world.route53.created.insert(reference, check.clone());
    let (disabled, inverted, version) = (check.disabled, check.inverted, check.version);
    world.add_health_check(check);
    world.changed(Change::CheckUpdated { check: id.clone(), disabled, inverted, version });
    Ok(answer("CreateHealthCheckResponse", find(world, &id)?))
}

pub(super) fn update(world: &mut World, id: &str, body: &[u8]) -> ApiResult<Bytes> {
    let document = parse(body)?;
    let known = [&["HealthCheckVersion", "ResetElements"], SETTINGS].concat();
    let members = members(root(&document, "UpdateHealthCheckRequest")?, &known, false)?;
    let before = find(world, id)?;
    if before.kind == "RECOVERY_CONTROL" {
        return Err(invalid("Invalid parameter : Health checks of type RECOVERY_CONTROL cannot be updated."));
    }
    let mut after = before.clone();
    for (name, node) in members {
        apply(world, &mut after, name, node)?;
    }
    world.update_check(id, |check| *check = after);
    Ok(answer("UpdateHealthCheckResponse", find(world, id)?))
}

/// The children must exist, and none may be `CALCULATED` itself.
fn check_children(world: &World, children: &[String]) -> ApiResult<()> {
    if children.len() > MOST_CHILDREN {
        return Err(invalid(format!("Invalid parameter : at most {MOST_CHILDREN} ChildHealthChecks.")));
    }
    for child in children {
        match world.health_check(child) {
            None => {
                return Err(invalid(format!(
                    "Invalid parameter : Child health check {child} does not exist."
                )));
            }
            Some(check) if check.kind == "CALCULATED" => {
                return Err(invalid(format!(
                    "Invalid parameter : Calculated health check {child} cannot be a child health check."
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn apply(world: &World, check: &mut HealthCheck, name: &str, node: Node<'_, '_>) -> ApiResult<()> {
    let only_for = |kind: &str| {
        if check.kind == kind {
            return Ok(());
        }
        Err(invalid(format!(
            "Invalid parameter : {name} is not valid for a health check of type {}.",
            check.kind
        )))
    };
    match name {
        "HealthCheckVersion" => {
            if parsed::<u64>(node)? != check.version {
                return Err(ApiError::new(
                    409,
                    "HealthCheckVersionMismatch",
                    "The value of HealthCheckVersion in the request doesn't match the value of HealthCheckVersion in \
                     the health check.",
                ));
            }
        }
        "Inverted" => check.inverted = parsed(node)?,
        "Disabled" => check.disabled = parsed(node)?,
        "HealthThreshold" => {
            only_for("CALCULATED")?;
            check.threshold = parsed(node)?;
            if check.threshold > 256 {
                return Err(invalid("Invalid parameter : HealthThreshold must be between 0 and 256."));
            }
        }
        "ChildHealthChecks" => {
            only_for("CALCULATED")?;
            let children = members(node, &["ChildHealthCheck"], true)?;
            check.children = children.iter().map(|(_, c)| text(*c).to_owned()).collect();
            check_children(world, &check.children)?;
        }
        "InsufficientDataHealthStatus" => {
            only_for("CLOUDWATCH_METRIC")?;
            check.insufficient_data = InsufficientData::from_name(text(node))
                .ok_or_else(|| invalid("Invalid parameter : InsufficientDataHealthStatus"))?;
        }
        "AlarmIdentifier" => {
            only_for("CLOUDWATCH_METRIC")?;
            let parts: BTreeMap<_, _> = members(node, &["Region", "Name"], false)?
                .into_iter()
                .map(|(name, node)| (name, text(node).to_owned()))
                .collect();
            let part = |name: &str| {
                let part = parts.get(name).cloned();
                part.ok_or_else(|| invalid(format!("Missing field '{name}'")))
            };
            check.alarm = Some((part("Region")?, part("Name")?));
        }
        "Regions" | "ResetElements" | "RoutingControlArn" | "MeasureLatency" => {
            return Err(ApiError::not_emulated(format_args!("{name} of a health check")));
        }
        setting => {
            if ["CALCULATED", "CLOUDWATCH_METRIC"].contains(&check.kind.as_str()) {
                only_for("HTTP, HTTPS or TCP")?;
            }
            let value = text(node).to_owned();
            check.settings.insert(setting.to_owned(), value);
        }
    }
    Ok(())
}

fn answer(response: &'static str, check: &HealthCheck) -> Bytes {
    let mut xml = Xml::new(response, Service::Route53.namespace());
    write(&mut xml, check);
    xml.finish()
}

fn write(xml: &mut Xml, check: &HealthCheck) {
    xml.open("HealthCheck")
        .leaf("Id", &check.id)
        .leaf("CallerReference", format_args!("emulator-{}", check.id))
        .open("HealthCheckConfig");
    let setting = |name: &str| check.settings.get(name);
    xml.optional("IPAddress", setting("IPAddress"))
        .optional("Port", setting("Port"))
        .leaf("Type", &check.kind)
        .optional("ResourcePath", setting("ResourcePath"))
        .optional("FullyQualifiedDomainName", setting("FullyQualifiedDomainName"))
        .optional("SearchString", setting("SearchString"))
        .optional("RequestInterval", setting("RequestInterval"))
        .optional("FailureThreshold", setting("FailureThreshold"))
        .leaf("Inverted", check.inverted)
        .leaf("Disabled", check.disabled)
        .optional("EnableSNI", setting("EnableSNI"));
    if check.kind == "CALCULATED" {
        xml.leaf("HealthThreshold", check.threshold).open("ChildHealthChecks");
        for child in &check.children {
            xml.leaf("ChildHealthCheck", child);
        }
        xml.close();
    }
    if let Some((region, name)) = &check.alarm {
        xml.open("AlarmIdentifier")
            .leaf("Region", region)
            .leaf("Name", name)
            .close()
            .leaf("InsufficientDataHealthStatus", check.insufficient_data.name());
    }
    xml.close().leaf("HealthCheckVersion", check.version).close();
}
