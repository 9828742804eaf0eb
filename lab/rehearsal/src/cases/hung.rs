//! Servers that answer nothing and refuse nothing.

use std::time::Duration;

use anyhow::Result;

use crate::TICK;
use crate::fault::Fault;
use crate::net::{A1, ZONE_A};
use crate::pair::Pair;
use crate::record::{Outcome, What};
use crate::stage::Paths;

pub(super) async fn tcp(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let probe = format!("tcp://{}:3306", A1.address);
    let mut pair = Pair::start(paths, &[("HEALTH_ENDPOINTS", &probe)]).await?;
    pair.scene.serve().await?;
    let began = pair.scene.record.step("the primary hangs (SIGSTOP)");
    if pair.scene.fault() != &Fault::NoFreeze {
        pair.servers.primary.lock().await.freeze()?;
    }
    tokio::time::sleep(6 * TICK).await;
    let moved = pair.scene.aws.forced();
    let written = pair.scene.acks("", "", began + 0.5, f64::MAX).len();
    let thawed = pair.scene.record.step("the primary goes on");
    pair.servers.primary.lock().await.thaw()?;
    pair.scene.wait_for_rows(&["common", "resilient"], "a1").await?;
    pair.scene.quiesce().await;
    outcome.figure("hung for", format!("{:.0} s, {written} rows written, traffic not moved", thawed - began));
    outcome.check("nothing is written while it hangs", written == 0, format!("{written} rows"));
    // The hazard that `check` warns of: the kernel accepts what nobody serves.
    outcome.check("a tcp probe passes a hung server: traffic stays", !moved, format!("moved: {moved}"));
    outcome.lost = pair.lost(&pair.servers.primary).await?;
    outcome.no_row_is_lost();
    Ok(())
}

pub(super) async fn page(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let probe = format!("http://{}:8008/", A1.address);
    let settings =
        [("HEALTH_ENDPOINTS", probe.as_str()), ("PROMOTE_REPLICA", "true"), ("PROMOTE_ON", "unresponsive")];
    let mut pair = Pair::start(paths, &settings).await?;
    pair.scene.page(A1).await?;
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = pair.scene.record.step("the primary hangs (SIGSTOP)");
    pair.servers.primary.lock().await.freeze()?;
    pair.wait_promoted().await?;
    pair.scene.wait_for_rows(&["resilient"], "b1").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let flags = pair.scene.first(began, |what| matches!(what, What::Flags { forced: true, .. }));
    let moved = flags.unwrap_or(f64::NAN) - began;
    outcome.figure("traffic moved after", format!("{moved:.1} s"));
    outcome.check("a page that runs a query finds the hang", moved < 8.0, format!("{moved:.1} s"));
    let down = pair.scene.downtime("resilient", began);
    outcome.figure("writes down, resilient loop (read time-out 3 s)", format!("{down:.1} s"));
    outcome.check("the resilient loop is back within 15 s", down < 15.0, format!("{down:.1} s"));
    let common = pair.scene.acks("common", "", began + 0.5, f64::MAX).len();
    outcome.check("the common loop hangs on: PDO waits for a day", common == 0, format!("{common} rows"));

    let thawed = pair.scene.record.step("the old primary goes on");
    pair.servers.primary.lock().await.thaw()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    pair.scene.quiesce().await;
    let stale = |client: &str| pair.scene.acks(client, "a1", thawed, f64::MAX).len();
    outcome.figure("rows to the stale primary in 5 s, common loop", stale("common").to_string());
    outcome.check(
        "the common loop writes to the stale primary",
        stale("common") > 20,
        stale("common").to_string(),
    );
    outcome.check("the resilient loop does not", stale("resilient") == 0, stale("resilient").to_string());
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    let before = outcome.lost.iter().filter(|(_, _, at)| *at < thawed).count();
    outcome.check("no row from before the hang is lost", before == 0, format!("{before} rows"));
    Ok(())
}

/// The networks outside zone A.
const OTHERS: [&str; 3] = ["10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"];

pub(super) async fn partition(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let probe = format!("http://{}:8008/", A1.address);
    let settings = [
        ("HEALTH_ENDPOINTS", probe.as_str()),
        ("PROMOTE_REPLICA", "true"),
        ("PROMOTE_ON", "unresponsive"),
        ("FENCE_PRIMARY", "stop"),
    ];
    let mut pair = Pair::start(paths, &settings).await?;
    pair.scene.page(A1).await?;
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = pair.scene.record.step("the zone falls silent: packets are dropped");
    for other in OTHERS {
        pair.scene.cut(ZONE_A, other)?;
    }
    pair.wait_promoted().await?;
    pair.scene.wait_for_rows(&["resilient"], "b1").await?;
    let flags =
        pair.scene.first(began, |what| matches!(what, What::Flags { forced: true, .. })).unwrap_or(f64::NAN);
    outcome.figure("traffic moved after", format!("{:.1} s", flags - began));
    let down = pair.scene.downtime("resilient", began);
    outcome.figure("writes down, resilient loop", format!("{down:.1} s"));
    outcome.check("the resilient loop is back within 15 s", down < 15.0, format!("{down:.1} s"));
    tokio::time::sleep(3 * TICK).await;
    let healed = pair.scene.record.step("the zone is there again");
    for other in OTHERS {
        pair.scene.heal(ZONE_A, other)?;
    }
    // TCP doubles its pauses: after a cut of some 20 s, an open connection tries again 13 s later at the latest.
    tokio::time::sleep(Duration::from_secs(14)).await;
    pair.scene.quiesce().await;
    let stale = pair.scene.acks("", "a1", healed, f64::MAX).len();
    outcome.check("the fence keeps every row from the old primary", stale == 0, format!("{stale} rows"));
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    outcome.few_rows_are_lost();
    Ok(())
}
