//! The door by TCP.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, broadcast};
use tokio::task::{AbortHandle, JoinSet};

use crate::emulator::Emulator;
use crate::requests::Reply;

/// The largest request, in bytes.
const LARGEST: usize = 1024 * 1024;

/// A listening emulator, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: AbortHandle,
    close_idle: broadcast::Sender<()>,
}

impl Server {
    /// What to set `AWS_ENDPOINT_URL` to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection on which no request is being answered, as the far end does while a
    /// function is frozen.
    pub fn close_idle_connections(&self) {
        // With no connection there is nobody to tell.
        let _ = self.close_idle.send(());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The connections are in a set that ends with the task that accepts them.
        self.accepting.abort();
    }
}

impl Emulator {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// If no socket can be bound.
    pub async fn listen(&self) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (close_idle, _) = broadcast::channel(1);
        let accepting = tokio::spawn(accept(self.clone(), listener, close_idle.clone()));
        Ok(Server { address, accepting: accepting.abort_handle(), close_idle })
    }
}

async fn accept(emulator: Emulator, listener: TcpListener, close_idle: broadcast::Sender<()>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(emulator.clone(), stream, close_idle.subscribe()));
            }
            // Such as too many open files, which is over when connections close.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(emulator: Emulator, stream: TcpStream, mut close_idle: broadcast::Receiver<()>) {
    // Without Nagle's algorithm, for small answers are all there is.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = stream.into_std() else {
        return;
    };
    // hyper owns the stream and does not give it back; a second handle of the same socket can still
    // make its end a reset.
    let Ok(handle) = stream.try_clone() else {
        return;
    };
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    let busy = Arc::new(AtomicBool::new(false));
    let reset = Arc::new(Notify::new());
    let service = {
        let (busy, reset) = (Arc::clone(&busy), Arc::clone(&reset));
        service_fn(move |request| {
            let (emulator, reset) = (emulator.clone(), Arc::clone(&reset));
            let busy = Busy::new(&busy);
            async move {
                let response = answer(&emulator, request, &reset).await;
                drop(busy);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = reset.notified() => {
                let _ = SockRef::from(&handle).set_linger(Some(Duration::ZERO));
                return;
            }
            told = close_idle.recv() => {
                if told.is_err() || !busy.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

/// Marks a connection as busy while it lives.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn new(flag: &Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::Relaxed);
        Self(Arc::clone(flag))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

async fn answer(emulator: &Emulator, request: Request<Incoming>, reset: &Notify) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    let request = Request::from_parts(head, body.to_bytes());
    match emulator.handle(&request) {
        Reply::Answer(response) => response.map(Full::new),
        Reply::AnswerAfter(delay, response) => {
            tokio::time::sleep(delay).await;
            response.map(Full::new)
        }
        Reply::Hang => std::future::pending().await,
        Reply::Reset => {
            reset.notify_one();
            std::future::pending().await
        }
    }
}
