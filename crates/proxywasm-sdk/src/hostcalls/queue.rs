//! Hostcalls of wasi-queue.

use super::{Region, append_all, array, number};
use crate::raw::queue;
use crate::status::Result;

pub(crate) fn open(name: &str, create: bool) -> Result<u32> {
    let name = [Region::new(name.as_bytes())];
    let (name, count) = array(&name);
    number(|return_id| {
        // SAFETY: the region is that of a slice which is alive, the out-pointer is that of a local variable.
        unsafe { queue::open_shared_queue(name, count, u32::from(create), return_id) }
    })
}

pub(crate) fn delete(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { queue::delete_shared_queue(id) }.into_result()
}

/// Appends the oldest item.
pub(crate) fn dequeue(id: u32, item: &mut Vec<u8>) -> Result<()> {
    append_all(item, |iovecs, count, returned| {
        // SAFETY: the iovec covers unused capacity, and the out-pointer is that of a local variable.
        unsafe { queue::dequeue_shared_queue_item(id, iovecs, count, returned) }
    })
}

pub(crate) fn enqueue(id: u32, item: &[u8]) -> Result<()> {
    let item = [Region::new(item)];
    let (item, count) = array(&item);
    // SAFETY: the region is that of a slice which is alive.
    unsafe { queue::enqueue_shared_queue_item(id, item, count) }.into_result()
}
