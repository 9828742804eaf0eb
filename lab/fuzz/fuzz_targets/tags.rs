//! No tag makes reading it panic, and what was read reads the same once written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rds_route53_failover::memory::{Memory, Tag};

fuzz_target!(|tags: [&str; 5]| {
    let pairs = Tag::ALL.iter().zip(tags).map(|(tag, value)| (tag.key(), value));
    let Ok(memory) = Memory::parse(pairs) else { return };
    for tag in Tag::ALL {
        let Some(value) = memory.value_of(tag) else { continue };
        assert!(value.chars().count() <= 256, "too long for Route 53: {value}");
        let Ok(again) = Memory::parse([(tag.key(), value.as_str())]) else {
            panic!("written and not read again: {value}")
        };
        assert_eq!(again.value_of(tag).as_ref(), Some(&value));
    }
});
