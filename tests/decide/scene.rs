//! Cases for the rules: a whole observation with everything read, the order, the policy and the time.

use jiff::{SignedDuration, Timestamp};
use rds_route53_failover::config::Config;
use rds_route53_failover::decide::{Case, Decision, Order, Rule, Streak, decide};
use rds_route53_failover::diagnosis::Diagnosis;
use rds_route53_failover::memory::{ANNOUNCED_FOR, By, Memory, Move, Pause, Sent};
use rds_route53_failover::model::{
    Cause, CheckState, Evidence, HealthCheck, Instance, InstanceRef, Need, Observation, PrimaryRecord,
    Probes, ReadFailure, Reading, Sample, Source,
};
use rds_route53_failover::policy::{Endpoint, Pair};
use rds_route53_failover::status::Status;

pub(crate) const PRIMARY: &str = "orders-primary";
pub(crate) const REPLICA: &str = "orders-replica";
pub(crate) const ENDPOINT: &str = "orders-primary.example";
pub(crate) const VERSION: i64 = 7;

pub(crate) const FAILOVER: Order = Order::Failover { force: false, promote: false, allow_data_loss: false };
pub(crate) const PROMOTION: Order = Order::Failover { force: false, promote: true, allow_data_loss: false };
pub(crate) const FORCED_PROMOTION: Order =
    Order::Failover { force: true, promote: true, allow_data_loss: false };
pub(crate) const FAILBACK: Order = Order::Failback { force: false };

pub(crate) fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

pub(crate) fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

pub(crate) fn failure(cause: Cause) -> ReadFailure {
    ReadFailure { cause, detail: "why".to_owned() }
}

pub(crate) fn instance(status: &str) -> Instance {
    Instance { endpoint: Some(ENDPOINT.to_owned()), ..Instance::of(Status::parse(status)) }
}

pub(crate) fn source(id: &str) -> Source {
    Source::Instance(InstanceRef { identifier: id.to_owned(), region: Some("us-east-1".to_owned()) })
}

pub(crate) fn replica(status: &str) -> Instance {
    Instance { source: Some(source(PRIMARY)), endpoint: None, ..instance(status) }
}

/// The standard pair with these variables over it; the last of a name counts.
pub(crate) fn pair(variables: &[(&str, &str)]) -> Pair {
    let standard = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("ROUTE53_HEALTH_CHECK_ID", "check"),
        ("AWS_REGION", "us-east-1"),
    ];
    let all = [&standard, variables].concat();
    let lookup = |name: &str| all.iter().rfind(|(it, _)| *it == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).unwrap().pair
}

/// A confirmed move by the function's own rules.
pub(crate) fn moved(version: i64, at: Timestamp) -> Move {
    Move { version, by: By::Auto, at, id: None, until: None, reason: "primary-unhealthy".to_owned() }
}

/// The same, announced and not confirmed yet.
pub(crate) fn announced(version: i64, at: Timestamp) -> Move {
    Move { until: Some(at + ANNOUNCED_FOR), ..moved(version, at) }
}

/// A request to RDS about an instance, sent in this incident.
pub(crate) fn request(instance: &str, at: Timestamp) -> Sent {
    Sent { version: VERSION, at, instance: instance.to_owned() }
}

/// What a decision may depend on. It starts as the steady state, and each method changes one thing.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) seen: Observation,
    pub(crate) order: Order,
    pub(crate) observations: u32,
    pub(crate) pair: Pair,
}

impl Scene {
    /// A healthy primary, its replica close behind, and a check that is normal.
    pub(crate) fn steady() -> Self {
        let seen = Observation {
            primary: Some(Reading::Known(instance("available"))),
            replica: Some(Reading::Known(replica("available"))),
            check: Reading::Known(HealthCheck::of(CheckState::Normal, VERSION)),
            memory: Evidence::Read(Memory::default()),
            switch_is_fresh: true,
            lag: Evidence::Read(vec![Sample { at: ago(3), seconds: 0.5 }]),
            multi_az_failover: Evidence::Read(None),
            record: Evidence::Read(Some(PrimaryRecord { targets: vec![ENDPOINT.to_owned()] })),
            connections: Evidence::Read(Some(3.0)),
            ..Observation::unread()
        };
        Self { seen, order: Order::Tick, observations: 3, pair: pair(&[]) }
    }

    /// The steady state but for the primary's status.
    pub(crate) fn with(status: &str) -> Self {
        let mut scene = Self::steady();
        scene.seen.primary = Some(Reading::Known(instance(status)));
        scene
    }

    /// Traffic was moved by these some minutes ago, and the primary has this status now.
    pub(crate) fn moved(by: By, status: &str) -> Self {
        let mut scene = Self::with(status);
        scene.check().state = CheckState::ForcedUnhealthy;
        scene.memory().routed = Some(Move { by, ..moved(VERSION, ago(2)) });
        scene
    }

    /// The same where promotion is on.
    pub(crate) fn promoting(status: &str) -> Self {
        Self::moved(By::Auto, status).set(&[("PROMOTE_REPLICA", "true")])
    }

    pub(crate) fn set(mut self, variables: &[(&str, &str)]) -> Self {
        self.pair = pair(variables);
        if self.pair.replica.is_none() {
            self.seen.replica = None;
        }
        self
    }

    pub(crate) fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    pub(crate) fn observed(mut self, times: u32) -> Self {
        self.observations = times;
        self
    }

    pub(crate) fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn check(&mut self) -> &mut HealthCheck {
        match &mut self.seen.check {
            Reading::Known(check) => check,
            Reading::Missing | Reading::Unknown(_) => panic!("no check"),
        }
    }

    pub(crate) fn primary(&mut self) -> &mut Instance {
        match &mut self.seen.primary {
            Some(Reading::Known(primary)) => primary,
            Some(Reading::Missing | Reading::Unknown(_)) | None => panic!("no primary"),
        }
    }

    pub(crate) fn replica(&mut self) -> &mut Instance {
        match &mut self.seen.replica {
            Some(Reading::Known(replica)) => replica,
            Some(Reading::Missing | Reading::Unknown(_)) | None => panic!("no replica"),
        }
    }

    pub(crate) fn memory(&mut self) -> &mut Memory {
        match &mut self.seen.memory {
            Evidence::Read(memory) => memory,
            Evidence::NotRead | Evidence::Unreadable(_) => panic!("no memory"),
        }
    }

    /// Probes of which so many answer.
    pub(crate) fn probed(mut self, answered: usize) -> Self {
        self.seen.probes = Some(Probes { answered, asked: 2 });
        self
    }

    /// A probe of the secondary, which answers or not.
    pub(crate) fn secondary(mut self, answered: usize) -> Self {
        self.pair.secondary_endpoints = vec![Endpoint::Tcp("c:1".to_owned())];
        self.seen.secondary = Some(Probes { answered, asked: 1 });
        self
    }

    pub(crate) fn paused(self) -> Self {
        self.but(|scene| scene.memory().pause = Some(Pause { until: None, reason: "resize".to_owned() }))
    }

    /// A promotion was sent in this incident, so many minutes ago.
    pub(crate) fn sent(self, minutes: i64) -> Self {
        self.but(|scene| scene.memory().promoted = Some(request(REPLICA, ago(minutes))))
    }

    /// The promotion of this incident is complete and RDS calls the old primary `available`.
    pub(crate) fn split(self) -> Self {
        self.sent(60).but(|scene| scene.replica().source = None)
    }

    /// The case as it stands.
    pub(crate) fn case(&self) -> Case<'_> {
        self.case_of(&self.seen)
    }

    fn case_of<'a>(&'a self, seen: &'a Observation) -> Case<'a> {
        Case::new(seen, self.streak(), self.order, &self.pair, now())
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        Diagnosis::of(&self.seen, &self.pair)
    }

    pub(crate) fn streak(&self) -> Streak {
        let diagnosis = self.diagnosis();
        let first = Streak::new(&diagnosis, now() - SignedDuration::from_secs(20));
        (1..self.observations).fold(first, |streak, _| streak.and(&diagnosis, now()))
    }

    /// Decides as the function does: reads nothing on demand before it is asked for. The rule that applies, and
    /// what was read.
    pub(crate) fn decide(&self) -> (&'static Rule, Vec<Need>) {
        let mut seen = Observation {
            memory: Evidence::NotRead,
            lag: Evidence::NotRead,
            multi_az_failover: Evidence::NotRead,
            record: Evidence::NotRead,
            connections: Evidence::NotRead,
            ..self.seen.clone()
        };
        let mut read = Vec::new();
        loop {
            match decide(&self.case_of(&seen)) {
                Decision::Apply(rule) => return (rule, read),
                Decision::Read(need) => {
                    assert!(!read.contains(&need), "{need:?} is asked for twice");
                    read.push(need);
                    match need {
                        Need::Memory => seen.memory = self.seen.memory.clone(),
                        Need::Switch => {
                            seen.memory = self.seen.memory.clone();
                            seen.switch_is_fresh = true;
                        }
                        Need::Lag => seen.lag = self.seen.lag.clone(),
                        Need::MultiAzFailover => seen.multi_az_failover = self.seen.multi_az_failover.clone(),
                        Need::Record => seen.record = self.seen.record.clone(),
                        Need::Connections => seen.connections = self.seen.connections.clone(),
                    }
                }
            }
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        self.decide().0.code.as_str()
    }
}
