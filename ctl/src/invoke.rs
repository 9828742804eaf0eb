//! Lambda's Invoke API: of AWS, or of a local `cargo lambda watch`.

use std::error::Error;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::args::Command;
use crate::credentials::find;
use crate::fault::{Fault, identity};

/// How long a connection may take.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Reading takes seconds; a function that hangs for longer is worth another look.
const WAIT_READ: Duration = Duration::from_secs(180);
/// Longer than any function can run (15 minutes): a request that is given up halfway goes on unseen.
const WAIT_CHANGE: Duration = Duration::from_secs(910);

/// What came of an invocation.
#[derive(Debug)]
pub enum Answer {
    /// The function's answer.
    Done(Value),
    /// The function failed with this type and message.
    Failed(Value),
    /// The request certainly did not arrive.
    NotSent(String),
    /// Whether the request arrived is unknown.
    Lost(String),
}

/// A function that can be invoked.
pub struct Function<'a> {
    sdk: SdkConfig,
    client: Client,
    command: &'a Command,
    wait: Duration,
}

impl<'a> Function<'a> {
    /// A client for the function that the command line names.
    ///
    /// # Errors
    /// What is missing and what to do, in sentences.
    pub async fn connect(command: &'a Command) -> Result<Self, String> {
        let common = command.common();
        let sdk = find(common).await?;
        let wait = common.wait.unwrap_or(if command.reads() { WAIT_READ } else { WAIT_CHANGE });
        let mut config = aws_sdk_lambda::config::Builder::from(&sdk)
            // A request is sent once; a person sees what became of it before the next.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(wait).build());
        if let Some(url) = &common.local {
            config = config.endpoint_url(url);
        }
        Ok(Self { client: Client::from_conf(config.build()), sdk, command, wait })
    }

    /// What other clients are made of: the same credentials and HTTP client.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// Its region.
    pub fn region(&self) -> String {
        self.sdk.region().map(ToString::to_string).unwrap_or_default()
    }

    /// Invokes it and waits for the answer.
    pub async fn invoke(&self, payload: Value) -> Answer {
        let common = self.command.common();
        let sent = self
            .client
            .invoke()
            .function_name(&common.function)
            .set_qualifier(common.qualifier.clone())
            .payload(Blob::new(payload.to_string()))
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return self.not_answered(&error),
        };
        let body = answer.payload().map(|payload| payload.as_ref()).unwrap_or_default();
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Answer::Lost("The answer is not JSON: is this the right function?".to_owned());
        };
        if answer.function_error().is_some() || is_failure(&value) {
            Answer::Failed(value)
        } else if value["decision"].is_string() {
            Answer::Done(value)
        } else {
            Answer::Lost(
                "The answer is not one of rds-route53-failover: is this the right function?".to_owned(),
            )
        }
    }

    fn not_answered<E>(&self, error: &SdkError<E, HttpResponse>) -> Answer
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // A local function's failure comes as an HTTP error with the failure as its body.
        let body = error.raw_response().and_then(|response| response.body().bytes()).unwrap_or_default();
        if let Ok(value) = serde_json::from_slice::<Value>(body)
            && is_failure(&value)
        {
            return Answer::Failed(value);
        }
        match Fault::of("Lambda", self.wait, error) {
            Fault::Refused { code, message } => Answer::NotSent(self.refusal(&code, &message)),
            Fault::NotSent(why) => Answer::NotSent(why),
            Fault::Lost(why) => Answer::Lost(why),
        }
    }

    /// What Lambda's refusal means and what to do. Lambda refuses before it runs anything.
    fn refusal(&self, code: &str, message: &str) -> String {
        let common = self.command.common();
        let permission = "lambda:InvokeFunction on this function";
        if let Some(words) = identity(common, code, message, permission) {
            return words;
        }
        match code {
            "ResourceNotFoundException" => format!(
                "There is no function `{}` in this account and region. Check --function, --region, --qualifier and --profile.",
                common.function
            ),
            "TooManyRequestsException" => {
                format!("{code}: {message}. Lambda is throttling: run the same command again.")
            }
            _ => format!("{code}: {message}."),
        }
    }
}

fn is_failure(value: &Value) -> bool {
    value["errorType"].is_string() || value["errorMessage"].is_string()
}
