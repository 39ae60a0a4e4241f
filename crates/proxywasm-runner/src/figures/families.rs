//! Families of samples, as the library that writes them has them.

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use proxywasm_host::figures::Distribution;
use std::cell::RefCell;

/// Families, to be written.
#[derive(Default)]
pub(super) struct Families(RefCell<Vec<MetricFamily>>);

/// Labels of a sample.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// A family that is being filled. It is kept when it is dropped, if it has a sample.
pub(super) struct Family<'a> {
    all: &'a RefCell<Vec<MetricFamily>>,
    family: MetricFamily,
    metrics: Vec<Metric>,
    kind: MetricType,
}

// === impl Families ===

impl Families {
    /// All as text.
    pub(super) fn write(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.0.borrow(), &mut text) {
            tracing::error!(
                "the figures of the runner cannot be written as text, the page ends early: {error}"
            );
        }
        text
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    pub(super) fn histogram(&self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::HISTOGRAM)
    }

    fn family(&self, name: &str, help: &str, kind: MetricType) -> Family<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Family {
            all: &self.0,
            family,
            metrics: Vec::new(),
            kind,
        }
    }
}

// === impl Family ===

impl Family<'_> {
    pub(super) fn put(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = labelled(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    pub(super) fn put_distribution(&mut self, labels: Labels<'_>, distribution: &Distribution) {
        let buckets = distribution.buckets.iter().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound.as_secs_f64());
            bucket.set_cumulative_count(*count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(distribution.count);
        histogram.set_sample_sum(distribution.sum.as_secs_f64());
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }
}

impl Drop for Family<'_> {
    fn drop(&mut self) {
        if !self.metrics.is_empty() {
            self.family.set_metric(std::mem::take(&mut self.metrics));
            self.all.borrow_mut().push(std::mem::take(&mut self.family));
        }
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}
