//! Where a callout goes, and what is noted of how it went there.

use super::clients::ClientError;
use crate::cluster::{Admitted, Balance, Busy, Cluster};
use crate::figures::{StatusClass, UpstreamFailure};
use crate::trace::CallSpan;
use crate::upstream::{Active, HttpTarget, UpstreamError};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;
use wasi_common::{ByteMap, CalloutFault};

/// A callout, from when its plugin made it.
pub(super) struct Underway {
    cluster: Rc<Cluster>,
    answered: Cell<bool>,
    /// It ends with the callout.
    span: RefCell<Option<CallSpan>>,
}

/// The server that a callout goes to. It counts there as a request until this is dropped.
pub(super) struct Destination {
    call: Rc<Underway>,
    server: Busy,
    begun: Instant,
    _counted: (Admitted, Active),
}

// === impl Underway ===

impl Underway {
    pub(super) fn new(cluster: Rc<Cluster>, span: Option<CallSpan>) -> Rc<Self> {
        Rc::new(Self {
            cluster,
            answered: Cell::new(false),
            span: RefCell::new(span),
        })
    }

    /// It took longer than its plugin waits.
    pub(super) fn timed_out(&self) {
        self.count(UpstreamFailure::Timeout);
        self.tell(|span| span.failed(UpstreamFailure::Timeout.name(), "it took too long"));
    }

    /// It was not sent.
    fn not_sent(&self, error: &UpstreamError) -> String {
        let why = error.text().trim_end();
        self.tell(|span| span.failed(UpstreamFailure::of(error).name(), why));
        why.to_owned()
    }

    fn tell(&self, tell: impl FnOnce(&mut CallSpan)) {
        if let Some(span) = self.span.borrow_mut().as_mut() {
            tell(span);
        }
    }

    /// There is no answer. What comes to an end later has one.
    fn count(&self, failure: UpstreamFailure) {
        if !self.answered.get() {
            self.cluster.figures().failed(failure);
        }
    }
}

// === impl Destination ===

impl Destination {
    /// A server, chosen as for a request with these headers, once the upstream takes one more.
    pub(super) async fn choose(call: &Rc<Underway>, headers: &ByteMap) -> Result<Self, String> {
        let cluster = &call.cluster;
        let admitted = cluster.admit().await.map_err(|error| call.not_sent(&error))?;
        let headers = match cluster.settings().balance {
            Balance::Hash(_) => header_map(headers),
            Balance::RoundRobin | Balance::LeastRequest => HeaderMap::new(),
        };
        let server = cluster.begin(&headers).map_err(|error| call.not_sent(&error))?;
        if let Some(target) = server.endpoint().target() {
            call.tell(|span| span.sent_to(target));
        }
        Ok(Self {
            call: Rc::clone(call),
            server,
            begun: Instant::now(),
            _counted: (admitted, cluster.count_active()),
        })
    }

    /// The server has answered, with this status.
    pub(super) fn answered(&self, status: Option<StatusCode>) {
        if let Some(status) = status {
            self.call.tell(|span| span.answered(status));
        }
        if self.call.answered.replace(true) {
            return;
        }
        let cluster = &self.call.cluster;
        cluster.report(self.server.endpoint(), true);
        let figures = cluster.figures();
        figures.statuses.add(StatusClass::of(status));
        figures.durations.record(self.begun.elapsed());
    }

    /// The call has ended with a status of gRPC.
    pub(super) fn ended_with(&self, code: u32) {
        self.call.tell(|span| span.ended_with(code));
    }

    /// It has not, or not to the end.
    pub(super) fn failed(&self, fault: Option<CalloutFault>, why: &str) {
        let failure = match fault {
            Some(CalloutFault::Unsendable) => {
                // That is no fault of the server.
                self.call.tell(|span| span.failed("unsendable", why));
                return;
            }
            Some(CalloutFault::Connect) => UpstreamFailure::Connect,
            Some(CalloutFault::ConnectTimeout) => UpstreamFailure::ConnectTimeout,
            Some(CalloutFault::Broken) | None => UpstreamFailure::Reset,
        };
        self.call.cluster.report(self.server.endpoint(), false);
        self.call.count(failure);
        self.call.tell(|span| span.failed(failure.name(), why));
    }

    /// What gRPC calls name: what the configuration gives, or the name that the address was found by.
    pub(super) fn authority(&self) -> Option<String> {
        let settings = self.call.cluster.settings();
        let by_name = || match settings.endpoints.as_slice() {
            [endpoint] => Some(endpoint.target.authority()),
            _ => None,
        };
        settings.authority.clone().or_else(by_name)
    }

    /// The clients for its server.
    pub(super) fn clients(&self) -> &super::Clients {
        &self.server.endpoint().calls
    }

    /// A client for the server. What is in the way of one is the operator's business, not the plugin's.
    pub(super) fn client<C>(
        &self,
        make: impl FnOnce(&HttpTarget) -> Result<C, ClientError>,
    ) -> Result<C, String> {
        let target = self.server.endpoint().target();
        let target = target.ok_or("the built-in echo cannot be called")?;
        make(target).map_err(|error| {
            tracing::error!(
                upstream = self.call.cluster.settings().name,
                "plugins cannot call it: {error}"
            );
            let why = "the upstream cannot be called";
            self.call.tell(|span| span.failed("unsendable", why));
            why.to_owned()
        })
    }
}

/// Those that can be headers of HTTP; others decide nothing.
fn header_map(map: &ByteMap) -> HeaderMap {
    let headers = map.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name).ok()?;
        Some((name, HeaderValue::from_bytes(value).ok()?))
    });
    headers.collect()
}
