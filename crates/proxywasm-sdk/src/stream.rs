//! HTTP streams and plugins, as the host knows them.

use crate::buffer::Buffer;
use crate::hostcalls::{self, Region};
use crate::map::Map;
use crate::pairs;
use crate::raw::{BufferType, MapType};
use crate::status::Result;

/// What most properties fit into, in bytes.
const USUAL_SIZE: usize = 64;

/// A request and its response. A view: every call asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HttpStream {
    id: u32,
}

/// A plugin: one configuration of the module. A view: every call asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PluginContext {
    id: u32,
}

/// A response that a plugin sends itself.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    status_code: u16,
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
    grpc_status: Option<u8>,
}

// === impl HttpStream ===

impl HttpStream {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number, unique among the streams that the instance of the module handles at a time.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The headers of the request, and `:method`, `:path`, `:authority` and `:scheme` before them.
    pub const fn request_headers(&self) -> Map {
        Map::new(self.id, MapType::HTTP_REQUEST_HEADERS)
    }

    /// What is held of the body of the request.
    pub const fn request_body(&self) -> Buffer {
        Buffer::new(self.id, BufferType::HTTP_REQUEST_BODY)
    }

    /// The trailers of the request.
    pub const fn request_trailers(&self) -> Map {
        Map::new(self.id, MapType::HTTP_REQUEST_TRAILERS)
    }

    /// The HTTP/2 METADATA frame of the request that is being delivered.
    pub const fn request_metadata(&self) -> Map {
        Map::new(self.id, MapType::HTTP_REQUEST_METADATA)
    }

    /// The headers of the response, and `:status` before them.
    pub const fn response_headers(&self) -> Map {
        Map::new(self.id, MapType::HTTP_RESPONSE_HEADERS)
    }

    /// What is held of the body of the response.
    pub const fn response_body(&self) -> Buffer {
        Buffer::new(self.id, BufferType::HTTP_RESPONSE_BODY)
    }

    /// The trailers of the response.
    pub const fn response_trailers(&self) -> Map {
        Map::new(self.id, MapType::HTTP_RESPONSE_TRAILERS)
    }

    /// The HTTP/2 METADATA frame of the response that is being delivered.
    pub const fn response_metadata(&self) -> Map {
        Map::new(self.id, MapType::HTTP_RESPONSE_METADATA)
    }

    /// A property of the stream, such as `["request", "path"]`.
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

    /// Answers the request in place of the upstream, when the callback that is running has returned; its
    /// action does not matter.
    ///
    /// # Errors
    /// `bad_argument` for a status code outside 200 to 599 or headers that HTTP forbids; `invalid_operation`
    /// if the head of a response has been sent.
    pub fn send_response(&self, response: &Response<'_>) -> Result<()> {
        let headers = pairs::block(&response.headers);
        let grpc_status = response.grpc_status.map_or(-1, i32::from);
        hostcalls::send_http_response(
            self.id,
            response.status_code,
            &headers,
            response.body,
            grpc_status,
        )
    }

    /// Lets the request go on after [`Action::Pause`](crate::Action::Pause).
    ///
    /// # Errors
    /// `invalid_operation` if it is not paused.
    pub fn resume_request(&self) -> Result<()> {
        hostcalls::resume_http_request(self.id)
    }

    /// Lets the response go on after [`Action::Pause`](crate::Action::Pause).
    ///
    /// # Errors
    /// `invalid_operation` if it is not paused.
    pub fn resume_response(&self) -> Result<()> {
        hostcalls::resume_http_response(self.id)
    }

    /// Closes the request at once, which resets the stream. No response is sent.
    ///
    /// # Errors
    /// `invalid_operation` if it is closed.
    pub fn close_request(&self) -> Result<()> {
        hostcalls::close_http_request(self.id)
    }

    /// Closes the response at once, which resets the stream.
    ///
    /// # Errors
    /// `invalid_operation` if it is closed.
    pub fn close_response(&self) -> Result<()> {
        hostcalls::close_http_response(self.id)
    }
}

// === impl PluginContext ===

impl PluginContext {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number, unique among the plugins of the instance of the module.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Its configuration, at any time.
    ///
    /// # Errors
    /// None but the host's failures.
    pub fn configuration(&self) -> Result<Vec<u8>> {
        Buffer::new(self.id, BufferType::PLUGIN_CONFIGURATION).read()
    }

    /// A property of the plugin, such as `["plugin_name"]`.
    ///
    /// # Errors
    /// `not_found` if there is none; `not_allowed` if the host hides it.
    pub fn property(&self, path: &[&str]) -> Result<Vec<u8>> {
        property(self.id, path)
    }

    /// Tells that a shutdown which [`Plugin::on_shutdown`](crate::Plugin::on_shutdown) put off is complete.
    ///
    /// # Errors
    /// `invalid_operation` if none was put off.
    pub fn complete_shutdown(&self) -> Result<()> {
        hostcalls::plugin_shutdown(self.id)
    }
}

pub(crate) fn property(id: u32, path: &[&str]) -> Result<Vec<u8>> {
    let mut value = Vec::with_capacity(USUAL_SIZE);
    hostcalls::get_property(id, &joined(path), &mut value)?;
    Ok(value)
}

/// The segments of a path with a NUL between them.
pub(crate) fn joined<'a>(path: &[&'a str]) -> Vec<Region<'a>> {
    let mut regions = Vec::with_capacity(2 * path.len());
    for (index, segment) in path.iter().enumerate() {
        if index > 0 {
            regions.push(Region::new(b"\0"));
        }
        regions.push(Region::new(segment.as_bytes()));
    }
    regions
}

// === impl Response ===

impl<'a> Response<'a> {
    /// A response without headers and body; the status code is 200 to 599.
    pub const fn new(status_code: u16) -> Self {
        Self {
            status_code,
            headers: Vec::new(),
            body: &[],
            grpc_status: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.headers.push((name.as_bytes(), value.as_ref()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.body = body.as_ref();
        self
    }

    /// Sets the status that a gRPC request gets in place of the HTTP status, 0 to 16. Other requests do not
    /// see it.
    #[must_use]
    pub const fn grpc_status(mut self, grpc_status: u8) -> Self {
        self.grpc_status = Some(grpc_status);
        self
    }
}
