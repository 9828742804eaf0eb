//! The classes of evidence, of policies and of orders.

use rds_route53_failover::decide::Order;
use rds_route53_failover::memory::{By, Memory, Move, Pause, Sent};
use rds_route53_failover::model::{
    Cause, CheckState, Evidence, InstanceRef, NotUpdatable, Probes, Reading, Replication,
};
use rds_route53_failover::policy::{Endpoint, Failback, OnUnreachable, Primary};

use crate::scene::{
    PRIMARY, REPLICA, Scene, VERSION, ago, announced, failure, instance, moved, now, pair, replica, request,
    source,
};

/// A class of evidence: its name, and how a scene comes to show it.
pub(crate) type Class = (&'static str, fn(&mut Scene));

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
pub(crate) const PRIMARIES: &[Class] = &[
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

pub(crate) const REPLICAS: &[Class] = &[
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

pub(crate) const CHECKS: &[Class] = &[
    ("unreachable", |s| s.seen.check = Reading::Unknown(failure(Cause::Unreachable))),
    ("denied", |s| s.seen.check = Reading::Unknown(failure(Cause::Denied))),
    ("missing", |s| s.seen.check = Reading::Missing),
    ("not updatable", |s| s.check().not_updatable = Some(NotUpdatable::RecoveryControl)),
    ("foreign", |s| s.check().state = CheckState::Foreign),
    ("normal", |s| s.check().state = CheckState::Normal),
    ("forced", |s| s.check().state = CheckState::ForcedUnhealthy),
];

fn secondary(scene: &mut Scene, answered: usize) {
    scene.pair.secondary_endpoints = vec![Endpoint::Tcp("c:1".to_owned())];
    scene.seen.secondary = Some(Probes { answered, asked: 1 });
}

pub(crate) const SECONDARIES: &[Class] =
    &[("not probed", |_| {}), ("answers", |s| secondary(s, 1)), ("silent", |s| secondary(s, 0))];

pub(crate) const POLICIES: &[Class] = &[
    ("no promotion", |_| {}),
    ("no promotion, FAILBACK=manual", |s| s.pair.policy.failback = Failback::Manual),
    ("promotion", |s| s.pair.policy.promote = true),
    ("promotion and fence", |s| {
        s.pair.policy.promote = true;
        s.pair.policy.fence = true;
    }),
];

pub(crate) fn orders() -> Vec<Order> {
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
pub(crate) fn memories(state: Option<CheckState>, fenced: bool) -> Vec<Evidence<Memory>> {
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
        vec![None, Some(announced(VERSION + 1, now()))]
    } else {
        let cooling = moved(VERSION, ago(9));
        vec![
            None,
            Some(moved(VERSION, ago(10))),
            Some(Move { until: Some(ago(1)), ..cooling.clone() }),
            Some(cooling),
        ]
    };
    let other_version = |sent: Sent| Sent { version: VERSION - 2, ..sent };
    let promoted = [
        None,
        Some(request(REPLICA, ago(1))),
        Some(request(REPLICA, ago(60))),
        Some(other_version(request(REPLICA, ago(1)))),
        Some(request("billing", ago(60))),
    ];
    let mut fences = vec![None];
    if fenced && forced {
        fences.extend([Some(request(PRIMARY, ago(1))), Some(request(PRIMARY, ago(60)))]);
    }
    let pause = |until| Some(Pause { until, reason: String::new() });
    let mut pauses = vec![None, pause(None)];
    if !forced {
        pauses.push(pause(Some(now())));
    }
    let mut all = Vec::new();
    for routed in &routed {
        for returned in &returned {
            for promoted in &promoted {
                for fenced in &fences {
                    for pause in &pauses {
                        all.push(Evidence::Read(Memory {
                            routed: routed.clone(),
                            returned: returned.clone(),
                            promoted: promoted.clone(),
                            fenced: fenced.clone(),
                            pause: pause.clone(),
                        }));
                    }
                }
            }
        }
    }
    all
}
