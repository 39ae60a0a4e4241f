//! What the plugins of this process were made with: noted when their code is loaded, for it is not kept.

use super::{Inspection, Origin};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// By the hash of the code. A process loads few, also when its configuration is replaced again and again.
static KNOWN: Mutex<BTreeMap<[u8; 32], Origin>> = Mutex::new(BTreeMap::new());

/// Code that this many have been noted of is enough; more is not shown.
const MOST: usize = 1024;

/// Notes what code was made with.
pub(crate) fn note_origin(hash: [u8; 32], code: &[u8]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() < MOST && !known.contains_key(&hash) {
        known.insert(hash, Inspection::read(code).origin);
    }
}

/// What code was made with that was loaded.
pub(crate) fn known_origin(hash: &[u8; 32]) -> Option<Origin> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(hash).cloned()
}
