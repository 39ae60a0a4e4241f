//! What all workers know of an upstream.

use super::admission::Admission;
use super::endpoint::{EndpointHealth, EndpointState};
use super::settings::UpstreamSettings;
use crate::routing::ECHO;
use crate::upstream::{Endpoint, HttpTarget, Places, UpstreamAddress};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An upstream, for the whole process.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) settings: UpstreamSettings,
    pub(super) admission: Arc<Admission>,
    /// For its connections, if they are limited.
    pub(super) places: Option<Arc<Places>>,
    endpoints: Mutex<Vec<Arc<EndpointState>>>,
    /// Changes whenever they do. No worker has seen the first.
    version: AtomicU64,
    /// How often a server was ejected.
    ejections: AtomicU64,
}

// === impl Shared ===

impl Shared {
    /// Its name, by which routes and plugins know it.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    pub(crate) fn new(settings: UpstreamSettings) -> Self {
        let addresses = settings.endpoints.iter().filter_map(|endpoint| {
            let fixed = !is_name(&endpoint.target);
            fixed.then(|| EndpointState::new(Some(endpoint.target.clone()), endpoint.weight.get()))
        });
        Self {
            admission: Arc::new(Admission::new(&settings.limits)),
            places: settings.limits.connections.map(Places::new),
            endpoints: Mutex::new(addresses.map(Arc::new).collect()),
            version: AtomicU64::new(1),
            ejections: AtomicU64::new(0),
            settings,
        }
    }

    /// What takes the place of `before`: of servers that stay, what is known stays known, if they are asked in the same way whether they
    /// are well.
    pub(crate) fn succeeding(settings: UpstreamSettings, before: &Self) -> Self {
        let shared = Self::new(settings);
        if shared.settings.health_check == before.settings.health_check {
            let (_, known) = before.endpoints();
            let mut endpoints = shared.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
            for state in endpoints.iter_mut() {
                let same = |known: &&Arc<EndpointState>| {
                    known.weight == state.weight && known.target == state.target
                };
                if let Some(same) = known.iter().find(same) {
                    *state = Arc::clone(same);
                }
            }
        }
        shared
    }

    /// The built-in echo.
    pub(super) fn echo() -> Self {
        // Its target is not looked at.
        let settings = UpstreamSettings {
            endpoints: Vec::new(),
            ..UpstreamSettings::new(
                ECHO,
                HttpTarget::new(Endpoint::new(UpstreamAddress::Unix(PathBuf::new()))),
            )
        };
        let echo = EndpointState::new(None, 1);
        Self {
            endpoints: Mutex::new(vec![Arc::new(echo)]),
            ..Self::new(settings)
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The servers, and the version of them.
    pub(super) fn endpoints(&self) -> (u64, Vec<Arc<EndpointState>>) {
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        (self.version(), endpoints.clone())
    }

    /// A server is left out for a while.
    pub(super) fn note_ejection(&self) {
        self.ejections.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a server was.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Requests that wait for a place.
    pub(crate) fn pending(&self) -> usize {
        self.admission.pending()
    }

    /// How its servers are.
    pub(crate) fn health(&self) -> Vec<EndpointHealth> {
        self.endpoints().1.iter().map(|state| state.health()).collect()
    }

    /// Replaces the servers by those at some addresses. Of those that were there before, what is known stays known.
    pub(super) fn set_endpoints(&self, targets: Vec<(HttpTarget, u32)>) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *endpoints);
        let mut changed = before.len() != targets.len();
        for (target, weight) in targets {
            let same = before
                .iter()
                .find(|state| state.weight == weight && state.target.as_ref() == Some(&target));
            endpoints.push(same.cloned().unwrap_or_else(|| {
                changed = true;
                Arc::new(EndpointState::new(Some(target), weight))
            }));
        }
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

/// Whether it has to be resolved.
pub(super) fn is_name(target: &HttpTarget) -> bool {
    target.endpoint.to_resolve().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::UpstreamTarget;

    #[test]
    fn servers_that_stay_keep_what_is_known_of_them() {
        let target = |text: &str| match text.parse() {
            Ok(UpstreamTarget::Http(target)) => target,
            other => panic!("{other:?}"),
        };
        let shared = Shared::new(UpstreamSettings::new("name", target("http://name.test:80")));
        let (first, endpoints) = shared.endpoints();
        assert!(endpoints.is_empty(), "the name is not resolved");
        shared.set_endpoints(vec![
            (target("http://10.0.0.1:80"), 1),
            (target("http://10.0.0.2:80"), 1),
        ]);
        let (second, before) = shared.endpoints();
        assert_ne!(first, second);
        shared.set_endpoints(vec![
            (target("http://10.0.0.2:80"), 1),
            (target("http://10.0.0.3:80"), 1),
        ]);
        let (third, after) = shared.endpoints();
        assert_ne!(second, third);
        assert!(Arc::ptr_eq(&before[1], &after[0]));
        shared.set_endpoints(
            after
                .iter()
                .map(|state| (state.target.clone().unwrap(), 1))
                .collect(),
        );
        assert_eq!(shared.version(), third, "nothing has changed");
    }
}
