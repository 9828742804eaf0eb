//! The Lambda Runtime API before a function's process.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};

/// What a function posted: a response, an error, or an error at its start.
#[derive(Debug)]
pub struct Post {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

struct Waiting {
    event: String,
    deadline: u64,
    taken: oneshot::Sender<String>,
}

/// The server: an event waits until the function asks for one.
pub struct RuntimeApi {
    pub address: SocketAddr,
    events: mpsc::UnboundedSender<Waiting>,
    posts: mpsc::UnboundedReceiver<Post>,
}

impl RuntimeApi {
    /// Serves from now on, as the function of this ARN is told.
    ///
    /// # Errors
    /// If no socket can be bound.
    pub async fn listen(address: Ipv4Addr, arn: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let (events, waiting) = mpsc::unbounded_channel();
        let (posted, posts) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new((0, waiting)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (waiting, posted) = (Arc::clone(&waiting), posted.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (waiting, posted) = (Arc::clone(&waiting), posted.clone());
                    async move {
                        let mut response = Response::default();
                        match (request.method(), request.uri().path()) {
                            (&Method::GET, "/2018-06-01/runtime/invocation/next") => {
                                response = next(&waiting, arn).await;
                            }
                            (&Method::POST, _) => response = accept(request, &posted).await,
                            _ => *response.status_mut() = StatusCode::NOT_FOUND,
                        }
                        Ok::<_, Infallible>(response)
                    }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { address, events, posts })
    }

    /// Lets an event wait for the function, with a deadline in milliseconds since 1970; the answer comes when it is
    /// taken, and is the request's id.
    pub fn send(&self, event: String, deadline: u64) -> oneshot::Receiver<String> {
        let (taken, id) = oneshot::channel();
        // The server ends with this only.
        let _ = self.events.send(Waiting { event, deadline, taken });
        id
    }

    /// What the function posts next.
    pub async fn post(&mut self) -> Option<Post> {
        self.posts.recv().await
    }
}

async fn next(waiting: &Mutex<(u64, mpsc::UnboundedReceiver<Waiting>)>, arn: &str) -> Response<Full<Bytes>> {
    let mut waiting = waiting.lock().await;
    let Some(Waiting { event, deadline, taken }) = waiting.1.recv().await else {
        return std::future::pending().await;
    };
    waiting.0 += 1;
    let id = format!("8476a536-e9f4-11e8-9739-{:012x}", waiting.0);
    // Whoever sent it may have given up.
    let _ = taken.send(id.clone());
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", deadline)
        .header("lambda-runtime-invoked-function-arn", arn);
    response.body(Full::new(event.into())).unwrap_or_default()
}

async fn accept(request: Request<Incoming>, posted: &mpsc::UnboundedSender<Post>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
    let _ = posted.send(Post { path: head.uri.path().to_owned(), headers: head.headers, body });
    let mut response = Response::default();
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
