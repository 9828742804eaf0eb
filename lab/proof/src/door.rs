//! The way from the function to the emulator: it knows which invocation calls, and lets the watch see each call.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use emulator::{Emulator, Fault, On};

use crate::gate::{CallId, Disturbance, Gate};
use crate::invariants::{Kind, Watch};

tokio::task_local! {
    /// The invocation whose future is being polled.
    static INVOCATION: u64;
}

type Latency = Box<dyn FnMut() -> Duration + Send>;

/// Stands between the function and the emulator.
pub(crate) struct Door {
    emulator: Emulator,
    watch: Mutex<Watch>,
    latency: Mutex<Option<Latency>>,
    gate: Mutex<Option<Arc<Gate>>>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    pub(crate) fn new(emulator: Emulator, watch: Watch) -> Self {
        Self { emulator, watch: Mutex::new(watch), latency: Mutex::new(None), gate: Mutex::default() }
    }

    pub(crate) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delay(&self, latency: Latency) {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner) = Some(latency);
    }

    /// Holds calls of invocations at this gate, or none any more.
    pub(crate) fn hold(&self, gate: Option<Arc<Gate>>) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    fn gate(&self) -> Option<Arc<Gate>> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits at the gate, and arranges what is to befall the call.
    async fn pass(&self) -> Option<(Arc<Gate>, CallId)> {
        let (gate, number) = (self.gate()?, INVOCATION.try_with(|number| *number).ok()?);
        let (id, disturbance) = gate.pass(number).await;
        let mut world = self.emulator.world();
        match disturbance {
            None => {}
            Some(Disturbance::Crash) => world.crash_after_call(1),
            Some(Disturbance::Lost) => world.faults.once(On::any(), Fault::AppliedThenReset),
            Some(Disturbance::Throttle) => world.faults.once(On::any(), Fault::Throttle),
        }
        Some((gate, id))
    }

    fn next_delay(&self) -> Option<Duration> {
        let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        latency.as_mut().map(|latency| latency()).filter(|delay| !delay.is_zero())
    }

    /// Runs the future of an invocation, whose calls are attributed to it.
    pub(crate) async fn attribute<T>(&self, kind: Kind, handled: impl Future<Output = T>) -> T {
        let number = self.watch().begin(kind);
        let mut life = Life { door: self, number, died: true };
        let result = INVOCATION.scope(number, handled).await;
        life.died = false;
        result
    }
}

/// Tells the watch how an invocation ended, also when its future is dropped.
struct Life<'a> {
    door: &'a Door,
    number: u64,
    died: bool,
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.door.watch().end(self.number, self.died);
    }
}

/// An HTTP client whose calls go through the door.
pub(crate) fn client(door: &Arc<Door>) -> SharedHttpClient {
    let door = Arc::clone(door);
    let inner = door.emulator.http_client();
    http_client_fn(move |settings: &HttpConnectorSettings, components| {
        let inner = inner.http_connector(settings, components);
        SharedHttpConnector::new(Watched { inner, door: Arc::clone(&door) })
    })
}

#[derive(Debug)]
struct Watched {
    inner: SharedHttpConnector,
    door: Arc<Door>,
}

impl HttpConnector for Watched {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, door) = (self.inner.clone(), Arc::clone(&self.door));
        HttpConnectorFuture::new(async move {
            if let Some(delay) = door.next_delay() {
                tokio::time::sleep(delay).await;
            }
            let passed = door.pass().await;
            let mut call = pin!(inner.call(request));
            // The emulator carries a call out when it is first polled.
            let first = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
            if let Ok(number) = INVOCATION.try_with(|number| *number) {
                let world = door.emulator.world();
                door.watch().called(number, &world);
            }
            if let (Some((gate, id)), Poll::Ready(answer)) = (passed, &first) {
                gate.heard(id, &(door.emulator.now(), digest(answer)));
            }
            match first {
                Poll::Ready(answer) => answer,
                Poll::Pending => call.await,
            }
        })
    }
}

/// What an answer says, without the request's own id.
fn digest<E>(answer: &Result<HttpResponse, E>) -> (u16, Vec<u8>) {
    let Ok(response) = answer else { return (0, Vec::new()) };
    let mut body = response.body().bytes().unwrap_or_default().to_vec();
    while let Some(at) = body.windows(REQUEST_ID.len()).position(|window| window == REQUEST_ID.as_bytes()) {
        body.drain(at..(at + REQUEST_ID.len() + 12).min(body.len()));
    }
    (response.status().as_u16(), body)
}

/// How the emulator's request ids begin; twelve digits follow.
const REQUEST_ID: &str = "00000000-0000-4000-8000-";
