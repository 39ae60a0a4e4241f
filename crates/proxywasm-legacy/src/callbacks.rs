//! The callbacks of the older ABIs: what a module exports, and how a host's calls become calls of it. Those of HTTP messages are
//! in [`crate::messages`], those of byte streams in [`crate::bytestream`].

use crate::bytestream::Bytestream;
use crate::grpc_callbacks::Grpc;
use crate::messages::Message;
use crate::plugin_callbacks::{ON_FOREIGN_FUNCTION, ON_TICK};
use crate::queue_callbacks::ON_QUEUE_READY;
use crate::view::LegacyView;
use thiserror::Error;
use wasi_common::guest::{CallbackTypeError, Exports, callback};
use wasi_common::{Action, ContextType, Direction, LogLevel, Returned};
use wasi_context::{ConfigurationSizes, LifecycleCallbacks};
use wasi_http::{CallPart, HttpCallCallbacks};
use wasi_log::LogCallbacks;
use wasmtime::{AsContextMut, StoreContextMut, TypedFunc, WasmParams, WasmResults};

/// The callbacks of a module, each if it exports it.
pub struct Callbacks {
    on_context_create: Optional<(u32, u32), ()>,
    on_vm_start: Optional<(u32, u32), u32>,
    on_configure: Optional<(u32, u32), u32>,
    on_done: Optional<u32, u32>,
    on_log: Optional<u32, ()>,
    on_delete: Optional<u32, ()>,
    on_http_call_response: Optional<(u32, u32, u32, u32, u32), ()>,
    pub(crate) grpc: Grpc,
    pub(crate) on_queue_ready: Optional<(u32, u32), ()>,
    pub(crate) on_tick: Optional<u32, ()>,
    pub(crate) on_foreign_function: Optional<(u32, u32, u32), ()>,
    request: Message,
    response: Message,
    pub(crate) bytestream: Bytestream,
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

/// A callback that a module may lack.
pub(crate) type Optional<P, R> = Option<TypedFunc<P, R>>;

const ON_CONTEXT_CREATE: &str = "proxy_on_context_create";
const ON_VM_START: &str = "proxy_on_vm_start";
pub(crate) const ON_CONFIGURE: &str = "proxy_on_configure";
const ON_DONE: &str = "proxy_on_done";
const ON_LOG: &str = "proxy_on_log";
const ON_DELETE: &str = "proxy_on_delete";
const ON_HTTP_CALL_RESPONSE: &str = "proxy_on_http_call_response";

// === impl Callbacks ===

impl Callbacks {
    /// Looks the callbacks of an instance up, and its allocator, which goes to the data of the store.
    ///
    /// # Errors
    /// The module exports no memory or no allocator, or one of these functions with a type that it cannot have.
    pub fn load<'a, T: LegacyView + 'static>(
        mut store: impl AsContextMut<Data = T>,
        exports: impl Into<Exports<'a>>,
    ) -> Result<Self, LoadError> {
        let exports = exports.into();
        // The allocator is no callback: nothing works without it.
        let instance = exports.instance();
        if instance.get_memory(&mut store, "memory").is_none() {
            return Err(LoadError::NoMemory);
        }
        let allocator = match callback(&mut store, instance, "proxy_on_memory_allocate")? {
            Some(allocator) => allocator,
            None => callback(&mut store, instance, "malloc")?.ok_or(LoadError::NoAllocator)?,
        };
        store.as_context_mut().data_mut().legacy().legacy.allocator = Some(allocator);
        // No host calls it, though SDKs export it; its type is looked at like that of every other.
        let _never_called: Optional<(u32, u32), u32> =
            callback(&mut store, exports, "proxy_validate_configuration")?;
        Ok(Self {
            on_context_create: callback(&mut store, exports, ON_CONTEXT_CREATE)?,
            on_vm_start: callback(&mut store, exports, ON_VM_START)?,
            on_configure: callback(&mut store, exports, ON_CONFIGURE)?,
            on_done: callback(&mut store, exports, ON_DONE)?,
            on_log: callback(&mut store, exports, ON_LOG)?,
            on_delete: callback(&mut store, exports, ON_DELETE)?,
            on_http_call_response: callback(&mut store, exports, ON_HTTP_CALL_RESPONSE)?,
            grpc: Grpc::load(&mut store, exports)?,
            on_queue_ready: callback(&mut store, exports, ON_QUEUE_READY)?,
            on_tick: callback(&mut store, exports, ON_TICK)?,
            on_foreign_function: callback(&mut store, exports, ON_FOREIGN_FUNCTION)?,
            request: Message::load(&mut store, exports, Direction::Request)?,
            response: Message::load(&mut store, exports, Direction::Response)?,
            bytestream: Bytestream::load(&mut store, exports)?,
        })
    }

    #[inline]
    pub(crate) fn message(&self, direction: Direction) -> &Message {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }
}

/// Enters the guest, if it exports the callback.
#[inline]
pub(crate) fn call<T: LegacyView + 'static, P: WasmParams, R: WasmResults>(
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
pub(crate) fn set_scope<T: LegacyView + 'static>(
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

impl<T: LegacyView + 'static> HttpCallCallbacks<T> for Callbacks {
    fn streams_answers(&self) -> bool {
        false
    }

    /// The plugin's own context is the effective one. It has no action to return: the call is over.
    fn answer(
        &self,
        mut store: StoreContextMut<'_, T>,
        plugin_id: u32,
        callout_id: u32,
        part: CallPart,
    ) -> wasmtime::Result<Returned> {
        let CallPart::Response {
            num_headers,
            body_size,
            num_trailers,
        } = part
        else {
            return Ok(Ok(Action::Forward));
        };
        let arguments = (plugin_id, callout_id, num_headers, body_size, num_trailers);
        store.data_mut().legacy().legacy.callout = Some(callout_id);
        let called = call(
            &self.on_http_call_response,
            &mut store,
            ON_HTTP_CALL_RESPONSE,
            plugin_id,
            arguments,
        );
        store.data_mut().legacy().legacy.callout = None;
        called.map(|_| Ok(Action::Forward))
    }
}

impl<T: LegacyView + 'static> LogCallbacks<T> for Callbacks {
    /// Plugins of these ABIs are not told; they ask by `proxy_get_log_level`.
    fn on_log_level_update(&self, _: StoreContextMut<'_, T>, _: LogLevel) -> wasmtime::Result<()> {
        Ok(())
    }
}
