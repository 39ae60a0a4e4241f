//! The semantics of wasi-metrics: the metrics that the plugins of an instance know by id.

use crate::backend::Registry;
use crate::series::Series;
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::sync::Arc;
use wasi_common::policy::CounterSet;
use wasi_common::{Common, HandleTable, MetricType, Status};

/// The metrics of one instance.
#[derive(Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    handles: HandleTable<Arc<Series>>,
    plugins: FxHashMap<u32, PluginMetrics>,
}

#[derive(Debug)]
struct PluginMetrics {
    scope: Arc<str>,
    /// Names are a plugin's to choose, hence a map whose hashes cannot be foreseen.
    ids: HashMap<Box<[u8]>, u32>,
}

// === impl Metrics ===

impl Metrics {
    /// Metrics of plugins that keep their figures in `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            handles: HandleTable::default(),
            plugins: FxHashMap::default(),
        }
    }

    /// Sets what the host puts before the names of a plugin's metrics, in place of the plugin's name. Plugins of the same scope share
    /// their metrics. To be called before the plugin runs; later it changes nothing.
    pub fn set_scope(&mut self, plugin_id: u32, scope: impl Into<Arc<str>>) {
        let plugin = PluginMetrics::new(scope.into());
        self.plugins.entry(plugin_id).or_insert(plugin);
    }

    /// The metric of this name in the scope of the plugin that is executing. Who created it before, in this instance or another, shares
    /// it. A plugin gets the same id for the same name.
    ///
    /// # Errors
    /// `bad_argument` for an empty name or one that is too long, `not_allowed` where the name is in use for another type,
    /// `invalid_operation` while no plugin is executing, `unavailable` where the plugin, the scope or the process has too many.
    pub fn create(&mut self, common: &Common, metric_type: MetricType, name: &[u8]) -> Result<u32, Status> {
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        let plugin_id = common.scope.plugin_id;
        let plugin = self
            .plugins
            .entry(plugin_id)
            .or_insert_with(|| PluginMetrics::new(settings.name.as_str().into()));
        if let Some(id) = plugin.ids.get(name).copied() {
            let series = self.handles.get_mut(plugin_id, id)?;
            if series.is_deleted() {
                *series = self.registry.get_or_create(&plugin.scope, name, metric_type)?;
            } else if series.metric_type() != metric_type {
                return Err(Status::NotAllowed);
            }
            return Ok(id);
        }
        self.handles.check_room(plugin_id, settings.limits.handles)?;
        let series = self.registry.get_or_create(&plugin.scope, name, metric_type)?;
        let id = self.handles.insert(plugin_id, settings.limits.handles, series)?;
        plugin.ids.insert(name.into(), id);
        Ok(id)
    }

    /// What kind of metric the plugin that is executing knows by this id.
    ///
    /// # Errors
    /// `bad_argument` for an unknown metric, also one that was deleted elsewhere; `not_allowed` for another plugin's.
    pub fn metric_type(&self, common: &Common, id: u32) -> Result<MetricType, Status> {
        Ok(self.get(common, id)?.metric_type())
    }

    /// The value of a counter or a gauge.
    ///
    /// # Errors
    /// As [`Metrics::metric_type`]; also `invalid_operation` for a histogram, which has no single value.
    pub fn value(&self, common: &Common, id: u32) -> Result<u64, Status> {
        self.get(common, id)?.value()
    }

    /// Sets a gauge, or records a value in a histogram. The older ABIs can set a counter too, which adds to it.
    ///
    /// # Errors
    /// As [`Metrics::metric_type`]; also `invalid_operation` for a counter.
    pub fn set(&self, common: &Common, id: u32, value: u64) -> Result<(), Status> {
        let series = self.get(common, id)?;
        let settings = common.current_settings();
        let counter = settings.map_or(CounterSet::Refuse, |settings| settings.policy.counter_set);
        series.set(value, counter)
    }

    /// Changes a counter or a gauge; see [`Series::increment`] for where they end.
    ///
    /// # Errors
    /// As [`Metrics::metric_type`]; also `bad_argument` for a counter that would shrink, `invalid_operation` for a histogram.
    pub fn increment(&self, common: &Common, id: u32, offset: i64) -> Result<(), Status> {
        self.get(common, id)?.increment(offset)
    }

    /// Deletes a metric, for all that share it, and lets go of the id. Where it was deleted elsewhere already, it only does the latter.
    ///
    /// # Errors
    /// `bad_argument` for an unknown id, `not_allowed` for another plugin's.
    pub fn delete(&mut self, common: &Common, id: u32) -> Result<(), Status> {
        let plugin_id = common.scope.plugin_id;
        let series = self.handles.remove(plugin_id, id)?;
        if let Some(plugin) = self.plugins.get_mut(&plugin_id) {
            plugin.ids.remove(series.name());
        }
        self.registry.delete(&series);
        Ok(())
    }

    /// Drops what a plugin that goes holds. Its figures stay: another instance, or a later one, goes on with them. An embedder that has
    /// no more use for them calls [`Registry::delete_scope`].
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        self.plugins.remove(&plugin_id);
        self.handles.remove_plugin(plugin_id);
    }

    fn get(&self, common: &Common, id: u32) -> Result<&Series, Status> {
        let series = self.handles.get(common.scope.plugin_id, id)?;
        if series.is_deleted() {
            return Err(Status::BadArgument);
        }
        Ok(series)
    }
}

// === impl PluginMetrics ===

impl PluginMetrics {
    fn new(scope: Arc<str>) -> Self {
        Self {
            scope,
            ids: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
