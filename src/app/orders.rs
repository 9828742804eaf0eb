//! The operator's orders that move no traffic: status, check, pause, resume.

use super::{App, Progress};
use crate::act::Actor;
use crate::clock::Clock;
use crate::config::Mode;
use crate::decide::{Case, Next, Order, Streak, decide};
use crate::error::{Failure, Kind};
use crate::health::Diagnosis;
use crate::memory::Pause;
use crate::model::{Evidence, Observation, Reading};
use crate::observe::Observer;
use crate::readiness;
use crate::report::{Action, Report, facts};

/// Lambda retries a failed asynchronous order within some minutes: a pause that ends so close to one in force,
/// for the same reason, is the same pause.
const SAME_PAUSE_SECONDS: i64 = 300;

impl App {
    /// Reads all and reports what a tick would do.
    pub(super) async fn status(&self, clock: &Clock, progress: &mut Progress) -> Result<Report, Failure> {
        let (mut seen, mut observer) = self.look_at_all(clock).await;
        self.require_check(&seen)?;
        let streak = self.streak(&seen, clock);
        loop {
            let case = Case::new(&seen, streak.clone(), Order::Tick, &self.config.policy, clock.now());
            match decide(&case) {
                Next::Read(need) => observer.read(need, &mut seen).await,
                Next::Apply(rule) => {
                    progress.metrics.watch_only();
                    progress.metrics.decision(&case, rule.code, rule.code);
                    let message = format!(
                        "A tick would now decide {} ({}). {}: {}",
                        rule.does.as_str(),
                        rule.code,
                        rule.says,
                        facts(&case, &self.config)
                    );
                    return Ok(Report::of(&case, &self.config, "stay", rule.code, message, &[]));
                }
            }
        }
    }

    /// Would a failover work now?
    pub(super) async fn check(&self, clock: &Clock, progress: &mut Progress) -> Result<Report, Failure> {
        let (seen, observer) = self.look_at_all(clock).await;
        let findings = readiness::examine(&self.config, &seen, &observer, clock).await;
        let failed = findings.iter().filter(|finding| finding.level == readiness::Level::Fail).count();
        progress.metrics.put("CheckFailures", failed as f64);
        let case = Case::new(&seen, self.streak(&seen, clock), Order::Tick, &self.config.policy, clock.now());
        let (reason, verdict) = if failed == 0 {
            ("ready", "A failover would work now, as far as can be verified".to_owned())
        } else {
            ("not-ready", format!("{failed} finding(s) would keep a failover from working"))
        };
        let message = format!("{verdict}: {}", facts(&case, &self.config));
        let mut report = Report::of(&case, &self.config, "stay", reason, message, &[]);
        report.ready = Some(failed == 0);
        report.findings = Some(findings);
        Ok(report)
    }

    /// Pauses automatic change, or resumes it.
    pub(super) async fn pause(
        &self,
        pause: Option<Pause>,
        clock: &Clock,
        progress: &mut Progress,
    ) -> Result<Report, Failure> {
        let (mut seen, observer) = self.look_at_all(clock).await;
        self.require_check(&seen)?;
        let present = seen.memory.read().and_then(|memory| memory.pause.clone());
        let known = seen.memory.read().is_some();
        let (reason, action, verdict, nothing_to_do) = match &pause {
            Some(pause) => (
                "paused",
                Action::Pause,
                format!("Automatic change is paused until {} ({})", pause.until_words(), pause.reason),
                present.is_some_and(|present| same(&present, pause) && present.in_force(clock.now())),
            ),
            None => (
                "resumed",
                Action::Resume,
                "Automatic change is resumed".to_owned(),
                known && present.is_none(),
            ),
        };
        let verdict = if nothing_to_do {
            format!("{verdict}, as it was before")
        } else if self.config.mode == Mode::Observe {
            format!("MODE=observe: nothing was changed; else: {verdict}")
        } else {
            let actor = Actor::new(&self.aws, &self.config, &observer, *clock);
            actor.set_pause(pause.as_ref().map(Pause::to_string)).await?;
            progress.actions.push(action);
            progress.notes.push(super::note(action.as_str(), reason, &verdict, false));
            if let Evidence::Read(memory) = &mut seen.memory {
                memory.pause = pause;
            }
            verdict
        };
        let case = Case::new(&seen, self.streak(&seen, clock), Order::Tick, &self.config.policy, clock.now());
        let message = format!("{verdict}: {}", facts(&case, &self.config));
        Ok(Report::of(&case, &self.config, "stay", reason, message, &progress.actions))
    }

    async fn look_at_all(&self, clock: &Clock) -> (Observation, Observer<'_>) {
        let observer = Observer::thorough(&self.aws, &self.config, self.prober.as_ref(), *clock);
        (observer.look().await, observer)
    }

    fn streak(&self, seen: &Observation, clock: &Clock) -> Streak {
        Streak::new(&Diagnosis::of(&seen.primary, seen.probes, &self.config.policy), clock.now())
    }

    fn require_check(&self, seen: &Observation) -> Result<(), Failure> {
        let why = match &seen.check {
            Reading::Known(_) => return Ok(()),
            Reading::Missing => "it does not exist".to_owned(),
            Reading::Unknown(why) => why.to_string(),
        };
        Err(Failure::new(
            Kind::Rule("health-check-unreadable"),
            format!("The health check {} could not be read: {why}", self.config.health_check_id),
        ))
    }
}

fn same(present: &Pause, ordered: &Pause) -> bool {
    // What was ordered is compared as the tag would hold it.
    let words = |pause: &Pause| Pause { until: None, ..pause.clone() }.to_string();
    let close = match (present.until, ordered.until) {
        (None, None) => true,
        (Some(present), Some(ordered)) => {
            ordered.duration_since(present).as_secs().abs() < SAME_PAUSE_SECONDS
        }
        (Some(_), None) | (None, Some(_)) => false,
    };
    close && words(present) == words(ordered)
}
