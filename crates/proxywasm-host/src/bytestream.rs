//! Byte streams: the events of their drivers. The rest of [`Host`] is the same for all streams.

use crate::host::{Host, StreamId};
use crate::plugin::FilterChain;
use crate::stream::{Connections, Hold, Kind, LaneState, Piece, of};
use bytes::Bytes;
use wasi_bytestream::Side;
use wasi_common::{Buffer, CloseSource, Direction, PropertySource};
use wasi_http::{Part, Phase};

impl Host {
    /// Begins a byte stream, such as a TCP connection of a client and the one to its upstream: each plugin of the chain gets a context
    /// for it. `properties` answers what only the driver knows. [`Host::new_connection`] comes next.
    ///
    /// ```
    /// use proxywasm_host::{CloseSource, FilterChain, Host, MemorySink, Output};
    ///
    /// let mut host = Host::new(std::sync::Arc::new(MemorySink::default()));
    /// let stream = host.open_bytestream(&FilterChain::new(vec![]), None);
    /// host.new_connection(stream);
    /// assert!(matches!(host.next_output(stream), Some(Output::ConnectUpstream)));
    /// host.downstream_data(stream, "hello".into(), true);
    /// match host.next_output(stream) {
    ///     Some(Output::UpstreamData { data, end_of_stream }) => assert_eq!((&data[..], end_of_stream), (&b"hello"[..], true)),
    ///     other => panic!("{other:?}"),
    /// }
    /// assert!(host.is_bypassed(stream), "there is no plugin that wants to see more");
    /// host.upstream_data(stream, "".into(), true);
    /// assert!(matches!(host.next_output(stream), Some(Output::DownstreamData { end_of_stream: true, .. })));
    /// host.upstream_closed(stream, CloseSource::Remote);
    /// host.downstream_closed(stream, CloseSource::Remote);
    /// host.finish(stream);
    /// ```
    pub fn open_bytestream(
        &mut self,
        chain: &FilterChain,
        properties: Option<Box<dyn PropertySource>>,
    ) -> StreamId {
        self.begin_stream(chain, properties, Kind::Bytestream(Connections::default()))
    }

    /// A client has connected. Where plugins agree, [`Output::ConnectUpstream`](crate::Output::ConnectUpstream) comes out.
    pub fn new_connection(&mut self, id: StreamId) {
        let piece = Piece::Headers { end_of_stream: false };
        self.put_bytes(id, Direction::Request, piece);
    }

    /// Data has come from the downstream. With `end_of_stream` it sends no more.
    pub fn downstream_data(&mut self, id: StreamId, data: Bytes, end_of_stream: bool) {
        self.data(id, Side::Downstream, data, end_of_stream);
    }

    /// Data has come from the upstream. With `end_of_stream` it sends no more.
    pub fn upstream_data(&mut self, id: StreamId, data: Bytes, end_of_stream: bool) {
        self.data(id, Side::Upstream, data, end_of_stream);
    }

    /// The connection to the downstream is closed: nothing comes from it and nothing can be written to it. If it had not ended what
    /// it sent, it broke off, and the stream is reset; else the upstream gets that to its end, and is closed then.
    pub fn downstream_closed(&mut self, id: StreamId, source: CloseSource) {
        self.connection_closed(id, Side::Downstream, source);
    }

    /// The connection to the upstream is closed, or cannot be made; see [`Host::downstream_closed`].
    pub fn upstream_closed(&mut self, id: StreamId, source: CloseSource) {
        self.connection_closed(id, Side::Upstream, source);
    }

    /// Whether no plugin will be called for data of a byte stream any more and none of it is in the host: the driver may move the rest by
    /// itself, as long as there are no outputs. It still tells the host when a connection closes.
    pub fn is_bypassed(&self, id: StreamId) -> bool {
        let Some(stream) = self.states.get(id.0.index()) else {
            return false;
        };
        let Kind::Bytestream(connections) = &stream.kind else {
            return false;
        };
        let passes = |direction| {
            let part = Phase::new(direction, Part::Body);
            stream.filters.iter().all(|filter| {
                let lane: &LaneState = of(filter.lanes.each_ref(), direction);
                (lane.bypassed || !filter.phases.contains(part))
                    && lane.hold == Hold::None
                    && lane.unseen.is_empty()
                    && !lane.ended
            })
        };
        let is_done = |direction| of(connections.sent_end, direction) || passes(direction);
        stream.key == Some(id.0)
            && stream.outputs.is_empty()
            && stream.is_open(Direction::Request)
            && connections.connects
            && !connections.closing
            && is_done(Direction::Request)
            && is_done(Direction::Response)
    }

    fn data(&mut self, id: StreamId, side: Side, data: Bytes, end_of_stream: bool) {
        let direction = side.direction();
        if end_of_stream && let Some(connections) = self.stream(id.0).and_then(|stream| stream.connections())
        {
            *of(connections.received_end.each_mut(), direction) = true;
        }
        let piece = Piece::Body {
            data: Buffer::from(data),
            end_of_stream,
        };
        self.put_bytes(id, direction, piece);
    }

    fn put_bytes(&mut self, id: StreamId, direction: Direction, piece: Piece) {
        let Some(stream) = self.stream(id.0).filter(|stream| stream.takes(direction)) else {
            return;
        };
        if stream.connections().is_none() {
            return;
        }
        let place = stream.entry(direction);
        self.send_in(id.0, place, direction, piece);
    }
}
