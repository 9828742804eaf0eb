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

pub(crate) mod cli;
mod cost;
mod faulty;
mod html;
mod metrics;
mod ports;
mod recipe;
mod referee;
pub(crate) mod scenario;
pub(crate) mod scenarios;
mod stage;
mod strip;
mod svg;
mod text;
mod timeline;
mod verdict;
mod watcher;
pub(crate) mod wire;
pub(crate) mod world;
