//! The second half of a world: nothing disturbs the function any more, and what must come has to.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rds_route53_failover::memory::{Memory, SENT_VOID_AFTER, Tag};
use rds_route53_failover::model::{CheckState, after};
use rds_route53_failover::observe::memory_of;
use serde_json::json;

use super::Simulation;
use crate::invariants::{Promise, Violation};
use crate::rig::{CHECK, PRIMARY, REPLICA};

/// Longer than three ticks take, a minute apart, and a promotion amid them.
const TICKS: Duration = Duration::from_secs(600);

impl Simulation<'_> {
    /// Ends the weather, and judges what three undisturbed ticks lead to.
    pub(super) async fn calm(&mut self) -> Option<Violation> {
        self.say(|| "from here on nothing disturbs the function".to_owned());
        self.over.store(true, Ordering::Relaxed);
        self.counts.calm += 1;
        {
            let mut world = self.rig.emulator.world();
            world.faults.clear();
            world.no_crash();
            world.promotion.takes_effect = true;
        }
        self.mend_tags();
        if self.rng.bool() {
            self.set_right();
        }
        // What was sent to RDS shows by then, or is void.
        self.rig.wait(SENT_VOID_AFTER.unsigned_abs() + Duration::from_secs(60)).await;
        while let Some(left) = self.held_back_until_amid_the_ticks() {
            self.rig.wait(left).await;
        }
        for tick in 1..=3 {
            self.rig.wait(Duration::from_secs(60)).await;
            // What RDS does takes as long as it takes, and what follows from it comes after.
            while self.rig.emulator.world().instance(REPLICA).is_some_and(|i| i.promoting_since.is_some()) {
                self.rig.wait(Duration::from_secs(60)).await;
            }
            let before = self.rig.emulator.world().writes().count();
            let result = self.invoke_calmly().await;
            if let Err(violation) = self.rig.check() {
                return Some(violation);
            }
            // A notification is a write, too, but changes nothing.
            let world = self.rig.emulator.world();
            let changes = world.writes().skip(before).filter(|call| call.operation != "Publish").count();
            drop(world);
            if tick == 3 && changes > 0 {
                return self.missing(format!("the third undisturbed tick still writes, {changes} times"));
            }
            if let (3, Err(failure)) = (tick, result) {
                return self.missing(format!("the third undisturbed tick fails: {failure}"));
            }
        }
        if self.observes {
            return None;
        }
        let orphan = self.rig.watch().orphan();
        match orphan {
            Some(orphan) => self.missing(orphan),
            None => self.not_where_it_should_be().and_then(|why| self.missing(why)),
        }
    }

    async fn invoke_calmly(&mut self) -> Result<(), rds_route53_failover::error::Failure> {
        self.say(|| "an undisturbed tick".to_owned());
        let result = self.rig.invoke(json!({"action": "tick"})).await;
        self.count(&result);
        result.map(|_| ())
    }

    /// A person sets everything right but the primary, which fails or is well from here on.
    fn set_right(&mut self) {
        let status = self.pick(&["failed", "available"]);
        self.say(|| format!("a person sets everything right, and the primary is {status}"));
        self.renew(true);
        let mut world = self.rig.emulator.world();
        world.console_remove_tag(CHECK, Tag::Pause.key());
        world.set_status(PRIMARY, status);
    }

    /// A person removes what makes no sense: the function says so in every tick, and does nothing until then.
    fn mend_tags(&self) {
        let mut world = self.rig.emulator.world();
        for tag in Tag::ALL {
            let value = world.health_check(CHECK).and_then(|check| check.tags.get(tag.key())).cloned();
            if value.is_some_and(|value| Memory::parse([(tag.key(), value.as_str())]).is_err()) {
                world.console_remove_tag(CHECK, tag.key());
            }
        }
    }

    /// How long a pause or a cooldown lasts that would end while the ticks come: the last of them would rightly do
    /// what it had held back.
    fn held_back_until_amid_the_ticks(&self) -> Option<Duration> {
        let world = self.rig.emulator.world();
        let check = world.health_check(CHECK)?;
        let memory = memory_of(&check.tags).ok()?;
        let cooldown = self.rig.config().pair.policy.cooldown;
        let paused = memory.pause.and_then(|pause| pause.until);
        let cools = memory.returned.map(|returned| after(returned.at, cooldown));
        let left = |ends| Duration::try_from(world.now().duration_until(ends)).ok();
        let left = paused.into_iter().chain(cools).filter_map(left);
        left.filter(|left| !left.is_zero() && *left < TICKS).max()
    }

    /// Where nothing but the plain statuses decides, nothing is due any more.
    fn not_where_it_should_be(&mut self) -> Option<String> {
        if let Some(due) = self.due() {
            return Some(format!("{due:?} is due, and did not come in three undisturbed ticks"));
        }
        if self.is_intricate() {
            return None;
        }
        let world = self.rig.emulator.world();
        let check = world.health_check(CHECK)?;
        let primary = world.instance(&self.place.primary().arn())?;
        match (CheckState::of(check.disabled, check.inverted), primary.status.as_str()) {
            (CheckState::ForcedUnhealthy, "failed" | "stopped") => self.counts.stays_moved += 1,
            (CheckState::Normal, "available") => self.counts.stays_returned += 1,
            _ => {}
        }
        None
    }

    fn missing(&self, sentence: String) -> Option<Violation> {
        let at = self.rig.time.now();
        Some(Violation { promise: Promise::Comes, at, sentence })
    }
}
