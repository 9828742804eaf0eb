//! Two invocations at once, a person in between, a crash anywhere: whatever the order, one effect and no lie.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::time::Duration;

use common::*;
use emulator::{Fault, On};
use proof::rig::{CHECK, PRIMARY, REPLICA, Rig};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToPrimary, RouteToSecondary};
use serde_json::json;

const MS: Duration = Duration::from_millis(1);

/// Makes every call take as long as a real one, so that invocations interleave.
fn slow(rig: &Rig, operation: &'static str, delay: Duration) {
    rig.emulator.world().faults.standing(operation, Fault::Slow(delay));
}

fn realistic(rig: &Rig) {
    for operation in ["DescribeDBInstances", "GetHealthCheck", "ListTagsForResource", "ChangeTagsForResource"]
    {
        slow(rig, operation, 30 * MS);
    }
    slow(rig, "UpdateHealthCheck", 30 * MS);
    slow(rig, "PromoteReadReplica", 30 * MS);
}

#[tokio::test(start_paused = true)]
async fn two_overlapping_invocations_move_traffic_once_and_the_move_stays_ours() {
    // The second starts so many milliseconds after the first: every interleaving of their calls.
    for late in (0..260).step_by(13) {
        let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "1")]);
        realistic(&rig);
        let (first, second) = tokio::join!(rig.tick(), async {
            rig.wait(Duration::from_micros(late * 1000 + 1)).await;
            rig.tick().await
        });
        let moves = [&first, &second]
            .iter()
            .filter(|result| result.as_ref().is_ok_and(|report| report.actions == [RouteToSecondary]))
            .count();
        assert_eq!(moves, 1, "{late} ms later: {first:?} {second:?}");
        assert_eq!(flags(&rig), (true, true, 2), "{late} ms later");
        assert!(
            tag(&rig, "routed").is_some_and(|tag| tag.starts_with("version=2 by=auto")),
            "{late} ms later: {:?}",
            tag(&rig, "routed")
        );
        // The next tick confirms what the slower announcement left open, knows the move as its own, and takes it back.
        rig.emulator.world().faults.clear();
        assert_eq!(rig.tick().await.unwrap().reason, "promotion-off");
        assert!(!tag(&rig, "routed").unwrap().contains("until="));
        tick_stays(&rig, "promotion-off").await;
        set_status(&rig, PRIMARY, "available");
        tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_twin_never_wipes_out_the_memory_of_a_failover_that_was_made() {
    // The second invocation read the world before the first acted, and writes its tag long after.
    for late in [50, 200, 400, 1000] {
        let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "1")]);
        let second_reads_slowly = async {
            rig.wait(MS).await;
            slow(&rig, "ListTagsForResource", late * MS);
            let second = rig.tick();
            tokio::pin!(second);
            // Its first reads are under way; then the way is clear for the first invocation.
            tokio::select! { biased; _ = &mut second => panic!("too early"), () = rig.wait(2 * MS) => {} }
            rig.emulator.world().faults.clear();
            second.await
        };
        let (second, first) = tokio::join!(second_reads_slowly, async {
            rig.wait(10 * MS).await;
            rig.tick().await
        });
        assert_eq!(flags(&rig), (true, true, 2), "{first:?} {second:?}");
        assert_eq!(first.unwrap().actions, [RouteToSecondary]);
        assert!(
            tag(&rig, "routed").is_some_and(|tag| tag.starts_with("version=2 by=auto")),
            "{late}: {:?}",
            tag(&rig, "routed")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_overlapping_invocations_promote_once() {
    for late in (0..400).step_by(19) {
        let rig = failed_over("failed", &[PROMOTE]).await;
        realistic(&rig);
        let (first, second) = tokio::join!(rig.tick(), async {
            rig.wait(Duration::from_micros(late * 1000 + 1)).await;
            rig.tick().await
        });
        rig.emulator.world().faults.clear();
        let sent = [&first, &second]
            .iter()
            .filter(|result| result.as_ref().is_ok_and(|report| report.actions == [PromoteReplica]))
            .count();
        assert!(sent <= 1, "{late} ms later: {first:?} {second:?}");
        assert!(
            tag(&rig, "promoted").is_some(),
            "{late} ms later: the promotion is forgotten: {first:?} {second:?}"
        );
        // The primary is back at once: it is stale all the same.
        set_status(&rig, PRIMARY, "available");
        tick_stays(&rig, "promotion-in-progress").await;
        rig.wait(seconds(600)).await;
        tick_stays(&rig, "old-primary-available").await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_overlapping_invocations_fail_back_once() {
    for late in (0..200).step_by(13) {
        let rig = failed_over("storage-full", &[("FAILBACK_CONFIRMATIONS", "1")]).await;
        set_status(&rig, PRIMARY, "available");
        realistic(&rig);
        let (first, second) = tokio::join!(rig.tick(), async {
            rig.wait(Duration::from_micros(late * 1000 + 1)).await;
            rig.tick().await
        });
        assert_eq!(flags(&rig), (false, false, 3), "{first:?} {second:?}");
        assert!(
            tag(&rig, "returned").is_some_and(|tag| tag.starts_with("version=3 by=auto")),
            "{late}: the cooldown is forgotten"
        );
        rig.emulator.world().faults.clear();
        set_status(&rig, PRIMARY, "storage-full");
        assert_eq!(rig.tick().await.unwrap().reason, "cooldown", "{late} ms later");
        assert!(!tag(&rig, "returned").unwrap().contains("until="));
        tick_stays(&rig, "cooldown").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_changes_the_check_between_read_and_update_is_never_overwritten() {
    for set in [(true, false), (false, true)] {
        // At which of the calls of a failover after the first look.
        for at in ["ListTagsForResource", "ChangeTagsForResource", "UpdateHealthCheck"] {
            let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "1")]);
            rig.emulator.world().on_next(at, move |w| w.console_set_flags(CHECK, set.0, set.1));
            let report = rig.tick().await.unwrap();
            assert_eq!(
                (report.decision, report.reason),
                ("stay", "foreign-check"),
                "{at}: {}",
                report.message
            );
            assert_eq!(report.actions, []);
            assert_eq!(flags(&rig), (set.0, set.1, 2), "{at}");
            assert_eq!(report.health_check.by, None);
            let tag = tag(&rig, "routed").unwrap_or_default();
            assert!(tag.is_empty() || tag.contains(" until="), "{at}: nobody confirms it: {tag}");
            set_status(&rig, PRIMARY, "available");
            tick_stays(&rig, "foreign-check").await;
        }
    }
}

/// The price that is accepted: within the quarter of an hour of an announcement, the very setting that it announces
/// passes for the function's. Nothing is reported as done, and nothing is overwritten.
#[tokio::test(start_paused = true)]
async fn a_person_who_makes_the_announced_change_in_the_functions_place_is_not_overwritten() {
    for at in ["ListTagsForResource", "ChangeTagsForResource", "UpdateHealthCheck"] {
        let rig = Rig::new(world_with("storage-full"), &[("CONFIRMATIONS", "1")]);
        rig.emulator.world().on_next(at, |w| w.console_set_flags(CHECK, true, true));
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions, [], "{at}: {}", report.message);
        assert_eq!(flags(&rig), (true, true, 2), "{at}");
        assert_eq!(rig.tick().await.unwrap().actions, []);
    }
    // Before the last look of several observations it is a person's, plainly.
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().after(seconds(15), |w| w.console_set_flags(CHECK, true, true));
    let report = rig.tick().await.unwrap();
    assert_eq!((report.decision, report.reason), ("stay", "forced-elsewhere"), "{}", report.message);
    assert_eq!(tag(&rig, "routed"), None);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_moved_for_another_reason_is_read_again_and_the_failover_made() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    rig.emulator.world().on_next("UpdateHealthCheck", |w| w.console_set_flags(CHECK, false, false));
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    let (disabled, inverted, version) = flags(&rig);
    assert!(disabled && inverted);
    assert!(tag(&rig, "routed").unwrap().starts_with(&format!("version={version} by=auto")));
}

/// Somebody touches the check each time that the function is about to.
fn touch_before_each_update(w: &mut emulator::World) {
    w.on_next("UpdateHealthCheck", |w| {
        w.console_set_flags(CHECK, false, false);
        touch_before_each_update(w);
    });
}

#[tokio::test(start_paused = true)]
async fn a_check_that_keeps_changing_ends_in_a_typed_error_and_nothing_is_overwritten() {
    let rig = Rig::new(world_with("storage-full"), &[]);
    touch_before_each_update(&mut rig.emulator.world());
    let failure = rig.tick().await.unwrap_err();
    assert_eq!(failure.kind.name(), "VersionConflict");
    assert_eq!(state(&rig), NORMAL);
    assert!(tag(&rig, "routed").unwrap().contains(" until="), "a dead announcement at most");
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_that_the_check_does_not_show_is_tried_again_and_then_told() {
    let mismatch =
        Fault::Error { status: 409, code: "HealthCheckVersionMismatch".into(), message: "stale".into() };
    for (times, moves) in [(2, true), (3, false)] {
        let rig = Rig::new(world_with("storage-full"), &[]);
        rig.emulator.world().faults.times(times, "UpdateHealthCheck", mismatch.clone());
        let result = rig.tick().await;
        assert_eq!(result.is_ok(), moves, "{result:?}");
        assert_eq!(state(&rig), if moves { FORCED } else { NORMAL });
        tick_does_or_stays(&rig, moves).await;
    }
}

async fn tick_does_or_stays(rig: &Rig, moved: bool) {
    if moved {
        tick_stays(rig, "promotion-off").await;
    } else {
        tick_does(rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_any_two_calls_is_healed_by_the_next_ticks() {
    for after in [false, true] {
        for n in 1..40 {
            let rig = Rig::new(world_with("failed"), &[PROMOTE]);
            crash_at(&rig, n, after);
            let done = tick_until_crash(&rig).await;
            rig.emulator.world().no_crash();
            let finished = done.is_some();
            for _ in 0..14 {
                rig.wait(seconds(60)).await;
                rig.tick().await.unwrap();
            }
            assert_eq!(state(&rig), FORCED, "call {n}, after: {after}");
            assert!(
                rig.emulator.world().instance(REPLICA).unwrap().source.is_none(),
                "call {n}, after: {after}"
            );
            assert_eq!(
                count(&rig, "UpdateHealthCheck"),
                usize::from(!finished && count(&rig, "UpdateHealthCheck") == 2) + 1
            );
            set_status(&rig, PRIMARY, "available");
            assert_eq!(rig.tick().await.unwrap().reason, "old-primary-available");
            if finished {
                assert!(n > 12, "the walk over the calls ended at {n}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_any_two_calls_of_a_failback_is_healed_by_the_next_ticks() {
    for after in [false, true] {
        for n in 1..40 {
            let rig = failed_over("storage-full", &[]).await;
            set_status(&rig, PRIMARY, "available");
            crash_at(&rig, n, after);
            let done = tick_until_crash(&rig).await;
            rig.emulator.world().no_crash();
            for _ in 0..3 {
                rig.wait(seconds(60)).await;
                rig.tick().await.unwrap();
            }
            assert_eq!(state(&rig), NORMAL, "call {n}, after: {after}");
            assert!(tag(&rig, "returned").is_some());
            if done.is_some() {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_promotion_at_the_console_in_the_midst_of_a_recovery_keeps_traffic_where_it_is() {
    let rig = failed_over("storage-full", &[]).await;
    rig.emulator.world().console_promote(REPLICA).unwrap();
    // RDS shows it after a while, as `modifying` with the source still there.
    rig.wait(seconds(40)).await;
    set_status(&rig, PRIMARY, "available");
    assert_eq!(rig.emulator.world().instance(REPLICA).unwrap().status, "modifying");
    tick_stays(&rig, "replica-not-following").await;
    rig.wait(seconds(600)).await;
    tick_stays(&rig, "replica-promoted").await;
    assert_eq!(state(&rig), FORCED);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_recovers_just_before_the_promotion_is_not_abandoned() {
    let rig = failed_over("failed", &[PROMOTE]).await;
    // The decision is at hand; the last look sees the primary healthy again.
    rig.emulator.world().on_next("GetMetricStatistics", |w| w.set_status(PRIMARY, "available"));
    let report = rig.tick().await.unwrap();
    assert_ne!(report.decision, "promote");
    assert_eq!(count(&rig, "PromoteReadReplica"), 0);
    assert_eq!(tag(&rig, "promoted"), None);
}

#[tokio::test(start_paused = true)]
async fn traffic_taken_back_by_a_person_just_before_the_promotion_stops_it() {
    for at in ["ChangeTagsForResource", "GetMetricStatistics"] {
        let rig = failed_over("failed", &[PROMOTE]).await;
        rig.emulator.world().on_next(On::operation(at), |w| w.console_set_flags(CHECK, false, false));
        let report = rig.tick().await.unwrap();
        // Traffic is moved once more, as the primary is down and nobody paused the function; only then promoted.
        assert_ne!(report.reason, "forced-elsewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_tick_and_an_rds_event_in_the_same_instant_move_claim_and_promote_once() {
    for late in 0..6 {
        let rig = Rig::new(world_with("failed"), &[PROMOTE]);
        let event = emulator::RdsEvent::new(PRIMARY, "RDS-EVENT-0031").eventbridge(proof::rig::REGION);
        let (first, second) = tokio::join!(rig.tick(), async {
            rig.wait(late * MS).await;
            rig.invoke(event).await
        });
        assert_eq!(flags(&rig), (true, true, 2), "{first:?} {second:?}");
        let made: Vec<_> = [first, second].into_iter().flat_map(|r| r.unwrap().actions).collect();
        for change in [RouteToSecondary, PromoteReplica] {
            assert_eq!(made.iter().filter(|made| **made == change).count(), 1, "{late}: {made:?}");
        }
        assert_eq!(count(&rig, "PromoteReadReplica"), 1);
        rig.tick().await.unwrap();
        assert!(
            tag(&rig, "routed")
                .is_some_and(|tag| tag.starts_with("version=2 by=auto") && !tag.contains("until="))
        );
    }
}

/// The tick promotes nothing by itself: the person's promotion must not get lost with the race.
#[tokio::test(start_paused = true)]
async fn an_order_to_promote_that_coincides_with_a_tick_is_carried_out() {
    for late in (0..260).step_by(13) {
        let rig = Rig::new(world_with("failed"), &[("CONFIRMATIONS", "1")]);
        realistic(&rig);
        let (tick, order) = tokio::join!(rig.tick(), async {
            rig.wait(late * MS).await;
            rig.invoke(failover(json!({"promote": true}))).await
        });
        let order = order.unwrap();
        assert!(order.actions.contains(&PromoteReplica), "{late}: {} {tick:?}", order.message);
        assert_eq!(order.decision, "promote", "{late}");
        assert_eq!(count(&rig, "PromoteReadReplica"), 1, "{late}");
    }
}
