//! The hostcalls of wasi-http: decode, call the core, encode.

use crate::HttpView;
use crate::bindings::types::{Ciovec, Iovec};
use crate::bindings::wasi_http::WasiHttp;
use crate::core::Http;
use crate::local_response::LocalResponse;
use bytes::Bytes;
use wasi_common::guest::gather;
use wasi_common::packed::{Layout, unpack};
use wasi_common::{Common, Direction, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-http work on.
pub struct Host<'a> {
    common: &'a mut Common,
    http: &'a mut Http,
}

/// Hostcalls of the interface that answer `unimplemented`: the calls that plugins make themselves are not offered yet.
pub const UNOFFERED: [&str; 4] = [
    "dispatch_http_call",
    "close_http_call",
    "resume_http_call",
    "get_callout_status",
];

impl<T: HttpView> crate::bindings::WasiHttpView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_http(&mut self) -> Host<'_> {
        let (common, http) = self.http();
        Host { common, http }
    }
}

impl WasiHttp for Host<'_> {
    fn send_http_response(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        status_code: u32,
        headers: GuestPtr<[Ciovec]>,
        body: GuestPtr<[Ciovec]>,
        grpc_status: i32,
    ) -> Result<(), Status> {
        let limit = self
            .common
            .current_settings()
            .map_or(0, |settings| settings.limits.argument_bytes);
        let headers = gather(memory, headers, limit)?;
        let body = gather(memory, body, limit)?;
        let response = LocalResponse {
            status: u16::try_from(status_code).unwrap_or(0),
            headers: unpack(&headers, Layout::Flat)
                .map_err(|_| Status::BadArgument)?
                .into_iter()
                .collect(),
            body: Bytes::copy_from_slice(&body),
            grpc_status: u32::try_from(grpc_status).ok(),
            details: Bytes::new(),
        };
        self.http.respond(self.common, context_id, response)
    }

    fn resume_http_request(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.http.resume(self.common, context_id, Direction::Request)
    }

    fn resume_http_response(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.http.resume(self.common, context_id, Direction::Response)
    }

    fn close_http_request(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.http.close(self.common, context_id)
    }

    fn close_http_response(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.http.close(self.common, context_id)
    }

    // Calls of plugins are not offered yet, and say so.

    fn dispatch_http_call(
        &mut self,
        _: &mut GuestMemory<'_>,
        _: GuestPtr<[Ciovec]>,
        _: GuestPtr<[Ciovec]>,
        _: GuestPtr<[Ciovec]>,
        _: GuestPtr<[Ciovec]>,
        _: u32,
    ) -> Result<u32, Status> {
        Err(Status::Unimplemented)
    }

    fn close_http_call(&mut self, _: &mut GuestMemory<'_>, _: u32) -> Result<(), Status> {
        Err(Status::Unimplemented)
    }

    fn resume_http_call(&mut self, _: &mut GuestMemory<'_>, _: u32) -> Result<(), Status> {
        Err(Status::Unimplemented)
    }

    fn get_callout_status(
        &mut self,
        _: &mut GuestMemory<'_>,
        _: u32,
        _: GuestPtr<u32>,
        _: GuestPtr<[Iovec]>,
        _: GuestPtr<u32>,
    ) -> Result<(), Status> {
        Err(Status::Unimplemented)
    }
}
