//! Holds what the function writes into its tags against the promises: who claims the flags, and how.

use jiff::SignedDuration;
use rds_route53_failover::memory::{ANNOUNCED_FOR, By, Memory, Move, Tag};
use rds_route53_failover::model::CheckState;

use super::{Promise, SetBy, Violation, Watch};

/// An announcement is sent at once, or looked at anew after a second; a call may take as long as an attempt.
const HELD_UP: SignedDuration = SignedDuration::from_secs(8);

impl Watch {
    /// Whether a setting made by a person at this version passes for the function's: it was announced when the person
    /// made it, and the announcement had not lapsed; or it was announced by an invocation that was at work then.
    pub(crate) fn claimed_by_accident(&self, version: u64) -> bool {
        self.passes_for_ours == Some(version)
    }

    /// A person has set the flags.
    pub(super) fn set_by_person(&mut self) {
        self.set_by = SetBy::Person;
        self.at_work = self.invocations.keys().copied().collect();
        let announced = self.routed().is_some_and(|routed| {
            u64::try_from(routed.version) == Ok(self.flags.version) && routed.claims(self.now)
        });
        self.passes_for_ours = announced.then_some(self.flags.version);
    }

    /// A person who writes the function's tag for the present flags hands them over to it.
    pub(super) fn adopt(&mut self) {
        if self.passes_for_ours.is_none()
            && let Some(routed) = self.routed()
            && u64::try_from(routed.version) == Ok(self.flags.version)
            && routed.claims(self.now)
        {
            self.set_by = if routed.by == By::Auto { SetBy::Auto } else { SetBy::Operator };
        }
    }

    /// Why flags that this function set are not claimed for good, though nobody touched the claim.
    ///
    /// The one that set them may have died, and then nobody looked for as long as an announcement counts.
    pub fn orphan(&self) -> Option<String> {
        let ours = self.flags.state == CheckState::ForcedUnhealthy && self.set_by != SetBy::Person;
        if !ours || self.claim_touched {
            return None;
        }
        let version = self.flags.version;
        let Some(routed) = self.routed().filter(|routed| u64::try_from(routed.version) == Ok(version)) else {
            return Some(format!("version {version} was set by the function, and nobody claims it"));
        };
        match routed.until {
            Some(until) if until <= self.now && self.cut.contains(&self.setter) => None,
            Some(_) => Some(format!("version {version} is announced and not confirmed")),
            None => None,
        }
    }

    /// What `failover:routed` says.
    pub(super) fn routed(&self) -> Option<Move> {
        moved(Tag::Routed.key(), self.tags.get(Tag::Routed.key())?)
    }

    /// An invocation has written one of the function's tags.
    pub(super) fn claim(&mut self, number: u64, key: &str, value: &str) {
        let Some(made) = moved(key, value) else { return };
        if let Some(invocation) = self.invocations.get_mut(&number) {
            invocation.claimed.insert(made.version);
        }
        let broken = match made.until {
            Some(until) => self.announced(&made, until.duration_since(made.at)),
            None => self.confirmed(key, &made),
        };
        let at = self.now;
        self.violations.extend(broken.map(|sentence| Violation { promise: Promise::Claims, at, sentence }));
        if key == Tag::Routed.key() && u64::try_from(made.version) == Ok(self.flags.version) {
            self.claimed_the_present(number, made.by);
        }
    }

    /// An announcement says how long it counts, and is for the next change.
    fn announced(&self, made: &Move, counts_for: SignedDuration) -> Option<String> {
        let version = made.version;
        if counts_for != ANNOUNCED_FOR {
            return Some(format!("version {version} was announced for {counts_for:#}"));
        }
        if self.now.duration_since(made.at) > HELD_UP {
            return Some(format!("version {version} was announced at {}, and only now sent", made.at));
        }
        // Somebody may have changed the check meanwhile, which only makes it older.
        let next = i64::try_from(self.flags.version).unwrap_or(i64::MAX).saturating_add(1);
        (version > next).then(|| format!("version {version} was announced while {next} is the next"))
    }

    /// Only what was made is confirmed.
    fn confirmed(&self, key: &str, made: &Move) -> Option<String> {
        let wanted = if key == Tag::Routed.key() { CheckState::ForcedUnhealthy } else { CheckState::Normal };
        let version = made.version;
        let was = u64::try_from(version).ok().and_then(|version| self.states.get(&version));
        (was != Some(&wanted)).then(|| {
            format!("{key} claims version {version} for good, while the check was {was:?} at that version")
        })
    }

    /// Nobody takes an announcement back.
    pub(super) fn unclaimed(&mut self, key: &str) {
        if key == Tag::Routed.key() || key == Tag::Returned.key() {
            let sentence = format!("{key} was removed by an invocation");
            self.violations.push(Violation { promise: Promise::Claims, at: self.now, sentence });
        }
    }

    fn claimed_the_present(&mut self, number: u64, by: By) {
        if self.set_by != SetBy::Person {
            return;
        }
        if by == By::Operator {
            // A promotion ordered by force behind a person's setting makes that setting an operator's.
            self.set_by = SetBy::Operator;
        } else if self.at_work.contains(&number) {
            self.passes_for_ours = Some(self.flags.version);
        } else if self.passes_for_ours != Some(self.flags.version) {
            let sentence = format!("version {}, set by a person, is claimed", self.flags.version);
            self.violations.push(Violation { promise: Promise::PeopleFirst, at: self.now, sentence });
        }
    }
}

fn moved(key: &str, value: &str) -> Option<Move> {
    let memory = Memory::parse([(key, value)]).ok()?;
    memory.routed.or(memory.returned)
}
