//! The function's real binary: its process, its invocations, its schedule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::task::AbortHandle;

use crate::net::{FUNCTION, SERVICES};
use crate::process::{on, start};
use crate::record::{Record, What};
use crate::runtime_api::{Ended, RuntimeApi};
use crate::stage::Paths;

pub const REGION: &str = "us-east-1";
pub const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:rehearsal";

/// A running function. It ends when this is dropped.
pub struct Function {
    runtime: RuntimeApi,
    record: Arc<Record>,
    schedule: Option<AbortHandle>,
    limit: Duration,
    _process: Child,
}

impl Function {
    /// Starts the binary on its host with these environment variables.
    pub async fn start(
        paths: &Paths,
        variables: &BTreeMap<String, String>,
        aws: std::net::SocketAddr,
    ) -> Result<Self> {
        let runtime = RuntimeApi::listen(SERVICES).await?;
        let door = forward(aws).await?;
        let mut command = on(FUNCTION, &paths.function.to_string_lossy());
        command.env_clear();
        command.env("PATH", "/usr/bin:/bin");
        command.env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string());
        command.env("AWS_LAMBDA_FUNCTION_NAME", "rehearsal");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        command.env("AWS_LAMBDA_FUNCTION_VERSION", "1");
        command.env("AWS_ENDPOINT_URL", format!("http://{door}"));
        command.env("AWS_REGION", REGION);
        command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
        command.envs(variables);
        let process = start(command, &paths.folder.join("function.log"))?;
        let record = Arc::clone(&paths.record);
        let limit = Duration::from_secs(120);
        let function = Self { runtime, record, schedule: None, limit, _process: process };
        // Whether it has started shows in whether it takes an invocation.
        let first =
            tokio::time::timeout(Duration::from_secs(10), function.invoke(json!({"action": "status"})));
        match first.await {
            Ok(Ok(Ok(_))) => Ok(function),
            Ok(Ok(Err(error))) => bail!("the first status failed: {error}"),
            Ok(Err(error)) => Err(error),
            Err(_) => bail!("the function does not start"),
        }
    }

    /// Invokes it and records how that ended.
    pub async fn invoke(&self, event: Value) -> Result<Ended> {
        invoke(&self.runtime, &self.record, event, self.limit).await
    }

    /// Ticks from now on, one at a time, as the schedule does.
    pub fn schedule(&mut self, every: Duration) {
        self.pause_schedule();
        let (runtime, record, limit) = (self.runtime.clone(), Arc::clone(&self.record), self.limit);
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(every);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                clock.tick().await;
                if let Err(error) = invoke(&runtime, &record, json!({"action": "tick"}), limit).await {
                    record.add(What::Step { text: format!("a tick came to nothing: {error:#}") });
                }
            }
        });
        self.schedule = Some(task.abort_handle());
    }

    pub fn pause_schedule(&mut self) {
        if let Some(task) = self.schedule.take() {
            task.abort();
        }
    }
}

async fn invoke(runtime: &RuntimeApi, record: &Record, event: Value, limit: Duration) -> Result<Ended> {
    let action = event["action"].as_str().unwrap_or("event").to_owned();
    let invocation = runtime.invoke(event, limit).await?;
    record.add_at(
        invocation.begun,
        What::Invocation {
            action,
            until: record.seconds(invocation.ended),
            answer: match &invocation.outcome {
                Ok(answer) | Err(answer) => answer.clone(),
            },
            failed: invocation.outcome.is_err(),
        },
    );
    Ok(invocation.outcome)
}

/// A door to AWS that the function can reach from its host; the emulator listens on the loopback only.
async fn forward(to: std::net::SocketAddr) -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind((SERVICES, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut far) = TcpStream::connect(to).await {
                    // Either end may close at any time; the other then sees that.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    Ok(address)
}
