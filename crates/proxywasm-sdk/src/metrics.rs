//! Figures that the host exports. Names consist of groups with dots between them; the host puts the plugin's name before.
//!
//! A metric belongs to the plugin that created it, and goes with it; creating one again gives the same metric. Copies are the same
//! metric.

use crate::hostcalls::metrics;
use crate::raw::MetricType;
use crate::status::Result;

/// A number that only grows.
///
/// ```no_run
/// use proxywasm_sdk::{Counter, Gauge, Histogram, Result};
///
/// struct Figures {
///     requests: Counter,
///     active: Gauge,
///     bytes: Histogram,
/// }
///
/// impl Figures {
///     fn new() -> Result<Self> {
///         Ok(Self {
///             requests: Counter::new("requests")?,
///             active: Gauge::new("active")?,
///             bytes: Histogram::new("response.bytes")?,
///         })
///     }
///
///     fn ended(&self, bytes: u64) -> Result<()> {
///         self.requests.increment(1)?;
///         self.active.add(-1)?;
///         self.bytes.record(bytes)
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counter {
    id: u32,
}

/// A number that goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gauge {
    id: u32,
}

/// A distribution of recorded values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Histogram {
    id: u32,
}

// === impl Counter ===

impl Counter {
    /// Creates a counter, or finds the one that the plugin has under this name.
    ///
    /// # Errors
    /// `bad_argument` for a name that the host cannot export; `not_allowed` if the name is that of another type of metric;
    /// `unavailable` if there are too many metrics.
    pub fn new(name: &str) -> Result<Self> {
        metrics::create(MetricType::COUNTER, name).map(|id| Self { id })
    }

    /// Adds to it; more than `i64::MAX` at once counts as that.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted.
    pub fn increment(&self, by: u64) -> Result<()> {
        metrics::increment(self.id, i64::try_from(by).unwrap_or(i64::MAX))
    }

    /// What it stands at, of all workers together.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted.
    pub fn value(&self) -> Result<u64> {
        metrics::value(self.id)
    }

    /// Deletes it: the host exports it no longer.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted before.
    pub fn delete(self) -> Result<()> {
        metrics::delete(self.id)
    }
}

// === impl Gauge ===

impl Gauge {
    /// Creates a gauge, or finds the one that the plugin has under this name.
    ///
    /// # Errors
    /// Those of [`Counter::new`].
    pub fn new(name: &str) -> Result<Self> {
        metrics::create(MetricType::GAUGE, name).map(|id| Self { id })
    }

    /// Sets it.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted.
    pub fn set(&self, value: u64) -> Result<()> {
        metrics::set(self.id, value)
    }

    /// Adds to it, or takes away. It stops at 0 and at the largest number.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted.
    pub fn add(&self, amount: i64) -> Result<()> {
        metrics::increment(self.id, amount)
    }

    /// What it stands at.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted.
    pub fn value(&self) -> Result<u64> {
        metrics::value(self.id)
    }

    /// Deletes it: the host exports it no longer.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted before.
    pub fn delete(self) -> Result<()> {
        metrics::delete(self.id)
    }
}

// === impl Histogram ===

impl Histogram {
    /// Creates a histogram, or finds the one that the plugin has under this name.
    ///
    /// # Errors
    /// Those of [`Counter::new`].
    pub fn new(name: &str) -> Result<Self> {
        metrics::create(MetricType::HISTOGRAM, name).map(|id| Self { id })
    }

    /// Records a value.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted.
    pub fn record(&self, value: u64) -> Result<()> {
        metrics::set(self.id, value)
    }

    /// Deletes it: the host exports it no longer.
    ///
    /// # Errors
    /// `bad_argument` if it was deleted before.
    pub fn delete(self) -> Result<()> {
        metrics::delete(self.id)
    }
}
