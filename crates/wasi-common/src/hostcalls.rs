//! The hostcalls of wasi-common: decode, call the core, encode.

use crate::bindings::types::{BufferType, Ciovec, Iovec, MapType};
use crate::bindings::wasi_common::WasiCommon;
use crate::core::{ALL_PSEUDO, ALL_REGULAR, Common, MapChange};
use crate::guest;
use crate::map::ByteMap;
use crate::packed::{Layout, pack, pack_map, unpack};
use crate::property::PropertyPath;
use crate::{CommonView, Status};
use bytes::Bytes;
use smallvec::SmallVec;
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-common work on.
pub struct Host<'a> {
    common: &'a mut Common,
}

type Pair<'a> = (&'a [u8], &'a [u8]);

impl<T: CommonView> crate::bindings::WasiCommonView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_common(&mut self) -> Host<'_> {
        Host {
            common: self.common(),
        }
    }
}

impl WasiCommon for Host<'_> {
    fn get_buffer(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        buffer_type: BufferType,
        offset: u32,
        max_size: u32,
        return_content: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let buffer = self.common.buffer(context_id, buffer_type)?;
        let (offset, max) = (offset as usize, max_size as usize);
        let size = buffer.range_len(offset, max);
        let mut out = guest::return_some(memory, return_content, return_size, size)?;
        buffer.each(offset, max, |part| out.write(part))
    }

    fn set_buffer(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        buffer_type: BufferType,
        offset: u32,
        size: u32,
        content: GuestPtr<[Ciovec]>,
    ) -> Result<(), Status> {
        let content = guest::gather(memory, content, self.argument_bytes())?;
        let content = Bytes::from(content.into_owned());
        self.common
            .splice_buffer(context_id, buffer_type, offset, size, content)
    }

    fn get_map_values(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        map_type: MapType,
        key_names: GuestPtr<[Ciovec]>,
        return_map: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        // Not those of the id, which may be that of a callout: whoever may read the map is the plugin that is executing.
        let limits = self.common.current_settings().map(|settings| settings.limits.map);
        let map = self.common.map(context_id, map_type)?;
        let mut block = Vec::new();
        if key_names.len() == 0 {
            pack_map(map, Layout::Flat, &mut block);
        } else {
            let mut selected = SmallVec::<[Pair<'_>; 8]>::new();
            // One key many times is many times as much; what it comes to has the bounds of a map besides what is there.
            let limits = limits.ok_or(Status::InvalidOperation)?;
            let (pairs, mut bytes) = (limits.pairs + map.len(), limits.bytes + map.byte_len());
            for key in guest::parts(memory, key_names)? {
                let before = selected.len();
                select(map, key?, &mut selected);
                let added: usize = selected
                    .iter()
                    .skip(before)
                    .map(|(name, value)| name.len() + value.len())
                    .sum();
                bytes = bytes.checked_sub(added).ok_or(Status::Unavailable)?;
                if selected.len() > pairs {
                    return Err(Status::Unavailable);
                }
            }
            pack(selected.iter().copied(), Layout::Flat, &mut block);
        }
        guest::return_all(
            memory,
            return_map,
            return_size,
            block.len(),
            std::iter::once(&block[..]),
        )
    }

    fn set_map_values(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        map_type: MapType,
        keys_to_remove: GuestPtr<[Ciovec]>,
        map_content: GuestPtr<[Ciovec]>,
    ) -> Result<(), Status> {
        let memory = &*memory;
        let remove =
            guest::parts(memory, keys_to_remove)?.collect::<Result<SmallVec<[&[u8]; 8]>, Status>>()?;
        let block = guest::gather(memory, map_content, self.argument_bytes())?;
        let add = unpack(&block, Layout::Flat).map_err(|_| Status::BadArgument)?;
        self.common.change_map(
            context_id,
            map_type,
            MapChange {
                remove: &remove,
                add: &add,
            },
        )
    }

    fn get_property(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        path: GuestPtr<[Ciovec]>,
        return_content: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let path = guest::gather(memory, path, self.argument_bytes())?;
        let value = self.common.property(context_id, PropertyPath::new(&path))?;
        drop(path);
        guest::return_all(
            memory,
            return_content,
            return_size,
            value.len(),
            std::iter::once(&value[..]),
        )
    }

    fn set_property(
        &mut self,
        memory: &mut GuestMemory<'_>,
        context_id: u32,
        path: GuestPtr<[Ciovec]>,
        content: GuestPtr<[Ciovec]>,
    ) -> Result<(), Status> {
        let path = guest::gather(memory, path, self.argument_bytes())?;
        let content = guest::gather(memory, content, self.argument_bytes())?;
        self.common
            .set_property(context_id, PropertyPath::new(&path), &content)
    }
}

impl Host<'_> {
    fn argument_bytes(&self) -> usize {
        self.common
            .current_settings()
            .map_or(0, |settings| settings.limits.argument_bytes)
    }
}

/// Adds the pairs that `key` stands for.
fn select<'a>(map: &'a ByteMap, key: &[u8], selected: &mut SmallVec<[Pair<'a>; 8]>) {
    let is_pseudo = |name: &[u8]| name.first() == Some(&b':');
    match key {
        ALL_REGULAR => selected.extend(map.iter().filter(|(name, _)| !is_pseudo(name))),
        ALL_PSEUDO => selected.extend(map.iter().filter(|(name, _)| is_pseudo(name))),
        key => selected.extend(map.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key))),
    }
}
