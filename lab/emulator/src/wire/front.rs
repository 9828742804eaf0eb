//! Which service and operation a request is for, and how answers are written.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Request, Response};

use super::{ApiError, ApiResult, Params, Service};
use crate::faults::Asked;
use crate::wire;
use crate::{cloudwatch, route53};

/// The parameters, as far as they are read before the operation is carried out.
pub(crate) enum Input<'a> {
    Query(Params<'a>),
    Rest(route53::Route<'a>),
    Cbor,
}

/// How answers to a request are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) service: Service,
    cbor: bool,
}

/// What a request asks for, or how to refuse it.
pub(crate) fn identify(
    request: &Request<Bytes>,
    route53_only_in_us_east_1: bool,
) -> Result<(Asked, Input<'_>), (Protocol, ApiError)> {
    let path = request.uri().path();
    let guess = if path.starts_with("/2013-04-01/") {
        Service::Route53
    } else if path.starts_with("/service/") {
        Service::CloudWatch
    } else {
        Service::Rds
    };
    let scope = wire::scope(request).map_err(|error| (protocol(guess, request), error))?;
    let service = Service::from_signing_name(scope.service).ok_or_else(|| {
        let error = ApiError::not_emulated(format_args!("the service {}", scope.service));
        (protocol(guess, request), error)
    })?;
    let identified = match service {
        Service::Rds | Service::Sns => query(service, scope.region, request),
        Service::CloudWatch if path == "/" => {
            Err(ApiError::not_emulated("cloudwatch by another protocol than CBOR"))
        }
        Service::CloudWatch => cloudwatch::identify(scope.region, request).map(|asked| (asked, Input::Cbor)),
        Service::Route53 if route53_only_in_us_east_1 && scope.region != "us-east-1" => {
            let region = scope.region;
            let message = format!("Credential should be scoped to a valid region, not '{region}'.");
            Err(ApiError::new(403, "SignatureDoesNotMatch", message))
        }
        Service::Route53 => {
            route53::identify(request).map(|route| (route.asked(scope.region), Input::Rest(route)))
        }
    };
    identified.map_err(|error| (protocol(service, request), error))
}

pub(crate) fn protocol(service: Service, request: &Request<Bytes>) -> Protocol {
    Protocol { service, cbor: service == Service::CloudWatch && request.uri().path() != "/" }
}

fn query<'r>(service: Service, region: &str, request: &'r Request<Bytes>) -> ApiResult<(Asked, Input<'r>)> {
    if request.method() != http::Method::POST || request.uri().path() != "/" {
        let what = format!("{} {}", request.method(), request.uri());
        return Err(ApiError::not_emulated(what));
    }
    let mut params = Params::parse(request.body());
    let operation = params
        .take("Action")
        .ok_or_else(|| ApiError::bad("MissingAction", "The request must contain the parameter Action"))?;
    let version = params.take("Version").unwrap_or_default();
    if version != service.version() {
        return Err(ApiError::bad(
            "InvalidAction",
            format!("Could not find operation {operation} for version {version}"),
        ));
    }
    let target = match service {
        Service::Rds => params
            .get("DBInstanceIdentifier")
            .or_else(|| params.get("SourceIdentifier"))
            .map(|id| id.rsplit(':').next().unwrap_or(id).to_owned()),
        Service::Sns => params.get("TopicArn").map(str::to_owned),
        Service::CloudWatch | Service::Route53 => None,
    };
    let asked = Asked { service, operation: Cow::Owned(operation), region: region.to_owned(), target };
    Ok((asked, Input::Query(params)))
}

pub(crate) fn success(protocol: Protocol, request_id: &str, body: Bytes) -> Response<Bytes> {
    if protocol.cbor {
        cloudwatch::cbor_response(200, request_id, body)
    } else {
        wire::respond(200, "text/xml", request_id, body)
    }
}

pub(crate) fn refusal(protocol: Protocol, error: &ApiError, request_id: &str) -> Response<Bytes> {
    if protocol.cbor {
        cloudwatch::cbor_refusal(error, request_id)
    } else {
        let body = wire::xml_error(protocol.service, error, request_id);
        wire::respond(error.status, "text/xml", request_id, body)
    }
}
