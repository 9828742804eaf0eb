//! The door by TCP.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
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
        let accepting = tokio::spawn(accept(self.clone(), listener)).abort_handle();
        Ok(Server { address, accepting })
    }
}

async fn accept(emulator: Emulator, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(emulator.clone(), stream));
            }
            // Such as too many open files, which is over when connections close.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(emulator: Emulator, stream: TcpStream) {
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
    let reset = Notify::new();
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&emulator, request, &reset).await));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        () = reset.notified() => {
            let _ = SockRef::from(&handle).set_linger(Some(Duration::ZERO));
        }
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
