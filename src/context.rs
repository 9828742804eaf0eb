//! What every invocation works with: the configuration and the clients.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::Config;
use crate::observe::{Observer, Probers};

/// What one look takes when all goes well, without its probes.
const LOOK: Duration = Duration::from_millis(500);

/// The configuration, the clients, and what little an execution environment remembers.
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The AWS clients.
    pub aws: Aws,
    /// The probes.
    pub probers: Probers,
    /// Consecutive healthy looks of this execution environment: for the metric that a failed control plane leaves.
    pub healthy_looks: AtomicU32,
}

impl Context {
    /// The context of this configuration.
    pub fn new(config: Config, aws: Aws) -> Self {
        let probers = Probers::new(&config.pair);
        Self { config, aws, probers, healthy_looks: AtomicU32::new(0) }
    }

    /// Looks at the world within one invocation.
    pub fn observer(&self, clock: Clock) -> Observer<'_> {
        Observer::new(&self.aws, &self.config.pair, &self.probers, clock)
    }

    /// What one look takes at most when AWS answers: probes that are not answered take their whole time-out.
    pub fn time_of_a_look(&self) -> Duration {
        let probes = self.probers.primary.is_some() || self.probers.secondary.is_some();
        if probes { LOOK + self.config.pair.endpoint_timeout } else { LOOK }
    }
}
