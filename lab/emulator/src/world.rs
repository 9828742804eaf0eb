//! The state of everything, and how one request meets it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::faults::{Asked, Effect, Faults, On};
use crate::front::{Input, protocol, refusal, success};
use crate::lifecycle::Promotion;
use crate::metric::CloudWatch;
use crate::rds::Rds;
use crate::record::{Actor, Call, Change, Event, Outcome, Record};
use crate::route53::Route53;
use crate::sns::Sns;
use crate::wire::{self, ApiError, Service};
use crate::{cloudwatch, front, rds, route53, sns};

/// What a front door does with a request.
#[derive(Debug)]
pub enum Reply {
    /// Answers.
    Answer(Response<Bytes>),
    /// Answers after this long.
    AnswerAfter(Duration, Response<Bytes>),
    /// Keeps the connection open and never answers.
    Hang,
    /// Resets the connection.
    Reset,
}

pub(crate) type Step = Box<dyn FnOnce(&mut World) + Send>;

/// RDS, Route 53, CloudWatch and SNS of one account.
///
/// Time is what the caller says it is; it never runs backwards. Before a request is carried out,
/// everything that was due by then (scripted changes, the steps of a promotion) happens.
pub struct World {
    pub(crate) now: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) rds: Rds,
    pub(crate) route53: Route53,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) sns: Sns,
    record: Record,
    timeline: BTreeMap<(Timestamp, u64), Step>,
    timeline_entries: u64,
    hooks: Vec<(Trigger, Step)>,
    crash: Option<Crash>,
    crashed: Arc<Notify>,
    /// What goes wrong.
    pub faults: Faults,
    /// How promotions run.
    pub promotion: Promotion,
    /// How long each step of a start, stop, reboot, rename, creation or deletion takes.
    pub step: Duration,
    /// How long a change of a health check's flags takes to reach DNS answers.
    pub dns_propagation: Duration,
    /// Whether Route 53 wants to be signed for `us-east-1`, as AWS does. An SDK client with
    /// `AWS_ENDPOINT_URL` signs for its own region instead, so a binary that runs elsewhere
    /// needs `false`.
    pub route53_only_in_us_east_1: bool,
}

enum Trigger {
    CallNumber(u64),
    Next(On),
}

#[derive(Debug)]
struct Crash {
    number: u64,
    after: bool,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("rds", &self.rds)
            .field("route53", &self.route53)
            .finish_non_exhaustive()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            actor: Actor::Aws,
            rds: Rds::default(),
            route53: Route53::default(),
            cloudwatch: CloudWatch::default(),
            sns: Sns::default(),
            record: Record::default(),
            timeline: BTreeMap::new(),
            timeline_entries: 0,
            hooks: Vec::new(),
            crash: None,
            crashed: Arc::default(),
            faults: Faults::default(),
            promotion: Promotion::default(),
            step: Duration::from_secs(60),
            dns_propagation: Duration::ZERO,
            route53_only_in_us_east_1: true,
        }
    }

    /// The latest time this world was told.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.timeline.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                break;
            }
            let step = entry.remove();
            self.now = self.now.max(due);
            step(self);
        }
        self.now = self.now.max(now);
    }

    /// Scripts a change for a time; at once, on the next request, if that is past.
    pub fn at(&mut self, time: Timestamp, change: impl FnOnce(&mut Self) + Send + 'static) {
        self.timeline_entries += 1;
        self.timeline.insert((time, self.timeline_entries), Box::new(change));
    }

    /// Scripts a change for this long after [`World::now`].
    pub fn after(&mut self, delay: Duration, change: impl FnOnce(&mut Self) + Send + 'static) {
        let time = self.now + SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
        self.at(time, change);
    }

    /// Runs `hook` when the `n`-th call from now (1 is the next) has arrived and nothing of it is
    /// carried out yet: "a person changes something at the console just now".
    pub fn on_call(&mut self, n: u64, hook: impl FnOnce(&mut Self) + Send + 'static) {
        let number = self.record.number + n;
        self.hooks.push((Trigger::CallNumber(number), Box::new(hook)));
    }

    /// Runs `hook` once, when the next matching call has arrived and nothing of it is carried out.
    pub fn on_next(&mut self, on: impl Into<On>, hook: impl FnOnce(&mut Self) + Send + 'static) {
        self.hooks.push((Trigger::Next(on.into()), Box::new(hook)));
    }

    /// The caller dies as it sends the `n`-th call from now: the call is not carried out, never
    /// answered, and [`crate::Emulator::crashed`] resolves.
    pub fn crash_before_call(&mut self, n: u64) {
        self.no_crash();
        let number = self.record.number + n;
        self.crash = Some(Crash { number, after: false });
    }

    /// The caller dies before it gets the answer to the `n`-th call from now, which is carried out.
    pub fn crash_after_call(&mut self, n: u64) {
        self.no_crash();
        let number = self.record.number + n;
        self.crash = Some(Crash { number, after: true });
    }

    /// Takes back a crash that has not happened, and the word of one that nobody awaited.
    pub fn no_crash(&mut self) {
        self.crash = None;
        self.crashed = Arc::default();
    }

    pub(crate) fn crashed(&self) -> Arc<Notify> {
        Arc::clone(&self.crashed)
    }

    /// Every call since the start, or since [`World::forget_record`].
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.record.calls
    }

    /// The calls of operations that can change something.
    pub fn writes(&self) -> impl Iterator<Item = &Call> {
        self.record.calls.iter().filter(|call| call.is_write)
    }

    /// How many calls of this operation arrived.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        let calls = self.record.calls.iter();
        calls.filter(|call| call.operation == operation).count()
    }

    /// Every change, in order, whoever made it.
    #[must_use]
    pub fn history(&self) -> &[Event] {
        &self.record.history
    }

    /// Drops the call log and the history; long simulations would fill the memory with them.
    pub fn forget_record(&mut self) {
        self.record.calls.clear();
        self.record.history.clear();
    }

    pub(crate) fn changed(&mut self, change: Change) {
        self.record.history.push(Event { time: self.now, by: self.actor, change });
    }

    pub(crate) fn acting<T>(&mut self, actor: Actor, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.actor, actor);
        let result = act(self);
        self.actor = before;
        result
    }

    /// Carries out one request.
    pub fn handle(&mut self, now: Timestamp, request: &Request<Bytes>) -> Reply {
        self.advance(now);
        self.record.number += 1;
        let number = self.record.number;
        let request_id = format!("00000000-0000-4000-8000-{number:012x}");
        let (asked, input) = match front::identify(request, self.route53_only_in_us_east_1) {
            Ok(identified) => identified,
            Err((protocol, error)) => {
                let response = refusal(protocol, &error, &request_id);
                self.record.calls.push(Call {
                    number,
                    time: self.now,
                    service: protocol.service,
                    operation: Cow::Owned(format!("{} {}", request.method(), request.uri().path())),
                    region: String::new(),
                    target: None,
                    is_write: request.method() != http::Method::GET,
                    changes: Vec::new(),
                    outcome: Outcome::Refused { status: error.status, code: error.code },
                });
                return Reply::Answer(response);
            }
        };
        self.run_hooks(&asked);
        let mut call = Call {
            number,
            time: self.now,
            service: asked.service,
            is_write: !["Describe", "Get", "List"].iter().any(|prefix| asked.operation.starts_with(prefix)),
            changes: Vec::new(),
            outcome: Outcome::Ok,
            operation: Cow::Borrowed(""),
            region: String::new(),
            target: None,
        };
        let reply = self.answer(&asked, request, input, &request_id, &mut call);
        let Asked { operation, region, target, .. } = asked;
        self.record.calls.push(Call { operation, region, target, ..call });
        reply
    }

    fn answer(
        &mut self,
        asked: &Asked,
        request: &Request<Bytes>,
        input: Input<'_>,
        request_id: &str,
        call: &mut Call,
    ) -> Reply {
        let crash = self.crash.take_if(|crash| crash.number == call.number);
        if let Some(Crash { after, .. }) = crash {
            if after {
                // The dead caller gets no answer, whatever it would have been.
                let _ = self.run(asked, request, input, request_id, call);
            }
            call.outcome = Outcome::Crash;
            self.crashed.notify_one();
            return Reply::Hang;
        }
        let Some(fault) = self.faults.take(asked) else {
            return Reply::Answer(self.run(asked, request, input, request_id, call));
        };
        let effect = fault.effect(asked.service, &asked.operation, &asked.region);
        let apply = !matches!(
            effect,
            Effect::Refuse(_) | Effect::Hang { apply: false } | Effect::Reset { apply: false }
        );
        let mut response = apply.then(|| self.run(asked, request, input, request_id, call));
        call.outcome = Outcome::Fault(fault);
        match effect {
            Effect::Refuse(error) | Effect::ApplyThenRefuse(error) => {
                Reply::Answer(refusal(protocol(asked.service, request), &error, request_id))
            }
            Effect::Hang { .. } => Reply::Hang,
            Effect::Reset { .. } => Reply::Reset,
            Effect::Slow(delay) => {
                let response = response.take().unwrap_or_default();
                Reply::AnswerAfter(delay, response)
            }
            Effect::Malformed => {
                let page = Bytes::from_static(b"<html><body>Please log in</body></html>");
                Reply::Answer(wire::respond(200, "text/html", request_id, page))
            }
            Effect::Truncated => {
                let mut response = response.take().unwrap_or_default();
                let half = response.body().len() / 2;
                response.body_mut().truncate(half);
                Reply::Answer(response)
            }
        }
    }

    fn run(
        &mut self,
        asked: &Asked,
        request: &Request<Bytes>,
        input: Input<'_>,
        request_id: &str,
        call: &mut Call,
    ) -> Response<Bytes> {
        let before = self.record.history.len();
        let result = self.acting(Actor::Api, |world| match input {
            Input::Query(params) => match asked.service {
                Service::Rds => rds::run(world, asked, params, request_id),
                Service::Sns => sns::run(world, asked, params, request_id),
                Service::CloudWatch => cloudwatch::run_query(world, asked, params, request_id),
                Service::Route53 => Err(ApiError::not_emulated("Route 53 by query")),
            },
            Input::Rest(route) => route53::run(world, &route, request.body()),
            Input::Cbor => cloudwatch::run_cbor(world, asked, request.body()),
        });
        call.changes = self.record.history[before..].iter().map(|event| event.change.clone()).collect();
        let protocol = protocol(asked.service, request);
        match result {
            Ok(body) => success(protocol, request_id, body),
            Err(error) => {
                let response = refusal(protocol, &error, request_id);
                call.outcome = Outcome::Refused { status: error.status, code: error.code };
                response
            }
        }
    }

    fn run_hooks(&mut self, asked: &Asked) {
        let number = self.record.number;
        // Taken first, so that a hook may set another one like itself for a later call.
        let due = self.hooks.extract_if(.., |(trigger, _)| match trigger {
            Trigger::CallNumber(wanted) => *wanted == number,
            Trigger::Next(on) => on.matches(asked),
        });
        for (_, hook) in due.collect::<Vec<_>>() {
            hook(self);
        }
    }
}
