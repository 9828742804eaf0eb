//! No identifier or ARN makes parsing it panic, and what was parsed is one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rds_route53_failover::model::InstanceRef;

fuzz_target!(|text: &str| {
    if let Ok(instance) = InstanceRef::parse(text, Some("us-east-1")) {
        assert!((1..=63).contains(&instance.identifier.len()));
        assert!(instance.same_as(&instance));
    }
});
