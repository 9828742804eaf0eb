//! Whatever is observed, ordered and configured, there is one answer, and it keeps the promises.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rds_route53_failover::decide::explain::{Applies, considered};
use rds_route53_failover::decide::{Code, Effect, Order};
use rds_route53_failover::memory::{ANNOUNCED_FOR, By, Memory, Move, Pause, Sent};
use rds_route53_failover::model::{
    Cause, CheckState, Evidence, HealthCheck, Instance, NotUpdatable, Observation, PrimaryRecord, Probes,
    Reading, Replication, Sample, Source,
};
use rds_route53_failover::policy::{OnUnreachable, Pair};

use crate::promises::{Decided, broken};
use crate::scene::{ENDPOINT, PRIMARY, REPLICA, Scene, VERSION, failure, instance, now, pair, source};

fn causes() -> impl Strategy<Value = Cause> {
    prop_oneof![Just(Cause::Unreachable), Just(Cause::Throttled), Just(Cause::Denied), Just(Cause::Other)]
}

fn readings<T: Clone + std::fmt::Debug + 'static>(
    known: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Reading<T>> {
    prop_oneof![
        8 => known.prop_map(Reading::Known),
        1 => Just(Reading::Missing),
        1 => causes().prop_map(|cause| Reading::Unknown(failure(cause))),
    ]
}

fn evidence<T: Clone + std::fmt::Debug + 'static>(
    read: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Evidence<T>> {
    prop_oneof![
        8 => read.prop_map(Evidence::Read),
        1 => causes().prop_map(|cause| Evidence::Unreadable(failure(cause))),
    ]
}

/// Mostly around now, sometimes at an end of time.
fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        9 => (-3600_i64..3600).prop_map(|seconds| now() + SignedDuration::from_secs(seconds)),
        1 => prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX)],
    ]
}

fn instances() -> impl Strategy<Value = Instance> {
    let statuses = prop::sample::select(vec![
        "available",
        "failed",
        "stopped",
        "rebooting",
        "modifying",
        "backing-up",
        "storage-full",
        "never-heard-of",
    ]);
    let sources = prop_oneof![
        2 => Just(None),
        4 => Just(Some(source(PRIMARY))),
        1 => Just(Some(source("billing"))),
        1 => Just(Some(Source::Other("cluster".to_owned()))),
    ];
    let replications = prop_oneof![
        8 => Just(Replication::Normal),
        1 => Just(Replication::Failing("error".to_owned())),
        1 => Just(Replication::Broken("terminated".to_owned())),
    ];
    let created = prop::option::weighted(0.3, times());
    (statuses, sources, any::<bool>(), any::<bool>(), replications, created).prop_map(
        |(status, source, multi_az, endpoint, replication, created)| Instance {
            source,
            multi_az,
            endpoint: endpoint.then(|| ENDPOINT.to_owned()),
            replication,
            created,
            ..instance(status)
        },
    )
}

fn checks() -> impl Strategy<Value = HealthCheck> {
    (any::<bool>(), any::<bool>(), prop::bool::weighted(0.05)).prop_map(|(disabled, inverted, fixed)| {
        HealthCheck {
            state: CheckState::of(disabled, inverted),
            version: VERSION,
            calculated: false,
            not_updatable: fixed.then_some(NotUpdatable::RecoveryControl),
            children: Vec::new(),
        }
    })
}

fn moves() -> impl Strategy<Value = Option<Move>> {
    let moves = (VERSION - 1..=VERSION + 1, any::<bool>(), times(), any::<bool>());
    prop::option::of(moves.prop_map(|(version, auto, at, confirmed)| Move {
        version,
        by: if auto { By::Auto } else { By::Operator },
        at,
        id: None,
        until: (!confirmed).then(|| at.checked_add(ANNOUNCED_FOR).unwrap_or(at)),
        reason: "x".to_owned(),
    }))
}

fn memories() -> impl Strategy<Value = Memory> {
    let sent = |instance| {
        (VERSION - 1..=VERSION + 1, times(), prop_oneof![3 => Just(instance), 1 => Just("billing")])
            .prop_map(|(version, at, instance)| Sent { version, at, instance: instance.to_owned() })
    };
    let (promotions, fences) = (sent(REPLICA), sent(PRIMARY));
    let pauses = prop::option::of(times()).prop_map(|until| Pause { until, reason: String::new() });
    let (promotions, fences) = (prop::option::weighted(0.3, promotions), prop::option::weighted(0.3, fences));
    (moves(), moves(), promotions, fences, prop::option::weighted(0.2, pauses)).prop_map(
        |(routed, returned, promoted, fenced, pause)| Memory { routed, returned, promoted, fenced, pause },
    )
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let seconds = prop_oneof![4 => 0.0..120.0, 1 => Just(-1.0), 1 => Just(f64::NAN)];
    prop::collection::vec((times(), seconds).prop_map(|(at, seconds)| Sample { at, seconds }), 0..5).prop_map(
        |mut samples| {
            samples.sort_by_key(|sample| sample.at);
            samples
        },
    )
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![
        3 => Just(Order::Tick),
        2 => any::<(bool, bool, bool)>().prop_map(|(force, promote, allow_data_loss)| Order::Failover {
            force,
            promote,
            allow_data_loss,
        }),
        1 => any::<bool>().prop_map(|force| Order::Failback { force }),
    ]
}

fn pairs() -> impl Strategy<Value = Pair> {
    any::<(bool, bool, bool, bool, bool, bool, bool, bool)>().prop_map(
        |(alone, promote, fence, wide, manual, probes, secondary, zone)| {
            let mut variables = Vec::new();
            if alone {
                variables.push(("FAILOVER_DB_INSTANCE_IDENTIFIER", ""));
            } else if promote {
                variables.push(("PROMOTE_REPLICA", "true"));
                if fence {
                    variables.push(("FENCE_PRIMARY", "stop"));
                }
            }
            if wide {
                variables
                    .push(("PROMOTE_ON", "failed,stopped,storage-full,missing,unreachable,unresponsive"));
            }
            if manual {
                variables.push(("FAILBACK", "manual"));
            }
            if probes {
                variables.push(("HEALTH_ENDPOINTS", "tcp://a:1,tcp://b:1"));
                variables.push(("ON_PRIMARY_UNREACHABLE", "failover"));
            }
            if secondary {
                variables.push(("SECONDARY_ENDPOINTS", "tcp://c:1"));
            }
            if zone {
                variables.push(("HOSTED_ZONE_ID", "Z0ORDERS"));
            }
            pair(&variables)
        },
    )
}

fn observations() -> impl Strategy<Value = Observation> {
    let records = prop::option::of(prop::sample::select(vec![ENDPOINT, "old.example"]))
        .prop_map(|target| target.map(|target| PrimaryRecord { targets: vec![target.to_owned()] }));
    (
        readings(instances()),
        readings(instances()),
        readings(checks()),
        (0..=2_usize, 0..=1_usize, any::<bool>(), prop::option::of(times())),
        evidence(memories()),
        evidence(samples()),
        evidence(prop::option::of(times())),
        evidence(records),
    )
        .prop_map(
            |(
                primary,
                replica,
                check,
                (answered, secondary, fresh, deleted),
                memory,
                lag,
                multi_az_failover,
                record,
            )| {
                Observation {
                    primary: Some(primary),
                    replica: Some(replica),
                    check,
                    probes: Some(Probes { answered, asked: 2 }),
                    secondary: Some(Probes { answered: secondary, asked: 1 }),
                    memory,
                    switch_is_fresh: fresh,
                    lag,
                    multi_az_failover,
                    deletion: Evidence::Read(deleted),
                    record,
                    connections: Evidence::Read(None),
                }
            },
        )
}

fn scenes() -> impl Strategy<Value = Scene> {
    (observations(), orders(), pairs(), 1..5_u32).prop_map(|(mut seen, order, pair, observations)| {
        // What is not configured is not observed.
        if pair.replica.is_none() {
            seen.replica = None;
        }
        if pair.policy.on_unreachable == OnUnreachable::Hold {
            seen.probes = None;
        }
        Scene { seen, order, observations, pair }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_case_has_one_answer_and_keeps_the_promises(scene in scenes()) {
        let (rule, read) = scene.decide();
        prop_assert!(read.len() <= 5);
        prop_assert_ne!(rule.code, Code::NoRuleApplies);
        prop_assert_eq!(scene.code(), rule.code.as_str(), "the same question has the same answer");
        // Without the switch the tags are not read.
        if scene.seen.check.known().is_some() {
            let listed = considered(&scene.case()).into_iter().find(|row| row.applies == Applies::Yes);
            prop_assert_eq!(listed.map(|row| row.code), Some(rule.code), "the first that `status` lists decides");
        }
        let seen = Observation { switch_is_fresh: true, ..scene.seen.clone() };
        let (pair, order) = (&scene.pair, scene.order);
        let (streak, diagnosis) = (&scene.streak(), &scene.diagnosis());
        prop_assert_eq!(broken(&Decided { rule, seen: &seen, pair, order, streak, diagnosis }), None);
    }

    #[test]
    fn a_blind_tick_changes_nothing(scene in scenes(), cause in causes()) {
        let changes = |scene: Scene| matches!(scene.decide().0.effect, Effect::Change(_));
        let tick = scene.order(Order::Tick);
        prop_assert!(!changes(tick.clone().but(|s| s.seen.check = Reading::Unknown(failure(cause)))));
        let to_primary = tick.but(|s| {
            s.seen.primary = Some(Reading::Unknown(failure(cause)));
            s.seen.probes = None;
        });
        prop_assert!(!changes(to_primary));
    }
}
