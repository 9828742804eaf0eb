//! Query parameters, taken one by one so that what is left over is known to be unknown.

use std::borrow::Cow;

use super::{ApiError, ApiResult};

#[derive(Debug)]
pub(crate) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    pub(crate) fn parse(encoded: &'a [u8]) -> Self {
        Self(form_urlencoded::parse(encoded).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(index).1.into_owned())
    }

    pub(crate) fn require(&mut self, name: &str) -> ApiResult<String> {
        self.take(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            ApiError::bad("MissingParameter", format!("The request must contain the parameter {name}."))
        })
    }

    pub(crate) fn take_bool(&mut self, name: &str) -> ApiResult<bool> {
        Ok(self.take_parsed(name)?.unwrap_or(false))
    }

    pub(crate) fn take_parsed<T: std::str::FromStr>(&mut self, name: &str) -> ApiResult<Option<T>> {
        self.take(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::bad("MalformedInput", format!("The value '{text}' of {name} cannot be read."))
                })
            })
            .transpose()
    }

    /// The members `prefix.1`, `prefix.2`, … of a list.
    pub(crate) fn take_list(&mut self, prefix: &str) -> Vec<String> {
        (1..).map_while(|index| self.take(&format!("{prefix}.{index}"))).collect()
    }

    /// Drops every parameter whose name begins so, and says how long their values were together.
    pub(crate) fn drop_prefixed(&mut self, prefix: &str) -> usize {
        let dropped = self.0.extract_if(.., |(key, _)| key.starts_with(prefix));
        dropped.map(|(_, value)| value.len()).sum()
    }

    /// Refuses what no rule of the operation has taken.
    pub(crate) fn finish(self) -> ApiResult<()> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(ApiError::bad("MalformedInput", format!("The parameter {key} is not known here.")))
            }
        }
    }
}
