//! Holds a change of the switch and a promotion against the promises.

use emulator::World;
use jiff::{SignedDuration, Timestamp};
use rds_route53_failover::memory::{By, SENT_VOID_AFTER};
use rds_route53_failover::model::CheckState;
use rds_route53_failover::status::{Health, Status};

use super::sight::{Flags, Invocation, Sight};
use super::{Kind, Promise, SetBy, Violation, Watch};

impl Watch {
    /// The function has changed the switch.
    pub(super) fn switched(&mut self, number: u64, before: Flags, now: Flags, world: &World) {
        let Some(invocation) = self.invocations.get(&number) else { return };
        let mut broken: Vec<(Promise, String)> = Vec::new();
        let automatic = invocation.kind == Kind::Automatic;
        if now.state == CheckState::Foreign {
            broken.push((Promise::CleanSwitch, "one flag was set without the other".to_owned()));
        }
        match &invocation.check {
            Sight::Seen(seen) if seen.version + 1 == now.version && seen.state == before.state => {}
            other @ (Sight::Never | Sight::Seen(_) | Sight::Unreachable | Sight::Blind) => broken.push((
                Promise::CleanSwitch,
                format!("version {} was made over {before:?} after having seen {other:?}", now.version),
            )),
        }
        if !i64::try_from(now.version).is_ok_and(|version| invocation.claimed.contains(&version)) {
            broken
                .push((Promise::CleanSwitch, format!("version {} was not announced by a tag", now.version)));
        }
        if before.state == CheckState::Foreign {
            broken.push((Promise::PeopleFirst, "a foreign setting of the flags was overwritten".to_owned()));
        }
        broken.extend(self.blind(invocation, now.state));
        let mut residue = self.residue;
        if automatic && before.state == CheckState::ForcedUnhealthy {
            broken.extend(claimed(invocation, before.version, self.now));
            if self.set_by != SetBy::Auto {
                if self.claimed_by_accident(before.version) {
                    residue.claimed_by_accident += 1;
                } else if self.order_was_overtaken() {
                    residue.order_overtaken += 1;
                } else {
                    let who = self.set_by;
                    broken.push((
                        Promise::PeopleFirst,
                        format!("version {} was set by {who:?} and undone automatically", before.version),
                    ));
                }
            }
            let replica = self.setting.replica.as_deref().and_then(|id| world.instance(id));
            let alone = replica.is_some_and(|i| i.source.is_none() || i.promoting_since.is_some());
            let ours = self.promoted.is_some() && self.promoted_is_there && alone;
            // RDS shows a promotion only some seconds after it was accepted.
            let unseen = self.promoted_elsewhere && invocation.replica_alone == Sight::Seen(false);
            residue.promoted_unseen += u64::from(ours && unseen);
            if (ours && !unseen) || invocation.replica_alone == Sight::Seen(true) {
                broken.push((
                    Promise::NoStalePrimary,
                    "traffic went back by itself to a primary behind a promoted replica".to_owned(),
                ));
            }
        }
        self.set_by = if automatic { SetBy::Auto } else { SetBy::Operator };
        self.residue = residue;
        self.broke(broken);
    }

    /// Whether the switch was moved between the invocation's last look at it and its request to RDS: by a person, or by
    /// a request that was announced after the last look at the tags.
    pub(super) fn switch_moved_under(&self, invocation: &Invocation) -> bool {
        let forced = CheckState::ForcedUnhealthy;
        let unseen = match self.set_by {
            SetBy::Person => true,
            SetBy::Operator => {
                matches!(&invocation.tags, Sight::Seen(tags) if tags.returned != Some(self.flags.version))
            }
            SetBy::Auto => false,
        };
        unseen && matches!(invocation.check, Sight::Seen(seen) if seen.state == forced && seen != self.flags)
    }

    /// RDS has accepted a promotion by the function.
    pub(super) fn promotion(&mut self, number: u64, instance: &str) {
        let Some(invocation) = self.invocations.get(&number) else { return };
        let mut broken: Vec<(Promise, String)> = Vec::new();
        let mut residue = self.residue;
        let automatic = invocation.kind == Kind::Automatic;
        let forced = CheckState::ForcedUnhealthy;
        let moved_by_person = self.switch_moved_under(invocation);
        if moved_by_person {
            residue.switch_moved_under_promotion += 1;
        } else if self.flags.state != forced {
            broken.push((
                Promise::OnePromotion,
                format!("{instance} was promoted while traffic was on the primary"),
            ));
        }
        // Another instance of that name is another replica: a person deleted the one that was promoted.
        if let Some(first) = self.promoted
            && self.promoted_is_there
            && self.now.duration_since(first) < SENT_VOID_AFTER
        {
            // A tag is no lock. RDS refuses a second promotion while the first runs: that closes the gap.
            if number < self.promoted_before {
                residue.accepted_twice += 1;
            } else {
                broken.push((Promise::OnePromotion, format!("{instance} was promoted twice in an incident")));
            }
        }
        broken.extend(self.blind(invocation, forced));
        if automatic {
            if let Sight::Seen(seen) = &invocation.check {
                broken.extend(claimed(invocation, seen.version, self.now));
            }
            if self.set_by != SetBy::Auto && self.flags.state == forced && !moved_by_person {
                if self.claimed_by_accident(self.flags.version) {
                    residue.claimed_by_accident += 1;
                } else if self.order_was_overtaken() {
                    residue.order_overtaken += 1;
                } else {
                    broken.push((
                        Promise::PeopleFirst,
                        format!("{instance} was promoted behind a setting by {:?}", self.set_by),
                    ));
                }
            }
            if !matches!(invocation.lag, Sight::Seen(())) || !self.lag_was_within_bounds() {
                broken.push((
                    Promise::UnknownIsNotDown,
                    format!("{instance} was promoted with a lag that is unknown or too high"),
                ));
            }
        }
        self.promoted = Some(self.now);
        self.promoted_is_there = true;
        self.promoted_elsewhere = false;
        self.promoted_before = self.next;
        self.residue = residue;
        self.broke(broken);
    }

    /// An order that was cut off before it looked at its claim once more may have lost it to a tick's announcement.
    fn order_was_overtaken(&self) -> bool {
        self.set_by == SetBy::Operator && self.cut.contains(&self.setter)
    }

    pub(super) fn broke(&mut self, broken: Vec<(Promise, String)>) {
        let at = self.now;
        let broken = broken.into_iter().map(|(promise, sentence)| Violation { promise, at, sentence });
        self.violations.extend(broken);
    }

    /// What an invocation did not know, and changed something all the same.
    pub(super) fn blind(&self, invocation: &Invocation, to: CheckState) -> Vec<(Promise, String)> {
        let mut broken = Vec::new();
        if self.setting.observe {
            broken.push((Promise::HandsOff, "a change was made with MODE=observe".to_owned()));
        }
        let automatic = invocation.kind == Kind::Automatic;
        match &invocation.tags {
            Sight::Seen(tags) if tags.readable => {
                if automatic && tags.paused {
                    broken.push((Promise::HandsOff, "a change was made while paused".to_owned()));
                }
            }
            other @ (Sight::Never | Sight::Seen(_) | Sight::Unreachable | Sight::Blind) => {
                broken.push((Promise::HandsOff, format!("a change was made after tags {other:?}")));
            }
        }
        if matches!(invocation.kind, Kind::Ordered { force: true }) {
            return broken;
        }
        let probes_fail = self.probes_fail.unwrap_or(true);
        let dead_by_probes = self.setting.probes.is_some() && probes_fail;
        let sight = match &invocation.primary {
            Sight::Seen(status) => {
                let health = status.as_deref().map_or(Health::Unhealthy, |status| {
                    let status = Status::parse(status);
                    self.setting.overrides.get(&status).copied().unwrap_or_else(|| status.health())
                });
                let down = health == Health::Unhealthy || (health == Health::Healthy && dead_by_probes);
                let moves_away = to == CheckState::ForcedUnhealthy;
                let fits = if moves_away { down || !automatic } else { health == Health::Healthy };
                (!fits).then(|| format!("a change to {to:?} was made with the primary {status:?}"))
            }
            Sight::Unreachable if self.setting.probes == Some(true) && probes_fail => None,
            other @ (Sight::Never | Sight::Unreachable | Sight::Blind) => {
                Some(format!("a change was made after {other:?} of the primary"))
            }
        };
        broken.extend(sight.map(|sentence| (Promise::UnknownIsNotDown, sentence)));
        broken
    }

    fn lag_was_within_bounds(&self) -> bool {
        self.lag_truth.is_empty() || self.lags_since_a_sample_counts().any(|within| within)
    }

    /// Whether every sample that counts is within the bounds.
    pub fn lag_stayed_within_bounds(&self) -> bool {
        !self.lag_truth.is_empty() && self.lags_since_a_sample_counts().all(|within| within)
    }

    /// Whether the lags that were true since the oldest sample that counts are within the bounds.
    fn lags_since_a_sample_counts(&self) -> impl Iterator<Item = bool> {
        // A sample counts for 15 minutes, and is a minute older than its value at most.
        let since = self.now - SignedDuration::from_mins(17);
        let max = self.setting.max_lag.as_secs_f64();
        let ends = self.lag_truth.iter().skip(1).map(|(at, _)| *at).chain([self.now]);
        let spans = self.lag_truth.iter().zip(ends).filter(move |(_, end)| *end >= since);
        spans.map(move |((_, lag), _)| lag.is_some_and(|lag| (0.0..=max).contains(&lag)))
    }
}

/// What is done automatically to flags that are set rests on a claim that the invocation has seen, and that had not
/// lapsed.
fn claimed(invocation: &Invocation, version: u64, now: Timestamp) -> Option<(Promise, String)> {
    let claim = match &invocation.tags {
        Sight::Seen(tags) => tags.routed,
        Sight::Never | Sight::Unreachable | Sight::Blind => None,
    };
    let stands = claim.is_some_and(|claim| {
        u64::try_from(claim.version) == Ok(version)
            && claim.by == By::Auto
            && claim.until.is_none_or(|until| now < until)
    });
    (!stands).then(|| {
        (Promise::Claims, format!("version {version} was acted on automatically, by the claim {claim:?}"))
    })
}
