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

pub(crate) use admission::Admitted;
pub(crate) use endpoint::{Busy, Endpoint, EndpointHealth};
pub(crate) use replay::Replay;
pub(crate) use send::Counted;
pub use settings::{
    Balance, Ejection, EndpointSettings, HashKey, HealthCheck, HttpCheck, Retries, UpstreamLimits,
    UpstreamSettings,
};
pub(crate) use shared::Shared;
pub(crate) use watch::{UpstreamWatch, needs_watch};

use crate::figures::{UpstreamFailure, UpstreamFigures, WorkerFigures};
use crate::routing::ECHO;
use crate::upstream::{Active, UpstreamError};
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
pub(crate) struct Clusters {
    named: RefCell<HashMap<String, Rc<Cluster>>>,
    figures: Arc<WorkerFigures>,
}

/// The servers as a worker saw them last.
struct View {
    version: u64,
    endpoints: Rc<[Rc<Endpoint>]>,
}

// === impl Clusters ===

impl Clusters {
    /// The built-in echo.
    pub(crate) fn new(figures: &Arc<WorkerFigures>) -> Self {
        let echo = Cluster::new(Arc::new(Shared::echo()), figures, None);
        Self {
            named: RefCell::new([(ECHO.to_owned(), echo)].into()),
            figures: Arc::clone(figures),
        }
    }

    /// Has these from now on, and the echo. Those that are the same keep their connections, and so do servers of one that was changed.
    pub(crate) fn replace(&self, shared: &[Arc<Shared>]) {
        let mut clusters = self.named.borrow_mut();
        let before = std::mem::take(&mut *clusters);
        clusters.extend(before.get(ECHO).map(|echo| (ECHO.to_owned(), Rc::clone(echo))));
        for shared in shared {
            let name = shared.settings.name.clone();
            let cluster = match before.get(&name) {
                Some(same) if Arc::ptr_eq(&same.shared, shared) => Rc::clone(same),
                other => Cluster::new(Arc::clone(shared), &self.figures, other.map(|other| &**other)),
            };
            clusters.insert(name, cluster);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Rc<Cluster>> {
        self.named.borrow().get(name).cloned()
    }
}

// === impl Cluster ===

impl Cluster {
    /// With the connections to servers that are those of `before`.
    fn new(shared: Arc<Shared>, figures: &WorkerFigures, before: Option<&Self>) -> Rc<Self> {
        let endpoints = before.map(|before| Rc::clone(&before.view.borrow().endpoints));
        Rc::new(Self {
            figures: figures.upstream(&shared.settings.name),
            view: RefCell::new(View {
                version: 0,
                endpoints: endpoints.unwrap_or_default(),
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

    /// Waits until there is a place for one request more.
    ///
    /// # Errors
    /// As many wait already as may.
    pub(crate) async fn admit(&self) -> Result<Admitted, UpstreamError> {
        self.shared.admission.admit().await.map_err(|_| {
            self.figures.failed(UpstreamFailure::Overloaded);
            UpstreamError::Overloaded(self.shared.settings.name.clone())
        })
    }

    /// A server for something with these headers, which it is busy with from now on.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn begin(&self, headers: &http::HeaderMap) -> Result<Busy, UpstreamError> {
        let endpoint = self.choose(self.key(headers, None), &[]);
        Ok(endpoint.ok_or_else(|| self.no_endpoint())?.begin())
    }

    /// Counts a request whose response is not complete.
    pub(crate) fn count_active(&self) -> Active {
        Active::new(&self.figures)
    }

    fn no_endpoint(&self) -> UpstreamError {
        self.figures.failed(UpstreamFailure::NoEndpoint);
        UpstreamError::NoEndpoint(self.shared.settings.name.clone())
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
                    .unwrap_or_else(|| Endpoint::new(state, Some(&self.figures), self.shared.places.as_ref()))
            });
            *view = View {
                version,
                endpoints: endpoints.collect(),
            };
        }
        Rc::clone(&view.endpoints)
    }
}
