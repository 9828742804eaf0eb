//! No event makes the trigger panic, and none that carries an SNS record or an EventBridge source is an order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rds_route53_failover::config::Config;
use rds_route53_failover::trigger::{Request, read};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(config) = Config::load(|name| match name {
        "PRIMARY_DB_INSTANCE_IDENTIFIER" => Some("orders-primary".to_owned()),
        "FAILOVER_DB_INSTANCE_IDENTIFIER" => Some("orders-replica".to_owned()),
        "ROUTE53_HEALTH_CHECK_ID" => Some("check".to_owned()),
        _ => None,
    }) else {
        unreachable!("the configuration is good")
    };
    if let Ok(Request::Action(action)) = read(bytes, &config.pair) {
        let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
            unreachable!("an order out of no JSON: {action:?}")
        };
        let wrapped = event.get("Records").is_some() || event.get("source").is_some();
        assert!(!wrapped, "an order out of an event: {action:?}");
    }
});
