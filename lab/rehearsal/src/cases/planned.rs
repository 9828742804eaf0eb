//! A promotion while the primary is alive, or comes back.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::ROWS_PER_SECOND;
use crate::agent::PRIMARY;
use crate::fault::Fault;
use crate::net::A1;
use crate::pair::Pair;
use crate::record::{Outcome, What};
use crate::stage::{Paths, TTL};

/// Seconds until the resilient client gives a connection back in these cases.
const LIFETIME: f64 = 3.0;

async fn requested(paths: &Paths, settings: &[(&str, &str)]) -> Result<Pair> {
    let mut pair = Pair::start(paths, settings).await?;
    pair.scene.serve_every(crate::TICK, &[&format!("lifetime={LIFETIME}")]).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(pair)
}

async fn promote(pair: &Pair) -> Result<f64> {
    let began = pair.scene.record.now();
    let request = json!({"action": "failover", "reason": "planned", "promote": true, "force": true, "allow_data_loss": true});
    let answer = pair.scene.request(request).await?;
    anyhow::ensure!(answer["actions"].to_string().contains("promote-replica"), "not promoted: {answer}");
    pair.wait_promoted().await?;
    Ok(began)
}

pub(super) async fn bare(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let mut pair = requested(paths, &[]).await?;
    let began = promote(&pair).await?;
    super::at_least(&pair, outcome, began);
    let promoted = pair.scene.record.now();
    if pair.scene.fault() == &Fault::ReadOnlyPrimary {
        pair.servers.primary.lock().await.query("SET GLOBAL read_only=1").await?;
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    pair.scene.quiesce().await;
    let stale = |client: &str, from: f64, to: f64| pair.scene.acks(client, "a1", from, to).len();
    let common = stale("common", promoted, promoted + 10.0);
    outcome.figure("rows to the stale primary in 10 s, open connection", common.to_string());
    outcome.check(
        "DNS does not touch open connections: the common loop stays",
        common > 100,
        common.to_string(),
    );
    let resilient = stale("resilient", promoted, f64::MAX);
    let text = format!("rows to the stale primary, connections given back each {LIFETIME:.0} s");
    outcome.figure(&text, resilient.to_string());
    // DNS is asked anew only at the end of a connection, and its answer may be a TTL old.
    let latest = promoted + LIFETIME + f64::from(TTL) + 1.0;
    let late = stale("resilient", latest, f64::MAX);
    outcome.check(
        "a connection lifetime follows DNS within lifetime + TTL",
        late == 0,
        format!("{late} rows after that"),
    );
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    outcome.figure("rows that are only on the stale primary", outcome.lost.len().to_string());
    Ok(())
}

pub(super) async fn fenced(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let settings = [("PROMOTE_REPLICA", "true"), ("FENCE_PRIMARY", "stop")];
    let mut pair = requested(paths, &settings).await?;
    let began = promote(&pair).await?;
    let stopped = fence(&pair).await?;
    pair.scene.wait_for_rows(&["common", "resilient"], "b1").await?;
    pair.scene.quiesce().await;
    let text = format!("{:.1} s after the request", stopped - began);
    outcome.figure("old primary stopped", text);
    let after = pair.scene.acks("", "a1", stopped + 0.3, f64::MAX).len();
    outcome.check("no row goes to the old primary once it is fenced", after == 0, format!("{after} rows"));
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    let found = outcome.lost.len();
    let bound = (2.0 * ROWS_PER_SECOND * (stopped - began + 1.0)) as usize;
    outcome.figure("rows lost", format!("{found}, all from before the fence"));
    outcome.check("rows are lost only until the fence", found <= bound, format!("{found} of {bound}"));
    downtimes(&pair, outcome, began);
    Ok(())
}

fn downtimes(pair: &Pair, outcome: &mut Outcome, began: f64) {
    for client in ["common", "resilient"] {
        let down = pair.scene.downtime(client, began);
        outcome.figure(&format!("writes down, {client} loop"), format!("{down:.1} s"));
    }
}

/// Waits until RDS has stopped the old primary; when that was.
async fn fence(pair: &Pair) -> Result<f64> {
    let stopped = || async {
        pair.scene.aws.emulator.world().instance(PRIMARY).is_some_and(|instance| instance.status == "stopped")
    };
    pair.scene.must("the old primary is stopped", Duration::from_secs(20), stopped).await?;
    pair.scene.first(0.0, |what| matches!(what, What::Status { instance, status } if instance == PRIMARY && status == "stopped"))
        .map_or_else(|| Ok(pair.scene.record.now()), Ok)
}

pub(super) async fn read_only(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let mut pair = requested(paths, &[]).await?;
    let began = pair.scene.record.step("the primary is set read-only, and the replica catches up");
    let gtid = {
        let primary = pair.servers.primary.lock().await;
        primary.query("SET GLOBAL read_only=1").await?;
        let rows = primary.query("SELECT @@gtid_binlog_pos").await?;
        rows.first().and_then(|row| row.get::<String, _>(0)).context("no position")?
    };
    let wait = format!("SELECT MASTER_GTID_WAIT('{gtid}', 10)");
    pair.servers.replica.lock().await.query(&wait).await?;
    promote(&pair).await?;
    pair.scene.wait_for_rows(&["common", "resilient"], "b1").await?;
    pair.scene.quiesce().await;
    downtimes(&pair, outcome, began);
    let down = pair.scene.downtime("resilient", began);
    outcome.check("the resilient loop writes again within 10 s", down < 10.0, format!("{down:.1} s"));
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    outcome.no_row_is_lost();
    Ok(())
}

/// Long enough that a restarted server is back before cached answers have expired.
const LONG_TTL: u32 = 20;

/// The primary is gone for seconds, RDS does not notice, the replica is promoted, and the primary is back while
/// caches still name it.
async fn restart(paths: &Paths, fence: &str) -> Result<(Pair, f64)> {
    let probe = format!("http://{}:8008/", A1.address);
    let settings = [
        ("HEALTH_ENDPOINTS", probe.as_str()),
        ("PROMOTE_REPLICA", "true"),
        ("PROMOTE_ON", "unresponsive"),
        ("FENCE_PRIMARY", fence),
    ];
    let mut pair = Pair::start_with_ttl(paths, &settings, LONG_TTL).await?;
    pair.scene.page(A1).await?;
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    pair.scene.record.step("the primary's process ends, RDS says available");
    pair.agent.show(Some("available"));
    pair.servers.primary.lock().await.kill().await?;
    pair.wait_promoted().await?;
    let back = pair.scene.record.step("the old primary is back, within the TTL");
    pair.scene.interfere();
    // Unless the fence was faster: then RDS does not let it come back.
    if pair
        .scene
        .aws
        .emulator
        .world()
        .instance(PRIMARY)
        .is_some_and(|instance| instance.status == "available")
    {
        pair.servers.primary.lock().await.start().await?;
    }
    pair.agent.show(None);
    Ok((pair, back))
}

pub(super) async fn restart_bare(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let (mut pair, back) = restart(paths, "").await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    pair.scene.quiesce().await;
    let stale = pair.scene.acks("", "a1", back, f64::MAX).len();
    outcome.figure("rows to the stale primary in 15 s", stale.to_string());
    outcome.check("cached DNS leads clients back to the stale primary", stale > 100, stale.to_string());
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    outcome.check("traffic stays with the promoted replica", pair.scene.aws.forced(), "the flags");
    Ok(())
}

pub(super) async fn restart_fenced(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let (mut pair, back) = restart(paths, "stop").await?;
    let stopped = fence(&pair).await?;
    pair.scene.wait_for_rows(&["resilient"], "b1").await?;
    pair.scene.quiesce().await;
    outcome.figure("old primary stopped", format!("{:.1} s after it was back", stopped - back));
    let after = pair.scene.acks("", "a1", stopped + 0.3, f64::MAX).len();
    outcome.check("no row goes to the old primary once it is fenced", after == 0, format!("{after} rows"));
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    let bound = (2.0 * ROWS_PER_SECOND * (stopped - back + 1.0)) as usize;
    let found = outcome.lost.len();
    outcome.figure("rows lost", found.to_string());
    outcome.check("rows are lost only until the fence", found <= bound, format!("{found} of {bound}"));
    Ok(())
}
