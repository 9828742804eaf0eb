//! Health checks: what they are, what they find, and what Route 53 makes of that.

use std::collections::BTreeMap;

use crate::cloudwatch::alarm::AlarmState;
use crate::record::{Actor, Change};
use crate::world::World;

/// What a `CLOUDWATCH_METRIC` check counts as while its metric has too little data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsufficientData {
    Healthy,
    Unhealthy,
    /// `LastKnownStatus`; healthy before there was one.
    LastKnownStatus,
}

impl InsufficientData {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unhealthy => "Unhealthy",
            Self::LastKnownStatus => "LastKnownStatus",
        }
    }
}

/// A health check. Start from a constructor and set what differs by struct update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub id: String,
    /// `HTTP`, `TCP`, `CALCULATED`, `CLOUDWATCH_METRIC`, `RECOVERY_CONTROL`, …
    pub kind: String,
    pub disabled: bool,
    pub inverted: bool,
    pub version: u64,
    pub tags: BTreeMap<String, String>,
    /// What the checkers themselves find, for a check of an endpoint.
    pub failing: bool,
    /// Of a `CALCULATED` check.
    pub children: Vec<String>,
    /// Of a `CALCULATED` check: so many healthy children make it healthy.
    pub threshold: u32,
    /// Of a `CLOUDWATCH_METRIC` check: region and name.
    pub alarm: Option<(String, String)>,
    pub insufficient_data: InsufficientData,
    /// The other settings, by the name of their XML element, such as `Port`.
    pub settings: BTreeMap<String, String>,
}

impl HealthCheck {
    /// A check of a TCP port that succeeds.
    #[must_use]
    pub fn tcp(id: &str, host: &str, port: u16) -> Self {
        let settings = [
            ("FullyQualifiedDomainName", host.to_owned()),
            ("Port", port.to_string()),
            ("RequestInterval", "30".to_owned()),
            ("FailureThreshold", "3".to_owned()),
        ];
        Self {
            kind: "TCP".to_owned(),
            settings: settings.map(|(k, v)| (k.to_owned(), v)).into(),
            ..Self::switch(id)
        }
    }

    /// A `CALCULATED` check without children and with threshold 0: nothing but a switch.
    #[must_use]
    pub fn switch(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: "CALCULATED".to_owned(),
            disabled: false,
            inverted: false,
            version: 1,
            tags: BTreeMap::new(),
            failing: false,
            children: Vec::new(),
            threshold: 0,
            alarm: None,
            insufficient_data: InsufficientData::LastKnownStatus,
            settings: BTreeMap::new(),
        }
    }

    /// A check of the metric behind an alarm.
    #[must_use]
    pub fn metric(id: &str, region: &str, alarm: &str) -> Self {
        Self {
            kind: "CLOUDWATCH_METRIC".to_owned(),
            alarm: Some((region.to_owned(), alarm.to_owned())),
            ..Self::switch(id)
        }
    }
}

impl World {
    pub fn add_health_check(&mut self, check: HealthCheck) {
        let flags = (check.disabled, check.inverted);
        self.route53.effective.insert(check.id.clone(), flags);
        self.route53.checks.push(check);
    }

    #[must_use]
    pub fn health_check(&self, id: &str) -> Option<&HealthCheck> {
        self.route53.checks.iter().find(|check| check.id == id)
    }

    /// The same, to set something without a trace. Flags set so reach DNS only by
    /// [`World::console_set_flags`].
    pub fn health_check_mut(&mut self, id: &str) -> Option<&mut HealthCheck> {
        self.route53.checks.iter_mut().find(|check| check.id == id)
    }

    /// Sets what the checkers find.
    pub fn set_failing(&mut self, id: &str, failing: bool) {
        if let Some(check) = self.health_check_mut(id) {
            check.failing = failing;
        }
    }

    pub fn console_set_flags(&mut self, id: &str, disabled: bool, inverted: bool) {
        self.acting(Actor::Console, |world| {
            world.update_check(id, |check| {
                check.disabled = disabled;
                check.inverted = inverted;
            });
        });
    }

    /// A person sets a tag at the console; tags have no version.
    pub fn console_set_tag(&mut self, id: &str, key: &str, value: &str) {
        self.acting(Actor::Console, |world| world.set_tag(id, key, value));
    }

    pub fn console_remove_tag(&mut self, id: &str, key: &str) {
        self.acting(Actor::Console, |world| world.remove_tag(id, key));
    }

    /// Changes a check as one accepted update: the version grows whatever changes.
    pub(crate) fn update_check(&mut self, id: &str, update: impl FnOnce(&mut HealthCheck)) {
        let Some(check) = self.health_check_mut(id) else {
            return;
        };
        update(check);
        check.version += 1;
        let (disabled, inverted, version) = (check.disabled, check.inverted, check.version);
        let id = id.to_owned();
        self.changed(Change::CheckUpdated { check: id.clone(), disabled, inverted, version });
        if self.dns_propagation.is_zero() {
            self.route53.effective.insert(id, (disabled, inverted));
        } else {
            self.after(self.dns_propagation, move |world| {
                world.route53.effective.insert(id, (disabled, inverted));
            });
        }
    }

    pub(crate) fn set_tag(&mut self, id: &str, key: &str, value: &str) {
        if let Some(check) = self.health_check_mut(id) {
            check.tags.insert(key.to_owned(), value.to_owned());
            self.changed(Change::TagSet {
                check: id.to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
    }

    pub(crate) fn remove_tag(&mut self, id: &str, key: &str) {
        if let Some(check) = self.health_check_mut(id)
            && check.tags.remove(key).is_some()
        {
            self.changed(Change::TagRemoved { check: id.to_owned(), key: key.to_owned() });
        }
    }

    /// Whether Route 53 takes a check for healthy now, its flags included.
    ///
    /// A disabled check counts as healthy; inversion comes after that. A check that does not
    /// exist is unhealthy.
    pub fn is_healthy(&mut self, id: &str) -> bool {
        self.is_healthy_within(id, 8)
    }

    fn is_healthy_within(&mut self, id: &str, depth: u8) -> bool {
        let Some(check) = self.route53.checks.iter().find(|check| check.id == id) else {
            return false;
        };
        let (disabled, inverted) = match self.route53.effective.get(id) {
            Some(flags) => *flags,
            None => (check.disabled, check.inverted),
        };
        let found = disabled || self.finds_healthy(id, depth);
        found != inverted
    }

    fn finds_healthy(&mut self, id: &str, depth: u8) -> bool {
        let Some(check) = self.route53.checks.iter().find(|check| check.id == id) else {
            return false;
        };
        match check.kind.as_str() {
            "CALCULATED" => {
                let threshold = check.threshold;
                if threshold == 0 {
                    return true;
                }
                let children = check.children.clone();
                let healthy = children
                    .iter()
                    .filter(|child| depth > 0 && self.is_healthy_within(child, depth - 1))
                    .count();
                healthy >= threshold as usize
            }
            "CLOUDWATCH_METRIC" => {
                let Some((region, name)) = check.alarm.clone() else {
                    return false;
                };
                let insufficient = check.insufficient_data;
                match (self.alarm_state(&region, &name), insufficient) {
                    (AlarmState::Ok, _)
                    | (
                        AlarmState::InsufficientData,
                        InsufficientData::Healthy | InsufficientData::LastKnownStatus,
                    ) => true,
                    (AlarmState::Alarm, _) | (AlarmState::InsufficientData, InsufficientData::Unhealthy) => {
                        false
                    }
                }
            }
            _ => !check.failing,
        }
    }
}
