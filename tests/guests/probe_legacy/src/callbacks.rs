//! The exports.

use crate::state::{ALLOCATOR, Allocator, with};

/// The marker of the ABI. Tests turn it into that of another version, which differs in one digit or two.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: u32) -> u32 {
    match ALLOCATOR.get() {
        Allocator::Works => {
            core::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size.max(1) as usize)).as_mut_ptr() as u32
        }
        Allocator::Null => 0,
        Allocator::Far => 0xffff_fff0,
        Allocator::Traps => core::arch::wasm32::unreachable(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context_id: u32, parent_id: u32) {
    with(|state| {
        state.create(context_id, parent_id);
        let arguments = if parent_id == 0 { vec![0] } else { Vec::new() };
        state.enter(context_id, "context_create", &arguments);
    });
}

/// Callbacks that report their arguments, run their steps, and return what those say or a value of their own.
macro_rules! callbacks {
    ($($export:ident $name:literal ($($argument:ident)*) -> $default:literal;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $export(context_id: u32 $(, $argument: u32)*) -> u32 {
                with(|state| state.enter(context_id, $name, &[$($argument),*])).unwrap_or($default)
            }
        )*
    };
}

callbacks! {
    proxy_on_vm_start "vm_start" (size) -> 1;
    proxy_on_configure "configure" (size) -> 1;
    proxy_on_done "done" () -> 1;
    proxy_on_request_headers "request_headers" (num end) -> 0;
    proxy_on_request_body "request_body" (size end) -> 0;
    proxy_on_request_trailers "request_trailers" (num) -> 0;
    proxy_on_response_headers "response_headers" (num end) -> 0;
    proxy_on_response_body "response_body" (size end) -> 0;
    proxy_on_response_trailers "response_trailers" (num) -> 0;
    proxy_on_new_connection "new_connection" () -> 0;
    proxy_on_downstream_data "downstream_data" (size end) -> 0;
    proxy_on_upstream_data "upstream_data" (size end) -> 0;
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context_id: u32) {
    with(|state| state.enter(context_id, "log", &[]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context_id: u32) {
    with(|state| {
        state.enter(context_id, "delete", &[]);
        state.delete(context_id);
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root_id: u32) {
    with(|state| state.tick(root_id));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_downstream_connection_close(context_id: u32, peer: u32) {
    with(|state| state.enter(context_id, "downstream_connection_close", &[peer]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_upstream_connection_close(context_id: u32, peer: u32) {
    with(|state| state.enter(context_id, "upstream_connection_close", &[peer]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(root_id: u32, id: u32, headers: u32, body: u32, trailers: u32) {
    with(|state| state.enter_with_id(root_id, "http_call_response", &[id, headers, body, trailers]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive_initial_metadata(root_id: u32, id: u32, num: u32) {
    with(|state| state.enter_with_id(root_id, "grpc_receive_initial_metadata", &[id, num]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(root_id: u32, id: u32, size: u32) {
    with(|state| state.enter_with_id(root_id, "grpc_receive", &[id, size]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive_trailing_metadata(root_id: u32, id: u32, num: u32) {
    with(|state| state.enter_with_id(root_id, "grpc_receive_trailing_metadata", &[id, num]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(root_id: u32, id: u32, status: u32) {
    with(|state| state.enter_with_id(root_id, "grpc_close", &[id, status]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root_id: u32, queue: u32) {
    with(|state| state.enter_with_id(root_id, "queue_ready", &[queue]));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_foreign_function(root_id: u32, function: u32, size: u32) {
    with(|state| state.enter(root_id, "foreign_function", &[function, size]));
}
