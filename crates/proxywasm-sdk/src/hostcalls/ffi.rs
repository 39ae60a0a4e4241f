//! Hostcalls of wasi-ffi.

use super::{Region, append_all, array, number};
use crate::raw::ffi;
use crate::status::Result;

pub(crate) fn resolve(name: &str) -> Result<u32> {
    let name = [Region::new(name.as_bytes())];
    let (name, count) = array(&name);
    // SAFETY: the region is that of a slice which is alive, the out-pointer is that of a local variable.
    number(|return_id| unsafe { ffi::resolve_custom_function(name, count, return_id) })
}

/// Calls a function; returns the number of its results.
pub(crate) fn call(id: u32, parameters: &[Region<'_>]) -> Result<u32> {
    let (parameters, count) = array(parameters);
    // SAFETY: the regions are those of slices which are alive, the out-pointer is that of a local variable.
    number(|return_id| unsafe { ffi::call_custom_function(id, parameters, count, return_id) })
}

/// Appends the packed list of results, which are gone then.
pub(crate) fn results(return_id: u32, values: &mut Vec<u8>) -> Result<()> {
    append_all(values, |iovecs, count, returned| {
        // SAFETY: the iovec covers unused capacity, and the out-pointer is that of a local variable.
        unsafe { ffi::get_custom_function_results(return_id, iovecs, count, returned) }
    })
}

pub(crate) fn set_callback_results(id: u32, results: &[Region<'_>]) -> Result<()> {
    let (results, count) = array(results);
    // SAFETY: the regions are those of slices which are alive.
    unsafe { ffi::set_custom_callback_results(id, results, count) }.into_result()
}
