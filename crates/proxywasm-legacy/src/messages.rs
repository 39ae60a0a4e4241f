//! The callbacks of HTTP messages.

use crate::actions;
use crate::callbacks::{Callbacks, Optional, call, set_scope};
use crate::view::LegacyView;
use bytes::Bytes;
use wasi_common::guest::{CallbackTypeError, Exports, callback};
use wasi_common::{Action, BufferType, Direction};
use wasi_http::{HttpCallbacks, Part, Phase, Returned};
use wasmtime::{AsContextMut, StoreContextMut, TypedFunc};

/// The callbacks of one direction of an HTTP stream.
pub(crate) struct Message {
    headers: Option<HeadersCallback>,
    body: Optional<(u32, u32, u32), u32>,
    trailers: Optional<(u32, u32), u32>,
    metadata: Optional<(u32, u32), u32>,
    names: &'static Names,
}

/// A headers callback, with and without the parameter that says whether the message ends.
enum HeadersCallback {
    WithEnd(TypedFunc<(u32, u32, u32), u32>),
    WithoutEnd(TypedFunc<(u32, u32), u32>),
}

/// The exports of one direction.
struct Names {
    headers: &'static str,
    body: &'static str,
    trailers: &'static str,
    metadata: &'static str,
}

const REQUEST: Names = Names {
    headers: "proxy_on_request_headers",
    body: "proxy_on_request_body",
    trailers: "proxy_on_request_trailers",
    metadata: "proxy_on_request_metadata",
};

const RESPONSE: Names = Names {
    headers: "proxy_on_response_headers",
    body: "proxy_on_response_body",
    trailers: "proxy_on_response_trailers",
    metadata: "proxy_on_response_metadata",
};

impl<T: LegacyView + 'static> HttpCallbacks<T> for Callbacks {
    fn exports(&self, phase: Phase) -> bool {
        let message = self.message(phase.direction);
        match phase.part {
            Part::Headers => message.headers.is_some(),
            Part::Body => message.body.is_some(),
            Part::Trailers => message.trailers.is_some(),
            Part::Metadata => message.metadata.is_some(),
        }
    }

    #[inline]
    fn headers(
        &self,
        mut store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_headers: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned> {
        let message = self.message(direction);
        let Some(callback) = &message.headers else {
            return Ok(Ok(Action::Forward));
        };
        set_scope(&mut store, message.names.headers, context_id);
        let number = match callback {
            HeadersCallback::WithEnd(callback) => callback.call(
                store.as_context_mut(),
                (context_id, num_headers, u32::from(end_of_stream)),
            )?,
            HeadersCallback::WithoutEnd(callback) => {
                callback.call(store.as_context_mut(), (context_id, num_headers))?
            }
        };
        if number == 0 {
            return Ok(Ok(Action::Forward));
        }
        let parts = store.data_mut().legacy();
        let pause = parts.legacy.options(parts.common.scope.plugin_id).headers_pause;
        Ok(Ok(actions::headers(number, end_of_stream, pause)))
    }

    #[inline]
    fn body(
        &self,
        mut store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        size: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned> {
        let message = self.message(direction);
        let arguments = (context_id, size, u32::from(end_of_stream));
        let number = call(
            &message.body,
            &mut store,
            message.names.body,
            context_id,
            arguments,
        )?;
        let returned = actions::body(number.unwrap_or(0), end_of_stream);
        if returned.discard {
            let buffer = match direction {
                Direction::Request => BufferType::HttpRequestBody,
                Direction::Response => BufferType::HttpResponseBody,
            };
            let common = store.data_mut().common();
            // It fails only where the buffer has gone in the meantime, and then there is nothing to drop.
            let _gone = common.splice_buffer(context_id, buffer, 0, u32::MAX, Bytes::new());
        }
        Ok(Ok(returned.action))
    }

    #[inline]
    fn trailers(
        &self,
        mut store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_trailers: u32,
    ) -> wasmtime::Result<Returned> {
        let message = self.message(direction);
        let arguments = (context_id, num_trailers);
        let number = call(
            &message.trailers,
            &mut store,
            message.names.trailers,
            context_id,
            arguments,
        )?;
        Ok(Ok(actions::trailers(number.unwrap_or(0))))
    }

    /// Metadata is shown, but a plugin of these ABIs can neither read nor hold it: it always goes on.
    fn metadata(
        &self,
        mut store: StoreContextMut<'_, T>,
        direction: Direction,
        context_id: u32,
        num_elements: u32,
    ) -> wasmtime::Result<Returned> {
        let message = self.message(direction);
        let arguments = (context_id, num_elements);
        call(
            &message.metadata,
            &mut store,
            message.names.metadata,
            context_id,
            arguments,
        )?;
        Ok(Ok(Action::Forward))
    }
}

// === impl Message ===

impl Message {
    /// Looks the callbacks of one direction up.
    pub(crate) fn load(
        mut store: impl AsContextMut,
        exports: Exports<'_>,
        direction: Direction,
    ) -> Result<Self, CallbackTypeError> {
        let names = match direction {
            Direction::Request => &REQUEST,
            Direction::Response => &RESPONSE,
        };
        Ok(Self {
            headers: HeadersCallback::load(&mut store, exports, names.headers)?,
            body: callback(&mut store, exports, names.body)?,
            trailers: callback(&mut store, exports, names.trailers)?,
            metadata: callback(&mut store, exports, names.metadata)?,
            names,
        })
    }
}

// === impl HeadersCallback ===

impl HeadersCallback {
    fn load(
        mut store: impl AsContextMut,
        exports: Exports<'_>,
        name: &str,
    ) -> Result<Option<Self>, CallbackTypeError> {
        let function = exports.instance().get_func(&mut store, name);
        if function.is_some_and(|function| function.ty(&store).params().len() == 2) {
            Ok(callback(&mut store, exports, name)?.map(Self::WithoutEnd))
        } else {
            Ok(callback(&mut store, exports, name)?.map(Self::WithEnd))
        }
    }
}
