//! Whatever is observed, ordered and configured, there is one answer, and it keeps the promises.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rds_route53_failover::config::Policy;
use rds_route53_failover::decide::{Does, Order};
use rds_route53_failover::health::Diagnosis;
use rds_route53_failover::memory::{By, Memory, Move, Pause, Promotion};
use rds_route53_failover::model::{
    Cause, CheckState, Evidence, HealthCheck, Instance, Observation, PrimaryRecord, Probes, Reading, Sample,
    Source,
};
use rds_route53_failover::status::Health;

use crate::scene::{ENDPOINT, PRIMARY, REPLICA, Scene, VERSION, blind, instance, now, policy, source};

fn causes() -> impl Strategy<Value = Cause> {
    prop_oneof![Just(Cause::Unreachable), Just(Cause::Throttled), Just(Cause::Denied), Just(Cause::Other)]
}

fn readings<T: Clone + std::fmt::Debug + 'static>(
    known: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Reading<T>> {
    prop_oneof![
        8 => known.prop_map(Reading::Known),
        1 => Just(Reading::Missing),
        1 => causes().prop_map(|cause| Reading::Unknown(blind(cause))),
    ]
}

fn evidence<T: Clone + std::fmt::Debug + 'static>(
    read: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Evidence<T>> {
    prop_oneof![
        8 => read.prop_map(Evidence::Read),
        1 => causes().prop_map(|cause| Evidence::Unreadable(blind(cause))),
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
    (statuses, sources, any::<bool>(), any::<bool>()).prop_map(|(status, source, multi_az, endpoint)| {
        Instance { source, multi_az, endpoint: endpoint.then(|| ENDPOINT.to_owned()), ..instance(status) }
    })
}

fn checks() -> impl Strategy<Value = HealthCheck> {
    (any::<bool>(), any::<bool>(), prop::bool::weighted(0.05)).prop_map(|(disabled, inverted, fixed)| {
        HealthCheck {
            state: CheckState::of(disabled, inverted),
            version: VERSION,
            not_updatable: fixed.then(|| "RECOVERY_CONTROL".to_owned()),
            children: Vec::new(),
        }
    })
}

fn moves() -> impl Strategy<Value = Option<Move>> {
    prop::option::of((VERSION - 1..=VERSION + 1, any::<bool>(), times()).prop_map(|(version, auto, at)| {
        Move { version, by: if auto { By::Auto } else { By::Operator }, at, reason: "x".to_owned() }
    }))
}

fn memories() -> impl Strategy<Value = Memory> {
    let promotions =
        (VERSION - 1..=VERSION + 1, times(), prop_oneof![3 => Just(REPLICA), 1 => Just("billing")])
            .prop_map(|(version, at, instance)| Promotion { version, at, instance: instance.to_owned() });
    let pauses = prop::option::of(times()).prop_map(|until| Pause { until, reason: String::new() });
    (moves(), moves(), prop::option::weighted(0.3, promotions), prop::option::weighted(0.2, pauses))
        .prop_map(|(routed, returned, promoted, pause)| Memory { routed, returned, promoted, pause })
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

fn policies() -> impl Strategy<Value = Policy> {
    any::<(bool, bool, bool, bool, bool, bool)>().prop_map(|(alone, promote, wide, manual, probes, zone)| {
        let mut variables = Vec::new();
        if alone {
            variables.push(("FAILOVER_DB_INSTANCE_IDENTIFIER", ""));
        } else if promote {
            variables.push(("PROMOTE_REPLICA", "true"));
        }
        if wide {
            variables.push(("PROMOTE_ON", "failed,stopped,storage-full,missing,unreachable,unresponsive"));
        }
        if manual {
            variables.push(("FAILBACK", "manual"));
        }
        if probes {
            variables.push(("HEALTH_ENDPOINTS", "tcp://a:1,tcp://b:1"));
            variables.push(("ON_PRIMARY_UNREACHABLE", "failover"));
        }
        if zone {
            variables.push(("HOSTED_ZONE_ID", "Z0ORDERS"));
        }
        policy(&variables)
    })
}

fn observations() -> impl Strategy<Value = Observation> {
    let records = prop::option::of(prop::sample::select(vec![ENDPOINT, "old.example"]))
        .prop_map(|target| target.map(|target| PrimaryRecord { targets: vec![target.to_owned()] }));
    (
        readings(instances()),
        readings(instances()),
        readings(checks()),
        0..=2_usize,
        evidence(memories()),
        evidence(samples()),
        evidence(prop::option::of(times())),
        evidence(records),
    )
        .prop_map(|(primary, replica, check, answered, memory, lag, multi_az_failover, record)| {
            Observation {
                primary,
                replica: Some(replica),
                check,
                probes: Some(Probes { answered, asked: 2 }),
                memory,
                lag,
                multi_az_failover,
                record,
            }
        })
}

fn scenes() -> impl Strategy<Value = Scene> {
    (observations(), orders(), policies(), 1..5_u32).prop_map(|(mut seen, order, policy, observations)| {
        // What is not configured is not observed.
        if policy.replica.is_none() {
            seen.replica = None;
        }
        if policy.on_unreachable == rds_route53_failover::config::OnUnreachable::Hold {
            seen.probes = None;
        }
        Scene { seen, order, observations, policy }
    })
}

fn changes(does: Does) -> bool {
    match does {
        Does::FailOver | Does::Promote | Does::FailBack => true,
        Does::Stay | Does::StayAndTell | Does::Fail | Does::ObserveAgain | Does::ObserveAtOnce => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_case_has_one_answer_and_keeps_the_promises(scene in scenes()) {
        let (rule, read) = scene.decide();
        prop_assert!(read.len() <= 4);
        prop_assert_eq!(scene.code(), rule.code, "the same question has the same answer");
        if !changes(rule.does) {
            return Ok(());
        }
        let seen = &scene.seen;
        let check = seen.check.known().expect("a change to a check that was not read");
        prop_assert_eq!(&check.not_updatable, &None);
        prop_assert!(check.state != CheckState::Foreign, "a person's setting");
        let memory = seen.memory.read().expect("a change without the tags");
        let health = Diagnosis::of(&seen.primary, seen.probes, &scene.policy).health();
        let tick = scene.order == Order::Tick;
        if tick {
            prop_assert!(!memory.pause.as_ref().is_some_and(|pause| pause.in_force(now())), "paused");
            prop_assert!(health == Health::Healthy || health == Health::Unhealthy);
            if check.state == CheckState::ForcedUnhealthy {
                prop_assert_eq!(memory.routed_by(VERSION), Some(By::Auto), "somebody else's");
            }
        }
        match rule.does {
            Does::FailOver => {
                prop_assert_eq!(check.state, CheckState::Normal);
                if tick {
                    prop_assert_eq!(health, Health::Unhealthy);
                    prop_assert!(scene.observations >= scene.policy.confirmations);
                }
            }
            Does::Promote => {
                prop_assert_eq!(check.state, CheckState::ForcedUnhealthy, "before traffic was moved");
                prop_assert!(scene.observations >= 2, "the primary is read once more");
                let replica = seen.replica.as_ref().and_then(Reading::known).expect("of nothing");
                prop_assert_eq!(&replica.source, &Some(source(PRIMARY)));
                prop_assert_eq!(replica.status.as_str(), "available");
                if tick {
                    prop_assert!(scene.policy.promote && health == Health::Unhealthy);
                    prop_assert!(seen.lag.read().is_some_and(|samples| !samples.is_empty()));
                } else {
                    let ordered = matches!(scene.order, Order::Failover { promote: true, .. });
                    prop_assert!(ordered, "{:?}", scene.order);
                }
            }
            Does::FailBack => {
                prop_assert_eq!(check.state, CheckState::ForcedUnhealthy);
                let ordered = matches!(scene.order, Order::Failback { .. });
                prop_assert!(tick || ordered);
                if tick {
                    prop_assert_eq!(health, Health::Healthy);
                    prop_assert!(scene.observations >= scene.policy.failback_confirmations);
                }
                if scene.order != (Order::Failback { force: true }) && let Some(replica) = &seen.replica {
                    let replica = replica.known().expect("a replica nobody knows");
                    prop_assert_eq!(&replica.source, &Some(source(PRIMARY)), "behind a promoted replica");
                }
            }
            Does::Stay | Does::StayAndTell | Does::Fail | Does::ObserveAgain | Does::ObserveAtOnce => {}
        }
    }

    #[test]
    fn a_blind_tick_changes_nothing(scene in scenes(), cause in causes()) {
        let blind_to_check = scene.clone().order(Order::Tick).but(|s| s.seen.check = Reading::Unknown(blind(cause)));
        prop_assert!(!changes(blind_to_check.decide().0.does));
        let hold = scene.order(Order::Tick).but(|s| {
            s.seen.primary = Reading::Unknown(blind(cause));
            s.seen.probes = None;
        });
        prop_assert!(!changes(hold.decide().0.does));
    }
}
