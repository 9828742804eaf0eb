//! The Lambda function: wires the configuration and the clients to the runtime.

use std::process::ExitCode;

use jiff::Timestamp;
use lambda_runtime::tower::layer::layer_fn;
use lambda_runtime::tower::util::MapRequest;
use lambda_runtime::{Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use lambda_runtime_api_client::PooledClient;
use rds_route53_failover::app::App;
use rds_route53_failover::aws::Aws;
use rds_route53_failover::clock::Clock;
use rds_route53_failover::config::{Config, ConfigError};
use rds_route53_failover::dns;
use rds_route53_failover::trigger::MAX_EVENT;

mod logging;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    logging::init();
    let ended = match Config::load(|name| std::env::var(name).ok()) {
        Ok(config) => serve(config).await,
        Err(faults) => refuse(faults).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As a log line like every other: what `main` returns would be printed as Rust's debug text.
            tracing::error!(error_type = "RuntimeFailed", "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), lambda_runtime::Error> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let aws = Aws::from_env(&config.pair).await;
    let app = App::new(config, aws, dns::system(), |line| println!("{line}"));
    let app = &app;
    Runtime::new(service_fn(move |event: LambdaEvent<String>| async move {
        let deadline = i64::try_from(event.context.deadline).ok();
        let deadline = deadline.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let clock = Clock::start(Timestamp::now(), deadline);
        let arn = &event.context.invoked_function_arn;
        app.handle(event.payload.as_bytes(), clock, Some(arn)).await.map_err(Diagnostic::from)
    }))
    .layer(layer_fn(|service| MapRequest::new(service, unread)))
    .run()
    .await
}

/// Hands the payload on as one JSON string. The runtime would read it into a value that takes a hundred times its size,
/// and fail with a type name of its own where it can't.
fn unread(mut invocation: LambdaInvocation) -> LambdaInvocation {
    // One byte more than is read shows that there was more.
    let payload = &invocation.body[..invocation.body.len().min(MAX_EVENT + 1)];
    let quoted = serde_json::Value::String(String::from_utf8_lossy(payload).into_owned());
    invocation.body = quoted.to_string().into();
    invocation
}

/// Says what is wrong with the configuration, in the log and to Lambda where there is one.
async fn refuse(faults: ConfigError) -> Result<(), lambda_runtime::Error> {
    for fault in &faults.0 {
        tracing::error!(error_type = "ConfigInvalid", "{fault}");
    }
    if std::env::var("AWS_LAMBDA_RUNTIME_API").is_ok_and(|address| !address.is_empty()) {
        report(&faults).await?;
    }
    Err(format!("invalid configuration, not starting: {} problem(s)", faults.0.len()).into())
}

/// Tells Lambda why the function can't start, as the Runtime API asks.
async fn report(faults: &ConfigError) -> Result<(), lambda_runtime::Error> {
    let diagnostic = Diagnostic { error_type: "ConfigInvalid".to_owned(), error_message: faults.to_string() };
    let body = serde_json::to_string(&diagnostic)?;
    let client = PooledClient::builder().build();
    let request = lambda_runtime_api_client::build_request()
        .method(http::Method::POST)
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", "ConfigInvalid")
        .header("content-type", "application/json")
        .body(body.into())?;
    client.call(request).await?;
    Ok(())
}
