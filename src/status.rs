//! The statuses RDS reports, and what each says of an instance's health.
//!
//! Source: "Viewing DB instance status" in the RDS User Guide, and the statuses seen outside that table.

use std::fmt;

use crate::text::named;

/// What an observation says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Health {
    /// It serves.
    Healthy,
    /// It is busy with something that ends by itself, or nobody knows: wait.
    Hold,
    /// Down, and not expected to recover by itself.
    Unhealthy,
    /// It could not be observed. Unknown is never unhealthy.
    Unknown,
}

impl Health {
    /// The word used in the response, the log and `STATUS_OVERRIDES`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Hold => "hold",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! statuses {
    ($($variant:ident = $text:literal => $health:ident $($promotable:ident)?,)+) => {
        /// A DB instance status (`DBInstanceStatus`), parsed once; one this version does not know keeps its text.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Status {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
            /// A status that is not in the table, in its normalised spelling.
            Unrecognised(String),
        }

        impl Status {
            /// Every status in the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Parses a status whatever its case and whether it is spelt with `_` or `-`.
            pub fn parse(text: &str) -> Self {
                let text = text.trim().to_ascii_lowercase().replace('_', "-");
                match text.as_str() {
                    $($text => Self::$variant,)+
                    // No status holds a space or a control character: what has one must not be shown as one that has none.
                    _ => Self::Unrecognised(named(&text).replace(' ', "?")),
                }
            }

            /// The normalised spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unrecognised(text) => text,
                }
            }

            /// What the status says of the instance, before `STATUS_OVERRIDES`.
            pub fn health(&self) -> Health {
                match self {
                    $(Self::$variant => Health::$health,)+
                    Self::Unrecognised(_) => Health::Hold,
                }
            }

            /// Whether `PROMOTE_ON` holds it by default: the states that RDS does not leave by itself.
            pub fn promotable_by_default(&self) -> bool {
                match self {
                    $(Self::$variant => false $(|| stringify!($promotable) == "promotable")?,)+
                    Self::Unrecognised(_) => false,
                }
            }
        }
    };
}

statuses! {
    Available = "available" => Healthy,
    BackingUp = "backing-up" => Healthy,
    ConfiguringEnhancedMonitoring = "configuring-enhanced-monitoring" => Healthy,
    ConfiguringIamDatabaseAuth = "configuring-iam-database-auth" => Healthy,
    ConfiguringLogExports = "configuring-log-exports" => Healthy,
    ResettingMasterCredentials = "resetting-master-credentials" => Healthy,
    StorageInitialization = "storage-initialization" => Healthy,
    StorageOptimization = "storage-optimization" => Healthy,
    Backtracking = "backtracking" => Hold,
    ConfiguringPerformanceInsights = "configuring-performance-insights" => Hold,
    ConvertingToVpc = "converting-to-vpc" => Hold,
    Creating = "creating" => Hold,
    DeletePrecheck = "delete-precheck" => Hold,
    IncompatibleCredentials = "incompatible-credentials" => Hold,
    IncompatibleOptionGroup = "incompatible-option-group" => Hold,
    ModifyFailed = "modify-failed" => Hold,
    Modifying = "modifying" => Hold,
    MovingToVpc = "moving-to-vpc" => Hold,
    Rebooting = "rebooting" => Hold,
    Renaming = "renaming" => Hold,
    ShuttingDown = "shutting-down" => Hold,
    Starting = "starting" => Hold,
    StorageConfigUpgrade = "storage-config-upgrade" => Hold,
    UnsupportedConfiguration = "unsupported-configuration" => Hold,
    Upgrading = "upgrading" => Hold,
    Deleted = "deleted" => Unhealthy,
    Deleting = "deleting" => Unhealthy,
    Failed = "failed" => Unhealthy promotable,
    InaccessibleEncryptionCredentials = "inaccessible-encryption-credentials" => Unhealthy promotable,
    InaccessibleEncryptionCredentialsRecoverable = "inaccessible-encryption-credentials-recoverable" => Unhealthy,
    IncompatibleCreate = "incompatible-create" => Unhealthy,
    IncompatibleNetwork = "incompatible-network" => Unhealthy promotable,
    IncompatibleParameters = "incompatible-parameters" => Unhealthy,
    IncompatibleRestore = "incompatible-restore" => Unhealthy,
    InsufficientCapacity = "insufficient-capacity" => Unhealthy,
    Maintenance = "maintenance" => Unhealthy,
    RestoreError = "restore-error" => Unhealthy,
    Stopped = "stopped" => Unhealthy,
    Stopping = "stopping" => Unhealthy,
    StorageFull = "storage-full" => Unhealthy,
    UpgradeFailed = "upgrade-failed" => Unhealthy,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
