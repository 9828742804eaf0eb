//! JSON log lines with an RFC 3339 timestamp: without one Lambda takes each line for INFO.

use std::fmt;

use jiff::Timestamp;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.3}", Timestamp::now())
    }
}

/// Starts the log at the level of `AWS_LAMBDA_LOG_LEVEL`, else of `RUST_LOG`, else INFO.
pub(crate) fn init() {
    let level = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|level| !level.is_empty()))
        .map_or_else(|| "info".to_owned(), |level| level.to_ascii_lowercase());
    // Lambda's FATAL is the least that can be asked for.
    let level = if level == "fatal" { "error".to_owned() } else { level };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_timer(Rfc3339)
        .with_env_filter(filter)
        .init();
}
