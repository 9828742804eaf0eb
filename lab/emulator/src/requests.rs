//! How one request meets the world: who is to crash, what goes wrong, and else the operation.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::faults::{Asked, Effect};
use crate::record::{Actor, Call, Outcome};
use crate::wire::front::{self, Input, protocol, refusal, success};
use crate::wire::{self, ApiError, Service};
use crate::world::{Crash, Trigger, World};
use crate::{cloudwatch, rds, route53, sns};

/// What a front door does with a request.
#[derive(Debug)]
pub enum Reply {
    Answer(Response<Bytes>),
    AnswerAfter(Duration, Response<Bytes>),
    /// Keeps the connection open and never answers.
    Hang,
    Reset,
}

impl World {
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
        let response = apply.then(|| self.run(asked, request, input, request_id, call));
        call.outcome = Outcome::Fault(fault);
        match effect {
            Effect::Refuse(error) | Effect::ApplyThenRefuse(error) => {
                Reply::Answer(refusal(protocol(asked.service, request), &error, request_id))
            }
            Effect::Hang { .. } => Reply::Hang,
            Effect::Reset { .. } => Reply::Reset,
            Effect::Slow(delay) => {
                let response = response.unwrap_or_default();
                Reply::AnswerAfter(delay, response)
            }
            Effect::Malformed => {
                let page = Bytes::from_static(b"<html><body>Please log in</body></html>");
                Reply::Answer(wire::respond(200, "text/html", request_id, page))
            }
            Effect::Rewrite(rewrite) => {
                let mut response = response.unwrap_or_default();
                rewrite.apply(response.body_mut());
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
        let limited = self.limits.admit(asked, self.now);
        let result = limited.and_then(|()| {
            self.acting(Actor::Api, |world| match input {
                Input::Query(params) => match asked.service {
                    Service::Rds => rds::run(world, asked, params, request_id),
                    Service::Sns => sns::run(world, asked, params, request_id),
                    other @ (Service::CloudWatch | Service::Route53) => {
                        Err(ApiError::not_emulated(format_args!("{} by query", other.signing_name())))
                    }
                },
                Input::Rest(route) => route53::run(world, &route, request.body()),
                Input::Cbor => cloudwatch::run_cbor(world, asked, request.body()),
            })
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
