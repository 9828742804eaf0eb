//! A person's client of the deployed function: ask it, order it, pause it.
//!
//! Built from this repository and never deployed. `cargo run --example ctl -- --help` says how it is used.
//!
//! # Layout
//! - [`args`]: the command line and the payload that it stands for.
//! - [`ask`]: the consequences of an order in words, and the question.
//! - [`invoke`]: Lambda's Invoke API, deployed or local.
//! - [`show`]: the answer as a table, and what it is worth as an exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use ctl::args::{Args, Command};
use ctl::invoke::{Answer, Function};
use ctl::show::Exit;
use ctl::{ask, show};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Args { command } = Args::parse();
    match run(&command).await {
        Ok(exit) => exit.into(),
        // A closed pipe, such as of `| head`: there is nobody left to tell.
        Err(_) => Exit::Unreachable.into(),
    }
}

async fn run(command: &Command) -> io::Result<Exit> {
    let mut errors = io::stderr();
    if command.moves_traffic()
        && !command.common().yes
        && !(io::stdin().is_terminal() && errors.is_terminal())
    {
        writeln!(
            errors,
            "Nothing was sent: `{}` changes where traffic goes, and there is no terminal to ask on. Give --yes to send it unasked.",
            command.name()
        )?;
        return Ok(Exit::Usage);
    }
    let function = match Function::connect(command.common()).await {
        Ok(function) => function,
        Err(why) => {
            writeln!(errors, "Nothing was sent: {why}.")?;
            return Ok(Exit::Usage);
        }
    };
    if command.moves_traffic() && !command.common().yes {
        let answer = function.invoke(json!({"action": "status"})).await;
        let Answer::Done(status) = &answer else {
            return show::answer(command, &answer, &mut io::stdout(), &mut errors);
        };
        errors.write_all(show::table("status", status).as_bytes())?;
        if !ask::confirmed(command, status, &mut io::stdin().lock(), &mut errors)? {
            writeln!(errors, "Nothing was ordered.")?;
            return Ok(Exit::Refused);
        }
    }
    let answer = function.invoke(command.payload()).await;
    show::answer(command, &answer, &mut io::stdout(), &mut errors)
}
