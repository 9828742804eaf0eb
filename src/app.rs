//! One invocation, stage by stage: trigger, observe, decide, act, report.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::act::{Actor, Direction, Outcome};
use crate::aws::Aws;
use crate::clock::{Clock, after};
use crate::config::{Config, Mode};
use crate::decide::{Case, Does, Next, Order, Rule, Streak, decide};
use crate::error::{Failure, Kind};
use crate::health::Diagnosis;
use crate::memory::{By, Pause};
use crate::metrics::Metrics;
use crate::model::{Evidence, Observation, Reading};
use crate::notify::{self, Note};
use crate::observe::Observer;
use crate::probe::Prober;
use crate::report::{Action, Report, facts};
use crate::trigger::{self, Trigger};

mod orders;

/// More observations than any confirmation takes: two troubles that take turns must not keep an invocation alive.
const MAX_LOOKS: u32 = 250;

/// What one look takes, and the report behind it, when all goes well.
const LOOK: Duration = Duration::from_millis(500);

/// How often the world may change under a decision before the invocation gives up.
const MAX_RACES: u32 = 3;

/// The function: its configuration and its clients. Nothing that a decision rests on is kept in it.
pub struct App {
    config: Config,
    aws: Aws,
    prober: Option<Prober>,
    /// The refusal that was told last, so that a standing one is not told every minute. Lost with the execution
    /// environment: then it is told once more.
    told: Mutex<Option<String>>,
    /// Takes the metrics, a line an invocation.
    metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// What an invocation has come to so far.
struct Progress {
    actions: Vec<Action>,
    /// The furthest step that was decided.
    furthest: Option<Step>,
    notes: Vec<Note>,
    metrics: Metrics,
}

/// A step that was decided.
struct Step {
    rule: &'static Rule,
    message: String,
    observations: u32,
}

impl App {
    /// The function over these clients. `metrics` takes a line in the embedded metric format an invocation.
    pub fn new(config: Config, aws: Aws, metrics: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let prober = Prober::new(&config.endpoints, config.endpoint_timeout);
        Self { config, aws, prober, told: Mutex::new(None), metrics: Box::new(metrics) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Probes that are not answered take their whole time-out.
    fn time_of_a_look(&self) -> Duration {
        if self.prober.is_some() { LOOK + self.config.endpoint_timeout } else { LOOK }
    }

    /// Handles one event.
    ///
    /// # Errors
    /// A typed failure, so that the ordinary Lambda error alarm fires.
    pub async fn handle(&self, event: Value, clock: Clock) -> Result<Report, Failure> {
        let mut progress =
            Progress { actions: Vec::new(), furthest: None, notes: Vec::new(), metrics: Metrics::default() };
        if self.config.mode == Mode::Observe {
            progress.metrics.watch_only();
        }
        let mut topic = None;
        let result = match trigger::read(event, &self.config.policy) {
            Err(failure) => Err(failure),
            Ok(Trigger::Ignore { reason, message }) => Ok(Report::ignore(reason, message, &self.config)),
            Ok(Trigger::Tick { topic: from }) => {
                topic = from;
                Box::pin(self.run(Order::Tick, None, &clock, &mut progress)).await
            }
            Ok(Trigger::Action(action)) => Box::pin(self.obey(action, &clock, &mut progress)).await,
        };
        let mut result = result.map_err(|failure| failure.after(&progress.actions));
        if let Err(failure) = &result {
            progress.notes.extend(note_of_failure(failure));
        }
        let untold = self.tell(topic.as_deref(), &clock, &mut progress).await;
        if let (Ok(report), Some(untold)) = (&mut result, untold) {
            report.message = format!("{}; {untold}", report.message);
        }
        self.log(&result, &clock, progress.metrics);
        result
    }

    async fn obey(
        &self,
        action: trigger::Action,
        clock: &Clock,
        progress: &mut Progress,
    ) -> Result<Report, Failure> {
        use trigger::Action as Ordered;
        match action {
            Ordered::Tick {} => self.run(Order::Tick, None, clock, progress).await,
            Ordered::Status {} => self.status(clock, progress).await,
            Ordered::Check {} => self.check(clock, progress).await,
            Ordered::Failover { reason, force, promote, allow_data_loss } => {
                let order = Order::Failover { force, promote, allow_data_loss };
                self.run(order, Some(&reason), clock, progress).await
            }
            Ordered::Failback { reason, force } => {
                self.run(Order::Failback { force }, Some(&reason), clock, progress).await
            }
            Ordered::Pause { reason, duration } => {
                let ends = duration.map(|duration| after(clock.now(), duration));
                self.pause(Some(Pause { until: ends, reason }), clock, progress).await
            }
            Ordered::Resume { .. } => self.pause(None, clock, progress).await,
        }
    }

    /// Observes, decides and acts until there is nothing more to do now.
    async fn run(
        &self,
        order: Order,
        words: Option<&str>,
        clock: &Clock,
        progress: &mut Progress,
    ) -> Result<Report, Failure> {
        let policy = &self.config.policy;
        let mut observer = Observer::new(&self.aws, &self.config, self.prober.as_ref(), *clock);
        let mut seen = observer.look().await;
        let mut streak = Streak::new(&Diagnosis::of(&seen.primary, seen.probes, policy), clock.now());
        let mut looks = 1;
        let mut races = 0;
        loop {
            let case = Case::new(&seen, streak.clone(), order, policy, clock.now());
            let rule = match decide(&case) {
                Next::Read(need) => {
                    observer.read(need, &mut seen).await;
                    continue;
                }
                Next::Apply(rule) => rule,
            };
            let message = self.message(rule, &case, words);
            tracing::debug!(rule = rule.code, message, "decided");
            let observed_only = self.config.mode == Mode::Observe;
            let change = match rule.does {
                Does::Stay | Does::StayAndTell => {
                    return Ok(self.finish(rule, message, &case, progress));
                }
                Does::Fail => {
                    progress.metrics.decision(&case, rule.code, rule.code);
                    return Err(Failure::new(Kind::Rule(rule.code), message));
                }
                Does::ObserveAgain | Does::ObserveAtOnce => {
                    let wait =
                        if rule.does == Does::ObserveAgain { policy.interval } else { Default::default() };
                    let enough = if looks != streak.length || looks >= MAX_LOOKS {
                        Some("the primary's health changed within this invocation")
                    } else if !clock.allows(wait + self.time_of_a_look()) {
                        Some("the invocation's deadline leaves no time to observe again")
                    } else {
                        None
                    };
                    if let Some(why) = enough {
                        let message = format!("{message}; {why}: the next tick starts anew");
                        return Ok(self.finish(rule, message, &case, progress));
                    }
                    tokio::time::sleep(wait).await;
                    None
                }
                Does::FailOver | Does::Promote | Does::FailBack if observed_only => {
                    progress.furthest =
                        Some(Step { rule, message: message.clone(), observations: case.streak.length });
                    return Ok(self.finish(rule, message, &case, progress));
                }
                Does::FailOver | Does::Promote | Does::FailBack => {
                    let actor = Actor::new(&self.aws, &self.config, &observer, *clock);
                    let made = self.change(rule, &seen, order.by(), words, &actor).await;
                    if let Err(failure) = &made {
                        // The metric can move traffic where the switch can't; it never takes part in an order.
                        let metric_moves = failure.switch_unreachable && rule.code == "primary-unhealthy";
                        let code = if metric_moves { "control-plane-down" } else { rule.code };
                        progress.metrics.decision(&case, rule.code, code);
                    }
                    Some(made?)
                }
            };
            match change {
                None => {}
                Some((_, Outcome::Raced)) => {
                    races += 1;
                    if races == MAX_RACES {
                        progress.metrics.decision(&case, rule.code, rule.code);
                        return Err(Failure::new(
                            Kind::VersionConflict,
                            format!(
                                "the health check or its tags were changed by somebody else {MAX_RACES} times in a row just before this function's change; nothing was overwritten"
                            ),
                        ));
                    }
                }
                Some((action, Outcome::Done(check, memory))) => {
                    progress.actions.push(action);
                    progress.furthest =
                        Some(Step { rule, message: message.clone(), observations: case.streak.length });
                    progress.notes.push(note(action.as_str(), rule.code, &message, false));
                    if action != Action::RouteToSecondary || !case.promotion_may_follow() {
                        seen.check = Reading::Known(*check);
                        seen.memory = Evidence::Read(*memory);
                        let case = Case::new(&seen, streak.clone(), order, policy, clock.now());
                        return Ok(self.finish(rule, message, &case, progress));
                    }
                }
            }
            seen = observer.look().await;
            streak = streak.and(&Diagnosis::of(&seen.primary, seen.probes, policy), clock.now());
            looks += 1;
        }
    }

    async fn change(
        &self,
        rule: &Rule,
        seen: &Observation,
        by: By,
        words: Option<&str>,
        actor: &Actor<'_>,
    ) -> Result<(Action, Outcome), Failure> {
        let reason = words.unwrap_or(rule.code);
        if rule.does == Does::Promote {
            return Ok((Action::PromoteReplica, actor.promote(seen, by, reason).await?));
        }
        let to = if rule.does == Does::FailOver { Direction::ToSecondary } else { Direction::ToPrimary };
        Ok((to.action(), actor.route(to, seen, by, reason).await?))
    }

    /// The report of the furthest step, with the last rule's word on why it went no further.
    fn finish(
        &self,
        rule: &'static Rule,
        message: String,
        case: &Case<'_>,
        progress: &mut Progress,
    ) -> Report {
        let refused = rule.does == Does::StayAndTell || (rule.does == Does::Stay && case.is_refused_order());
        if refused {
            progress.notes.push(note("no change was made", rule.code, &message, case.order == Order::Tick));
        }
        let step = match progress.furthest.take() {
            Some(step) if step.rule.code == rule.code => step,
            Some(step) => {
                Step { message: format!("{} — then: {message} ({})", step.message, rule.code), ..step }
            }
            None => Step { rule, message, observations: case.streak.length },
        };
        progress.metrics.decision(case, step.rule.code, rule.code);
        let decision = step.rule.does.as_str();
        let mut report =
            Report::of(case, &self.config, decision, step.rule.code, step.message, &progress.actions);
        report.observations = step.observations;
        report
    }

    fn message(&self, rule: &Rule, case: &Case<'_>, words: Option<&str>) -> String {
        let mut message = format!("{}: {}", rule.says, facts(case, &self.config));
        if let Some(words) = words {
            message = format!("{message}; ordered because: {words}");
        }
        if let Some(overridden) = case.overridden() {
            message = format!("{message}; `force` overrides {overridden}");
        }
        if let Some(hint) = case.force_would_help().filter(|_| rule.does.refuses()) {
            message = format!("{message}; {hint}");
        }
        message
    }

    /// Publishes what is to be told; answers in words where that failed.
    async fn tell(&self, trigger: Option<&str>, clock: &Clock, progress: &mut Progress) -> Option<String> {
        if self.config.mode == Mode::Observe {
            return None;
        }
        let topic = self.config.topic.as_ref()?;
        let standing = progress.notes.iter().rfind(|note| note.standing).map(|note| note.code.clone());
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if standing.is_some() && *told == standing {
                progress.notes.retain(|note| !note.standing);
            }
            if standing.is_some() || progress.metrics.has_decision() {
                *told = standing;
            }
        }
        if progress.notes.is_empty() {
            return None;
        }
        if trigger == Some(topic.arn.as_str()) {
            let why =
                "nothing was published: NOTIFICATION_TOPIC_ARN is the topic that triggered this invocation";
            tracing::error!(topic = topic.arn, "{why}");
            progress.metrics.put("NotificationFailures", 1.0);
            return Some(why.to_owned());
        }
        let failures = notify::publish(&self.aws, &self.config, clock, topic, &progress.notes).await;
        progress.metrics.put("NotificationFailures", failures as f64);
        (failures > 0).then(|| format!("{failures} notification(s) could not be published"))
    }

    /// The one summary line of an invocation, and its metrics.
    fn log(&self, result: &Result<Report, Failure>, clock: &Clock, mut metrics: Metrics) {
        let duration_ms = clock.elapsed().as_secs_f64() * 1000.0;
        match result {
            Ok(report) => tracing::info!(
                decision = report.decision,
                reason = report.reason,
                primary = report.primary.status,
                health = report.primary.health,
                check = report.health_check.state,
                version = report.health_check.version,
                actions = ?report.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>(),
                observations = report.observations,
                mode = report.mode.as_str(),
                duration_ms,
                "{}",
                report.message
            ),
            Err(failure) => tracing::error!(
                error_type = failure.kind.name(),
                reason = failure.kind.code(),
                actions = ?failure.done.iter().map(|action| action.as_str()).collect::<Vec<_>>(),
                duration_ms,
                "{}",
                failure.message
            ),
        }
        metrics.put("Duration", duration_ms);
        if let Some(line) = metrics.line(&self.config, clock.now()) {
            (self.metrics)(&line);
        }
    }
}

fn note(what: &str, code: &str, why: &str, standing: bool) -> Note {
    Note { what: what.to_owned(), code: code.to_owned(), why: why.to_owned(), standing }
}

/// A failure to change something is told; one to see something is what the error alarm is for.
fn note_of_failure(failure: &Failure) -> Option<Note> {
    let blind = ["primary-unknown", "health-check-unreadable"];
    let of_change = failure.kind != Kind::EventNotUnderstood && !blind.contains(&failure.kind.code());
    of_change.then(|| note("a change failed", &failure.kind.name(), &failure.to_string(), true))
}
