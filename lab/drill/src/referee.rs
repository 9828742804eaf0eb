//! Holds each call against the promises of [`proof::invariants`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use emulator::World;
use proof::invariants::{Kind, Setting, Watch};
use rds_route53_failover::config::{Config, Mode, OnUnreachable};

use super::stage::lock;

/// Sees every call before the next one is carried out.
#[derive(Debug)]
pub struct Referee {
    watch: Mutex<Watch>,
    invocation: AtomicU64,
    calls_seen: AtomicU64,
}

impl Referee {
    /// Watches a world from now on.
    pub fn new(config: &Config, world: &mut World) -> Arc<Self> {
        let policy = &config.policy;
        let setting = Setting {
            check: config.health_check_id.clone(),
            primary: policy.primary.identifier.clone(),
            replica: policy.replica.as_ref().map(|replica| replica.identifier.clone()),
            observe: config.mode == Mode::Observe,
            max_lag: policy.max_lag,
            overrides: policy.overrides.clone(),
            probes: (!config.endpoints.is_empty())
                .then_some(policy.on_unreachable == OnUnreachable::FailOver),
        };
        let referee = Arc::new(Self {
            watch: Mutex::new(Watch::new(setting, world)),
            invocation: AtomicU64::new(0),
            calls_seen: AtomicU64::new(0),
        });
        Arc::clone(&referee).attend(world);
        referee
    }

    pub fn watch(&self) -> MutexGuard<'_, Watch> {
        lock(&self.watch)
    }

    /// An invocation begins.
    pub fn begin(&self, kind: Kind, world: &World) {
        let mut watch = self.watch();
        watch.catch_up(world);
        self.invocation.store(watch.begin(kind), Relaxed);
    }

    /// The invocation is over.
    pub fn end(&self, died: bool, world: &World) {
        self.see(world);
        let mut watch = self.watch();
        watch.end(self.invocation.load(Relaxed), died);
        watch.catch_up(world);
    }

    /// Looks at the last call, whenever another one arrives.
    fn attend(self: Arc<Self>, world: &mut World) {
        world.on_call(1, move |world| {
            self.see(world);
            self.attend(world);
        });
    }

    /// Looks at the last call, if that is a new one.
    pub fn see(&self, world: &World) {
        let Some(last) = world.calls().last() else { return };
        if self.calls_seen.swap(last.number, Relaxed) < last.number {
            self.watch().called(self.invocation.load(Relaxed), world);
        }
    }
}
