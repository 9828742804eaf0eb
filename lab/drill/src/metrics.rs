//! The function's metrics: what CloudWatch makes of its log lines.

use std::collections::BTreeSet;

use emulator::{Dimensions, World};
use jiff::Timestamp;
use proof::rig::REGION;
use serde_json::Value;

/// What the function's metrics come to.
#[derive(Debug, Default)]
pub struct Metrics {
    pub kinds: BTreeSet<String>,
    pub bytes: usize,
    pub lines: usize,
}

/// Does with a line in the embedded metric format what CloudWatch does.
pub fn record(line: &str, world: &mut World, metrics: &mut Metrics) {
    metrics.lines += 1;
    metrics.bytes += line.len();
    let Ok(line) = serde_json::from_str::<Value>(line) else { return };
    let time = line["_aws"]["Timestamp"].as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        let namespace = directive["Namespace"].as_str().unwrap_or_default();
        for names in directive["Dimensions"].as_array().into_iter().flatten() {
            let dimensions: Dimensions = texts(names)
                .into_iter()
                .map(|name| (name.clone(), line[&name].as_str().unwrap_or_default().to_owned()))
                .collect();
            for metric in directive["Metrics"].as_array().into_iter().flatten() {
                let Some(name) = metric["Name"].as_str() else { continue };
                metrics.kinds.insert(format!("{namespace} {name} {dimensions:?}"));
                if let (Some(time), Some(value)) = (time, line[name].as_f64()) {
                    world.put_sample(REGION, namespace, name, dimensions.clone(), time, value);
                }
            }
        }
    }
}
