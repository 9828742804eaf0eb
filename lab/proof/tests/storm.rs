//! Many databases of one account fail in the same second, each with a function of its own, under Route 53's limit.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use emulator::{Change, Emulator, HealthCheck, Instance, Limit, World};
use jiff::SignedDuration;
use proof::rig::{REGION, Time, function, origin};
use rds_route53_failover::app::App;
use rds_route53_failover::clock::Clock;

/// How long each function waits for its first tick after the outage.
type Gap = fn(usize) -> Duration;

fn account(databases: usize) -> World {
    let mut world = World::new();
    world.advance(origin());
    for n in 0..databases {
        let primary = Instance::new(REGION, &format!("db{n}-primary"));
        let replica = Instance::replica_of(&primary, REGION, &format!("db{n}-replica"));
        world.add_health_check(HealthCheck::tcp(&format!("check-{n}"), &primary.address, 5432));
        let id = replica.id.clone();
        world.add(Instance { status: "failed".to_owned(), ..primary });
        world.add(replica);
        world.set_replica_lag(&id, Some(0.5));
    }
    world
}

/// Ticks each minute from `gap` on; a tick may outlast the minute.
async fn ticks(app: &App, time: Time, gap: Duration, count: u32) {
    let tick = |number: u32| async move {
        tokio::time::sleep(gap + Duration::from_secs(60) * number).await;
        let deadline = time.now() + SignedDuration::from_secs(180);
        let _ = app.handle(br#"{"action":"tick"}"#, Clock::start(time.now(), Some(deadline)), None).await;
    };
    futures_util::future::join_all((0..count).map(tick)).await;
}

/// Seconds from the outage to each move of traffic, and to each claim that was confirmed, in order.
struct Storm {
    moved: Vec<f64>,
    claimed: Vec<f64>,
    /// How many are moved and not claimed for good in the end.
    unclaimed: usize,
}

impl Storm {
    /// After how many seconds the last of so many databases was moved and claimed.
    fn last_of(&self, databases: usize) -> f64 {
        assert_eq!((self.moved.len(), self.unclaimed), (databases, 0), "each is moved once, and claimed");
        self.moved.iter().chain(&self.claimed).copied().fold(0.0, f64::max)
    }
}

async fn storm(databases: usize, gap: Gap, limit: Option<Limit>, count: u32) -> Storm {
    let time = Time::start(origin());
    let mut world = account(databases);
    if let Some(limit) = limit {
        world.limits.set_route53(limit);
    }
    world.limit_requests(true);
    let emulator = Emulator::new(world, move || time.now());
    let functions: Vec<App> = (0..databases)
        .map(|n| {
            let (primary, replica) = (format!("db{n}-primary"), format!("db{n}-replica"));
            function(
                &emulator,
                &[
                    ("PRIMARY_DB_INSTANCE_IDENTIFIER", &primary),
                    ("FAILOVER_DB_INSTANCE_IDENTIFIER", &replica),
                    ("ROUTE53_HEALTH_CHECK_ID", &format!("check-{n}")),
                    ("PROMOTE_REPLICA", "true"),
                ],
            )
        })
        .collect();
    let all = functions.iter().enumerate().map(|(n, app)| ticks(app, time, gap(n), count));
    futures_util::future::join_all(all).await;
    let world = emulator.world();
    let unclaimed = (0..databases).filter(|n| {
        let check = world.health_check(&format!("check-{n}")).unwrap();
        let claim = check.tags.get("failover:routed").map_or("", String::as_str);
        let claimed = claim.starts_with(&format!("version={} by=auto ", check.version));
        check.inverted && (!claimed || claim.contains(" until="))
    });
    let unclaimed = unclaimed.count();
    let moved = seconds(&world, |change| matches!(change, Change::CheckUpdated { disabled: true, .. }));
    let claimed = seconds(
        &world,
        |change| matches!(change, Change::TagSet { key, value, .. } if key == "failover:routed" && !value.contains(" until=")),
    );
    println!(
        "{} of {databases} databases moved: {}; claimed, all but {unclaimed}: {}",
        moved.len(),
        spread_of(&moved),
        spread_of(&claimed)
    );
    Storm { moved, claimed, unclaimed }
}

/// Seconds from the outage to each change of this kind, in order.
fn seconds(world: &World, of: impl Fn(&Change) -> bool) -> Vec<f64> {
    let events = world.history().iter().filter(|event| of(&event.change));
    let mut seconds: Vec<f64> =
        events.map(|event| event.time.duration_since(origin()).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

fn spread_of(seconds: &[f64]) -> String {
    let of = |part: f64| seconds[((seconds.len() - 1) as f64 * part) as usize];
    format!(
        "first {:.1} s, half {:.1} s, nine in ten {:.1} s, last {:.1} s",
        of(0.0),
        of(0.5),
        of(0.9),
        of(1.0)
    )
}

/// RDS events wake all of them in the same second.
fn at_once(n: usize) -> Duration {
    Duration::from_millis(1000 * n as u64 / 100)
}

/// The schedules are spread over the minute.
fn spread(n: usize) -> Duration {
    Duration::from_secs(2 * n as u64 % 60)
}

#[tokio::test(start_paused = true)]
async fn thirty_databases_that_fail_together_are_all_moved_and_claimed_within_90_seconds() {
    for gap in [at_once as Gap, spread] {
        let last = storm(30, gap, None, 3).await.last_of(30);
        assert!(last <= 90.0, "the last one after {last:.1} s");
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes without optimisation"]
async fn a_hundred_databases_that_fail_together_are_all_moved_and_claimed_within_ten_minutes() {
    let last = storm(100, at_once, None, 8).await.last_of(100);
    assert!(last <= 600.0, "the last one after {last:.1} s");
}

#[tokio::test(start_paused = true)]
async fn a_single_database_moves_in_its_first_tick_on_what_other_tools_leave() {
    let last = storm(1, at_once, Some(Limit::new(5, 5.0)), 3).await.last_of(1);
    assert!(last < 60.0, "only after {last:.1} s");
}
