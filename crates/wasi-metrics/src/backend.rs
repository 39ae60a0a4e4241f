//! The metrics of the process.

mod text;

pub use text::CONTENT_TYPE;

use crate::name;
use crate::series::Series;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use wasi_common::{MetricType, Status};

/// The metrics of all plugins of a process, by scope and name. Workers share one; a metric lives until it is deleted, so an instance that
/// takes over from one that failed goes on with its figures.
///
/// Metrics are created, deleted and rendered under a lock. Changing one takes none: whoever created it holds it.
#[derive(Debug)]
pub struct Registry {
    settings: RegistrySettings,
    bounds: Arc<[u64]>,
    metrics: RwLock<Metrics>,
}

/// What plugins may make of a [`Registry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// What all exported names begin with, so that no plugin takes the name of a metric that is not one of plugins. `plugin`.
    pub namespace: String,
    /// Metrics of all scopes. 16384.
    pub metrics: usize,
    /// Metrics of one scope. 2048.
    pub scope_metrics: usize,
    /// Bytes of a name. 1024.
    pub name_bytes: usize,
    /// The bounds of the buckets of histograms. Whether a plugin records milliseconds or bytes is not known, hence 1, 2 and 5 times the
    /// powers of ten up to five thousand millions.
    pub histogram_bounds: Vec<u64>,
}

#[derive(Debug, Default)]
struct Metrics {
    scopes: BTreeMap<Arc<str>, BTreeMap<Box<[u8]>, Arc<Series>>>,
    /// Every name that the exported text uses.
    exposed: BTreeSet<String>,
    count: usize,
}

// === impl Registry ===

impl Registry {
    /// A registry without metrics.
    pub fn new(settings: RegistrySettings) -> Self {
        let bounds: BTreeSet<u64> = settings.histogram_bounds.iter().copied().collect();
        Self {
            settings,
            bounds: bounds.into_iter().collect(),
            metrics: RwLock::default(),
        }
    }

    /// The metric of this scope and name, which is created if there is none.
    ///
    /// # Errors
    /// `bad_argument` for an empty name or one that is too long, `not_allowed` where the name is in use for another type,
    /// `unavailable` where there are too many metrics.
    pub fn get_or_create(
        &self,
        scope: &Arc<str>,
        name: &[u8],
        metric_type: MetricType,
    ) -> Result<Arc<Series>, Status> {
        if name.is_empty() || name.len() > self.settings.name_bytes {
            return Err(Status::BadArgument);
        }
        let metrics = &mut *self.write();
        let of_scope = metrics.scopes.get(scope);
        if let Some(series) = of_scope.and_then(|of_scope| of_scope.get(name)) {
            return if series.metric_type() == metric_type {
                Ok(Arc::clone(series))
            } else {
                Err(Status::NotAllowed)
            };
        }
        if metrics.count >= self.settings.metrics
            || of_scope.map_or(0, BTreeMap::len) >= self.settings.scope_metrics
        {
            return Err(Status::Unavailable);
        }
        let exposed = name::unused(
            &self.settings.namespace,
            scope,
            name,
            metric_type,
            &metrics.exposed,
        );
        metrics.exposed.extend(name::sample_names(&exposed, metric_type));
        let series = Series::new(Arc::clone(scope), name, exposed, metric_type, &self.bounds);
        let series = Arc::new(series);
        metrics.count += 1;
        metrics
            .scopes
            .entry(Arc::clone(scope))
            .or_default()
            .insert(name.into(), Arc::clone(&series));
        Ok(series)
    }

    /// Deletes a metric for all that share it. One that was deleted already stays so, and a newer one of the same name is not touched.
    pub fn delete(&self, series: &Series) {
        let mut metrics = self.write();
        if series.is_deleted() {
            return;
        }
        let Some(of_scope) = metrics.scopes.get_mut(series.scope()) else {
            return;
        };
        let removed = of_scope.remove(series.name());
        if of_scope.is_empty() {
            metrics.scopes.remove(series.scope());
        }
        metrics.forget(removed);
    }

    /// Deletes all metrics of a scope: for a plugin that will not come back.
    pub fn delete_scope(&self, scope: &str) {
        let mut metrics = self.write();
        let of_scope = metrics.scopes.remove(scope).unwrap_or_default();
        metrics.forget(of_scope.into_values());
    }

    /// All metrics, by scope and name: for an embedder that exports them in its own way.
    pub fn metrics(&self) -> Vec<Arc<Series>> {
        let metrics = self.read();
        let of_scopes = metrics.scopes.values();
        of_scopes.flat_map(BTreeMap::values).map(Arc::clone).collect()
    }

    /// All metrics in the text format of Prometheus, version 0.0.4; see [`CONTENT_TYPE`].
    ///
    /// Values are exported as floating-point numbers, as Prometheus stores them: they are exact up to 2^53. The scope and the name that
    /// the plugin chose are in the help text.
    pub fn render(&self) -> String {
        text::render(&self.metrics())
    }

    // A thread that panicked in between has left whole entries, if not all of them.
    fn read(&self) -> RwLockReadGuard<'_, Metrics> {
        self.metrics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Metrics> {
        self.metrics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(RegistrySettings::default())
    }
}

// === impl RegistrySettings ===

impl Default for RegistrySettings {
    fn default() -> Self {
        let decades = (0..=9).map(|exponent| 10u64.pow(exponent));
        Self {
            namespace: "plugin".to_owned(),
            metrics: 16_384,
            scope_metrics: 2_048,
            name_bytes: 1_024,
            histogram_bounds: decades.flat_map(|one| [one, 2 * one, 5 * one]).collect(),
        }
    }
}

// === impl Metrics ===

impl Metrics {
    fn forget(&mut self, removed: impl IntoIterator<Item = Arc<Series>>) {
        for series in removed {
            series.mark_deleted();
            self.count = self.count.saturating_sub(1);
            for name in name::sample_names(series.exposed_name(), series.metric_type()) {
                self.exposed.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
