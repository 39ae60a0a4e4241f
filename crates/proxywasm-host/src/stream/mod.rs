//! A stream on its way through a filter chain: the state, and how it changes.
//!
//! A byte stream is the same machine with fewer parts: a new connection is to its data what headers are to a body, and an end of
//! stream is that of one direction. Where the two differ, the code asks for the [`Kind`].
//!
//! - `mod.rs`: the state
//! - [`parts`]: a part of a message comes to a filter
//! - [`actions`]: a filter has returned
//! - [`effects`]: what filters asked for besides
//! - [`replies`]: local responses, resets, failures
//! - [`outputs`]: what leaves the chain
//! - [`connections`]: what only byte streams have: two connections, each of which closes

mod actions;
mod connections;
mod effects;
mod finish;
mod outputs;
mod parts;
pub(crate) mod replies;

use crate::config::{FailurePolicy, PhaseSet};
use crate::output::{LocalAnswer, Output};
use crate::times::PluginTimes;
use std::collections::VecDeque;
use std::sync::Arc;
use wasi_common::{Buffer, ByteMap, CloseSource, ContextType, Direction, StreamKey};
use wasi_http::Answered;

/// A stream. Maps and bodies are in the [`wasi_common::Stream`] of the same key, where plugins reach them.
#[derive(Default)]
pub(crate) struct StreamState {
    pub(crate) key: Option<StreamKey>,
    pub(crate) kind: Kind,
    pub(crate) filters: Vec<FilterState>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) answered: Answered,
    /// Whose answer it got, if a plugin is to blame or to thank.
    pub(crate) local_answer: Option<LocalAnswer>,
    /// Whether a map may be read after it left, so that its pairs must be kept.
    pub(crate) keeps_maps: bool,
    /// Whether the driver was told that there are outputs since it last took one.
    pub(crate) announced: bool,
    /// Whether messages of a direction are still taken.
    pub(crate) open: [bool; 2],
    /// The lowest filter that a response has come to; the length of the chain while none has.
    pub(crate) response_low: usize,
    /// The length that the head gave, and the bytes that went out since, of each direction.
    pub(crate) lengths: [Length; 2],
    /// Whether the stream has ended; it is kept while a plugin puts that off.
    pub(crate) finished: bool,
    /// How long its plugins are busy, where somebody asks.
    pub(crate) times: Option<Arc<PluginTimes>>,
}

/// What a stream is.
#[derive(Debug, Default)]
pub(crate) enum Kind {
    /// A request and its response.
    #[default]
    Http,
    /// Bytes in both directions.
    Bytestream(Connections),
}

/// The connections of a byte stream. Arrays go by the direction of what comes from one.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// The driver was asked to connect to the upstream.
    pub(crate) connects: bool,
    /// Each connection is closed when what goes to it has been written.
    pub(crate) closing: bool,
    /// Nothing more comes from it.
    pub(crate) received_end: [bool; 2],
    /// The end of the direction has left the chain.
    pub(crate) sent_end: [bool; 2],
    /// Who closed it, once it is closed.
    pub(crate) closed_by: [Option<CloseSource>; 2],
    /// Plugins were told that it is closed.
    pub(crate) told: [bool; 2],
}

/// One filter of a stream.
#[derive(Default)]
pub(crate) struct FilterState {
    pub(crate) vm: usize,
    /// Which of the instances of the vm it lives in.
    pub(crate) generation: u64,
    pub(crate) plugin_id: u32,
    pub(crate) context_id: u32,
    /// Whether the instance knows the stream.
    pub(crate) alive: bool,
    pub(crate) phases: PhaseSet,
    /// Bytes of a body that may be held here.
    pub(crate) bound: usize,
    /// What becomes of the stream when the plugin fails.
    pub(crate) failure: FailurePolicy,
    pub(crate) lanes: [LaneState; 2],
}

/// One direction at one filter: what is held here besides the body and the maps.
#[derive(Default)]
pub(crate) struct LaneState {
    pub(crate) hold: Hold,
    /// Whether the plugin is called at all.
    pub(crate) bypassed: bool,
    /// Whether the direction was ended here; what comes is dropped.
    pub(crate) ended: bool,
    /// Headers are held, with their end-of-stream flag.
    pub(crate) headers: Option<bool>,
    /// The held body ends the message.
    pub(crate) body_end: bool,
    /// Something of a body has come since the last release, if only its end.
    pub(crate) has_body: bool,
    pub(crate) metadata: Vec<ByteMap>,
    /// What that takes.
    pub(crate) metadata_bytes: usize,
    pub(crate) trailers: bool,
    /// What came while the plugin paused, not seen by it.
    pub(crate) unseen: VecDeque<Piece>,
}

/// Why something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hold {
    /// Nothing is.
    #[default]
    None,
    /// Until resumed.
    Pause,
    /// Until more comes, or resumed.
    MoreData,
    /// Until all of the body has come, the bound is reached, or resumed.
    EndOrFull,
}

/// A part of a message, between two filters. Headers and trailers are in the maps of the stream.
#[derive(Debug)]
pub(crate) enum Piece {
    Headers { end_of_stream: bool },
    Body { data: Buffer, end_of_stream: bool },
    Trailers,
    Metadata(ByteMap),
}

/// The length of a message: declared and sent.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Length {
    pub(crate) declared: Option<u64>,
    pub(crate) sent: u64,
}

/// A piece and where it comes to: a filter, or the end of the chain.
pub(crate) struct Work {
    pub(crate) key: StreamKey,
    pub(crate) place: Place,
    pub(crate) direction: Direction,
    pub(crate) piece: Piece,
}

/// A place on the way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Filter(usize),
    Out,
}

// === impl StreamState ===

impl StreamState {
    /// Makes the stream empty; keeps its memory.
    pub(crate) fn recycle(&mut self) {
        self.key = None;
        self.kind = Kind::Http;
        self.filters.iter_mut().for_each(FilterState::recycle);
        if !self.outputs.is_empty() {
            self.outputs.clear();
        }
        self.answered = Answered::default();
        self.local_answer = None;
        (self.keeps_maps, self.announced, self.finished) = (false, false, false);
        self.lengths = Default::default();
        self.times = None;
    }

    pub(crate) fn is_open(&self, direction: Direction) -> bool {
        of(self.open, direction)
    }

    /// The kind of its contexts.
    pub(crate) fn context_type(&self) -> ContextType {
        match self.kind {
            Kind::Http => ContextType::Http,
            Kind::Bytestream(_) => ContextType::Bytestream,
        }
    }

    /// What only a byte stream has.
    pub(crate) fn connections(&mut self) -> Option<&mut Connections> {
        match &mut self.kind {
            Kind::Http => None,
            Kind::Bytestream(connections) => Some(connections),
        }
    }

    pub(crate) fn length(&mut self, direction: Direction) -> &mut Length {
        of(self.lengths.each_mut(), direction)
    }

    /// Where a message goes from a filter.
    pub(crate) fn next(&self, filter: usize, direction: Direction) -> Place {
        match direction {
            Direction::Request if filter + 1 < self.filters.len() => Place::Filter(filter + 1),
            Direction::Response if filter > 0 => Place::Filter(filter - 1),
            _ => Place::Out,
        }
    }

    /// Where a message of a direction enters.
    pub(crate) fn entry(&self, direction: Direction) -> Place {
        match (direction, self.filters.len().checked_sub(1)) {
            (_, None) => Place::Out,
            (Direction::Request, _) => Place::Filter(0),
            (Direction::Response, Some(last)) => Place::Filter(last),
        }
    }

    pub(crate) fn lane(&mut self, filter: usize, direction: Direction) -> Option<&mut LaneState> {
        self.filters.get_mut(filter).map(|filter| filter.lane(direction))
    }

    /// Whether more of a direction is wanted from the driver: nobody pauses and nothing waits to be seen.
    pub(crate) fn wants(&self, direction: Direction) -> bool {
        let reads = |lane: &LaneState| lane.hold != Hold::Pause && lane.unseen.is_empty();
        self.is_open(direction) && self.lanes(direction).all(|lane| reads(lane) && !lane.ended)
    }

    /// Whether what comes of a direction is for anybody: no plugin has ended it.
    pub(crate) fn takes(&self, direction: Direction) -> bool {
        self.is_open(direction) && self.lanes(direction).all(|lane| !lane.ended)
    }

    fn lanes(&self, direction: Direction) -> impl Iterator<Item = &LaneState> {
        self.filters
            .iter()
            .map(move |filter| of(filter.lanes.each_ref(), direction))
    }
}

// === impl FilterState ===

impl FilterState {
    /// Leaves the filter as a new one. What was held has been dropped; the places of it, which few streams need, go too.
    fn recycle(&mut self) {
        (self.alive, self.context_id, self.phases) = (false, 0, PhaseSet::default());
        for lane in &mut self.lanes {
            (lane.bypassed, lane.ended) = (false, false);
            if lane.unseen.capacity() > 0 {
                lane.unseen = VecDeque::new();
            }
            if lane.metadata.capacity() > 0 {
                lane.metadata = Vec::new();
            }
        }
    }

    pub(crate) fn lane(&mut self, direction: Direction) -> &mut LaneState {
        of(self.lanes.each_mut(), direction)
    }
}

// === impl LaneState ===

impl LaneState {
    /// Holds a METADATA frame.
    pub(crate) fn push_metadata(&mut self, map: ByteMap) {
        self.metadata_bytes += map.byte_len() + size_of::<ByteMap>();
        self.metadata.push(map);
    }

    /// Drops everything that is held.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.hold = Hold::None;
        self.headers = None;
        (self.body_end, self.has_body, self.trailers) = (false, false, false);
        if !self.metadata.is_empty() {
            self.metadata.clear();
        }
        self.metadata_bytes = 0;
        if !self.unseen.is_empty() {
            self.unseen.clear();
        }
    }
}

/// What belongs to a direction.
#[inline]
pub(crate) fn of<T>(both: [T; 2], direction: Direction) -> T {
    let [request, response] = both;
    match direction {
        Direction::Request => request,
        Direction::Response => response,
    }
}
