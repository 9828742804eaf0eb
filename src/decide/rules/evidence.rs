//! What must be known of the switch and of the primary before anything else.

use super::{Asked, Check, Command, Force, Next, Rule, Sees, always};
use crate::decide::{After, Code, Effect};
use crate::status::Health;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::HealthCheckNotUpdatable,
        check: Check::Any,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Respects,
        when: "Route 53 refuses any update of this health check",
        effect: Effect::Fail,
        message: "Route 53 does not allow updates of this health check, so this function can't move traffic",
        next: Next::run("Configure another health check, then:", Command::CHECK),
        applies: |c| Ok(c.check().is_some_and(|check| check.not_updatable.is_some())),
    },
    Rule {
        code: Code::ControlPlaneDownUnconfirmed,
        check: Check::Any,
        asked: Asked::Tick,
        sees: Sees::Only(Health::Unhealthy),
        force: Force::Respects,
        when: "nothing but Route 53 keeps traffic from moving, and the outage is not confirmed",
        effect: Effect::Observe(After::Interval),
        message: "Route 53's control plane can't be reached and the primary looks unhealthy: observing again",
        next: Next::NOTHING,
        applies: |c| Ok(c.metric_may_move()? && !c.confirmed(c.pair.policy.confirmations)),
    },
    Rule {
        code: Code::ControlPlaneDown,
        check: Check::Any,
        asked: Asked::Tick,
        sees: Sees::ConfirmedUnhealthy,
        force: Force::Respects,
        when: "nothing but Route 53 keeps traffic from moving",
        effect: Effect::Fail,
        message: "The primary is unhealthy and Route 53's control plane can't be reached: failover is signalled through the RouteToSecondary metric only",
        next: Next::words(
            "Check what DNS answers. If the stack has no metric check, traffic stays where it is until Route 53 answers again.",
        ),
        applies: |c| c.metric_must_move(),
    },
    Rule {
        code: Code::HealthCheckUnreadable,
        check: Check::Any,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Respects,
        when: "the health check could not be read",
        effect: Effect::Fail,
        message: "The health check could not be read: nothing is changed",
        next: Next::NOTHING,
        applies: |c| Ok(c.check().is_none()),
    },
    Rule {
        code: Code::PrimaryUnknown,
        check: Check::Any,
        asked: Asked::Any,
        sees: Sees::Only(Health::Unknown),
        force: Force::Overrides,
        when: "",
        effect: Effect::Fail,
        message: "The primary could not be observed: unknown is not unhealthy, so nothing is changed",
        next: Next::run("If you know that the primary is down:", Command::FORCED_FAILOVER),
        applies: always,
    },
    Rule {
        code: Code::ForeignCheck,
        check: Check::Foreign,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Respects,
        when: "",
        effect: Effect::REFUSE,
        message: "Somebody set only one of Disabled and Inverted: left unchanged",
        next: Next::words(
            "Ask whoever set the flag to clear it, or to set both. Until then this function moves no traffic.",
        ),
        applies: always,
    },
];

/// What is decided where a rule needs evidence that was asked for and could not be read.
pub const UNREADABLE: &[Rule] = &[
    unreadable(
        Code::MemoryUnreadable,
        "the tags of the health check could not be read or parsed",
        "The tags of the health check could not be read or parsed: nothing is changed",
        "Correct or remove the `failover:` tag named above, or allow route53:ListTagsForResource.",
    ),
    unreadable(
        Code::EventsUnreadable,
        "the primary's events could not be read",
        "The primary's events could not be read, so RDS may be failing it over to its standby: nothing is changed",
        "Allow rds:DescribeEvents on the primary.",
    ),
    unreadable(
        Code::RecordUnreadable,
        "the failover records could not be read",
        "The primary failover record could not be read: nothing is changed",
        "Allow route53:ListResourceRecordSets on the hosted zone, and correct HOSTED_ZONE_ID.",
    ),
];

/// The last row: it changes nothing.
pub(in crate::decide) static NO_RULE: Rule = unreadable(
    Code::NoRuleApplies,
    "no other rule applies",
    "No rule applies, which is a defect: nothing is changed",
    "Please report this with the message above.",
);

const fn unreadable(code: Code, when: &'static str, message: &'static str, next: &'static str) -> Rule {
    Rule {
        code,
        check: Check::Any,
        asked: Asked::Any,
        sees: Sees::Any,
        force: Force::Respects,
        when,
        effect: Effect::Fail,
        message,
        next: Next::words(next),
        applies: always,
    }
}
