//! Cases for the rules: a whole observation with everything read, the order, the policy and the time.

use jiff::{SignedDuration, Timestamp};
use rds_route53_failover::config::{Config, Policy};
use rds_route53_failover::decide::{Case, Need, Next, Order, Rule, Streak, decide};
use rds_route53_failover::health::Diagnosis;
use rds_route53_failover::memory::{By, Memory, Move, Pause, Promotion};
use rds_route53_failover::model::{
    Blind, Cause, CheckState, Details, Evidence, HealthCheck, Instance, InstanceRef, Observation,
    PrimaryRecord, Probes, Reading, Sample, Source,
};
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

pub(crate) fn blind(cause: Cause) -> Blind {
    Blind { cause, detail: "why".to_owned() }
}

pub(crate) fn instance(status: &str) -> Instance {
    Instance {
        status: Status::parse(status),
        source: None,
        created: None,
        multi_az: false,
        endpoint: Some(ENDPOINT.to_owned()),
        details: Details::default(),
    }
}

pub(crate) fn source(id: &str) -> Source {
    Source::Instance(InstanceRef { identifier: id.to_owned(), region: Some("us-east-1".to_owned()) })
}

pub(crate) fn replica(status: &str) -> Instance {
    Instance { source: Some(source(PRIMARY)), endpoint: None, ..instance(status) }
}

pub(crate) fn policy(variables: &[(&str, &str)]) -> Policy {
    let standard = [
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("ROUTE53_HEALTH_CHECK_ID", "check"),
        ("AWS_REGION", "us-east-1"),
    ];
    let all = [&standard, variables].concat();
    let lookup = |name: &str| all.iter().rfind(|(it, _)| *it == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).unwrap().policy
}

/// What a decision may depend on. It starts as the steady state, and each method changes one thing.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) seen: Observation,
    pub(crate) order: Order,
    pub(crate) observations: u32,
    pub(crate) policy: Policy,
}

impl Scene {
    /// A healthy primary, its replica close behind, and a check that is normal.
    pub(crate) fn steady() -> Self {
        let seen = Observation {
            primary: Reading::Known(instance("available")),
            replica: Some(Reading::Known(replica("available"))),
            check: Reading::Known(HealthCheck {
                state: CheckState::Normal,
                version: VERSION,
                not_updatable: None,
                children: Vec::new(),
            }),
            probes: None,
            memory: Evidence::Read(Memory::default()),
            lag: Evidence::Read(vec![Sample { at: ago(3), seconds: 0.5 }]),
            multi_az_failover: Evidence::Read(None),
            record: Evidence::Read(Some(PrimaryRecord { targets: vec![ENDPOINT.to_owned()] })),
        };
        Self { seen, order: Order::Tick, observations: 3, policy: policy(&[]) }
    }

    /// The steady state but for the primary's status.
    pub(crate) fn with(status: &str) -> Self {
        let mut scene = Self::steady();
        scene.seen.primary = Reading::Known(instance(status));
        scene
    }

    /// Traffic was moved by these some minutes ago, and the primary has this status now.
    pub(crate) fn moved(by: By, status: &str) -> Self {
        let mut scene = Self::with(status);
        scene.check().state = CheckState::ForcedUnhealthy;
        scene.memory().routed =
            Some(Move { version: VERSION, by, at: ago(2), reason: "primary-unhealthy".to_owned() });
        scene
    }

    /// The same where promotion is on.
    pub(crate) fn promoting(status: &str) -> Self {
        Self::moved(By::Auto, status).set(&[("PROMOTE_REPLICA", "true")])
    }

    pub(crate) fn set(mut self, variables: &[(&str, &str)]) -> Self {
        self.policy = policy(variables);
        if self.policy.replica.is_none() {
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
            Reading::Known(primary) => primary,
            Reading::Missing | Reading::Unknown(_) => panic!("no primary"),
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

    pub(crate) fn paused(self) -> Self {
        self.but(|scene| scene.memory().pause = Some(Pause { until: None, reason: "resize".to_owned() }))
    }

    /// A promotion was sent in this incident, so many minutes ago.
    pub(crate) fn sent(self, minutes: i64) -> Self {
        let promotion = Promotion { version: VERSION, at: ago(minutes), instance: REPLICA.to_owned() };
        self.but(|scene| scene.memory().promoted = Some(promotion))
    }

    /// The case with everything read.
    pub(crate) fn case(&self) -> Case<'_> {
        let streak = self.streak(&Diagnosis::of(&self.seen.primary, self.seen.probes, &self.policy));
        Case::new(&self.seen, streak, self.order, &self.policy, now())
    }

    fn streak(&self, diagnosis: &Diagnosis) -> Streak {
        let first = Streak::new(diagnosis, now() - SignedDuration::from_secs(20));
        (1..self.observations).fold(first, |streak, _| streak.and(diagnosis, now()))
    }

    /// Decides as the function does: reads nothing on demand before it is asked for. The rule that applies, and
    /// what was read.
    pub(crate) fn decide(&self) -> (&'static Rule, Vec<Need>) {
        let mut seen = Observation {
            memory: Evidence::NotRead,
            lag: Evidence::NotRead,
            multi_az_failover: Evidence::NotRead,
            record: Evidence::NotRead,
            ..self.seen.clone()
        };
        let diagnosis = Diagnosis::of(&seen.primary, seen.probes, &self.policy);
        let streak = self.streak(&diagnosis);
        let mut read = Vec::new();
        loop {
            match decide(&Case::new(&seen, streak.clone(), self.order, &self.policy, now())) {
                Next::Apply(rule) => return (rule, read),
                Next::Read(need) => {
                    assert!(!read.contains(&need), "{need:?} is asked for twice");
                    read.push(need);
                    match need {
                        Need::Memory => seen.memory = self.seen.memory.clone(),
                        Need::Lag => seen.lag = self.seen.lag.clone(),
                        Need::MultiAzFailover => seen.multi_az_failover = self.seen.multi_az_failover.clone(),
                        Need::Record => seen.record = self.seen.record.clone(),
                    }
                }
            }
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        self.decide().0.code
    }
}
