//! What happened in one invocation, collected once: the report, the metrics, the notifications and the log line are
//! each computed from it.

use jiff::Timestamp;
use serde::Serialize;

use crate::decide::explain::Considered;
use crate::decide::{Case, Next, Order, Rule, Streak};
use crate::model::{Change, Observation};
use crate::policy::Pair;

/// What an invocation came to.
#[derive(Default)]
pub struct Account {
    /// Why nothing was done at all, where the event concerns something else: a stable code and a sentence.
    pub ignored: Option<(&'static str, String)>,
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
    /// Every row that was considered, where a person asked for the status.
    pub rules: Option<Vec<Considered>>,
    /// What the readiness check found, where a person asked for it.
    pub findings: Option<Vec<Finding>>,
}

/// A change that was made.
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

/// What a step or an answer rests on.
#[derive(Clone, Copy)]
pub enum Basis {
    /// The rule that applied.
    Rule(&'static Rule),
    /// A person's request that no rule decides, by the word in the response's `reason`.
    Request(&'static str),
}

impl Basis {
    /// The word in the response's `decision`. What no rule decides moves nothing.
    pub fn decision(self) -> &'static str {
        self.rule().map_or("stay", |rule| rule.effect.as_str())
    }

    /// The word in the response's `reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.code.as_str(),
            Self::Request(reason) => reason,
        }
    }

    /// The rule that applied, if one did.
    pub fn rule(self) -> Option<&'static Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Request(_) => None,
        }
    }
}

/// A step that was decided.
#[derive(Clone)]
pub struct Step {
    /// What decided it.
    pub basis: Basis,
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
    /// What decided.
    pub basis: Basis,
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
        let furthest = self.left.as_ref().or_else(|| self.changes.last().map(|made| &made.step));
        Some(match (furthest, last.basis.rule()) {
            (Some(step), Some(rule)) if step.basis.rule().is_some_and(|of| of.code == rule.code) => {
                step.clone()
            }
            (Some(step), Some(rule)) => Step {
                message: format!("{} — then: {} ({})", step.message, last.message, rule.code),
                ..step.clone()
            },
            (None, _) | (_, None) => {
                Step { basis: last.basis, message: last.message.clone(), observations: last.streak.length }
            }
        })
    }
}

/// How bad a finding of the readiness check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Pass,
    /// A failover would work, but not as well as it could, or it could not be verified.
    Warn,
    /// A failover would not work.
    Fail,
}

/// One finding of the readiness check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable code.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// How to fix it; empty where there is nothing to fix.
    pub fix: &'static str,
}

impl Finding {
    /// How many would keep a failover from working.
    pub fn failed(findings: &[Self]) -> usize {
        findings.iter().filter(|finding| finding.level == Level::Fail).count()
    }
}
