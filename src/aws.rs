//! The AWS clients: one HTTP client and one TLS stack for all, a client per region, and what their errors mean.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::retries::classifiers::THROTTLING_ERRORS;
use aws_sdk_rds::config::retry::RetryPartition;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use xmlparser::{ElementEnd, Token, Tokenizer};

use crate::model::{Cause, ReadFailure};
use crate::policy::Pair;
use crate::text::{cut, folded};

mod bounded;
mod patience;

pub use patience::{GIVE_UP, Patience, answered, ask, out_of_time, patiently};

/// Pinned: a newer one would change retries and time-outs under us.
pub const BEHAVIOUR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;

/// For one connection; an endpoint that does not accept by then is unreachable.
const CONNECT: Duration = Duration::from_secs(2);
/// For one attempt: far above what a describe takes, far below a tick.
const ATTEMPT: Duration = Duration::from_secs(3);
/// For a call with its quick retries; throttled ones are repeated for longer, see [`patiently`].
const OPERATION: Duration = Duration::from_secs(7);
/// Below the period of a tick: a connection that idled so long while the function was frozen is closed by the
/// other side already.
const IDLE: Duration = Duration::from_secs(45);

/// How much is kept of what a service says.
const DETAIL: usize = 500;

/// The clients.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    rds: BTreeMap<Option<String>, aws_sdk_rds::Client>,
    route53: aws_sdk_route53::Client,
}

impl Aws {
    /// Clients as the process environment describes them (region, credentials, `AWS_ENDPOINT_URL…`).
    pub async fn from_env(pair: &Pair) -> Self {
        // The SDK's own client would parse some 140 root certificates again at the first call. Only at its start does a
        // small function have a whole processor.
        let connector = aws_smithy_http_client::Connector::builder()
            .connector_settings(HttpConnectorSettings::builder().connect_timeout(CONNECT).build())
            .pool_idle_timeout(IDLE)
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build();
        let connector = SharedHttpConnector::new(connector);
        let http = http_client_fn(move |_, _| connector.clone());
        let sdk = aws_config::defaults(BEHAVIOUR()).http_client(http).load().await;
        Self::new(sdk, pair)
    }

    /// Clients over a given SDK configuration, with time-outs on every call and quick, bounded retries.
    pub fn new(sdk: SdkConfig, pair: &Pair) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        // The default first back-off of up to a second is what a dead pooled connection would cost each tick.
        let retries =
            RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100));
        let http = sdk.http_client().map(bounded::client);
        let mut sdk = sdk.into_builder().timeout_config(timeouts).retry_config(retries);
        sdk.set_http_client(http);
        let sdk = sdk.build();
        let instances = pair.rds_primary().into_iter().chain(&pair.replica);
        let regions = instances.map(|instance| instance.region.clone());
        let rds = regions.map(|region| (region.clone(), rds_client(&sdk, region))).collect();
        let mut route53 = aws_sdk_route53::config::Builder::from(&sdk)
            .retry_partition(own_retries("route53"))
            .interceptor(WholeAnswers);
        // Route 53 is signed for one region, also where an endpoint is given.
        route53.set_region(sdk.region().map(|region| Region::new(route53_region(region.as_ref()))));
        let route53 = aws_sdk_route53::Client::from_conf(route53.build());
        Self { sdk, rds, route53 }
    }

    /// RDS in a region, or in the function's own.
    pub fn rds(&self, region: Option<&str>) -> aws_sdk_rds::Client {
        let region = region.map(str::to_owned);
        self.rds.get(&region).cloned().unwrap_or_else(|| rds_client(&self.sdk, region))
    }

    /// Route 53, whose control plane is global.
    pub fn route53(&self) -> &aws_sdk_route53::Client {
        &self.route53
    }

    /// CloudWatch in a region. Built when needed: only a promotion asks for it.
    pub fn cloudwatch(&self, region: Option<&str>) -> aws_sdk_cloudwatch::Client {
        let mut config =
            aws_sdk_cloudwatch::config::Builder::from(&self.sdk).retry_partition(own_retries("cloudwatch"));
        config.set_region(self.region(region));
        aws_sdk_cloudwatch::Client::from_conf(config.build())
    }

    /// SNS in a region. Built when needed: only a notification asks for it.
    pub fn sns(&self, region: &str) -> aws_sdk_sns::Client {
        let mut config = aws_sdk_sns::config::Builder::from(&self.sdk).retry_partition(own_retries("sns"));
        config.set_region(self.region(Some(region)));
        aws_sdk_sns::Client::from_conf(config.build())
    }

    fn region(&self, region: Option<&str>) -> Option<Region> {
        region.map(|region| Region::new(region.to_owned())).or_else(|| self.sdk.region().cloned())
    }
}

/// Where the control plane of Route 53 is in the partition of a region.
/// Source: "Amazon Route 53 endpoints and quotas" in the AWS General Reference.
fn route53_region(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "cn-northwest-1"
    } else if region.starts_with("us-gov-") {
        "us-gov-west-1"
    } else {
        "us-east-1"
    }
}

/// A quota of retries for one client. By default all clients of a service and region share one in a process, so that
/// what happened to others before would decide whether a call is sent again.
fn own_retries(service: &'static str) -> RetryPartition {
    RetryPartition::custom(service).build()
}

fn rds_client(sdk: &SdkConfig, region: Option<String>) -> aws_sdk_rds::Client {
    let mut config =
        aws_sdk_rds::config::Builder::from(sdk).retry_partition(own_retries("rds")).interceptor(WholeAnswers);
    if let Some(region) = region {
        config.set_region(Some(Region::new(region)));
    }
    aws_sdk_rds::Client::from_conf(config.build())
}

/// Refuses an XML answer that ends in the middle.
///
/// The SDK's readers take what there is for the whole: a replica whose source was cut off would look promoted. The
/// body is in memory only once it was read for them, so it is judged after them.
#[derive(Debug)]
struct WholeAnswers;

impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "whole answers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let whole = !response.status().is_success() || response.body().bytes().is_none_or(is_whole_xml);
        if whole { Ok(()) } else { Err("the service's answer ends in the middle".into()) }
    }
}

/// Whether what begins as XML ends with the end of its root element. Anything else is not for us to judge.
fn is_whole_xml(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return true };
    if !text.trim_start().starts_with('<') {
        return true;
    }
    let mut open = 0_usize;
    let mut closed = 0_usize;
    for token in Tokenizer::from(text.trim()) {
        match token {
            Ok(Token::ElementStart { .. }) => open += 1,
            Ok(Token::ElementEnd { end: ElementEnd::Close(..) | ElementEnd::Empty, .. }) => closed += 1,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    open > 0 && open == closed
}

/// What an SDK error means for somebody who wanted to know something.
pub fn failure_of<E>(error: &SdkError<E, HttpResponse>) -> ReadFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let cause = match error {
        SdkError::TimeoutError(_) => Cause::Unreachable,
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => Cause::Unreachable,
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default();
            if THROTTLING_ERRORS.contains(&code) || status == Some(429) {
                Cause::Throttled
            } else if status >= Some(500) {
                Cause::Unreachable
            } else if matches!(status, Some(401 | 403)) || code.starts_with("AccessDenied") {
                Cause::Denied
            } else {
                Cause::Other
            }
        }
        SdkError::ResponseError(_) if status >= Some(500) => Cause::Unreachable,
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) | _ => {
            Cause::Other
        }
    };
    ReadFailure { cause, detail: cut(&folded(&words(error)), DETAIL) }
}

/// Whether the service names a throttle: reason enough to repeat a call that may be carried out twice.
pub fn was_throttled<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    failure_of(error).cause == Cause::Throttled
}

/// Whether the service certainly refused the call: only a 4xx says so.
pub fn was_refused<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(service) => (400..500).contains(&service.raw().status().as_u16()),
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) | _ => false,
    }
}

/// The error in a sentence: the service's code and message, or the chain of causes.
fn words<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let SdkError::ServiceError(service) = error
        && let Some(code) = service.err().code()
    {
        return match service.err().message() {
            Some(message) => format!("{code}: {message}"),
            None => code.to_owned(),
        };
    }
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
