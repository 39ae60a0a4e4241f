//! The hostcalls of wasi-http: decode, call the core, encode.

use crate::HttpView;
use crate::bindings::types::{Ciovec, Iovec};
use crate::bindings::wasi_http::WasiHttp;
use crate::calls::{CallRequest, Calls};
use crate::core::Http;
use crate::local_response::LocalResponse;
use bytes::Bytes;
use std::iter;
use std::time::Duration;
use wasi_common::guest::{gather, return_all};
use wasi_common::packed::{Layout, unpack};
use wasi_common::{ByteMap, Common, Direction, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-http work on.
pub struct Host<'a> {
    common: &'a mut Common,
    http: &'a mut Http,
}

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
        let limit = self.argument_bytes();
        let headers = gather(memory, headers, limit)?;
        let body = gather(memory, body, limit)?;
        let response = LocalResponse {
            status: u16::try_from(status_code).unwrap_or(0),
            headers: map(&headers)?,
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

    fn dispatch_http_call(
        &mut self,
        memory: &mut GuestMemory<'_>,
        upstream_name: GuestPtr<[Ciovec]>,
        headers: GuestPtr<[Ciovec]>,
        body: GuestPtr<[Ciovec]>,
        trailers: GuestPtr<[Ciovec]>,
        timeout: u32,
    ) -> Result<u32, Status> {
        let limit = self.argument_bytes();
        let upstream = gather(memory, upstream_name, limit)?;
        let request = CallRequest {
            upstream: Bytes::copy_from_slice(&upstream),
            headers: map(&gather(memory, headers, limit)?)?,
            body: Bytes::copy_from_slice(&gather(memory, body, limit)?),
            trailers: map(&gather(memory, trailers, limit)?)?,
            timeout: (timeout > 0).then(|| Duration::from_millis(timeout.into())),
        };
        self.http.calls.dispatch(self.common, request)
    }

    fn close_http_call(&mut self, _: &mut GuestMemory<'_>, callout_id: u32) -> Result<(), Status> {
        self.http.calls.close(self.common, callout_id)
    }

    fn resume_http_call(&mut self, _: &mut GuestMemory<'_>, callout_id: u32) -> Result<(), Status> {
        self.http.calls.resume(self.common, callout_id)
    }

    fn get_callout_status(
        &mut self,
        memory: &mut GuestMemory<'_>,
        callout_id: u32,
        return_code: GuestPtr<u32>,
        return_message: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let status = Calls::status(self.common, callout_id)?;
        // A place that cannot be written to is found out before anything is written.
        memory.read(return_code)?;
        let message = &status.message;
        return_all(
            memory,
            return_message,
            return_size,
            message.len(),
            iter::once(&message[..]),
        )?;
        memory.write(return_code, status.code)?;
        Ok(())
    }
}

impl Host<'_> {
    fn argument_bytes(&self) -> usize {
        self.common
            .current_settings()
            .map_or(0, |settings| settings.limits.argument_bytes)
    }
}

fn map(block: &[u8]) -> Result<ByteMap, Status> {
    let pairs = unpack(block, Layout::Flat).map_err(|_| Status::BadArgument)?;
    Ok(pairs.into_iter().collect())
}
