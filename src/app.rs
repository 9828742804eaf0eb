//! One invocation, stage by stage: trigger, observe, decide, act, report.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::account::Account;
use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::context::Context;
use crate::decide::Order;
use crate::dns::{self, Lookup};
use crate::error::Failure;
use crate::metrics::Metrics;
use crate::model::{Change, CheckState, Instance};
use crate::notify::{self, Note, Sender};
use crate::orders;
use crate::reconcile::reconcile;
use crate::report::Report;
use crate::trigger::{self, Action, Request};

/// What a tick refuses is repeated this often, as long as it lasts.
const REMIND_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The function: its configuration and its clients. Nothing that a decision rests on is kept in it.
pub struct App {
    context: Context,
    lookup: Lookup,
    /// When each standing refusal was notified last. Lost with the execution environment: then it is notified once
    /// more.
    notified: Mutex<BTreeMap<String, Timestamp>>,
    /// Takes the metrics, a line per invocation.
    metrics: Box<dyn Fn(&str) + Send + Sync>,
}

impl App {
    /// The function over these clients. `lookup` resolves names; `metrics` takes a line in the embedded metric format
    /// per invocation.
    pub fn new(
        config: Config,
        aws: Aws,
        lookup: Lookup,
        metrics: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            context: Context::new(config, aws),
            lookup,
            notified: Mutex::default(),
            metrics: Box::new(metrics),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.context.config
    }

    /// Handles one event: the payload of an invocation as it came. `function_arn` is what was invoked.
    ///
    /// # Errors
    /// A typed failure, so that the ordinary Lambda error alarm fires.
    pub async fn handle(
        &self,
        event: &[u8],
        clock: Clock,
        function_arn: Option<&str>,
    ) -> Result<Report, Failure> {
        let mut account =
            Account { reads_only: self.context.config.mode == Mode::Observe, ..Account::default() };
        let mut requested = None;
        let done = match trigger::read(event, &self.context.config.pair) {
            Err(failure) => Err(failure),
            Ok(Request::Ignore { reason, message }) => {
                account.ignored = Some((reason, message));
                Ok(())
            }
            Ok(Request::Tick) => self.reconcile(Order::Tick, None, &clock, &mut account).await,
            Ok(Request::Action(action)) => {
                account.was_ordered = !matches!(action, Action::Status | Action::Check);
                requested = Some(action.reason().to_owned());
                self.obey(action, &clock, &mut account).await
            }
        };
        let mut answered = match done {
            Ok(()) => Ok(Report::of(&account, &self.context.config)),
            Err(failure) => Err(failure.after(&account.actions())),
        };
        let failures = self.notify(&account, answered.as_ref().err(), &clock, function_arn).await;
        if let Ok(report) = &mut answered {
            self.look_up(&account, report, &clock).await;
            if let Some(failures @ 1..) = failures {
                report.message = format!("{}; {failures} notification(s) could not be sent", report.message);
            }
        }
        self.log(&account, &answered, requested.as_deref(), failures, &clock);
        answered
    }

    async fn obey(&self, action: Action, clock: &Clock, account: &mut Account) -> Result<(), Failure> {
        match action {
            Action::Status => orders::status(&self.context, clock, account).await,
            Action::Check => {
                orders::check(&self.context, clock, account).await;
                Ok(())
            }
            Action::Failover { reason, force, promote, allow_data_loss } => {
                let order = Order::Failover { force, promote, allow_data_loss };
                self.reconcile(order, Some(&reason), clock, account).await
            }
            Action::Failback { reason, force } => {
                self.reconcile(Order::Failback { force }, Some(&reason), clock, account).await
            }
            Action::Pause { reason, duration } => {
                orders::pause(&self.context, reason, duration, clock, account).await
            }
            Action::Resume => orders::resume(&self.context, clock, account).await,
        }
    }

    async fn reconcile(
        &self,
        order: Order,
        reason: Option<&str>,
        clock: &Clock,
        account: &mut Account,
    ) -> Result<(), Failure> {
        Box::pin(reconcile(&self.context, *clock, order, reason, account)).await
    }

    /// Asks DNS where the record leads: while traffic is on the secondary, and for a person who asks.
    async fn look_up(&self, account: &Account, report: &mut Report, clock: &Clock) {
        let Some(last) = &account.last else { return };
        let forced = last.seen.check.known().is_some_and(|check| check.state == CheckState::ForcedUnhealthy);
        if !(forced || account.was_asked) {
            return;
        }
        let endpoint = |instance: Option<&Instance>| instance?.endpoint.clone();
        let (primary, secondary) = (endpoint(last.seen.primary()), endpoint(last.seen.replica()));
        let answer =
            dns::answer(&self.lookup, &self.context.config.pair, primary.as_deref(), secondary.as_deref());
        report.dns = clock.within(answer).await.unwrap_or(Some(dns::Answer::Unknown));
    }

    /// Notifies the topic; answers how many notifications could not be sent, where there was one to send.
    async fn notify(
        &self,
        account: &Account,
        failure: Option<&Failure>,
        clock: &Clock,
        function_arn: Option<&str>,
    ) -> Option<usize> {
        if self.context.config.mode == Mode::Observe {
            return None;
        }
        let topic = self.context.config.topic.as_ref()?;
        let mut notes = notify::notes(account, failure, &self.context.config);
        notes.retain(|note| self.is_due(note, clock.now()));
        if notes.is_empty() {
            return None;
        }
        let sender = Sender::new(&self.context.config, function_arn);
        let mut failures = 0;
        for note in notes {
            if !notify::publish(&self.context.aws, &sender, clock, topic, &note).await {
                failures += 1;
            } else if note.standing {
                self.notified().insert(note.code, clock.now());
            }
        }
        Some(failures)
    }

    /// Whether a note is to be sent now: what lasts is not repeated each minute.
    fn is_due(&self, note: &Note, now: Timestamp) -> bool {
        let again = |last: &Timestamp| now.duration_since(*last) >= REMIND_AFTER;
        !note.standing || self.notified().get(&note.code).is_none_or(again)
    }

    fn notified(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.notified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one summary line of an invocation, and its metrics. `requested` is a person's words, empty where the action
    /// takes none; what the function does by itself has no such field.
    fn log(
        &self,
        account: &Account,
        answered: &Result<Report, Failure>,
        requested: Option<&str>,
        failed_notifications: Option<usize>,
        clock: &Clock,
    ) {
        let duration_ms = clock.elapsed().as_secs_f64() * 1000.0;
        let words =
            |changes: &[Change]| changes.iter().map(|change| change.as_str()).collect::<Vec<_>>().join(" ");
        match answered {
            Ok(report) => tracing::info!(
                decision = report.decision,
                reason = report.reason,
                primary = report.primary.status,
                health = report.primary.health,
                check = report.health_check.state,
                version = report.health_check.version,
                actions = words(&report.actions),
                requested,
                observations = report.observations,
                mode = report.mode.as_str(),
                dns = report.dns.map(dns::Answer::as_str),
                duration_ms,
                "{}",
                report.message
            ),
            Err(failure) => tracing::error!(
                error_type = failure.kind.name(),
                reason = failure.kind.code(),
                actions = words(&failure.done),
                requested,
                duration_ms,
                "{}",
                failure.message
            ),
        }
        let mut metrics = Metrics::of(account, answered, &self.context.config, clock.now());
        if let Some(failures) = failed_notifications {
            metrics.put("NotificationFailures", failures as f64);
        }
        metrics.put("Duration", duration_ms);
        (self.metrics)(&metrics.line(&self.context.config, clock.now()));
    }
}
