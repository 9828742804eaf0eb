//! From what is to what should be: propose a change, or a reason for none; carry it out; propose again.
//!
//! Nothing is changed in proposing, and nothing is chosen in carrying out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::account::{Account, Basis, Last, Made, Step};
use crate::act::{Actor, Direction, Outcome, Switch};
use crate::clock::{Clock, reserve};
use crate::config::Mode;
use crate::context::Context;
use crate::decide::{After, Case, Code, Decision, Effect, Order, Rule, Streak, decide, explain};
use crate::diagnosis::Diagnosis;
use crate::error::{Failure, Kind};
use crate::facts;
use crate::memory::{Move, Tag};
use crate::model::{Change, CheckState, Evidence, Need, Observation, Reading};
use crate::observe::Observer;
use crate::status::Health;

/// More observations than any confirmation takes: two symptoms that take turns must not keep an invocation alive.
const MAX_LOOKS: u32 = 250;

/// How often the world may change under a decision before the invocation gives up.
const MAX_RACES: u32 = 3;

/// Watching ends here, shortly before the next tick is due: two invocations that look at the same time cost twice.
const WATCH_UNTIL: Duration = Duration::from_secs(55);

/// RDS takes a dozen requests a second of a whole account and region: so often a watch asks it, at most.
const RDS_PERIOD: Duration = Duration::from_secs(5);

enum Proposal {
    Change(&'static Rule, Change),
    /// Nothing, for this rule's reason, and for what else there is to say.
    Nothing(&'static Rule, Option<&'static str>),
}

/// Brings the pair to where it should be, as far as that goes within one invocation.
///
/// # Errors
/// A rule that fails, or a change that did not work.
pub async fn reconcile(
    context: &Context,
    clock: Clock,
    order: Order,
    reason: Option<&str>,
    account: &mut Account,
) -> Result<(), Failure> {
    Reconciler::begin(context, clock, order, reason, account).await.run().await
}

/// One pair within one invocation.
struct Reconciler<'a> {
    context: &'a Context,
    observer: Observer<'a>,
    actor: Actor<'a>,
    clock: Clock,
    order: Order,
    reason: Option<&'a str>,
    account: &'a mut Account,
    seen: Observation,
    streak: Streak,
    /// How many looks the present attempt has made.
    looks: u32,
    /// When the last look began and RDS was asked last, since the invocation began.
    looked: Duration,
    asked_rds: Duration,
    /// What claims the last move of traffic that this invocation made.
    claim: Option<(Tag, Move)>,
}

impl<'a> Reconciler<'a> {
    /// Makes the first look.
    async fn begin(
        context: &'a Context,
        clock: Clock,
        order: Order,
        reason: Option<&'a str>,
        account: &'a mut Account,
    ) -> Self {
        let pair = &context.config.pair;
        let observer = context.observer(clock);
        let observer = if order.is_tick() { observer } else { observer.of_a_person() };
        let actor = Actor::new(&context.aws, pair, observer, clock);
        let looked = clock.elapsed();
        let seen = observer.look().await;
        let streak = Streak::new(&Diagnosis::of(&seen, pair), clock.now());
        let mut this = Self {
            context,
            observer,
            actor,
            clock,
            order,
            reason,
            account,
            seen,
            streak,
            looks: 1,
            looked,
            asked_rds: looked,
            claim: None,
        };
        this.note_health();
        this
    }

    /// Observes, decides and acts until there is nothing more to do now.
    async fn run(mut self) -> Result<(), Failure> {
        let result = self.reconcile().await;
        if !self.order.is_tick()
            && let Some((tag, ours)) = &self.claim
        {
            self.actor.settle_claim(*tag, ours).await;
        }
        result
    }

    async fn reconcile(&mut self) -> Result<(), Failure> {
        // Flags that are set are claimed, whatever is decided: a primary that can't be seen is no reason to wait.
        if self.case().state(CheckState::ForcedUnhealthy) {
            self.read(Need::Memory).await;
        }
        let mut races = 0;
        loop {
            let (rule, change) = match self.propose().await {
                Proposal::Change(rule, change) => (rule, change),
                Proposal::Nothing(rule, why) => {
                    if self.watch(rule).await {
                        continue;
                    }
                    return self.settle(rule, why);
                }
            };
            if self.context.config.mode == Mode::Observe {
                self.leave(rule, "");
                return self.settle(rule, None);
            }
            match self.carry_out(rule, change).await? {
                Outcome::Made(switch) => {
                    let promotion_may_follow =
                        change == Change::RouteToSecondary && self.case().promotion_may_follow();
                    self.made(rule, change, *switch);
                    if !promotion_may_follow {
                        return self.settle(rule, None);
                    }
                    self.look_again().await;
                }
                Outcome::MadeByAnother => {
                    self.leave(rule, "; another invocation makes this change");
                    // This invocation's announcement may have covered the confirmation.
                    self.read(Need::Switch).await;
                    // A tick leaves the rest to whoever made the change, or to the next tick. A promotion that an
                    // operator asked for is nobody else's.
                    let goes_on = change == Change::RouteToSecondary
                        && !self.order.is_tick()
                        && self.case().promotion_may_follow();
                    if !goes_on {
                        return self.settle(rule, None);
                    }
                    self.look_again().await;
                }
                Outcome::Superseded => {
                    races += 1;
                    if races == MAX_RACES {
                        self.remember(rule, None);
                        return Err(Failure::new(
                            Kind::VersionConflict,
                            format!(
                                "the health check or its tags changed {MAX_RACES} times in a row just before this function's change; nothing was overwritten"
                            ),
                        ));
                    }
                    self.look_again().await;
                    self.read(Need::Switch).await;
                }
                // The primary may be back by now, and the switch another.
                Outcome::HeldUp => self.look_again().await,
            }
        }
    }

    /// Decides, reading and observing as much as that takes.
    async fn propose(&mut self) -> Proposal {
        loop {
            let decision = decide(&self.case());
            let rule = match decision {
                Decision::Read(need) => {
                    self.read(need).await;
                    continue;
                }
                Decision::Apply(rule) => rule,
            };
            tracing::debug!(rule = rule.code.as_str(), "decided");
            let after = match rule.effect {
                Effect::Change(change) => return Proposal::Change(rule, change),
                Effect::Stay { .. } | Effect::Fail => return Proposal::Nothing(rule, None),
                Effect::Observe(after) => after,
            };
            let wait = match after {
                After::Nothing => Duration::ZERO,
                // From the beginning of the last look: probes that time out must not stretch the confirmation.
                After::Interval => self.until_due(self.context.config.pair.policy.interval),
            };
            if self.looks != self.streak.length || self.looks >= MAX_LOOKS {
                return Proposal::Nothing(rule, Some("the primary's health changed during this invocation"));
            }
            if !self.clock.allows(wait + self.context.time_of_a_look()) {
                return Proposal::Nothing(
                    rule,
                    Some("the invocation's deadline leaves no time to observe again"),
                );
            }
            tokio::time::sleep(wait).await;
            self.look_again().await;
        }
    }

    async fn carry_out(&mut self, rule: &'static Rule, change: Change) -> Result<Outcome, Failure> {
        let (by, seen) = (self.order.by(), &self.seen);
        let reason = self.reason.unwrap_or(rule.code.as_str());
        let outcome = match change {
            Change::RouteToSecondary => self.actor.route(Direction::ToSecondary, seen, by, reason).await,
            Change::RouteToPrimary => self.actor.route(Direction::ToPrimary, seen, by, reason).await,
            Change::PromoteReplica => self.actor.promote(seen, by, reason).await,
            Change::FencePrimary => self.actor.fence(seen).await,
            // No rule pauses: a person does.
            Change::Pause | Change::Resume => Ok(Outcome::MadeByAnother),
        };
        if let Err(failure) = &outcome {
            // The metric can move traffic where the switch can't; it never takes part in an order.
            let takes_over = failure.switch_unreachable
                && self.order.is_tick()
                && explain::metric_takes_over(&self.case(), rule.code);
            self.account.metric_takes_over = takes_over;
            self.remember(rule, None);
        }
        outcome
    }

    /// Looks at the primary again and again until the next tick is due; `true` once there is something to decide.
    async fn watch(&mut self, rule: &Rule) -> bool {
        let policy = &self.context.config.pair.policy;
        let Some(interval) = policy.watch else { return false };
        // Without probes RDS alone is looked at, and while the primary is unhealthy more of RDS than the primary.
        let alone = self.context.config.pair.endpoints.is_empty();
        // What it takes to confirm an outage and to act on it.
        let rest = policy.interval * policy.confirmations.saturating_sub(1)
            + self.context.time_of_a_look()
            + reserve::ANNOUNCING;
        while matches!(rule.effect, Effect::Stay { .. }) && self.case().may_watch() {
            let asks_rds = alone || self.streak.health == Health::Unhealthy;
            let wait = self.until_due(if asks_rds { interval.max(RDS_PERIOD) } else { interval });
            if self.clock.elapsed() + wait > WATCH_UNTIL || !self.clock.allows(wait + rest) {
                return false;
            }
            tokio::time::sleep(wait).await;
            self.looked = self.clock.elapsed();
            let due = self.looked - self.asked_rds >= RDS_PERIOD;
            if due {
                self.asked_rds = self.looked;
            }
            let before = self.streak.health;
            let seen = self.observer.glance(&self.seen, due).await;
            self.saw(seen);
            if self.streak.health != before {
                // A new attempt: what was seen before does not count against it.
                self.looks = 1;
                return true;
            }
            if !matches!(decide(&self.case()), Decision::Apply(next) if next.code == rule.code) {
                return true;
            }
        }
        false
    }

    /// What is left of a period that began with the last look.
    fn until_due(&self, period: Duration) -> Duration {
        period.saturating_sub(self.clock.elapsed() - self.looked)
    }

    async fn look_again(&mut self) {
        self.looked = self.clock.elapsed();
        self.asked_rds = self.looked;
        let seen = self.observer.look_again(&self.seen).await;
        self.saw(seen);
    }

    fn saw(&mut self, seen: Observation) {
        self.seen = seen;
        let diagnosis = Diagnosis::of(&self.seen, &self.context.config.pair);
        self.streak = self.streak.and(&diagnosis, self.clock.now());
        self.looks += 1;
        self.note_health();
    }

    fn note_health(&mut self) {
        let looks = &self.context.healthy_looks;
        if self.streak.health == Health::Healthy {
            looks.fetch_add(1, Ordering::Relaxed);
        } else {
            looks.store(0, Ordering::Relaxed);
        }
        self.account.healthy_looks = looks.load(Ordering::Relaxed);
        if self.streak.health == Health::Unhealthy && self.account.unhealthy_since.is_none() {
            self.account.unhealthy_since = Some(self.streak.since);
        }
    }

    async fn read(&mut self, need: Need) {
        self.observer.read(need, &mut self.seen).await;
        if self.context.config.mode == Mode::Act && matches!(need, Need::Memory | Need::Switch) {
            self.actor.confirm_what_was_made(&mut self.seen).await;
        }
    }

    fn case(&self) -> Case<'_> {
        Case::new(&self.seen, self.streak.clone(), self.order, &self.context.config.pair, self.clock.now())
    }

    fn made(&mut self, rule: &'static Rule, change: Change, switch: Switch) {
        let mut message = facts::message(rule, &self.case(), self.reason);
        if !switch.note.is_empty() {
            tracing::warn!("{}", switch.note);
            message = format!("{message}; {}", switch.note);
        }
        let (step, at) = (self.step(rule, message), self.clock.now());
        self.account.left = None;
        self.account.changes.push(Made { change, step, next: rule.next, at });
        self.claim = switch.claim.or(self.claim.take());
        self.seen.check = Reading::Known(switch.check);
        self.seen.memory = Evidence::Read(switch.memory);
    }

    fn leave(&mut self, rule: &'static Rule, to: &str) {
        let message = format!("{}{to}", facts::message(rule, &self.case(), self.reason));
        self.account.left = Some(self.step(rule, message));
    }

    fn step(&self, rule: &'static Rule, message: String) -> Step {
        Step { basis: Basis::Rule(rule), message, observations: self.streak.length }
    }

    fn remember(&mut self, rule: &'static Rule, why: Option<&str>) {
        let mut message = facts::message(rule, &self.case(), self.reason);
        if let Some(why) = why {
            message = format!("{message}; {why}: the next tick starts again");
        }
        self.account.last = Some(Last {
            seen: self.seen.clone(),
            streak: self.streak.clone(),
            order: self.order,
            now: self.clock.now(),
            basis: Basis::Rule(rule),
            message,
        });
    }

    fn settle(&mut self, rule: &'static Rule, why: Option<&str>) -> Result<(), Failure> {
        self.remember(rule, why);
        let unreadable = self.seen.check.known().is_none();
        match (rule.effect, &self.account.last) {
            // Without the switch there is nothing to wait for, however little is confirmed.
            (Effect::Observe(_), Some(last)) if unreadable => {
                Err(Failure::new(Kind::Rule(Code::HealthCheckUnreadable), last.message.clone()))
            }
            (Effect::Fail, Some(last)) => Err(Failure::new(Kind::Rule(rule.code), last.message.clone())),
            (Effect::Fail | Effect::Stay { .. } | Effect::Observe(_) | Effect::Change(_), _) => Ok(()),
        }
    }
}
