//! What instances go through in time, and what people do to them.

use std::time::Duration;

use super::events::RdsEvent;
use super::instance::{Instance, Source, StatusInfo, address};
use crate::record::{Actor, Change};
use crate::world::World;

/// How a promotion runs once it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// How long the status stays as it was.
    pub notice: Duration,
    /// How long it is `modifying`, with the source still there.
    pub duration: Duration,
    /// `false`: accepted, and nothing ever comes of it.
    pub takes_effect: bool,
}

impl Default for Promotion {
    fn default() -> Self {
        Self { notice: Duration::from_secs(20), duration: Duration::from_secs(240), takes_effect: true }
    }
}

impl World {
    pub fn add(&mut self, instance: Instance) {
        let key = self.rds.next_key();
        self.rds.known.insert(instance.id.clone());
        self.rds.instances.push(Instance { key, ..instance });
    }

    /// The instance of this identifier or ARN, unless it is gone.
    #[must_use]
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.rds.instances.iter().find(|i| names(i, id))
    }

    /// The same, to set something without a trace in the history.
    pub fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.rds.instances.iter_mut().find(|i| names(i, id))
    }

    /// Sets a status as RDS would; nothing if the instance is gone.
    ///
    /// # Panics
    /// If there never was such an instance: a scenario with a typing error must not pass.
    pub fn set_status(&mut self, id: &str, status: &str) {
        let Some(instance) = self.instance_mut(id) else {
            assert!(
                self.rds.known.contains(id.rsplit(':').next().unwrap_or(id)),
                "there never was an instance {id}"
            );
            return;
        };
        if instance.status != status {
            status.clone_into(&mut instance.status);
            let change = Change::Status { instance: instance.id.clone(), status: status.to_owned() };
            self.changed(change);
        }
    }

    /// Ends replication as seen in `StatusInfos`: `error`, `stopped`, `terminated`, or back to
    /// `replicating`.
    pub fn set_replication(&mut self, id: &str, status: &str) {
        if let Some(instance) = self.instance_mut(id) {
            instance.status_infos = vec![StatusInfo::replication(status)];
        }
    }

    /// A running promotion ends now as it should: the instance is `available` and replicates from nobody.
    pub fn finish_promotion(&mut self, id: &str) {
        let promoting = self.instance(id).filter(|i| i.promoting_since.is_some());
        if let Some((key, arn)) = promoting.map(|i| (i.key, i.arn())) {
            self.become_independent(key);
            self.set_status(&arn, "available");
        }
    }

    /// A running promotion fails: the instance stays an available replica.
    pub fn fail_promotion(&mut self, id: &str) {
        if let Some(instance) = self.instance_mut(id)
            && instance.promoting_since.take().is_some()
            && instance.status == "modifying"
        {
            self.set_status(id, "available");
        }
    }

    /// A person promotes a replica at the console; refused as by the API.
    ///
    /// # Errors
    /// The error code.
    pub fn console_promote(&mut self, id: &str) -> Result<(), String> {
        let key = self.instance(id).map(|i| i.key).ok_or("DBInstanceNotFound")?;
        self.acting(Actor::Console, |world| world.accept_promotion(key))
            .map_err(|error| error.code.into_owned())
    }

    /// A person deletes an instance: gone at once, with what that does to its replicas.
    pub fn console_delete(&mut self, id: &str) {
        if let Some(key) = self.instance(id).map(|i| i.key) {
            self.acting(Actor::Console, |world| world.remove(key));
        }
    }

    /// A person restores an instance from a snapshot, at once: as `instance` was, but replicating
    /// from nobody and created now, so that it is another instance under its name.
    ///
    /// # Panics
    /// If an instance of that name is still there.
    pub fn console_restore(&mut self, instance: Instance) {
        assert!(self.instance(&instance.arn()).is_none(), "{} is still there", instance.id);
        let id = instance.id.clone();
        self.add(Instance {
            status: "available".to_owned(),
            source: None,
            status_infos: Vec::new(),
            created: self.now,
            promoting_since: None,
            ..instance
        });
        self.acting(Actor::Console, |world| world.changed(Change::InstanceCreated { instance: id }));
    }

    /// A person renames an instance, at once.
    pub fn console_rename(&mut self, from: &str, to: &str) {
        if let Some(key) = self.instance(from).map(|i| i.key) {
            self.acting(Actor::Console, |world| world.rename(key, to));
        }
    }

    /// A person gives each of two instances the other's name, at once.
    pub fn console_swap_names(&mut self, one: &str, other: &str) {
        let old = format!("{one}-old");
        self.console_rename(one, &old);
        self.console_rename(other, one);
        self.console_rename(&old, other);
    }

    pub(crate) fn by_key(&mut self, key: u64) -> Option<&mut Instance> {
        self.rds.instances.iter_mut().find(|i| i.key == key)
    }

    /// Sets a status unless something else has set another one than `from` meanwhile.
    pub(crate) fn pass_to(&mut self, key: u64, from: &str, to: &str) {
        if let Some(instance) = self.by_key(key)
            && instance.status == from
        {
            let id = instance.arn();
            self.set_status(&id, to);
        }
    }

    /// Shows the statuses one after the other, each for [`World::step`]; the last one stays.
    pub(crate) fn pass_through(&mut self, key: u64, statuses: &[&'static str]) {
        let Some((first, rest)) = statuses.split_first() else {
            return;
        };
        if let Some(id) = self.by_key(key).map(|i| i.arn()) {
            self.set_status(&id, first);
        }
        for (index, pair) in (1..).zip(std::iter::once(first).chain(rest).zip(rest)) {
            let (from, to) = (*pair.0, *pair.1);
            self.after(self.step * index, move |world| world.pass_to(key, from, to));
        }
    }

    pub(crate) fn run_promotion(&mut self, key: u64) {
        let Promotion { notice, duration, takes_effect } = self.promotion;
        let now = self.now;
        let Some(instance) = self.by_key(key) else {
            return;
        };
        let id = instance.id.clone();
        if takes_effect {
            instance.promoting_since = Some(now);
        }
        self.changed(Change::PromotionAccepted { instance: id });
        if !takes_effect {
            return;
        }
        let runs = move |world: &mut Self| world.by_key(key).is_some_and(|i| i.promoting_since == Some(now));
        self.after(notice, move |world| {
            if runs(world) {
                world.pass_to(key, "available", "modifying");
            }
        });
        self.after(notice + duration, move |world| {
            if runs(world) {
                world.become_independent(key);
                world.pass_to(key, "modifying", "available");
            }
        });
    }

    pub(super) fn become_independent(&mut self, key: u64) {
        if let Some(instance) = self.by_key(key) {
            instance.promoting_since = None;
            instance.source = None;
            instance.status_infos.clear();
            let (id, arn) = (instance.id.clone(), instance.arn());
            // What replicates from nobody has no lag.
            self.set_replica_lag(&arn, None);
            self.changed(Change::Promoted { instance: id });
        }
    }

    /// Takes an instance away. Its replicas are promoted by RDS, but one of PostgreSQL in another
    /// region is only `terminated`.
    pub(crate) fn remove(&mut self, key: u64) {
        let Some(index) = self.rds.instances.iter().position(|i| i.key == key) else {
            return;
        };
        let arn = self.rds.instances[index].arn();
        self.set_replica_lag(&arn, None);
        self.set_database_connections(&arn, None);
        self.push_event(RdsEvent::new(&arn, "RDS-EVENT-0003"));
        let gone = self.rds.instances.remove(index);
        self.changed(Change::InstanceDeleted { instance: gone.id.clone() });
        let replicas = self.rds.instances.iter().filter(|i| i.replicates_from(&gone));
        let replicas: Vec<_> =
            replicas.map(|i| (i.key, i.region == gone.region || i.engine != "postgres")).collect();
        for (replica, promoted) in replicas {
            if promoted {
                self.acting(Actor::Aws, |world| world.become_independent(replica));
            } else if let Some(replica) = self.by_key(replica) {
                replica.status_infos = vec![StatusInfo::replication("terminated")];
            }
        }
    }

    pub(crate) fn rename(&mut self, key: u64, to: &str) {
        let Some(instance) = self.by_key(key) else {
            return;
        };
        let before = instance.clone();
        to.clone_into(&mut instance.id);
        instance.address = address(&instance.region, to);
        for other in &mut self.rds.instances {
            if other.replicates_from(&before) {
                other.source = Some(Source::Instance { region: before.region.clone(), id: to.to_owned() });
            }
        }
        self.rds.known.insert(to.to_owned());
        self.changed(Change::Renamed { from: before.id, to: to.to_owned() });
    }
}

fn names(instance: &Instance, id: &str) -> bool {
    if id.starts_with("arn:") {
        instance.arn().eq_ignore_ascii_case(id)
    } else {
        instance.id.eq_ignore_ascii_case(id)
    }
}
