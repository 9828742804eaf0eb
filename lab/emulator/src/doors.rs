//! The two doors to an emulator.

mod inprocess;
pub(crate) mod tcp;
