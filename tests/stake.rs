//! What a promotion may cost: the lag that is known, the lag that is not, and the words for what is at stake.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::*;
use emulator::Fault;
use proof::rig::{PRIMARY, REPLICA, Rig, world};
use rds_route53_failover::model::Change::{PromoteReplica, RouteToSecondary};
use serde_json::json;


