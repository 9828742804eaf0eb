//! The fields of a JSON object, each once, with their values unread.

use std::fmt;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{echoed, shown};

/// More than any event has: an object of empty fields must not fill the memory.
const MAX_FIELDS: usize = 64;

/// The fields of an object.
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!(
                            "the field `{}` is given twice",
                            echoed(&name)
                        )));
                    }
                    if fields.len() == MAX_FIELDS {
                        return Err(A::Error::custom(format!("there are more than {MAX_FIELDS} fields")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        object.deserialize_map(Object)
    }
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Refuses a field that is not one of these.
    pub(super) fn refuse_others(&self, allowed: &[&str]) -> Result<(), String> {
        match self.names().find(|name| !allowed.contains(name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "there is no field `{}`; the allowed fields are {}",
                echoed(name),
                allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    pub(super) fn text(&self, name: &str, may_hold: &str) -> Result<Option<String>, String> {
        self.typed(name, may_hold)
    }

    /// A boolean; `false` where it is absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        Ok(self.typed(name, "`true` or `false`")?.unwrap_or(false))
    }

    /// A duration above zero; `None` where it is absent or `forever`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, String> {
        let may_hold = "a duration such as `30m` or `2h`, or `forever`";
        let Some(text) = self.typed::<String>(name, may_hold)? else { return Ok(None) };
        if text == "forever" {
            return Ok(None);
        }
        SpanParser::new()
            .parse_unsigned_duration(&text)
            .ok()
            .filter(|duration| !duration.is_zero())
            .map(Some)
            .ok_or_else(|| format!("`{name}` holds `{}`; it may hold {may_hold}", echoed(&text)))
    }

    fn typed<T: for<'de> Deserialize<'de>>(&self, name: &str, may_hold: &str) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        serde_json::from_str(value.get())
            .map(Some)
            .map_err(|_| format!("`{name}` holds `{}`; it may hold {may_hold}", shown(value)))
    }
}
