//! What plugins see of the streams of a worker: maps, held bodies, and what may be done with them now.

use crate::buffer::Buffer;
use crate::map::ByteMap;
use crate::property::{PropertySource, PropertyStore};
use bytes::Bytes;
use std::any::Any;
use std::time::{Duration, Instant};

/// The streams of one worker. Their instances borrow it while they run, so that all plugins of a filter chain work on one copy.
///
/// Streams are recycled: one that ended leaves its memory to the next.
#[derive(Default)]
pub struct StreamTable {
    streams: Vec<Stream>,
    free: Vec<u32>,
}

/// Names a stream of a [`StreamTable`]; never names another one after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    index: u32,
    generation: u32,
}

/// One stream.
#[derive(Default)]
pub struct Stream {
    generation: u32,
    maps: [[MapSlot; 3]; 2],
    /// What each filter of the chain sees, in the order of the chain.
    pub filters: Vec<Filter>,
    /// How far the answer to the downstream is.
    pub reply: Reply,
    /// For a byte stream: whether the connection that a direction comes from is closed, as plugins are told.
    pub closed: [bool; 2],
    /// The bytes of bodies that have come, by direction.
    pub body_bytes: [u64; 2],
    /// How the response came about: the property `response.code_details`.
    pub response_details: Bytes,
    /// When what happened, where a plugin could ask.
    pub times: Option<Times>,
    /// Properties that plugins have set, seen by all plugins of the stream.
    pub properties: PropertyStore,
    /// Properties that the embedder knows.
    pub source: Option<Box<dyn PropertySource>>,
}

/// When what happened to a stream.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    opened: Instant,
    sent: Option<Instant>,
    answered: Option<Instant>,
    ended: Option<Instant>,
}

/// What one filter of the chain sees of a stream.
#[derive(Default)]
pub struct Filter {
    /// The id under which the guest knows the stream.
    pub context_id: u32,
    /// The two directions, indexed by [`Direction`].
    pub lanes: [Lane; 2],
}

/// One direction of a stream at one filter.
#[derive(Default)]
pub struct Lane {
    /// Whether something is held here.
    pub flow: Flow,
    /// For a byte stream: whether the plugin has asked that the connection be closed that the direction comes from.
    pub closes: bool,
    /// The part of the body that is here.
    pub body: Buffer,
    /// What may be done with the body.
    pub body_access: Access,
    /// Whether the plugin has written to the body that is here.
    pub body_written: bool,
    /// What may be done with the maps, indexed by [`Piece`].
    pub map_access: [Access; 3],
}

/// A direction of a stream. For a byte stream the request is what comes from downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the downstream to the upstream.
    Request = 0,
    /// From the upstream to the downstream.
    Response = 1,
}

/// A map of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Headers.
    Headers = 0,
    /// Trailers.
    Trailers = 1,
    /// The last HTTP/2 METADATA frame.
    Metadata = 2,
}

/// What a plugin may do with a map or buffer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: it has not come to this plugin.
    #[default]
    None,
    /// Read it: it has gone on, or the stream has ended.
    Read,
    /// Read and change it: it is at this plugin.
    Write,
}

/// Whether a direction is held at a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// Nothing is held.
    #[default]
    Open,
    /// A callback of this direction is executing; `resumed` says that it asked to go on, whatever it returns.
    Calling {
        /// Whether the callback has asked to go on.
        resumed: bool,
    },
    /// The plugin paused or waits.
    Held,
    /// The plugin resumed; what it held has not moved yet.
    Resuming,
}

/// How far the answer to the downstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reply {
    /// No response head has gone out.
    #[default]
    Open,
    /// A plugin has answered itself; its response head has not gone out yet.
    Local,
    /// The response head is out.
    Sent,
    /// The stream has ended or was closed.
    Closed,
}

/// A map in the embedder's own form, turned into a [`ByteMap`] when a plugin first asks for it.
pub trait MapSource: Any + Send {
    /// The number of pairs [`MapSource::fill`] gives.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Appends all pairs, pseudo-headers first.
    fn fill(&self, map: &mut ByteMap);
}

/// A map of a stream: absent, in the embedder's form, or filled.
#[derive(Default)]
pub struct MapSlot {
    source: Option<Box<dyn MapSource>>,
    map: ByteMap,
    present: bool,
    filled: bool,
    change: Change,
    /// Pairs at the end of the map that the embedder's form does not have, while nothing else was changed.
    appended: usize,
}

/// How a map differs from the embedder's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change {
    /// Not at all.
    #[default]
    None,
    /// Regular pairs were added at its end: [`MapSlot::appended`].
    Appended,
    /// In any way.
    Rewritten,
}

// === impl StreamTable ===

impl StreamTable {
    /// A table without streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a stream with `filters` filters.
    pub fn open(&mut self, filters: usize) -> StreamKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.streams.push(Stream::default());
            (self.streams.len() - 1) as u32
        });
        let Some(stream) = self.streams.get_mut(index as usize) else {
            return StreamKey {
                index: u32::MAX,
                generation: 0,
            };
        };
        stream.filters.resize_with(filters, Filter::default);
        StreamKey {
            index,
            generation: stream.generation,
        }
    }

    /// The stream of a key, unless it ended.
    pub fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.streams
            .get_mut(key.index as usize)
            .filter(|stream| stream.generation == key.generation)
    }

    /// Like [`StreamTable::get_mut`], to look only.
    pub fn get(&self, key: StreamKey) -> Option<&Stream> {
        self.streams
            .get(key.index as usize)
            .filter(|stream| stream.generation == key.generation)
    }

    /// Ends a stream; its key is void from now on.
    pub fn close(&mut self, key: StreamKey) {
        if let Some(stream) = self.get_mut(key) {
            stream.recycle();
            self.free.push(key.index);
        }
    }

    /// The number of streams that are open.
    pub fn len(&self) -> usize {
        self.streams.len() - self.free.len()
    }

    /// Whether no stream is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// === impl StreamKey ===

impl StreamKey {
    /// A dense index, used again by later streams: for tables beside the [`StreamTable`].
    pub fn index(self) -> usize {
        self.index as usize
    }
}

// === impl Stream ===

impl Stream {
    /// A map of the stream.
    pub fn map(&mut self, direction: Direction, piece: Piece) -> &mut MapSlot {
        let [request, response] = &mut self.maps;
        let [headers, trailers, metadata] = match direction {
            Direction::Request => request,
            Direction::Response => response,
        };
        match piece {
            Piece::Headers => headers,
            Piece::Trailers => trailers,
            Piece::Metadata => metadata,
        }
    }

    /// One direction at one filter.
    pub fn lane(&mut self, filter: usize, direction: Direction) -> Option<&mut Lane> {
        self.filters.get_mut(filter)?.lanes.get_mut(direction as usize)
    }

    /// Takes the right to change anything, and lets every filter read the headers and trailers that there are: the stream ends. A
    /// filter that a message did not come to can still tell of it then.
    pub fn end(&mut self) {
        if let Some(times) = &mut self.times {
            times.ended();
        }
        for direction in [Direction::Request, Direction::Response] {
            let present = [Piece::Headers, Piece::Trailers]
                .map(|piece| (piece, self.map(direction, piece).is_present()));
            for filter in 0..self.filters.len() {
                let Some(lane) = self.lane(filter, direction) else {
                    continue;
                };
                lane.flow = Flow::Open;
                lane.seal();
                for (piece, _) in present.iter().filter(|(_, present)| *present) {
                    *lane.map_access(*piece) = Access::Read;
                }
            }
        }
    }

    /// Whether the connection that a direction comes from is closed. Only byte streams know.
    pub fn closed(&mut self, direction: Direction) -> &mut bool {
        let [request, response] = &mut self.closed;
        match direction {
            Direction::Request => request,
            Direction::Response => response,
        }
    }

    /// Notes that a piece of a body has come.
    #[inline]
    pub fn count_body(&mut self, direction: Direction, bytes: usize) {
        let [request, response] = &mut self.body_bytes;
        let counter = match direction {
            Direction::Request => request,
            Direction::Response => response,
        };
        *counter = counter.saturating_add(bytes as u64);
    }

    fn recycle(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        for slots in &mut self.maps {
            for slot in slots {
                // Most streams have no trailers and no metadata.
                if slot.present || slot.filled {
                    slot.clear();
                }
            }
        }
        for filter in &mut self.filters {
            filter.recycle();
        }
        self.reply = Reply::Open;
        self.closed = [false; 2];
        self.body_bytes = [0; 2];
        self.response_details = Bytes::new();
        self.times = None;
        self.properties.clear();
        self.source = None;
    }
}

// === impl Times ===

impl Times {
    /// A stream begins now.
    pub fn begin() -> Self {
        Self {
            opened: Instant::now(),
            sent: None,
            answered: None,
            ended: None,
        }
    }

    /// The request head goes out to the upstream now.
    pub fn sent(&mut self) {
        self.sent.get_or_insert_with(Instant::now);
    }

    /// The response head comes from the upstream now.
    pub fn answered(&mut self) {
        self.answered.get_or_insert_with(Instant::now);
    }

    /// The stream ends now.
    pub fn ended(&mut self) {
        self.ended.get_or_insert_with(Instant::now);
    }

    /// From begin to end, once it has ended.
    pub fn duration(&self) -> Option<Duration> {
        Some(self.ended?.duration_since(self.opened))
    }

    /// How long the upstream took for the head of its response, once it is there.
    pub fn backend_latency(&self) -> Option<Duration> {
        Some(self.answered?.duration_since(self.sent?))
    }
}

// === impl Filter ===

impl Filter {
    fn recycle(&mut self) {
        self.context_id = 0;
        for lane in &mut self.lanes {
            lane.flow = Flow::Open;
            lane.closes = false;
            lane.body.clear();
            lane.body_access = Access::None;
            lane.body_written = false;
            lane.map_access = [Access::None; 3];
        }
    }
}

// === impl Lane ===

impl Lane {
    /// What may be done with a map.
    pub fn map_access(&mut self, piece: Piece) -> &mut Access {
        let [headers, trailers, metadata] = &mut self.map_access;
        match piece {
            Piece::Headers => headers,
            Piece::Trailers => trailers,
            Piece::Metadata => metadata,
        }
    }

    /// Takes the right to change what is here: it goes on, or the stream ends.
    pub fn seal(&mut self) {
        for access in self.map_access.iter_mut() {
            *access = (*access).min(Access::Read);
        }
        self.body_access = self.body_access.min(Access::Read);
    }
}

// === impl MapSlot ===

/// Bytes of a map that a recycled stream keeps.
const KEPT_MAP_BYTES: usize = 8 << 10;

impl MapSlot {
    /// Puts a map in the embedder's form here.
    pub fn put(&mut self, source: Box<dyn MapSource>) {
        self.clear();
        self.source = Some(source);
        self.present = true;
    }

    /// Puts pairs here.
    pub fn put_map(&mut self, map: ByteMap) {
        self.clear();
        self.map = map;
        (self.present, self.filled, self.change) = (true, true, Change::Rewritten);
    }

    /// Whether there is a map.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// How a plugin changed it, so that the embedder's form does not hold as it is.
    pub fn change(&self) -> Change {
        self.change
    }

    /// The number of pairs; does not fill the map.
    pub fn len(&self) -> usize {
        match &self.source {
            Some(source) if !self.filled => source.len() + self.map.len(),
            _ => self.map.len(),
        }
    }

    /// The bytes of keys and values that are known without filling the map: those that plugins have added, or all once it is
    /// filled.
    pub fn known_bytes(&self) -> usize {
        self.map.byte_len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs, to read. An absent map is empty.
    pub fn read(&mut self) -> &ByteMap {
        if !self.filled {
            self.fill();
        }
        &self.map
    }

    /// The pairs, to change in any way. An absent map becomes present.
    pub fn write(&mut self) -> &mut ByteMap {
        self.read();
        (self.present, self.change) = (true, Change::Rewritten);
        &mut self.map
    }

    /// Adds regular pairs at the end, which does not fill the map. An absent map becomes present.
    pub fn append<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let before = self.map.len();
        self.map.extend(pairs);
        self.present = true;
        if self.change != Change::Rewritten {
            self.change = Change::Appended;
            self.appended += self.map.len() - before;
        }
    }

    /// The pairs by which the map differs from the embedder's form, where they were only appended.
    pub fn appended(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.map.iter().skip(self.map.len() - self.appended)
    }

    /// Takes the embedder's form out, for instance to send it on. The pairs, once filled, stay readable.
    pub fn take_source(&mut self) -> Option<Box<dyn MapSource>> {
        self.source.take()
    }

    /// Fills the map from a source that has all its pairs, also the appended ones, if it is not filled yet: before the source leaves,
    /// so that the pairs stay readable.
    pub fn keep(&mut self, source: &dyn MapSource) {
        if !self.filled {
            self.map.clear();
            source.fill(&mut self.map);
            (self.filled, self.appended) = (true, 0);
        }
    }

    /// Makes the map absent.
    pub fn clear(&mut self) {
        if !self.map.is_empty() {
            self.map.clear();
            self.map.shrink_to(KEPT_MAP_BYTES);
        }
        self.source = None;
        (self.present, self.filled) = (false, false);
        (self.change, self.appended) = (Change::None, 0);
    }

    #[cold]
    fn refill(&mut self, source: &dyn MapSource) {
        let appended = std::mem::take(&mut self.map);
        source.fill(&mut self.map);
        self.map.extend(appended.iter());
    }

    fn fill(&mut self) {
        self.filled = true;
        let Some(source) = self.source.take() else { return };
        if self.map.is_empty() {
            source.fill(&mut self.map);
        } else {
            self.refill(&*source);
        }
        self.source = Some(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_one_stream_only() {
        let mut table = StreamTable::new();
        let first = table.open(1);
        table.get_mut(first).unwrap().reply = Reply::Sent;
        table.close(first);
        table.close(first);
        let second = table.open(2);
        assert_eq!(first.index(), second.index());
        assert!(table.get(first).is_none());
        let stream = table.get(second).unwrap();
        assert_eq!((stream.reply, stream.filters.len()), (Reply::Open, 2));
        assert_eq!(table.len(), 1);
    }

    struct Counted(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl MapSource for Counted {
        fn len(&self) -> usize {
            1
        }
        fn fill(&self, map: &mut ByteMap) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            map.append(b"a", b"1");
        }
    }

    #[test]
    fn filled_once_and_only_when_asked() {
        let fills = std::sync::Arc::default();
        let mut slot = MapSlot::default();
        slot.put(Box::new(Counted(std::sync::Arc::clone(&fills))));
        assert_eq!((slot.len(), slot.change()), (1, Change::None));
        assert_eq!(fills.load(std::sync::atomic::Ordering::Relaxed), 0);
        slot.append([(&b"c"[..], &b"3"[..])].into_iter());
        assert_eq!((slot.len(), slot.change()), (2, Change::Appended));
        assert_eq!(
            fills.load(std::sync::atomic::Ordering::Relaxed),
            0,
            "appending needs no filling"
        );
        assert_eq!(slot.read().iter().last(), Some((&b"c"[..], &b"3"[..])));
        assert_eq!(slot.appended().count(), 1);
        slot.write().append(b"b", b"2");
        assert_eq!(fills.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!((slot.len(), slot.change()), (3, Change::Rewritten));
        assert!(slot.take_source().is_some());
        assert_eq!(slot.read().len(), 3, "still readable after the source is gone");
    }
}
