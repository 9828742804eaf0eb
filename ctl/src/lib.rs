//! Command-line client of the deployed function: ask it, fail over, fail back, pause it.
//!
//! # Layout
//! - [`args`]: the command line and the payload that it stands for; [`reason`]: a person's words.
//! - [`credentials`]: found before anything is sent; [`invoke`]: Lambda's Invoke API, deployed or local; [`fault`]: how a
//!   call failed.
//! - [`ask`]: what to expect of a request, in words; [`planned`]: the way without loss, by [`engine`].
//! - [`history`]: the function's log, read; [`rebuild`]: the steps after a promotion, from [`plan`].
//! - [`terminal`]: running display, questions, Ctrl-C; [`show`]: the answer as a table; [`exit`]: its worth.
//! - [`run`]: one command from beginning to end.

pub mod args;
pub mod ask;
pub mod credentials;
pub mod engine;
pub mod exit;
pub mod fault;
pub mod history;
pub mod invoke;
pub mod plan;
pub mod planned;
pub mod reason;
pub mod rebuild;
pub mod run;
pub mod show;
pub mod terminal;
