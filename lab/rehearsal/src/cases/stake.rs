//! Data at stake: what the lag says, and what it can't say.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;

use super::{ROWS_PER_SECOND, lost_within_the_stated_lag, stated_lag};
use crate::agent::fill_lag;
use crate::fault::Fault;
use crate::net::{A1, B1};
use crate::pair::Pair;
use crate::process::until;
use crate::record::Outcome;
use crate::stage::Paths;

pub(super) async fn lag_refused(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let settings = [("PROMOTE_REPLICA", "true"), ("MAX_REPLICA_LAG", "5s")];
    let mut pair = Pair::start(paths, &settings).await?;
    let replica = pair.servers.replica.clone();
    for sql in ["STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=300", "START SLAVE"] {
        replica.lock().await.query(sql).await?;
    }
    pair.scene.serve().await?;
    pair.scene.record.step("the replica falls behind");
    let behind = || async { replica.lock().await.lag().await.is_some_and(|lag| lag >= 8.0) };
    until("the replica is 8 s behind", Duration::from_secs(20), behind).await?;
    fill_lag(&pair.scene.aws.emulator, &pair.servers).await;

    let killed = pair.scene.record.step("the primary is killed");
    pair.servers.primary.lock().await.kill().await?;
    pair.scene.wait_forced(true, Duration::from_secs(15)).await?;
    let refused = || async { pair.scene.reasons(killed).iter().any(|reason| reason == "lag-too-high") };
    let refused = until("the promotion is refused", Duration::from_secs(10), refused).await;
    outcome.check(
        "the promotion is refused: lag-too-high",
        refused.is_ok(),
        pair.scene.reasons(killed).join(", "),
    );

    let request = json!({"action": "failover", "reason": "the rows are lost anyway", "promote": true, "allow_data_loss": true});
    let answer = pair.scene.request(request).await?;
    let promoted = answer["actions"].to_string().contains("promote-replica");
    outcome.check(
        "allow_data_loss promotes",
        promoted,
        format!("{}: {}", answer["reason"], answer["message"]),
    );
    pair.wait_promoted().await?;
    pair.scene.wait_for_rows(&["resilient"], "b1").await?;
    pair.scene.quiesce().await;
    lost_within_the_stated_lag(&pair, outcome, killed, 2.0).await
}

pub(super) async fn link_cut(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let mut pair = Pair::start(paths, &[("PROMOTE_REPLICA", "true")]).await?;
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let gap = 8.0;
    // Over the turn of a minute, so that the newest sample that the function can see is from the silence, with 0 s.
    let second = Timestamp::now().as_second().rem_euclid(60);
    let wait = (55 - second).rem_euclid(60);
    tokio::time::sleep(Duration::from_secs(wait.unsigned_abs())).await;
    pair.scene.record.step("the replication link is cut, silently");
    pair.scene.cut(&A1.network(), &B1.network())?;
    tokio::time::sleep(Duration::from_secs_f64(gap)).await;
    let killed = pair.scene.record.step("the primary is killed");
    pair.servers.primary.lock().await.kill().await?;
    pair.wait_promoted().await?;
    pair.scene.wait_for_rows(&["resilient"], "b1").await?;
    pair.scene.quiesce().await;
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    let stated = stated_lag(&pair, killed).context("no lag was stated")?;
    let found = outcome.lost.len();
    outcome.figure("rows lost", format!("{found} in {gap:.0} s of silence, stated lag {stated:.0} s"));
    outcome.check(
        "the stated lag is 0: all that was received is applied",
        stated == 0.0,
        format!("{stated}"),
    );
    let least = (ROWS_PER_SECOND * gap * 0.6) as usize;
    let most = (2.0 * ROWS_PER_SECOND * (gap + 2.0)) as usize;
    let text = format!("{found}, expected {least} to {most}");
    outcome.check("the rows of the silence are lost, and no others", (least..=most).contains(&found), text);
    super::at_least(&pair, outcome, killed);
    let claimed = claimed_bound(&pair, killed);
    let true_bound = claimed.is_none_or(|claimed| claimed >= gap);
    let text = format!("claimed at most {claimed:?} s without a condition, {gap} s are lost");
    outcome.check("no upper bound is claimed that does not hold", true_bound, text);
    Ok(())
}

/// The seconds of writes that the function said are lost "at most", where it said so without the condition that the
/// replication link was alive.
fn claimed_bound(pair: &Pair, from: f64) -> Option<f64> {
    let events = pair.scene.record.events();
    let answers = events.iter().filter(|event| event.at >= from).filter_map(|event| event.what.answer());
    let answered = answers.filter_map(|answer| Some(answer["message"].as_str()?.to_owned()));
    let world = pair.scene.aws.emulator.world();
    let notified = world.messages().iter().map(|message| message.message.clone());
    let planted = pair.scene.fault() == &Fault::Unconditional;
    let said = answered.chain(notified).map(|text| if planted { text.replace(CONDITION, "") } else { text });
    said.filter_map(|text| unconditional(&text)).reduce(f64::max)
}

/// How the function says on what its upper bound depends.
const CONDITION: &str = " if the link to the primary was alive";

/// The seconds after "at most" in a text, unless the condition follows.
fn unconditional(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("data at stake: ")?.1.split_once("at most ")?;
    let (seconds, rest) = rest.split_once(" s")?;
    if rest.starts_with(CONDITION) { None } else { seconds.parse().ok() }
}
