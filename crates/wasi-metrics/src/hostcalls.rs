//! The hostcalls of wasi-metrics: decode, call the core, encode.

use crate::MetricsView;
use crate::bindings::types::Ciovec;
use crate::bindings::wasi_metrics::WasiMetrics;
use crate::core::Metrics;
use wasi_common::guest::gather;
use wasi_common::{Common, MetricType, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-metrics work on.
pub struct Host<'a> {
    common: &'a mut Common,
    metrics: &'a mut Metrics,
}

impl<T: MetricsView> crate::bindings::WasiMetricsView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_metrics(&mut self) -> Host<'_> {
        let (common, metrics) = self.metrics();
        Host { common, metrics }
    }
}

impl WasiMetrics for Host<'_> {
    fn create_metric(
        &mut self,
        memory: &mut GuestMemory<'_>,
        metric_type: MetricType,
        metric_name: GuestPtr<[Ciovec]>,
    ) -> Result<u32, Status> {
        let limit = self
            .common
            .current_settings()
            .map_or(0, |settings| settings.limits.argument_bytes);
        let name = gather(memory, metric_name, limit)?;
        self.metrics.create(self.common, metric_type, &name)
    }

    fn get_metric_value(&mut self, _: &mut GuestMemory<'_>, metric_id: u32) -> Result<u64, Status> {
        self.metrics.value(self.common, metric_id)
    }

    fn set_metric_value(
        &mut self,
        _: &mut GuestMemory<'_>,
        metric_id: u32,
        value: u64,
    ) -> Result<(), Status> {
        self.metrics.set(self.common, metric_id, value)
    }

    fn increment_metric_value(
        &mut self,
        _: &mut GuestMemory<'_>,
        metric_id: u32,
        offset: i64,
    ) -> Result<(), Status> {
        self.metrics.increment(self.common, metric_id, offset)
    }

    fn delete_metric(&mut self, _: &mut GuestMemory<'_>, metric_id: u32) -> Result<(), Status> {
        self.metrics.delete(self.common, metric_id)
    }
}
