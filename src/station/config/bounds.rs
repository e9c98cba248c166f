//! Checks every number of a station file against its range.

use std::time::Duration;

use aecsad_program::printable::printable;

use super::ConfigError;
use super::check::Checker;
use super::declaration::{AllowedRange, limits};

impl Checker<'_> {
    pub(super) fn contradiction(&self, sentence: String) -> ConfigError {
        ConfigError::Contradiction {
            path: self.path.into(),
            sentence: printable(&sentence).into_owned(),
        }
    }

    pub(super) fn within(&self, key: &'static str, value: f64) -> Result<f64, ConfigError> {
        self.within_limits(key, value, limits(key))
    }

    pub(super) fn within_limits(
        &self,
        key: &'static str,
        value: f64,
        AllowedRange { low, high, unit }: AllowedRange,
    ) -> Result<f64, ConfigError> {
        // NaN is outside every range.
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(ConfigError::OutOfRange {
            path: self.path.into(),
            key,
            value,
            unit,
            low,
            high,
        })
    }

    pub(super) fn ms(&self, key: &'static str, ms: f64) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs_f64(self.within(key, ms)? / 1e3))
    }

    pub(super) fn optional_ms(
        &self,
        key: &'static str,
        ms: Option<f64>,
    ) -> Result<Option<Duration>, ConfigError> {
        ms.map(|ms| self.ms(key, ms)).transpose()
    }

    /// A whole number.
    pub(super) fn whole(&self, key: &'static str, value: f64) -> Result<u32, ConfigError> {
        let value = self.within(key, value)?;
        if value.fract() == 0.0 {
            return Ok(value as u32);
        }
        Err(self.contradiction(format!("`{key}` is {value}: give a whole number")))
    }
}
