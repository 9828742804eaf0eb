//! What befalls a world between and under invocations.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use emulator::{Fault, Instance, On, RdsEvent, Service, World};
use jiff::SignedDuration;
use rds_route53_failover::memory::Tag;

use super::{Simulation, setup};
use crate::rig::{CHECK, PRIMARY, REGION, REPLICA};

const STATUSES: &[&str] = &[
    "available",
    "available",
    "available",
    "storage-full",
    "storage-full",
    "failed",
    "failed",
    "failed",
    "stopped",
    "rebooting",
    "backing-up",
    "maintenance",
    "deleting",
    "a-status-of-tomorrow",
];

const OPERATIONS: &[&str] = &[
    "DescribeDBInstances",
    "DescribeEvents",
    "GetHealthCheck",
    "ListTagsForResource",
    "ChangeTagsForResource",
    "UpdateHealthCheck",
    "PromoteReadReplica",
    "StopDBInstance",
    "GetMetricStatistics",
    "ListResourceRecordSets",
    "Publish",
];

const EVENTS: &[&str] =
    &["RDS-EVENT-0013", "RDS-EVENT-0049", "RDS-EVENT-0221", "RDS-EVENT-0031", "RDS-EVENT-0006"];

impl Simulation<'_> {
    /// One thing happens.
    pub(super) fn weather(&mut self) {
        match self.rng.u32(0..100) {
            0..30 => {
                let status = self.pick(STATUSES);
                self.say(|| format!("the primary becomes {status}"));
                self.soon(move |world| world.set_status(PRIMARY, status));
            }
            30..38 => self.replica_trouble(),
            38..46 => self.lag(),
            46..54 => self.mail(),
            54..62 => self.person(),
            62..70 => self.repair(),
            70..72 => self.cold_start(),
            _ => self.fault(),
        }
    }

    /// Now, or in the middle of the next invocation, between any two of its calls.
    fn soon(&mut self, change: impl FnOnce(&mut World) + Send + 'static) {
        let over = Arc::clone(&self.over);
        let change = move |world: &mut World| {
            if !over.load(Ordering::Relaxed) {
                change(world);
            }
        };
        let mut world = self.rig.emulator.world();
        match self.rng.u32(0..4) {
            0 => world.after(Duration::from_millis(self.rng.u64(0..30_000)), change),
            1 => world.on_call(self.rng.u64(1..24), change),
            _ => change(&mut world),
        }
    }

    fn replica_trouble(&mut self) {
        let status =
            self.pick(&["available", "available", "storage-full", "modifying", "backing-up", "failed"]);
        match self.rng.u32(0..6) {
            0 => {
                let replication = self.pick(&["error", "stopped", "terminated", "replicating"]);
                self.soon(move |world| world.set_replication(REPLICA, replication));
            }
            1 => self.soon(|world| world.fail_promotion(REPLICA)),
            2 => self.soon(|world| world.console_delete(REPLICA)),
            _ => self.soon(move |world| world.set_status(REPLICA, status)),
        }
    }

    fn lag(&mut self) {
        let lag = self.pick(&[None, Some(0.5), Some(0.5), Some(0.5), Some(30.0), Some(900.0), Some(-1.0)]);
        let now = self.rig.time.now();
        self.say(|| format!("the replica's lag is {lag:?}"));
        // While a person has swapped the names, another instance has that of the replica.
        let replica = self.place.replica().arn();
        let mut world = self.rig.emulator.world();
        if world.instance(&replica).is_some() {
            world.set_replica_lag(&replica, lag);
            drop(world);
            self.rig.watch().tell_lag(now, lag);
        }
    }

    fn mail(&mut self) {
        let event = RdsEvent::new(self.pick(&[PRIMARY, PRIMARY, REPLICA]), self.pick(EVENTS));
        let event = RdsEvent { time: self.rig.time.now(), ..event };
        self.late.push(if self.rng.bool() {
            event.eventbridge(REGION)
        } else {
            serde_json::json!({"Records": [{"Sns": {"Message": event.sns_message(REGION)}}]})
        });
        if self.rng.bool() {
            self.rig.emulator.world().push_event(event);
        }
        if self.late.len() > 5 {
            self.late.remove(0);
        }
    }

    /// A person at the console.
    fn person(&mut self) {
        self.counts.console += 1;
        match self.rng.u32(0..12) {
            0..6 => {
                let flags =
                    self.pick(&[(false, false), (true, true), (true, true), (true, false), (false, true)]);
                self.soon(move |world| world.console_set_flags(CHECK, flags.0, flags.1));
            }
            6 => {
                let key = self.pick(&[Tag::Routed, Tag::Returned, Tag::Pause]).key();
                let value = self.pick(&["nonsense", "until=forever reason=mine", "version=x by=auto"]);
                self.soon(move |world| world.console_set_tag(CHECK, key, value));
            }
            7 | 8 => {
                let key = self.pick(&[Tag::Routed, Tag::Returned, Tag::Pause, Tag::Pause]).key();
                self.soon(move |world| world.console_remove_tag(CHECK, key));
            }
            9 => self.soon(|world| drop(world.console_promote(REPLICA))),
            10 if self.rng.bool() => self.soon(|world| world.console_delete(PRIMARY)),
            10 => {
                // Deleted, and restored from a snapshot: the same name, made anew.
                let restored = self.place.primary();
                let engine = RdsEvent::new(PRIMARY, "RDS-EVENT-0003");
                self.soon(move |world| {
                    world.console_delete(PRIMARY);
                    world.push_event(RdsEvent { time: world.now(), ..engine });
                    world.add(Instance { created: world.now(), ..restored });
                });
            }
            _ => self.soon(|world| world.console_swap_names(PRIMARY, REPLICA)),
        }
    }

    /// A person sets things right, all or some of them.
    fn repair(&mut self) {
        let all = self.rng.bool();
        self.renew(all);
    }

    /// New instances, where the present ones don't make a pair; with `all`, in any case.
    pub(super) fn renew(&mut self, all: bool) {
        self.counts.console += 1;
        let (primary, replica) = (self.place.primary(), self.place.replica());
        let now = self.rig.time.now();
        self.say(|| "a person repairs the instances".to_owned());
        let mut world = self.rig.emulator.world();
        if world.instance(PRIMARY).is_none_or(|found| found.source.is_some() || all) {
            world.console_delete(PRIMARY);
            world.add(primary);
        }
        world.console_delete(REPLICA);
        // Never older than its source, which may have been made anew.
        let source =
            world.instance(&self.place.primary().arn()).map_or(replica.created, |found| found.created);
        let created = replica.created.max(source + SignedDuration::from_secs(1));
        world.add(Instance { created, ..replica });
        world.set_replica_lag(REPLICA, Some(0.5));
        let foreign = world.health_check(CHECK).is_some_and(|check| check.disabled != check.inverted);
        if foreign {
            world.console_set_flags(CHECK, false, false);
        }
        if all {
            world.console_remove_tag(CHECK, Tag::Pause.key());
        }
        for tag in [Tag::Routed, Tag::Returned, Tag::Pause] {
            let broken = world.health_check(CHECK).and_then(|check| check.tags.get(tag.key())).cloned();
            let broken = broken.is_some_and(|value| {
                rds_route53_failover::memory::Memory::parse([(tag.key(), value.as_str())]).is_err()
            });
            if broken {
                world.console_remove_tag(CHECK, tag.key());
            }
        }
        drop(world);
        self.rig.watch().tell_lag(now, Some(0.5));
    }

    /// A new execution environment; where there are probes, they may find something else from now on.
    fn cold_start(&mut self) {
        if !self.place.probes {
            self.rig.redeploy(&[]);
            return;
        }
        let fail = self.rng.bool();
        self.rig.redeploy(&[("HEALTH_ENDPOINTS", setup::endpoint(fail))]);
        self.rig.watch().tell_probes(fail);
        self.say(|| format!("the probes fail: {fail}"));
    }

    fn fault(&mut self) {
        self.counts.faults += 1;
        let on = match self.rng.u32(0..8) {
            0 => On::any(),
            1 => On::service(self.pick(&[Service::Rds, Service::Route53])),
            2 => On::operation("DescribeDBInstances").target(self.pick(&[PRIMARY, REPLICA])),
            _ => On::operation(self.pick(OPERATIONS)),
        };
        let (_, fault) = &Fault::NAMED[self.rng.usize(0..Fault::NAMED.len())];
        let fault = if matches!(fault, Fault::Slow(_)) {
            // Never exactly the time-out of an attempt: either would come first.
            Fault::Slow(Duration::from_micros(500) + Duration::from_millis(self.rng.u64(0..6000)))
        } else {
            fault.clone()
        };
        self.say(|| format!("fault {fault:?} {on:?}"));
        let mut world = self.rig.emulator.world();
        match self.rng.u32(0..6) {
            0 => world.faults.standing(on, fault),
            1 | 2 => world.faults.times(self.rng.u64(2..8), on, fault),
            _ => world.faults.once(on, fault),
        }
    }
}
