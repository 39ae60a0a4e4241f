//! Calls that plugins make themselves: each is a task of the worker.
//!
//! The host says by commands what to send and what to give up; [`Worker`] leaves them here, and one task carries them out. What comes
//! back is told to the host in turns, as everything is. To cancel a callout is to drop its task, and with it what it has of a
//! connection; a worker that stops drops them all.

mod grpc;
mod http;

use crate::settings::UpstreamSettings;
use crate::worker::Worker;
use bytes::Bytes;
use proxywasm_host::{CallEvent, CallRequest, CalloutId, Command, GrpcEvent, GrpcRequest, grpc_code};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wasi_grpc::backend::{Address, GrpcClient, Outgoing};
use wasi_http::backend::HttpClient;

/// The callouts of one worker.
pub(crate) struct Callouts {
    upstreams: HashMap<Bytes, Upstream>,
    /// Commands that were not carried out yet.
    commands: RefCell<VecDeque<Command>>,
    has_commands: Notify,
    running: RefCell<HashMap<CalloutId, Running>>,
}

/// A server that plugins can call, as one worker has it.
struct Upstream {
    settings: UpstreamSettings,
    /// Each made when it is first called, within the runtime that drives its connections.
    http: RefCell<Option<HttpClient>>,
    grpc: RefCell<Option<GrpcClient>>,
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
    pub(crate) fn new(upstreams: &[UpstreamSettings]) -> Self {
        let upstreams = upstreams.iter().map(|settings| {
            let upstream = Upstream {
                settings: settings.clone(),
                http: RefCell::default(),
                grpc: RefCell::default(),
            };
            (Bytes::copy_from_slice(settings.name.as_bytes()), upstream)
        });
        Self {
            upstreams: upstreams.collect(),
            commands: RefCell::default(),
            has_commands: Notify::new(),
            running: RefCell::default(),
        }
    }

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
        match self.http_client(&request.upstream) {
            Ok(client) => {
                let exchange = client.call(request);
                self.spawn(worker, id, None, |ticket| http::run(ticket, exchange));
            }
            Err(reason) => worker.http_call_event(id, CallEvent::Failed(reason)),
        }
    }

    fn begin_grpc(&self, worker: &Rc<Worker>, id: CalloutId, request: &GrpcRequest) {
        match self.grpc_client(&request.upstream) {
            Ok(client) => {
                let call = client.call(request);
                self.spawn(worker, id, Some(call.outgoing), |ticket| {
                    grpc::run(ticket, call.incoming, call.sent)
                });
            }
            Err(reason) => worker.grpc_event(id, GrpcEvent::failure(grpc_code::UNAVAILABLE, reason)),
        }
    }

    fn http_client(&self, name: &Bytes) -> Result<HttpClient, String> {
        // The host knows the same names.
        let upstream = self.upstreams.get(name).ok_or("there is no such upstream")?;
        let mut client = upstream.http.borrow_mut();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let target = &upstream.settings.target;
        match HttpClient::new(&target.origin(), target.connect_timeout) {
            Ok(made) => Ok(client.insert(made).clone()),
            Err(error) => {
                tracing::error!(upstream = upstream.settings.name, "{error}");
                Err("the upstream cannot be called".to_owned())
            }
        }
    }

    fn grpc_client(&self, name: &str) -> Result<GrpcClient, String> {
        // The host knows the same names.
        let upstream = self
            .upstreams
            .get(name.as_bytes())
            .ok_or("there is no such upstream")?;
        let mut client = upstream.grpc.borrow_mut();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        match upstream.settings.grpc_client() {
            Ok(made) => Ok(client.insert(made).clone()),
            Err(error) => {
                tracing::error!(upstream = upstream.settings.name, "{error}");
                Err("the upstream cannot be called".to_owned())
            }
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

// === impl UpstreamSettings ===

impl UpstreamSettings {
    fn grpc_client(&self) -> Result<GrpcClient, String> {
        let origin = self.target.origin();
        let uri = origin.parse().map_err(|error| format!("`{origin}`: {error}"))?;
        let address = Address {
            uri,
            authority: self.authority.clone(),
            connect_timeout: self.target.connect_timeout,
        };
        GrpcClient::new(&address).map_err(|error| error.to_string())
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
