//! A person's client of the deployed function: ask it, order it, pause it.
//!
//! # Layout
//! - [`args`]: the command line and the payload that it stands for.
//! - [`ask`]: the consequences of an order in words, and the question.
//! - [`invoke`]: Lambda's Invoke API, deployed or local.
//! - [`show`]: the answer as a table, and what it is worth as an exit code.

pub mod args;
pub mod ask;
pub mod invoke;
pub mod show;
