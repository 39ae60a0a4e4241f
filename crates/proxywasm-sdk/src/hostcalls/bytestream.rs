//! Hostcalls of wasi-bytestream.

use crate::raw::bytestream;
use crate::status::Result;

pub(crate) fn resume_downstream(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { bytestream::resume_downstream(id) }.into_result()
}

pub(crate) fn resume_upstream(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { bytestream::resume_upstream(id) }.into_result()
}

pub(crate) fn close_downstream(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { bytestream::close_downstream(id) }.into_result()
}

pub(crate) fn close_upstream(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { bytestream::close_upstream(id) }.into_result()
}
