//! The stable codes of the rules, as in the response, the log, the metric and the tags.

use std::fmt;

macro_rules! codes {
    ($($variant:ident = $text:literal,)+) => {
        /// The code of a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

codes! {
    HealthCheckNotUpdatable = "health-check-not-updatable",
    ControlPlaneDownUnconfirmed = "control-plane-down-unconfirmed",
    ControlPlaneDown = "control-plane-down",
    HealthCheckUnreadable = "health-check-unreadable",
    PrimaryUnknown = "primary-unknown",
    ForeignCheck = "foreign-check",
    AlreadyOnPrimary = "already-on-primary",
    StalePrimary = "stale-primary",
    PrimaryHealthy = "primary-healthy",
    PrimaryNotFound = "primary-not-found",
    PrimaryOnHold = "primary-on-hold",
    Paused = "paused",
    Unconfirmed = "unconfirmed",
    MultiAzFailover = "multi-az-failover",
    Cooldown = "cooldown",
    ReplicaNotFit = "replica-not-fit",
    SecondaryUnreachable = "secondary-unreachable",
    NoReplicaToPromote = "no-replica-to-promote",
    PrimaryStillAvailable = "primary-still-available",
    FailoverOrdered = "failover-ordered",
    PrimaryUnhealthy = "primary-unhealthy",
    FencePrimary = "fence-primary",
    OldPrimaryAvailable = "old-primary-available",
    AlreadyOnSecondary = "already-on-secondary",
    ForcedByOperator = "forced-by-operator",
    ForcedElsewhere = "forced-elsewhere",
    PromotionInProgress = "promotion-in-progress",
    ReplicaPromoted = "replica-promoted",
    PromotionOff = "promotion-off",
    NotPromotable = "not-promotable",
    PrimaryNotUnhealthy = "primary-not-unhealthy",
    FailbackInProgress = "failback-in-progress",
    ReplicaNotReady = "replica-not-ready",
    LagUnknown = "lag-unknown",
    LagTooHigh = "lag-too-high",
    PromotionReadAgain = "promotion-read-again",
    PromotionOrdered = "promotion-ordered",
    ReplicaFitToPromote = "replica-fit-to-promote",
    WaitingForPrimary = "waiting-for-primary",
    FailbackManual = "failback-manual",
    PrimaryNotHealthy = "primary-not-healthy",
    ReplicaNotFollowing = "replica-not-following",
    PrimaryRecreated = "primary-recreated",
    RecordNotOnPrimary = "record-not-on-primary",
    RecoveryUnconfirmed = "recovery-unconfirmed",
    FailbackOrdered = "failback-ordered",
    PrimaryRecovered = "primary-recovered",
    MemoryUnreadable = "memory-unreadable",
    EventsUnreadable = "events-unreadable",
    RecordUnreadable = "record-unreadable",
    NoRuleApplies = "no-rule-applies",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
