//! The terminal: a running display while the function works, questions, and Ctrl-C.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The person pressed Ctrl-C, this long after the wait began.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted(pub Duration);

/// Waits for the work, and shows how long it has taken and what it probably does now. Without a terminal it is silent.
///
/// # Errors
/// The person pressed Ctrl-C.
pub async fn waiting<T>(
    doing: impl Fn(Duration) -> String,
    work: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    let began = Instant::now();
    let bar = ProgressBar::new_spinner();
    // The only way this fails is a faulty template.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    let mut second = tokio::time::interval(Duration::from_millis(250));
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            done = &mut work => break Ok(done),
            _ = tokio::signal::ctrl_c() => break Err(Interrupted(began.elapsed())),
            _ = second.tick() => {
                bar.set_message(format!("{} s  {}", began.elapsed().as_secs(), doing(began.elapsed())));
                bar.tick();
            }
        }
    };
    bar.finish_and_clear();
    result
}

/// The line that the person typed; nothing where the input ended or the person pressed Ctrl-C.
///
/// # Errors
/// The terminal is gone.
pub async fn asked(question: &str) -> io::Result<Option<String>> {
    let mut errors = io::stderr();
    write!(errors, "\n{question}")?;
    errors.flush()?;
    // Reading a line can't be cancelled; the process ends without waiting for this thread.
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|read| (read > 0).then(|| line.trim().to_owned()))
    });
    tokio::select! {
        line = line => line.map_err(io::Error::other)?,
        _ = tokio::signal::ctrl_c() => {
            writeln!(errors)?;
            Ok(None)
        }
    }
}
