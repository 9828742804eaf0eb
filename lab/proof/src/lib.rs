//! What shows that the function keeps its promises.
//!
//! # Layout
//! - [`rig`]: the real function over the emulator, in simulated time.
//! - [`invariants`]: what must hold after every step; the rig holds each call against it.
//! - [`explore`]: every order of calls of invocations that coincide.
//! - [`simulation`]: seeded random worlds.

mod door;
pub mod explore;
mod gate;
pub mod invariants;
pub mod rig;
pub mod simulation;
