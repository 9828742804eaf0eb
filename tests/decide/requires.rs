//! A row that changes something requires by itself what it needs, whatever row stands before it.

use rds_route53_failover::decide::explain::{Applies, considered};
use rds_route53_failover::decide::{Code, Effect, Order, rules};
use rds_route53_failover::memory::By;
use rds_route53_failover::model::{CheckState, Evidence, Sample};
use rds_route53_failover::status::Status;

use crate::scene::{
    FAILBACK, FAILOVER, PROMOTION, REPLICA, Scene, VERSION, ago, announced, now, request, source,
};
use crate::{ALONE, FENCE, PROMOTE, ZONE};

/// What a row requires, in words, and what takes it away.
type Requirement = (&'static str, fn(&mut Scene));

struct Required {
    code: Code,
    /// Here it applies.
    scene: Scene,
    /// Without any one of these it does not.
    needs: Vec<Requirement>,
    /// The order that carries it out without those.
    forced: Option<Order>,
    /// What not even that order carries out.
    always: Vec<Requirement>,
}

fn status(scene: &mut Scene, status: &str) {
    scene.primary().status = Status::parse(status);
}

const UNHEALTHY: Requirement = ("the primary is unhealthy", |s| status(s, "available"));
const HEALTHY: Requirement = ("the primary is healthy", |s| status(s, "failed"));
const CONFIRMED: Requirement = ("it was seen three times", |s| s.observations = 2);
const ANSWERS: Requirement = ("the secondary answers", |s| s.seen.secondary.as_mut().unwrap().answered = 0);
const FOLLOWS: Requirement = ("the replica follows", |s| s.replica().source = Some(source("billing")));
const OLD: Requirement = ("the primary is the one from before", |s| s.primary().created = Some(ago(1)));
const LEADS: Requirement = ("the record leads to the primary", |s| s.seen.record = Evidence::Read(None));
const READY: Requirement = ("the replica is available", |s| s.replica().status = Status::parse("backing-up"));
const LAG: Requirement = ("the lag is known", |s| s.seen.lag = Evidence::Read(Vec::new()));
const CLOSE: Requirement = ("the lag is within the limit", |s| {
    s.seen.lag = Evidence::Read(vec![Sample { at: ago(4), seconds: 61.0 }]);
});
const OURS: Requirement =
    ("this function moved traffic", |s| s.memory().routed.as_mut().unwrap().by = By::Operator);
const FORCED: Requirement = ("traffic is on the secondary", |s| s.check().state = CheckState::Normal);
const NORMAL: Requirement = ("traffic is on the primary", |s| s.check().state = CheckState::ForcedUnhealthy);
const TICK: Requirement = ("a tick asks", |s| s.order = FAILBACK);
const REQUESTED: Requirement = ("a person asks for it", |s| s.order = Order::Tick);

fn table() -> Vec<Required> {
    let failing_back = || Scene::moved(By::Auto, "available").set(&[ZONE]);
    vec![
        Required {
            code: Code::FailoverOrdered,
            scene: Scene::with("failed").secondary(1).order(FAILOVER),
            needs: vec![UNHEALTHY, CONFIRMED, FOLLOWS, ANSWERS],
            forced: Some(Order::Failover { force: true, promote: false, allow_data_loss: false }),
            always: vec![NORMAL, REQUESTED],
        },
        Required {
            code: Code::PrimaryUnhealthy,
            scene: Scene::with("failed").secondary(1),
            needs: vec![UNHEALTHY, CONFIRMED, FOLLOWS, ANSWERS, NORMAL, TICK],
            forced: None,
            always: vec![],
        },
        Required {
            code: Code::FencePrimary,
            scene: Scene::moved(By::Auto, "available").set(&[PROMOTE, FENCE]).split(),
            needs: vec![
                ("FENCE_PRIMARY=stop", |s| s.pair.policy.fence = false),
                ("the old primary is available", |s| status(s, "stopped")),
                ("the promotion is complete", |s| s.replica().source = Some(source("orders-primary"))),
                ("no stop is under way", |s| {
                    s.memory().fenced = Some(request("orders-primary", ago(1)));
                }),
                ("no failback is announced", |s| {
                    s.memory().returned = Some(announced(VERSION + 1, now()));
                }),
                FORCED,
                ("no failback is asked for", |s| s.order = FAILBACK),
            ],
            forced: None,
            always: vec![],
        },
        Required {
            code: Code::PromotionOrdered,
            scene: Scene::promoting("failed").order(PROMOTION),
            needs: vec![LAG, CLOSE],
            forced: Some(Order::Failover { force: false, promote: true, allow_data_loss: true }),
            always: vec![
                UNHEALTHY,
                READY,
                FOLLOWS,
                ("a replica is configured", |s| *s = s.clone().set(&[ALONE])),
                FORCED,
                ("a person asks for it", |s| s.order = FAILOVER),
            ],
        },
        Required {
            code: Code::ReplicaFitToPromote,
            scene: Scene::promoting("failed"),
            needs: vec![
                ("PROMOTE_REPLICA is true", |s| s.pair.policy.promote = false),
                ("PROMOTE_ON names what is wrong", |s| status(s, "stopped")),
                UNHEALTHY,
                READY,
                FOLLOWS,
                LAG,
                CLOSE,
                OURS,
                FORCED,
                TICK,
            ],
            forced: None,
            always: vec![],
        },
        Required {
            code: Code::FailbackOrdered,
            scene: failing_back().order(FAILBACK),
            needs: vec![HEALTHY, CONFIRMED, FOLLOWS, OLD, LEADS],
            forced: Some(Order::Failback { force: true }),
            always: vec![FORCED, REQUESTED],
        },
        Required {
            code: Code::PrimaryRecovered,
            scene: failing_back(),
            needs: vec![
                HEALTHY,
                CONFIRMED,
                FOLLOWS,
                OLD,
                LEADS,
                ("FAILBACK=auto", |s| *s = s.clone().set(&[ZONE, ("FAILBACK", "manual")])),
                ("nothing was promoted", |s| {
                    s.memory().promoted = Some(request(REPLICA, now()));
                }),
                OURS,
                FORCED,
                TICK,
            ],
            forced: None,
            always: vec![],
        },
    ]
}

fn applies(scene: &Scene, code: Code) -> bool {
    let rows = considered(&scene.case());
    rows.iter().any(|row| row.code == code && row.applies == Applies::Yes)
}

#[test]
fn a_row_that_changes_something_applies_only_where_all_that_it_needs_is_there() {
    for Required { code, scene, needs, forced, always } in table() {
        assert!(applies(&scene, code), "{code}");
        for (what, take_away) in &needs {
            let without = scene.clone().but(take_away);
            assert!(!applies(&without, code), "{code} without: {what}");
            if let Some(order) = forced {
                assert!(applies(&without.order(order), code), "{code} as {order:?} without: {what}");
            }
        }
        let forced = scene.clone().order(forced.unwrap_or(scene.order));
        assert!(applies(&forced, code), "{code} as {:?}", forced.order);
        for (what, take_away) in always {
            assert!(!applies(&forced.clone().but(take_away), code), "{code}, even forced, without: {what}");
        }
    }
}

#[test]
fn no_row_that_changes_something_is_left_out() {
    let listed: Vec<_> = table().iter().map(|row| row.code).collect();
    let changing = rules().filter(|rule| matches!(rule.effect, Effect::Change(_)));
    assert_eq!(listed, changing.map(|rule| rule.code).collect::<Vec<_>>(), "in the order of the rules");
}
