//! A stub of Lambda's Invoke API behind which the real function runs over the emulator, whose RDS the client reaches,
//! too.
#![allow(dead_code, reason = "not every file of tests needs all of it")]

use std::convert::Infallible;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use emulator::World;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proof::rig::Rig;
use rds_route53_failover::error::Failure;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::with_keys;

/// A deployed function and the requests that reached it.
pub(crate) struct Deployed {
    pub(crate) rig: Rig,
    requests: Mutex<Vec<(String, Value)>>,
}

/// What a run of the client came to.
pub(crate) struct Run {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
    pub(crate) payloads: Vec<Value>,
    pub(crate) path: String,
}

/// A function over this world.
pub(crate) fn deployed(world: World, variables: &[(&str, &str)]) -> Arc<Deployed> {
    // The client is a process of its own, so time is real here and nothing may take long.
    let rig = Rig::new(world, &[&[("CONFIRMATION_INTERVAL", "1ms")], variables].concat());
    of_rig(rig)
}

/// The function of this rig.
pub(crate) fn of_rig(rig: Rig) -> Arc<Deployed> {
    Arc::new(Deployed { rig, requests: Mutex::default() })
}

impl Deployed {
    pub(crate) async fn answer(
        &self,
        request: hyper::Request<hyper::body::Incoming>,
    ) -> hyper::Response<Full<Bytes>> {
        let path = request.uri().to_string();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let event: Value = serde_json::from_slice(&body).unwrap();
        self.requests.lock().unwrap().push((path, event.clone()));
        let response = hyper::Response::builder().header("content-type", "application/json");
        let (response, body) = match self.rig.invoke(event).await {
            Ok(report) => (response, json!(report)),
            Err(failure @ Failure { .. }) => (
                response.header("x-amz-function-error", "Unhandled"),
                json!({"errorType": failure.kind.name(), "errorMessage": failure.to_string()}),
            ),
        };
        response.body(Full::new(Bytes::from(body.to_string()))).unwrap()
    }

    /// Runs the client against it, with no terminal.
    pub(crate) async fn run(self: &Arc<Self>, verb: &str, arguments: &[&str]) -> Run {
        let output = self.during(verb, arguments, |mut command| command.output().unwrap()).await;
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        let path = requests.first().map(|(path, _)| path.clone()).unwrap_or_default();
        Run { payloads: requests.into_iter().map(|(_, event)| event).collect(), path, ..ended(&output) }
    }

    /// Answers while somebody works with the client.
    pub(crate) async fn during<T: Send + 'static>(
        self: &Arc<Self>,
        verb: &str,
        arguments: &[&str],
        work: impl FnOnce(Command) -> T + Send + 'static,
    ) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rds = self.rig.emulator.listen().await.unwrap();
        let this = Arc::clone(self);
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut command = with_keys(&[&[verb], arguments].concat(), &url);
        command.env("AWS_ENDPOINT_URL_RDS", rds.url());
        let serving = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service_fn(|request| {
                    let this = Arc::clone(&this);
                    async move { Ok::<_, Infallible>(this.answer(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                // The client going away is no concern of the stub's.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        };
        tokio::select! {
            done = tokio::task::spawn_blocking(move || work(command)) => done.unwrap(),
            () = serving => unreachable!("the stub serves until the client ends"),
        }
    }
}

/// What the client came to.
pub(crate) fn ended(output: &Output) -> Run {
    Run {
        exit: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        payloads: Vec::new(),
        path: String::new(),
    }
}
