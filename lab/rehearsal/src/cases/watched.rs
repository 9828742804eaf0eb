//! The same outage with the default durations, not compressed: looking each minute, and looking all the time.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::pair::Pair;
use crate::record::{Outcome, What};
use crate::stage::Paths;

pub(super) async fn off(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    // Killed at 20 s, seen at 60 s, confirmed twice more at 10 s.
    killed(paths, outcome, "", 85.0).await
}

pub(super) async fn on(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    // Seen within 5 s, confirmed twice more at 10 s.
    killed(paths, outcome, "5s", 45.0).await
}

async fn killed(paths: &Paths, outcome: &mut Outcome, watch: &str, limit: f64) -> Result<()> {
    let settings = [("PROMOTE_REPLICA", "true"), ("CONFIRMATION_INTERVAL", "10s"), ("WATCH_INTERVAL", watch)];
    let mut pair = Pair::start(paths, &settings).await?;
    pair.scene.serve_every(Duration::from_secs(60), &[]).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let began = pair.scene.record.step("the primary is killed");
    pair.servers.primary.lock().await.kill().await?;
    pair.scene.wait_forced(true, Duration::from_secs(120)).await?;
    pair.wait_promoted().await?;
    pair.scene.wait_for_rows(&["resilient"], "b1").await?;
    let flags = pair
        .scene
        .first(began, |what| matches!(what, What::Flags { forced: true, .. }))
        .context("no flags")?;
    outcome.figure("traffic moved after", format!("{:.1} s", flags - began));
    let down = pair.scene.downtime("resilient", began);
    outcome.figure("writes down, resilient loop", format!("{down:.1} s"));
    outcome.check(
        "the resilient loop writes again in time",
        down < limit,
        format!("{down:.1} of {limit:.0} s"),
    );
    // The common loop gives rows up after 31 s.
    tokio::time::sleep(Duration::from_secs(8)).await;
    pair.scene.quiesce().await;
    let given =
        pair.scene.record.events().iter().filter(|event| matches!(&event.what, What::GaveUp { .. })).count();
    outcome.figure("rows that the common loop gave up", given.to_string());
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    outcome.few_rows_are_lost();
    Ok(())
}
