//! What the scenario tests share: the vocabulary of an outage. The rig itself panics at a broken promise.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use emulator::{HealthCheck, World};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::error::Failure;
use rds_route53_failover::model::Change;
use rds_route53_failover::report::Report;
use serde_json::{Value, json};

pub mod mail;
pub mod probes;

pub const PROMOTE: (&str, &str) = ("PROMOTE_REPLICA", "true");

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The standard world with a primary in this status.
pub fn world_with(status: &str) -> World {
    let mut w = world();
    w.set_status(PRIMARY, status);
    w
}

/// A rig whose traffic was moved by the function, with the primary in this status; promotion is off unless the
/// variables say otherwise.
pub async fn failed_over(status: &str, variables: &[(&str, &str)]) -> Rig {
    let rig = Rig::new(world_with(status), &[variables, &[("PROMOTE_REPLICA", "")]].concat());
    let report = rig.tick().await.expect("the failover of the fixture");
    assert_eq!(report.actions, [Change::RouteToSecondary], "{}", report.message);
    let rig = rig.redeployed(variables);
    rig.wait(seconds(30)).await;
    rig
}

/// A rig whose replica was promoted by the function and is on its own by now.
pub async fn promoted(variables: &[(&str, &str)]) -> Rig {
    let rig = Rig::new(world_with("failed"), &[&[PROMOTE], variables].concat());
    let report = rig.tick().await.expect("the promotion of the fixture");
    assert_eq!(report.actions, [Change::RouteToSecondary, Change::PromoteReplica], "{}", report.message);
    rig.wait(seconds(600)).await;
    assert!(rig.emulator.world().instance(REPLICA).unwrap().source.is_none());
    rig
}

pub fn check(rig: &Rig) -> HealthCheck {
    rig.emulator.world().health_check(CHECK).unwrap().clone()
}

pub fn tag(rig: &Rig, key: &str) -> Option<String> {
    check(rig).tags.get(&format!("failover:{key}")).cloned()
}

/// Disabled, inverted, version.
pub fn flags(rig: &Rig) -> (bool, bool, u64) {
    let check = check(rig);
    (check.disabled, check.inverted, check.version)
}

pub const NORMAL: (bool, bool) = (false, false);
pub const FORCED: (bool, bool) = (true, true);

pub fn state(rig: &Rig) -> (bool, bool) {
    let (disabled, inverted, _) = flags(rig);
    (disabled, inverted)
}

/// How many calls that can change something have arrived.
pub fn writes(rig: &Rig) -> usize {
    rig.emulator.world().writes().count()
}

pub fn count(rig: &Rig, operation: &str) -> usize {
    rig.emulator.world().count(operation)
}

/// How many calls of Route 53 have arrived.
pub fn route53_calls(rig: &Rig) -> usize {
    let world = rig.emulator.world();
    world.calls().iter().filter(|call| call.service == emulator::Service::Route53).count()
}

/// The value of a metric in the last line, if it has one.
pub fn last_metric(rig: &Rig, name: &str) -> Option<f64> {
    rig.metrics.lock().unwrap().last().and_then(|line| line.get(name)).and_then(Value::as_f64)
}

pub fn set_status(rig: &Rig, id: &str, status: &str) {
    rig.emulator.world().set_status(id, status);
}

/// The invocation stays for this reason and writes nothing at all.
#[track_caller]
pub fn stays(rig: &Rig, before: usize, result: Result<Report, Failure>, reason: &str) -> Report {
    let report = result.unwrap_or_else(|failure| panic!("{}: {failure}", failure.kind.name()));
    assert_eq!((report.decision, report.reason), ("stay", reason), "{}", report.message);
    assert!(report.actions.is_empty());
    let world = rig.emulator.world();
    assert_eq!(world.writes().count(), before, "{:?}", world.writes().collect::<Vec<_>>());
    drop(world);
    report
}

/// A tick that stays for this reason and writes nothing at all.
pub async fn tick_stays(rig: &Rig, reason: &str) -> Report {
    let before = writes(rig);
    let result = rig.tick().await;
    stays(rig, before, result, reason)
}

/// A tick that fails with this `errorType` and writes nothing at all.
pub async fn tick_fails(rig: &Rig, name: &str) -> Failure {
    let before = writes(rig);
    let failure = rig.tick().await.expect_err("the invocation should fail");
    assert_eq!(failure.kind.name(), name, "{failure}");
    assert!(failure.done.is_empty());
    assert_eq!(writes(rig), before);
    failure
}

/// A tick that changes exactly this.
pub async fn tick_does(rig: &Rig, decision: &str, reason: &str, actions: &[Change]) -> Report {
    let report = rig.tick().await.unwrap_or_else(|failure| panic!("{}: {failure}", failure.kind.name()));
    does(&report, decision, reason, actions);
    report
}

#[track_caller]
pub fn does(report: &Report, decision: &str, reason: &str, actions: &[Change]) {
    assert_eq!((report.decision, report.reason), (decision, reason), "{}", report.message);
    assert_eq!(report.actions, actions, "{}", report.message);
}

pub fn failover(options: Value) -> Value {
    order("failover", options)
}

pub fn failback(options: Value) -> Value {
    order("failback", options)
}

fn order(action: &str, options: Value) -> Value {
    let mut order = json!({"action": action, "reason": "planned work"});
    order.as_object_mut().unwrap().extend(options.as_object().cloned().unwrap_or_default());
    order
}

/// An order that is refused for this reason and writes nothing; what it says.
pub async fn refused(rig: &Rig, order: Value, reason: &str) -> String {
    let before = writes(rig);
    let result = rig.invoke(order).await;
    stays(rig, before, result, reason).message
}

/// An order that changes exactly this; what it says.
pub async fn obeyed(rig: &Rig, order: Value, reason: &str, actions: &[Change]) -> String {
    let report = rig.invoke(order).await.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((report.reason, report.actions.as_slice()), (reason, actions), "{}", report.message);
    report.message
}

/// Lets the function die before or after its call of this number.
pub fn crash_at(rig: &Rig, call: u64, after: bool) {
    let mut world = rig.emulator.world();
    if after { world.crash_after_call(call) } else { world.crash_before_call(call) }
}

/// One tick whose execution environment dies as its next call of this operation has been carried out.
pub async fn tick_dies_after(rig: &Rig, operation: &'static str) {
    let (carried_out, died) = tokio::sync::oneshot::channel::<()>();
    {
        let mut world = rig.emulator.world();
        world.faults.once(operation, emulator::Fault::AppliedThenHang);
        world.on_next(operation, |_| drop(carried_out));
    }
    tokio::select! {
        result = rig.tick() => panic!("{operation} was not called: {result:?}"),
        _ = died => {}
    }
}

/// One tick that may be ended by a scripted crash; `None` if it was.
pub async fn tick_until_crash(rig: &Rig) -> Option<Result<Report, Failure>> {
    let crashed = rig.emulator.crashed();
    tokio::select! {
        result = rig.tick() => Some(result),
        () = crashed => None,
    }
}
