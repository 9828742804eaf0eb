//! The drill: plays outages through the real handler, over real HTTP, in simulated time.
//!
//! # Layout
//! - [`scenario`], [`scenarios`], [`faulty`], [`world`]: what happens, as data.
//! - [`stage`], [`wire`], [`watcher`]: plays it; how time is simulated over real sockets; what clients find.
//! - [`ports`], [`metrics`]: what is probed, and what CloudWatch makes of the function's log lines.
//! - [`referee`]: holds each call against the promises.
//! - [`timeline`], [`verdict`], [`cost`]: what it came to.
//! - [`text`], [`strip`], [`html`], [`svg`]: how it is shown.
//! - [`cli`]: the command line.

pub mod cli;
pub mod cost;
pub mod faulty;
pub mod html;
pub mod metrics;
pub mod ports;
pub mod recipe;
pub mod referee;
pub mod scenario;
pub mod scenarios;
pub mod stage;
pub mod strip;
pub mod svg;
pub mod text;
pub mod timeline;
pub mod verdict;
pub mod watcher;
pub mod wire;
pub mod world;
