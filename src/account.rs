//! What happened in one invocation, collected once: the report, the metrics, the notifications and the log line are
//! each computed from it.

use jiff::Timestamp;

use crate::decide::{Case, Next, Order, Rule, Streak};
use crate::model::{Change, Observation};
use crate::policy::Pair;

/// What an invocation came to.
#[derive(Default)]
pub struct Account {
    /// The changes that were made, in order.
    pub changes: Vec<Made>,
    /// The furthest step that was decided and left to others: to a person in observe mode, or to the invocation that
    /// was faster.
    pub left: Option<Step>,
    /// The last decision and what it rests on.
    pub last: Option<Last>,
    /// The first observation that found the primary unhealthy.
    pub unhealthy_since: Option<Timestamp>,
    /// Whether the invocation only reads: what it says must move nothing.
    pub reads_only: bool,
    /// Whether a person asked for a change.
    pub was_ordered: bool,
    /// Whether a person asked how things are.
    pub was_asked: bool,
    /// Whether the failover is left to the metric, as Route 53 could not be reached.
    pub metric_takes_over: bool,
    /// Consecutive healthy looks of this execution environment, up to now.
    pub healthy_looks: u32,
    /// How many of the readiness check's findings would keep a failover from working.
    pub failed_findings: Option<usize>,
}

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Which one.
    pub change: Change,
    /// What decided it.
    pub step: Step,
    /// What a person does next.
    pub next: Next,
    /// When it was made.
    pub at: Timestamp,
}

/// A step that was decided.
#[derive(Clone, Debug)]
pub struct Step {
    /// The word in the response's `decision`.
    pub decision: &'static str,
    /// The code under which it is reported.
    pub code: &'static str,
    /// Why, with the facts.
    pub message: String,
    /// How many observations it rests on.
    pub observations: u32,
}

/// The last decision and what it rests on.
pub struct Last {
    /// What was observed.
    pub seen: Observation,
    /// How often.
    pub streak: Streak,
    /// Who asked.
    pub order: Order,
    /// When it was decided.
    pub now: Timestamp,
    /// The rule that applied; `None` where a person asked for something that no rule decides.
    pub rule: Option<&'static Rule>,
    /// Why, with the facts.
    pub message: String,
}

impl Last {
    /// The case that was decided.
    pub fn case<'a>(&'a self, pair: &'a Pair) -> Case<'a> {
        Case::new(&self.seen, self.streak.clone(), self.order, pair, self.now)
    }
}

impl Account {
    /// The changes alone.
    pub fn actions(&self) -> Vec<Change> {
        self.changes.iter().map(|made| made.change).collect()
    }

    /// The furthest step: the last change, or what was left to others, or the last decision.
    pub fn furthest(&self) -> Option<Step> {
        let last = self.last.as_ref()?;
        let furthest = self.left.as_ref().or_else(|| self.changes.last().map(|made| &made.step)).cloned();
        let Some(rule) = last.rule else { return furthest };
        let code = rule.code.as_str();
        Some(match furthest {
            Some(step) if step.code == code => step,
            Some(step) => {
                Step { message: format!("{} — then: {} ({code})", step.message, last.message), ..step }
            }
            None => Step {
                decision: rule.effect.as_str(),
                code,
                message: last.message.clone(),
                observations: last.streak.length,
            },
        })
    }
}
