//! Hostcalls of wasi-kvstore.

use super::{Region, append_all, array, number};
use crate::raw::kvstore;
use crate::status::Result;

pub(crate) fn open(name: &str, create: bool) -> Result<u32> {
    let name = [Region::new(name.as_bytes())];
    let (name, count) = array(&name);
    number(|return_id| {
        // SAFETY: the region is that of a slice which is alive, the out-pointer is that of a local variable.
        unsafe { kvstore::open_shared_kvstore(name, count, u32::from(create), return_id) }
    })
}

pub(crate) fn delete(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { kvstore::delete_shared_kvstore(id) }.into_result()
}

/// Appends the packed list of values, and returns the compare-and-swap value of them.
pub(crate) fn get(id: u32, key: &[u8], values: &mut Vec<u8>) -> Result<u32> {
    let key = [Region::new(key)];
    let (key, key_count) = array(&key);
    let mut cas = 0;
    append_all(values, |iovecs, count, returned| {
        // SAFETY: the region is that of a slice which is alive, the iovec covers unused capacity, and the
        // out-pointers are those of local variables.
        unsafe {
            kvstore::get_shared_kvstore_key_values(id, key, key_count, iovecs, count, returned, &mut cas)
        }
    })?;
    Ok(cas)
}

pub(crate) fn set(id: u32, key: &[u8], values: &[Region<'_>], cas: u32) -> Result<()> {
    let key = [Region::new(key)];
    let (key, key_count) = array(&key);
    let (values, count) = array(values);
    // SAFETY: the regions are those of slices which are alive.
    unsafe { kvstore::set_shared_kvstore_key_values(id, key, key_count, values, count, cas) }.into_result()
}

pub(crate) fn add(id: u32, key: &[u8], values: &[Region<'_>], cas: u32) -> Result<()> {
    let key = [Region::new(key)];
    let (key, key_count) = array(&key);
    let (values, count) = array(values);
    // SAFETY: the regions are those of slices which are alive.
    unsafe { kvstore::add_shared_kvstore_key_values(id, key, key_count, values, count, cas) }.into_result()
}

pub(crate) fn remove(id: u32, key: &[u8], cas: u32) -> Result<()> {
    let key = [Region::new(key)];
    let (key, count) = array(&key);
    // SAFETY: the region is that of a slice which is alive.
    unsafe { kvstore::remove_shared_kvstore_key(id, key, count, cas) }.into_result()
}
