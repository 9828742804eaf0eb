//! What the function costs a month at one tick a minute.
//!
//! List prices of us-east-1 in dollars, without any free tier. Sources: the pricing pages of AWS Lambda, Amazon
//! Route 53, Amazon CloudWatch and Amazon EventBridge.

use super::timeline::Totals;

/// Ticks a month: one a minute, 730 hours.
const TICKS: f64 = 43_800.0;
/// The template's memory size, in GB.
const MEMORY: f64 = 0.128;
/// Billed for a steady tick, in seconds: one network round trip to the slowest of three calls, generously.
const TICK: f64 = 0.2;

const PER_REQUEST: f64 = 0.20 / 1e6;
/// On arm64.
const PER_GB_SECOND: f64 = 0.000_013_333_4;
const PER_SCHEDULED: f64 = 1.00 / 1e6;
/// A CALCULATED or CLOUDWATCH_METRIC health check, or one of an AWS endpoint.
const HEALTH_CHECK: f64 = 0.50;
const METRIC: f64 = 0.30;
const ALARM: f64 = 0.10;
const LOG_GB: f64 = 0.50;
/// The summary line of an invocation, and Lambda's own three, in bytes.
const LOG_LINES: f64 = 1200.0;

/// One position of the bill.
pub struct Position {
    pub what: &'static str,
    /// How it is reckoned.
    pub sum: String,
    pub dollars: f64,
}

/// The bill.
pub struct Cost(pub Vec<Position>);

impl Cost {
    /// For the metrics and log lines that a run showed.
    pub fn of(totals: &Totals) -> Self {
        // What the stack in this repository holds.
        let alarms = include_str!("../../../template.yaml").matches("Type: AWS::CloudWatch::Alarm").count();
        let bytes = LOG_LINES + totals.metric_bytes as f64;
        let gigabytes = TICKS * bytes / 1e9;
        Self(vec![
            Position {
                what: "Lambda requests",
                sum: format!("{TICKS} ticks × $0.20 per million"),
                dollars: TICKS * PER_REQUEST,
            },
            Position {
                what: "Lambda duration",
                sum: format!("{TICKS} ticks × {TICK} s × {MEMORY} GB × $0.0000133334 per GB-s (arm64)"),
                dollars: TICKS * TICK * MEMORY * PER_GB_SECOND,
            },
            Position {
                what: "EventBridge Scheduler",
                sum: format!("{TICKS} invocations × $1.00 per million"),
                dollars: TICKS * PER_SCHEDULED,
            },
            Position { what: "RDS and Route 53 API calls", sum: "free".to_owned(), dollars: 0.0 },
            Position {
                what: "Route 53 health check",
                sum: format!("1 × ${HEALTH_CHECK:.2} (3 with the path by metric)"),
                dollars: HEALTH_CHECK,
            },
            Position {
                what: "CloudWatch metrics",
                sum: format!("{} seen in this run × ${METRIC:.2}", totals.metrics),
                dollars: totals.metrics as f64 * METRIC,
            },
            Position {
                what: "CloudWatch alarms",
                sum: format!("{alarms} in template.yaml × ${ALARM:.2}"),
                dollars: alarms as f64 * ALARM,
            },
            Position {
                what: "CloudWatch logs",
                sum: format!("{TICKS} ticks × {bytes:.0} bytes = {gigabytes:.3} GB × ${LOG_GB:.2}"),
                dollars: gigabytes * LOG_GB,
            },
        ])
    }

    /// Dollars a month.
    pub fn total(&self) -> f64 {
        self.0.iter().map(|position| position.dollars).sum()
    }
}
