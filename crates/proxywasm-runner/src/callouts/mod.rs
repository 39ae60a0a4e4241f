//! Calls that plugins make themselves: each is a task of the worker.
//!
//! The host says by commands what to send and what to give up; [`Worker`] leaves them here, and one task carries them out. What comes
//! back is told to the host in turns, as everything is. To cancel a callout is to drop its task, and with it what it has of a
//! connection; a worker that stops drops them all.

mod grpc_call;
mod http_call;

use crate::cluster::{Cluster, Endpoint};
use crate::figures::{StatusClass, UpstreamFailure};
use crate::upstream::{HttpTarget, UpstreamAddress};
use crate::worker::Worker;
use http::StatusCode;
use proxywasm_host::{CallEvent, CallRequest, CalloutId, Command, GrpcEvent, GrpcRequest, grpc_code};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wasi_grpc::backend::{Address, GrpcClient, Outgoing};
use wasi_http::backend::HttpClient;

/// The callouts of one worker.
#[derive(Default)]
pub(crate) struct Callouts {
    /// Commands that were not carried out yet.
    commands: RefCell<VecDeque<Command>>,
    has_commands: Notify,
    running: RefCell<HashMap<CalloutId, Running>>,
}

/// The server that a callout goes to, to be told how it was.
struct Destination {
    cluster: Rc<Cluster>,
    endpoint: Rc<Endpoint>,
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
        let client = Destination::choose(worker, name)
            .and_then(|destination| Ok((destination.http_client()?, destination)));
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
        let client = Destination::choose(worker, &request.upstream)
            .and_then(|destination| Ok((destination.grpc_client()?, destination)));
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
    /// A server of an upstream.
    fn choose(worker: &Worker, name: &str) -> Result<Self, String> {
        // The host knows the same names.
        let cluster = worker.clusters().get(name).ok_or("there is no such upstream")?;
        let endpoint = cluster.any_endpoint().ok_or("the upstream has no server")?;
        Ok(Self {
            cluster,
            endpoint,
            begun: Instant::now(),
        })
    }

    /// The server has answered, with this status.
    fn answered(&self, status: Option<StatusCode>) {
        self.cluster.report(&self.endpoint, true);
        let figures = self.cluster.figures();
        figures.statuses.add(StatusClass::of(status));
        figures.durations.record(self.begun.elapsed());
    }

    /// It has not, or not to the end.
    fn failed(&self) {
        self.cluster.report(&self.endpoint, false);
        self.cluster.figures().failed(UpstreamFailure::Reset);
    }

    fn http_client(&self) -> Result<HttpClient, String> {
        self.made(&self.endpoint.http, |target| {
            HttpClient::new(&target.origin(), target.endpoint.connect_timeout)
                .map_err(|error| error.to_string())
        })
    }

    fn grpc_client(&self) -> Result<GrpcClient, String> {
        self.made(&self.endpoint.grpc, |target| {
            let origin = target.origin();
            let uri = origin.parse().map_err(|error| format!("`{origin}`: {error}"))?;
            let address = Address {
                uri,
                authority: self.authority(),
                connect_timeout: target.endpoint.connect_timeout,
            };
            GrpcClient::new(&address).map_err(|error| error.to_string())
        })
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

    /// The client that is there, or a new one.
    fn made<C: Clone>(
        &self,
        place: &RefCell<Option<C>>,
        make: impl FnOnce(&HttpTarget) -> Result<C, String>,
    ) -> Result<C, String> {
        let mut client = place.borrow_mut();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let target = self
            .endpoint
            .target()
            .ok_or("the built-in echo cannot be called")?;
        let endpoint = &target.endpoint;
        if endpoint.tls.is_some() || matches!(endpoint.address, UpstreamAddress::Unix(_)) {
            // The clients of calls speak no TLS, and know no UNIX sockets.
            return Err(
                "plugins cannot call this upstream: it is one of TLS, or of a UNIX socket".to_owned(),
            );
        }
        match make(target) {
            Ok(made) => Ok(client.insert(made).clone()),
            Err(error) => {
                tracing::error!(upstream = self.cluster.settings().name, "{error}");
                Err("the upstream cannot be called".to_owned())
            }
        }
    }
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
