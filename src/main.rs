//! The Lambda function: wires the configuration and the clients to the runtime.

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use rds_route53_failover::app::App;
use rds_route53_failover::aws::Aws;
use rds_route53_failover::clock::Clock;
use rds_route53_failover::config::{Config, ConfigError};
use serde_json::Value;

mod logging;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    let config = match Config::load(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(faults) => return refuse(faults).await,
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let aws = Aws::from_env(&config.policy).await;
    let app = App::new(config, aws, |line| println!("{line}"));
    let app = &app;
    Runtime::new(service_fn(move |event: LambdaEvent<Value>| async move {
        let deadline = i64::try_from(event.context.deadline).ok();
        let deadline = deadline.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let clock = Clock::start(Timestamp::now(), deadline);
        app.handle(event.payload, clock).await.map_err(Diagnostic::from)
    }))
    .run()
    .await
}

/// Tells Lambda why the function can't start, as the Runtime API asks, and ends.
async fn refuse(faults: ConfigError) -> Result<(), lambda_runtime::Error> {
    for fault in &faults.0 {
        tracing::error!(error_type = "ConfigInvalid", "{fault}");
    }
    let diagnostic = Diagnostic { error_type: "ConfigInvalid".to_owned(), error_message: faults.to_string() };
    let body = serde_json::to_string(&diagnostic)?;
    let client = lambda_runtime_api_client::Client::builder().build()?;
    let request = http::Request::post("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", "ConfigInvalid")
        .header("content-type", "application/json")
        .body(body.into())?;
    client.call(request).await?;
    Err(faults.into())
}
