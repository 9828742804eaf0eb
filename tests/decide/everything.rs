//! The rules over everything: each class of evidence with each other, all orders, all policies that matter.
//!
//! Evidence that is read on demand is branched on where it is asked for, as the function reads it; what is never
//! asked for in a case can't change it. Left out is what can't be together (a replica of a primary outside RDS, a fence
//! without promotion, a promotion without a replica, a claim to the version of a check that is not forced), and what the
//! state of the check makes idle: the ways back on a normal check, the secondary's answers on a forced one. `total.rs`
//! mixes those at random.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jiff::SignedDuration;
use rds_route53_failover::decide::{
    Case, Check, Code, Decision, Effect, Order, Rule, Section, Streak, UNREADABLE, decide,
};
use rds_route53_failover::diagnosis::Diagnosis;
use rds_route53_failover::memory::Memory;
use rds_route53_failover::model::{Cause, Change, Evidence, Need, Observation, PrimaryRecord, Sample};
use rds_route53_failover::policy::Pair;

use crate::classes::{CHECKS, Class, POLICIES, PRIMARIES, REPLICAS, SECONDARIES, memories, orders};
use crate::promises::{Decided, broken};
use crate::scene::{ENDPOINT, REPLICA, Scene, ago, failure, now, request};

/// What was found on the way.
#[derive(Default)]
struct Found {
    cases: u64,
    reached: BTreeSet<(Code, bool)>,
}

/// Everything that one scene and one order may come to.
struct Explorer<'a> {
    pair: &'a Pair,
    order: Order,
    streak: &'a Streak,
    diagnosis: &'a Diagnosis,
    memories: &'a mut [Evidence<Memory>],
    found: &'a mut Found,
}

impl Explorer<'_> {
    /// Decides, and branches on what is asked for.
    fn explore(&mut self, seen: &mut Observation) {
        let case = Case::new(seen, self.streak.clone(), self.order, self.pair, now());
        match decide(&case) {
            Decision::Apply(rule) => self.judge(rule, seen),
            Decision::Read(need) => self.branch(need, seen),
        }
    }

    fn judge(&mut self, rule: &'static Rule, seen: &Observation) {
        self.found.cases += 1;
        self.found.reached.insert(name(rule));
        let (pair, order, streak, diagnosis) = (self.pair, self.order, self.streak, self.diagnosis);
        let context = || format!("{} for {order:?}: {seen:#?}", rule.code);
        assert_ne!(rule.code, Code::NoRuleApplies, "{}", context());
        if let Some(promise) = broken(&Decided { rule, seen, pair, order, streak, diagnosis }) {
            panic!("{promise}: {}", context());
        }
    }

    fn branch(&mut self, need: Need, seen: &mut Observation) {
        let unreadable = || failure(Cause::Denied);
        match need {
            Need::Memory => {
                assert_eq!(seen.memory, Evidence::NotRead, "asked for twice");
                seen.memory = Evidence::Unreadable(unreadable());
                self.explore(seen);
                for index in 0..self.memories.len() {
                    std::mem::swap(&mut seen.memory, &mut self.memories[index]);
                    self.explore(seen);
                    std::mem::swap(&mut seen.memory, &mut self.memories[index]);
                }
                seen.memory = Evidence::NotRead;
            }
            Need::Switch => {
                assert!(!seen.switch_is_fresh, "asked for twice");
                seen.switch_is_fresh = true;
                self.explore(seen);
                seen.switch_is_fresh = false;
            }
            Need::Lag => {
                let sample = |seconds| Evidence::Read(vec![Sample { at: ago(6), seconds }]);
                assert_eq!(seen.lag, Evidence::NotRead, "asked for twice");
                for lag in [
                    Evidence::Unreadable(unreadable()),
                    Evidence::Read(Vec::new()),
                    sample(-1.0),
                    sample(0.5),
                    sample(61.0),
                ] {
                    seen.lag = lag;
                    self.explore(seen);
                }
                seen.lag = Evidence::NotRead;
            }
            Need::MultiAzFailover => {
                assert_eq!(seen.multi_az_failover, Evidence::NotRead, "asked for twice");
                for events in [
                    Evidence::Unreadable(unreadable()),
                    Evidence::Read(None),
                    Evidence::Read(Some(ago(1))),
                    Evidence::Read(Some(ago(3))),
                ] {
                    seen.multi_az_failover = events;
                    self.explore(seen);
                }
                seen.multi_az_failover = Evidence::NotRead;
            }
            Need::Record => {
                assert_eq!(seen.record, Evidence::NotRead, "asked for twice");
                let record =
                    |target: &str| Evidence::Read(Some(PrimaryRecord { targets: vec![target.to_owned()] }));
                for found in [
                    Evidence::Unreadable(unreadable()),
                    Evidence::Read(None),
                    record("old.example"),
                    record(ENDPOINT),
                ] {
                    seen.record = found;
                    self.explore(seen);
                }
                seen.record = Evidence::NotRead;
            }
            Need::Connections => {
                assert_eq!(seen.connections, Evidence::NotRead, "asked for twice");
                for open in
                    [Evidence::Unreadable(unreadable()), Evidence::Read(None), Evidence::Read(Some(3.0))]
                {
                    seen.connections = open;
                    self.explore(seen);
                }
                seen.connections = Evidence::NotRead;
            }
        }
    }
}

/// A row: some codes have one for a normal check and one for a forced one.
fn name(rule: &Rule) -> (Code, bool) {
    (rule.code, rule.check == Check::Normal)
}

/// The classes of one primary with everything else.
fn everything_with(primary: Class, found: &mut Found) {
    for replica in REPLICAS {
        for check in CHECKS {
            for secondary in SECONDARIES {
                for policy in POLICIES {
                    let mut scene = Scene::steady();
                    scene.pair.hosted_zone_id = Some("Z0ORDERS".to_owned());
                    scene.seen.lag = Evidence::NotRead;
                    for (_, show) in [&primary, replica, check, secondary, policy] {
                        show(&mut scene);
                    }
                    let outside = scene.seen.primary.is_none();
                    let impossible = (outside && scene.pair.replica.is_some())
                        || (scene.pair.policy.promote && scene.pair.replica.is_none())
                        || (check.0 == "normal" && policy.0.contains("FAILBACK"))
                        || (check.0 == "normal" && policy.0.contains("fence"))
                        || (check.0 == "forced" && secondary.0 != "silent");
                    if !impossible {
                        everything_of(scene, found);
                    }
                }
            }
        }
    }
}

fn everything_of(scene: Scene, found: &mut Found) {
    let state = scene.seen.check.known().map(|check| check.state);
    let mut memories = memories(state, scene.pair.policy.fence);
    let diagnosis = scene.diagnosis();
    // Once, and confirmed.
    for observations in [1, 3] {
        let scene = scene.clone().observed(observations);
        let streak = scene.streak();
        let mut seen = Observation {
            memory: Evidence::NotRead,
            multi_az_failover: Evidence::NotRead,
            record: Evidence::NotRead,
            connections: Evidence::NotRead,
            switch_is_fresh: false,
            ..scene.seen.clone()
        };
        for order in orders() {
            let pair = &scene.pair;
            let (streak, diagnosis, memories) = (&streak, &diagnosis, &mut memories[..]);
            Explorer { pair, order, streak, diagnosis, memories, found }.explore(&mut seen);
        }
    }
}

#[test]
fn whatever_is_seen_and_asked_one_row_decides_and_no_promise_is_broken() {
    let queue = Mutex::new(PRIMARIES.iter());
    let total = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut found = Found::default();
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(primary) = next else { break };
                    everything_with(*primary, &mut found);
                }
                let mut total = total.lock().unwrap();
                total.cases += found.cases;
                total.reached.extend(found.reached);
            });
        }
    });
    let Found { cases, reached } = total.into_inner().unwrap();
    println!("{cases} cases, {} rows", reached.len());
    let rows: BTreeSet<_> =
        Section::ALL.iter().flat_map(|section| section.rules()).chain(UNREADABLE).map(name).collect();
    assert_eq!(
        rows.difference(&reached).collect::<Vec<_>>(),
        Vec::<&(Code, bool)>::new(),
        "rows never reached"
    );
    let changes =
        [Change::RouteToSecondary, Change::PromoteReplica, Change::FencePrimary, Change::RouteToPrimary];
    for change in changes {
        assert!(
            Section::ALL.iter().flat_map(|it| it.rules()).any(|rule| rule.effect == Effect::Change(change))
        );
    }
    // Stated in docs/reasons.md. Fewer, and a class has lost its meaning.
    assert_eq!(cases, 2_892_096);
}

#[test]
fn five_minutes_are_the_age_at_which_a_request_is_void() {
    // The classes "recent" and "old" above stand on both sides of it.
    assert!(request(REPLICA, ago(1)).is_recent(now()) && !request(REPLICA, ago(60)).is_recent(now()));
    assert!(request(REPLICA, now() - SignedDuration::from_secs(299)).is_recent(now()));
}
