//! Real SDK clients against the emulator.

use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::config::{
    BehaviorVersion, Credentials, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use emulator::{Emulator, Instance, World};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub const CHECK: &str = "11111111-2222-4333-8444-555555555555";
pub const NAME: &str = "orders.example.com";

/// A clock that a test moves.
#[derive(Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }

    pub fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

pub fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A primary, a replica, a health check and the two failover records.
pub fn world() -> World {
    let primary = Instance::new("us-east-1", "orders-primary");
    let replica = Instance::replica_of(&primary, "us-east-1", "orders-replica");
    World::of_pair(start(), [primary, replica], CHECK, ("Z1", "example.com"), NAME)
}

pub fn emulator(world: World) -> (Emulator, Clock) {
    let clock = Clock(Arc::new(AtomicI64::new(start().as_second())));
    let emulator = {
        let clock = clock.clone();
        Emulator::new(world, move || clock.now())
    };
    (emulator, clock)
}

/// An emulator that lives in tokio's time.
pub fn in_paused_time(world: World) -> Emulator {
    let begun = tokio::time::Instant::now();
    Emulator::new(world, move || start() + SignedDuration::try_from(begun.elapsed()).unwrap())
}

pub struct Clients {
    pub rds: aws_sdk_rds::Client,
    pub route53: aws_sdk_route53::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub sns: aws_sdk_sns::Client,
}

macro_rules! client {
    ($sdk:ident, $region:expr, $retry:expr, $http:expr, $url:expr) => {{
        let config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new($region.to_owned()))
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
            .retry_config($retry)
            // It goes by the real clock, which runs on while the simulated one is far ahead.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client($http)
            .endpoint_url($url)
            .build();
        $sdk::Client::from_conf(config)
    }};
}

pub fn clients(region: &str, http: SharedHttpClient, url: &str) -> Clients {
    clients_with(&RetryConfig::disabled(), region, http, url)
}

pub fn clients_with(retry: &RetryConfig, region: &str, http: SharedHttpClient, url: &str) -> Clients {
    Clients {
        rds: client!(aws_sdk_rds, region, retry.clone(), http.clone(), url),
        route53: client!(aws_sdk_route53, "us-east-1", retry.clone(), http.clone(), url),
        cloudwatch: client!(aws_sdk_cloudwatch, region, retry.clone(), http.clone(), url),
        sns: client!(aws_sdk_sns, region, retry.clone(), http, url),
    }
}

/// Clients by the in-process door.
pub fn inprocess(emulator: &Emulator) -> Clients {
    inprocess_in(emulator, "us-east-1")
}

pub fn inprocess_in(emulator: &Emulator, region: &str) -> Clients {
    clients(region, emulator.http_client(), "http://emulator.test")
}
