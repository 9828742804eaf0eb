//! Plays an outage through the real function and shows what happens: `cargo drill`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let scenarios = drill::scenarios::all();
    // These two drop the colours where there is no terminal, or where NO_COLOR is set.
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    ExitCode::from(drill::cli::run(std::env::args_os(), &scenarios, &mut out, &mut err))
}
