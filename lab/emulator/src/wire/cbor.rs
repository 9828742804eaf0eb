//! The members of a CBOR request, taken one by one so that what is left over is known to be
//! unknown.

use bytes::Bytes;
use ciborium::Value;
use jiff::Timestamp;

use crate::cloudwatch::metric::Dimensions;
use crate::wire::{ApiError, ApiResult};

/// CBOR's tag of a time in seconds since the epoch.
const EPOCH_TIME: u64 = 1;

pub(crate) struct Members(Vec<(Value, Value)>);

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::bad("SerializationException", message)
}

impl Members {
    pub(crate) fn parse(body: &[u8]) -> ApiResult<Self> {
        let value: Value = ciborium::from_reader(body).map_err(|error| malformed(error.to_string()))?;
        Self::of(value)
    }

    fn of(value: Value) -> ApiResult<Self> {
        let members = value.into_map().map_err(|_| malformed("Not a structure."))?;
        Ok(Self(members))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let is_it = |(key, _): &(Value, Value)| key.as_text() == Some(name);
        let index = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(index).1)
    }

    fn require(&mut self, name: &str) -> ApiResult<Value> {
        self.take(name)
            .ok_or_else(|| ApiError::bad("MissingParameter", format!("The parameter {name} is required.")))
    }

    pub(crate) fn text(&mut self, name: &str) -> ApiResult<String> {
        let value = self.require(name)?;
        value.into_text().map_err(|_| malformed(format!("{name} is not a string.")))
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> ApiResult<Option<String>> {
        self.take(name)
            .map(|value| value.into_text().map_err(|_| malformed(format!("{name} is not a string."))))
            .transpose()
    }

    pub(crate) fn integer(&mut self, name: &str) -> ApiResult<i64> {
        self.require(name)?
            .as_integer()
            .and_then(|value| i64::try_from(value).ok())
            .ok_or_else(|| malformed(format!("{name} is not an integer.")))
    }

    pub(crate) fn time(&mut self, name: &str) -> ApiResult<Timestamp> {
        let bad = || malformed(format!("{name} is not a timestamp."));
        let Value::Tag(EPOCH_TIME, value) = self.require(name)? else {
            return Err(bad());
        };
        if let Some(seconds) = value.as_integer() {
            let seconds = i64::try_from(seconds).map_err(|_| bad())?;
            return Timestamp::from_second(seconds).map_err(|_| bad());
        }
        let seconds = value.as_float().ok_or_else(bad)?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a time in milliseconds is far below the limit, and the cast saturates"
        )]
        Timestamp::from_millisecond((seconds * 1000.0).round() as i64).map_err(|_| bad())
    }

    fn list(&mut self, name: &str) -> ApiResult<Vec<Value>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(value) => value.into_array().map_err(|_| malformed(format!("{name} is not a list."))),
        }
    }

    pub(crate) fn texts(&mut self, name: &str) -> ApiResult<Vec<String>> {
        self.list(name)?
            .into_iter()
            .map(|value| value.into_text().map_err(|_| malformed(format!("{name} holds no strings."))))
            .collect()
    }

    pub(crate) fn map(&mut self, name: &str) -> ApiResult<Self> {
        Self::of(self.require(name)?)
    }

    pub(crate) fn maps(&mut self, name: &str) -> ApiResult<Vec<Self>> {
        self.list(name)?.into_iter().map(Self::of).collect()
    }

    pub(crate) fn dimensions(&mut self) -> ApiResult<Dimensions> {
        let dimensions = self.maps("Dimensions")?;
        dimensions
            .into_iter()
            .map(|mut dimension| {
                let pair = (dimension.text("Name")?, dimension.text("Value")?);
                dimension.finish()?;
                Ok(pair)
            })
            .collect()
    }

    /// Refuses what no rule of the operation has taken.
    pub(crate) fn finish(self) -> ApiResult<()> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                let name = key.as_text().unwrap_or("?");
                Err(ApiError::not_emulated(format_args!("the member {name}")))
            }
        }
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn time(time: Timestamp) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of this century are exact in a double")]
    let seconds = time.as_millisecond() as f64 / 1000.0;
    Value::Tag(EPOCH_TIME, Box::new(Value::Float(seconds)))
}

pub(crate) fn map<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let members = members.into_iter();
    Value::Map(members.map(|(key, value)| (text(key), value)).collect())
}

pub(crate) fn encode(value: &Value) -> Bytes {
    let mut body = Vec::with_capacity(256);
    // Writing to a vector cannot fail.
    let _ = ciborium::into_writer(value, &mut body);
    body.into()
}
