//! wasi-kvstore.

use super::{Case, Row, case, two};
use crate::world::Setup;
use std::sync::Arc;
use wasi_common::Allowed;
use wasi_kvstore::{
    Condition, Entry, InProcessStores, KvBackend, KvError, KvStore, StoreSettings, ValueList,
};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-kvstore",
        function,
        cases,
    };
    vec![
        row("open_shared_kvstore", open()),
        row("delete_shared_kvstore", delete()),
        row("get_shared_kvstore_key_values", get()),
        row("set_shared_kvstore_key_values", set()),
        row("add_shared_kvstore_key_values", add()),
        row("remove_shared_kvstore_key", remove()),
    ]
}

fn open() -> Vec<Case> {
    vec![
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            open_shared_kvstore 'a' 0 &t -> ok",
        ),
        case("open_shared_kvstore 'a' 0 &s -> not_found"),
        case("open_shared_kvstore '' 1 &s -> bad_argument"),
        case("open_shared_kvstore 'a' 1 &s -> not_allowed")
            .with(|setup| setup.config.permissions.stores = Allowed::from_iter(["b"])),
        case("open_shared_kvstore bad 1 &s -> invalid_memory_access"),
        case("open_shared_kvstore 'a' 1 &bad -> invalid_memory_access"),
        case("open_shared_kvstore 'a' 1 &s -> ok\nopen_shared_kvstore 'b' 1 &s -> unavailable")
            .with(|setup| setup.config.limits.handles = 1),
        case("open_shared_kvstore 'a' 1 &s -> ok\nopen_shared_kvstore 'b' 1 &s -> unavailable").with(
            |setup| {
                quota(setup, |settings| settings.stores = 1);
            },
        ),
        case("@_initialize\nopen_shared_kvstore 'a' 1 &s -> invalid_operation"),
    ]
}

fn delete() -> Vec<Case> {
    vec![
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            open_shared_kvstore 'a' 1 &t -> ok
            delete_shared_kvstore $s -> ok
            delete_shared_kvstore $t -> not_found
            delete_shared_kvstore $s -> bad_argument",
        ),
        of_another("delete_shared_kvstore $s -> not_allowed"),
        away("delete_shared_kvstore $s -> unavailable"),
    ]
}

fn get() -> Vec<Case> {
    vec![
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            set_shared_kvstore_key_values $s 'k' ['x','yz'] 0 -> ok
            get_shared_kvstore_key_values $s 'k' out &size &cas -> ok
            check $size 15
            expect_out '\\02\\00\\00\\00\\01\\00\\00\\00\\02\\00\\00\\00xyz'
            get_shared_kvstore_key_values $s 'k' out:14 &size &cas -> buffer_too_small
            check $size 15
            get_shared_kvstore_key_values $s 'k' bad &size &cas -> invalid_memory_access
            get_shared_kvstore_key_values $s 'k' out &bad &cas -> invalid_memory_access
            get_shared_kvstore_key_values $s 'k' out &size &bad -> invalid_memory_access
            get_shared_kvstore_key_values $s bad out &size &cas -> invalid_memory_access
            get_shared_kvstore_key_values $s 'other' out &size &cas -> not_found
            get_shared_kvstore_key_values 99 'k' out &size &cas -> bad_argument",
        ),
        deleted("get_shared_kvstore_key_values $t 'k' out &size &cas -> not_found"),
        of_another("get_shared_kvstore_key_values $s 'k' out &size &cas -> not_allowed"),
        away("get_shared_kvstore_key_values $s 'k' out &size &cas -> unavailable"),
    ]
}

fn set() -> Vec<Case> {
    vec![
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            set_shared_kvstore_key_values $s 'k' 'x' 0 -> ok
            get_shared_kvstore_key_values $s 'k' out &size &cas -> ok
            set_shared_kvstore_key_values $s 'k' 'y' $cas -> ok
            set_shared_kvstore_key_values $s 'k' 'z' $cas -> cas_mismatch
            set_shared_kvstore_key_values $s 'none' 'z' 7 -> cas_mismatch
            set_shared_kvstore_key_values 99 'k' 'x' 0 -> bad_argument
            set_shared_kvstore_key_values $s bad 'x' 0 -> invalid_memory_access
            set_shared_kvstore_key_values $s 'k' bad 0 -> invalid_memory_access
            get_shared_kvstore_key_values $s 'k' out &size &cas -> ok
            expect_out '\\01\\00\\00\\00\\01\\00\\00\\00y'",
        ),
        deleted("set_shared_kvstore_key_values $t 'k' 'x' 0 -> not_found"),
        of_another("set_shared_kvstore_key_values $s 'k' 'x' 0 -> not_allowed"),
        away("set_shared_kvstore_key_values $s 'k' 'x' 0 -> unavailable"),
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            set_shared_kvstore_key_values $s 'k' '12345' 0 -> unavailable
            set_shared_kvstore_key_values $s 'k' '1234' 0 -> ok",
        )
        .with(|setup| quota(setup, |settings| settings.value_bytes = 12)),
    ]
}

fn add() -> Vec<Case> {
    vec![
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            add_shared_kvstore_key_values $s 'k' 'x' 0 -> ok
            get_shared_kvstore_key_values $s 'k' out &size &cas -> ok
            add_shared_kvstore_key_values $s 'k' ['y','z'] $cas -> ok
            add_shared_kvstore_key_values $s 'k' 'n' $cas -> cas_mismatch
            add_shared_kvstore_key_values 99 'k' 'x' 0 -> bad_argument
            add_shared_kvstore_key_values $s bad 'x' 0 -> invalid_memory_access
            add_shared_kvstore_key_values $s 'k' bad 0 -> invalid_memory_access
            get_shared_kvstore_key_values $s 'k' out &size &cas -> ok
            expect_out '\\03\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00xyz'",
        ),
        deleted("add_shared_kvstore_key_values $t 'k' 'x' 0 -> not_found"),
        of_another("add_shared_kvstore_key_values $s 'k' 'x' 0 -> not_allowed"),
        away("add_shared_kvstore_key_values $s 'k' 'x' 0 -> unavailable"),
    ]
}

fn remove() -> Vec<Case> {
    vec![
        case(
            "open_shared_kvstore 'a' 1 &s -> ok
            set_shared_kvstore_key_values $s 'k' 'x' 0 -> ok
            get_shared_kvstore_key_values $s 'k' out &size &cas -> ok
            set_shared_kvstore_key_values $s 'k' 'y' 0 -> ok
            remove_shared_kvstore_key $s 'k' $cas -> cas_mismatch
            remove_shared_kvstore_key $s bad 0 -> invalid_memory_access
            remove_shared_kvstore_key $s 'k' 0 -> ok
            remove_shared_kvstore_key $s 'k' 0 -> not_found
            remove_shared_kvstore_key 99 'k' 0 -> bad_argument",
        ),
        of_another("remove_shared_kvstore_key $s 'k' 0 -> not_allowed"),
        away("remove_shared_kvstore_key $s 'k' 0 -> unavailable"),
    ]
}

/// A step of a plugin for which `$s` is the first plugin's handle.
fn of_another(step: &str) -> Case {
    two(format!(
        "@on_http_request_headers first
            open_shared_kvstore 'a' 1 &s -> ok
            set_shared_kvstore_key_values $s 'k' 'x' 0 -> ok
        @on_http_request_headers second
            {step}"
    ))
}

/// A step for which `$t` is a handle of a store that was deleted.
fn deleted(step: &str) -> Case {
    case(format!(
        "open_shared_kvstore 'a' 1 &s -> ok
        open_shared_kvstore 'a' 1 &t -> ok
        delete_shared_kvstore $s -> ok
        {step}"
    ))
}

/// A step for which `$s` is a handle of a store that cannot be reached any more.
fn away(step: &str) -> Case {
    case(format!("open_shared_kvstore 'a' 1 &s -> ok\n{step}"))
        .with(|setup| setup.services.stores = Arc::new(Away))
}

fn quota(setup: &mut Setup, change: impl Fn(&mut StoreSettings)) {
    let mut settings = StoreSettings::default();
    change(&mut settings);
    setup.services.stores = Arc::new(InProcessStores::new(settings));
}

/// Stores whose server has gone since they were opened.
struct Away;

impl KvBackend for Away {
    fn open(&self, _: &[u8], _: &[u8], _: bool) -> Result<Arc<dyn KvStore>, KvError> {
        Ok(Arc::new(Self))
    }
}

impl KvStore for Away {
    fn get(&self, _: &[u8]) -> Result<Entry, KvError> {
        Err(KvError::Unreachable)
    }
    fn set(&self, _: &[u8], _: ValueList, _: Condition) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }
    fn add(&self, _: &[u8], _: ValueList, _: Condition) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }
    fn remove(&self, _: &[u8], _: Condition) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }
    fn delete(&self) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }
}
