//! One command from beginning to end.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::{Command, Failover};
use crate::exit::Exit;
use crate::invoke::{Answer, Function};
use crate::terminal::{Interrupted, asked, waiting};
use crate::{ask, history, planned, rebuild, show};

/// Carries out a command.
///
/// # Errors
/// The terminal or pipe is gone.
pub async fn run(command: &Command) -> io::Result<Exit> {
    if let Command::History(history) = command {
        return history::print(history).await;
    }
    let mut errors = io::stderr();
    let asks = command.moves_traffic() && !command.common().yes;
    if asks && !(io::stdin().is_terminal() && errors.is_terminal()) {
        show::say(
            &mut errors,
            &format!(
                "Nothing was sent: `{}` changes where traffic goes, and there is no terminal to ask on. Pass --yes to skip the question.",
                command.name()
            ),
        )?;
        return Ok(Exit::NothingSent);
    }
    let function = match waiting(|_| "looking for credentials".to_owned(), Function::connect(command)).await {
        Ok(Ok(function)) => function,
        Ok(Err(why)) => return nothing_sent(&why),
        Err(Interrupted(_)) => return nothing_sent("You stopped before anything was sent."),
    };
    if let Command::Failover(failover @ Failover { planned: true, engine: Some(engine), .. }) = command {
        return planned::walk(&function, command, failover, *engine).await;
    }
    if let Command::Rebuild(rebuild) = command {
        return rebuild::walk(&function, command, rebuild).await;
    }
    if asks {
        let status = match status(&function).await {
            Ok(answer) => answer,
            Err(Interrupted(_)) => return nothing_sent("You stopped before the request was sent."),
        };
        let status = match status {
            Answer::NotSent(_) => return show::answer(command, &status, &mut io::stdout(), &mut errors),
            Answer::Done(report) => {
                errors.write_all(show::table("status", &report).as_bytes())?;
                report
            }
            // The function may be able to act all the same: the person decides.
            Answer::Failed(_) | Answer::Lost(_) => {
                show::answer(command, &status, &mut io::stdout(), &mut errors)?;
                show::say(&mut errors, "That was `status`; your request was not sent yet.")?;
                Value::Null
            }
        };
        errors.write_all(ask::expectations(command, &status).as_bytes())?;
        let expected = ask::consent(command, &status);
        let question = format!("Type `{expected}` to send it, anything else to change nothing: ");
        if asked(&question).await? != Some(expected) {
            return nothing_sent("Everything is as it was.");
        }
    }
    send(&function, command).await
}

/// Sends the command itself, and shows the answer.
///
/// # Errors
/// The terminal or pipe is gone.
pub async fn send(function: &Function<'_>, command: &Command) -> io::Result<Exit> {
    let mut errors = io::stderr();
    match waiting(|passed| doing(command, passed), function.invoke(command.payload())).await {
        Ok(answer) => show::answer(command, &answer, &mut io::stdout(), &mut errors),
        Err(Interrupted(after)) => {
            show::say(&mut errors, &interrupted(command, after))?;
            Ok(Exit::Unknown)
        }
    }
}

/// Asks for the status.
///
/// # Errors
/// The person pressed Ctrl-C.
pub async fn status(function: &Function<'_>) -> Result<Answer, Interrupted> {
    waiting(|_| "asking for the status first".to_owned(), function.invoke(json!({"action": "status"}))).await
}

/// Says why nothing was sent.
///
/// # Errors
/// The terminal is gone.
pub fn nothing_sent(why: &str) -> io::Result<Exit> {
    show::say(&mut io::stderr(), &format!("Nothing was sent. {why}"))?;
    Ok(Exit::NothingSent)
}

/// What the function probably does, this long after the request: it doesn't tell before it is done.
fn doing(command: &Command, passed: Duration) -> String {
    let seconds = passed.as_secs();
    let probably = match command {
        Command::Status(_) => "reading RDS, Route 53 and the probes",
        Command::Check(_) => "examining instances, records, probes and permissions",
        Command::History(_) => "reading the log",
        Command::Rebuild(_) => "reading RDS, Route 53 and the probes",
        Command::Pause { .. } | Command::Resume(_) => "reading all, then writing a tag",
        Command::Failover(_) | Command::Failback { .. } | Command::Tick(_) if seconds < 3 => {
            "reading RDS, Route 53 and the probes"
        }
        Command::Failover(_) | Command::Failback { .. } | Command::Tick(_) if seconds < 60 => {
            "confirming what it saw, or setting the flags"
        }
        Command::Failover(_) | Command::Failback { .. } | Command::Tick(_) => {
            "retrying throttled or failed AWS calls"
        }
    };
    format!("probably {probably}; Ctrl-C stops the waiting only")
}

/// What may have happened, where the person stopped waiting.
fn interrupted(command: &Command, after: Duration) -> String {
    let seconds = after.as_secs();
    if command.reads() {
        return format!("Stopped waiting after {seconds} s. `{}` changes nothing.", command.name());
    }
    format!(
        "Stopped waiting after {seconds} s. The request was sent, and Ctrl-C does not stop the function: it may still carry out `{}`. Run `{}` to see what happened before you repeat it.",
        command.name(),
        status_command(command)
    )
}

/// The `status` command for the same function.
pub fn status_command(command: &Command) -> String {
    command_for(command, "status")
}

/// The command with another verb for the same function.
pub fn command_for(command: &Command, verb: &str) -> String {
    let common = command.common();
    let mut words = format!("ctl {verb} --function {}", common.function);
    for (option, value) in [
        ("region", &common.region),
        ("profile", &common.profile),
        ("qualifier", &common.qualifier),
        ("local", &common.local),
    ] {
        if let Some(value) = value {
            words.push_str(&format!(" --{option} {value}"));
        }
    }
    words
}
