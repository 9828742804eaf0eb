//! Lets an agent perform what RDS accepts, where real databases stand for the instances.

use crate::world::World;

/// What is to be done with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Promote it, then [`World::finish_promotion`].
    Promote,
    /// Stop it; it is `stopping`. Then [`World::set_status`] to `stopped`.
    Stop,
    /// Start it; it is `starting`. Then [`World::set_status`] to `available`.
    Start,
}

impl Task {
    /// `promote`, `stop` or `start`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }
}

/// An accepted request that waits for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The ARN; every method that takes an identifier takes it, too.
    pub instance: String,
    pub task: Task,
}

impl World {
    /// The next accepted request that nobody has taken yet, in the order of acceptance.
    ///
    /// With [`World::performed_by_agent`] set, `PromoteReadReplica`, `StopDBInstance` and
    /// `StartDBInstance` are accepted and refused as ever, and then nothing more happens by itself:
    /// the instance shows the statuses that the agent sets.
    pub fn take_work(&mut self) -> Option<Work> {
        self.rds.work.pop_front()
    }

    /// A promotion has ended as it should: the instance is `available` and replicates from nobody.
    /// Nothing if no promotion of it is under way.
    pub fn finish_promotion(&mut self, id: &str) {
        let promoting = self.instance(id).filter(|i| i.promoting_since.is_some());
        if let Some((key, arn)) = promoting.map(|i| (i.key, i.arn())) {
            self.become_independent(key);
            self.set_status(&arn, "available");
        }
    }

    /// Shows what follows from a request that was accepted, or leaves it to the agent.
    pub(super) fn perform(&mut self, key: u64, task: Task) {
        let statuses = match task {
            Task::Promote => return self.run_promotion(key),
            Task::Stop => ["stopping", "stopped"],
            Task::Start => ["starting", "available"],
        };
        if self.performed_by_agent {
            self.pass_through(key, &statuses[..1]);
            self.hand_over(key, task);
        } else {
            self.pass_through(key, &statuses);
        }
    }

    pub(super) fn hand_over(&mut self, key: u64, task: Task) {
        if let Some(instance) = self.by_key(key).map(|i| i.arn()) {
            self.rds.work.push_back(Work { instance, task });
        }
    }
}
