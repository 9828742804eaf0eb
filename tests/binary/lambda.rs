//! A Lambda Runtime API on a free port, and the function's own process before it.

use std::net::Ipv4Addr;
use std::process::{ExitStatus, Stdio};

use emulator::{Post, RuntimeApi};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

/// The Runtime API: events wait until the function asks for one.
pub(crate) struct Lambda(RuntimeApi);

impl Lambda {
    pub(crate) async fn start() -> Self {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:failover";
        Self(RuntimeApi::listen(Ipv4Addr::LOCALHOST, arn).await.unwrap())
    }

    /// Lets an event wait for the function, with a deadline in milliseconds since 1970.
    pub(crate) fn send(&self, event: Value, deadline: u64) {
        self.send_text(event.to_string(), deadline);
    }

    /// The same for what no JSON value can say.
    pub(crate) fn send_text(&self, event: String, deadline: u64) {
        drop(self.0.send(event, deadline));
    }

    /// What the function posts next.
    pub(crate) async fn post(&mut self) -> Post {
        let post = self.0.post().await.unwrap();
        assert!(
            !post.headers.contains_key("transfer-encoding"),
            "a body of known length has no need of chunks"
        );
        post
    }
}

/// The function as Lambda runs it: its own process with nothing in its environment but what is said here.
pub(crate) struct Function {
    child: Child,
    output: JoinHandle<Vec<String>>,
    errors: JoinHandle<String>,
}

impl Function {
    pub(crate) fn start(lambda: &Lambda, aws: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-route53-failover"));
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", lambda.0.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "failover")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/failover")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_ENDPOINT_URL", aws)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = tokio::spawn(lines(child.stdout.take().unwrap()));
        let mut stderr = child.stderr.take().unwrap();
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        Self { child, output, errors }
    }

    /// The most memory that the process ever had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends the process a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(pid).status().await.unwrap();
        assert!(sent.success());
    }

    /// Ends the process; its log, each line as JSON.
    pub(crate) async fn log(mut self) -> Vec<Value> {
        self.child.kill().await.unwrap();
        self.ended().await.1
    }

    /// Waits until the process has ended by itself; how, and its log.
    pub(crate) async fn ended(mut self) -> (ExitStatus, Vec<Value>) {
        let status = self.child.wait().await.unwrap();
        assert_eq!(self.errors.await.unwrap(), "", "all that is said is said in the log");
        let lines = self.output.await.unwrap();
        let json = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        (status, lines.iter().map(json).collect())
    }
}

async fn lines(stdout: ChildStdout) -> Vec<String> {
    let mut lines = BufReader::new(stdout).lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        all.push(line);
    }
    all
}
