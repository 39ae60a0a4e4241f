//! Upstreams with names: several servers, of which each request gets one.
//!
//! What all workers know of an upstream is in [`shared`]: its servers, which of them are well, and how much is under way. Each worker has
//! its own [`Cluster`], with connections, and chooses by itself. A thread of its own ([`watch`]) resolves names and asks servers whether
//! they are well.

mod admission;
mod balance;
mod endpoint;
mod replay;
mod send;
mod settings;
mod shared;
mod watch;

pub(crate) use endpoint::{Endpoint, EndpointHealth};
pub(crate) use replay::Replay;
pub(crate) use send::Counted;
pub use settings::{
    Balance, Ejection, EndpointSettings, HashKey, HealthCheck, HttpCheck, Retries, UpstreamLimits,
    UpstreamSettings,
};
pub(crate) use shared::Shared;
pub(crate) use watch::{needs_watch, watch_all};

use crate::figures::{UpstreamFigures, WorkerFigures};
use crate::routing::ECHO;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// An upstream as one worker has it.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    view: RefCell<View>,
    figures: Arc<UpstreamFigures>,
}

/// The upstreams of one worker, by their names.
pub(crate) struct Clusters(HashMap<String, Rc<Cluster>>);

/// The servers as a worker saw them last.
struct View {
    version: u64,
    endpoints: Rc<[Rc<Endpoint>]>,
}

// === impl Clusters ===

impl Clusters {
    /// Those that are given, and the built-in echo.
    pub(crate) fn new(shared: &[Arc<Shared>], figures: &WorkerFigures) -> Self {
        let echo = Cluster::new(Arc::new(Shared::echo()), figures);
        let echo = (ECHO.to_owned(), echo);
        let named = shared.iter().map(|shared| {
            (
                shared.settings.name.clone(),
                Cluster::new(Arc::clone(shared), figures),
            )
        });
        Self([echo].into_iter().chain(named).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Rc<Cluster>> {
        self.0.get(name)
    }
}

// === impl Cluster ===

impl Cluster {
    fn new(shared: Arc<Shared>, figures: &WorkerFigures) -> Rc<Self> {
        Rc::new(Self {
            figures: figures.upstream(&shared.settings.name),
            view: RefCell::new(View {
                version: 0,
                endpoints: Rc::default(),
            }),
            shared,
        })
    }

    /// What is counted of it.
    pub(crate) fn figures(&self) -> &UpstreamFigures {
        &self.figures
    }

    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.shared.settings
    }

    /// A server for a request that no key decides about.
    pub(crate) fn any_endpoint(&self) -> Option<Rc<Endpoint>> {
        self.choose(None, &[])
    }

    /// Something that was sent to a server came to a good end, or not.
    pub(crate) fn report(&self, endpoint: &Endpoint, success: bool) {
        if endpoint
            .state
            .report(success, self.shared.settings.ejection.as_ref())
        {
            self.shared.note_ejection();
        }
    }

    fn choose(&self, key: Option<u64>, tried: &[Rc<Endpoint>]) -> Option<Rc<Endpoint>> {
        let settings = &self.shared.settings;
        let endpoints = self.endpoints();
        balance::choose(
            &settings.balance,
            settings.panic_threshold,
            &endpoints,
            tried,
            key,
        )
        .cloned()
    }

    fn key(&self, headers: &http::HeaderMap, source: Option<IpAddr>) -> Option<u64> {
        balance::key(&self.shared.settings.balance, headers, source)
    }

    /// The servers. Those that were there before keep their connections.
    fn endpoints(&self) -> Rc<[Rc<Endpoint>]> {
        let version = self.shared.version();
        let mut view = self.view.borrow_mut();
        if view.version != version {
            let old = Rc::clone(&view.endpoints);
            let (version, states) = self.shared.endpoints();
            let endpoints = states.iter().map(|state| {
                let same = old.iter().find(|endpoint| Arc::ptr_eq(&endpoint.state, state));
                same.cloned()
                    .unwrap_or_else(|| Endpoint::new(state, Some(&self.figures)))
            });
            *view = View {
                version,
                endpoints: endpoints.collect(),
            };
        }
        Rc::clone(&view.endpoints)
    }
}
