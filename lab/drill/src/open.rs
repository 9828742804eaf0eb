//! Clients that keep their connections: DNS does not reach them until a connection breaks.

use emulator::{Instance, World};
use proof::rig::PRIMARY;

use super::timeline::{Event, Track, What};
use super::watcher::{Writes, writes};

/// The name of their track.
pub const OPEN: &str = "writes (open)";
/// The value of a track of writes that a primary takes whose replica was promoted.
pub const STALE: &str = "stale";

/// Clients that connected to the primary before the start.
#[derive(Debug)]
pub struct OpenClients {
    /// The instance at the other end.
    at: String,
    track: Track,
    events: Vec<Event>,
}

impl Default for OpenClients {
    fn default() -> Self {
        Self { at: PRIMARY.to_owned(), track: Track::new(OPEN), events: Vec::new() }
    }
}

impl OpenClients {
    /// Looks at the world; `named` is the instance that DNS, with the client's cache, names.
    pub fn look(&mut self, at: f64, world: &World, named: &str, serves: impl Fn(&Instance) -> bool) {
        // Until RDS says `stopped`, nobody knows that an open connection is closed.
        let alive = |instance: &Instance| instance.status == "stopping" || serves(instance);
        if !world.instance(&self.at).is_some_and(alive) {
            named.clone_into(&mut self.at);
        }
        let value = world
            .instance(&self.at)
            .map_or(Writes::Failing, |instance| writes(world, instance, alive(instance)));
        let value = value.as_str();
        if self.track.last() != value {
            let what = What::Open { instance: self.at.clone(), writes: value };
            self.events.push(Event { at, what });
        }
        self.track.push(at, value);
    }

    /// The track and what happened, if any row went to a stale primary: else they saw what the others saw.
    pub fn told(self) -> Option<(Track, Vec<Event>)> {
        let stale = self.track.spans.iter().any(|span| span.value == STALE);
        stale.then(|| (self.track, self.events.into_iter().skip(1).collect()))
    }
}
