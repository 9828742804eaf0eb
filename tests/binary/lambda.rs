//! A Lambda Runtime API on a free port, and the function's own process before it.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use http::header::{CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// What the function posted.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
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
                let (waiting, posted) = (Arc::clone(&waiting), posted.clone());
                let service =
                    service_fn(move |request| answer(request, Arc::clone(&waiting), posted.clone()));
                tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), service));
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

async fn answer(
    request: Request<Incoming>,
    waiting: Arc<Mutex<mpsc::UnboundedReceiver<(String, u64)>>>,
    posted: mpsc::UnboundedSender<Post>,
) -> http::Result<Response<String>> {
    let (head, body) = request.into_parts();
    assert!(!head.headers.contains_key(TRANSFER_ENCODING), "a body of known length has no need of chunks");
    if head.method == Method::GET {
        assert_eq!(head.uri, "/2018-06-01/runtime/invocation/next");
        let Some((event, deadline)) = waiting.lock().await.recv().await else {
            return std::future::pending().await;
        };
        return Response::builder()
            .header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            .header("Lambda-Runtime-Deadline-Ms", deadline)
            .header(
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:123456789012:function:failover",
            )
            .header(CONTENT_TYPE, "application/json")
            .body(event);
    }
    let body = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    posted.send(Post { path: head.uri.to_string(), headers: head.headers, body }).unwrap();
    Response::builder().status(202).body(String::new())
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
