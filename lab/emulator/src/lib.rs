//! A strict local RDS, Route 53, CloudWatch and SNS for development; never deployed.
//!
//! The real SDK clients, and a release binary by `AWS_ENDPOINT_URL`, call it by the real wire
//! protocols. What AWS refuses, it refuses; what it does not implement, it says loudly.
//!
//! # Layout
//! - [`World`]: the state of everything, a synchronous machine without a clock of its own.
//! - [`Emulator`]: a world and a clock behind two `doors`: [`Emulator::listen`] (TCP) and
//!   [`Emulator::http_client`] (in process, for simulated time and millions of calls).
//! - `rds`, `route53`, `cloudwatch`, `sns`: the services; `requests` and `wire`: how a request
//!   reaches them, and what their protocols share.
//! - [`Faults`] and [`On`]: what goes wrong, and with which calls.
//! - [`Limits`]: the account's token buckets, off until [`World::limit_requests`].
//! - [`Call`], [`Event`], [`Change`]: what was called and what changed.
//! - [`DnsClient`]: what a client with a cache connects to.
//! - [`RuntimeApi`]: what a function's process asks for events.
//!
//! # Where it is not AWS
//! Route 53's second limit, on record changes per second, is not emulated. What RDS answers to a
//! `Duration` over 14 days is not documented; here it is `InvalidParameterValue`.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use emulator::{Emulator, HealthCheck, Instance, World};
//!
//! let primary = Instance::new("us-east-1", "orders-primary");
//! let mut world = World::new();
//! world.add(Instance::replica_of(&primary, "us-east-1", "orders-replica"));
//! world.add(primary);
//! world.add_health_check(HealthCheck::switch("orders"));
//! let server = Emulator::new(world, jiff::Timestamp::now).listen().await?;
//! println!("AWS_ENDPOINT_URL={}", server.url());
//! # Ok(())
//! # }
//! ```

#![allow(missing_docs, reason = "names of AWS say what they are; this crate is never deployed")]

mod cloudwatch;
mod doors;
mod emulator;
mod faults;
mod limits;
mod rds;
mod record;
mod requests;
mod route53;
mod runtime_api;
mod sns;
mod wire;
mod world;

pub use cloudwatch::alarm::{Alarm, AlarmState, Comparison};
pub use cloudwatch::metric::Dimensions;
pub use doors::tcp::Server;
pub use emulator::Emulator;
pub use faults::{Fault, Faults, On};
pub use limits::{Limit, Limits};
pub use rds::events::RdsEvent;
pub use rds::instance::{Instance, Source, StatusInfo};
pub use rds::lifecycle::Promotion;
pub use record::{Actor, Call, Change, Event, Outcome};
pub use requests::Reply;
pub use route53::check::{HealthCheck, InsufficientData};
pub use route53::dns::{Answer, DnsClient};
pub use route53::zone::{Alias, Failover, RecordSet};
pub use runtime_api::{Post, RuntimeApi};
pub use sns::Message;
pub use wire::Service;
pub use world::World;

/// The account that owns everything.
pub const ACCOUNT: &str = "123456789012";
