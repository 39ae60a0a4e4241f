//! Figures by a name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Figures by a name, made when one is asked for first. Looking them up takes a lock, so who counts keeps what was found.
#[derive(Debug)]
pub struct Named<K, F>(Mutex<BTreeMap<K, Arc<F>>>);

// === impl Named ===

impl<K, F> Default for Named<K, F> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, F> Named<K, F> {
    /// The figures of a name.
    pub fn get(&self, name: K, new: impl FnOnce() -> F) -> Arc<F> {
        Arc::clone(self.map().entry(name).or_insert_with(|| Arc::new(new())))
    }

    /// All names with their figures.
    pub fn all(&self) -> Vec<(K, Arc<F>)> {
        let all = self.map();
        all.iter()
            .map(|(name, figures)| (name.clone(), Arc::clone(figures)))
            .collect()
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<K, Arc<F>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
