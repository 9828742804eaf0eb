//! Command-line client of the deployed function. `ctl --help` says how it is used.

use std::process::ExitCode;

use clap::Parser;

use ctl::args::Args;
use ctl::exit::Exit;
use ctl::run::run;

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Nothing was sent: {error}.");
            return Exit::NothingSent.into();
        }
    };
    // A closed pipe, such as of `| head`, is an error with nobody left to read it.
    let exit = runtime.block_on(run(&command)).unwrap_or(Exit::Unknown);
    // A question that was left with Ctrl-C still waits for its line.
    runtime.shutdown_background();
    exit.into()
}
