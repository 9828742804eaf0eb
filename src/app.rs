//! One invocation, stage by stage: trigger, observe, decide, act, report.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::account::Account;
use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::decide::Order;
use crate::dns::{self, Lookup};
use crate::error::Failure;
use crate::metrics::Metrics;
use crate::model::CheckState;
use crate::notify::{self, Note, Sender};
use crate::observe::{Observer, Probers};
use crate::reconcile::Reconciler;
use crate::report::Report;
use crate::trigger::{self, Action, Request};

/// What a tick refuses is repeated this often, as long as it lasts.
const REMIND_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The function: its configuration and its clients. Nothing that a decision rests on is kept in it.
pub struct App {
    config: Config,
    aws: Aws,
    probers: Probers,
    lookup: Lookup,
    /// When each standing refusal was notified last. Lost with the execution environment: then it is notified once
    /// more.
    notified: Mutex<BTreeMap<String, Timestamp>>,
    /// Consecutive healthy looks of this execution environment: for the metric that a failed control plane leaves.
    pub(crate) healthy_looks: AtomicU32,
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
        let probers = Probers::new(&config.pair);
        Self {
            config,
            aws,
            probers,
            lookup,
            notified: Mutex::default(),
            healthy_looks: AtomicU32::new(0),
            metrics: Box::new(metrics),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    pub(crate) fn observer(&self, clock: Clock) -> Observer<'_> {
        Observer::new(&self.aws, &self.config.pair, &self.probers, clock)
    }

    /// Probes that are not answered take their whole time-out.
    pub(crate) fn time_of_a_look(&self, look: Duration) -> Duration {
        let probes = self.probers.primary.is_some() || self.probers.secondary.is_some();
        if probes { look + self.config.pair.endpoint_timeout } else { look }
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
        let mut account = Account { reads_only: self.config.mode == Mode::Observe, ..Account::default() };
        let answered = match trigger::read(event, &self.config.pair) {
            Err(failure) => Err(failure),
            Ok(Request::Ignore { reason, message }) => Ok(Report::ignore(reason, message, &self.config)),
            Ok(Request::Tick) => self.reconcile(Order::Tick, None, &clock, &mut account).await,
            Ok(Request::Action(action)) => self.obey(action, &clock, &mut account).await,
        };
        let mut answered = answered.map_err(|failure| failure.after(&account.actions()));
        if let Ok(report) = &mut answered {
            self.look_up(&account, report, &clock).await;
        }
        let failures = self.notify(&account, answered.as_ref().err(), &clock, function_arn).await;
        if let (Ok(report), Some(failures @ 1..)) = (&mut answered, failures) {
            report.message = format!("{}; {failures} notification(s) could not be sent", report.message);
        }
        self.log(&account, &answered, failures, &clock);
        answered
    }

    async fn obey(&self, action: Action, clock: &Clock, account: &mut Account) -> Result<Report, Failure> {
        match action {
            Action::Status => self.status(clock, account).await,
            Action::Check => self.check(clock, account).await,
            Action::Failover { reason, force, promote, allow_data_loss } => {
                let order = Order::Failover { force, promote, allow_data_loss };
                self.reconcile(order, Some(&reason), clock, account).await
            }
            Action::Failback { reason, force } => {
                self.reconcile(Order::Failback { force }, Some(&reason), clock, account).await
            }
            Action::Pause { reason, duration } => self.pause(reason, duration, clock, account).await,
            Action::Resume => self.resume(clock, account).await,
        }
    }

    async fn reconcile(
        &self,
        order: Order,
        reason: Option<&str>,
        clock: &Clock,
        account: &mut Account,
    ) -> Result<Report, Failure> {
        let reconciler = Box::pin(Reconciler::begin(self, *clock, order, reason, account)).await;
        Box::pin(reconciler.run()).await?;
        Ok(Report::of(account, &self.config))
    }

    /// Asks DNS where the record leads: while traffic is on the secondary, and for whoever only reads.
    async fn look_up(&self, account: &Account, report: &mut Report, clock: &Clock) {
        let Some(last) = &account.last else { return };
        let forced = last.seen.check.known().is_some_and(|check| check.state == CheckState::ForcedUnhealthy);
        if !(forced || account.reads_only) {
            return;
        }
        let endpoint = |instance: Option<&crate::model::Instance>| instance?.endpoint.clone();
        let (primary, secondary) = (endpoint(last.seen.primary()), endpoint(last.seen.replica()));
        let pair = &self.config.pair;
        let answer = dns::answer(&self.lookup, pair, primary.as_deref(), secondary.as_deref());
        // A resolver that does not answer must not cost the notifications their time.
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
        if self.config.mode == Mode::Observe {
            return None;
        }
        let topic = self.config.topic.as_ref()?;
        let mut notes = notify::notes(account, failure, &self.config);
        notes.retain(|note| self.is_due(note, clock.now()));
        if notes.is_empty() {
            return None;
        }
        let sender = Sender::new(&self.config, function_arn);
        Some(notify::publish(&self.aws, &sender, clock, topic, &notes).await)
    }

    /// Whether a note is to be sent now: what lasts is not repeated each minute.
    fn is_due(&self, note: &Note, now: Timestamp) -> bool {
        if !note.standing {
            return true;
        }
        let mut notified = self.notified.lock().unwrap_or_else(PoisonError::into_inner);
        let due = notified.get(&note.code).is_none_or(|last| now.duration_since(*last) >= REMIND_AFTER);
        if due {
            notified.insert(note.code.clone(), now);
        }
        due
    }

    /// The one summary line of an invocation, and its metrics.
    fn log(
        &self,
        account: &Account,
        answered: &Result<Report, Failure>,
        failed_notifications: Option<usize>,
        clock: &Clock,
    ) {
        let duration_ms = clock.elapsed().as_secs_f64() * 1000.0;
        let words = |changes: &[crate::model::Change]| {
            changes.iter().map(|change| change.as_str()).collect::<Vec<_>>().join(" ")
        };
        match answered {
            Ok(report) => tracing::info!(
                decision = report.decision,
                reason = report.reason,
                primary = report.primary.status,
                health = report.primary.health,
                check = report.health_check.state,
                version = report.health_check.version,
                actions = words(&report.actions),
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
                duration_ms,
                "{}",
                failure.message
            ),
        }
        let mut metrics = Metrics::of(account, answered, &self.config, clock.now());
        if let Some(failures) = failed_notifications {
            metrics.put("NotificationFailures", failures as f64);
        }
        metrics.put("Duration", duration_ms);
        (self.metrics)(&metrics.line(&self.config, clock.now()));
    }
}
