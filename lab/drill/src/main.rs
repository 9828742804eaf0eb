//! Plays an outage through the real function and shows what happens: `cargo drill`.

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminal =
        drill::cli::Terminal { color: stdout().is_terminal() && !no_color, progress: stderr().is_terminal() };
    let arguments = std::env::args().skip(1);
    let code = drill::cli::run(
        arguments,
        &drill::scenarios::all(),
        terminal,
        &mut stdout().lock(),
        &mut stderr().lock(),
    );
    ExitCode::from(code)
}
