//! The configuration: environment variables, read once at start.
//!
//! All that is wrong is reported together, each with the variable, what it holds and what it may hold. An empty
//! variable counts as unset, so that a template can pass every variable always.

use std::fmt;
use std::time::Duration;

use crate::model::InstanceRef;
use crate::policy::{Failback, OnUnreachable, Pair, Policy, Primary};
use crate::text::cut;

mod parse;
mod together;

pub use together::{nearest, undocumented, undocumented_words};

/// How much of a faulty value is shown.
const SHOWN: usize = 200;

/// An environment variable as the README's table shows it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its default, or "required" or "none".
    pub default: &'static str,
    /// What it may hold.
    pub allowed: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $default:literal, $allowed:literal, $meaning:literal;)+) => {
        $(const $constant: &str = stringify!($constant);)+

        /// Every environment variable the function reads beside those of the AWS SDK and of Lambda.
        pub const VARIABLES: &[Variable] = &[
            $(Variable {
                name: stringify!($constant),
                default: $default,
                allowed: $allowed,
                meaning: $meaning,
            },)+
        ];
    };
}

variables! {
    PRIMARY_DB_INSTANCE_IDENTIFIER = "required, or `PRIMARY_NAME`", "identifier or ARN of a DB instance", "The primary. An ARN also sets the region";
    PRIMARY_NAME = "none", "1 to 63 letters, digits, `-`, `_` and `.`", "Instead of an identifier: a name for a primary outside RDS (Patroni, Galera, anything), judged by `HEALTH_ENDPOINTS` alone";
    ROUTE53_HEALTH_CHECK_ID = "required", "the id of a Route 53 health check", "The health check on the primary's failover record";
    FAILOVER_DB_INSTANCE_IDENTIFIER = "none", "identifier or ARN of a DB instance", "The read replica that the secondary record points to";
    PROMOTE_REPLICA = "false", "`true` or `false`", "Promote the replica after moving traffic";
    PROMOTE_ON = "failed,inaccessible-encryption-credentials,incompatible-network", "comma-separated statuses that count as unhealthy, `missing`, `unreachable`, `unresponsive`", "What must be wrong before the replica is promoted, which can't be undone. `unreachable`: neither the region's API nor the probes answer; `unresponsive`: RDS says healthy, the probes fail";
    MAX_REPLICA_LAG = "60s", "a duration such as `500ms`, `10s`, `5m`, `1h`", "No promotion when the lag is above this, or unknown";
    STATUS_OVERRIDES = "none", "comma-separated `status=health` pairs; health is `healthy`, `hold` or `unhealthy`", "Overrides what an RDS status means (the defaults are in `src/status.rs`)";
    CONFIRMATIONS = "3", "a whole number from 1 to 100", "Unhealthy observations in a row, within one invocation, before traffic moves";
    CONFIRMATION_INTERVAL = "10s", "a duration such as `500ms`, `10s`, `5m`, `1h`", "Time between two of them";
    FAILBACK = "`auto`; `manual` with `PRIMARY_NAME`", "`auto` or `manual`", "Whether traffic goes back by itself after a failover that promoted nothing. After a promotion it never does";
    FAILBACK_CONFIRMATIONS = "3", "a whole number from 1 to 100", "Healthy observations in a row before traffic goes back";
    COOLDOWN = "10m", "a duration such as `500ms`, `10s`, `5m`, `1h`", "No automatic failover for this long after traffic went back";
    MODE = "act", "`act` or `observe`", "`observe`: decide and report as usual, but change nothing and send nothing";
    HEALTH_ENDPOINTS = "none", "comma-separated `http://`, `https://` or `tcp://host:port` addresses, each once", "Probes of the primary or of its application";
    HEALTH_ENDPOINT_QUORUM = "majority; `1` with `PRIMARY_NAME`", "`majority`, or a whole number from 1 to the number of endpoints", "How many of them must answer for the primary to count as serving";
    HEALTH_ENDPOINT_TIMEOUT = "2s", "a duration above zero, such as `500ms`, `2s`", "Time limit of one probe";
    SECONDARY_ENDPOINTS = "none", "comma-separated `http://`, `https://` or `tcp://host:port` addresses, each once", "Probes of the secondary. Traffic moves only when at least one of them answers, which also shows that the function's own network works";
    WATCH_INTERVAL = "none", "a duration of at least `1s`, such as `5s`", "Observe at this interval within each invocation, instead of once per tick";
    FENCE_PRIMARY = "off", "`off` or `stop`", "`stop`: after a promotion, stop the old primary if RDS calls it `available`";
    ON_PRIMARY_UNREACHABLE = "hold", "`hold` or `failover`", "`failover`: an unreachable RDS API **and** failing probes count as unhealthy";
    NOTIFICATION_TOPIC_ARN = "none", "the ARN of an SNS topic that is not FIFO", "Notified of every change that was made or refused";
    HOSTED_ZONE_ID = "none", "the id of a Route 53 hosted zone", "The zone of the failover records. `check` verifies them; before a failback, the primary record must point at the primary";
    RECORD_NAME = "none", "the DNS name of the failover records", "Name of the failover records";
}

/// `MODE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decide and act.
    Act,
    /// Decide and report, change and send nothing.
    Observe,
}

impl Mode {
    /// The word used in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Observe => "observe",
        }
    }
}

/// The whole configuration: the pair, and what belongs to the process.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is watched and switched.
    pub pair: Pair,
    /// `MODE`
    pub mode: Mode,
    /// `NOTIFICATION_TOPIC_ARN`
    pub topic: Option<Topic>,
    /// `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets: for the metrics and for commands in notifications.
    pub function_name: String,
    /// The function's own region, which Lambda sets.
    pub region: Option<String>,
    /// Settings that are allowed and can have no effect, each in a sentence.
    pub warnings: Vec<String>,
}

/// An SNS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its ARN.
    pub arn: String,
    /// The region in its ARN.
    pub region: String,
}

/// All that is wrong in the configuration, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid configuration, {} problem(s): {}", self.0.len(), self.0.join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the configuration through `lookup`, which answers as the process environment would.
    ///
    /// # Errors
    /// Everything that is wrong, together.
    pub fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut read = Reader { lookup: &lookup, faults: Vec::new() };
        // Where a plain identifier lives: the function's own region, which Lambda sets.
        let home = read.text("AWS_REGION").or_else(|| read.text("AWS_DEFAULT_REGION"));

        let primary = read.instance(PRIMARY_DB_INSTANCE_IDENTIFIER, home.as_deref());
        let name = read.value(PRIMARY_NAME, parse::primary_name);
        if read.text(PRIMARY_NAME).is_none() {
            read.require(PRIMARY_DB_INSTANCE_IDENTIFIER);
        }
        let replica = read.instance(FAILOVER_DB_INSTANCE_IDENTIFIER, home.as_deref());
        let health_check_id = read.value(ROUTE53_HEALTH_CHECK_ID, parse::health_check_id);
        if health_check_id.is_none() {
            read.require(ROUTE53_HEALTH_CHECK_ID);
        }
        let outside = read.text(PRIMARY_NAME).is_some();
        let overrides = read.value(STATUS_OVERRIDES, parse::status_overrides).unwrap_or_default();
        let promote = read.value(PROMOTE_REPLICA, parse::boolean).unwrap_or(false);
        let promote_on = read.value(PROMOTE_ON, parse::promote_on);
        let confirmations = read.value(CONFIRMATIONS, parse::count).unwrap_or(3);
        let failback_confirmations = read.value(FAILBACK_CONFIRMATIONS, parse::count).unwrap_or(3);
        let endpoints = read.explained(HEALTH_ENDPOINTS, parse::endpoints);
        // A quorum can't be measured against endpoints that are faulty themselves.
        let asked = match &endpoints {
            None if read.text(HEALTH_ENDPOINTS).is_some() => usize::MAX,
            endpoints => endpoints.as_ref().map_or(0, Vec::len),
        };
        let quorum = read.value(HEALTH_ENDPOINT_QUORUM, |text| parse::quorum(text, asked));
        let endpoints = endpoints.unwrap_or_default();
        let secondary_endpoints = read.explained(SECONDARY_ENDPOINTS, parse::endpoints).unwrap_or_default();
        let on_unreachable = read.value(ON_PRIMARY_UNREACHABLE, parse::on_unreachable);
        let hosted_zone_id = read.value(HOSTED_ZONE_ID, parse::hosted_zone_id);
        let record_name = read.value(RECORD_NAME, parse::record_name);
        let endpoint_timeout = read.value(HEALTH_ENDPOINT_TIMEOUT, |text| {
            parse::duration(text).filter(|timeout| !timeout.is_zero())
        });
        // Of a cluster's nodes one leads: one answer is enough.
        let default_quorum = if outside { 1 } else { endpoints.len() / 2 + 1 };
        let default_failback = if outside { Failback::Manual } else { Failback::Auto };

        let policy = Policy {
            promote,
            promote_on: promote_on.clone().unwrap_or_else(parse::default_promote_on),
            max_lag: read.value(MAX_REPLICA_LAG, parse::duration).unwrap_or(Duration::from_secs(60)),
            overrides,
            confirmations,
            interval: read.value(CONFIRMATION_INTERVAL, parse::duration).unwrap_or(Duration::from_secs(10)),
            failback: read.value(FAILBACK, parse::failback).unwrap_or(default_failback),
            failback_confirmations,
            cooldown: read.value(COOLDOWN, parse::duration).unwrap_or(Duration::from_secs(600)),
            quorum: quorum.unwrap_or(default_quorum),
            on_unreachable: on_unreachable.unwrap_or(OnUnreachable::Hold),
            fence: read.value(FENCE_PRIMARY, parse::fence).unwrap_or(false),
            watch: read.value(WATCH_INTERVAL, parse::watch_interval),
        };
        let mut config = Self {
            pair: Pair {
                primary: match name {
                    Some(name) => Primary::Probed { name },
                    // Never used where the required variable is missing: the faults are returned below.
                    None => Primary::Rds(
                        primary.unwrap_or(InstanceRef { identifier: String::new(), region: None }),
                    ),
                },
                replica,
                health_check_id: health_check_id.unwrap_or_default(),
                hosted_zone_id,
                record_name,
                endpoints,
                secondary_endpoints,
                endpoint_timeout: endpoint_timeout.unwrap_or(Duration::from_secs(2)),
                policy,
            },
            mode: read.value(MODE, parse::mode).unwrap_or(Mode::Act),
            topic: read.value(NOTIFICATION_TOPIC_ARN, parse::topic),
            function_name: lookup("AWS_LAMBDA_FUNCTION_NAME")
                .unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
            region: home,
            warnings: Vec::new(),
        };
        config.warnings = together::warnings(&config.pair, promote_on.is_some());
        let contradictions = together::contradictions(&config, promote_on.as_ref(), |name| read.text(name));
        read.faults.extend(contradictions);
        if read.faults.is_empty() { Ok(config) } else { Err(ConfigError(read.faults)) }
    }
}

/// A value as it may stand in a log.
fn shown(value: &str) -> String {
    cut(&parse::without_secrets(value), SHOWN)
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn fault(&mut self, name: &str, holds: &str, why: &str) {
        let allowed = VARIABLES.iter().find(|v| v.name == name).map_or("", |v| v.allowed);
        let holds = shown(holds);
        self.faults.push(format!("{name} holds `{holds}`{why}; it may hold {allowed}"));
    }

    /// Notes that a required variable is unset, unless it is set and was faulted already.
    fn require(&mut self, name: &str) {
        if self.text(name).is_none() {
            self.faults.push(format!("{name} is not set; it is required"));
        }
    }

    fn value<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(name, &text, "");
        }
        value
    }

    /// Reads a value by a parser that says what is wrong.
    fn explained<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|why| self.fault(name, &text, &format!(" ({why})"))).ok()
    }

    fn instance(&mut self, name: &str, home: Option<&str>) -> Option<InstanceRef> {
        self.explained(name, |text| InstanceRef::parse(text, home))
    }
}
