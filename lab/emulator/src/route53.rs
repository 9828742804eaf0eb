//! The operations of Route 53 on health checks, and which path is which operation.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use roxmltree::{Document, Node};

use crate::faults::Asked;
use crate::health::{HealthCheck, InsufficientData};
use crate::wire::{ApiError, ApiResult, Service, Xml, iso};
use crate::world::World;
use crate::zone::Zone;
use crate::{tags, zone};

#[derive(Debug, Default)]
pub(crate) struct Route53 {
    pub(crate) checks: Vec<HealthCheck>,
    /// The flags that DNS answers go by already.
    pub(crate) effective: BTreeMap<String, (bool, bool)>,
    pub(crate) zones: Vec<Zone>,
}

/// An operation and what it is about.
#[derive(Debug)]
pub(crate) struct Route<'r> {
    operation: &'static str,
    id: &'r str,
    query: &'r str,
}

impl Route<'_> {
    pub(crate) fn asked(&self, region: &str) -> Asked {
        Asked {
            service: Service::Route53,
            operation: self.operation.into(),
            region: region.to_owned(),
            target: Some(self.id.to_owned()),
        }
    }
}

pub(crate) fn identify(request: &Request<Bytes>) -> ApiResult<Route<'_>> {
    let path = request.uri().path();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    let (operation, id) = match (request.method(), parts.as_slice()) {
        (&Method::GET, ["2013-04-01", "healthcheck", id]) => ("GetHealthCheck", *id),
        (&Method::POST, ["2013-04-01", "healthcheck", id]) => ("UpdateHealthCheck", *id),
        (&Method::GET, ["2013-04-01", "healthcheck", id, "status"]) => ("GetHealthCheckStatus", *id),
        (&Method::GET, ["2013-04-01", "tags", "healthcheck", id]) => ("ListTagsForResource", *id),
        (&Method::POST, ["2013-04-01", "tags", "healthcheck", id]) => ("ChangeTagsForResource", *id),
        (&Method::GET, ["2013-04-01", "hostedzone", id, "rrset"]) => ("ListResourceRecordSets", *id),
        (&Method::POST, ["2013-04-01", "hostedzone", id, "rrset"]) => ("ChangeResourceRecordSets", *id),
        (method, _) => {
            let what = format!("route53: {method} {path}");
            return Err(ApiError::not_emulated(what));
        }
    };
    let query = request.uri().query().unwrap_or_default();
    Ok(Route { operation, id, query })
}

pub(crate) fn run(world: &mut World, route: &Route<'_>, body: &[u8]) -> ApiResult<Bytes> {
    let Route { operation, id, query } = *route;
    match operation {
        "GetHealthCheck" => Ok(check_answer("GetHealthCheckResponse", find(world, id)?)),
        "UpdateHealthCheck" => update(world, id, body),
        "GetHealthCheckStatus" => status(world, id),
        "ListTagsForResource" => tags::list(find(world, id)?),
        "ChangeTagsForResource" => tags::change(world, id, body),
        "ListResourceRecordSets" => zone::list(world, id, query),
        _ => zone::change(world, id, body),
    }
}

pub(crate) fn find<'w>(world: &'w World, id: &str) -> ApiResult<&'w HealthCheck> {
    world.health_check(id).ok_or_else(|| {
        let message = format!("A health check with id {id} does not exist.");
        ApiError::new(404, "NoSuchHealthCheck", message)
    })
}

pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidInput", message)
}

/// What Route 53's schema validation says of a body.
fn invalid_xml(why: impl std::fmt::Display) -> ApiError {
    invalid(format!(
        "Invalid XML ; javax.xml.stream.XMLStreamException: org.xml.sax.SAXParseException; {why}"
    ))
}

pub(crate) fn parse(body: &[u8]) -> ApiResult<Document<'_>> {
    let text = std::str::from_utf8(body).map_err(invalid_xml)?;
    Document::parse(text).map_err(invalid_xml)
}

/// The root, if it is the one that is wanted, in Route 53's namespace.
pub(crate) fn root<'d, 'i>(document: &'d Document<'i>, name: &str) -> ApiResult<Node<'d, 'i>> {
    let root = document.root_element();
    let namespace = root.tag_name().namespace();
    if root.tag_name().name() == name && namespace == Some(Service::Route53.namespace()) {
        return Ok(root);
    }
    let found = root.tag_name().name();
    Err(invalid_xml(format_args!("cvc-elt.1: Cannot find the declaration of element '{found}'.")))
}

/// The child elements, all of them among `allowed` and in the namespace; each once, unless `list`.
pub(crate) fn members<'d, 'i>(
    node: Node<'d, 'i>,
    allowed: &[&str],
    list: bool,
) -> ApiResult<Vec<(&'d str, Node<'d, 'i>)>> {
    let mut found: Vec<(&str, Node<'_, '_>)> = Vec::new();
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        let known = allowed.contains(&name)
            && child.tag_name().namespace() == Some(Service::Route53.namespace())
            && (list || found.iter().all(|(other, _)| *other != name));
        if !known {
            return Err(invalid_xml(format_args!(
                "cvc-complex-type.2.4.a: Invalid content was found starting with element '{name}'. One of '{{{}}}' \
                 is expected.",
                allowed.join(", ")
            )));
        }
        found.push((name, child));
    }
    Ok(found)
}

pub(crate) fn text<'d>(node: Node<'d, '_>) -> &'d str {
    node.text().unwrap_or_default()
}

pub(crate) fn parsed<T: std::str::FromStr>(node: Node<'_, '_>) -> ApiResult<T> {
    text(node).parse().map_err(|_| {
        invalid_xml(format_args!(
            "cvc-datatype-valid.1.2.1: '{}' is not a valid value of element '{}'.",
            text(node),
            node.tag_name().name()
        ))
    })
}

const UPDATE_MEMBERS: &[&str] = &[
    "HealthCheckVersion",
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
    "ResetElements",
];

fn update(world: &mut World, id: &str, body: &[u8]) -> ApiResult<Bytes> {
    let document = parse(body)?;
    let members = members(root(&document, "UpdateHealthCheckRequest")?, UPDATE_MEMBERS, false)?;
    let before = find(world, id)?;
    if before.kind == "RECOVERY_CONTROL" {
        return Err(invalid("Invalid parameter : Health checks of type RECOVERY_CONTROL cannot be updated."));
    }
    let mut after = before.clone();
    for (name, node) in members {
        apply(&mut after, name, node)?;
    }
    world.update_check(id, |check| *check = after);
    Ok(check_answer("UpdateHealthCheckResponse", find(world, id)?))
}

fn apply(check: &mut HealthCheck, name: &str, node: Node<'_, '_>) -> ApiResult<()> {
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
        "Regions" | "ResetElements" => {
            return Err(ApiError::not_emulated(format_args!("{name} of route53:UpdateHealthCheck")));
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

fn check_answer(response: &'static str, check: &HealthCheck) -> Bytes {
    let mut xml = Xml::new(response, Service::Route53.namespace());
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
    xml.close().leaf("HealthCheckVersion", check.version);
    xml.finish()
}

/// Says what the checkers find, and nothing of the flags.
fn status(world: &World, id: &str) -> ApiResult<Bytes> {
    let check = find(world, id)?;
    if ["CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL"].contains(&check.kind.as_str()) {
        return Err(invalid(format!(
            "Invalid parameter : status is not available for a health check of type {}.",
            check.kind
        )));
    }
    let found =
        if check.failing { "Failure: Connection timed out." } else { "Success: HTTP Status Code 200, OK." };
    let mut xml = Xml::new("GetHealthCheckStatusResponse", Service::Route53.namespace());
    xml.open("HealthCheckObservations");
    for (region, address) in [("us-east-1", "192.0.2.1"), ("eu-west-1", "192.0.2.2")] {
        xml.open("HealthCheckObservation")
            .leaf("Region", region)
            .leaf("IPAddress", address)
            .open("StatusReport")
            .leaf("Status", found)
            .leaf("CheckedTime", iso(world.now))
            .close()
            .close();
    }
    Ok(xml.finish())
}
