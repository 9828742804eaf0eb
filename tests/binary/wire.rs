//! A wire between the function and the emulated AWS that can be cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As an idle one is closed.
    Close,
    /// As a host does that ends at once.
    Reset,
    /// As a gateway does that forgot the connection: nothing is sent until somebody uses it.
    Forget,
}

struct Connection {
    socket: std::net::TcpStream,
    task: AbortHandle,
    forgotten: Arc<AtomicBool>,
}

#[derive(Default)]
struct Seen {
    open: Vec<Connection>,
    connections: usize,
    attempts: Vec<u32>,
}

/// Forwards every connection, counts them, and notes which attempt of the SDK each request is.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Wire {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self { url: format!("http://{}", listener.local_addr().unwrap()), seen: Arc::default() };
        let accepting = wire.clone();
        tokio::spawn(async move {
            let mut forwarding = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let stream = stream.into_std().unwrap();
                let socket = stream.try_clone().unwrap();
                let stream = TcpStream::from_std(stream).unwrap();
                let forgotten = Arc::default();
                let task =
                    forwarding.spawn(forward(stream, target, accepting.clone(), Arc::clone(&forgotten)));
                let mut seen = accepting.seen();
                seen.connections += 1;
                seen.open.push(Connection { socket, task, forgotten });
            }
        });
        wire
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections were made since this was asked last, and the number of each attempt on them.
    pub(crate) fn take(&self) -> (usize, Vec<u32>) {
        let mut seen = self.seen();
        (std::mem::take(&mut seen.connections), std::mem::take(&mut seen.attempts))
    }

    /// Cuts every connection.
    pub(crate) async fn cut(&self, how: Cut) {
        let open = std::mem::take(&mut self.seen().open);
        for Connection { socket, task, forgotten } in open {
            match how {
                Cut::Close => task.abort(),
                Cut::Reset => {
                    TcpStream::from_std(socket).unwrap().set_zero_linger().unwrap();
                    task.abort();
                }
                Cut::Forget => forgotten.store(true, Ordering::Relaxed),
            }
        }
        // Aborted tasks drop their sockets when they are next polled.
        tokio::task::yield_now().await;
    }
}

async fn forward(mut near: TcpStream, target: SocketAddr, wire: Wire, forgotten: Arc<AtomicBool>) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_near.read(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..length]).to_ascii_lowercase();
            let attempts = text.split("amz-sdk-request: attempt=").skip(1);
            let attempts = attempts.map(|rest| rest[..1].parse::<u32>().unwrap());
            wire.seen().attempts.extend(attempts);
            let lost = forgotten.load(Ordering::Relaxed);
            if lost || to_far.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        _ = copy(&mut from_far, &mut to_near) => {}
    }
    if forgotten.load(Ordering::Relaxed) {
        near.set_zero_linger().unwrap();
    }
}
