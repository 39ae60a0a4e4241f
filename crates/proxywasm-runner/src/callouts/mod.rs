//! Calls that plugins make themselves: each is a task of the worker.
//!
//! The host says by commands what to send and what to give up; [`Worker`] leaves them here, and one task carries them out. What comes
//! back is told to the host in turns, as everything is. To cancel a callout is to drop its task, and with it what it has of a
//! connection; a worker that stops drops them all.

mod clients;
mod destination;
mod grpc_call;
mod http_call;

pub(crate) use clients::Clients;

use crate::trace::{CallSpan, StreamSpan};
use crate::worker::Worker;
use bytes::Bytes;
use destination::{Destination, Underway};
use proxywasm_host::{CallEvent, CallRequest, CalloutId, Command, GrpcEvent, GrpcRequest, grpc_code};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wasi_grpc::backend::Outgoing;

/// The host knows the same names, but for one that goes at the same moment.
const NO_UPSTREAM: &str = "there is no such upstream";

/// The callouts of one worker.
#[derive(Default)]
pub(crate) struct Callouts {
    /// Commands that were not carried out yet.
    commands: RefCell<VecDeque<(Command, Option<CallSpan>)>>,
    has_commands: Notify,
    running: RefCell<HashMap<CalloutId, Running>>,
}

/// The span of the stream that a callout is for, and the place of its plugin there.
type Above = (Arc<StreamSpan>, usize);

/// A callout that is under way. Its task ends with it.
struct Running {
    task: AbortHandle,
    go_on: Rc<Notify>,
    call: Rc<Underway>,
    /// What is sent besides what it began with, if it is one of gRPC.
    outgoing: Messages,
}

/// The messages of a plugin on a gRPC callout.
enum Messages {
    /// They wait until it has a connection.
    Waiting(Vec<(Option<Bytes>, bool)>),
    Sent(Outgoing),
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
    /// Leaves a command of the host to be carried out soon. What it calls is a span below that of its stream.
    pub(crate) fn push(&self, mut command: Command, above: Option<Above>) {
        let span = above.and_then(|(span, filter)| match &mut command {
            Command::HttpCall { request, .. } => span.begin_http_call(filter, request),
            Command::GrpcCall { request, .. } => span.begin_grpc_call(filter, request),
            _ => None,
        });
        self.commands.borrow_mut().push_back((command, span));
        self.has_commands.notify_one();
    }

    /// Carries commands out, for as long as the worker runs.
    pub(crate) async fn run(&self, worker: &Rc<Worker>) {
        loop {
            self.has_commands.notified().await;
            while let Some((command, span)) = self.next() {
                self.carry_out(worker, command, span);
            }
        }
    }

    fn next(&self) -> Option<(Command, Option<CallSpan>)> {
        self.commands.borrow_mut().pop_front()
    }

    fn carry_out(&self, worker: &Rc<Worker>, command: Command, span: Option<CallSpan>) {
        match command {
            Command::HttpCall { id, request, .. } => self.begin_http(worker, id, *request, span),
            Command::ReadCall(id) => {
                if let Some(running) = self.running.borrow().get(&id) {
                    running.go_on.notify_one();
                }
            }
            Command::CancelCall { id, late } => self.cancel(id, late),
            Command::GrpcCall { id, request, .. } => self.begin_grpc(worker, id, *request, span),
            Command::GrpcSend {
                id,
                message,
                end_of_stream,
            } => {
                if let Some(running) = self.running.borrow_mut().get_mut(&id) {
                    running.outgoing.send(message, end_of_stream);
                }
            }
        }
    }

    fn begin_http(&self, worker: &Rc<Worker>, id: CalloutId, request: CallRequest, span: Option<CallSpan>) {
        let name = std::str::from_utf8(&request.upstream).unwrap_or_default();
        match worker.clusters().get(name) {
            Some(cluster) => self.spawn(worker, id, Underway::new(cluster, span), |ticket, call| {
                http_call::run(ticket, call, request)
            }),
            None => worker.http_call_event(id, CallEvent::Failed(NO_UPSTREAM.to_owned())),
        }
    }

    fn begin_grpc(&self, worker: &Rc<Worker>, id: CalloutId, request: GrpcRequest, span: Option<CallSpan>) {
        match worker.clusters().get(&request.upstream) {
            Some(cluster) => self.spawn(worker, id, Underway::new(cluster, span), |ticket, call| {
                grpc_call::run(ticket, call, request)
            }),
            None => worker.grpc_event(id, GrpcEvent::failure(grpc_code::UNAVAILABLE, NO_UPSTREAM)),
        }
    }

    /// What a plugin sends on a gRPC callout can go out now.
    fn begin_sending(&self, id: CalloutId, outgoing: Outgoing) {
        if let Some(running) = self.running.borrow_mut().get_mut(&id) {
            running.outgoing.begin(outgoing);
        }
    }

    fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        worker: &Rc<Worker>,
        id: CalloutId,
        call: Rc<Underway>,
        task: impl FnOnce(Ticket, Rc<Underway>) -> F,
    ) {
        let go_on = Rc::new(Notify::new());
        let ticket = Ticket {
            worker: Rc::downgrade(worker),
            id,
            go_on: Rc::clone(&go_on),
        };
        let task = task(ticket, Rc::clone(&call));
        let task = tokio::task::spawn_local(task).abort_handle();
        let running = Running {
            task,
            go_on,
            call,
            outgoing: Messages::Waiting(Vec::new()),
        };
        self.running.borrow_mut().insert(id, running);
    }

    /// Gives a callout up, perhaps because it took too long.
    fn cancel(&self, id: CalloutId, late: bool) {
        if late && let Some(running) = self.running.borrow().get(&id) {
            running.call.timed_out();
        }
        self.end(id);
    }

    /// Forgets a callout; if its task still runs, it is dropped.
    fn end(&self, id: CalloutId) {
        let running = self.running.borrow_mut().remove(&id);
        drop(running);
    }
}

// === impl Messages ===

impl Messages {
    fn send(&mut self, message: Option<Bytes>, end_of_stream: bool) {
        match self {
            Self::Waiting(waiting) => waiting.push((message, end_of_stream)),
            Self::Sent(outgoing) => outgoing.send(message, end_of_stream),
        }
    }

    fn begin(&mut self, outgoing: Outgoing) {
        if let Self::Waiting(waiting) = std::mem::replace(self, Self::Sent(outgoing)) {
            for (message, end_of_stream) in waiting {
                self.send(message, end_of_stream);
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
