//! The primary's process is killed.

use std::time::Duration;

use anyhow::{Context, Result};

use super::lost_within_the_stated_lag;
use crate::TICK;
use crate::pair::Pair;
use crate::record::{Outcome, What};
use crate::stage::{Paths, TTL};

pub(super) async fn promoted(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let mut pair = Pair::start(paths, &[("PROMOTE_REPLICA", "true")]).await?;
    // With a lifetime, so that it would follow DNS back to a stale primary.
    pair.scene.serve_every(TICK, &["lifetime=3"]).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let killed = pair.scene.record.step("the primary is killed");
    pair.servers.primary.lock().await.kill().await?;
    pair.wait_promoted().await?;
    pair.scene.wait_for_rows(&["common", "resilient"], "b1").await?;
    legs(&pair, outcome, killed)?;

    let back = pair.scene.record.step("the old primary comes back");
    pair.scene.interfere();
    pair.servers.primary.lock().await.start().await?;
    tokio::time::sleep(3 * TICK + Duration::from_secs(u64::from(TTL))).await;
    pair.scene.quiesce().await;
    let stale = pair.scene.acks("", "a1", back, f64::MAX).len();
    outcome.check("no row goes to the old primary when it comes back", stale == 0, format!("{stale} rows"));
    outcome.check("traffic stays with the promoted replica", pair.scene.aws.forced(), "the flags");

    // "0 s behind" is rounded down, and what was in flight at the kill was never received.
    lost_within_the_stated_lag(&pair, outcome, killed, 1.0).await
}

/// The downtime, leg by leg.
fn legs(pair: &Pair, outcome: &mut Outcome, killed: f64) -> Result<()> {
    let at = |what: &str, holds: &dyn Fn(&What) -> bool| {
        pair.scene.first(killed, holds).with_context(|| format!("no {what}"))
    };
    let status = at("status", &|what| matches!(what, What::Status { status, .. } if status == "failed"))?;
    let flags = at("flags", &|what| matches!(what, What::Flags { forced: true, .. }))?;
    let promoted =
        at("promotion", &|what| matches!(what, What::Status { status, .. } if status == "promoted"))?;
    let dns = at("answer", &|what| matches!(what, What::Dns { .. }))?;
    let moved = pair.scene.record.events().into_iter().rfind(|event| {
        event.at < flags && matches!(&event.what, What::Invocation { until, .. } if *until > flags)
    });
    let tick = moved.context("no invocation moved traffic")?.at;
    let ready = promoted.max(dns);
    for client in ["common", "resilient"] {
        let first =
            pair.scene.acks(client, "b1", killed, f64::MAX).first().map(|ack| ack.1).context("no row")?;
        outcome.figure(
            &format!("writes down, {client} loop"),
            format!(
                "{:.1} s = status {:.1} + tick {:.1} + confirmation and flags {:.1} + the later of promotion {:.1} and DNS {:.1} + client {:.1}",
                first - killed,
                status - killed,
                (tick - status).max(0.0),
                flags - tick.max(status),
                promoted - flags,
                dns - flags,
                first - ready
            ),
        );
    }
    let resilient = pair.scene.downtime("resilient", killed);
    outcome.check(
        "the resilient loop writes again within 12 s",
        resilient < 12.0,
        format!("{resilient:.1} s"),
    );
    let steps = flags - status;
    // One look each tick, three confirmations of 300 ms, five seconds of grace: the function's own promise.
    let promise = TICK.as_secs_f64() + 0.6 + 5.0;
    outcome.check(
        "traffic is moved as soon as promised",
        steps < promise,
        format!("{steps:.1} of {promise:.1} s"),
    );
    Ok(())
}

pub(super) async fn returned(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let mut pair = Pair::start(paths, &[("FAILBACK_CONFIRMATIONS", "3")]).await?;
    pair.scene.reader()?;
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let killed = pair.scene.record.step("the primary is killed");
    pair.servers.primary.lock().await.kill().await?;
    pair.scene.wait_forced(true, Duration::from_secs(15)).await?;
    tokio::time::sleep(Duration::from_secs(u64::from(TTL) + 4)).await;
    let refused = pair
        .scene
        .record
        .events()
        .iter()
        .filter(|event| event.at > killed)
        .filter(|event| matches!(&event.what, What::Trouble { code, .. } if code == "1290"))
        .count();
    outcome.check("writes are refused by the replica (1290)", refused > 0, format!("{refused} refusals"));
    let wrong = pair.scene.acks("", "b1", killed, f64::MAX).len();
    outcome.check("no write is acknowledged by the replica", wrong == 0, format!("{wrong} rows"));
    let read = pair.scene.first(killed, |what| matches!(what, What::Read { server, .. } if server == "b1"));
    outcome
        .figure("reads served by the replica after", format!("{:.1} s", read.unwrap_or(f64::NAN) - killed));
    outcome.check("reads are served by the replica", read.is_some(), format!("{read:?}"));

    pair.scene.record.step("the primary comes back");
    pair.servers.primary.lock().await.start().await?;
    pair.scene.wait_forced(false, Duration::from_secs(15)).await?;
    pair.scene.wait_for_rows(&["resilient"], "a1").await?;
    let available = pair
        .scene
        .first(killed + 1.5, |what| matches!(what, What::Status { status, .. } if status == "available"));
    let available = available.context("never available")?;
    let normal = pair
        .scene
        .first(killed, |what| matches!(what, What::Flags { forced: false, .. }))
        .context("no flags")?;
    outcome.figure("traffic back", format!("{:.1} s after `available`", normal - available));
    for client in ["common", "resilient"] {
        if let Some((_, first)) = pair.scene.acks(client, "a1", normal, f64::MAX).first() {
            outcome.figure(
                &format!("first write, {client} loop"),
                format!("{:.1} s after `available`", first - available),
            );
        }
    }
    pair.scene.quiesce().await;
    outcome.lost = pair.lost(&pair.servers.primary).await?;
    outcome.no_row_is_lost();
    Ok(())
}
