//! The Lambda Runtime API, as far as a function uses it: next, response, error, init error.
//!
//! One invocation at a time, in the order asked: a function with a reserved concurrency of one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How an invocation ended: the response, or the error as Lambda shows it.
pub type Ended = std::result::Result<Value, Value>;

struct Waiting {
    event: Value,
    limit: Duration,
    answer: oneshot::Sender<Ended>,
    begun: oneshot::Sender<Timestamp>,
}

struct Shared {
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Waiting>>,
    running: Mutex<HashMap<String, oneshot::Sender<Ended>>>,
    init_error: Mutex<Option<Value>>,
}

/// The server, and the way to invoke the function that polls it.
#[derive(Clone)]
pub struct RuntimeApi {
    queue: mpsc::UnboundedSender<Waiting>,
    shared: Arc<Shared>,
    pub address: SocketAddr,
}

/// One invocation, from when the function took it to its end.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub begun: Timestamp,
    pub ended: Timestamp,
    pub outcome: Ended,
}

impl RuntimeApi {
    /// Serves from now on.
    ///
    /// # Errors
    /// If the address can't be bound.
    pub async fn listen(address: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let (queue, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            next: tokio::sync::Mutex::new(next),
            running: Mutex::default(),
            init_error: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(answer(&shared, request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Self { queue, shared, address })
    }

    /// Invokes the function with a time limit, as configured for a Lambda function.
    ///
    /// # Errors
    /// If the function does not answer within it; Lambda would end it.
    pub async fn invoke(&self, event: Value, limit: Duration) -> Result<Invocation> {
        let (answer, ended) = oneshot::channel();
        let (begun, taken) = oneshot::channel();
        self.queue.send(Waiting { event, limit, answer, begun }).ok().context("the Runtime API has ended")?;
        let begun = taken.await.context("the invocation was dropped")?;
        let outcome = tokio::time::timeout(limit + Duration::from_secs(2), ended);
        let outcome = outcome.await.context("the function timed out")?.context("the function ended")?;
        Ok(Invocation { begun, ended: Timestamp::now(), outcome })
    }

    /// What the function said when it could not start.
    pub fn init_error(&self) -> Option<Value> {
        self.shared.init_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().trim_start_matches("/2018-06-01/runtime/").to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["invocation", id, end @ ("response" | "error")]) => {
            let body = json(request).await;
            let sender = shared.running.lock().unwrap_or_else(PoisonError::into_inner).remove(*id);
            if let Some(sender) = sender {
                // Whoever invoked may have given up.
                let _ = sender.send(if *end == "response" { Ok(body) } else { Err(body) });
            }
            status(StatusCode::ACCEPTED)
        }
        (&Method::POST, ["init", "error"]) => {
            let body = json(request).await;
            *shared.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
            status(StatusCode::ACCEPTED)
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

async fn json(request: Request<Incoming>) -> Value {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into())
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let Some(waiting) = shared.next.lock().await.recv().await else {
        return status(StatusCode::GONE);
    };
    let now = Timestamp::now();
    let id = format!("00000000-0000-4000-8000-{:012x}", now.as_microsecond() & 0xffff_ffff_ffff);
    shared.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), waiting.answer);
    let _ = waiting.begun.send(now);
    let deadline = now + SignedDuration::try_from(waiting.limit).unwrap_or(SignedDuration::ZERO);
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", deadline.as_millisecond())
        .header("lambda-runtime-invoked-function-arn", crate::function::ARN)
        .body(Full::new(Bytes::from(waiting.event.to_string())));
    response.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}
