//! No environment makes loading the configuration panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rds_route53_failover::config::{Config, VARIABLES};

fuzz_target!(|text: &str| {
    let values: Vec<&str> = text.split('\n').collect();
    let _ = Config::load(|name| {
        let at = VARIABLES.iter().position(|variable| variable.name == name)?;
        values.get(at).map(|value| (*value).to_owned())
    });
});
