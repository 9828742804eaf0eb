//! Simulated time over real sockets.
//!
//! Tokio's paused clock jumps to the next timer as soon as the runtime has nothing to do, and a runtime that waits
//! for a socket has nothing to do: the jump would fire time-outs of calls that are being answered. So time is held
//! while anything is under way, by a task that is always ready ([`Wire::hold_time`]); only when nothing but timers
//! is left to wait for, it rests, and the clock jumps.
//!
//! Under way is a call that the other side is working on, or an invocation that was polled within the last two
//! real milliseconds (a probe is a connection over loopback, or its refusal, and takes microseconds).

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use emulator::{Emulator, Fault, Outcome};
use tokio::sync::Notify;

/// Real time without a sign of life after which only timers are left.
const QUIET: Duration = Duration::from_millis(2);
/// Real time after which a call that is still under way is taken for one that waits for a timer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is under way.
#[derive(Debug, Default)]
pub struct Wire {
    calls: AtomicUsize,
    /// Calls that ended without an answer: the caller gave up, or died.
    abandoned: AtomicUsize,
    signs_of_life: AtomicU64,
    awake: Notify,
}

impl Wire {
    fn stir(&self) {
        self.signs_of_life.fetch_add(1, Relaxed);
        self.awake.notify_waiters();
    }

    /// Runs a future whose progress holds the time.
    pub async fn during<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            self.stir();
            future.as_mut().poll(context)
        })
        .await
    }

    /// Holds the time whenever something is under way. Never ends.
    pub async fn hold_time(self: Arc<Self>, emulator: Emulator) {
        loop {
            self.awake.notified().await;
            let (mut seen, mut since) = (self.signs_of_life.load(Relaxed), Instant::now());
            loop {
                tokio::task::yield_now().await;
                let now = self.signs_of_life.load(Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                    continue;
                }
                let quiet = since.elapsed();
                if quiet > QUIET / 10 {
                    // All that is left to wait for is the kernel: let others have the processor.
                    std::thread::sleep(QUIET / 20);
                }
                if quiet > PATIENCE || quiet > QUIET && self.only_silence(&emulator) {
                    break;
                }
            }
        }
    }

    /// Whether every call under way is one that the emulator will never answer.
    fn only_silence(&self, emulator: &Emulator) -> bool {
        let calls = self.calls.load(Relaxed);
        if calls == 0 {
            return true;
        }
        let silent = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::Crash | Outcome::Fault(Fault::Hang | Fault::AppliedThenHang | Fault::Slow(_))
            )
        };
        let world = emulator.world();
        let silent = world.calls().iter().filter(|call| silent(&call.outcome)).count();
        calls <= silent.saturating_sub(self.abandoned.load(Relaxed))
    }

    /// The real HTTP client of the SDK, with its calls counted.
    pub fn http_client(self: &Arc<Self>) -> SharedHttpClient {
        let inner =
            aws_smithy_http_client::Builder::new().pool_idle_timeout(Duration::from_secs(45)).build_http();
        SharedHttpClient::new(Counting { inner, wire: Arc::clone(self) })
    }
}

#[derive(Clone)]
struct Counting<T> {
    inner: T,
    wire: Arc<Wire>,
}

impl<T> fmt::Debug for Counting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

impl HttpClient for Counting<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Counting { inner, wire: Arc::clone(&self.wire) })
    }
}

impl HttpConnector for Counting<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.inner.call(request);
        let call = UnderWay::begin(&self.wire);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let answer = match answer {
                Ok(mut response) => {
                    // The body is part of the call: it, too, comes over the socket.
                    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
                    match ByteStream::new(body).collect().await {
                        Ok(bytes) => {
                            *response.body_mut() = SdkBody::from(bytes.into_bytes());
                            Ok(response)
                        }
                        Err(error) => Err(ConnectorError::io(error.into())),
                    }
                }
                Err(error) => Err(error),
            };
            call.end_answered();
            answer
        })
    }
}

struct UnderWay {
    wire: Arc<Wire>,
    answered: bool,
}

impl UnderWay {
    fn begin(wire: &Arc<Wire>) -> Self {
        wire.calls.fetch_add(1, Relaxed);
        wire.stir();
        Self { wire: Arc::clone(wire), answered: false }
    }

    fn end_answered(mut self) {
        self.answered = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.wire.calls.fetch_sub(1, Relaxed);
        if !self.answered {
            self.wire.abandoned.fetch_add(1, Relaxed);
        }
        self.wire.stir();
    }
}
