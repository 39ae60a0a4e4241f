//! What is done for upstreams without a request: names are resolved again, and servers are asked whether they are well.

use super::endpoint::EndpointState;
use super::settings::{HealthCheck, HttpCheck};
use super::shared::{Shared, is_name};
use crate::shutdown::{Phase, Shutdown};
use crate::upstream::{HeadLimit, HttpTarget, RequestBody, Upstream, connect};
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How long names may take to be resolved before the runner serves without them.
const FIRST_RESOLUTION: Duration = Duration::from_secs(5);

/// Whether anything has to be done for an upstream.
pub(crate) fn needs_watch(shared: &Shared) -> bool {
    has_names(shared) || shared.settings.health_check.is_some()
}

/// Keeps an eye on upstreams, on a thread of its own.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamWatch(mpsc::UnboundedSender<Watched>);

/// The upstreams that are watched from now on, and who is told when the names of all were resolved for the first time.
#[derive(Debug)]
struct Watched {
    upstreams: Vec<Arc<Shared>>,
    ready: SyncSender<()>,
}

/// Does what has to be done, until the workers are gone.
#[derive(Default)]
struct Watching(Vec<(Arc<Shared>, JoinSet<()>)>);

// === impl UpstreamWatch ===

impl UpstreamWatch {
    /// A watch, and what its thread has to do.
    pub(crate) fn new(shutdown: Shutdown) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), run(receiver, shutdown))
    }

    /// Watches these upstreams and no others. Waits, not for long, until their names are resolved.
    pub(crate) fn set(&self, upstreams: &[Arc<Shared>]) {
        let upstreams = upstreams.iter().filter(|shared| needs_watch(shared));
        let (ready, is_ready) = sync_channel(1);
        let watched = Watched {
            upstreams: upstreams.cloned().collect(),
            ready,
        };
        // An error says that the thread is gone, and with it what it would have done.
        if self.0.send(watched).is_ok() {
            let _ = is_ready.recv();
        }
    }
}

async fn run(mut wanted: mpsc::UnboundedReceiver<Watched>, mut shutdown: Shutdown) {
    let mut watching = Watching::default();
    let mut gone = pin!(shutdown.reached(Phase::Gone));
    loop {
        let watched = tokio::select! {
            Some(watched) = wanted.recv() => watched,
            () = &mut gone => return,
        };
        let mut first = watching.set(watched.upstreams);
        tokio::task::spawn_local(async move {
            let all = async { while first.join_next().await.is_some() {} };
            if tokio::time::timeout(FIRST_RESOLUTION, all).await.is_err() {
                tracing::warn!("not all names of upstreams could be resolved in time; the others are served");
            }
            let _ = watched.ready.send(());
        });
    }
}

// === impl Watching ===

impl Watching {
    /// Begins with those that are new, and leaves those alone that are not among them. Returns who waits for the first time that names are resolved.
    fn set(&mut self, upstreams: Vec<Arc<Shared>>) -> JoinSet<Result<(), oneshot::error::RecvError>> {
        self.0
            .retain(|(known, _)| upstreams.iter().any(|shared| Arc::ptr_eq(shared, known)));
        let mut first = JoinSet::new();
        for shared in upstreams {
            if self.0.iter().any(|(known, _)| Arc::ptr_eq(&shared, known)) {
                continue;
            }
            let mut tasks = JoinSet::new();
            if has_names(&shared) {
                let (resolved, is_resolved) = oneshot::channel();
                let shared = Arc::clone(&shared);
                tasks.spawn_local(async move {
                    let mut known = Vec::new();
                    resolve(&shared, &mut known).await;
                    let _ = resolved.send(());
                    keep_resolved(&shared, known).await;
                });
                first.spawn_local(is_resolved);
            }
            if let Some(check) = shared.settings.health_check.clone() {
                let shared = Arc::clone(&shared);
                tasks.spawn_local(async move { check_all(&shared, &Arc::new(check)).await });
            }
            self.0.push((shared, tasks));
        }
        first
    }
}

fn has_names(shared: &Shared) -> bool {
    let mut endpoints = shared.settings.endpoints.iter();
    endpoints.any(|endpoint| is_name(&endpoint.target))
}

/// Looks up the names of an upstream, for good. A name that cannot be resolved keeps the addresses that it had.
async fn keep_resolved(shared: &Shared, mut known: Vec<Vec<HttpTarget>>) {
    loop {
        tokio::time::sleep(shared.settings.resolve_interval).await;
        resolve(shared, &mut known).await;
    }
}

/// Looks up the names of an upstream. What is known of its endpoints is in their order.
async fn resolve(shared: &Shared, known: &mut Vec<Vec<HttpTarget>>) {
    let endpoints = &shared.settings.endpoints;
    known.resize_with(endpoints.len(), Vec::new);
    for (endpoint, known) in endpoints.iter().zip(known.iter_mut()) {
        if let Some(found) = addresses(shared, &endpoint.target).await {
            *known = found;
        }
    }
    let weights = endpoints.iter().map(|endpoint| endpoint.weight.get());
    let targets = known.iter().zip(weights).flat_map(|(known, weight)| {
        let targets = known.iter().cloned();
        targets.map(move |target| (target, weight))
    });
    shared.set_endpoints(targets.collect());
}

/// The addresses of an endpoint; `None` if its name cannot be resolved.
async fn addresses(shared: &Shared, target: &HttpTarget) -> Option<Vec<HttpTarget>> {
    let Some((host, port)) = target.endpoint.to_resolve() else {
        return Some(vec![target.clone()]);
    };
    match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => {
            let addresses: BTreeSet<_> = addresses.map(|address| address.ip()).collect();
            Some(addresses.into_iter().map(|address| target.at(address)).collect())
        }
        Err(error) => {
            tracing::warn!(
                upstream = shared.settings.name,
                host,
                %error,
                "the name cannot be resolved"
            );
            None
        }
    }
}

/// Asks the servers of an upstream, again and again.
async fn check_all(shared: &Shared, check: &Arc<HealthCheck>) {
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut checks = JoinSet::new();
        for state in shared.endpoints().1 {
            let check = Arc::clone(check);
            checks.spawn_local(async move {
                let success = is_well(&state, &check).await;
                state.note_check(success, check.unhealthy_after, check.healthy_after);
            });
        }
        while checks.join_next().await.is_some() {}
    }
}

async fn is_well(state: &EndpointState, check: &HealthCheck) -> bool {
    let Some(target) = &state.target else { return true };
    let result = async {
        match &check.http {
            None => connect(&target.endpoint, &[], &[])
                .await
                .map(|_| ())
                .map_err(|error| error.to_string()),
            Some(http) => ask(target, http).await,
        }
    };
    let result = tokio::time::timeout(check.timeout, result).await;
    let reason = match result {
        Ok(Ok(())) => return true,
        Ok(Err(reason)) => reason,
        Err(_) => format!("no answer within {} ms", check.timeout.as_millis()),
    };
    tracing::debug!(endpoint = %state, reason, "a health check failed");
    false
}

async fn ask(target: &HttpTarget, check: &HttpCheck) -> Result<(), String> {
    let host = check.host.clone().unwrap_or_else(|| target.authority());
    let request = Request::get(check.path.as_str())
        .header(HOST, host)
        .header(USER_AGENT, HeaderValue::from_static("proxywasm-health-check"))
        .body(RequestBody::Empty)
        .map_err(|error| error.to_string())?;
    let response = Upstream::new(Some(target), None)
        .send(request, HeadLimit::OfSender, None)
        .await
        .map_err(|failed| failed.error.to_string())?;
    if response.status().is_success() {
        Ok(())
    } else {
        Err(format!("it answered with status {}", response.status().as_u16()))
    }
}
