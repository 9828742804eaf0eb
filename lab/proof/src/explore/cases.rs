//! The situations that are explored: a world, invocations that coincide in it, and a person who interferes.

use emulator::World;
use jiff::SignedDuration;
use rds_route53_failover::memory::Tag;
use serde_json::{Value, json};

use crate::rig::{CHECK, PRIMARY, REPLICA, origin, world};

/// What wakes an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A schedule or an RDS event: both only wake the function.
    Tick,
    /// An operator's failover.
    Failover,
    /// An operator's failover with promotion.
    Promotion,
    /// An operator's failback.
    Failback,
    /// The same over the guards.
    ForcedFailback,
}

impl Asked {
    pub(super) fn event(self) -> Value {
        match self {
            Self::Tick => json!({"action": "tick"}),
            Self::Failover => json!({"action": "failover", "reason": "drill"}),
            Self::Promotion => json!({"action": "failover", "reason": "drill", "promote": true}),
            Self::Failback => json!({"action": "failback", "reason": "repaired"}),
            Self::ForcedFailback => json!({"action": "failback", "reason": "repaired", "force": true}),
        }
    }
}

/// What a person does, once, at any point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Sets both flags at the console.
    SetsFlags,
    /// Clears both flags at the console.
    ClearsFlags,
    /// Removes every tag of the function but the pause.
    ClearsTags,
    /// Writes the pause tag by hand.
    Pauses,
    /// Promotes the replica at the console.
    Promotes,
    /// Repairs the primary.
    Repairs,
}

impl Person {
    const ALL: [Self; 5] =
        [Self::SetsFlags, Self::ClearsFlags, Self::ClearsTags, Self::Pauses, Self::Promotes];

    fn name(self) -> &'static str {
        match self {
            Self::SetsFlags => "flags set by hand",
            Self::ClearsFlags => "flags cleared by hand",
            Self::ClearsTags => "tags cleared by hand",
            Self::Pauses => "paused by hand",
            Self::Promotes => "promoted by hand",
            Self::Repairs => "the primary repaired",
        }
    }

    pub(super) fn acts(self, world: &mut World) {
        match self {
            Self::SetsFlags => world.console_set_flags(CHECK, true, true),
            Self::ClearsFlags => world.console_set_flags(CHECK, false, false),
            Self::ClearsTags => {
                for tag in [Tag::Routed, Tag::Returned, Tag::Promoted] {
                    world.console_remove_tag(CHECK, tag.key());
                }
            }
            Self::Pauses => {
                world.console_set_tag(CHECK, Tag::Pause.key(), "until=forever reason=maintenance")
            }
            // RDS refuses where a promotion runs already: then this person has changed nothing.
            Self::Promotes => drop(world.console_promote(REPLICA)),
            Self::Repairs => world.set_status(PRIMARY, "available"),
        }
    }
}

/// How the world stands as the first invocation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Traffic is on a primary that has failed.
    Outage,
    /// The function moved traffic an hour ago, and the primary is well again.
    Recovered,
    /// The function moved traffic an hour ago, and the primary is still failed.
    Moved,
    /// The function moved traffic and promoted the replica an hour ago, and the old primary is back.
    Promoted,
}

impl Start {
    fn world(self) -> World {
        let mut world = world();
        if matches!(self, Self::Outage | Self::Moved) {
            world.set_status(PRIMARY, "failed");
        }
        if self != Self::Outage {
            world.console_set_flags(CHECK, true, true);
            let at = origin() - SignedDuration::from_hours(1);
            let claim = format!("version=2 by=auto at={at} reason=primary-unhealthy");
            world.console_set_tag(CHECK, Tag::Routed.key(), &claim);
            if self == Self::Promoted
                && let Some(replica) = world.instance_mut(REPLICA)
            {
                replica.source = None;
                let sent = format!("version=2 at={at} instance={REPLICA}");
                world.console_set_tag(CHECK, Tag::Promoted.key(), &sent);
            }
        }
        world
    }
}

/// A situation to explore.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name: `two failovers, promotion`.
    pub name: String,
    /// What wakes the invocations, which all begin in the same instant.
    pub asked: &'static [Asked],
    /// What a person does besides.
    pub person: Option<Person>,
    /// Whether `PROMOTE_REPLICA` is on.
    pub promotion: bool,
    start: Start,
}

impl Case {
    fn new(name: &str, asked: &'static [Asked], start: Start, promotion: bool) -> Self {
        let with = if promotion { ", promotion" } else { "" };
        Self { name: format!("{name}{with}"), asked, person: None, promotion, start }
    }

    fn and(self, person: Person) -> Self {
        Self { name: format!("{}, {}", self.name, person.name()), person: Some(person), ..self }
    }

    /// Whether the old primary is to be stopped.
    pub(super) fn fences(&self) -> bool {
        self.start == Start::Promoted
    }

    pub(super) fn world(&self) -> World {
        self.start.world()
    }

    /// One look is enough: what the invocations do to each other lies behind it.
    pub(super) fn variables(&self) -> Vec<(&'static str, &'static str)> {
        let mut variables = vec![("CONFIRMATIONS", "1"), ("FAILBACK_CONFIRMATIONS", "1")];
        if self.promotion {
            variables.push(("PROMOTE_REPLICA", "true"));
        }
        if self.fences() {
            variables.push(("FENCE_PRIMARY", "stop"));
        }
        variables
    }
}

/// Every situation. Those of two invocations come first.
pub fn cases() -> Vec<Case> {
    use Asked::{Failback, Failover, ForcedFailback, Promotion, Tick};
    use Start::{Moved, Outage, Promoted, Recovered};
    let mut cases = vec![
        Case::new("two failovers", &[Tick, Tick], Outage, false),
        Case::new("two failovers", &[Tick, Tick], Outage, true),
        Case::new("two promotions after a failover", &[Tick, Tick], Moved, true),
        Case::new("two failbacks", &[Tick, Tick], Recovered, false),
        Case::new("two failbacks", &[Tick, Tick], Recovered, true),
        Case::new("failover and a requested failover", &[Tick, Failover], Outage, false),
        Case::new("failover and a requested failover", &[Tick, Failover], Outage, true),
        Case::new("failover and a requested promotion", &[Tick, Promotion], Outage, true),
        Case::new("promotion and a requested failback", &[Tick, Failback], Moved, true),
        Case::new("failback and a requested failback", &[Tick, Failback], Recovered, false),
        Case::new("failback and a requested failover", &[Tick, Failover], Recovered, false),
        Case::new("two fences", &[Tick, Tick], Promoted, true),
        Case::new("fence and a requested failover", &[Tick, Failover], Promoted, true),
        Case::new("fence and a requested failback", &[Tick, Failback], Promoted, true),
        Case::new("fence and a forced failback", &[Tick, ForcedFailback], Promoted, true),
    ];
    for person in Person::ALL {
        cases.push(Case::new("one failover", &[Tick], Outage, false).and(person));
        cases.push(Case::new("one failover", &[Tick], Outage, true).and(person));
        cases.push(Case::new("one failback", &[Tick], Recovered, true).and(person));
        cases.push(Case::new("one requested failover", &[Failover], Outage, false).and(person));
        cases.push(Case::new("one fence", &[Tick], Promoted, true).and(person));
    }
    for person in [Person::SetsFlags, Person::ClearsFlags, Person::ClearsTags] {
        cases.push(Case::new("two failovers", &[Tick, Tick], Outage, true).and(person));
    }
    // One promotes, and the other sends traffic back.
    cases.push(Case::new("two promotions after a failover", &[Tick, Tick], Moved, true).and(Person::Repairs));
    cases.push(
        Case::new("promotion and a requested failback", &[Tick, Failback], Moved, true).and(Person::Repairs),
    );
    cases.push(Case::new("three failovers", &[Tick, Tick, Tick], Outage, false));
    cases.push(Case::new("three failovers", &[Tick, Tick, Tick], Outage, true));
    cases.push(Case::new("three failbacks", &[Tick, Tick, Tick], Recovered, false));
    cases.push(Case::new("two failovers and a requested one", &[Tick, Tick, Failover], Outage, true));
    cases
}
