//! What every backend has to do, as a test that takes one.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use wasi_kvstore::{Condition, KvBackend, KvError, KvStore, Quota, StoreSettings, ValueList};

/// The quotas of a backend under test: small enough to be reached.
pub(crate) const SETTINGS: StoreSettings = StoreSettings {
    stores: 8,
    keys: 16,
    key_bytes: 64,
    value_bytes: 1024,
    bytes: 8 << 10,
};

/// Runs everything. The backend has [`SETTINGS`] and no stores whose scope begins with `suite`.
pub(crate) fn run(backend: &Arc<dyn KvBackend>) {
    values(&**backend);
    compare_and_swap(&**backend);
    values_of_removed_keys_are_not_given_out_again(&**backend);
    names_and_scopes(&**backend);
    deleted_stores(&**backend);
    quotas(&**backend);
    concurrent_increments(backend, 500);
    concurrent_appends(backend);
    deletion_among_writers(backend);
}

/// A list of these values.
pub(crate) fn list(values: &[&[u8]]) -> ValueList {
    ValueList::new(values.iter().copied())
}

fn values(backend: &dyn KvBackend) {
    let store = backend.open(b"suite-values", b"s", true).unwrap();
    assert_eq!(store.get(b"k"), Err(KvError::NoSuchKey));
    assert_eq!(store.remove(b"k", Condition::Always), Err(KvError::NoSuchKey));
    let lists: &[&[&[u8]]] = &[
        &[b"one"],
        &[b"one", b"two", b""],
        &[b""],
        &[],
        &[b"\0\xff\r\n", b"$-1\r\n"],
    ];
    for key in [&b"k"[..], b"", b"\0\xff:{}*\r\n"] {
        for first in lists {
            store.set(key, list(first), Condition::Always).unwrap();
            assert_eq!(store.get(key).unwrap().values, list(first));
            for second in lists {
                store.set(key, list(first), Condition::Always).unwrap();
                store.add(key, list(second), Condition::Always).unwrap();
                assert_eq!(store.get(key).unwrap().values, list(&[*first, *second].concat()));
            }
        }
        store.remove(key, Condition::Always).unwrap();
        assert_eq!(store.get(key), Err(KvError::NoSuchKey));
        store.add(key, list(&[b"first"]), Condition::Always).unwrap();
        assert_eq!(
            store.get(key).unwrap().values,
            list(&[b"first"]),
            "add creates a key"
        );
    }
}

/// A write of either kind, or a removal.
type Write = fn(&dyn KvStore, Condition) -> Result<(), KvError>;

const WRITES: [(&str, Write); 3] = [
    ("set", |store, condition| {
        store.set(b"k", list(&[b"new"]), condition)
    }),
    ("add", |store, condition| {
        store.add(b"k", list(&[b"new"]), condition)
    }),
    ("remove", |store, condition| store.remove(b"k", condition)),
];

fn compare_and_swap(backend: &dyn KvBackend) {
    let store = &*backend.open(b"suite-cas", b"s", true).unwrap();
    for (name, write) in WRITES {
        store.set(b"k", list(&[b"old"]), Condition::Always).unwrap();
        let stale = store.get(b"k").unwrap().cas;
        store.set(b"k", list(&[b"old"]), Condition::Always).unwrap();
        let before = store.get(b"k").unwrap();
        assert_ne!(
            before.cas, stale,
            "{name}: each write changes it, also one of the same values"
        );
        for condition in [Condition::Unchanged(stale), Condition::UnchangedOrMissing(stale)] {
            assert_eq!(
                write(store, condition),
                Err(KvError::CasMismatch),
                "{name} {condition:?}"
            );
        }
        assert_eq!(
            store.get(b"k").unwrap(),
            before,
            "{name}: a lost race changes nothing"
        );
        assert_eq!(write(store, Condition::Unchanged(before.cas)), Ok(()), "{name}");
        assert_ne!(store.get(b"k").map(|entry| entry.cas), Ok(before.cas), "{name}");
    }
    let missing = |write: Write, condition| {
        let _ = store.remove(b"k", Condition::Always);
        write(store, condition)
    };
    let any = NonZeroU32::new(7).unwrap();
    let [(_, set), (_, add), (_, remove)] = WRITES;
    let table = [
        (set, Condition::Unchanged(any), Err(KvError::CasMismatch)),
        (add, Condition::Unchanged(any), Err(KvError::CasMismatch)),
        (remove, Condition::Unchanged(any), Err(KvError::NoSuchKey)),
        (set, Condition::UnchangedOrMissing(any), Ok(())),
        (add, Condition::UnchangedOrMissing(any), Ok(())),
        (
            remove,
            Condition::UnchangedOrMissing(any),
            Err(KvError::NoSuchKey),
        ),
    ];
    for (index, (write, condition, expected)) in table.into_iter().enumerate() {
        assert_eq!(
            missing(write, condition),
            expected,
            "a key that does not exist, case {index}"
        );
    }
}

fn values_of_removed_keys_are_not_given_out_again(backend: &dyn KvBackend) {
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let store = backend.open(b"suite-removed", b"s", true).unwrap();
        for _ in 0..5 {
            store.set(b"k", list(&[b"v"]), Condition::Always).unwrap();
            assert!(seen.insert(store.get(b"k").unwrap().cas));
            store.remove(b"k", Condition::Always).unwrap();
        }
        store.delete().unwrap();
    }
}

fn names_and_scopes(backend: &dyn KvBackend) {
    let missing = |scope: &[u8], name: &[u8]| backend.open(scope, name, false).err();
    assert_eq!(missing(b"suite-a", b"s"), Some(KvError::NoSuchStore));
    let names: [(&[u8], &[u8]); 6] = [
        (b"suite-a", b"s"),
        (b"suite-a", b"t"),
        (b"suite-a", b""),
        (b"suite-a:", b"s"),
        (b"suite-a:s", b""),
        (b"suite-\xff{}", b"\0\xff:*"),
    ];
    for (scope, name) in names {
        let store = backend.open(scope, name, true).unwrap();
        assert_eq!(store.get(b"k"), Err(KvError::NoSuchKey), "{scope:?} {name:?}");
        store.set(b"k", list(&[scope, name]), Condition::Always).unwrap();
    }
    for (scope, name) in names {
        for create in [false, true] {
            let store = backend.open(scope, name, create).unwrap();
            assert_eq!(store.get(b"k").unwrap().values, list(&[scope, name]));
        }
    }
}

fn deleted_stores(backend: &dyn KvBackend) {
    let [one, other] = [(); 2].map(|()| backend.open(b"suite-deleted", b"s", true).unwrap());
    one.set(b"k", list(&[b"v"]), Condition::Always).unwrap();
    assert_eq!(other.get(b"k").unwrap().values, list(&[b"v"]));
    one.delete().unwrap();
    assert!(matches!(
        backend.open(b"suite-deleted", b"s", false),
        Err(KvError::NoSuchStore)
    ));
    // Whoever had it open does not write into the store that takes its name.
    for anew in [None, Some(backend.open(b"suite-deleted", b"s", true).unwrap())] {
        for store in [&*one, &*other] {
            assert_eq!(store.get(b"k"), Err(KvError::Deleted));
            assert_eq!(
                store.set(b"k", list(&[]), Condition::Always),
                Err(KvError::Deleted)
            );
            assert_eq!(
                store.add(b"k", list(&[]), Condition::Always),
                Err(KvError::Deleted)
            );
            assert_eq!(store.remove(b"k", Condition::Always), Err(KvError::Deleted));
            assert_eq!(store.delete(), Err(KvError::Deleted));
        }
        if let Some(anew) = anew {
            assert_eq!(anew.get(b"k"), Err(KvError::NoSuchKey));
        }
    }
}

fn quotas(backend: &dyn KvBackend) {
    let full = |quota| Err(KvError::Full(quota));
    let store = backend.open(b"suite-quotas", b"0", true).unwrap();
    let long_key = vec![b'k'; SETTINGS.key_bytes + 1];
    assert_eq!(
        store.set(&long_key, list(&[]), Condition::Always),
        full(Quota::KeyBytes)
    );
    assert_eq!(store.set(&long_key[1..], list(&[]), Condition::Always), Ok(()));
    store.remove(&long_key[1..], Condition::Always).unwrap();

    // A packed list of one value has eight bytes besides it.
    let long = vec![b'v'; SETTINGS.value_bytes - 8];
    assert_eq!(store.set(b"k", list(&[&long]), Condition::Always), Ok(()));
    let before = store.get(b"k").unwrap();
    assert_eq!(
        store.add(b"k", list(&[b""]), Condition::Always),
        full(Quota::ValueBytes)
    );
    assert_eq!(
        store.get(b"k").unwrap(),
        before,
        "what is refused changes nothing"
    );
    store.remove(b"k", Condition::Always).unwrap();

    for key in 0..SETTINGS.keys {
        store.set(&[key as u8], list(&[]), Condition::Always).unwrap();
    }
    assert_eq!(
        store.set(b"one more", list(&[]), Condition::Always),
        full(Quota::Keys)
    );
    assert_eq!(
        store.set(&[0], list(&[b"v"]), Condition::Always),
        Ok(()),
        "a key that is there"
    );
    store.remove(&[0], Condition::Always).unwrap();
    assert_eq!(
        store.set(b"one more", list(&[]), Condition::Always),
        Ok(()),
        "room that was made"
    );

    for name in 1..SETTINGS.stores {
        backend.open(b"suite-quotas", &[name as u8], true).unwrap();
    }
    let open = |name: &[u8]| backend.open(b"suite-quotas", name, true).map(drop);
    assert_eq!(open(b"one more"), full(Quota::Stores));
    assert_eq!(open(b"0"), Ok(()), "a store that is there");
    assert_eq!(open(&[b'n'; SETTINGS.key_bytes + 1]), full(Quota::KeyBytes));
    store.delete().unwrap();
    assert_eq!(open(b"one more"), Ok(()), "room that was made");

    // Bytes are counted over all stores of a scope.
    let [one, other] = [[1], [2]].map(|name| backend.open(b"suite-quotas", &name, false).unwrap());
    let mut written = 0;
    let refusal = loop {
        let store = if written % 2 == 0 { &one } else { &other };
        match store.set(&[written], list(&[&long[..512]]), Condition::Always) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refusal, KvError::Full(Quota::Bytes));
    assert!(
        (8..16).contains(&written),
        "{written} values of 512 bytes and more fit into 8 KiB"
    );
    assert_eq!(
        one.set(&[0], list(&[]), Condition::Always),
        Ok(()),
        "less than it was"
    );
    other.delete().unwrap();
    assert_eq!(
        one.set(b"new", list(&[&long[..512]]), Condition::Always),
        Ok(()),
        "room that was made"
    );
}

/// Eight writers increment one number by compare-and-swap.
pub(crate) fn concurrent_increments(backend: &Arc<dyn KvBackend>, increments: u64) {
    let stores = open_for(8, backend, b"suite-increments");
    stores[0]
        .set(b"sum", list(&[&0u64.to_le_bytes()]), Condition::Always)
        .unwrap();
    thread::scope(|scope| {
        for store in &stores {
            scope.spawn(move || (0..increments).for_each(|_| increment(&**store, b"sum")));
        }
    });
    assert_eq!(number(&stores[0].get(b"sum").unwrap().values), 8 * increments);
}

/// Adds one to the number that a key has, against whoever else does.
pub(crate) fn increment(store: &dyn KvStore, key: &[u8]) {
    loop {
        let entry = store.get(key).unwrap();
        let next = (number(&entry.values) + 1).to_le_bytes();
        match store.set(key, list(&[&next]), Condition::Unchanged(entry.cas)) {
            Ok(()) => return,
            Err(KvError::CasMismatch) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The number that [`increment`] counts.
pub(crate) fn number(values: &ValueList) -> u64 {
    u64::from_le_bytes(values.iter().next().unwrap().try_into().unwrap())
}

fn concurrent_appends(backend: &Arc<dyn KvBackend>) {
    let stores = open_for(4, backend, b"suite-appends");
    thread::scope(|scope| {
        for (writer, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for number in 0..16 {
                    store
                        .add(b"k", list(&[&[writer as u8, number]]), Condition::Always)
                        .unwrap();
                }
            });
        }
    });
    let values = stores[0].get(b"k").unwrap().values;
    let of = |writer| {
        values
            .iter()
            .filter(move |value| value[0] == writer)
            .map(|value| value[1])
    };
    for writer in 0..4 {
        assert!(
            of(writer).eq(0..16),
            "each writer's values are all there, and in order: {values:?}"
        );
    }
}

fn deletion_among_writers(backend: &Arc<dyn KvBackend>) {
    for _ in 0..20 {
        let stores = open_for(3, backend, b"suite-deletion");
        thread::scope(|scope| {
            for (writer, store) in stores[1..].iter().enumerate() {
                scope.spawn(move || {
                    let write = |key| store.set(&[writer as u8, key], list(&[b"v"]), Condition::Always);
                    let last = (0..7).cycle().find_map(|key| write(key).err());
                    assert_eq!(last, Some(KvError::Deleted));
                });
            }
            scope.spawn(|| stores[0].delete().unwrap());
        });
    }
    // Had a key been left behind each time, the quota of bytes would be exhausted by now.
    let store = backend.open(b"suite-deletion", b"s", true).unwrap();
    for key in 0..7 {
        store.set(&[key], list(&[&[0; 900]]), Condition::Always).unwrap();
    }
}

/// The same store, opened several times.
fn open_for(count: usize, backend: &Arc<dyn KvBackend>, scope: &[u8]) -> Vec<Arc<dyn KvStore>> {
    (0..count)
        .map(|_| backend.open(scope, b"s", true).unwrap())
        .collect()
}
