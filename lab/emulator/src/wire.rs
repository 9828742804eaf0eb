//! What the protocols have in common: the signature scope, query parameters, XML, errors.

use std::borrow::Cow;
use std::fmt::Display;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use jiff::Timestamp;

pub(crate) mod cbor;
pub(crate) mod front;
mod params;
mod xml;

pub(crate) use params::Params;
pub(crate) use xml::Xml;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Relational Database Service, query protocol.
    Rds,
    /// Route 53, REST with XML.
    Route53,
    /// CloudWatch, Smithy RPC v2 with CBOR.
    CloudWatch,
    /// Simple Notification Service, query protocol.
    Sns,
}

impl Service {
    /// The name in a signature's scope.
    #[must_use]
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::Rds => "rds",
            Self::Route53 => "route53",
            Self::CloudWatch => "monitoring",
            Self::Sns => "sns",
        }
    }

    pub(crate) fn from_signing_name(name: &str) -> Option<Self> {
        [Self::Rds, Self::Route53, Self::CloudWatch, Self::Sns]
            .into_iter()
            .find(|service| service.signing_name() == name)
    }

    /// The XML namespace of answers, and of requests where they are XML.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Rds => "http://rds.amazonaws.com/doc/2014-10-31/",
            Self::Route53 => "https://route53.amazonaws.com/doc/2013-04-01/",
            Self::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
        }
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Rds => "2014-10-31",
            Self::Route53 => "2013-04-01",
            Self::CloudWatch => "2010-08-01",
            Self::Sns => "2010-03-31",
        }
    }
}

/// An error as a service answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub(crate) fn bad(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// Loud on purpose, and of a status that no SDK retries.
    pub(crate) fn not_emulated(what: impl Display) -> Self {
        let message = format!("The emulator does not implement {what}.");
        Self::new(501, "NotEmulated", message)
    }
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// The credential scope of a Signature Version 4.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Reads the scope; the signature itself is not verified, for the emulator knows no secrets.
pub(crate) fn scope<B>(request: &Request<B>) -> ApiResult<Scope<'_>> {
    let missing =
        || ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
    let incomplete = |what: &str| {
        ApiError::bad("IncompleteSignature", format!("Authorization header requires '{what}' parameter."))
    };
    let authorization = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(missing)?;
    let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(missing)?;
    let parameter = |name: &str| {
        parameters
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value)
            .ok_or_else(|| incomplete(name))
    };
    parameter("Signature")?;
    parameter("SignedHeaders")?;
    let mut parts = parameter("Credential")?.split('/').skip(2);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(region), Some(service), Some("aws4_request"), None) if !region.is_empty() => {
            Ok(Scope { region, service })
        }
        _ => Err(incomplete("Credential")),
    }
}

/// The `ErrorResponse` that the query protocol and Route 53 share.
pub(crate) fn xml_error(service: Service, error: &ApiError, request_id: &str) -> Bytes {
    let mut xml = Xml::new("ErrorResponse", service.namespace());
    xml.open("Error")
        .leaf("Type", if error.status < 500 { "Sender" } else { "Receiver" })
        .leaf("Code", &error.code)
        .leaf("Message", &error.message)
        .close()
        .leaf("RequestId", request_id);
    xml.finish()
}

pub(crate) fn respond(
    status: u16,
    content_type: &'static str,
    request_id: &str,
    body: Bytes,
) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    if let Ok(value) = http::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}

/// RFC 3339 in milliseconds, as AWS writes it.
pub(crate) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}
