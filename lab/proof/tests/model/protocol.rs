//! One invocation of the model: the loop of `app` and the protocol of `act`, a call a step.

use std::sync::LazyLock;

use proof::rig::{CHECK, PRIMARY, REGION, REPLICA};
use rds_route53_failover::config::{Config, Policy};
use rds_route53_failover::decide::{Case, Does, Need, Next, Order, Streak, decide};
use rds_route53_failover::health::Diagnosis;
use rds_route53_failover::model::{
    Details, Evidence, HealthCheck, Instance, InstanceRef, Observation, Reading, Sample, Source,
};
use rds_route53_failover::status::Status;

use crate::switch::{Claim, Flags, Replica, Tags, World, now};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let variables = [
        ("AWS_REGION", REGION),
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("ROUTE53_HEALTH_CHECK_ID", CHECK),
        ("PROMOTE_REPLICA", "true"),
        ("CONFIRMATIONS", "1"),
        ("FAILBACK_CONFIRMATIONS", "1"),
        ("COOLDOWN", "0s"),
    ];
    let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    Config::load(lookup).expect("a valid configuration").policy
});

/// How the service meets a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Answered,
    AppliedAndLost,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Change {
    FailOver,
    FailBack,
    Promote,
}

/// What comes next. Parallel calls are made one after the other, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    LookAtInstances,
    LookAtCheck,
    LookAtTags,
    FreshTags,
    FreshCheck,
    Announce,
    BackTags,
    BackCheck,
    Send,
    LookAfterLost,
    Refused,
    KeepRead,
    KeepWrite,
    RetractRead,
    RetractWrite,
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    primary_up: bool,
    replica: Option<Replica>,
    check: Option<(Flags, i64)>,
    tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    at: At,
    seen: Seen,
    /// Whether the last observation found the primary up, and how often in a row (2 stands for more).
    streak: Option<(bool, u8)>,
    change: Change,
    own: Option<Claim>,
    /// Tells the claims of the invocations apart.
    id: usize,
    races: u8,
    resent: bool,
    /// Whether the retraction leads back to another look.
    look_again: bool,
    invocations_left: u8,
}

impl Process {
    pub(crate) fn new(id: usize) -> Self {
        Self {
            at: At::LookAtInstances,
            seen: Seen::default(),
            streak: None,
            change: Change::FailOver,
            own: None,
            id,
            races: 0,
            resent: false,
            look_again: false,
            invocations_left: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// Whether it is about to force the check unhealthy over this version, or to take back that it is.
    pub(crate) fn is_moving_away(&self, version: i64) -> bool {
        self.change == Change::FailOver
            && !matches!(self.at, At::LookAtInstances | At::LookAtCheck | At::LookAtTags | At::Over)
            && self.seen.check == Some((Flags::Normal, version))
    }

    pub(crate) fn is_promoting(&self) -> bool {
        self.change == Change::Promote
            && matches!(
                self.at,
                At::FreshTags | At::FreshCheck | At::Announce | At::BackTags | At::BackCheck | At::Send
            )
    }

    pub(crate) fn writes(&self) -> bool {
        matches!(self.at, At::Announce | At::Send | At::KeepWrite | At::RetractWrite)
    }

    /// The invocation is gone; the next one, if there is one, starts from what it finds.
    pub(crate) fn dies(&mut self, world: &mut World) {
        self.cut(world);
        self.end();
    }

    fn cut(&self, world: &mut World) {
        if let Some((version, _)) = self.own
            && self.change == Change::FailOver
            && !world.cut_claims.contains(&version)
        {
            world.cut_claims.push(version);
            world.cut_claims.sort_unstable();
        }
    }

    fn end(&mut self) {
        let left = self.invocations_left;
        *self = Self { at: At::Over, ..Self::new(self.id) };
        if left > 0 {
            self.at = At::LookAtInstances;
            self.invocations_left = left - 1;
        } else {
            self.invocations_left = 0;
        }
    }

    pub(crate) fn step(&mut self, world: &mut World, step: Step) {
        if step != Step::Answered {
            self.cut(world);
        }
        match self.at {
            At::LookAtInstances => {
                self.seen =
                    Seen { primary_up: world.primary_up, replica: Some(world.replica), ..Seen::default() };
                self.at = At::LookAtCheck;
            }
            At::LookAtCheck => {
                self.seen.check = Some((world.flags, world.version));
                self.at = At::LookAtTags;
            }
            At::LookAtTags => {
                self.seen.tags = world.tags;
                self.decide();
            }
            At::FreshTags => {
                if world.tags == self.seen.tags {
                    self.at = At::FreshCheck
                } else {
                    self.race()
                }
            }
            At::FreshCheck => {
                if self.switch_stands(world) {
                    self.at = At::Announce
                } else {
                    self.race()
                }
            }
            At::Announce => {
                let own = self.claim();
                self.own = Some(own);
                if step != Step::Answered {
                    self.cut(world);
                }
                if step != Step::Lost {
                    *self.tag(&mut world.tags) = Some(own);
                }
                if step == Step::Answered {
                    self.at = At::BackTags;
                } else {
                    self.retract(false);
                }
            }
            At::BackTags => {
                let mut expected = self.seen.tags;
                *self.tag(&mut expected) = self.own;
                if *self.tag(&mut world.tags.clone()) != self.own {
                    self.race();
                } else if world.tags != expected {
                    self.retract(true);
                } else {
                    self.at = At::BackCheck;
                }
            }
            At::BackCheck => {
                if self.switch_stands(world) {
                    self.at = At::Send
                } else {
                    self.retract(true)
                }
            }
            At::Send => self.send(world, step),
            At::LookAfterLost => {
                let version = self.seen.check.unwrap_or((Flags::Normal, 0)).1;
                if (world.flags, world.version) == (self.target(), version + 1) {
                    self.at = At::KeepRead;
                } else if world.version == version {
                    self.at = At::Send;
                } else {
                    self.retract(true);
                }
            }
            At::Refused => match world.replica {
                Replica::Alone => self.race(),
                // It counts as sent.
                Replica::Promoting | Replica::Following | Replica::Accepted => self.end(),
            },
            At::KeepRead => {
                if *self.tag(&mut world.tags.clone()) == self.own {
                    self.done()
                } else {
                    self.at = At::KeepWrite
                }
            }
            At::KeepWrite => {
                if step != Step::Lost {
                    *self.tag(&mut world.tags) = self.own;
                }
                self.done();
            }
            At::RetractRead => {
                if *self.tag(&mut world.tags.clone()) == self.own {
                    self.at = At::RetractWrite;
                } else {
                    self.retracted();
                }
            }
            At::RetractWrite => {
                if step != Step::Lost {
                    *self.tag(&mut world.tags) = *self.tag(&mut self.seen.tags.clone());
                }
                if step == Step::Answered { self.retracted() } else { self.end() }
            }
            At::Over => {}
        }
    }

    fn send(&mut self, world: &mut World, step: Step) {
        let version = self.seen.check.unwrap_or((Flags::Normal, 0)).1;
        if self.change == Change::Promote {
            let accepted = step == Step::Lost || world.promote(version);
            self.at = match (step, accepted) {
                (Step::Answered, false) => At::Refused,
                // An answer that is lost counts as sent.
                (Step::Answered | Step::AppliedAndLost | Step::Lost, _) => At::KeepRead,
            };
            return;
        }
        let accepted = step != Step::Lost && world.update(self.target(), version);
        match step {
            Step::Answered if accepted => self.at = At::KeepRead,
            Step::Answered if !self.resent => self.retract(true),
            Step::Answered | Step::AppliedAndLost | Step::Lost => {
                self.resent = true;
                self.at = At::LookAfterLost;
            }
        }
    }

    fn switch_stands(&self, world: &World) -> bool {
        self.seen.check == Some((world.flags, world.version))
    }

    fn target(&self) -> Flags {
        if self.change == Change::FailBack { Flags::Normal } else { Flags::Forced }
    }

    fn claim(&self) -> Claim {
        let version = self.seen.check.unwrap_or((Flags::Normal, 0)).1;
        (if self.change == Change::Promote { version } else { version + 1 }, self.id)
    }

    fn tag<'a>(&self, tags: &'a mut Tags) -> &'a mut Option<Claim> {
        match self.change {
            Change::FailOver => &mut tags.routed,
            Change::FailBack => &mut tags.returned,
            Change::Promote => &mut tags.promoted,
        }
    }

    fn race(&mut self) {
        self.races += 1;
        self.own = None;
        if self.races >= 3 { self.end() } else { self.at = At::LookAtInstances }
    }

    fn retract(&mut self, look_again: bool) {
        self.look_again = look_again;
        if self.change == Change::Promote {
            // Another invocation may have sent the promotion that this claim was written over.
            self.retracted();
        } else {
            self.at = At::RetractRead;
        }
    }

    fn retracted(&mut self) {
        if self.look_again { self.race() } else { self.end() }
    }

    fn done(&mut self) {
        self.own = None;
        if self.change == Change::FailOver { self.at = At::LookAtInstances } else { self.end() }
    }

    /// Asks the real rules.
    fn decide(&mut self) {
        self.streak = match self.streak {
            Some((up, length)) if up == self.seen.primary_up => Some((up, (length + 1).min(2))),
            Some(_) | None => Some((self.seen.primary_up, 1)),
        };
        let seen = self.observation();
        let diagnosis = Diagnosis::of(&seen.primary, None, &POLICY);
        let mut streak = Streak::new(&diagnosis, now());
        if self.streak.is_some_and(|(_, length)| length > 1) {
            streak = streak.and(&diagnosis, now());
        }
        let case = Case::new(&seen, streak, Order::Tick, &POLICY, now());
        let rule = match decide(&case) {
            Next::Apply(rule) => rule,
            Next::Read(Need::Memory | Need::Lag | Need::MultiAzFailover | Need::Record) => {
                unreachable!("everything was read")
            }
        };
        let change = match rule.does {
            Does::FailOver => Change::FailOver,
            Does::FailBack => Change::FailBack,
            Does::Promote => Change::Promote,
            Does::ObserveAgain | Does::ObserveAtOnce => {
                self.at = At::LookAtInstances;
                return;
            }
            Does::Stay | Does::StayAndTell | Does::Fail => {
                self.end();
                return;
            }
        };
        self.change = change;
        self.resent = false;
        // What is not needed any more must not tell states apart.
        self.seen = Seen { check: self.seen.check, tags: self.seen.tags, ..Seen::default() };
        self.at = At::FreshTags;
    }

    fn observation(&self) -> Observation {
        let instance = |status, source| {
            Reading::Known(Instance {
                status,
                source,
                multi_az: false,
                endpoint: None,
                created: None,
                details: Details::default(),
            })
        };
        let source = InstanceRef { identifier: PRIMARY.to_owned(), region: Some(REGION.to_owned()) };
        let source = Some(Source::Instance(source));
        let (flags, version) = self.seen.check.unwrap_or((Flags::Normal, 0));
        Observation {
            primary: instance(if self.seen.primary_up { Status::Available } else { Status::Failed }, None),
            replica: self.seen.replica.map(|replica| match replica {
                Replica::Following | Replica::Accepted => instance(Status::Available, source),
                Replica::Promoting => instance(Status::Modifying, source),
                Replica::Alone => instance(Status::Available, None),
            }),
            check: Reading::Known(HealthCheck {
                state: flags.state(),
                version,
                not_updatable: None,
                children: Vec::new(),
            }),
            probes: None,
            memory: Evidence::Read(self.seen.tags.memory()),
            lag: Evidence::Read(vec![Sample { at: now(), seconds: 0.5 }]),
            multi_az_failover: Evidence::Read(None),
            record: Evidence::Read(None),
        }
    }
}
