//! Attends an invocation: which calls and metrics are its own, also where several overlap.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};

use emulator::{Call, Dimensions};
use jiff::Timestamp;
use proof::rig::{REGION, Rig};
use serde_json::Value;

/// Turns of the runtime for which time stands still after an invocation was woken. Tokio's paused clock jumps as
/// soon as only timers are left, and takes a probe's open socket for nothing; over loopback, a connection is
/// accepted or refused by the next turn.
const TURNS: u32 = 4;

/// What an invocation did.
#[derive(Debug, Default)]
pub struct Seen {
    pub calls: Vec<Call>,
    pub metrics: Vec<(String, f64)>,
}

impl Seen {
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().rfind(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Runs an invocation. What it does goes into `seen` at once, as it may be dropped half-way.
pub async fn attend<T>(rig: &Rig, seen: &mut Seen, invocation: impl Future<Output = T>) -> T {
    let mut invocation = pin!(invocation);
    let (mut last, mut turns) = (None::<Arc<Stirred>>, 0);
    poll_fn(|context| {
        if last.as_ref().is_none_or(|last| last.woken.load(Relaxed)) {
            turns = TURNS;
        }
        let stirred = Arc::new(Stirred { woken: AtomicBool::new(false), waker: context.waker().clone() });
        last = Some(Arc::clone(&stirred));
        let calls = rig.emulator.world().calls().len();
        let polled = invocation.as_mut().poll(&mut Context::from_waker(&Waker::from(stirred)));
        collect(rig, calls, seen);
        if polled.is_pending() && turns > 0 {
            turns -= 1;
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Whether an invocation was woken by what it waits for.
struct Stirred {
    woken: AtomicBool,
    waker: Waker,
}

impl Wake for Stirred {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Relaxed);
        self.waker.wake_by_ref();
    }
}

/// Takes what one poll called and logged. CloudWatch gets the metrics, as it would from the log.
fn collect(rig: &Rig, before: usize, seen: &mut Seen) {
    let mut world = rig.emulator.world();
    seen.calls.extend(world.calls().get(before..).unwrap_or_default().iter().cloned());
    let lines = std::mem::take(&mut *rig.metrics.lock().unwrap_or_else(PoisonError::into_inner));
    for line in lines {
        let time = line["_aws"]["Timestamp"].as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        for directive in items(&line["_aws"]["CloudWatchMetrics"]) {
            let namespace = directive["Namespace"].as_str().unwrap_or_default();
            for names in items(&directive["Dimensions"]) {
                let dimensions: Dimensions = items(names)
                    .filter_map(Value::as_str)
                    .map(|name| (name.to_owned(), line[name].as_str().unwrap_or_default().to_owned()))
                    .collect();
                for name in items(&directive["Metrics"]).filter_map(|metric| metric["Name"].as_str()) {
                    let (Some(time), Some(value)) = (time, line[name].as_f64()) else { continue };
                    seen.metrics.push((name.to_owned(), value));
                    world.put_sample(REGION, namespace, name, dimensions.clone(), time, value);
                }
            }
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
