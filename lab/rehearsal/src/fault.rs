//! Planted faults: what must make assertions fail, or they assert nothing.

use std::str::FromStr;

use anyhow::{Error, bail};

/// Something that is wrong on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// DNS answers with the primary for ever.
    StuckDns,
    /// The rows vanish from the server that counts before they are counted.
    LostRows,
    /// The replica takes writes.
    OpenReplica,
    /// RDS states a lag of three seconds, whatever it is.
    LyingLag,
    /// Cuts of the network do not cut.
    NoCut,
    /// The old primary takes no writes.
    ReadOnlyPrimary,
    /// The standby takes half a minute.
    SlowStandby,
    /// What cuts the function off cuts the clients off as well.
    WideCut,
    /// The common client has a read time-out.
    CommonTimeout,
    /// Galera goes on without quorum.
    IgnoreQuorum,
    /// Nothing freezes.
    NoFreeze,
    /// A person clears the flags after the promotion.
    ClearedFlags,
    /// RDS has no event of its Multi-AZ failover.
    NoEvent,
    /// RDS does not stop what it was asked to stop.
    NoStop,
    /// The function states its upper bound without the condition that the link was alive.
    Unconditional,
    /// The function's environment has another value.
    Setting(String, String),
    /// The resilient client has another option.
    Client(String),
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text.split_once(':') {
            None => match text {
                "" => Self::None,
                "stuck-dns" => Self::StuckDns,
                "lost-rows" => Self::LostRows,
                "open-replica" => Self::OpenReplica,
                "lying-lag" => Self::LyingLag,
                "no-cut" => Self::NoCut,
                "read-only-primary" => Self::ReadOnlyPrimary,
                "slow-standby" => Self::SlowStandby,
                "wide-cut" => Self::WideCut,
                "common-timeout" => Self::CommonTimeout,
                "ignore-quorum" => Self::IgnoreQuorum,
                "no-freeze" => Self::NoFreeze,
                "cleared-flags" => Self::ClearedFlags,
                "no-event" => Self::NoEvent,
                "no-stop" => Self::NoStop,
                "unconditional" => Self::Unconditional,
                _ => bail!("unknown fault `{text}`"),
            },
            Some(("client", option)) => Self::Client(option.to_owned()),
            Some(("set", setting)) => match setting.split_once('=') {
                Some((name, value)) => Self::Setting(name.to_owned(), value.to_owned()),
                None => bail!("`{setting}` is not NAME=VALUE"),
            },
            Some(_) => bail!("unknown fault `{text}`"),
        })
    }
}

/// The faults and the cases that each is planted in, so that every assertion fails at least once.
pub const PLANTED: &[(&str, &[&str])] = &[
    (
        "stuck-dns",
        &[
            "killed-promoted",
            "killed-returned",
            "hung-page",
            "zone-partition",
            "planned-bare",
            "planned-read-only",
        ],
    ),
    (
        "lost-rows",
        &[
            "killed-promoted",
            "killed-returned",
            "multi-az",
            "function-cut",
            "link-cut",
            "hung-tcp",
            "hung-page",
            "zone-partition",
            "planned-fenced",
            "planned-read-only",
            "watch-off",
            "watch-on",
            "patroni",
            "galera",
        ],
    ),
    ("open-replica", &["killed-returned"]),
    ("lying-lag", &["lag-refused", "link-cut"]),
    ("no-cut", &["link-cut", "function-cut"]),
    ("no-event", &["multi-az"]),
    ("no-stop", &["planned-fenced", "restart-fenced", "zone-partition"]),
    ("set:FAILBACK=manual", &["killed-returned"]),
    ("set:CONFIRMATION_INTERVAL=6s", &["killed-promoted", "hung-page"]),
    ("set:SECONDARY_ENDPOINTS=", &["function-cut"]),
    ("set:CONFIRMATIONS=1", &["patroni"]),
    ("set:HEALTH_ENDPOINT_QUORUM=3", &["galera"]),
    ("set:WATCH_INTERVAL=", &["watch-on"]),
    ("set:CONFIRMATION_INTERVAL=25s", &["watch-off"]),
    ("set:FENCE_PRIMARY=stop", &["restart-bare"]),
    ("set:FENCE_PRIMARY=", &["zone-partition"]),
    ("read-only-primary", &["planned-bare"]),
    ("slow-standby", &["multi-az"]),
    ("wide-cut", &["function-cut"]),
    ("common-timeout", &["hung-page"]),
    ("ignore-quorum", &["galera"]),
    ("set:HEALTH_ENDPOINT_QUORUM=2", &["patroni"]),
    ("set:CONFIRMATION_INTERVAL=9s", &["patroni"]),
    ("client:readTimeout=90", &["hung-page"]),
    ("set:HEALTH_ENDPOINTS=http://10.1.0.1:8008/", &["hung-tcp"]),
    ("set:CONFIRMATION_INTERVAL=8s", &["galera"]),
    ("set:NOTIFICATION_TOPIC_ARN=", &["link-cut", "planned-bare"]),
    ("unconditional", &["link-cut"]),
    ("no-freeze", &["hung-tcp"]),
    ("cleared-flags", &["killed-promoted", "restart-bare"]),
    ("client:lifetime=60", &["planned-bare"]),
];
