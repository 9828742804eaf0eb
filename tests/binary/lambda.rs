//! A Lambda Runtime API on a free port, and the function's own process before it.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// What the function posted.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    /// In lower case, a line each.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The Runtime API: events wait until the function asks for one.
pub(crate) struct Lambda {
    pub(crate) address: String,
    events: mpsc::UnboundedSender<(String, u64)>,
    posts: mpsc::UnboundedReceiver<Post>,
}

impl Lambda {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, waiting) = mpsc::unbounded_channel();
        let (posted, posts) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&waiting), posted.clone()));
            }
        });
        Self { address, events, posts }
    }

    /// Lets an event wait for the function, with a deadline in milliseconds since 1970.
    pub(crate) fn send(&self, event: Value, deadline: u64) {
        self.send_text(event.to_string(), deadline);
    }

    /// The same for what no JSON value can say.
    pub(crate) fn send_text(&self, event: String, deadline: u64) {
        self.events.send((event, deadline)).unwrap();
    }

    /// What the function posts next.
    pub(crate) async fn post(&mut self) -> Post {
        self.posts.recv().await.unwrap()
    }
}

async fn serve(
    stream: TcpStream,
    waiting: Arc<Mutex<mpsc::UnboundedReceiver<(String, u64)>>>,
    posted: mpsc::UnboundedSender<Post>,
) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = request(&mut stream).await {
        let line = head.lines().next().unwrap();
        let (method, path) = line.split_once(' ').unwrap();
        let path = path.split(' ').next().unwrap().to_owned();
        let answer = if method == "get" {
            assert_eq!(path, "/2018-06-01/runtime/invocation/next");
            let Some((event, deadline)) = waiting.lock().await.recv().await else { return };
            format!(
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                 Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:failover\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}",
                event.len()
            )
        } else {
            let body = serde_json::from_slice(&body).unwrap();
            posted.send(Post { path, head, body }).unwrap();
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The head in lower case, and the body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding"), "a body of known length has no need of chunks");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
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
            .env("AWS_LAMBDA_RUNTIME_API", &lambda.address)
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
