//! Alarms over metrics, as far as health checks follow them.

use jiff::{SignedDuration, Timestamp};

use super::metric::{Dimensions, Statistics};
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

/// When a datapoint breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A metric alarm that ignores missing data: it keeps its state.
#[derive(Debug, Clone)]
pub struct Alarm {
    pub region: String,
    pub name: String,
    pub namespace: String,
    pub metric: String,
    pub dimensions: Dimensions,
    /// `Average`, `Sum`, `Minimum`, `Maximum` or `SampleCount`.
    pub statistic: String,
    /// In seconds.
    pub period: u32,
    pub evaluation_periods: u32,
    pub datapoints_to_alarm: u32,
    pub threshold: f64,
    pub comparison: Comparison,
    pub state: AlarmState,
    /// The end of the last period that was looked at. The epoch at first.
    pub evaluated: Timestamp,
}

impl Alarm {
    /// One datapoint of one minute at or over 1 is an alarm.
    #[must_use]
    pub fn new(region: &str, name: &str, namespace: &str, metric: &str) -> Self {
        Self {
            region: region.to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            metric: metric.to_owned(),
            dimensions: Dimensions::new(),
            statistic: "Maximum".to_owned(),
            period: 60,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            threshold: 1.0,
            comparison: Comparison::GreaterOrEqual,
            state: AlarmState::InsufficientData,
            evaluated: Timestamp::UNIX_EPOCH,
        }
    }

    fn breaches(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
        }
    }

    /// The state after a window: alarm if enough datapoints breach; ok if so many do not that the
    /// missing ones could not make an alarm; else, as missing data is ignored, the state before.
    fn judge(&self, present: &[f64]) -> AlarmState {
        let breaching = present.iter().filter(|v| self.breaches(**v)).count();
        let fine = present.len() - breaching;
        let (wanted, window) = (self.datapoints_to_alarm as usize, self.evaluation_periods as usize);
        if breaching >= wanted {
            AlarmState::Alarm
        } else if fine > window.saturating_sub(wanted) {
            AlarmState::Ok
        } else {
            self.state
        }
    }
}

impl World {
    pub fn add_alarm(&mut self, alarm: Alarm) {
        self.cloudwatch.alarms.push(alarm);
    }

    /// The state at [`World::now`], from the periods that are complete; `InsufficientData` if
    /// there is no such alarm.
    pub fn alarm_state(&mut self, region: &str, name: &str) -> AlarmState {
        let is_it = |alarm: &Alarm| alarm.region == region && alarm.name == name;
        let Some(index) = self.cloudwatch.alarms.iter().position(is_it) else {
            return AlarmState::InsufficientData;
        };
        self.cloudwatch.fill(self.now);
        let mut alarm = self.cloudwatch.alarms[index].clone();
        let period = i64::from(alarm.period.max(1));
        let window = period * i64::from(alarm.evaluation_periods);
        let last = self.now.as_second() / period * period;
        let metric = self.cloudwatch.find(region, &alarm.namespace, &alarm.metric, &alarm.dimensions);
        if let Some(metric) = metric {
            // Periods without a datapoint in their window change nothing, so only the others count.
            let from = alarm.evaluated.as_second() - window;
            let mut ends: Vec<i64> = metric
                .between(second(from), second(last))
                .iter()
                .flat_map(|(time, _)| {
                    let end = (time.as_second().div_euclid(period) + 1) * period;
                    (0..i64::from(alarm.evaluation_periods)).map(move |n| end + n * period)
                })
                .filter(|end| *end > alarm.evaluated.as_second() && *end <= last)
                .collect();
            ends.sort_unstable();
            ends.dedup();
            for end in ends {
                let present: Vec<f64> = (0..i64::from(alarm.evaluation_periods))
                    .filter_map(|n| {
                        let until = end - n * period;
                        let samples = metric.between(second(until - period), second(until));
                        Statistics::of(samples)?.named(&alarm.statistic)
                    })
                    .collect();
                alarm.state = alarm.judge(&present);
            }
        }
        alarm.evaluated = second(last);
        let state = alarm.state;
        self.cloudwatch.alarms[index] = alarm;
        state
    }
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}
