//! The hostcalls of wasi-kvstore: decode, call the core, encode.

use crate::KvStoreView;
use crate::bindings::types::{Ciovec, Iovec};
use crate::bindings::wasi_kvstore::WasiKvstore;
use crate::core::KvStores;
use crate::values::ValueList;
use wasi_common::guest::{gather, parts, return_all};
use wasi_common::{Common, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-kvstore work on.
pub struct Host<'a> {
    common: &'a mut Common,
    stores: &'a mut KvStores,
}

impl<T: KvStoreView> crate::bindings::WasiKvstoreView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_kvstore(&mut self) -> Host<'_> {
        let (common, stores) = self.kv_stores();
        Host { common, stores }
    }
}

impl Host<'_> {
    fn limit(&self) -> usize {
        self.common
            .current_settings()
            .map_or(0, |settings| settings.limits.argument_bytes)
    }
}

impl WasiKvstore for Host<'_> {
    fn open_shared_kvstore(
        &mut self,
        memory: &mut GuestMemory<'_>,
        name: GuestPtr<[Ciovec]>,
        create_if_not_exist: u32,
    ) -> Result<u32, Status> {
        let name = gather(memory, name, self.limit())?;
        self.stores.open(self.common, &name, create_if_not_exist != 0)
    }

    fn delete_shared_kvstore(&mut self, _: &mut GuestMemory<'_>, kvstore_id: u32) -> Result<(), Status> {
        self.stores.delete(self.common, kvstore_id)
    }

    fn get_shared_kvstore_key_values(
        &mut self,
        memory: &mut GuestMemory<'_>,
        kvstore_id: u32,
        key: GuestPtr<[Ciovec]>,
        return_values: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
        return_cas: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let key = gather(memory, key, self.limit())?;
        let entry = self.stores.get(self.common, kvstore_id, &key)?;
        // A bad address is found before anything is written.
        memory.read(return_cas)?;
        let block = entry.values.packed();
        return_all(
            memory,
            return_values,
            return_size,
            block.len(),
            std::iter::once(&**block),
        )?;
        memory.write(return_cas, entry.cas.get())?;
        Ok(())
    }

    fn set_shared_kvstore_key_values(
        &mut self,
        memory: &mut GuestMemory<'_>,
        kvstore_id: u32,
        key: GuestPtr<[Ciovec]>,
        values: GuestPtr<[Ciovec]>,
        cas: u32,
    ) -> Result<(), Status> {
        let key = gather(memory, key, self.limit())?;
        let values = gather_values(memory, values, self.limit())?;
        self.stores.set(self.common, kvstore_id, &key, values, cas)
    }

    fn add_shared_kvstore_key_values(
        &mut self,
        memory: &mut GuestMemory<'_>,
        kvstore_id: u32,
        key: GuestPtr<[Ciovec]>,
        values: GuestPtr<[Ciovec]>,
        cas: u32,
    ) -> Result<(), Status> {
        let key = gather(memory, key, self.limit())?;
        let values = gather_values(memory, values, self.limit())?;
        self.stores.add(self.common, kvstore_id, &key, values, cas)
    }

    fn remove_shared_kvstore_key(
        &mut self,
        memory: &mut GuestMemory<'_>,
        kvstore_id: u32,
        key: GuestPtr<[Ciovec]>,
        cas: u32,
    ) -> Result<(), Status> {
        let key = gather(memory, key, self.limit())?;
        self.stores.remove(self.common, kvstore_id, &key, cas)
    }
}

/// The values in their order, one in each place, of at most `limit` bytes.
fn gather_values(
    memory: &GuestMemory<'_>,
    places: GuestPtr<[Ciovec]>,
    limit: usize,
) -> Result<ValueList, Status> {
    let values: Vec<&[u8]> = parts(memory, places)?.collect::<Result<_, _>>()?;
    // There are at most 4096 places of less than 4 GiB each.
    if values.iter().map(|value| value.len()).sum::<usize>() > limit {
        return Err(Status::Unavailable);
    }
    Ok(ValueList::new(values.iter().copied()))
}
