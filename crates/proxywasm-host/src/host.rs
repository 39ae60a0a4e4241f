//! The host of one worker: events in, outputs out.

use crate::background::Background;
use crate::callback::Callback;
use crate::callouts::{CalloutOrigin, Callouts};
use crate::figures::HostFigures;
use crate::instance::{Callbacks, Root};
use crate::message::answered;
use crate::output::{Output, ResetReason};
use crate::plugin::{FilterChain, Plugin};
use crate::retire::Retirement;
use crate::services::Services;
use crate::starts::Starts;
use crate::state::State;
use crate::stream::{FilterState, Kind, Piece, Place, StreamState, Work};
use crate::timers::TimerSchedule;
use crate::vm::{Running, Vm};
use bytes::Bytes;
use http::{HeaderMap, request, response};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use wasi_common::stream::Reply;
use wasi_common::{
    Buffer, ByteMap, Context, ContextType, Direction, LogLevel, Piece as Map, PropertySource, StreamKey,
    StreamTable, Times,
};
use wasi_http::LocalResponse;
use wasi_queue::Mailbox;
use wasmtime::StoreContextMut;

/// Runs the plugins of one worker.
///
/// It does no I/O and owns no thread: the driver of a stream hands over what it received and carries out the [`Output`]s. Every
/// call is synchronous and short. Streams of a host are intermixed, never concurrent; a program has one host for each of its
/// workers.
pub struct Host {
    pub(crate) services: Services,
    /// The level that was set for all plugins, in place of their own.
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) vms: Vec<Vm>,
    pub(crate) vm_by_key: FxHashMap<[u8; 32], usize>,
    pub(crate) free_vms: Vec<usize>,
    /// Where plugins that share an instance run, as long as the generation of the place is the same.
    pub(crate) shared: FxHashMap<u64, Running>,
    /// Plugins that have an instance for each stream, and did not start lately.
    pub(crate) fresh_starts: FxHashMap<u64, Starts>,
    pub(crate) streams: StreamTable,
    pub(crate) states: Vec<StreamState>,
    pub(crate) work: VecDeque<Work>,
    pub(crate) effects: VecDeque<QueuedEffect>,
    pub(crate) ready: VecDeque<StreamKey>,
    /// The stream whose driver is calling, which looks for outputs itself.
    pub(crate) current: Option<StreamKey>,
    pub(crate) callouts: Callouts,
    pub(crate) timers: TimerSchedule,
    /// In the order in which they were put off.
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) backgrounds: Vec<Background>,
    pub(crate) retirement: Retirement,
    pub(crate) figures: Arc<HostFigures>,
}

/// A stream of a [`Host`]. Never names another stream after it was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub(crate) StreamKey);

/// An effect, and the instance it came from.
pub(crate) struct QueuedEffect {
    pub(crate) vm: usize,
    pub(crate) generation: u64,
    pub(crate) effect: Effect,
    /// For which stream it is, if it begins a callout.
    pub(crate) origin: Option<CalloutOrigin>,
}

pub(crate) enum Effect {
    Http(wasi_http::Effect),
    Grpc(wasi_grpc::Effect),
    Bytestream(wasi_bytestream::Effect),
    Lifecycle(wasi_context::Effect),
}

/// Something that a plugin has put off, and until when it may.
pub(crate) struct Deferred {
    pub(crate) vm: usize,
    pub(crate) generation: u64,
    pub(crate) what: DeferredEnd,
    pub(crate) until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeferredEnd {
    Context { context_id: u32 },
    Plugin { id: u64, plugin_id: u32 },
}

/// The property `response.code_details` of a response that came from the upstream, as Envoy has it.
const VIA_UPSTREAM: &[u8] = b"via_upstream";

/// A host can move between threads, as long as one uses it at a time.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Host>();
};

// === impl StreamId ===

impl StreamId {
    /// A dense index, used again by later streams: for a table of streams beside the host's own. Who keeps one has to compare ids,
    /// for an index alone may name a stream that has ended.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

// === impl Host ===

impl Host {
    /// A host whose plugins reach these services.
    pub fn new(services: impl Into<Services>) -> Self {
        Self {
            services: services.into(),
            log_level: None,
            vms: Vec::new(),
            vm_by_key: FxHashMap::default(),
            free_vms: Vec::new(),
            shared: FxHashMap::default(),
            fresh_starts: FxHashMap::default(),
            streams: StreamTable::new(),
            states: Vec::new(),
            work: VecDeque::new(),
            effects: VecDeque::new(),
            ready: VecDeque::new(),
            current: None,
            callouts: Callouts::default(),
            timers: TimerSchedule::default(),
            deferred: VecDeque::new(),
            mailbox: Mailbox::new(),
            backgrounds: Vec::new(),
            retirement: Retirement::default(),
            figures: Arc::default(),
        }
    }

    /// What it counts of its plugins, for other threads to read.
    pub fn figures(&self) -> &Arc<HostFigures> {
        &self.figures
    }

    /// Begins an HTTP stream: each plugin of the chain gets a context for it. `properties` answers what only the driver knows.
    pub fn open(&mut self, chain: &FilterChain, properties: Option<Box<dyn PropertySource>>) -> StreamId {
        self.begin_stream(chain, properties, Kind::Http)
    }

    pub(crate) fn begin_stream(
        &mut self,
        chain: &FilterChain,
        properties: Option<Box<dyn PropertySource>>,
        kind: Kind,
    ) -> StreamId {
        let key = self.streams.open(chain.plugins().len());
        if self.states.len() <= key.index() {
            self.states.resize_with(key.index() + 1, StreamState::default);
        }
        if let Some(stream) = self.streams.get_mut(key) {
            stream.source = properties;
            stream.times = chain.reads_properties().then(Times::begin);
            if matches!(kind, Kind::Bytestream(_)) {
                // Nobody can answer it.
                stream.reply = Reply::Sent;
            }
        }
        let Some(stream) = self.states.get_mut(key.index()) else {
            return StreamId(key);
        };
        stream.key = Some(key);
        stream.kind = kind;
        let context_type = stream.context_type();
        stream.open = [true, true];
        stream.response_low = chain.plugins().len();
        stream.keeps_maps = chain.reads_maps();
        stream
            .filters
            .resize_with(chain.plugins().len(), FilterState::default);
        self.current = Some(key);
        for (index, plugin) in chain.plugins().iter().enumerate() {
            self.create_context(key, context_type, index, plugin);
        }
        self.run();
        StreamId(key)
    }

    /// The request head has come. Nothing follows it where `end_of_stream` says so.
    pub fn request_headers(&mut self, id: StreamId, head: request::Parts, end_of_stream: bool) {
        let Some(stream) = self.stream(id.0) else { return };
        stream.answered = answered(&head);
        self.put(
            id,
            Direction::Request,
            Piece::Headers { end_of_stream },
            |slots| {
                slots.map(Direction::Request, Map::Headers).put(Box::new(head));
            },
        );
    }

    /// A piece of the request body has come.
    pub fn request_body(&mut self, id: StreamId, data: Bytes, end_of_stream: bool) {
        let bytes = data.len();
        let piece = Piece::Body {
            data: Buffer::from(data),
            end_of_stream,
        };
        self.put(id, Direction::Request, piece, |slots| {
            slots.count_body(Direction::Request, bytes);
        });
    }

    /// The request trailers have come, which end the request.
    pub fn request_trailers(&mut self, id: StreamId, trailers: HeaderMap) {
        self.put(id, Direction::Request, Piece::Trailers, |slots| {
            slots
                .map(Direction::Request, Map::Trailers)
                .put(Box::new(trailers));
        });
    }

    /// An HTTP/2 METADATA frame of the request has come.
    pub fn request_metadata(&mut self, id: StreamId, metadata: ByteMap) {
        self.put(id, Direction::Request, Piece::Metadata(metadata), |_| ());
    }

    /// The response head has come from the upstream. Interim (1xx) responses are not for plugins: the driver forwards them.
    pub fn response_headers(&mut self, id: StreamId, head: response::Parts, end_of_stream: bool) {
        self.put(
            id,
            Direction::Response,
            Piece::Headers { end_of_stream },
            |slots| {
                slots.map(Direction::Response, Map::Headers).put(Box::new(head));
                if slots.response_details.is_empty() {
                    slots.response_details = Bytes::from_static(VIA_UPSTREAM);
                }
                if let Some(times) = &mut slots.times {
                    times.answered();
                }
            },
        );
    }

    /// The driver makes the response itself whose head comes next: how, as the property `response.code_details` tells it.
    pub fn response_details(&mut self, id: StreamId, details: &'static str) {
        if let Some(slots) = self.streams.get_mut(id.0) {
            slots.response_details = Bytes::from_static(details.as_bytes());
        }
    }

    /// A piece of the response body has come from the upstream.
    pub fn response_body(&mut self, id: StreamId, data: Bytes, end_of_stream: bool) {
        let bytes = data.len();
        let piece = Piece::Body {
            data: Buffer::from(data),
            end_of_stream,
        };
        self.put(id, Direction::Response, piece, |slots| {
            slots.count_body(Direction::Response, bytes);
        });
    }

    /// The response trailers have come from the upstream, which end the response.
    pub fn response_trailers(&mut self, id: StreamId, trailers: HeaderMap) {
        self.put(id, Direction::Response, Piece::Trailers, |slots| {
            slots
                .map(Direction::Response, Map::Trailers)
                .put(Box::new(trailers));
        });
    }

    /// An HTTP/2 METADATA frame of the response has come from the upstream.
    pub fn response_metadata(&mut self, id: StreamId, metadata: ByteMap) {
        self.put(id, Direction::Response, Piece::Metadata(metadata), |_| ());
    }

    /// No (complete) response can be had from the upstream. The downstream is answered with `status` and `text`, which the plugins
    /// see like any response; once the response head is out, the stream is reset. Why is what [`Host::response_details`] has said.
    pub fn upstream_failed(&mut self, id: StreamId, status: u16, text: &'static str) {
        let Some(stream) = self
            .stream(id.0)
            .filter(|stream| stream.is_open(Direction::Response))
        else {
            return;
        };
        let filters = stream.filters.len();
        self.current = Some(id.0);
        let details = self.streams.get_mut(id.0);
        let details = details.map_or_else(Bytes::new, |slots| slots.response_details.clone());
        self.respond_or_reset(
            id.0,
            filters,
            LocalResponse {
                details,
                ..LocalResponse::text(status, text)
            },
            ResetReason::UpstreamFailed,
        );
        self.run();
    }

    /// What the driver of a stream has to do next.
    pub fn next_output(&mut self, id: StreamId) -> Option<Output> {
        let stream = self.stream(id.0)?;
        let output = stream.outputs.pop_front();
        if output.is_none() {
            stream.announced = false;
        }
        output
    }

    /// Whether more of a direction is wanted. While it is not, the driver should not read, so that the peer is slowed down.
    pub fn wants(&self, id: StreamId, direction: Direction) -> bool {
        let stream = self
            .states
            .get(id.0.index())
            .filter(|stream| stream.key == Some(id.0));
        stream.is_some_and(|stream| stream.wants(direction))
    }

    /// A stream, other than the one an event was for, that has new outputs or wants to be read again: its driver is to be woken.
    /// Ask after every call until there is none.
    pub fn next_ready(&mut self) -> Option<StreamId> {
        self.ready.pop_front().map(StreamId)
    }

    /// Changes the lowest level of plugin logs that is written, for all plugins, and tells those that want to know.
    pub fn set_log_level(&mut self, level: LogLevel) {
        self.log_level = Some(level);
        for vm in 0..self.vms.len() {
            let Some(slot) = self.vms.get_mut(vm) else {
                continue;
            };
            let generation = slot.generation;
            let Some(instance) = slot.instance.as_mut() else {
                continue;
            };
            if !instance.state().log.set_level(level) {
                continue;
            }
            // The callback is for the instance; it is called as its first plugin.
            let Some(plugin_id) = instance.roots().map(|(_, root)| root.plugin_id).min() else {
                continue;
            };
            self.call_plugin(
                (vm, generation),
                plugin_id,
                Callback::LogLevelUpdate,
                |callbacks, store| callbacks.log.on_log_level_update(store, level),
            );
        }
        self.run();
    }

    /// The number of streams that were opened and not finished.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    fn put(
        &mut self,
        id: StreamId,
        direction: Direction,
        piece: Piece,
        fill: impl FnOnce(&mut wasi_common::Stream),
    ) {
        let takes = |stream: &&mut StreamState| matches!(stream.kind, Kind::Http) && stream.takes(direction);
        let Some(stream) = self.stream(id.0).filter(takes) else {
            return;
        };
        let place = stream.entry(direction);
        if let Some(slots) = self.streams.get_mut(id.0) {
            fill(slots);
        }
        self.send_in(id.0, place, direction, piece);
    }

    /// A piece begins its way through the chain.
    #[inline]
    pub(crate) fn send_in(&mut self, key: StreamKey, place: Place, direction: Direction, piece: Piece) {
        self.current = Some(key);
        self.advance(Work {
            key,
            place,
            direction,
            piece,
        });
        self.run();
    }

    /// Does what there is to do, without ever entering a guest from within a guest.
    pub(crate) fn run(&mut self) {
        loop {
            if let Some(work) = self.work.pop_front() {
                self.advance(work);
            } else if let Some(effect) = self.effects.pop_front() {
                self.apply(effect);
            } else {
                break;
            }
        }
        if self.retirement.may_be_due() {
            self.end_retired();
        }
        self.current = None;
    }

    pub(crate) fn stream(&mut self, key: StreamKey) -> Option<&mut StreamState> {
        self.states
            .get_mut(key.index())
            .filter(|stream| stream.key == Some(key))
    }

    /// Tells the driver of a stream that there is something for it, unless it is the one that is calling.
    pub(crate) fn announce(&mut self, key: StreamKey) {
        if self.current == Some(key) {
            return;
        }
        let Some(stream) = self.stream(key) else { return };
        if !std::mem::replace(&mut stream.announced, true) {
            self.ready.push_back(key);
        }
    }

    fn create_context(&mut self, key: StreamKey, kind: ContextType, index: usize, plugin: &Plugin) {
        let failure = plugin.config().failure;
        let Some(running) = self.running(plugin) else {
            return self.unavailable(key, index, failure);
        };
        let Some(instance) = self.vms.get_mut(running.vm).and_then(|vm| vm.instance.as_mut()) else {
            return;
        };
        let Root { plugin_id, phases } = running.root;
        let phases = match kind {
            ContextType::Http => phases,
            ContextType::Bytestream => phases.for_bytestream(),
        };
        let context = Context::new(plugin_id, key, index, kind);
        let context_id = instance.state().common.contexts.add_context(context);
        let bound = plugin.config().limits.held_body_bytes;
        if let Some(filter) = self.stream(key).and_then(|stream| stream.filters.get_mut(index)) {
            (filter.vm, filter.generation) = (running.vm, running.generation);
            (filter.plugin_id, filter.context_id) = (plugin_id, context_id);
            (filter.phases, filter.bound) = (phases, bound);
            (filter.failure, filter.alive) = (failure, true);
        }
        let created = self.call(
            key,
            index,
            Callback::ContextCreate,
            |callbacks, store, context_id| {
                callbacks
                    .lifecycle
                    .create_context(store, context_id, plugin_id, kind)
            },
        );
        if let Some(new_id) = created.filter(|new_id| *new_id != 0 && *new_id != context_id) {
            self.rename_context(key, index, new_id);
        }
    }

    fn rename_context(&mut self, key: StreamKey, index: usize, new_id: u32) {
        let Some(filter) = self
            .states
            .get_mut(key.index())
            .and_then(|stream| stream.filters.get_mut(index))
        else {
            return;
        };
        let Some(instance) = self.vms.get_mut(filter.vm).and_then(|vm| vm.instance.as_mut()) else {
            return;
        };
        let contexts = &mut instance.state().common.contexts;
        let old_id = filter.context_id;
        match contexts.rename_context(old_id, new_id) {
            Ok(()) => {
                filter.context_id = new_id;
                let (vm, generation) = (filter.vm, filter.generation);
                for queued in &mut self.effects {
                    if (queued.vm, queued.generation) != (vm, generation) {
                        continue;
                    }
                    match &mut queued.effect {
                        Effect::Http(effect) => effect.rename_context(old_id, new_id),
                        Effect::Bytestream(effect) => effect.rename_context(old_id, new_id),
                        // Callouts are the plugin's.
                        Effect::Grpc(_) | Effect::Lifecycle(_) => {}
                    }
                }
            }
            Err(_) => {
                tracing::warn!(
                    new_id,
                    "a plugin asked for a context id that is in use; its stream is refused"
                );
                self.respond_or_reset(
                    key,
                    index,
                    LocalResponse::text(500, ""),
                    ResetReason::PluginFailed,
                );
            }
        }
    }

    /// Enters the plugin of a filter. `None` where it does not live, or has failed now, which is dealt with then.
    pub(crate) fn call<R>(
        &mut self,
        key: StreamKey,
        index: usize,
        callback: Callback,
        call: impl FnOnce(&Callbacks, StoreContextMut<'_, State>, u32) -> wasmtime::Result<R>,
    ) -> Option<R> {
        let stream = self
            .states
            .get_mut(key.index())
            .filter(|stream| stream.key == Some(key))?;
        let filter = stream.filters.get(index).filter(|filter| filter.alive)?;
        let (vm, context_id) = (filter.vm, filter.context_id);
        let slot = self
            .vms
            .get_mut(vm)
            .filter(|slot| slot.generation == filter.generation)?;
        let instance = slot.instance.as_mut()?;
        let plugin_id = filter.plugin_id;
        let begun = stream.times.is_some().then(Instant::now);
        let result = instance.enter(
            &mut self.streams,
            (plugin_id, context_id),
            callback,
            |callbacks, store| call(callbacks, store, context_id),
        );
        if let Some((times, begun)) = stream.times.as_ref().zip(begun) {
            times.called(index, begun, result.is_err());
        }
        match result {
            Ok(returned) => {
                if instance.state().has_effects() {
                    self.collect_effects(vm);
                }
                Some(returned)
            }
            Err(error) => {
                let at = (vm, slot.generation);
                self.fail(at, (plugin_id, callback), Some(key), &error);
                None
            }
        }
    }

    /// Enters a plugin for what concerns none of its streams. `None` where its instance is gone, or has failed now, which is dealt
    /// with then.
    pub(crate) fn call_plugin<R>(
        &mut self,
        (vm, generation): (usize, u64),
        plugin_id: u32,
        callback: Callback,
        call: impl FnOnce(&Callbacks, StoreContextMut<'_, State>) -> wasmtime::Result<R>,
    ) -> Option<R> {
        let slot = self
            .vms
            .get_mut(vm)
            .filter(|slot| slot.generation == generation)?;
        let instance = slot.instance.as_mut()?;
        match instance.enter(&mut self.streams, (plugin_id, plugin_id), callback, call) {
            Ok(returned) => {
                if instance.state().has_effects() {
                    self.collect_effects(vm);
                }
                Some(returned)
            }
            Err(error) => {
                self.fail((vm, generation), (plugin_id, callback), None, &error);
                None
            }
        }
    }

    /// How far the answer of a stream is.
    pub(crate) fn reply(&self, key: StreamKey) -> Reply {
        self.streams.get(key).map_or(Reply::Closed, |stream| stream.reply)
    }
}
