//! What an invocation has seen, by the answers to its calls.

use std::collections::BTreeSet;
use std::time::Duration;

use emulator::{ACCOUNT, Call, Fault, Instance, Outcome, World};
use jiff::Timestamp;
use rds_route53_failover::memory::By;
use rds_route53_failover::model::CheckState;
use rds_route53_failover::observe::memory_of;

use super::{Kind, Promise, Violation, Watch};

/// The outcome of the last read of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight<T> {
    #[default]
    Never,
    Seen(T),
    Unreachable,
    Blind,
}

/// How the switch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) state: CheckState,
    pub(super) version: u64,
}

/// What the tags said of automatic change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagsSeen {
    pub(super) paused: bool,
    pub(super) readable: bool,
    /// The version at which traffic went back, or is to go back.
    pub(super) returned: Option<u64>,
    pub(super) routed: Option<ClaimSeen>,
}

/// Who claims which version, and until when without a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClaimSeen {
    pub(super) version: i64,
    pub(super) by: By,
    pub(super) until: Option<Timestamp>,
}

/// What an invocation knows and has announced.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) kind: Kind,
    pub(super) primary: Sight<Option<String>>,
    /// Which instance had the primary's name when it was last seen.
    pub(super) named_primary: Option<u64>,
    pub(super) replica_alone: Sight<bool>,
    pub(super) check: Sight<Flags>,
    pub(super) tags: Sight<TagsSeen>,
    pub(super) lag: Sight<()>,
    pub(super) claimed: BTreeSet<i64>,
    pub(super) cut: bool,
}

impl Invocation {
    /// One that has seen nothing yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            primary: Sight::Never,
            named_primary: None,
            replica_alone: Sight::Never,
            check: Sight::Never,
            tags: Sight::Never,
            lag: Sight::Never,
            claimed: BTreeSet::new(),
            cut: false,
        }
    }
}

impl Watch {
    /// An invocation has the answer to a call.
    pub(super) fn saw(&mut self, number: u64, call: &Call, world: &World) {
        let sight = sight(call);
        let target = call.target.as_deref().unwrap_or_default();
        let is = |id: &str| {
            target.eq_ignore_ascii_case(id) || id.ends_with(&format!(":{}", target.to_ascii_lowercase()))
        };
        let tags_seen = self.tags_seen();
        let flags = self.flags;
        let (observe, at) = (self.setting.observe, self.now);
        let Some(invocation) = self.invocations.get_mut(&number) else { return };
        match &*call.operation {
            "DescribeDBInstances" if is(&self.setting.primary) => {
                let found = in_region(&call.region, &self.setting.primary, world);
                let status = found.map(|i| i.status.clone());
                invocation.named_primary = found.map(|i| i.key);
                // Half of the answer that there is no such instance says so, too.
                let cut_off = call.outcome == Outcome::Fault(Fault::Truncated);
                let sight = if cut_off && status.is_none() { Sight::Seen(()) } else { sight };
                invocation.primary = sight.map_to(status);
            }
            "DescribeDBInstances" if self.setting.replica.as_deref().is_some_and(is) => {
                let alone = self.setting.replica.as_deref().and_then(|id| in_region(&call.region, id, world));
                invocation.replica_alone = sight.map_to(alone.is_some_and(|i| i.source.is_none()));
            }
            "GetHealthCheck" => invocation.check = sight.map_to(flags),
            "ListTagsForResource" => invocation.tags = sight.map_to(tags_seen),
            "GetMetricStatistics" => invocation.lag = sight.map_to(()),
            _ => {}
        }
        let lost = matches!(call.outcome, Outcome::Fault(_) | Outcome::Crash);
        if lost && !invocation.claimed.is_empty() {
            invocation.cut = true;
        }
        let kind = invocation.kind;
        if call.is_write && (observe || kind == Kind::ReadOnly) {
            let why = if observe { "with MODE=observe" } else { "for a question" };
            let sentence = format!("{} was called {why}", call.operation);
            self.violations.push(Violation { promise: Promise::HandsOff, at, sentence });
        }
    }

    fn tags_seen(&self) -> TagsSeen {
        match memory_of(&self.tags) {
            Ok(memory) => TagsSeen {
                paused: memory.pause.as_ref().is_some_and(|pause| pause.in_force(self.now)),
                readable: true,
                returned: memory.returned.and_then(|returned| u64::try_from(returned.version).ok()),
                routed: memory.routed.map(|routed| ClaimSeen {
                    version: routed.version,
                    by: routed.by,
                    until: routed.until,
                }),
            },
            Err(_) => TagsSeen { paused: false, readable: false, returned: None, routed: None },
        }
    }
}

impl Sight<()> {
    fn map_to<T>(self, value: T) -> Sight<T> {
        match self {
            Self::Never => Sight::Never,
            Self::Seen(()) => Sight::Seen(value),
            Self::Unreachable => Sight::Unreachable,
            Self::Blind => Sight::Blind,
        }
    }
}

/// An attempt that is answered later than this counts as unanswered: the function's time-out for one attempt.
const ATTEMPT: Duration = Duration::from_secs(3);

fn sight(call: &Call) -> Sight<()> {
    match &call.outcome {
        Outcome::Ok => Sight::Seen(()),
        // The one refusal that says something of a database.
        Outcome::Refused { code, .. } if code.starts_with("DBInstanceNotFound") => Sight::Seen(()),
        Outcome::Refused { .. } => Sight::Blind,
        Outcome::Fault(Fault::Slow(delay)) if *delay < ATTEMPT => Sight::Seen(()),
        // Whatever code it names, a 5xx says nothing.
        Outcome::Fault(Fault::AppliedThenError { status: 500.., .. }) => Sight::Unreachable,
        Outcome::Fault(
            Fault::Slow(_)
            | Fault::Hang
            | Fault::Reset
            | Fault::Server(_)
            | Fault::AppliedThenReset
            | Fault::AppliedThenHang
            | Fault::AppliedThenServer(_),
        )
        // Whoever is not dropped with the call that should end it waits for an answer in vain.
        | Outcome::Crash => Sight::Unreachable,
        Outcome::Fault(
            Fault::Throttle
            | Fault::Denied
            | Fault::Error { .. }
            | Fault::AppliedThenError { .. }
            | Fault::Malformed
            | Fault::Truncated
            | Fault::Emptied
            | Fault::Padded(_),
        ) => Sight::Blind,
    }
}

/// The instance of this name in a region.
pub(super) fn in_region<'a>(region: &str, id: &str, world: &'a World) -> Option<&'a Instance> {
    world.instance(&format!("arn:aws:rds:{region}:{ACCOUNT}:db:{id}"))
}
