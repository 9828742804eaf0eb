//! Updates, reads and lists health checks.

use bytes::Bytes;
use roxmltree::Node;

use super::check::HealthCheck;
use super::xml::{members, parse, parsed, root};
use super::{find, invalid};
use crate::wire::{ApiError, ApiResult, Params, Service, Xml};
use crate::world::World;

/// The members of an update.
const SETTINGS: &[&str] = &[
    "HealthCheckVersion",
    "ResetElements",
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

pub(super) fn update(world: &mut World, id: &str, body: &[u8]) -> ApiResult<Bytes> {
    let document = parse(body)?;
    let members = members(root(&document, "UpdateHealthCheckRequest")?, SETTINGS, false)?;
    let before = find(world, id)?;
    if before.kind == "RECOVERY_CONTROL" {
        return Err(invalid("Invalid parameter : Health checks of type RECOVERY_CONTROL cannot be updated."));
    }
    let mut after = before.clone();
    for (name, node) in members {
        apply(&mut after, name, node)?;
    }
    world.update_check(id, |check| *check = after);
    Ok(answer("UpdateHealthCheckResponse", find(world, id)?))
}

fn apply(check: &mut HealthCheck, name: &str, node: Node<'_, '_>) -> ApiResult<()> {
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
        setting => {
            return Err(ApiError::not_emulated(format_args!("{setting} of an update of a health check")));
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
