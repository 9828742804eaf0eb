//! Moves traffic away from a failed RDS primary by a Route 53 health check, and optionally promotes a read replica.
//!
//! # Layout
//! An invocation runs through the stages in this order:
//!
//! | stage | module | what it knows |
//! |---|---|---|
//! | trigger | [`trigger`] | which events wake the function, and which payload is an order |
//! | observe | [`observe`], [`probe`], [`aws`] | how the world is read, and what an error of AWS means |
//! | decide | [`health`], [`decide`] | what the evidence says, and what follows: all policy is here |
//! | act | [`act`], [`memory`] | how a change is announced, made and read back |
//! | report | [`report`], [`metrics`], [`notify`], [`error`] | what a person and a machine are told |
//!
//! [`app`] runs the stages; [`readiness`] is the `check`; [`config`], [`model`], [`status`] and [`clock`] are what
//! they share.

pub mod act;
pub mod app;
pub mod aws;
pub mod clock;
pub mod config;
pub mod decide;
pub mod error;
pub mod health;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod notify;
pub mod observe;
pub mod probe;
pub mod readiness;
pub mod report;
pub mod status;
pub mod trigger;
