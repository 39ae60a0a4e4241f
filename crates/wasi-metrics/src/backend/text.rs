//! The text format of Prometheus.

use crate::series::{Figure, Series};
use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, Metric, MetricFamily, MetricType};
use std::sync::Arc;

/// The content type of what [`Registry::render`](super::Registry::render) returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn render(metrics: &[Arc<Series>]) -> String {
    let families: Vec<MetricFamily> = metrics.iter().map(|series| family(series)).collect();
    let mut text = String::new();
    if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
        tracing::error!("the metrics of plugins cannot be written as text, the page ends early: {error}");
    }
    text
}

fn family(series: &Series) -> MetricFamily {
    let mut metric = Metric::default();
    let metric_type = match series.figure() {
        Figure::Counter(value) => {
            let mut counter = Counter::default();
            counter.set_value(value as f64);
            metric.set_counter(counter);
            MetricType::COUNTER
        }
        Figure::Gauge(value) => {
            let mut gauge = Gauge::default();
            gauge.set_value(value as f64);
            metric.set_gauge(gauge);
            MetricType::GAUGE
        }
        Figure::Histogram { buckets, count, sum } => {
            let mut histogram = Histogram::default();
            histogram.set_bucket(buckets.into_iter().map(bucket).collect());
            histogram.set_sample_count(count);
            histogram.set_sample_sum(sum);
            metric.set_histogram(histogram);
            MetricType::HISTOGRAM
        }
    };
    let mut family = MetricFamily::default();
    family.set_name(series.exposed_name().to_owned());
    let mut help = series.name().escape_ascii().to_string();
    if !series.scope().is_empty() {
        help.push_str(" of ");
        help.extend(series.scope().escape_debug());
    }
    family.set_help(help);
    family.set_field_type(metric_type);
    family.set_metric(vec![metric]);
    family
}

fn bucket((bound, count): (u64, u64)) -> Bucket {
    let mut bucket = Bucket::default();
    bucket.set_upper_bound(bound as f64);
    bucket.set_cumulative_count(count);
    bucket
}
