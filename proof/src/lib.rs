//! What shows that the function keeps its promises.
//!
//! # Layout
//! - [`rig`]: the real function over the emulator, in simulated time.

pub mod rig;
