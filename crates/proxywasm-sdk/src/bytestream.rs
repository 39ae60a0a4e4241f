//! TCP streams, and what handles them.

use crate::action::Action;
use crate::buffer::Buffer;
use crate::grpc::{GrpcCall, GrpcCallResponse, GrpcStream, GrpcStreamEvent};
use crate::grpc_status::GrpcFailure;
use crate::hostcalls::{self, bytestream};
use crate::http_call::{CallFailure, HttpCall, HttpCallEvent, HttpCallResponse};
use crate::plugin::Plugin;
use crate::raw::{self, BufferType};
use crate::status::Result;
use crate::stream::{joined, property};

/// A connection of a client, and the one to its upstream. A view: every call asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bytestream {
    id: u32,
}

/// Which side closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseSource {
    /// Not known.
    Unknown,
    /// The host or a plugin.
    Local,
    /// The peer.
    Remote,
}

/// A plugin that handles TCP streams.
pub trait BytestreamPlugin: Plugin {
    /// What handles a TCP stream.
    type Context: BytestreamContext;

    /// Makes what handles the next TCP stream.
    fn create_bytestream_context(&mut self, stream: &Bytestream) -> Self::Context;
}

/// What handles a TCP stream. A callback is only called if [`plugin!`](crate::plugin) exports it.
///
/// A callback that fails closes the stream, with a line in the log.
///
/// ```
/// use proxywasm_sdk::{Action, Bytestream, BytestreamContext, BytestreamPlugin, Plugin, PluginContext, Result, plugin};
///
/// /// Sends what comes from clients to the upstream in upper case.
/// struct Upper;
///
/// impl Plugin for Upper {
///     fn on_start(_: &PluginContext, _: &[u8]) -> Result<Self, String> {
///         Ok(Self)
///     }
/// }
///
/// impl BytestreamPlugin for Upper {
///     type Context = Self;
///
///     fn create_bytestream_context(&mut self, _: &Bytestream) -> Self {
///         Self
///     }
/// }
///
/// impl BytestreamContext for Upper {
///     fn on_downstream_data(&mut self, stream: &Bytestream, _: usize, _: bool) -> Result<Action> {
///         let data = stream.downstream_data();
///         data.replace(&data.read()?.to_ascii_uppercase())?;
///         Ok(Action::Forward)
///     }
/// }
///
/// plugin!(Upper: bytestream(downstream_data));
/// ```
pub trait BytestreamContext: 'static {
    /// A client has connected. [`Action::Pause`] holds the connection to the upstream back until
    /// [`Bytestream::resume_downstream`].
    ///
    /// # Errors
    /// Close the stream.
    fn on_new_connection(&mut self, stream: &Bytestream) -> Result<Action> {
        let _ = stream;
        Ok(Action::Forward)
    }

    /// Data from the downstream is there: `data_size` bytes, with those that earlier calls held. At `end_of_stream` nothing follows;
    /// after [`Action::WaitForEndOrFull`] false says that the host's buffer is full.
    ///
    /// # Errors
    /// Close the stream.
    fn on_downstream_data(
        &mut self,
        stream: &Bytestream,
        data_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let _ = (stream, data_size, end_of_stream);
        Ok(Action::Forward)
    }

    /// The connection to the downstream is closed.
    fn on_downstream_close(&mut self, stream: &Bytestream, source: CloseSource) {
        let _ = (stream, source);
    }

    /// Data from the upstream is there: `data_size` bytes, with those that earlier calls held. At `end_of_stream` nothing follows;
    /// after [`Action::WaitForEndOrFull`] false says that the host's buffer is full.
    ///
    /// # Errors
    /// Close the stream.
    fn on_upstream_data(
        &mut self,
        stream: &Bytestream,
        data_size: usize,
        end_of_stream: bool,
    ) -> Result<Action> {
        let _ = (stream, data_size, end_of_stream);
        Ok(Action::Forward)
    }

    /// The connection to the upstream is closed.
    fn on_upstream_close(&mut self, stream: &Bytestream, source: CloseSource) {
        let _ = (stream, source);
    }

    /// An HTTP call that a callback of this context made is answered, or has failed. Legal actions are those of
    /// [`Plugin::on_http_call_response`].
    ///
    /// # Errors
    /// Close the stream, and the call.
    fn on_http_call_response(
        &mut self,
        stream: &Bytestream,
        call: HttpCall,
        response: Result<HttpCallResponse, CallFailure>,
    ) -> Result<Action> {
        let _ = (stream, call, response);
        Ok(Action::Forward)
    }

    /// The answer to an HTTP call that a callback of this context made goes on. Legal actions are those of
    /// [`Plugin::on_http_call_event`].
    ///
    /// # Errors
    /// Close the stream, and the call.
    fn on_http_call_event(
        &mut self,
        stream: &Bytestream,
        call: HttpCall,
        event: HttpCallEvent,
    ) -> Result<Action> {
        let _ = (stream, call, event);
        Ok(Action::Forward)
    }

    /// A unary gRPC call that a callback of this context made is answered, or has failed. Legal actions are those of
    /// [`Plugin::on_grpc_call_response`].
    ///
    /// # Errors
    /// Close the stream, and the call.
    fn on_grpc_call_response(
        &mut self,
        stream: &Bytestream,
        call: GrpcCall,
        response: Result<GrpcCallResponse, GrpcFailure>,
    ) -> Result<Action> {
        let _ = (stream, call, response);
        Ok(Action::Forward)
    }

    /// Something happens on a gRPC stream that a callback of this context opened. Legal actions are those of
    /// [`Plugin::on_grpc_stream_event`].
    ///
    /// # Errors
    /// Close both streams.
    fn on_grpc_stream_event(
        &mut self,
        stream: &Bytestream,
        grpc: GrpcStream,
        event: GrpcStreamEvent,
    ) -> Result<Action> {
        let _ = (stream, grpc, event);
        Ok(Action::Forward)
    }

    /// The stream is over; this is the place for an access log.
    fn on_finalize(&mut self, stream: &Bytestream) {
        let _ = stream;
    }
}

// === impl Bytestream ===

impl Bytestream {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number, unique among the streams that the instance of the module handles at a time.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What is held of the data that the downstream sent.
    pub const fn downstream_data(&self) -> Buffer {
        Buffer::new(self.id, BufferType::DOWNSTREAM_DATA)
    }

    /// What is held of the data that the upstream sent.
    pub const fn upstream_data(&self) -> Buffer {
        Buffer::new(self.id, BufferType::UPSTREAM_DATA)
    }

    /// A property of the stream, such as `["source", "address"]`.
    ///
    /// # Errors
    /// `not_found` if there is none, or it has no value yet; `not_allowed` if the host hides it.
    pub fn property(&self, path: &[&str]) -> Result<Vec<u8>> {
        property(self.id, path)
    }

    /// Sets a property that this plugin, and those behind it in the chain, can read.
    ///
    /// # Errors
    /// `not_allowed` if it is the host's, `unavailable` if there are too many.
    pub fn set_property(&self, path: &[&str], value: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        hostcalls::set_property(self.id, &joined(path), value.as_ref())
    }

    /// Lets data from the downstream flow again after [`Action::Pause`].
    ///
    /// # Errors
    /// `invalid_operation` if it is not paused.
    pub fn resume_downstream(&self) -> Result<()> {
        bytestream::resume_downstream(self.id)
    }

    /// Lets data from the upstream flow again after [`Action::Pause`].
    ///
    /// # Errors
    /// `invalid_operation` if it is not paused.
    pub fn resume_upstream(&self) -> Result<()> {
        bytestream::resume_upstream(self.id)
    }

    /// Closes the connection to the downstream, after what was forwarded to it has been written.
    ///
    /// # Errors
    /// `invalid_operation` if it is closed.
    pub fn close_downstream(&self) -> Result<()> {
        bytestream::close_downstream(self.id)
    }

    /// Closes the connection to the upstream, after what was forwarded to it has been written.
    ///
    /// # Errors
    /// `invalid_operation` if it is closed.
    pub fn close_upstream(&self) -> Result<()> {
        bytestream::close_upstream(self.id)
    }
}

// === impl CloseSource ===

impl From<raw::CloseSource> for CloseSource {
    fn from(source: raw::CloseSource) -> Self {
        match source {
            raw::CloseSource::LOCAL => Self::Local,
            raw::CloseSource::REMOTE => Self::Remote,
            _ => Self::Unknown,
        }
    }
}
