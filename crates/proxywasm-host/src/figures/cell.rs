//! Numbers that one thread writes and any may read.
//!
//! Writing one is a load and a store of a place that no other thread writes: it takes no lock, and no cache line travels between
//! workers. So each worker has its own, and who wants to know adds them up. A number that two threads write by mistake would lose
//! some of what they add, and nothing worse.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// How durations are distributed, in buckets with fixed bounds.
#[derive(Debug)]
pub struct Durations {
    bounds: &'static [Duration],
    /// How many fall between a bound and the one before; the last one is for what exceeds all.
    counts: Box<[Counter]>,
    nanos: Counter,
}

/// What [`Durations`] are at one moment. Those of several workers can be added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    /// The bounds, and how many durations do not exceed each.
    pub buckets: Vec<(Duration, u64)>,
    /// How many there are.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
}

// === impl Counter ===

impl Counter {
    /// Adds something.
    #[inline]
    pub fn add(&self, count: u64) {
        let sum = self.get().wrapping_add(count);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// What it says.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Gauge ===

impl Gauge {
    /// Adds something.
    #[inline]
    pub fn add(&self, count: u64) {
        let sum = self.get().saturating_add(count);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Takes something away.
    #[inline]
    pub fn subtract(&self, count: u64) {
        let rest = self.get().saturating_sub(count);
        self.0.store(rest, Ordering::Relaxed);
    }

    /// What it says.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Durations ===

impl Durations {
    /// None yet. The bounds are in ascending order.
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| Counter::default()).collect(),
            nanos: Counter::default(),
        }
    }

    /// One more.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < duration);
        if let Some(count) = self.counts.get(bucket) {
            count.add(1);
        }
        self.nanos.add(nanos(duration));
    }

    /// What they are now. The number of durations is that of all buckets, so that the two agree while others are recorded.
    pub fn distribution(&self) -> Distribution {
        let mut count = 0_u64;
        let mut cumulative = self.counts.iter().map(|bucket| {
            count = count.wrapping_add(bucket.get());
            count
        });
        let buckets = self.bounds.iter().copied().zip(&mut cumulative).collect();
        cumulative.for_each(drop);
        Distribution {
            buckets,
            count,
            sum: Duration::from_nanos(self.nanos.get()),
        }
    }
}

/// Nanoseconds, as many as a number holds: five hundred years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

// === impl Distribution ===

impl Distribution {
    /// Adds what another worker has counted in the same buckets.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            let buckets = self.buckets.iter_mut().zip(&other.buckets);
            buckets.for_each(|((_, count), (_, more))| *count = count.wrapping_add(*more));
        }
        self.count = self.count.wrapping_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(10)];
        let (one, other) = (Durations::new(BOUNDS), Durations::new(BOUNDS));
        for millis in [0, 1, 2, 10, 11] {
            one.record(Duration::from_millis(millis));
        }
        other.record(Duration::from_secs(1));
        let mut sum = Distribution::default();
        sum.add(&one.distribution());
        sum.add(&other.distribution());
        let expected = Distribution {
            buckets: vec![(Duration::from_millis(1), 2), (Duration::from_millis(10), 4)],
            count: 6,
            sum: Duration::from_millis(1024),
        };
        assert_eq!(sum, expected);
    }

    #[test]
    fn gauges_stop_at_nothing() {
        let gauge = Gauge::default();
        gauge.add(2);
        gauge.subtract(3);
        assert_eq!(gauge.get(), 0);
    }
}
