//! Outages as clients live through them, leg by leg.

use emulator::{Change, World};
use jiff::Timestamp;
use proof::rig::{PRIMARY, REPLICA};
use serde::Serialize;

use super::timeline::{Invocation, Run};
use super::watcher::ASKS;

/// A time in which clients could not write, or not even read. Times are seconds since the start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outage {
    pub began: f64,
    /// Reads and writes are served again; `None` if that does not happen within the run.
    pub over: Option<f64>,
    /// When the run ended, or the outage if that was earlier.
    until: f64,
    /// The first look at which the function found the primary unhealthy.
    pub detected: Option<f64>,
    /// The function's metric asked for the secondary.
    pub asked: Option<f64>,
    /// DNS answered with the secondary.
    pub rerouted: Option<f64>,
    /// Clients, with their caches, reached the secondary.
    pub followed: Option<f64>,
    /// RDS accepted the promotion.
    pub promotion_sent: Option<f64>,
    /// The replica was on its own.
    pub promoted: Option<f64>,
    /// Clients reached the primary again.
    pub returned: Option<f64>,
    pub reads_failed: f64,
    pub writes_failed: f64,
}

impl Outage {
    /// In seconds.
    pub fn length(&self) -> f64 {
        self.until - self.began
    }

    /// The legs in the order in which they happened.
    pub fn legs(&self) -> Vec<(f64, &'static str)> {
        let legs = [
            (Some(self.began), "clients lose the database"),
            (self.detected, "the outage is detected"),
            (self.asked, "the metric asks for the secondary"),
            (self.rerouted, "DNS answers with the secondary"),
            (self.followed, "clients reach the secondary"),
            (self.promotion_sent, "RDS accepts the promotion"),
            (self.promoted, "the replica is promoted"),
            (self.returned, "clients reach the primary again"),
            (self.over, "clients read and write again"),
        ];
        let mut legs: Vec<_> = legs.into_iter().filter_map(|(at, says)| Some((at?, says))).collect();
        legs.sort_by(|a, b| a.0.total_cmp(&b.0));
        legs
    }
}

pub fn outages(run: &Run, world: &World, start: Timestamp) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    for (from, to) in failing(run) {
        // What led to this outage, as a planned failover does, may have happened before it.
        let since = outages.last().map_or(0.0, |last| last.until);
        outages.push(outage(run, world, start, since, from, to));
    }
    outages
}

/// When reads or writes failed.
fn failing(run: &Run) -> Vec<(f64, f64)> {
    let spans = ["reads", "writes"].into_iter().filter_map(|name| run.track(name));
    let mut spans: Vec<_> = spans
        .flat_map(|track| &track.spans)
        .filter(|span| span.value == "failing")
        .map(|span| (span.from, span.to))
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn outage(run: &Run, world: &World, start: Timestamp, since: f64, began: f64, until: f64) -> Outage {
    let first = |track: &str, value: &str, from| run.track(track)?.first(value, from, until);
    let changed = |wanted: fn(&Change) -> bool| {
        let times = world.history().iter().filter(|event| wanted(&event.change));
        times.map(|event| (event.time - start).as_secs_f64()).find(|at| (since..=until).contains(at))
    };
    let lasted = |track: &str| run.track(track).map_or(0.0, |track| track.seconds("failing", began, until));
    let followed = first("clients reach", REPLICA, since);
    Outage {
        began,
        over: (until < run.seconds).then_some(until),
        until,
        detected: detected(run, began, until),
        asked: first("metric", ASKS, since),
        rerouted: first("DNS answers", REPLICA, since),
        followed,
        promotion_sent: changed(|change| matches!(change, Change::PromotionAccepted { .. })),
        promoted: changed(|change| matches!(change, Change::Promoted { .. })),
        returned: followed.and_then(|followed| first("clients reach", PRIMARY, followed)),
        reads_failed: lasted("reads"),
        writes_failed: lasted("writes"),
    }
}

/// The first look within the outage of an invocation that found the primary unhealthy.
fn detected(run: &Run, began: f64, until: f64) -> Option<f64> {
    let look = |(at, invocation): (f64, &Invocation)| {
        let reads = invocation.calls.iter().filter(|call| !call.write).map(|call| call.at);
        // A look at probes alone makes no call.
        let end = at + invocation.seconds;
        reads.chain([end]).find(|at| (began..=until).contains(at))
    };
    run.invocations().filter(|(_, invocation)| invocation.unhealthy).filter_map(look).min_by(f64::total_cmp)
}
