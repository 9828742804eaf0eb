//! What was called and what changed, by whom.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use crate::faults::Fault;
use crate::wire::Service;

/// One request that reached the emulator, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Counts from 1.
    pub number: u64,
    /// When it arrived, by the emulator's clock.
    pub time: Timestamp,
    /// The service of the signature's scope.
    pub service: Service,
    /// Such as `DescribeDBInstances`.
    pub operation: Cow<'static, str>,
    /// The region of the signature's scope.
    pub region: String,
    /// The instance, health check, zone, topic or metric it names.
    pub target: Option<String>,
    /// Whether the operation can change anything.
    pub is_write: bool,
    pub changes: Vec<Change>,
    pub outcome: Outcome,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Carried out and answered.
    Ok,
    Refused {
        status: u16,
        /// The error code, such as `DBInstanceNotFound`.
        code: Cow<'static, str>,
    },
    /// Ended by a fault; whether it was carried out stands in [`Call::changes`].
    Fault(Fault),
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A call through a front door.
    Api,
    /// A person at the console.
    Console,
    /// AWS itself: the end of a promotion, a scripted status.
    Aws,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An accepted update of a health check, with what it has after it.
    CheckUpdated {
        check: String,
        disabled: bool,
        inverted: bool,
        version: u64,
    },
    TagSet {
        check: String,
        key: String,
        value: String,
    },
    TagRemoved {
        check: String,
        key: String,
    },
    Status {
        instance: String,
        status: String,
    },
    PromotionAccepted {
        instance: String,
    },
    /// The instance is on its own: it replicates from nobody.
    Promoted {
        instance: String,
    },
    InstanceCreated {
        instance: String,
    },
    InstanceDeleted {
        instance: String,
    },
    InstanceModified {
        instance: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    RecordSet {
        zone: String,
        name: String,
        set_identifier: Option<String>,
        values: Vec<String>,
    },
    RecordDeleted {
        zone: String,
        name: String,
        set_identifier: Option<String>,
    },
    Published {
        topic: String,
        subject: Option<String>,
        message: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// By the emulator's clock.
    pub time: Timestamp,
    pub by: Actor,
    pub change: Change,
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) calls: Vec<Call>,
    pub(crate) history: Vec<Event>,
    /// Survives [`crate::World::forget_record`], so that call numbers stay unique.
    pub(crate) number: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, time, operation, region, .. } = self;
        let target = self.target.as_deref().unwrap_or("-");
        write!(f, "{number} {time:.3} {operation} {region} {target} ")?;
        match &self.outcome {
            Outcome::Ok => f.write_str("ok"),
            Outcome::Refused { status, code } => write!(f, "{status} {code}"),
            Outcome::Fault(fault) => write!(f, "{fault:?}"),
            Outcome::Crash => f.write_str("crash"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} {:?} {:?}", self.time, self.by, self.change)
    }
}
