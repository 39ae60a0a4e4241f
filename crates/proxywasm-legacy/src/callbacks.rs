//! The callbacks of the older ABIs: what a module exports, and how a host's calls become calls of it.

use crate::actions;
use crate::view::LegacyView;
use bytes::Bytes;
use thiserror::Error;
use wasi_common::guest::{CallbackTypeError, callback};
use wasi_common::{Action, BufferType, ContextType, Direction, LogLevel};
use wasi_context::{ConfigurationSizes, LifecycleCallbacks};
use wasi_http::{HttpCallbacks, Part, Phase, Returned};
use wasi_log::LogCallbacks;
use wasmtime::{AsContextMut, Instance, StoreContextMut, TypedFunc, WasmParams, WasmResults};

/// The callbacks of a module, each if it exports it.
pub struct Callbacks {
    on_context_create: Optional<(u32, u32), ()>,
    on_vm_start: Optional<(u32, u32), u32>,
    on_configure: Optional<(u32, u32), u32>,
    on_done: Optional<u32, u32>,
    on_log: Optional<u32, ()>,
    on_delete: Optional<u32, ()>,
    request: Message,
    response: Message,
}

/// A module cannot be driven as a plugin of the older ABIs.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A callback or the allocator has another type.
    #[error(transparent)]
    Type(#[from] CallbackTypeError),
    /// There is no memory.
    #[error(
        "the module exports no memory called `memory`, through which it would exchange data with its host"
    )]
    NoMemory,
    /// There is no allocator.
    #[error(
        "the module exports neither `proxy_on_memory_allocate` nor `malloc`, one of which its host needs to hand data over; \
         an SDK exports one of them"
    )]
    NoAllocator,
}

type Optional<P, R> = Option<TypedFunc<P, R>>;

/// The callbacks of one direction of an HTTP stream.
struct Message {
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

const ON_CONTEXT_CREATE: &str = "proxy_on_context_create";
const ON_VM_START: &str = "proxy_on_vm_start";
const ON_CONFIGURE: &str = "proxy_on_configure";
const ON_DONE: &str = "proxy_on_done";
const ON_LOG: &str = "proxy_on_log";
const ON_DELETE: &str = "proxy_on_delete";

// === impl Callbacks ===

impl Callbacks {
    /// Looks the callbacks of an instance up, and its allocator, which goes to the data of the store.
    ///
    /// # Errors
    /// The module exports no memory or no allocator, or one of these functions with a type that it cannot have.
    pub fn load<T: LegacyView + 'static>(
        mut store: impl AsContextMut<Data = T>,
        instance: &Instance,
    ) -> Result<Self, LoadError> {
        if instance.get_memory(&mut store, "memory").is_none() {
            return Err(LoadError::NoMemory);
        }
        let allocator = match callback(&mut store, instance, "proxy_on_memory_allocate")? {
            Some(allocator) => allocator,
            None => callback(&mut store, instance, "malloc")?.ok_or(LoadError::NoAllocator)?,
        };
        store.as_context_mut().data_mut().legacy().legacy.allocator = Some(allocator);
        Ok(Self {
            on_context_create: callback(&mut store, instance, ON_CONTEXT_CREATE)?,
            on_vm_start: callback(&mut store, instance, ON_VM_START)?,
            on_configure: callback(&mut store, instance, ON_CONFIGURE)?,
            on_done: callback(&mut store, instance, ON_DONE)?,
            on_log: callback(&mut store, instance, ON_LOG)?,
            on_delete: callback(&mut store, instance, ON_DELETE)?,
            request: Message::load(&mut store, instance, &REQUEST)?,
            response: Message::load(&mut store, instance, &RESPONSE)?,
        })
    }

    #[inline]
    fn message(&self, direction: Direction) -> &Message {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }
}

/// Enters the guest, if it exports the callback.
#[inline]
fn call<T: LegacyView + 'static, P: WasmParams, R: WasmResults>(
    callback: &Optional<P, R>,
    store: &mut StoreContextMut<'_, T>,
    name: &'static str,
    context_id: u32,
    arguments: P,
) -> wasmtime::Result<Option<R>> {
    match callback {
        Some(callback) => {
            set_scope(store, name, context_id);
            callback.call(store.as_context_mut(), arguments).map(Some)
        }
        None => Ok(None),
    }
}

/// Makes the context of a callback the effective one. Whose it is, the host has said before.
#[inline]
fn set_scope<T: LegacyView + 'static>(
    store: &mut StoreContextMut<'_, T>,
    name: &'static str,
    context_id: u32,
) {
    let scope = &mut store.data_mut().common().scope;
    scope.context_id = context_id;
    scope.callback = name;
}

impl<T: LegacyView + 'static> LifecycleCallbacks<T> for Callbacks {
    fn start_plugin(
        &self,
        mut store: StoreContextMut<'_, T>,
        plugin_id: u32,
        sizes: ConfigurationSizes,
    ) -> wasmtime::Result<bool> {
        let store = &mut store;
        call(
            &self.on_context_create,
            store,
            ON_CONTEXT_CREATE,
            plugin_id,
            (plugin_id, 0),
        )?;
        let started = call(
            &self.on_vm_start,
            store,
            ON_VM_START,
            plugin_id,
            (plugin_id, sizes.vm),
        )?;
        if started == Some(0) {
            return Ok(false);
        }
        let configured = call(
            &self.on_configure,
            store,
            ON_CONFIGURE,
            plugin_id,
            (plugin_id, sizes.plugin),
        )?;
        Ok(configured != Some(0))
    }

    fn shut_plugin_down(&self, mut store: StoreContextMut<'_, T>, plugin_id: u32) -> wasmtime::Result<bool> {
        let done = call(&self.on_done, &mut store, ON_DONE, plugin_id, plugin_id)?;
        Ok(done != Some(0))
    }

    fn delete_plugin(&self, mut store: StoreContextMut<'_, T>, plugin_id: u32) -> wasmtime::Result<()> {
        call(&self.on_delete, &mut store, ON_DELETE, plugin_id, plugin_id)?;
        Ok(())
    }

    #[inline]
    fn create_context(
        &self,
        mut store: StoreContextMut<'_, T>,
        context_id: u32,
        plugin_id: u32,
        _kind: ContextType,
    ) -> wasmtime::Result<u32> {
        let arguments = (context_id, plugin_id);
        call(
            &self.on_context_create,
            &mut store,
            ON_CONTEXT_CREATE,
            context_id,
            arguments,
        )?;
        Ok(0)
    }

    #[inline]
    fn finalize_context(&self, mut store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<bool> {
        if call(&self.on_done, &mut store, ON_DONE, context_id, context_id)? == Some(0) {
            return Ok(false);
        }
        self.finish_context(store, context_id)?;
        Ok(true)
    }

    #[inline]
    fn finish_context(&self, mut store: StoreContextMut<'_, T>, context_id: u32) -> wasmtime::Result<()> {
        call(&self.on_log, &mut store, ON_LOG, context_id, context_id)?;
        call(&self.on_delete, &mut store, ON_DELETE, context_id, context_id)?;
        Ok(())
    }
}

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
        let pause = parts.legacy.headers_pause(parts.common.scope.plugin_id);
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

impl<T: LegacyView + 'static> LogCallbacks<T> for Callbacks {
    /// Plugins of these ABIs are not told; they ask by `proxy_get_log_level`.
    fn on_log_level_update(&self, _: StoreContextMut<'_, T>, _: LogLevel) -> wasmtime::Result<()> {
        Ok(())
    }
}

// === impl Message ===

impl Message {
    fn load(
        mut store: impl AsContextMut,
        instance: &Instance,
        names: &'static Names,
    ) -> Result<Self, CallbackTypeError> {
        Ok(Self {
            headers: HeadersCallback::load(&mut store, instance, names.headers)?,
            body: callback(&mut store, instance, names.body)?,
            trailers: callback(&mut store, instance, names.trailers)?,
            metadata: callback(&mut store, instance, names.metadata)?,
            names,
        })
    }
}

// === impl HeadersCallback ===

impl HeadersCallback {
    fn load(
        mut store: impl AsContextMut,
        instance: &Instance,
        name: &str,
    ) -> Result<Option<Self>, CallbackTypeError> {
        let function = instance.get_func(&mut store, name);
        if function.is_some_and(|function| function.ty(&store).params().len() == 2) {
            Ok(callback(&mut store, instance, name)?.map(Self::WithoutEnd))
        } else {
            Ok(callback(&mut store, instance, name)?.map(Self::WithEnd))
        }
    }
}
