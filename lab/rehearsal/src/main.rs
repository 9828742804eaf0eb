//! The command; the library says what it does.

use std::process::ExitCode;

use clap::Parser;
use rehearsal::sandbox::Command;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rehearse: {error:#}");
            ExitCode::from(2)
        }
    }
}
