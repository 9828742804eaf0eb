//! The health check and its tags: can traffic be moved, and would a tick move it now?

use super::{Findings, Level};
use crate::clock::Clock;
use crate::decide::{Case, Order, Streak};
use crate::diagnosis::Diagnosis;
use crate::memory::Tag;
use crate::model::{CheckState, Evidence, NotUpdatable, Observation, Reading};
use crate::observe::Observer;
use crate::policy::Pair;

/// Source: "Tag restrictions" in the Route 53 API reference.
const MAX_TAGS: usize = 10;

pub(super) async fn examine(
    findings: &mut Findings,
    pair: &Pair,
    seen: &Observation,
    observer: &Observer<'_>,
    clock: &Clock,
) {
    health_check(findings, seen);
    memory(findings, pair, seen, clock);
    tags(findings, pair, observer).await;
}

fn health_check(findings: &mut Findings, seen: &Observation) {
    let check = match &seen.check {
        Reading::Known(check) => check,
        Reading::Missing => {
            return findings.add(
                "health-check-exists",
                Level::Fail,
                "the health check does not exist",
                "correct ROUTE53_HEALTH_CHECK_ID",
            );
        }
        Reading::Unknown(why) => {
            return findings.add(
                "health-check-exists",
                Level::Fail,
                format!("the health check could not be read ({why})"),
                "allow route53:GetHealthCheck on the health check",
            );
        }
    };
    findings.add(
        "health-check-exists",
        Level::Pass,
        format!("the health check exists, at version {}", check.version),
        "",
    );
    findings.test(
        "health-check-updatable",
        check.not_updatable.is_none(),
        Level::Fail,
        check
            .not_updatable
            .as_ref()
            .map_or_else(|| "the health check can be updated".to_owned(), NotUpdatable::to_string),
        "configure a health check that Route 53 lets you update",
    );
    let fix = match check.state {
        CheckState::Normal => "",
        CheckState::ForcedUnhealthy => {
            "traffic is already on the secondary: fail back when the primary should serve again"
        }
        CheckState::Foreign => {
            "clear Disabled and Inverted: somebody set only one of them, and the function never changes that"
        }
    };
    findings.test(
        "health-check-normal",
        check.state == CheckState::Normal,
        Level::Fail,
        format!("the health check is {}", check.state.as_str()),
        fix,
    );
}

fn memory(findings: &mut Findings, pair: &Pair, seen: &Observation, clock: &Clock) {
    let memory = match &seen.memory {
        Evidence::NotRead => return,
        Evidence::Unreadable(why) => {
            return findings.add(
                "tags-readable",
                Level::Fail,
                format!("the tags could not be read ({why})"),
                "correct the failover: tags of the health check, or allow route53:ListTagsForResource",
            );
        }
        Evidence::Read(memory) => memory,
    };
    findings.add("tags-readable", Level::Pass, "the tags of the health check can be read", "");
    let pause = memory.pause.as_ref().filter(|pause| pause.in_force(clock.now()));
    findings.test(
        "not-paused",
        pause.is_none(),
        Level::Fail,
        pause.map_or_else(
            || "automatic change is not paused".to_owned(),
            |pause| format!("automatic change is {}", pause.words()),
        ),
        "send {\"action\":\"resume\"} when the work is done",
    );
    let streak = Streak::new(&Diagnosis::of(seen, pair), clock.now());
    let ends = Case::new(seen, streak, Order::Tick, pair, clock.now()).cooldown_end();
    findings.test(
        "no-cooldown",
        ends.is_none(),
        Level::Fail,
        ends.map_or_else(
            || "no cooldown is in force".to_owned(),
            |ends| format!("traffic went back a short while ago: no automatic failover before {ends:.0}"),
        ),
        "wait for the cooldown to end, or shorten COOLDOWN; the cooldown does not apply to an operator's failover",
    );
}

async fn tags(findings: &mut Findings, pair: &Pair, observer: &Observer<'_>) {
    let Ok(tags) = observer.read_tags().await else { return };
    let ours = Tag::ALL.len() - usize::from(!pair.policy.fence);
    let others = tags.keys().filter(|key| Tag::ALL.iter().all(|tag| tag.key() != **key)).count();
    findings.test(
        "tags-free",
        others + ours <= MAX_TAGS,
        Level::Fail,
        format!(
            "others use {others} of the {MAX_TAGS} tags that a health check can have; the function needs {ours}"
        ),
        "remove tags from the health check: without a free one the function can't announce a change, and makes none",
    );
}
