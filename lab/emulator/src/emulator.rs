//! A world, a clock, and the doors to them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;

use crate::requests::Reply;
use crate::world::World;

/// A [`World`] that real SDK clients can call. Clones share it.
#[derive(Clone)]
pub struct Emulator(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

impl Emulator {
    /// Puts a world behind doors, with `clock` for the time: simulated in tests,
    /// [`Timestamp::now`] for a server.
    #[must_use]
    pub fn new(mut world: World, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        world.advance(clock());
        Self(Arc::new(Shared { world: Mutex::new(world), clock: Box::new(clock) }))
    }

    /// The world, as it is by now. The doors are shut while the guard lives.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let now = self.now();
        let mut world = self.lock();
        world.advance(now);
        world
    }

    /// The time by the emulator's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Carries out one request.
    #[must_use]
    pub fn handle(&self, request: &Request<Bytes>) -> Reply {
        let now = self.now();
        self.lock().handle(now, request)
    }

    /// Resolves when the caller is to crash, by [`World::crash_before_call`] or
    /// [`World::crash_after_call`], which was ordered before; race the caller against it and drop the
    /// caller.
    pub async fn crashed(&self) {
        let crashed = Arc::clone(&self.lock().crashed);
        crashed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A test that panics under the lock has failed already; others may look on.
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
