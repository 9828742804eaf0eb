//! How many requests AWS takes: token buckets that everybody in the account shares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::faults::Asked;
use crate::wire::{ApiError, ApiResult, Service};
use crate::world::World;

/// The size and the refill rate of a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    burst: u32,
    /// The time after which one token comes back.
    interval: SignedDuration,
}

impl Limit {
    /// So many requests at once, and so many a second for ever.
    ///
    /// # Panics
    /// If `per_second` is not a positive number.
    #[must_use]
    pub fn new(burst: u32, per_second: f64) -> Self {
        let interval = Duration::from_secs_f64(per_second.recip());
        Self { burst, interval: SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    Route53,
    Route53Action(Cow<'static, str>),
    Rds { region: String },
}

/// The limits of the account. AWS's own, unless a test sets others; see [`World::limit_requests`].
#[derive(Debug)]
pub struct Limits {
    on: bool,
    route53: Limit,
    route53_action: Limit,
    route53_actions: BTreeMap<Cow<'static, str>, Limit>,
    rds: Limit,
    /// When each bucket is full again. Time says all of a bucket: so many intervals before that
    /// are so many tokens missing. A bucket that is not here was never used.
    full: BTreeMap<Bucket, Timestamp>,
}

impl Default for Limits {
    fn default() -> Self {
        let actions = [
            ("GetHealthCheckLastFailureReason", Limit::new(4, 1.0)),
            ("GetHealthCheckStatus", Limit::new(4, 1.0)),
        ];
        Self {
            on: false,
            route53: Limit::new(50, 10.0),
            route53_action: Limit::new(50, 10.0),
            route53_actions: actions.map(|(action, limit)| (action.into(), limit)).into(),
            rds: Limit::new(300, 12.0),
            full: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// The one bucket of all Route 53 requests of the account.
    pub fn set_route53(&mut self, limit: Limit) {
        self.route53 = limit;
    }

    /// The bucket of one Route 53 action.
    pub fn set_route53_action(&mut self, action: impl Into<Cow<'static, str>>, limit: Limit) {
        self.route53_actions.insert(action.into(), limit);
    }

    fn buckets(&self, asked: &Asked) -> Vec<(Bucket, Limit)> {
        match asked.service {
            Service::Route53 => {
                let action = self.route53_actions.get(&asked.operation);
                vec![
                    (Bucket::Route53, self.route53),
                    (
                        Bucket::Route53Action(asked.operation.clone()),
                        action.copied().unwrap_or(self.route53_action),
                    ),
                ]
            }
            Service::Rds => vec![(Bucket::Rds { region: asked.region.clone() }, self.rds)],
            Service::CloudWatch | Service::Sns => Vec::new(),
        }
    }

    /// Takes a token from every bucket of a request, or none from any.
    pub(crate) fn admit(&mut self, asked: &Asked, now: Timestamp) -> ApiResult<()> {
        if !self.on {
            return Ok(());
        }
        let mut taken = Vec::new();
        for (bucket, limit) in self.buckets(asked) {
            let full = self.full.get(&bucket).copied().unwrap_or(now).max(now) + limit.interval;
            if full - now > limit.interval * limit.burst.cast_signed() {
                return Err(throttled());
            }
            taken.push((bucket, full));
        }
        self.full.extend(taken);
        Ok(())
    }
}

impl World {
    /// Switches AWS's request limits on or off, with full buckets. They are off at first.
    ///
    /// A request that is throttled takes no token and changes nothing, and so does one that a
    /// fault keeps from the service.
    pub fn limit_requests(&mut self, on: bool) {
        self.limits.on = on;
        self.limits.full.clear();
    }
}

/// As RDS and Route 53 refuse a request over a limit.
pub(crate) fn throttled() -> ApiError {
    ApiError::bad("Throttling", "Rate exceeded")
}
