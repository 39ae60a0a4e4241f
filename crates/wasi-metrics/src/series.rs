//! One metric: a figure that all instances of a scope share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use wasi_common::policy::CounterSet;
use wasi_common::{MetricType, Status};

/// A metric of the [`Registry`](crate::Registry). Changing it takes no lock.
///
/// Updates are not ordered against each other: who reads sees each of them at some time, and none twice.
#[derive(Debug)]
pub struct Series {
    scope: Arc<str>,
    name: Box<[u8]>,
    exposed: String,
    figure: AtomicFigure,
    deleted: AtomicBool,
}

/// What a metric says at one moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// A number that only grows.
    Counter(u64),
    /// A number that goes up and down.
    Gauge(u64),
    /// How values are distributed.
    Histogram {
        /// For each bound how many values do not exceed it.
        buckets: Vec<(u64, u64)>,
        /// How many values there are.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

#[derive(Debug)]
enum AtomicFigure {
    Counter(AtomicU64),
    Gauge(AtomicU64),
    Histogram(Histogram),
}

#[derive(Debug)]
struct Histogram {
    bounds: Arc<[u64]>,
    /// How many values fall between a bound and the one before; the last one is for what exceeds all.
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`: a sum of large values does not overflow, and it is exported as one anyway.
    sum: AtomicU64,
}

// === impl Series ===

impl Series {
    pub(crate) fn new(
        scope: Arc<str>,
        name: &[u8],
        exposed: String,
        metric_type: MetricType,
        bounds: &Arc<[u64]>,
    ) -> Self {
        Self {
            scope,
            name: name.into(),
            exposed,
            figure: match metric_type {
                MetricType::Counter => AtomicFigure::Counter(AtomicU64::new(0)),
                MetricType::Gauge => AtomicFigure::Gauge(AtomicU64::new(0)),
                MetricType::Histogram => AtomicFigure::Histogram(Histogram::new(Arc::clone(bounds))),
            },
            deleted: AtomicBool::new(false),
        }
    }

    /// The scope it belongs to.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Its name as the plugin has it: any bytes.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its name as it is exported, which no other metric of the registry has.
    pub fn exposed_name(&self) -> &str {
        &self.exposed
    }

    /// What kind of figure it is.
    pub fn metric_type(&self) -> MetricType {
        match self.figure {
            AtomicFigure::Counter(_) => MetricType::Counter,
            AtomicFigure::Gauge(_) => MetricType::Gauge,
            AtomicFigure::Histogram(_) => MetricType::Histogram,
        }
    }

    /// Whether it was deleted: it is exported no longer.
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Relaxed)
    }

    /// What it says now.
    pub fn figure(&self) -> Figure {
        match &self.figure {
            AtomicFigure::Counter(value) => Figure::Counter(value.load(Ordering::Relaxed)),
            AtomicFigure::Gauge(value) => Figure::Gauge(value.load(Ordering::Relaxed)),
            AtomicFigure::Histogram(histogram) => histogram.figure(),
        }
    }

    /// The value of a counter or a gauge.
    ///
    /// # Errors
    /// `invalid_operation` for a histogram, which has no single value.
    pub fn value(&self) -> Result<u64, Status> {
        match &self.figure {
            AtomicFigure::Counter(value) | AtomicFigure::Gauge(value) => Ok(value.load(Ordering::Relaxed)),
            AtomicFigure::Histogram(_) => Err(Status::InvalidOperation),
        }
    }

    /// Sets a gauge, or records a value in a histogram. What it does to a counter is told.
    ///
    /// # Errors
    /// `invalid_operation` for a counter, where it cannot be set.
    pub fn set(&self, value: u64, counter: CounterSet) -> Result<(), Status> {
        match &self.figure {
            AtomicFigure::Counter(total) => match counter {
                CounterSet::Refuse => return Err(Status::InvalidOperation),
                CounterSet::Add => _ = total.fetch_add(value, Ordering::Relaxed),
            },
            AtomicFigure::Gauge(current) => current.store(value, Ordering::Relaxed),
            AtomicFigure::Histogram(histogram) => histogram.record(value),
        }
        Ok(())
    }

    /// Changes a counter or a gauge. A gauge stops at 0 and at the largest value; a counter that exceeds the largest value begins again,
    /// which readers of counters take for a restart.
    ///
    /// # Errors
    /// `bad_argument` for a counter that would shrink, `invalid_operation` for a histogram.
    pub fn increment(&self, offset: i64) -> Result<(), Status> {
        match &self.figure {
            AtomicFigure::Counter(total) => {
                let offset = u64::try_from(offset).map_err(|_| Status::BadArgument)?;
                total.fetch_add(offset, Ordering::Relaxed);
            }
            AtomicFigure::Gauge(current) => {
                current.update(Ordering::Relaxed, Ordering::Relaxed, |value| {
                    value.saturating_add_signed(offset)
                });
            }
            AtomicFigure::Histogram(_) => return Err(Status::InvalidOperation),
        }
        Ok(())
    }

    pub(crate) fn mark_deleted(&self) {
        self.deleted.store(true, Ordering::Relaxed);
    }
}

// === impl Histogram ===

impl Histogram {
    fn new(bounds: Arc<[u64]>) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self {
            bounds,
            counts,
            sum: AtomicU64::new(0f64.to_bits()),
        }
    }

    fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.update(Ordering::Relaxed, Ordering::Relaxed, |sum| {
            (f64::from_bits(sum) + value as f64).to_bits()
        });
    }

    /// The number of values is that of all buckets, so that the two agree while others record.
    fn figure(&self) -> Figure {
        let mut count = 0u64;
        let mut cumulative = self.counts.iter().map(|bucket| {
            count = count.wrapping_add(bucket.load(Ordering::Relaxed));
            count
        });
        let buckets = self.bounds.iter().copied().zip(&mut cumulative).collect();
        cumulative.for_each(drop);
        Figure::Histogram {
            buckets,
            count,
            sum: f64::from_bits(self.sum.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metric_type: MetricType) -> Series {
        let bounds = Arc::from([1, 10, 100]);
        Series::new("s".into(), b"n", "s_n".into(), metric_type, &bounds)
    }

    #[test]
    fn what_each_type_can() {
        use MetricType::{Counter, Gauge, Histogram};
        use Status::{BadArgument, InvalidOperation};
        type Change = fn(&Series) -> Result<(), Status>;
        let table: &[(&str, MetricType, Change, Result<(), Status>, Result<u64, Status>)] = &[
            ("add", Counter, |s| s.increment(5), Ok(()), Ok(5)),
            ("add nothing", Counter, |s| s.increment(0), Ok(()), Ok(0)),
            ("shrink", Counter, |s| s.increment(-1), Err(BadArgument), Ok(0)),
            (
                "least",
                Counter,
                |s| s.increment(i64::MIN),
                Err(BadArgument),
                Ok(0),
            ),
            (
                "set",
                Counter,
                |s| s.set(5, CounterSet::Refuse),
                Err(InvalidOperation),
                Ok(0),
            ),
            (
                "set adds",
                Counter,
                |s| s.set(2, CounterSet::Add).and(s.set(3, CounterSet::Add)),
                Ok(()),
                Ok(5),
            ),
            (
                "wrap",
                Counter,
                |s| s.set(u64::MAX, CounterSet::Add).and(s.increment(2)),
                Ok(()),
                Ok(1),
            ),
            (
                "set",
                Gauge,
                |s| s.set(u64::MAX, CounterSet::Refuse),
                Ok(()),
                Ok(u64::MAX),
            ),
            (
                "up, down",
                Gauge,
                |s| s.increment(7).and(s.increment(-3)),
                Ok(()),
                Ok(4),
            ),
            ("below", Gauge, |s| s.increment(i64::MIN), Ok(()), Ok(0)),
            (
                "above",
                Gauge,
                |s| s.set(u64::MAX, CounterSet::Add).and(s.increment(1)),
                Ok(()),
                Ok(u64::MAX),
            ),
            (
                "add",
                Histogram,
                |s| s.increment(1),
                Err(InvalidOperation),
                Err(InvalidOperation),
            ),
            (
                "record",
                Histogram,
                |s| s.set(1, CounterSet::Refuse),
                Ok(()),
                Err(InvalidOperation),
            ),
        ];
        for (name, metric_type, change, expected, value) in table {
            let series = series(*metric_type);
            assert_eq!(change(&series), *expected, "{metric_type:?}: {name}");
            assert_eq!(series.value(), *value, "{metric_type:?}: {name}");
            assert_eq!(series.metric_type(), *metric_type);
        }
    }

    #[test]
    fn distribution() {
        let series = series(MetricType::Histogram);
        for value in [0, 1, 2, 10, 11, 100, 101, u64::MAX] {
            series.set(value, CounterSet::Refuse).unwrap();
        }
        let expected = Figure::Histogram {
            buckets: vec![(1, 2), (10, 4), (100, 6)],
            count: 8,
            sum: 225.0 + u64::MAX as f64,
        };
        assert_eq!(series.figure(), expected);
    }

    #[test]
    fn no_update_is_lost_between_threads() {
        let all = [MetricType::Counter, MetricType::Gauge, MetricType::Histogram].map(series);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..10_000 {
                        let [counter, gauge, histogram] = &all;
                        counter.increment(1).unwrap();
                        gauge.increment(3).unwrap();
                        gauge.increment(-2).unwrap();
                        histogram.set(2, CounterSet::Refuse).unwrap();
                    }
                });
            }
        });
        assert_eq!((all[0].value(), all[1].value()), (Ok(40_000), Ok(40_000)));
        let buckets = vec![(1, 0), (10, 40_000), (100, 40_000)];
        let (count, sum) = (40_000, 80_000.0);
        assert_eq!(all[2].figure(), Figure::Histogram { buckets, count, sum });
    }
}
