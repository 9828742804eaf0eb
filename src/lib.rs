//! Moves traffic away from a failed RDS primary with a Route 53 health check, and optionally promotes a read replica.
//!
//! # Vocabulary
//! - A **pair** is a primary, its secondary (usually a read replica), and the records that clients resolve.
//! - The **switch** is the health check on the primary record. Its two flags, set together, send traffic to the
//!   secondary.
//! - An **incident** is the time between moving traffic away and back. Its name is the version of the health check that
//!   moving away produced.
//! - An **announcement** is a tag on the health check, written just before the change that it names.
//! - A **symptom** is what is wrong with the primary, in the words of `PROMOTE_ON`; a **diagnosis** is its health and
//!   what that rests on.
//!
//! # Example
//! Deciding is pure, so every case can be asked about:
//!
//! ```
//! use rds_route53_failover::config::Config;
//! use rds_route53_failover::decide::{Case, Code, Decision, Order, Streak, decide};
//! use rds_route53_failover::diagnosis::Diagnosis;
//! use rds_route53_failover::memory::Memory;
//! use rds_route53_failover::model::{CheckState, Evidence, HealthCheck, Instance, Observation, Reading};
//! use rds_route53_failover::status::Status;
//!
//! let config = Config::load(|name| match name {
//!     "PRIMARY_DB_INSTANCE_IDENTIFIER" => Some("orders-primary".to_owned()),
//!     "ROUTE53_HEALTH_CHECK_ID" => Some("11111111-2222-3333-4444-555555555555".to_owned()),
//!     "CONFIRMATIONS" => Some("1".to_owned()),
//!     _ => None,
//! })
//! .unwrap();
//! let check = HealthCheck::of(CheckState::Normal, 1);
//! let seen = Observation {
//!     primary: Some(Reading::Known(Instance::of(Status::Failed))),
//!     check: Reading::Known(check),
//!     memory: Evidence::Read(Memory::default()),
//!     switch_is_fresh: true,
//!     ..Observation::unread()
//! };
//! let now = "2026-01-31T12:00:00Z".parse().unwrap();
//! let streak = Streak::new(&Diagnosis::of(&seen, &config.pair), now);
//! let case = Case::new(&seen, streak, Order::Tick, &config.pair, now);
//! match decide(&case) {
//!     Decision::Apply(rule) => {
//!         println!("{}: {}", rule.code, rule.message);
//!         assert_eq!(rule.code, Code::PrimaryUnhealthy);
//!     }
//!     Decision::Read(need) => panic!("{need:?} is needed"),
//! }
//! ```
//!
//! # Layout
//! An invocation runs through the stages in this order:
//!
//! | stage | module | what it knows |
//! |---|---|---|
//! | trigger | [`trigger`] | which events wake the function, and which payload is an action |
//! | observe | [`observe`], [`probe`], [`dns`], [`aws`] | how the world is read, and what an error of AWS means |
//! | decide | [`decide`], [`diagnosis`], [`replica`], [`lag`] | what the evidence says, and what follows: all policy is here |
//! | act | [`act`], [`memory`] | how a change is announced, made, read back and confirmed |
//! | report | [`account`], [`report`], [`facts`], [`metrics`], [`notify`], [`error`] | what a person and a machine get to know |
//!
//! [`reconcile`] drives them over a [`context`]; [`app`] is one invocation; [`orders`] are the actions that move no
//! traffic; [`readiness`] is the `check`. [`config`], [`policy`], [`model`], [`status`], [`text`] and [`clock`] are shared. The pure core
//! (`model`, `status`, `memory`, `policy`, `diagnosis`, `replica`, `lag`, `decide`) names no SDK, runtime, log or
//! environment.

pub mod account;
pub mod act;
pub mod app;
pub mod aws;
pub mod clock;
pub mod config;
pub mod context;
pub mod decide;
pub mod diagnosis;
pub mod dns;
pub mod error;
pub mod facts;
pub mod lag;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod notify;
pub mod observe;
pub mod orders;
pub mod policy;
pub mod probe;
pub mod readiness;
pub mod reconcile;
pub mod replica;
pub mod report;
pub mod status;
pub mod text;
pub mod trigger;
