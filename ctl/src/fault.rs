//! How a call of AWS failed: refused, not sent, or lost.

use std::error::Error;
use std::time::Duration;

use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::args::Common;
use crate::credentials::{advice, chain};

/// How a call failed.
#[derive(Debug)]
pub enum Fault {
    /// The service refused it, with this code and message: nothing was done.
    Refused {
        /// Such as `AccessDeniedException`.
        code: String,
        /// The service's words.
        message: String,
    },
    /// It certainly did not arrive, for this reason, in sentences.
    NotSent(String),
    /// Whether it arrived is unknown; why, in sentences.
    Lost(String),
}

impl Fault {
    /// What an error of the SDK means for a call of `service` that was waited for this long.
    pub fn of<E>(service: &str, wait: Duration, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or("an error without a code").to_owned();
                let message = answer.err().message().unwrap_or_default().to_owned();
                let refused = error.raw_response().is_some_and(|answer| answer.status().as_u16() < 500);
                if refused {
                    Self::Refused { code, message }
                } else {
                    Self::Lost(format!("{service} answered {code}: {message}"))
                }
            }
            SdkError::ConstructionFailure(_) => Self::NotSent(format!("{}.", chain(error))),
            SdkError::DispatchFailure(failure) => {
                let why = failure.as_connector_error().map(|error| chain(error)).unwrap_or_default();
                if failure.as_connector_error().is_some_and(is_connect) {
                    Self::NotSent(format!(
                        "No connection to {service} ({why}). Check the network, --region and AWS_ENDPOINT_URL."
                    ))
                } else if failure.is_timeout() {
                    Self::Lost(format!("No answer within {} s.", wait.as_secs()))
                } else {
                    Self::Lost(format!("The connection broke: {why}."))
                }
            }
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) | _ => {
                Self::Lost(format!("{}.", chain(error)))
            }
        }
    }
}

/// What a refusal means that is the same for every service, in sentences: the credentials, or the permission, which
/// is named. `None` for any other.
pub fn identity(common: &Common, code: &str, message: &str, permission: &str) -> Option<String> {
    match code {
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken" => Some(advice(common, &format!("{code}: {message}"))),
        "AccessDeniedException" | "AccessDenied" => Some(format!(
            "{code}: {message}. You need {permission}; `aws sts get-caller-identity` shows who you are."
        )),
        _ => None,
    }
}

/// Whether no connection was made, so that nothing can have arrived.
fn is_connect(error: &ConnectorError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        next = error.source();
    }
    false
}
