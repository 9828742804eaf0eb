//! The drill: plays outages through the real function, over the emulator, in simulated time.
//!
//! # Layout
//! - [`scenario`], [`scenarios`], [`world`]: what happens, as data.
//! - [`stage`]: plays it on the rig of the proofs, which also watches the promises.
//! - [`attend`], [`ports`], [`watcher`], [`open`]: what an invocation does; what is probed; what clients find.
//! - [`recipe`]: what many people use instead of this function, for comparison.
//! - [`timeline`], [`outage`], [`verdict`]: what happened, how long clients suffered, and whether it is as expected.
//! - [`text`], [`beside`], [`strip`], [`html`], [`svg`]: how it is shown.
//! - [`cli`]: the command line.
#![allow(missing_docs)]

pub mod attend;
pub mod beside;
pub mod cli;
pub mod html;
pub mod open;
pub mod outage;
pub mod ports;
pub mod recipe;
pub mod scenario;
pub mod scenarios;
pub mod stage;
pub mod strip;
pub mod svg;
pub mod text;
pub mod timeline;
pub mod verdict;
pub mod watcher;
pub mod world;
