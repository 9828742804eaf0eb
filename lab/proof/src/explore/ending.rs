//! What must have come of any order of calls, once nothing disturbs the function any more.

use std::time::Duration;

use emulator::{Actor, Change, World};
use rds_route53_failover::error::Failure;
use rds_route53_failover::memory::{By, Memory, Move, SENT_VOID_AFTER, Tag};
use rds_route53_failover::model::{CheckState, after};
use rds_route53_failover::observe::memory_of;
use rds_route53_failover::report::Report;

use super::cases::{Asked, Case, Person};
use crate::gate::Disturbance;
use crate::invariants::SetBy;
use crate::rig::{CHECK, PRIMARY, REPLICA, Rig};

pub(super) struct Ending<'a> {
    pub(super) case: &'a Case,
    pub(super) rig: &'a Rig,
    /// `None` for an invocation that died.
    pub(super) results: Vec<Option<&'a Result<Report, Failure>>>,
    /// Whose call was disturbed, and how.
    pub(super) disturbed: Option<(usize, Disturbance)>,
}

/// Lets three undisturbed ticks come, a minute apart, and judges what they lead to; with lines for the trace.
pub(super) async fn reach(ending: &Ending<'_>) -> (Result<(), String>, Vec<String>) {
    let mut told: Vec<String> = ending.results.iter().map(|result| told_of(*result)).collect();
    let rig = ending.rig;
    if let Err(violation) = rig.check() {
        return (Err(violation.to_string()), told);
    }
    if ending.request_must_become_void() {
        rig.wait(SENT_VOID_AFTER.unsigned_abs()).await;
    }
    for tick in 1..=3 {
        rig.wait(Duration::from_secs(60)).await;
        let before = rig.emulator.world().writes().count();
        let result = rig.tick().await;
        told.push(format!("tick {tick}: {}", told_of(Some(&result))));
        if let Err(violation) = rig.check() {
            return (Err(violation.to_string()), told);
        }
        if let (3, Err(failure)) = (tick, &result) {
            return (Err(format!("the third undisturbed tick fails: {failure}")), told);
        }
        let writes = rig.emulator.world().writes().count() - before;
        if tick == 3 && writes > 0 {
            return (Err(format!("the third undisturbed tick still writes, {writes} times")), told);
        }
    }
    let judged = ending.judge();
    let world = rig.emulator.world();
    if let Some(check) = world.health_check(CHECK) {
        let CheckLine { state, version } = CheckLine::of(&world);
        told.push(format!("at the end: {state:?} at version {version}, {:?}", check.tags));
    }
    (judged, told)
}

fn told_of(result: Option<&Result<Report, Failure>>) -> String {
    match result {
        None => "died".to_owned(),
        Some(Ok(report)) => format!("{} {} {:?}", report.decision, report.reason, report.actions),
        Some(Err(failure)) => format!("{} {failure}", failure.kind.name()),
    }
}

struct CheckLine {
    state: CheckState,
    version: u64,
}

impl CheckLine {
    fn of(world: &World) -> Self {
        let check = world.health_check(CHECK);
        let state = check.map_or(CheckState::Normal, |check| CheckState::of(check.disabled, check.inverted));
        Self { state, version: check.map_or(0, |check| check.version) }
    }
}

/// What the tags said and say of a version, by the history of the world.
#[derive(Default)]
struct Story {
    /// The version that `failover:routed` or `failover:returned` named when a person removed it, and whether the
    /// flags had that version by then.
    cleared: Vec<(i64, bool)>,
    /// Versions that an order announced.
    ordered: Vec<i64>,
    /// Promotions accepted, whoever sent them.
    accepted: usize,
}

impl Story {
    fn of(world: &World) -> Self {
        let mut story = Self::default();
        let mut standing: Vec<(String, i64, By)> = Vec::new();
        let mut version = 1;
        for event in world.history() {
            if let Change::CheckUpdated { version: now, .. } = &event.change {
                version = i64::try_from(*now).unwrap_or_default();
            } else if let Change::PromotionAccepted { .. } = &event.change {
                story.accepted += 1;
            } else if let Change::TagSet { key, value, .. } = &event.change
                && let Some((named, by)) = claim(key, value)
            {
                standing.retain(|(standing, ..)| standing != key);
                standing.push((key.clone(), named, by));
                if event.by == Actor::Api && by == By::Operator {
                    story.ordered.push(named);
                }
            } else if let Change::TagRemoved { key, .. } = &event.change
                && event.by == Actor::Console
            {
                let removed = standing.extract_if(.., |(standing, ..)| standing == key);
                story.cleared.extend(removed.map(|(_, named, _)| (named, named <= version)));
            }
        }
        story
    }
}

/// The version and the author that a tag names.
fn claim(key: &str, value: &str) -> Option<(i64, By)> {
    let memory = Memory::parse([(key, value)]).ok()?;
    let named = memory.routed.or(memory.returned)?;
    Some((named.version, named.by))
}

impl Ending<'_> {
    fn crashed(&self) -> bool {
        matches!(self.disturbed, Some((_, Disturbance::Crash)))
    }

    /// An invocation died between the announcement of a promotion or a stop and its call, or left it there as a person
    /// had changed the world: for five minutes nobody can know.
    fn request_must_become_void(&self) -> bool {
        let world = self.rig.emulator.world();
        let tag = if self.case.fences() { Tag::Fenced } else { Tag::Promoted };
        let announced = world.health_check(CHECK).is_some_and(|check| check.tags.contains_key(tag.key()));
        let may_be_cut = self.disturbed.is_some() || self.case.person.is_some();
        may_be_cut && announced && Story::of(&world).accepted == 0
    }

    fn judge(&self) -> Result<(), String> {
        let world = self.rig.emulator.world();
        let story = Story::of(&world);
        let CheckLine { state, version } = CheckLine::of(&world);
        let present = i64::try_from(version).unwrap_or_default();
        let none = std::collections::BTreeMap::new();
        let tags = world.health_check(CHECK).map_or(&none, |check| &check.tags);
        let memory = memory_of(tags).map_err(|why| format!("the tags make no sense: {why}"))?;
        let now = world.now();
        let paused = memory.pause.as_ref().is_some_and(|pause| pause.in_force(now));
        let replica = world.instance(REPLICA);
        let alone = replica.is_none_or(|i| i.source.is_none() || i.promoting_since.is_some());
        let failed = world.instance(PRIMARY).is_none_or(|i| i.status != "available");
        let set_by = self.rig.watch().set_by();
        // A person who takes a claim away has taken it away, be it before a crash or after the change.
        let cleared =
            story.cleared.iter().any(|(named, made)| *named == present && (*made || self.crashed()));

        if story.accepted > 1 {
            return Err(format!("{} promotions were accepted", story.accepted));
        }
        match state {
            CheckState::Foreign => return Err("one flag is set without the other".to_owned()),
            CheckState::Normal => {
                // Where a confirmation was overtaken by a whole failover and failback, an earlier return cools down, too.
                let made = |returned: &&Move| returned.version <= present && returned.claims(now);
                let returned = memory.returned.as_ref().filter(made);
                let cooldown = self.rig.config().pair.policy.cooldown;
                let cooled = returned.map(|returned| after(returned.at, cooldown));
                if failed && !paused && !alone && cooled.is_none_or(|cooled| cooled <= now) {
                    return Err("traffic was left on a failed primary".to_owned());
                }
                if set_by != SetBy::Person && returned.is_none() && !cleared {
                    return Err("nobody claims that traffic went back: there is no cooldown".to_owned());
                }
                // A steady tick reads no tags, so it confirms nothing; but the cooldown must stand as it was configured.
                let until = returned.and_then(|returned| returned.until);
                let lapses_early = until.zip(cooled).is_some_and(|(until, cooled)| until < cooled);
                if lapses_early {
                    return Err(
                        "the announcement that traffic went back lapses before the cooldown".to_owned()
                    );
                }
            }
            CheckState::ForcedUnhealthy => {
                let claimed = memory.routed_by(present, now);
                if memory.routed_at(present, now).is_some_and(|routed| routed.until.is_some()) {
                    return Err("the failover is announced and not confirmed".to_owned());
                }
                let routed = memory.routed.as_ref().map(|routed| routed.version);
                self.claimed_as_it_was(claimed, set_by, (routed, present), &story, cleared)?;
                let ours = claimed == Some(By::Auto);
                if ours && !failed && !paused && !alone {
                    return Err("traffic was not returned to a healthy primary".to_owned());
                }
                if self.case.fences() && ours && !failed && !paused && memory.promoted.is_some() {
                    return Err("the old primary was not stopped".to_owned());
                }
                if ours && failed && !paused && !alone && self.case.promotion && story.accepted == 0 {
                    return Err("an allowed promotion was not accepted".to_owned());
                }
            }
        }
        let undisturbed = self.disturbed.is_none() && self.case.person.is_none();
        // Accepted: a tick announced it, and left it as the failover had become an operator's.
        let left = set_by == SetBy::Auto
            && memory.routed_by(present, now) == Some(By::Operator)
            && memory.promoted.is_some();
        if undisturbed && !left && self.case.asked.contains(&Asked::Promotion) && story.accepted == 0 {
            return Err("a requested promotion was not accepted".to_owned());
        }
        Ok(())
    }

    /// Flags that were set are claimed by whoever set them, with the exceptions that the function can't prevent.
    fn claimed_as_it_was(
        &self,
        claimed: Option<By>,
        set_by: SetBy,
        (routed, present): (Option<i64>, i64),
        story: &Story,
        cleared: bool,
    ) -> Result<(), String> {
        let version = u64::try_from(present).unwrap_or_default();
        match (set_by, claimed) {
            (SetBy::Auto, Some(By::Auto)) | (SetBy::Operator, Some(By::Operator)) | (SetBy::Person, None) => {
                Ok(())
            }
            (SetBy::Auto | SetBy::Operator, None) if cleared => Ok(()),
            // Accepted: a confirmation that is slower than a person's change and a whole failover lands on its claim.
            (SetBy::Auto, None) if self.flags_were_cleared_between(routed, present) => Ok(()),
            (SetBy::Auto | SetBy::Operator, None) => {
                Err("the flags were set by the function, and nobody claims them".to_owned())
            }
            // Tick and order wanted the same at the same moment: the order may have it.
            (SetBy::Auto, Some(By::Operator)) if story.ordered.contains(&present) => Ok(()),
            // Accepted: the tick's announcement lands last, and the order did not live to look once more.
            (SetBy::Operator, Some(By::Auto)) if self.an_order_was_disturbed() => Ok(()),
            (SetBy::Auto | SetBy::Operator, Some(by)) => {
                Err(format!("the flags were set by {set_by:?} and are claimed by {by:?}"))
            }
            // Accepted: a person forced the check at exactly the announced version.
            (SetBy::Person, Some(_)) if self.rig.watch().claimed_by_accident(version) => Ok(()),
            (SetBy::Person, Some(by)) => Err(format!("a person's setting is claimed by {by:?}")),
        }
    }

    fn flags_were_cleared_between(&self, routed: Option<i64>, present: i64) -> bool {
        self.case.person == Some(Person::ClearsFlags) && routed.is_some_and(|routed| routed < present)
    }

    fn an_order_was_disturbed(&self) -> bool {
        self.disturbed
            .is_some_and(|(who, _)| self.case.asked.get(who).is_some_and(|asked| *asked != Asked::Tick))
    }
}
