//! The command line, and the payload that it stands for.

use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::reason;

const AFTER_HELP: &str = "\
Exit codes:
  0  done, or already so; status and tick: the primary is healthy; check: ready;
     history: read to the end; rebuild: the new replica is ready
  1  refused: the function answered, and did not do what was requested;
     rebuild: there is nothing to rebuild, or RDS refused a step
  2  the command line is wrong; nothing was sent
  3  the function failed; its error type and message are printed
  4  unknown: no answer, or you stopped waiting; run status before you repeat;
     history: not read to the end
  5  nothing was sent: no credentials, no connection, no consent, no permission;
     history: nothing was read
  6  check: not ready; status and tick: anything but a healthy primary;
     rebuild: the new replica is not ready yet

Credentials and the region are found as by the AWS CLI: environment variables,
profiles, IAM Identity Center (aws sso login), helper processes.
AWS_ENDPOINT_URL_LAMBDA works, too. Every command is in docs/runbook.md, with the
`aws` command that does the same.";

/// Client of a deployed rds-route53-failover: ask it, fail over, fail back, pause it, rebuild after a promotion.
#[derive(Debug, Parser)]
#[command(name = "ctl", version, after_help = AFTER_HELP)]
pub struct Args {
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

/// What is requested.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what the function sees and would do now; changes nothing
    #[command(after_help = AFTER_HELP)]
    Status(Common),
    /// Would a failover work now? Changes nothing
    #[command(after_help = AFTER_HELP)]
    Check(Common),
    /// Send traffic to the secondary, and optionally promote the replica
    #[command(after_help = AFTER_HELP)]
    Failover(Failover),
    /// Send traffic back to the primary
    #[command(after_help = AFTER_HELP)]
    Failback {
        /// Which function.
        #[command(flatten)]
        common: Common,
        /// Why.
        #[command(flatten)]
        reason: Reason,
        /// Override the guards against an unhealthy or stale primary
        #[arg(long)]
        force: bool,
    },
    /// Stop automatic changes; requested ones still work
    #[command(after_help = AFTER_HELP)]
    Pause {
        /// Which function.
        #[command(flatten)]
        common: Common,
        /// Why.
        #[command(flatten)]
        reason: Reason,
        /// How long, such as 30m or 2h; without it, until `resume`
        #[arg(long = "for", value_name = "DURATION")]
        duration: Option<String>,
    },
    /// Resume automatic changes
    #[command(after_help = AFTER_HELP)]
    Resume(Common),
    /// Run one tick now instead of waiting for the schedule; it can change what any tick can
    #[command(after_help = AFTER_HELP)]
    Tick(Common),
    /// What the function changed, from its log: when, who, why, by which rule, how long; changes nothing
    #[command(after_help = AFTER_HELP)]
    History(History),
    /// After a promotion: make a new replica like the old primary, and print the steps that are left
    #[command(after_help = AFTER_HELP)]
    Rebuild(Rebuild),
}

/// A look into the log.
#[derive(Debug, clap::Args)]
pub struct History {
    /// Which function.
    #[command(flatten)]
    pub common: Common,
    /// How far to look back, such as 7d, 12h or 30m
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = age)]
    pub since: Duration,
    /// The function's log group [default: /aws/lambda/NAME]
    #[arg(long, value_name = "NAME")]
    pub log_group: Option<String>,
}

/// The steps after a promotion.
#[derive(Debug, clap::Args)]
pub struct Rebuild {
    /// Which function.
    #[command(flatten)]
    pub common: Common,
    /// Identifier of the new replica [default: the promoted instance's with -2, or with the next number]
    #[arg(long, value_name = "NAME")]
    pub id: Option<String>,
    /// Which instance's region, class, groups, storage type and backups the new replica gets
    #[arg(long, value_enum, value_name = "INSTANCE", default_value_t = Like::Primary)]
    pub like: Like,
    /// The function's stack [default: the function's name]
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
}

/// What the new replica resembles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Like {
    /// The old primary, whose place it takes
    Primary,
    /// The promoted instance, where the old primary is deleted or its region is down
    Promoted,
}

/// A failover.
#[derive(Debug, clap::Args)]
pub struct Failover {
    /// Which function.
    #[command(flatten)]
    pub common: Common,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Fail over although the primary is not unhealthy, or the replica is not fit
    #[arg(long)]
    pub force: bool,
    /// Promote the read replica, too: irreversible
    #[arg(long)]
    pub promote: bool,
    /// Promote whatever the replica's lag is, and lose that data. A primary that RDS calls
    /// `available` requires this and --force: clients can still be writing to it
    #[arg(long, requires = "promote")]
    pub allow_data_loss: bool,
    /// Walk through a promotion without loss: first stop the writes, then wait for the
    /// replica, then fail over. Asks at each step
    #[arg(long, requires = "engine", conflicts_with_all = ["force", "promote", "allow_data_loss", "yes", "json"])]
    pub planned: bool,
    /// The database's engine
    #[arg(long, value_enum, requires = "planned")]
    pub engine: Option<Engine>,
    /// Watch the lag at least this long after the writes stopped: CloudWatch shows it a minute or two late
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = duration, requires = "planned")]
    pub settle: Duration,
    /// Stop waiting for the lag after this long, and ask
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration, requires = "planned")]
    pub patience: Duration,
}

/// Which function, and how its answer is shown.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Name or ARN of the function
    #[arg(long, value_name = "NAME")]
    pub function: String,
    /// The function's region; an ARN has it already
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// A profile of the AWS CLI's configuration
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// A version or alias of the function
    #[arg(long, value_name = "QUALIFIER")]
    pub qualifier: Option<String>,
    /// A `cargo lambda watch` instead of AWS, such as http://127.0.0.1:9000
    #[arg(long, value_name = "URL", conflicts_with_all = ["region", "profile", "qualifier"])]
    pub local: Option<String>,
    /// How long to wait for the answer [default: 3m for status and check, else 15m10s, longer
    /// than any function can run]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Skip the question
    #[arg(long)]
    pub yes: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Why, for those who read it later.
#[derive(Debug, clap::Args)]
pub struct Reason {
    /// Why: kept in a tag, the log and the notification; at most 1,000 characters
    #[arg(long = "reason", value_name = "TEXT", value_parser = reason::parse)]
    pub text: String,
}

impl Common {
    /// The function's name, also where it is given as an ARN, which can end in a version or alias.
    pub fn function_name(&self) -> &str {
        let of_arn = self.function.split_once(":function:").and_then(|(_, rest)| rest.split(':').next());
        of_arn.unwrap_or(&self.function)
    }
}

impl Args {
    /// Parses words as the command line does.
    ///
    /// # Errors
    /// What is wrong with them, as the command line says it.
    pub fn of_words(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        Self::try_parse_from(words).map_err(|error| error.to_string())
    }
}

/// A duration that can be days, too.
fn age(text: &str) -> Result<Duration, String> {
    let days =
        text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok()).filter(|days| *days > 0);
    match days {
        Some(days) => Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
        None => duration(text).map_err(|_| "write it like 7d, 12h or 30m".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.filter(|span| !span.is_zero()).ok_or_else(|| "write it like 90s, 2m or 1h".to_owned())
}

impl Command {
    /// The verb, which is the action's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Check(_) => "check",
            Self::Failover(_) => "failover",
            Self::Failback { .. } => "failback",
            Self::Pause { .. } => "pause",
            Self::Resume(_) => "resume",
            Self::Tick(_) => "tick",
            Self::History(_) => "history",
            Self::Rebuild(_) => "rebuild",
        }
    }

    /// Which function, and how its answer is shown.
    pub fn common(&self) -> &Common {
        match self {
            Self::Status(common)
            | Self::Check(common)
            | Self::Resume(common)
            | Self::Tick(common)
            | Self::Failback { common, .. }
            | Self::Pause { common, .. } => common,
            Self::Failover(failover) => &failover.common,
            Self::History(history) => &history.common,
            Self::Rebuild(rebuild) => &rebuild.common,
        }
    }

    /// Whether a person asks for traffic to move. A tick moves it only where the next scheduled one would.
    pub fn moves_traffic(&self) -> bool {
        matches!(self, Self::Failover(_) | Self::Failback { .. })
    }

    /// Whether the function only reads for it.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Check(_) | Self::History(_) | Self::Rebuild(_))
    }

    /// The payload of the invocation; null where the function is not asked. What is not requested is left out.
    pub fn payload(&self) -> Value {
        let mut payload = json!({"action": self.name()});
        let mut set = |field: &str, value: Value| payload[field] = value;
        match self {
            Self::History(_) | Self::Rebuild(_) => return Value::Null,
            Self::Status(_) | Self::Check(_) | Self::Resume(_) | Self::Tick(_) => {}
            Self::Failover(Failover { reason, force, promote, allow_data_loss, planned, .. }) => {
                set("reason", json!(reason.text));
                for (field, given) in
                    [("force", force), ("promote", promote), ("allow_data_loss", allow_data_loss)]
                {
                    // A planned failover stops the writes itself, which the function can't see.
                    if *given || *planned {
                        set(field, json!(true));
                    }
                }
            }
            Self::Failback { reason, force, .. } => {
                set("reason", json!(reason.text));
                if *force {
                    set("force", json!(true));
                }
            }
            Self::Pause { reason, duration, .. } => {
                set("reason", json!(reason.text));
                if let Some(duration) = duration {
                    set("for", json!(duration));
                }
            }
        }
        payload
    }
}
