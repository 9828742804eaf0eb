//! The configuration: environment variables, read once at start.
//!
//! All that is wrong is reported together, each with the variable, what it holds and what it may hold. An empty
//! variable counts as unset, so that a template can pass every variable always.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::health::Trigger;
use crate::model::InstanceRef;
use crate::probe::Endpoint;
use crate::status::{Health, Status};

mod parse;

/// An environment variable as the README's table shows it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its default, or "required" or "none".
    pub default: &'static str,
    /// What it may hold.
    pub allowed: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $default:literal, $allowed:literal;)+) => {
        $(const $constant: &str = stringify!($constant);)+

        /// Every environment variable the function reads beside those of the AWS SDK and of Lambda.
        pub const VARIABLES: &[Variable] = &[
            $(Variable { name: stringify!($constant), default: $default, allowed: $allowed },)+
        ];
    };
}

variables! {
    PRIMARY_DB_INSTANCE_IDENTIFIER = "required", "identifier or ARN of a DB instance";
    ROUTE53_HEALTH_CHECK_ID = "required", "the id of a Route 53 health check";
    FAILOVER_DB_INSTANCE_IDENTIFIER = "none", "identifier or ARN of a DB instance";
    PROMOTE_REPLICA = "false", "`true` or `false`";
    PROMOTE_ON = "failed,inaccessible-encryption-credentials,incompatible-network", "comma-separated statuses that count as unhealthy, `missing`, `unreachable`, `unresponsive`";
    MAX_REPLICA_LAG = "60s", "a duration such as `500ms`, `10s`, `5m`, `1h`";
    STATUS_OVERRIDES = "none", "comma-separated `status=health` pairs; health is `healthy`, `hold` or `unhealthy`";
    CONFIRMATIONS = "3", "a whole number from 1 to 100";
    CONFIRMATION_INTERVAL = "10s", "a duration such as `500ms`, `10s`, `5m`, `1h`";
    FAILBACK = "auto", "`auto` or `manual`";
    FAILBACK_CONFIRMATIONS = "3", "a whole number from 1 to 100";
    COOLDOWN = "10m", "a duration such as `500ms`, `10s`, `5m`, `1h`";
    MODE = "act", "`act` or `observe`";
    HEALTH_ENDPOINTS = "none", "comma-separated `http://`, `https://` or `tcp://host:port` addresses";
    HEALTH_ENDPOINT_QUORUM = "majority", "a whole number from 1 to the number of endpoints";
    HEALTH_ENDPOINT_TIMEOUT = "2s", "a duration above zero, such as `500ms`, `2s`";
    ON_PRIMARY_UNREACHABLE = "hold", "`hold` or `failover`";
    NOTIFICATION_TOPIC_ARN = "none", "the ARN of an SNS topic";
    HOSTED_ZONE_ID = "none", "the id of a Route 53 hosted zone";
    RECORD_NAME = "none", "the DNS name of the failover records";
}

/// What the decisions go by.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `PRIMARY_DB_INSTANCE_IDENTIFIER`
    pub primary: InstanceRef,
    /// `FAILOVER_DB_INSTANCE_IDENTIFIER`
    pub replica: Option<InstanceRef>,
    /// `PROMOTE_REPLICA`
    pub promote: bool,
    /// `PROMOTE_ON`
    pub promote_on: BTreeSet<Trigger>,
    /// `MAX_REPLICA_LAG`
    pub max_lag: Duration,
    /// `STATUS_OVERRIDES`
    pub overrides: BTreeMap<Status, Health>,
    /// `CONFIRMATIONS`
    pub confirmations: u32,
    /// `CONFIRMATION_INTERVAL`
    pub interval: Duration,
    /// `FAILBACK`
    pub failback: Failback,
    /// `FAILBACK_CONFIRMATIONS`
    pub failback_confirmations: u32,
    /// `COOLDOWN`
    pub cooldown: Duration,
    /// `HEALTH_ENDPOINT_QUORUM`: how many endpoints must answer for "serving".
    pub quorum: usize,
    /// `ON_PRIMARY_UNREACHABLE`
    pub on_unreachable: OnUnreachable,
    /// Whether `HOSTED_ZONE_ID` says where the failover records are.
    pub knows_zone: bool,
}

impl Policy {
    /// What a status says of an instance, with `STATUS_OVERRIDES`.
    pub fn health_of(&self, status: &Status) -> Health {
        self.overrides.get(status).copied().unwrap_or_else(|| status.health())
    }
}

/// `FAILBACK`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// Traffic goes back by itself where nothing was promoted.
    Auto,
    /// Traffic goes back by order only.
    Manual,
}

/// `ON_PRIMARY_UNREACHABLE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreachable {
    /// An unreachable RDS API is unknown, always.
    Hold,
    /// An unreachable RDS API and failing probes are unhealthy.
    FailOver,
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

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the decisions go by.
    pub policy: Policy,
    /// `ROUTE53_HEALTH_CHECK_ID`
    pub health_check_id: String,
    /// `MODE`
    pub mode: Mode,
    /// `HEALTH_ENDPOINTS`
    pub endpoints: Vec<Endpoint>,
    /// `HEALTH_ENDPOINT_TIMEOUT`
    pub endpoint_timeout: Duration,
    /// `NOTIFICATION_TOPIC_ARN`
    pub topic: Option<Topic>,
    /// `HOSTED_ZONE_ID`
    pub hosted_zone_id: Option<String>,
    /// `RECORD_NAME`, in lower case, without a trailing dot.
    pub record_name: Option<String>,
    /// `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets: for the commands in notifications.
    pub function_name: String,
    /// Settings that can have no effect, each in a sentence.
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
        write!(f, "the configuration has {} fault(s): {}", self.0.len(), self.0.join("; "))
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
        if primary.is_none() {
            read.require(PRIMARY_DB_INSTANCE_IDENTIFIER);
        }
        let replica = read.instance(FAILOVER_DB_INSTANCE_IDENTIFIER, home.as_deref());
        let health_check_id = read.value(ROUTE53_HEALTH_CHECK_ID, parse::health_check_id);
        if health_check_id.is_none() {
            read.require(ROUTE53_HEALTH_CHECK_ID);
        }
        let overrides = read.value(STATUS_OVERRIDES, parse::status_overrides).unwrap_or_default();
        let promote = read.value(PROMOTE_REPLICA, parse::boolean).unwrap_or(false);
        let promote_on = read.value(PROMOTE_ON, parse::promote_on);
        let confirmations = read.value(CONFIRMATIONS, parse::count).unwrap_or(3);
        let failback_confirmations = read.value(FAILBACK_CONFIRMATIONS, parse::count).unwrap_or(3);
        let endpoints = read.value(HEALTH_ENDPOINTS, parse::endpoints);
        // A quorum can't be measured by endpoints that are faulty themselves.
        let asked = match &endpoints {
            None if read.text(HEALTH_ENDPOINTS).is_some() => usize::MAX,
            endpoints => endpoints.as_ref().map_or(0, Vec::len),
        };
        let quorum = read.value(HEALTH_ENDPOINT_QUORUM, |text| parse::quorum(text, asked));
        let endpoints = endpoints.unwrap_or_default();
        let on_unreachable = read.value(ON_PRIMARY_UNREACHABLE, parse::on_unreachable);
        let hosted_zone_id = read.value(HOSTED_ZONE_ID, parse::hosted_zone_id);
        let record_name = read.value(RECORD_NAME, parse::record_name);
        let endpoint_timeout = read.value(HEALTH_ENDPOINT_TIMEOUT, |text| {
            parse::duration(text).filter(|timeout| !timeout.is_zero())
        });

        let policy = Policy {
            // Never used where the required variable is missing: the faults are returned below.
            primary: primary.unwrap_or(InstanceRef { identifier: String::new(), region: None }),
            replica,
            promote,
            promote_on: promote_on.clone().unwrap_or_else(parse::default_promote_on),
            max_lag: read.value(MAX_REPLICA_LAG, parse::duration).unwrap_or(Duration::from_secs(60)),
            overrides,
            confirmations,
            interval: read.value(CONFIRMATION_INTERVAL, parse::duration).unwrap_or(Duration::from_secs(10)),
            failback: read.value(FAILBACK, parse::failback).unwrap_or(Failback::Auto),
            failback_confirmations,
            cooldown: read.value(COOLDOWN, parse::duration).unwrap_or(Duration::from_secs(600)),
            quorum: quorum.unwrap_or(endpoints.len() / 2 + 1),
            on_unreachable: on_unreachable.unwrap_or(OnUnreachable::Hold),
            knows_zone: hosted_zone_id.is_some(),
        };
        let config = Self {
            health_check_id: health_check_id.unwrap_or_default(),
            mode: read.value(MODE, parse::mode).unwrap_or(Mode::Act),
            endpoints,
            endpoint_timeout: endpoint_timeout.unwrap_or(Duration::from_secs(2)),
            topic: read.value(NOTIFICATION_TOPIC_ARN, parse::topic),
            hosted_zone_id,
            record_name,
            function_name: lookup("AWS_LAMBDA_FUNCTION_NAME")
                .unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
            warnings: warnings(&policy, promote_on.is_some()),
            policy,
        };
        let contradictions = contradictions(&config, promote_on.as_ref(), |name| read.text(name).is_some());
        read.faults.extend(contradictions);
        if read.faults.is_empty() { Ok(config) } else { Err(ConfigError(read.faults)) }
    }
}

/// Settings that can't all be meant. One that is set but faulty is reported as such, and contradicts nothing.
fn contradictions(
    config: &Config,
    promote_on: Option<&BTreeSet<Trigger>>,
    is_set: impl Fn(&str) -> bool,
) -> Vec<String> {
    let policy = &config.policy;
    let mut faults = Vec::new();
    match &policy.replica {
        Some(replica) if replica.same_as(&policy.primary) => faults.push(format!(
            "{FAILOVER_DB_INSTANCE_IDENTIFIER} and {PRIMARY_DB_INSTANCE_IDENTIFIER} name the same instance `{replica}`: name the replica that the secondary record points to"
        )),
        None if policy.promote && !is_set(FAILOVER_DB_INSTANCE_IDENTIFIER) => faults.push(format!(
            "{PROMOTE_REPLICA} is `true` but {FAILOVER_DB_INSTANCE_IDENTIFIER} is not set: name the replica to promote, or set {PROMOTE_REPLICA} to `false`"
        )),
        Some(_) | None => {}
    }
    for trigger in promote_on.into_iter().flatten() {
        if let Trigger::Status(status) = trigger
            && policy.health_of(status) != Health::Unhealthy
        {
            faults.push(format!(
                "{PROMOTE_ON} holds `{status}`, which counts as {}: nothing is promoted behind a primary that is not unhealthy; take it out, or add `{status}=unhealthy` to {STATUS_OVERRIDES}",
                policy.health_of(status).as_str()
            ));
        }
    }
    if policy.on_unreachable == OnUnreachable::FailOver && !is_set(HEALTH_ENDPOINTS) {
        faults.push(format!(
            "{ON_PRIMARY_UNREACHABLE} is `failover` but {HEALTH_ENDPOINTS} is not set: an unreachable API alone is no evidence; set endpoints, or {ON_PRIMARY_UNREACHABLE} to `hold`"
        ));
    }
    if config.record_name.is_some() && !is_set(HOSTED_ZONE_ID) {
        faults.push(format!("{RECORD_NAME} is set but {HOSTED_ZONE_ID} is not: set both, or neither"));
    }
    faults
}

/// Settings that are allowed and can have no effect.
fn warnings(policy: &Policy, promote_on_is_set: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if promote_on_is_set
        && policy.promote_on.contains(&Trigger::Unreachable)
        && policy.on_unreachable == OnUnreachable::Hold
    {
        warnings.push(format!("{PROMOTE_ON} holds `unreachable`, which needs {ON_PRIMARY_UNREACHABLE}=failover to have any effect"));
    }
    for status in policy.overrides.keys().filter(|status| matches!(status, Status::Unrecognised(_))) {
        warnings.push(format!("{STATUS_OVERRIDES} holds `{status}`, a status this version does not know: if it is a typing error, it has no effect"));
    }
    warnings
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

    fn instance(&mut self, name: &str, home: Option<&str>) -> Option<InstanceRef> {
        let text = self.text(name)?;
        match InstanceRef::parse(&text, home) {
            Ok(instance) => Some(instance),
            Err(why) => {
                self.fault(name, &text, &format!(" ({why})"));
                None
            }
        }
    }
}
