//! Stores in the memory of the process.

use crate::suite;
use std::sync::Arc;
use wasi_kvstore::{InProcessStores, KvBackend, StoreSettings};

#[test]
fn shared_suite() {
    let backend: Arc<dyn KvBackend> = Arc::new(InProcessStores::new(suite::SETTINGS));
    suite::run(&backend);
}

#[test]
fn eight_writers_of_one_key() {
    let backend: Arc<dyn KvBackend> = Arc::new(InProcessStores::new(StoreSettings::default()));
    suite::concurrent_increments(&backend, 100_000);
}
