//! Lambda's Invoke API: of AWS, or of a local `cargo lambda watch`.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Credentials;
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use serde_json::Value;

use crate::args::Common;

const CONNECT: Duration = Duration::from_secs(5);
/// Longer than a function may run (15 minutes): an order that is given up halfway goes on unseen.
const READ: Duration = Duration::from_secs(910);

/// What came of an invocation.
#[derive(Debug)]
pub enum Answer {
    /// The function's answer.
    Done(Value),
    /// The function failed with this type and message.
    Failed(Value),
    /// The order certainly did not arrive.
    NotSent(String),
    /// Whether the order arrived is unknown.
    Lost(String),
}

/// A function that can be invoked.
pub struct Function {
    client: Client,
    name: String,
    qualifier: Option<String>,
}

impl Function {
    /// A client for the function that the command line names.
    ///
    /// # Errors
    /// What is missing, in a sentence.
    pub async fn connect(common: &Common) -> Result<Self, String> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http);
        if let Some(region) = &common.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if common.local.is_some() {
            // Nobody checks them.
            let nobody = Credentials::new("local", "local", None, None, "local");
            loader = loader.region(Region::new("us-east-1")).credentials_provider(nobody);
        }
        let sdk = loader.load().await;
        if sdk.region().is_none() {
            return Err("no region is set: give --region, or set AWS_REGION".to_owned());
        }
        let mut config = aws_sdk_lambda::config::Builder::from(&sdk)
            // An order is sent once; a person sees what became of it before the next.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(READ).build());
        if let Some(url) = &common.local {
            config = config.endpoint_url(url);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            name: common.function.clone(),
            qualifier: common.qualifier.clone(),
        })
    }

    /// Invokes it and waits for the answer.
    pub async fn invoke(&self, payload: Value) -> Answer {
        let sent = self
            .client
            .invoke()
            .function_name(&self.name)
            .set_qualifier(self.qualifier.clone())
            .payload(Blob::new(payload.to_string()))
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return not_answered(&error),
        };
        let body = answer.payload().map(|payload| payload.as_ref()).unwrap_or_default();
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Answer::Lost(format!("the answer is no JSON: {}", String::from_utf8_lossy(body)));
        };
        if answer.function_error().is_some() || is_failure(&value) {
            Answer::Failed(value)
        } else if value["decision"].is_string() {
            Answer::Done(value)
        } else {
            Answer::Lost(format!("the answer is none of rds-route53-failover: {value}"))
        }
    }
}

fn not_answered<E>(error: &SdkError<E, aws_sdk_lambda::config::http::HttpResponse>) -> Answer
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    // A local function's failure comes as an HTTP error with the failure as its body.
    let body = error.raw_response().and_then(|response| response.body().bytes()).unwrap_or_default();
    if let Ok(value) = serde_json::from_slice::<Value>(body)
        && is_failure(&value)
    {
        return Answer::Failed(value);
    }
    match error {
        SdkError::ServiceError(service) => {
            let why = format!(
                "{}: {}",
                service.err().code().unwrap_or("an error without a code"),
                service.err().message().unwrap_or_default()
            );
            let refused = error.raw_response().is_some_and(|answer| answer.status().as_u16() < 500);
            if refused { Answer::NotSent(why) } else { Answer::Lost(why) }
        }
        SdkError::ConstructionFailure(_) => Answer::NotSent(DisplayErrorContext(error).to_string()),
        SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(is_connect) => {
            Answer::NotSent(DisplayErrorContext(error).to_string())
        }
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ResponseError(_) | _ => {
            Answer::Lost(DisplayErrorContext(error).to_string())
        }
    }
}

/// Whether no connection was made.
fn is_connect(error: &aws_smithy_runtime_api::client::result::ConnectorError) -> bool {
    // Credentials that can't be had, or a name that does not resolve, count as no connection, too.
    error.connection_metadata().is_none() && !error.is_timeout() && (error.is_io() || error.is_user())
}

fn is_failure(value: &Value) -> bool {
    value["errorType"].is_string() || value["errorMessage"].is_string()
}
