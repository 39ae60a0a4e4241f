//! Calls that plugins make themselves: each is a task of the worker.
//!
//! The host says by commands what to send and what to give up; [`Worker`] leaves them here, and one task carries them out. What comes
//! back is told to the host in turns, as everything is. To cancel a callout is to drop its task, and with it what it has of a
//! connection; a worker that stops drops them all.

mod clients;
mod grpc_call;
mod http_call;

pub(crate) use clients::Clients;

use crate::cluster::{Balance, Busy, Cluster};
use crate::figures::{StatusClass, UpstreamFailure};
use crate::upstream::HttpTarget;
use crate::worker::Worker;
use clients::ClientError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proxywasm_host::{CallEvent, CallRequest, CalloutId, Command, GrpcEvent, GrpcRequest, grpc_code};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wasi_common::ByteMap;
use wasi_grpc::backend::Outgoing;

/// The callouts of one worker.
#[derive(Default)]
pub(crate) struct Callouts {
    /// Commands that were not carried out yet.
    commands: RefCell<VecDeque<Command>>,
    has_commands: Notify,
    running: RefCell<HashMap<CalloutId, Running>>,
}

/// The server that a callout goes to, to be told how it was. It counts as busy meanwhile.
struct Destination {
    cluster: Rc<Cluster>,
    server: Busy,
    begun: Instant,
}

/// A callout that is under way. Its task ends with it.
struct Running {
    task: AbortHandle,
    go_on: Rc<Notify>,
    /// What is sent besides what it began with, if it is one of gRPC.
    outgoing: Option<Outgoing>,
}

/// What a task knows of its callout. It keeps no worker alive.
struct Ticket {
    worker: Weak<Worker>,
    id: CalloutId,
    /// More is wanted again.
    go_on: Rc<Notify>,
}

// === impl Callouts ===

impl Callouts {
    /// Leaves a command of the host to be carried out soon.
    pub(crate) fn push(&self, command: Command) {
        self.commands.borrow_mut().push_back(command);
        self.has_commands.notify_one();
    }

    /// Carries commands out, for as long as the worker runs.
    pub(crate) async fn run(&self, worker: &Rc<Worker>) {
        loop {
            self.has_commands.notified().await;
            while let Some(command) = self.next() {
                self.carry_out(worker, command);
            }
        }
    }

    fn next(&self) -> Option<Command> {
        self.commands.borrow_mut().pop_front()
    }

    fn carry_out(&self, worker: &Rc<Worker>, command: Command) {
        match command {
            Command::HttpCall { id, request } => self.begin_http(worker, id, *request),
            Command::ReadCall(id) => {
                if let Some(running) = self.running.borrow().get(&id) {
                    running.go_on.notify_one();
                }
            }
            Command::CancelCall(id) => self.end(id),
            Command::GrpcCall { id, request } => self.begin_grpc(worker, id, &request),
            Command::GrpcSend {
                id,
                message,
                end_of_stream,
            } => {
                let mut running = self.running.borrow_mut();
                if let Some(outgoing) = running.get_mut(&id).and_then(|running| running.outgoing.as_mut()) {
                    outgoing.send(message, end_of_stream);
                }
            }
        }
    }

    fn begin_http(&self, worker: &Rc<Worker>, id: CalloutId, request: CallRequest) {
        let name = std::str::from_utf8(&request.upstream).unwrap_or_default();
        let client = Destination::choose(worker, name, &request.headers).and_then(|destination| {
            let client = destination.client(|target| destination.server.endpoint().calls.http(target))?;
            Ok((client, destination))
        });
        match client {
            Ok((client, destination)) => {
                let exchange = client.call(request);
                self.spawn(worker, id, None, |ticket| {
                    http_call::run(ticket, exchange, destination)
                });
            }
            Err(reason) => worker.http_call_event(id, CallEvent::Failed(reason)),
        }
    }

    fn begin_grpc(&self, worker: &Rc<Worker>, id: CalloutId, request: &GrpcRequest) {
        let chosen = Destination::choose(worker, &request.upstream, &request.metadata);
        let client = chosen.and_then(|destination| {
            let client = destination.client(|target| {
                let calls = &destination.server.endpoint().calls;
                calls.grpc(target, destination.authority())
            })?;
            Ok((client, destination))
        });
        match client {
            Ok((client, destination)) => {
                let call = client.call(request);
                self.spawn(worker, id, Some(call.outgoing), |ticket| {
                    grpc_call::run(ticket, call.incoming, call.sent, destination)
                });
            }
            Err(reason) => worker.grpc_event(id, GrpcEvent::failure(grpc_code::UNAVAILABLE, reason)),
        }
    }

    fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        worker: &Rc<Worker>,
        id: CalloutId,
        outgoing: Option<Outgoing>,
        task: impl FnOnce(Ticket) -> F,
    ) {
        let go_on = Rc::new(Notify::new());
        let task = task(Ticket {
            worker: Rc::downgrade(worker),
            id,
            go_on: Rc::clone(&go_on),
        });
        let task = tokio::task::spawn_local(task).abort_handle();
        let running = Running {
            task,
            go_on,
            outgoing,
        };
        self.running.borrow_mut().insert(id, running);
    }

    /// Forgets a callout; if its task still runs, it is dropped.
    fn end(&self, id: CalloutId) {
        let running = self.running.borrow_mut().remove(&id);
        drop(running);
    }
}

// === impl Destination ===

impl Destination {
    /// A server of an upstream, chosen as for a request with these headers.
    fn choose(worker: &Worker, name: &str, headers: &ByteMap) -> Result<Self, String> {
        // The host knows the same names.
        let cluster = worker.clusters().get(name).ok_or("there is no such upstream")?;
        let headers = match cluster.settings().balance {
            Balance::Hash(_) => header_map(headers),
            Balance::RoundRobin | Balance::LeastRequest => HeaderMap::new(),
        };
        let server = cluster.begin(&headers).ok_or("the upstream has no server")?;
        Ok(Self {
            cluster,
            server,
            begun: Instant::now(),
        })
    }

    /// The server has answered, with this status.
    fn answered(&self, status: Option<StatusCode>) {
        self.cluster.report(self.server.endpoint(), true);
        let figures = self.cluster.figures();
        figures.statuses.add(StatusClass::of(status));
        figures.durations.record(self.begun.elapsed());
    }

    /// It has not, or not to the end.
    fn failed(&self) {
        self.cluster.report(self.server.endpoint(), false);
        self.cluster.figures().failed(UpstreamFailure::Reset);
    }

    /// What gRPC calls name: what the configuration gives, or the name that the address was found by.
    fn authority(&self) -> Option<String> {
        let settings = self.cluster.settings();
        let by_name = || match settings.endpoints.as_slice() {
            [endpoint] => Some(endpoint.target.authority()),
            _ => None,
        };
        settings.authority.clone().or_else(by_name)
    }

    /// A client for the server. What is in the way of one is the operator's business, not the plugin's.
    fn client<C>(&self, make: impl FnOnce(&HttpTarget) -> Result<C, ClientError>) -> Result<C, String> {
        let target = self.server.endpoint().target();
        let target = target.ok_or("the built-in echo cannot be called")?;
        make(target).map_err(|error| {
            tracing::error!(
                upstream = self.cluster.settings().name,
                "plugins cannot call it: {error}"
            );
            "the upstream cannot be called".to_owned()
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

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Ticket ===

impl Ticket {
    /// Has the worker do something for the callout, unless it has stopped.
    fn with<R>(&self, turn: impl FnOnce(&Worker) -> R) -> Option<R> {
        self.worker.upgrade().map(|worker| turn(&worker))
    }

    /// Waits until more of the answer is wanted.
    async fn wanted(&self) {
        while self.with(|worker| worker.wants_call(self.id)) == Some(false) {
            self.go_on.notified().await;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.with(|worker| worker.callouts().end(self.id));
    }
}
