//! JSON log lines with an RFC 3339 timestamp: without one Lambda takes each line for INFO.

use std::fmt;

use jiff::Timestamp;
use tracing::Metadata;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.3}", Timestamp::now())
    }
}

/// Starts the log at the level of `AWS_LAMBDA_LOG_LEVEL`, else INFO.
pub(crate) fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default();
    let level = match level.as_str() {
        "" => LevelFilter::INFO,
        // Lambda's FATAL is the least that can be asked for.
        "FATAL" => LevelFilter::ERROR,
        level => level.parse().unwrap_or(LevelFilter::INFO),
    };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_timer(Rfc3339)
        .with_max_level(level)
        .finish()
        .with(filter_fn(|line| !repeats_a_failure(line)))
        .init();
}

/// lambda_runtime logs the error of a failed invocation once more; it does so without a field, a panic with one.
fn repeats_a_failure(line: &Metadata<'_>) -> bool {
    line.target() == "lambda_runtime::layers::panic" && line.fields().field("error").is_none()
}
