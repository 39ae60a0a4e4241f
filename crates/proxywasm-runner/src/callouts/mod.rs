//! Calls that plugins make themselves: each is a task of the worker.
//!
//! The host says by commands what to send and what to give up; [`Worker`] leaves them here, and one task carries them out. What comes
//! back is told to the host in turns, as everything is. To cancel a callout is to drop its task, and with it what it has of a
//! connection; a worker that stops drops them all.

mod http;

use crate::settings::UpstreamSettings;
use crate::worker::Worker;
use bytes::Bytes;
use proxywasm_host::{CallEvent, CallRequest, CalloutId, CalloutStatus, Command, GrpcEvent, grpc_code};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
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
    /// Made when it is first called, within the runtime that drives its connections.
    http: RefCell<Option<HttpClient>>,
}

/// A callout that is under way. Its task ends with it.
struct Running {
    task: AbortHandle,
    go_on: Rc<Notify>,
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
            Command::GrpcCall { id, .. } => worker.grpc_event(id, no_grpc()),
            // The call that it belongs to has ended.
            Command::GrpcSend { .. } => {}
        }
    }

    fn begin_http(&self, worker: &Rc<Worker>, id: CalloutId, request: CallRequest) {
        match self.http_client(&request.upstream) {
            Ok(client) => self.spawn(worker, id, |ticket| http::run(ticket, client.call(request))),
            Err(reason) => worker.http_call_event(id, CallEvent::Failed(reason)),
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

    fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        worker: &Rc<Worker>,
        id: CalloutId,
        task: impl FnOnce(Ticket) -> F,
    ) {
        let go_on = Rc::new(Notify::new());
        let task = task(Ticket {
            worker: Rc::downgrade(worker),
            id,
            go_on: Rc::clone(&go_on),
        });
        let task = tokio::task::spawn_local(task).abort_handle();
        self.running.borrow_mut().insert(id, Running { task, go_on });
    }

    /// Forgets a callout; if its task still runs, it is dropped.
    fn end(&self, id: CalloutId) {
        let running = self.running.borrow_mut().remove(&id);
        drop(running);
    }
}

fn no_grpc() -> GrpcEvent {
    GrpcEvent::End {
        status: CalloutStatus {
            code: grpc_code::UNAVAILABLE,
            message: Bytes::from_static(b"this runner makes no gRPC calls"),
        },
        trailing_metadata: None,
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
