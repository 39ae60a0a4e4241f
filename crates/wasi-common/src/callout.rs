//! Callouts as plugins see them: the calls that they make themselves, and what may be read of the answers now.
//!
//! HTTP and gRPC callouts take their ids from one counter. How a callout goes on is the matter of its component; here is only what
//! buffers, maps and statuses are read from.

use crate::buffer::Buffer;
use crate::handle::HandleTable;
use crate::map::ByteMap;
use crate::{Action, BufferType, MapType, Status};
use bytes::Bytes;

/// The callouts of one instance.
#[derive(Default)]
pub struct CalloutTable {
    callouts: HandleTable<Callout>,
}

/// A callout: what its plugin can read of it now. What is `None` has not come, or can no longer be read.
pub struct Callout {
    /// What kind of call it is.
    pub kind: CalloutKind,
    /// The headers of the answer, or the initial metadata.
    pub headers: Option<ByteMap>,
    /// The body of the answer, the piece of it that is being delivered, or the message.
    pub body: Option<Buffer>,
    /// The trailers of the answer, or the trailing metadata.
    pub trailers: Option<ByteMap>,
    /// How it ended, once it has.
    pub status: Option<CalloutStatus>,
}

/// The kinds of callouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalloutKind {
    /// An HTTP request.
    Http,
    /// A unary gRPC call.
    GrpcCall,
    /// A gRPC stream.
    GrpcStream,
}

/// How a callout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalloutStatus {
    /// For HTTP a number of [`Status`], for gRPC the gRPC status.
    pub code: u32,
    /// The reason, or the message that came with the status.
    pub message: Bytes,
}

/// What was in the way of a callout that got no answer, or not all of it: for whoever carries it out, not for its plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalloutFault {
    /// It cannot be sent as the plugin gave it.
    Unsendable,
    /// No connection could be made.
    Connect,
    /// None was there in time.
    ConnectTimeout,
    /// The connection broke, or what came is no answer.
    Broken,
}

/// Whether the next callback of a callout can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CalloutFlow {
    /// It can.
    #[default]
    Open,
    /// One is running.
    Calling {
        /// Whether it has asked to go on, which cancels the pause that it may return.
        resumed: bool,
    },
    /// The plugin has paused the callout.
    Held,
}

/// What a custom callback that is running was called with.
#[derive(Debug, Clone)]
pub struct CustomParameters {
    /// The plugin that is called.
    pub plugin_id: u32,
    /// The number of the callback.
    pub callback_id: u32,
    /// The parameters, as a packed list.
    pub block: Bytes,
}

// === impl CalloutTable ===

impl CalloutTable {
    /// Begins a callout of `plugin_id`, which may have at most `limit` of them.
    ///
    /// # Errors
    /// `unavailable` where it has that many.
    pub fn open(&mut self, plugin_id: u32, limit: usize, kind: CalloutKind) -> Result<u32, Status> {
        self.callouts.insert(plugin_id, limit, Callout::new(kind))
    }

    /// A callout of `plugin_id`.
    ///
    /// # Errors
    /// `bad_argument` where there is no such callout, `not_allowed` where it is another plugin's.
    pub fn get_mut(&mut self, plugin_id: u32, id: u32) -> Result<&mut Callout, Status> {
        self.callouts.get_mut(plugin_id, id)
    }

    /// Like [`CalloutTable::get_mut`], to look only.
    ///
    /// # Errors
    /// As [`CalloutTable::get_mut`].
    pub fn get(&self, plugin_id: u32, id: u32) -> Result<&Callout, Status> {
        self.callouts.get(plugin_id, id)
    }

    /// The plugin that owns a callout, if there is one of this id.
    pub fn owner(&self, id: u32) -> Option<u32> {
        self.callouts.owner(id)
    }

    /// Ends a callout: its id is void from now on.
    pub fn close(&mut self, id: u32) {
        if let Some(owner) = self.callouts.owner(id) {
            // It is there, and whose it is was just asked.
            let _closed = self.callouts.remove(owner, id);
        }
    }

    pub(crate) fn buffer(&self, plugin_id: u32, id: u32, buffer: BufferType) -> Result<&Buffer, Status> {
        let callout = self.get(plugin_id, id)?;
        let of_kind = match buffer {
            BufferType::HttpCallResponseBody => callout.kind == CalloutKind::Http,
            BufferType::GrpcMessage => callout.kind.is_grpc(),
            _ => return Err(Status::BadArgument),
        };
        if !of_kind {
            return Err(Status::BadArgument);
        }
        callout.body.as_ref().ok_or(Status::InvalidOperation)
    }

    pub(crate) fn map(&self, plugin_id: u32, id: u32, map: MapType) -> Result<&ByteMap, Status> {
        let callout = self.get(plugin_id, id)?;
        let is_grpc = callout.kind.is_grpc();
        let slot = match map {
            MapType::HttpCallResponseHeaders if !is_grpc => &callout.headers,
            MapType::HttpCallResponseTrailers if !is_grpc => &callout.trailers,
            MapType::GrpcInitialMetadata if is_grpc => &callout.headers,
            MapType::GrpcTrailingMetadata if is_grpc => &callout.trailers,
            _ => return Err(Status::BadArgument),
        };
        slot.as_ref().ok_or(Status::InvalidOperation)
    }
}

// === impl CalloutFlow ===

impl CalloutFlow {
    /// The plugin asks to go on. Returns whether something was held, which can be told now.
    ///
    /// # Errors
    /// `invalid_operation` where nothing is paused.
    pub fn resume(&mut self) -> Result<bool, Status> {
        match *self {
            Self::Held => {
                *self = Self::Open;
                Ok(true)
            }
            Self::Calling { resumed: false } => {
                *self = Self::Calling { resumed: true };
                Ok(false)
            }
            Self::Open | Self::Calling { resumed: true } => Err(Status::InvalidOperation),
        }
    }

    /// Whether a plugin may return `action` from a callback of a callout.
    pub fn allows(action: Action) -> bool {
        matches!(action, Action::Forward | Action::Pause | Action::Close)
    }
}

// === impl Callout ===

impl Callout {
    fn new(kind: CalloutKind) -> Self {
        Self {
            kind,
            headers: None,
            body: None,
            trailers: None,
            status: None,
        }
    }

    /// Takes the right to read away: the callback has returned, and the callout goes on.
    pub fn seal(&mut self) {
        (self.headers, self.body, self.trailers) = (None, None, None);
    }
}

impl CalloutKind {
    /// Whether it is one of gRPC.
    pub fn is_grpc(self) -> bool {
        self != Self::Http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming() {
        let calling = |resumed| CalloutFlow::Calling { resumed };
        let refused = Err(Status::InvalidOperation);
        let table = [
            (CalloutFlow::Open, refused, CalloutFlow::Open),
            (calling(false), Ok(false), calling(true)),
            (calling(true), refused, calling(true)),
            (CalloutFlow::Held, Ok(true), CalloutFlow::Open),
        ];
        for (flow, expected, after) in table {
            let mut resumed = flow;
            assert_eq!((resumed.resume(), resumed), (expected, after), "{flow:?}");
        }
    }

    #[test]
    fn what_can_be_read() {
        let mut table = CalloutTable::default();
        let http = table.open(1, 2, CalloutKind::Http).unwrap();
        let grpc = table.open(1, 2, CalloutKind::GrpcCall).unwrap();
        assert_eq!(
            table.open(1, 2, CalloutKind::GrpcStream),
            Err(Status::Unavailable)
        );
        table.get_mut(1, http).unwrap().headers = Some(ByteMap::default());
        table.get_mut(1, grpc).unwrap().body = Some(Buffer::default());
        let maps = [
            (1, http, MapType::HttpCallResponseHeaders, Ok(())),
            (
                1,
                http,
                MapType::HttpCallResponseTrailers,
                Err(Status::InvalidOperation),
            ),
            (1, http, MapType::GrpcInitialMetadata, Err(Status::BadArgument)),
            (2, http, MapType::HttpCallResponseHeaders, Err(Status::NotAllowed)),
            (1, 99, MapType::HttpCallResponseHeaders, Err(Status::BadArgument)),
            (
                1,
                grpc,
                MapType::GrpcInitialMetadata,
                Err(Status::InvalidOperation),
            ),
            (
                1,
                grpc,
                MapType::HttpCallResponseHeaders,
                Err(Status::BadArgument),
            ),
        ];
        for (plugin_id, id, map, expected) in maps {
            assert_eq!(
                table.map(plugin_id, id, map).map(|_| ()),
                expected,
                "{id} {map:?}"
            );
        }
        let buffers = [
            (grpc, BufferType::GrpcMessage, Ok(())),
            (grpc, BufferType::HttpCallResponseBody, Err(Status::BadArgument)),
            (
                http,
                BufferType::HttpCallResponseBody,
                Err(Status::InvalidOperation),
            ),
        ];
        for (id, buffer, expected) in buffers {
            assert_eq!(
                table.buffer(1, id, buffer).map(|_| ()),
                expected,
                "{id} {buffer:?}"
            );
        }
        table.get_mut(1, http).unwrap().seal();
        assert_eq!(
            table.map(1, http, MapType::HttpCallResponseHeaders).map(|_| ()),
            Err(Status::InvalidOperation)
        );
        table.close(http);
        assert_eq!(table.owner(http), None);
    }
}
