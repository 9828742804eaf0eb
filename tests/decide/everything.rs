//! The rules over everything: each class of evidence with each other, all orders, all policies that matter.
//!
//! Evidence that is read on demand is branched on where it is asked for, as the function reads it; what is never
//! asked for in a case can't change it. Only what can't be together is left out: a replica of a primary outside RDS, a
//! fence without promotion, a promotion without a replica, tags that claim the version of a check that is not forced.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jiff::SignedDuration;
use rds_route53_failover::decide::{
    Case, Code, Decision, Effect, Order, Rule, Section, Streak, UNREADABLE, decide,
};
use rds_route53_failover::diagnosis::Diagnosis;
use rds_route53_failover::memory::{By, Memory, Move, Pause, Sent};
use rds_route53_failover::model::{
    Cause, Change, CheckState, Evidence, InstanceRef, Need, Observation, PrimaryRecord, Probes, Reading,
    Replication, Sample,
};
use rds_route53_failover::policy::{Endpoint, Failback, OnUnreachable, Pair, Primary};

use crate::promises::{Decided, broken};
use crate::scene::{
    ENDPOINT, PRIMARY, REPLICA, Scene, VERSION, ago, announced, failure, instance, moved, now, pair, replica,
    request, source,
};

/// A class of evidence: its name, and how a scene comes to show it.
type Class = (&'static str, fn(&mut Scene));

fn probe(scene: &mut Scene, answered: usize) {
    scene.seen.probes = Some(Probes { answered, asked: 2 });
    scene.pair.endpoints = vec![Endpoint::Tcp("a:1".to_owned()), Endpoint::Tcp("b:1".to_owned())];
    scene.pair.policy.quorum = 2;
}

fn primary(scene: &mut Scene, status: &str) {
    scene.seen.primary = Some(Reading::Known(instance(status)));
}

fn unknown(scene: &mut Scene, cause: Cause) {
    scene.seen.primary = Some(Reading::Unknown(failure(cause)));
    scene.pair.policy.on_unreachable = OnUnreachable::FailOver;
}

fn promote_on_everything(scene: &mut Scene) {
    let wide = "failed,missing,unreachable,unresponsive";
    scene.pair.policy.promote_on = pair(&[("PROMOTE_ON", wide)]).policy.promote_on;
}

fn outside_rds(scene: &mut Scene) {
    scene.seen.primary = None;
    scene.pair.primary = Primary::Probed { name: "orders".to_owned() };
}

/// The primary, and what is wrong with it.
const PRIMARIES: &[Class] = &[
    ("available", |s| primary(s, "available")),
    ("available and serving", |s| {
        primary(s, "available");
        probe(s, 2);
    }),
    ("created anew", |s| {
        primary(s, "available");
        s.primary().created = Some(now());
    }),
    ("unresponsive", |s| {
        primary(s, "available");
        probe(s, 0);
    }),
    ("unresponsive, in PROMOTE_ON", |s| {
        primary(s, "available");
        probe(s, 0);
        promote_on_everything(s);
    }),
    ("unresponsive in two zones", |s| {
        primary(s, "available");
        probe(s, 1);
        s.primary().multi_az = true;
    }),
    ("rebooting", |s| primary(s, "rebooting")),
    ("failed, in PROMOTE_ON", |s| primary(s, "failed")),
    ("failed but serving", |s| {
        primary(s, "failed");
        probe(s, 2);
    }),
    ("stopped, not in PROMOTE_ON", |s| primary(s, "stopped")),
    ("deleted", |s| {
        s.seen.primary = Some(Reading::Missing);
        s.seen.deletion = Evidence::Read(Some(ago(3)));
    }),
    ("deleted, in PROMOTE_ON", |s| {
        s.seen.primary = Some(Reading::Missing);
        s.seen.deletion = Evidence::Read(Some(ago(3)));
        promote_on_everything(s);
    }),
    ("not found", |s| {
        s.seen.primary = Some(Reading::Missing);
        s.seen.deletion = Evidence::Read(None);
    }),
    ("unknown", |s| s.seen.primary = Some(Reading::Unknown(failure(Cause::Unreachable)))),
    ("unreachable", |s| {
        unknown(s, Cause::Unreachable);
        probe(s, 0);
    }),
    ("unreachable, in PROMOTE_ON", |s| {
        unknown(s, Cause::Unreachable);
        probe(s, 0);
        promote_on_everything(s);
    }),
    ("denied, and the probes fail", |s| {
        unknown(s, Cause::Denied);
        probe(s, 0);
    }),
    ("outside RDS, serving", |s| {
        outside_rds(s);
        probe(s, 2);
    }),
    ("outside RDS, silent", |s| {
        outside_rds(s);
        probe(s, 0);
    }),
    ("outside RDS, not asked", outside_rds),
];

fn replicates(scene: &mut Scene, status: &str) {
    scene.seen.replica = Some(Reading::Known(replica(status)));
}

const REPLICAS: &[Class] = &[
    ("none", |s| {
        s.seen.replica = None;
        s.pair.replica = None;
    }),
    ("fit", |s| replicates(s, "available")),
    ("fit, in another region", |s| {
        replicates(s, "available");
        let region = Some("eu-west-1".to_owned());
        s.pair.replica = Some(InstanceRef { identifier: REPLICA.to_owned(), region });
    }),
    ("modifying, source still there", |s| replicates(s, "modifying")),
    ("backing up", |s| replicates(s, "backing-up")),
    ("failed", |s| replicates(s, "failed")),
    ("replication broken", |s| {
        replicates(s, "available");
        s.replica().replication = Replication::Broken("terminated".to_owned());
    }),
    ("on its own", |s| {
        replicates(s, "available");
        s.replica().source = None;
    }),
    ("on its own and modifying", |s| {
        replicates(s, "modifying");
        s.replica().source = None;
    }),
    ("of another primary", |s| {
        replicates(s, "available");
        s.replica().source = Some(source("billing"));
    }),
    ("missing", |s| s.seen.replica = Some(Reading::Missing)),
    ("unknown", |s| s.seen.replica = Some(Reading::Unknown(failure(Cause::Throttled)))),
];

const CHECKS: &[Class] = &[
    ("unreachable", |s| s.seen.check = Reading::Unknown(failure(Cause::Unreachable))),
    ("denied", |s| s.seen.check = Reading::Unknown(failure(Cause::Denied))),
    ("missing", |s| s.seen.check = Reading::Missing),
    ("not updatable", |s| s.check().not_updatable = Some("RECOVERY_CONTROL".to_owned())),
    ("foreign", |s| s.check().state = CheckState::Foreign),
    ("normal", |s| s.check().state = CheckState::Normal),
    ("forced", |s| s.check().state = CheckState::ForcedUnhealthy),
];

fn secondary(scene: &mut Scene, answered: usize) {
    scene.pair.secondary_endpoints = vec![Endpoint::Tcp("c:1".to_owned())];
    scene.seen.secondary = Some(Probes { answered, asked: 1 });
}

const SECONDARIES: &[Class] =
    &[("not probed", |_| {}), ("answers", |s| secondary(s, 1)), ("silent", |s| secondary(s, 0))];

const POLICIES: &[Class] = &[
    ("no promotion", |_| {}),
    ("no promotion, FAILBACK=manual", |s| s.pair.policy.failback = Failback::Manual),
    ("promotion", |s| s.pair.policy.promote = true),
    ("promotion and fence", |s| {
        s.pair.policy.promote = true;
        s.pair.policy.fence = true;
    }),
];

fn orders() -> Vec<Order> {
    let both = [false, true];
    let failbacks = both.map(|force| Order::Failback { force });
    let failovers = (0..8_u8).map(|bits| Order::Failover {
        force: bits & 1 > 0,
        promote: bits & 2 > 0,
        allow_data_loss: bits & 4 > 0,
    });
    [Order::Tick].into_iter().chain(failbacks).chain(failovers).collect()
}

/// All that the tags may say of a check in this state.
fn memories(state: Option<CheckState>, fenced: bool) -> Vec<Memory> {
    let forced = state == Some(CheckState::ForcedUnhealthy);
    let lapsed = Move { until: Some(ago(1)), ..announced(VERSION, ago(16)) };
    let routed: Vec<Option<Move>> = if forced {
        let auto = moved(VERSION, ago(4));
        let operator = Move { by: By::Operator, ..auto.clone() };
        vec![None, Some(lapsed), Some(auto), Some(operator)]
    } else {
        vec![None]
    };
    let returned: Vec<Option<Move>> = if forced {
        vec![None, Some(announced(VERSION + 1, ago(1)))]
    } else {
        let cooling = moved(VERSION, ago(9));
        vec![None, Some(moved(VERSION, ago(10))), Some(Move { until: Some(ago(1)), ..cooling.clone() }), Some(cooling)]
    };
    let other_version = |sent: Sent| Sent { version: VERSION - 2, ..sent };
    let promoted = [
        None,
        Some(request(REPLICA, ago(1))),
        Some(request(REPLICA, ago(60))),
        Some(other_version(request(REPLICA, ago(1)))),
        Some(other_version(request(REPLICA, ago(60)))),
        Some(request("billing", ago(60))),
    ];
    let mut fences = vec![None];
    if fenced && forced {
        fences.extend([Some(request(PRIMARY, ago(1))), Some(request(PRIMARY, ago(60)))]);
    }
    let pauses = [None, Some(Pause { until: None, reason: String::new() }), Some(Pause { until: Some(now()), reason: String::new() })];
    let mut all = Vec::new();
    for routed in &routed {
        for returned in &returned {
            for promoted in &promoted {
                for fenced in &fences {
                    for pause in &pauses {
                        all.push(Memory {
                            routed: routed.clone(),
                            returned: returned.clone(),
                            promoted: promoted.clone(),
                            fenced: fenced.clone(),
                            pause: pause.clone(),
                        });
                    }
                }
            }
        }
    }
    all
}

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
    memories: &'a [Memory],
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
        let Self { pair, order, streak, diagnosis, .. } = *self;
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
                let memories = self.memories;
                for memory in memories {
                    seen.memory = Evidence::Read(memory.clone());
                    self.explore(seen);
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
                for lag in [Evidence::Unreadable(unreadable()), Evidence::Read(Vec::new()), sample(-1.0), sample(0.5), sample(61.0)] {
                    seen.lag = lag;
                    self.explore(seen);
                }
                seen.lag = Evidence::NotRead;
            }
            Need::MultiAzFailover => {
                assert_eq!(seen.multi_az_failover, Evidence::NotRead, "asked for twice");
                for events in [Evidence::Unreadable(unreadable()), Evidence::Read(None), Evidence::Read(Some(ago(1))), Evidence::Read(Some(ago(3)))] {
                    seen.multi_az_failover = events;
                    self.explore(seen);
                }
                seen.multi_az_failover = Evidence::NotRead;
            }
            Need::Record => {
                assert_eq!(seen.record, Evidence::NotRead, "asked for twice");
                let record = |target: &str| Evidence::Read(Some(PrimaryRecord { targets: vec![target.to_owned()] }));
                for found in [Evidence::Unreadable(unreadable()), Evidence::Read(None), record("old.example"), record(ENDPOINT)] {
                    seen.record = found;
                    self.explore(seen);
                }
                seen.record = Evidence::NotRead;
            }
            Need::Connections => {
                assert_eq!(seen.connections, Evidence::NotRead, "asked for twice");
                for open in [Evidence::Unreadable(unreadable()), Evidence::Read(None), Evidence::Read(Some(3.0))] {
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
    let forced = Section::ALL[2..].iter().flat_map(|section| section.rules());
    (rule.code, forced.into_iter().any(|row| row.code == rule.code && row.check == rule.check))
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
                        // Where traffic is on the secondary already, its probes decide nothing.
                        || (check.0 == "forced" && secondary.0 == "silent");
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
    let memories = memories(state, scene.pair.policy.fence);
    let diagnosis = scene.diagnosis();
    for observations in 1..=3 {
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
            let (streak, diagnosis, memories) = (&streak, &diagnosis, &memories[..]);
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
    assert_eq!(rows.difference(&reached).collect::<Vec<_>>(), Vec::<&(Code, bool)>::new(), "rows never reached");
    let changes = [Change::RouteToSecondary, Change::PromoteReplica, Change::FencePrimary, Change::RouteToPrimary];
    for change in changes {
        assert!(Section::ALL.iter().flat_map(|it| it.rules()).any(|rule| rule.effect == Effect::Change(change)));
    }
    // Fewer, and a class has lost its meaning.
    assert!(cases > 3_000_000, "{cases} cases");
}

#[test]
fn five_minutes_are_the_age_at_which_a_request_is_void() {
    // The classes "recent" and "old" above stand on both sides of it.
    assert!(request(REPLICA, ago(1)).is_recent(now()) && !request(REPLICA, ago(60)).is_recent(now()));
    assert!(request(REPLICA, now() - SignedDuration::from_secs(299)).is_recent(now()));
}
