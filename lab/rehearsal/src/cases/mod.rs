//! The cases. Each breaks one thing, waits for what must come, and counts rows.

mod held;
mod hung;
mod killed;
mod outside_rds;
mod planned;
mod stake;
mod watched;

use anyhow::{Context, Result};

use crate::pair::Pair;
use crate::record::Outcome;
use crate::stage::Paths;

pub struct Case {
    pub name: &'static str,
    pub title: &'static str,
}

macro_rules! cases {
    ($($name:literal $title:literal => $play:path,)*) => {
        pub const ALL: &[Case] = &[$(Case { name: $name, title: $title }),*];

        /// Plays a case.
        pub async fn play(name: &str, paths: &Paths, outcome: &mut Outcome) -> Result<()> {
            match name {
                $($name => $play(paths, outcome).await,)*
                _ => anyhow::bail!("there is no case {name}"),
            }
        }
    };
}

cases! {
    "killed-promoted" "The primary is killed; the replica is promoted; the old primary comes back" => killed::promoted,
    "killed-returned" "The primary is killed and comes back; nothing is promoted" => killed::returned,
    "multi-az" "RDS fails the primary over to its own standby: traffic stays, and the clients outlast it" => held::multi_az,
    "function-cut" "The function alone loses its network to both databases" => held::function_cut,
    "lag-refused" "The replica is too far behind: refused, then requested with allow_data_loss" => stake::lag_refused,
    "link-cut" "The replication link is cut silently, eight seconds before the primary is killed" => stake::link_cut,
    "hung-tcp" "The primary hangs, probed over tcp" => hung::tcp,
    "hung-page" "The primary hangs, probed with a page that runs a query" => hung::page,
    "zone-partition" "The primary's whole zone falls silent, and comes back" => hung::partition,
    "planned-bare" "Planned failover with promotion, the primary lives on, no fence" => planned::bare,
    "planned-fenced" "The same with a fence" => planned::fenced,
    "planned-read-only" "The same without a fence, the primary set read-only first" => planned::read_only,
    "restart-bare" "The primary restarts within the TTL, after a promotion, no fence" => planned::restart_bare,
    "restart-fenced" "The same with a fence" => planned::restart_fenced,
    "watch-off" "Killed 20 s after a tick, real durations: a tick each minute" => watched::off,
    "watch-on" "The same with WATCH_INTERVAL" => watched::on,
    "patroni" "Patroni's two nodes: a switchover, a lost leader, then both" => outside_rds::patroni,
    "galera" "Galera's three nodes: one is lost, then the quorum" => outside_rds::galera,
}

/// Rows that a client writes in a second, at most.
const ROWS_PER_SECOND: f64 = 20.0;

/// The lag that the function stated when it promoted.
fn stated_lag(pair: &Pair, from: f64) -> Option<f64> {
    let events = pair.scene.record.events();
    let mut answers = events.iter().filter(|event| event.at >= from).filter_map(|event| event.what.answer());
    answers.find_map(|answer| answer["replica"]["lag_seconds"].as_f64())
}

/// Counts the rows lost, which the stated lag bounds, with so many seconds of slack.
async fn lost_within_the_stated_lag(
    pair: &Pair,
    outcome: &mut Outcome,
    killed: f64,
    slack: f64,
) -> Result<()> {
    outcome.lost = pair.lost(&pair.servers.replica).await?;
    let stated = stated_lag(pair, killed).context("no lag was stated")?;
    let bound = (2.0 * ROWS_PER_SECOND * (stated + slack)) as usize;
    let found = outcome.lost.len();
    outcome.figure("rows lost", format!("{found}, stated lag {stated:.0} s"));
    outcome.check(
        "no more rows are lost than the stated lag bounds",
        found <= bound,
        format!("{found} of {bound}"),
    );
    Ok(())
}

/// Nobody knows what clients write that replication has not seen: the lag is a lower bound, and must be called one.
fn at_least(pair: &Pair, outcome: &mut Outcome, from: f64) {
    let messages: Vec<String> =
        pair.scene.aws.emulator.world().messages().iter().map(|message| message.message.clone()).collect();
    let promoted = messages.iter().rfind(|message| message.contains("promot"));
    let said = promoted.is_some_and(|message| message.to_lowercase().contains("at least"));
    let text = format!("{} notifications since {from:.0} s", messages.len());
    outcome.check("the notification says \"at least\" of the data at stake", said, text);
}
