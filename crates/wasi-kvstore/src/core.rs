//! The semantics of wasi-kvstore: handles of stores, permissions, and the shared data of the older ABIs.

use crate::backend::{Condition, Entry, KvBackend, KvError, KvStore};
use crate::values::ValueList;
use std::num::NonZeroU32;
use std::sync::Arc;
use wasi_common::{Common, HandleTable, PluginSettings, Status};

/// The stores that the plugins of one instance have opened.
pub struct KvStores {
    backend: Arc<dyn KvBackend>,
    handles: HandleTable<Arc<dyn KvStore>>,
    /// The store of the shared data and the VM id it is of, once it was asked for.
    shared_data: Option<(String, Arc<dyn KvStore>)>,
}

/// The name of the store that holds the shared data of ABI 0.1.0 to 0.2.1: one that no plugin of the component ABI can open.
pub const SHARED_DATA: &[u8] = b"";

// === impl KvStores ===

impl KvStores {
    /// No store is open.
    pub fn new(backend: Arc<dyn KvBackend>) -> Self {
        Self {
            backend,
            handles: HandleTable::default(),
            shared_data: None,
        }
    }

    /// Opens a store of the executing plugin's VM id.
    ///
    /// # Errors
    /// `invalid_operation` while no plugin is executing, `bad_argument` for an empty name, `not_allowed` for one that the plugin's
    /// permissions exclude, `not_found` where there is no such store and it is not to be created, `unavailable` where the plugin has too
    /// many handles, its scope too many stores, or the store cannot be reached.
    pub fn open(&mut self, common: &Common, name: &[u8], create: bool) -> Result<u32, Status> {
        let settings = executing(common)?;
        if name == SHARED_DATA {
            return Err(Status::BadArgument);
        }
        if !settings.permissions.stores.allows(name) {
            return Err(Status::NotAllowed);
        }
        let (plugin_id, limit) = (common.scope.plugin_id, settings.limits.handles);
        self.handles.check_room(plugin_id, limit)?;
        let store = self.backend.open(settings.vm_id.as_bytes(), name, create)?;
        self.handles.insert(plugin_id, limit, store)
    }

    /// Deletes a store. The handle goes with it; others of the store find nothing from then on.
    ///
    /// # Errors
    /// `bad_argument` where there is no such handle, `not_allowed` where it is another plugin's, `not_found` where the store was deleted,
    /// `unavailable` where it cannot be reached.
    pub fn delete(&mut self, common: &Common, id: u32) -> Result<(), Status> {
        self.store(common, id)?.delete()?;
        self.handles.remove(common.scope.plugin_id, id)?;
        Ok(())
    }

    /// The values of a key.
    ///
    /// # Errors
    /// As [`KvStores::delete`]; also `not_found` where there is no such key.
    pub fn get(&self, common: &Common, id: u32, key: &[u8]) -> Result<Entry, Status> {
        Ok(self.store(common, id)?.get(key)?)
    }

    /// Replaces the values of a key. `cas` is the compare-and-swap value that it must still have, 0 for no condition.
    ///
    /// # Errors
    /// As [`KvStores::delete`]; also `cas_mismatch` where the key has another value or does not exist, and `unavailable` where a quota is
    /// exhausted.
    pub fn set(
        &self,
        common: &Common,
        id: u32,
        key: &[u8],
        values: ValueList,
        cas: u32,
    ) -> Result<(), Status> {
        Ok(self.store(common, id)?.set(key, values, unchanged(cas))?)
    }

    /// Adds values behind those of a key, which is created if it does not exist.
    ///
    /// # Errors
    /// As [`KvStores::set`].
    pub fn add(
        &self,
        common: &Common,
        id: u32,
        key: &[u8],
        values: ValueList,
        cas: u32,
    ) -> Result<(), Status> {
        Ok(self.store(common, id)?.add(key, values, unchanged(cas))?)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// As [`KvStores::delete`]; also `not_found` where there is no such key, and `cas_mismatch` where it has another compare-and-swap
    /// value.
    pub fn remove(&self, common: &Common, id: u32, key: &[u8], cas: u32) -> Result<(), Status> {
        Ok(self.store(common, id)?.remove(key, unchanged(cas))?)
    }

    /// Reads a key of the shared data of ABI 0.1.0 to 0.2.1, which is one for each VM id and has one value for each key.
    ///
    /// # Errors
    /// `invalid_operation` while no plugin is executing, `not_found` where there is no such key, `unavailable` where the store cannot be
    /// reached.
    pub fn shared_data(&mut self, common: &Common, key: &[u8]) -> Result<Entry, Status> {
        self.with_shared_data(common, |store| store.get(key))
    }

    /// Writes a key of the shared data. `cas` is the compare-and-swap value that it must still have if it exists, 0 for no condition.
    ///
    /// # Errors
    /// `invalid_operation` while no plugin is executing, `cas_mismatch`, `unavailable` where a quota is exhausted or the store cannot be
    /// reached.
    pub fn set_shared_data(
        &mut self,
        common: &Common,
        key: &[u8],
        value: &[u8],
        cas: u32,
    ) -> Result<(), Status> {
        let condition = NonZeroU32::new(cas).map_or(Condition::Always, Condition::UnchangedOrMissing);
        let values = ValueList::new([value]);
        self.with_shared_data(common, |store| store.set(key, values.clone(), condition))
    }

    /// Takes the handles of a plugin that goes. The stores stay.
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        self.handles.remove_plugin(plugin_id);
    }

    fn store(&self, common: &Common, id: u32) -> Result<&dyn KvStore, Status> {
        self.handles.get(common.scope.plugin_id, id).map(|store| &**store)
    }

    fn with_shared_data<R>(
        &mut self,
        common: &Common,
        call: impl Fn(&dyn KvStore) -> Result<R, KvError>,
    ) -> Result<R, Status> {
        let vm_id = &executing(common)?.vm_id;
        if let Some((of, store)) = &self.shared_data
            && of == vm_id
        {
            match call(&**store) {
                // No plugin can delete it, but whoever runs the server can.
                Err(KvError::Deleted) => {}
                result => return Ok(result?),
            }
        }
        let store = self.backend.open(vm_id.as_bytes(), SHARED_DATA, true)?;
        let result = call(&*store);
        self.shared_data = Some((vm_id.clone(), store));
        Ok(result?)
    }
}

fn executing(common: &Common) -> Result<&PluginSettings, Status> {
    common
        .current_settings()
        .map(|settings| &**settings)
        .ok_or(Status::InvalidOperation)
}

fn unchanged(cas: u32) -> Condition {
    NonZeroU32::new(cas).map_or(Condition::Always, Condition::Unchanged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_process::{InProcessStores, StoreSettings};
    use wasi_common::{AbiPolicy, CallScope};

    /// Plugins of an instance and its stores.
    struct Fixture {
        common: Common,
        stores: KvStores,
    }

    impl Fixture {
        fn new(backend: &Arc<InProcessStores>) -> Self {
            Self {
                common: Common::default(),
                stores: KvStores::new(Arc::clone(backend) as Arc<dyn KvBackend>),
            }
        }

        fn add_plugin(&mut self, vm_id: &str, change: impl FnOnce(&mut PluginSettings)) -> u32 {
            let mut settings = PluginSettings::new("p", AbiPolicy::COMPONENT);
            settings.vm_id = vm_id.into();
            change(&mut settings);
            self.common.contexts.add_plugin(Arc::new(settings))
        }

        fn enter(&mut self, plugin_id: u32) {
            self.common.scope = CallScope::new(plugin_id, plugin_id, "test");
        }

        fn open(&mut self, name: &[u8], create: bool) -> Result<u32, Status> {
            self.stores.open(&self.common, name, create)
        }
    }

    fn one(value: &[u8]) -> ValueList {
        ValueList::new([value])
    }

    #[test]
    fn what_may_be_opened() {
        let settings = StoreSettings {
            stores: 2,
            ..StoreSettings::default()
        };
        let mut fixture = Fixture::new(&Arc::new(InProcessStores::new(settings)));
        let plugin_id = fixture.add_plugin("vm", |settings| {
            settings.permissions.stores = ["a", "b", "c", ""].into_iter().collect();
            settings.limits.handles = 3;
        });
        assert_eq!(
            fixture.open(b"a", true),
            Err(Status::InvalidOperation),
            "no plugin is executing"
        );
        fixture.enter(plugin_id);
        let table: &[(&[u8], bool, Result<u32, Status>)] = &[
            (b"", true, Err(Status::BadArgument)),
            (b"other", true, Err(Status::NotAllowed)),
            (b"a", false, Err(Status::NotFound)),
            (b"a", true, Ok(1)),
            (b"a", false, Ok(2)),
            (b"b", true, Ok(3)),
            (b"b", false, Err(Status::Unavailable)),
        ];
        for (name, create, expected) in table {
            assert_eq!(fixture.open(name, *create), *expected, "{name:?} {create}");
        }
        fixture.stores.remove_plugin(plugin_id);
        assert_eq!(
            fixture.open(b"c", true),
            Err(Status::Unavailable),
            "more stores than the quota"
        );
        assert_eq!(fixture.open(b"b", false), Ok(4), "the stores outlive the handles");
    }

    #[test]
    fn handles_and_scopes() {
        let backend = Arc::new(InProcessStores::default());
        let mut fixture = Fixture::new(&backend);
        let [first, second] = [0; 2].map(|_| fixture.add_plugin("vm", |_| {}));
        let stranger = fixture.add_plugin("other", |_| {});
        fixture.enter(first);
        let id = fixture.open(b"s", true).unwrap();
        assert_eq!(
            fixture.stores.set(&fixture.common, id, b"k", one(b"v"), 0),
            Ok(())
        );

        fixture.enter(second);
        assert_eq!(
            fixture.stores.get(&fixture.common, id, b"k"),
            Err(Status::NotAllowed)
        );
        assert_eq!(
            fixture.stores.get(&fixture.common, 99, b"k"),
            Err(Status::BadArgument)
        );
        let own = fixture.open(b"s", false).unwrap();
        let entry = fixture.stores.get(&fixture.common, own, b"k").unwrap();
        assert_eq!(entry.values, one(b"v"));

        fixture.enter(stranger);
        assert_eq!(fixture.open(b"s", false), Err(Status::NotFound), "another VM id");

        fixture.enter(first);
        assert_eq!(fixture.stores.delete(&fixture.common, id), Ok(()));
        assert_eq!(
            fixture.stores.delete(&fixture.common, id),
            Err(Status::BadArgument),
            "the handle is gone"
        );
        let anew = fixture.open(b"s", true).unwrap();
        assert_eq!(
            fixture.stores.get(&fixture.common, anew, b"k"),
            Err(Status::NotFound)
        );

        fixture.enter(second);
        assert_eq!(
            fixture.stores.set(&fixture.common, own, b"k", one(b"w"), 0),
            Err(Status::NotFound)
        );
        assert_eq!(fixture.stores.delete(&fixture.common, own), Err(Status::NotFound));
    }

    #[test]
    fn shared_data() {
        let backend = Arc::new(InProcessStores::default());
        let mut fixture = Fixture::new(&backend);
        let Fixture { common, stores } = &mut fixture;
        assert_eq!(stores.shared_data(common, b"k"), Err(Status::InvalidOperation));

        let plugin_id = fixture.add_plugin("vm", |_| {});
        let stranger = fixture.add_plugin("other", |_| {});
        fixture.enter(plugin_id);
        let Fixture { common, stores } = &mut fixture;
        assert_eq!(stores.shared_data(common, b"k"), Err(Status::NotFound));
        // ABI 0.2.1 accepts any compare-and-swap value for a key that does not exist.
        assert_eq!(stores.set_shared_data(common, b"k", b"1", 77), Ok(()));
        let Entry { values, cas } = stores.shared_data(common, b"k").unwrap();
        assert_eq!(values, one(b"1"));
        assert_eq!(stores.set_shared_data(common, b"k", b"2", cas.get()), Ok(()));
        assert_eq!(
            stores.set_shared_data(common, b"k", b"3", cas.get()),
            Err(Status::CasMismatch)
        );
        assert_eq!(stores.set_shared_data(common, b"", b"", 0), Ok(()));
        assert_eq!(stores.shared_data(common, b"").unwrap().values, one(b""));

        // Somebody with access to the backend deletes the store: it is as if nothing had been written.
        backend.open(b"vm", SHARED_DATA, false).unwrap().delete().unwrap();
        assert_eq!(stores.shared_data(common, b"k"), Err(Status::NotFound));
        assert_eq!(stores.set_shared_data(common, b"k", b"4", 0), Ok(()));

        fixture.enter(stranger);
        let Fixture { common, stores } = &mut fixture;
        assert_eq!(
            stores.shared_data(common, b"k"),
            Err(Status::NotFound),
            "another VM id"
        );
    }
}
