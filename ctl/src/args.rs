//! The command line, and the payload that it stands for.

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or already so; status: the primary is healthy and serves; check: ready
  1  refused: the function stayed, or you did; status: anything else; check: not ready
  2  the command line is wrong, or an order came without a terminal and without --yes
  3  the function failed; its error type and message are printed
  4  the function could not be reached, or its answer was lost

Credentials and region are found as by the AWS CLI's environment variables and profiles; for a profile of IAM
Identity Center or of a credential process: eval \"$(aws configure export-credentials --format env)\".
AWS_ENDPOINT_URL_LAMBDA is honoured.";

/// Asks and orders a deployed rds-route53-failover.
#[derive(Debug, Parser)]
#[command(name = "ctl", after_help = EXIT_CODES, disable_version_flag = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

/// What is asked or ordered.
#[derive(Debug, Subcommand)]
#[command(after_help = EXIT_CODES)]
pub enum Command {
    /// Show what the function sees and would do now; changes nothing
    #[command(after_help = EXIT_CODES)]
    Status(Common),
    /// Would a failover work now? Changes nothing
    #[command(after_help = EXIT_CODES)]
    Check(Common),
    /// Send traffic to the secondary
    #[command(after_help = EXIT_CODES)]
    Failover {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        reason: Reason,
        /// Override the guards against needless or repeated moves and an unfit replica
        #[arg(long)]
        force: bool,
        /// Promote the read replica, too: irreversible
        #[arg(long)]
        promote: bool,
        /// Promote whatever the replica's lag is, and lose that data
        #[arg(long, requires = "promote")]
        allow_data_loss: bool,
    },
    /// Send traffic back to the primary
    #[command(after_help = EXIT_CODES)]
    Failback {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        reason: Reason,
        /// Override the guards against an unhealthy or stale primary
        #[arg(long)]
        force: bool,
    },
    /// Stop automatic change; orders still work
    #[command(after_help = EXIT_CODES)]
    Pause {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        reason: Reason,
        /// How long, such as 30m or 2h; without it, until `resume`
        #[arg(long = "for", value_name = "DURATION")]
        duration: Option<String>,
    },
    /// Resume automatic change
    #[command(after_help = EXIT_CODES)]
    Resume(Common),
}

/// Which function, and how its answer is shown.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Name or ARN of the function
    #[arg(long, value_name = "NAME")]
    pub function: String,
    /// The function's region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// A version or alias of the function
    #[arg(long, value_name = "QUALIFIER")]
    pub qualifier: Option<String>,
    /// A `cargo lambda watch` instead of AWS, such as http://127.0.0.1:9000
    #[arg(long, value_name = "URL", conflicts_with_all = ["region", "qualifier"])]
    pub local: Option<String>,
    /// Don't ask
    #[arg(long)]
    pub yes: bool,
    /// Print the function's answer as it is
    #[arg(long)]
    pub json: bool,
}

/// Why, for those who read it later.
#[derive(Debug, clap::Args)]
pub struct Reason {
    /// Why: it stands in the tags, the log and the notification
    #[arg(long = "reason", value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub text: String,
}

impl Command {
    /// The word on the command line, which is the action's.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Check(_) => "check",
            Self::Failover { .. } => "failover",
            Self::Failback { .. } => "failback",
            Self::Pause { .. } => "pause",
            Self::Resume(_) => "resume",
        }
    }

    /// Which function, and how its answer is shown.
    pub fn common(&self) -> &Common {
        match self {
            Self::Status(common)
            | Self::Check(common)
            | Self::Resume(common)
            | Self::Failover { common, .. }
            | Self::Failback { common, .. }
            | Self::Pause { common, .. } => common,
        }
    }

    /// Whether it changes where traffic goes.
    pub fn moves_traffic(&self) -> bool {
        matches!(self, Self::Failover { .. } | Self::Failback { .. })
    }

    /// Whether it only reads: then it may be sent twice.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Check(_))
    }

    /// The payload of the invocation.
    pub fn payload(&self) -> Value {
        let action = self.name();
        match self {
            Self::Status(_) | Self::Check(_) | Self::Resume(_) => json!({"action": action}),
            Self::Failover { reason, force, promote, allow_data_loss, .. } => json!({
                "action": action, "reason": reason.text,
                "force": force, "promote": promote, "allow_data_loss": allow_data_loss,
            }),
            Self::Failback { reason, force, .. } => {
                json!({"action": action, "reason": reason.text, "force": force})
            }
            Self::Pause { reason, duration: None, .. } => json!({"action": action, "reason": reason.text}),
            Self::Pause { reason, duration: Some(duration), .. } => {
                json!({"action": action, "reason": reason.text, "for": duration})
            }
        }
    }
}
