//! The world of the model: the switch with its tags, the primary, the replica.

use jiff::Timestamp;
use proof::rig::{REPLICA, origin};
use rds_route53_failover::memory::{By, Memory, Move, Promotion};
use rds_route53_failover::model::CheckState;

/// What may still go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    pub(crate) crashes: u8,
    pub(crate) lost: u8,
    pub(crate) console: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flags {
    Normal,
    Forced,
    Foreign,
}

impl Flags {
    pub(crate) fn state(self) -> CheckState {
        match self {
            Self::Normal => CheckState::Normal,
            Self::Forced => CheckState::ForcedUnhealthy,
            Self::Foreign => CheckState::Foreign,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Setter {
    Function,
    Person,
}

/// A claim: the version, and the invocation that made it (so that two values differ as their times do).
pub(crate) type Claim = (i64, usize);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tags {
    pub(crate) routed: Option<Claim>,
    pub(crate) returned: Option<Claim>,
    pub(crate) promoted: Option<Claim>,
}

impl Tags {
    /// As the function reads them.
    pub(crate) fn memory(self) -> Memory {
        let moved =
            |(version, _): Claim| Move { version, by: By::Auto, at: origin(), reason: "model".to_owned() };
        Memory {
            routed: self.routed.map(moved),
            returned: self.returned.map(moved),
            promoted: self.promoted.map(|(version, _)| Promotion {
                version,
                at: now(),
                instance: REPLICA.to_owned(),
            }),
            pause: None,
        }
    }
}

/// The model's time stands still: a promotion never becomes void, a lag never stale.
pub(crate) fn now() -> Timestamp {
    origin()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Replica {
    Following,
    /// A promotion was accepted, and nothing shows.
    Accepted,
    /// `modifying`, the source still there.
    Promoting,
    Alone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) primary_up: bool,
    pub(crate) replica: Replica,
    pub(crate) flags: Flags,
    pub(crate) version: i64,
    pub(crate) set_by: Setter,
    pub(crate) tags: Tags,
    /// The version that a person produced.
    pub(crate) person: i64,
    /// A person moved the switch while a promotion was on its way or under way: no protocol prevents that.
    pub(crate) promoted_under_a_person: bool,
    /// Versions that an invocation claimed which was cut off, or was about to make as a person made them.
    pub(crate) cut_claims: Vec<i64>,
    pub(crate) promoted: bool,
    pub(crate) failed_back: bool,
    pub(crate) promoted_twice: bool,
    pub(crate) promoted_in_front: bool,
    pub(crate) stale_primary: bool,
    pub(crate) overwritten: bool,
    pub(crate) foreign_changed: bool,
}

impl World {
    pub(crate) fn normal() -> Self {
        Self {
            primary_up: false,
            replica: Replica::Following,
            flags: Flags::Normal,
            version: 1,
            set_by: Setter::Function,
            tags: Tags::default(),
            person: 0,
            promoted_under_a_person: false,
            cut_claims: Vec::new(),
            promoted: false,
            failed_back: false,
            promoted_twice: false,
            promoted_in_front: false,
            stale_primary: false,
            overwritten: false,
            foreign_changed: false,
        }
    }

    pub(crate) fn moved() -> Self {
        let tags = Tags { routed: Some((2, 9)), ..Tags::default() };
        Self { flags: Flags::Forced, version: 2, tags, ..Self::normal() }
    }

    pub(crate) fn set_flags(&mut self, flags: Flags, by: Setter) {
        self.flags = flags;
        self.version += 1;
        self.set_by = by;
        if by == Setter::Person {
            self.person = self.version;
        }
    }

    /// Whether a person's setting passes for the function's, since one who was cut off had claimed its version.
    fn accident(&self) -> bool {
        self.cut_claims.contains(&self.version)
    }

    fn behind_a_person(&self) -> bool {
        self.set_by == Setter::Person && self.flags == Flags::Forced && !self.accident()
    }

    /// `UpdateHealthCheck`: whether it was accepted.
    pub(crate) fn update(&mut self, to: Flags, version: i64) -> bool {
        if version != self.version {
            return false;
        }
        self.foreign_changed |= self.flags == Flags::Foreign;
        if to == Flags::Normal {
            self.overwritten |= self.behind_a_person();
            self.stale_primary |= self.replica != Replica::Following && !self.promoted_under_a_person;
            self.failed_back = true;
        }
        self.set_flags(to, Setter::Function);
        true
    }

    /// `PromoteReadReplica`: whether it was accepted. `looked` is the version of the switch last seen.
    pub(crate) fn promote(&mut self, looked: i64) -> bool {
        if self.replica != Replica::Following {
            return false;
        }
        self.promoted_twice |= self.promoted;
        self.promoted = true;
        self.promoted_under_a_person |= self.person > looked;
        let excused = self.promoted_under_a_person;
        self.promoted_in_front |= self.flags != Flags::Forced && !excused;
        self.overwritten |= self.behind_a_person() && !excused;
        self.replica = Replica::Accepted;
        true
    }
}
