//! What DNS answers at present: for the report and a metric. No decision rests on it.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use crate::policy::Pair;

/// A resolver that does not answer costs this much.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks a name up; empty where there is no answer.
pub type Lookup = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = BTreeSet<IpAddr>> + Send>> + Send + Sync>;

/// The resolver of the machine, as every client on it would ask.
pub fn system() -> Lookup {
    Box::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await;
            found.map_or_else(|_| BTreeSet::new(), |found| found.map(|address| address.ip()).collect())
        })
    })
}

/// Where the failover record leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To the primary's endpoint.
    Primary,
    /// To the secondary's endpoint.
    Secondary,
    /// Somewhere else.
    Other,
    /// Nobody knows.
    Unknown,
}

impl Answer {
    /// The word in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// Looks the failover record up and compares it with the two endpoints; `None` where there is no name.
pub async fn answer(
    lookup: &Lookup,
    pair: &Pair,
    primary: Option<&str>,
    secondary: Option<&str>,
) -> Option<Answer> {
    let record = pair.record_name.as_ref()?;
    let (Some(primary), Some(secondary)) = (primary, secondary) else { return Some(Answer::Unknown) };
    let looked_up = async {
        tokio::join!(lookup(record.clone()), lookup(primary.to_owned()), lookup(secondary.to_owned()))
    };
    let Ok((record, primary, secondary)) = tokio::time::timeout(PATIENCE, looked_up).await else {
        return Some(Answer::Unknown);
    };
    Some(compare(&record, &primary, &secondary))
}

fn compare(record: &BTreeSet<IpAddr>, primary: &BTreeSet<IpAddr>, secondary: &BTreeSet<IpAddr>) -> Answer {
    match (record.is_disjoint(primary), record.is_disjoint(secondary)) {
        (false, true) => Answer::Primary,
        (true, false) => Answer::Secondary,
        (true, true) if ![record, primary, secondary].iter().any(|found| found.is_empty()) => Answer::Other,
        (true, true) | (false, false) => Answer::Unknown,
    }
}
