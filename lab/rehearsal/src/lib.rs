//! Plays outages with real databases, real DNS answers and real clients, and counts rows; never deployed.
//!
//! ```sh
//! cargo build --workspace && target/debug/rehearse
//! ```
//!
//! needs Linux and Debian's `mariadb-server galera-4 postgresql patroni python3-etcd etcd-server php-cli php-mysql
//! php-pgsql iproute2`, as root or where unprivileged user namespaces are allowed. Nothing of the machine is touched:
//! every case has its own mount, network and process namespaces, and its data is on a tmpfs in them. Every process
//! ends with the command, however that ends.
//!
//! # Layout
//! - [`cases`]: what is broken, what must come, what is counted.
//! - [`stage`]: the parts that a case stands on; [`mariadb`], [`agent`], [`dns`], [`runtime_api`], [`function`],
//!   [`client`], [`page`]: the parts.
//! - [`net`], [`process`], [`sandbox`], [`preflight`]: hosts, links, cuts, children, namespaces, what must be installed.
//! - [`record`]: what happened; [`html`], [`svg`]: the page about it.
#![allow(missing_docs)]

pub mod agent;
pub mod cases;
pub mod client;
pub mod dns;
pub mod fault;
pub mod function;
pub mod galera;
pub mod html;
pub mod mariadb;
pub mod net;
pub mod page;
pub mod pair;
pub mod patroni;
pub mod preflight;
pub mod process;
pub mod record;
pub mod runtime_api;
pub mod sandbox;
pub mod stage;
pub mod svg;

use std::time::Duration;

/// The schedule of the compressed cases: a minute in two seconds, a factor of 30.
pub const TICK: Duration = Duration::from_secs(2);
