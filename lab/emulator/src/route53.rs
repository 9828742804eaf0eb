//! Route 53: health checks, their tags, and record sets.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};

use crate::faults::Asked;
use crate::wire::{ApiError, ApiResult, Service};
use crate::world::World;
use check::HealthCheck;
use zone::Zone;

mod change;
pub(crate) mod check;
pub(crate) mod dns;
mod operations;
mod tags;
mod xml;
pub(crate) mod zone;

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
            target: (!self.id.is_empty()).then(|| self.id.to_owned()),
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
        (&Method::GET, ["2013-04-01", "healthcheck"]) => ("ListHealthChecks", ""),
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
        "GetHealthCheck" => operations::get(world, id),
        "ListHealthChecks" => operations::list(world, query),
        "UpdateHealthCheck" => operations::update(world, id, body),
        "ListTagsForResource" => tags::list(find(world, id)?),
        "ChangeTagsForResource" => tags::change(world, id, body),
        "ListResourceRecordSets" => zone::list(world, id, query),
        "ChangeResourceRecordSets" => change::change(world, id, body),
        other => Err(ApiError::not_emulated(format_args!("route53:{other}"))),
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
