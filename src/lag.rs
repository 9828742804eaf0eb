//! How far the replica is behind, and what that means for the data at stake.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::model::{ReadFailure, Replication, Sample};

/// A known lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// Seconds behind the primary.
    pub seconds: f64,
    /// When it was sampled.
    pub at: Timestamp,
}

/// Why the lag is unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum NoLag {
    /// The replica does not replicate, according to RDS.
    Broken(Replication),
    /// CloudWatch could not be read.
    Unreadable(ReadFailure),
    /// CloudWatch has no sample.
    NoSample,
    /// The last sample is too old, and from then.
    Stale(Timestamp),
    /// The value is below zero: replication is not running.
    NotRunning(f64),
}

impl fmt::Display for NoLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(replication) => replication.fmt(f),
            Self::Unreadable(why) => write!(f, "ReplicaLag could not be read ({why})"),
            Self::NoSample => f.write_str("there is no sample of ReplicaLag"),
            Self::Stale(at) => write!(f, "the last sample of ReplicaLag is from {at:.0}"),
            Self::NotRunning(value) => write!(f, "ReplicaLag is {value}: replication is not running"),
        }
    }
}

/// A sample older than this says nothing of the present lag.
const STALE_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// A tick each minute sees an outage up to this long after it began.
const DETECTION: SignedDuration = SignedDuration::from_mins(1);

/// A sample carries the time at which its minute began.
const PERIOD: SignedDuration = SignedDuration::from_mins(1);

/// A lag that grew by the time that passed, give or take this, grew by nothing else.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// The lag that counts for a promotion, or why it is unknown.
///
/// The newest sample counts, with one exception. Once the primary is dead, PostgreSQL's lag (now less the last
/// replayed transaction) climbs by a second per second though no more data is at stake, and MySQL's turns to −1
/// (replication not running). So the last sample from before the outage counts where the newest is −1, or is no
/// more than that one and the time between them. Nothing older than that one is believed: a −1 there means that
/// replication had stopped before the outage.
///
/// `detected` is when the outage was first seen.
///
/// # Errors
/// Why the lag is unknown.
pub fn lag(samples: &[Sample], detected: Timestamp, now: Timestamp) -> Result<Lag, NoLag> {
    let outage = detected.checked_sub(DETECTION).unwrap_or(Timestamp::MIN);
    let fresh = |sample: &&Sample| now.duration_since(sample.at) <= STALE_AFTER;
    let usable = |sample: &&Sample| sample.seconds.is_finite() && sample.seconds >= 0.0;
    let Some(newest) = samples.iter().rfind(fresh) else {
        return Err(samples.last().map_or(NoLag::NoSample, |last| NoLag::Stale(last.at)));
    };
    let mut earlier = samples.iter().filter(fresh).filter(|sample| sample.at < outage).rev();
    let before = match (earlier.next(), earlier.next()) {
        (Some(last), Some(one_before))
            if !usable(&last)
                // Its minute may have ended after the outage began.
                && last.at + PERIOD > outage
                && last.at.duration_since(one_before.at) < 2 * PERIOD =>
        {
            Some(one_before).filter(usable)
        }
        (last, _) => last.filter(usable),
    };
    let counts = match before {
        Some(before) if !usable(&newest) => before,
        Some(before) => {
            let climb = newest.at.duration_since(before.at) + CLOCK_TOLERANCE;
            let by_the_clock = newest.seconds <= before.seconds + climb.as_secs_f64();
            if by_the_clock && newest.seconds > before.seconds { before } else { newest }
        }
        None if usable(&newest) => newest,
        None => return Err(NoLag::NotRunning(newest.seconds)),
    };
    Ok(Lag { seconds: counts.seconds, at: counts.at })
}

/// The writes that a promotion loses, as far as anybody can know.
///
/// The lag says how far the replica had come when it was sampled. A link that broke just after that loses all that
/// was written until the outage, too; and a primary that lives goes on taking writes from open connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtStake {
    /// Seconds of writes, at least.
    pub at_least: f64,
    /// Seconds of writes, at most; `None` where nothing bounds them.
    pub at_most: Option<f64>,
    /// How old the sample is, seconds.
    pub sample_age: f64,
}

impl AtStake {
    /// What is at stake with this lag. `outage` is when it was first seen; `None` while the primary lives.
    pub fn new(lag: Lag, outage: Option<Timestamp>, now: Timestamp) -> Self {
        let since = |end: Timestamp| end.duration_since(lag.at).as_secs_f64().max(0.0);
        Self {
            at_least: lag.seconds,
            at_most: outage.map(|outage| lag.seconds + since(outage)),
            sample_age: since(now),
        }
    }
}

impl fmt::Display for AtStake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_least, at_most, sample_age } = self;
        write!(f, "at least {} s of writes", rounded(*at_least))?;
        match at_most {
            // MySQL and MariaDB show a lag of 0 while a broken link is silent.
            Some(at_most) => write!(
                f,
                ", at most {} s if the link to the primary was alive when the lag was sampled",
                rounded(*at_most)
            )?,
            None => f.write_str(", and whatever open connections still write to the old primary")?,
        }
        write!(f, " (replica lag {} s, sampled {sample_age:.0} s ago)", rounded(*at_least))
    }
}

/// To a tenth of a second: the metric knows no more.
fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
