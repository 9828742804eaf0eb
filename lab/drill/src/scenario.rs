//! What a scenario is: a world, what happens in it and when, and what must come of it.

use std::time::Duration;

use emulator::{Fault, On, World};
use proof::rig::{PRIMARY, REPLICA};

use super::world;

/// The changes that the function makes, by their words in the response.
pub const TO_SECONDARY: &str = "route-to-secondary";
pub const TO_PRIMARY: &str = "route-to-primary";
pub const PROMOTE: &str = "promote-replica";
pub const FENCE: &str = "fence-primary";

/// Who is invoked each minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    Function,
    /// The common recipe, which sets `Disabled` alone.
    Recipe,
    /// The function without `FENCE_PRIMARY`.
    Unfenced,
}

impl Handler {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "this function",
            Self::Recipe => "the common recipe",
            Self::Unfenced => "this function, FENCE_PRIMARY=off",
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Deed {
    /// RDS reports another status of an instance.
    Status(&'static str, &'static str),
    /// Whether an instance serves, whatever RDS reports.
    Serves(&'static str, bool),
    /// So many of the probed ports answer.
    Probes(usize),
    /// RDS has an event, and its SNS notification wakes the function.
    RdsEvent(&'static str, &'static str),
    /// An operator invokes the function with this payload.
    Order(&'static str),
    /// The function dies as it sends the next call of this operation, which is not carried out.
    CrashBefore(&'static str),
    /// From now on each matching call fails so.
    Fault(On, Fault),
    /// The next matching call fails so.
    FaultOnce(On, Fault),
    FaultsEnd,
    World(fn(&mut World)),
}

#[derive(Clone, Debug)]
pub struct Step {
    /// After the start.
    pub at: Duration,
    pub says: &'static str,
    pub deeds: Vec<Deed>,
}

/// What must come of a scenario.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Some invocation names this code.
    Reason(&'static str),
    /// Some invocation fails with this `errorType`.
    Failure(&'static str),
    /// All changes made by all invocations, in order.
    Actions(&'static [&'static str]),
    /// So many promotions were accepted.
    Promotions(usize),
    /// Neither a flag nor a tag was written, and nothing was promoted.
    NothingChanged,
    /// DNS never answered with the secondary.
    DnsNeverMoved,
    /// DNS answers with this instance at the end.
    EndsOn(&'static str),
    /// Clients can write at the end.
    WritesAtEnd(bool),
    /// No client wrote to a primary whose replica had been promoted.
    NoStaleWrites,
    /// Clients with open connections did, but only until it was stopped, and for no longer than this.
    StaleWritesFor { at_most: f64 },
    /// They did, and still do at the end.
    StaleWritesToTheEnd,
    /// A response or a notification contains these words.
    Says(&'static str),
    /// An invocation crashed.
    Crash,
    /// Every promise of `proof::invariants` was kept. Expected of the function always.
    PromisesKept,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    /// For `--scenario`.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub title: &'static str,
    /// Why it ends as it does, for the end of the story.
    pub moral: &'static str,
    /// How long it lasts; the function is invoked at each full minute of it.
    pub minutes: u64,
    /// Environment variables beside the standard ones.
    pub variables: Vec<(&'static str, &'static str)>,
    /// Whether `HEALTH_ENDPOINTS` names three ports.
    pub probed: bool,
    pub world: fn() -> World,
    /// The replica's lag then, in seconds.
    pub lag: f64,
    /// Who is invoked: in one run each.
    pub handlers: Vec<Handler>,
    pub steps: Vec<Step>,
    /// What must come of it for the function; what plays beside it is held to [`Scenario::beside_expects`].
    pub expects: Vec<Expect>,
    /// What must come of it for the recipe, or without the fence.
    pub beside_expects: Vec<Expect>,
}

impl Scenario {
    /// A quiet world in which nothing happens.
    pub fn new(name: &'static str, title: &'static str, minutes: u64) -> Self {
        Self {
            name,
            title,
            moral: "",
            minutes,
            variables: Vec::new(),
            probed: false,
            world: world::same_region,
            lag: 0.5,
            handlers: vec![Handler::Function],
            steps: Vec::new(),
            expects: Vec::new(),
            beside_expects: Vec::new(),
        }
    }

    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Has three ports probed.
    pub fn probed(mut self) -> Self {
        self.probed = true;
        self
    }

    pub fn in_world(mut self, world: fn() -> World) -> Self {
        self.world = world;
        self
    }

    /// Has the replica this far behind, in seconds.
    pub fn behind(mut self, lag: f64) -> Self {
        self.lag = lag;
        self
    }

    /// Plays it with the recipe first, side by side.
    pub fn beside_the_recipe(self, expects: impl IntoIterator<Item = Expect>) -> Self {
        self.beside(Handler::Recipe, expects)
    }

    /// Plays it without the fence first, side by side.
    pub fn beside_itself_unfenced(self, expects: impl IntoIterator<Item = Expect>) -> Self {
        self.beside(Handler::Unfenced, expects)
    }

    fn beside(mut self, handler: Handler, expects: impl IntoIterator<Item = Expect>) -> Self {
        self.handlers.insert(0, handler);
        self.beside_expects = expects.into_iter().collect();
        self
    }

    /// Lets something happen, minutes and seconds after the start.
    pub fn at(
        mut self,
        (minute, second): (u64, u64),
        says: &'static str,
        deeds: impl IntoIterator<Item = Deed>,
    ) -> Self {
        let at = Duration::from_secs(60 * minute + second);
        self.steps.push(Step { at, says, deeds: deeds.into_iter().collect() });
        self
    }

    pub fn expect(mut self, expects: impl IntoIterator<Item = Expect>) -> Self {
        self.expects.extend(expects);
        self
    }

    /// Says what is to be learnt from it.
    pub fn moral(mut self, moral: &'static str) -> Self {
        self.moral = moral;
        self
    }

    /// What must come of it for a handler.
    pub fn expects_of(&self, handler: Handler) -> Vec<Expect> {
        match handler {
            Handler::Function => [&[Expect::PromisesKept], self.expects.as_slice()].concat(),
            Handler::Unfenced => [&[Expect::PromisesKept], self.beside_expects.as_slice()].concat(),
            Handler::Recipe => self.beside_expects.clone(),
        }
    }

    pub fn variables_of(&self, handler: Handler) -> impl Iterator<Item = (&str, &str)> {
        let dropped = move |name: &str| handler == Handler::Unfenced && name == "FENCE_PRIMARY";
        self.variables.iter().map(|(name, value)| (*name, *value)).filter(move |(name, _)| !dropped(name))
    }
}

/// The primary has this status from now on.
pub fn primary(status: &'static str) -> Deed {
    Deed::Status(PRIMARY, status)
}

/// The lag of a PostgreSQL replica climbs by itself once its source is dead.
pub fn lag_climbs() -> Deed {
    Deed::World(|world| world.grow_replica_lag(REPLICA, 0.5))
}
