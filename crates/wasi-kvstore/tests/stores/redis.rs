//! Stores on a real server, which the tests start if one is installed.

use crate::suite::{self, increment, list, number};
use proxywasm_redis::test_server::{TestServer, wait_until};
use proxywasm_redis::{Connector, RedisSettings, State, cmd};
use std::cell::Cell;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use wasi_kvstore::{Condition, KvBackend, KvError, KvStore, RedisStoreSettings, RedisStores};

/// What one proxy has: a connector, and stores on it.
struct Process {
    connector: Connector,
    stores: Arc<dyn KvBackend>,
}

impl Process {
    /// One that waits long for answers, so that only what is about waiting depends on how fast this machine is.
    fn new(url: &str) -> Self {
        Self::waiting(url, Duration::from_secs(30))
    }

    fn waiting(url: &str, bound: Duration) -> Self {
        Self::with(
            RedisSettings {
                bound,
                max_backoff: Duration::from_millis(100),
                ..RedisSettings::new(url)
            },
            RedisStoreSettings::default(),
        )
    }

    fn with(settings: RedisSettings, stores: RedisStoreSettings) -> Self {
        let connector = Connector::start(settings).unwrap();
        wait_until("the connector is connected", || connector.state() == State::Up);
        Self {
            stores: Arc::new(RedisStores::new(connector.clone(), stores)),
            connector,
        }
    }

    /// Opens the store, when the server is there.
    fn open(&self) -> Arc<dyn KvStore> {
        loop {
            match self.stores.open(b"vm", b"s", true) {
                Ok(store) => return store,
                Err(KvError::Unreachable) => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn calls(&self) -> u64 {
        self.connector.counters().calls
    }
}

#[test]
fn shared_suite() {
    let Some(server) = TestServer::start() else { return };
    let settings = RedisStoreSettings {
        quotas: suite::SETTINGS,
        ..RedisStoreSettings::default()
    };
    let process = Process::with(
        RedisSettings {
            bound: Duration::from_secs(30),
            ..RedisSettings::new(server.url())
        },
        settings,
    );
    suite::run(&process.stores);
}

#[test]
fn a_value_outlives_the_process_and_the_server() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    let process = Process::new(&server.url());
    process
        .open()
        .set(b"k", list(&[b"v", b"\0"]), Condition::Always)
        .unwrap();
    let first = process.open().get(b"k").unwrap();
    drop(process);
    assert!(server.restart());
    let second = Process::new(&server.url()).open().get(b"k").unwrap();
    assert_eq!(second, first);
}

#[test]
fn what_was_read_costs_no_round_trip_until_it_changes() {
    let Some(server) = TestServer::start() else { return };
    let [process, other] = [(); 2].map(|()| Process::new(&server.url()));
    let (store, others) = (process.open(), other.open());
    store.set(b"k", list(&[b"1"]), Condition::Always).unwrap();
    let read = |key: &[u8]| store.get(key).map(|entry| entry.values);

    // What this process has written itself comes into the cache when it is read.
    wait_until("the values are cached", || {
        let before = process.calls();
        assert_eq!(read(b"k"), Ok(list(&[b"1"])));
        assert_eq!(read(b"none"), Err(KvError::NoSuchKey));
        process.calls() == before
    });
    let before = process.calls();
    for _ in 0..100 {
        assert_eq!(read(b"k"), Ok(list(&[b"1"])));
        assert_eq!(read(b"none"), Err(KvError::NoSuchKey));
        assert!(process.stores.open(b"vm", b"s", true).is_ok());
    }
    assert_eq!(process.calls(), before);

    others.set(b"k", list(&[b"2"]), Condition::Always).unwrap();
    others.set(b"none", list(&[b"3"]), Condition::Always).unwrap();
    wait_until("changes are seen", || {
        (read(b"k"), read(b"none")) == (Ok(list(&[b"2"])), Ok(list(&[b"3"])))
    });
    others.remove(b"k", Condition::Always).unwrap();
    wait_until("a removal is seen", || read(b"k") == Err(KvError::NoSuchKey));
    others.delete().unwrap();
    wait_until("a deletion is seen", || read(b"none") == Err(KvError::Deleted));
}

#[test]
fn a_lost_race_is_not_lost_again_to_an_old_copy() {
    let Some(server) = TestServer::start() else { return };
    let [process, other] = [(); 2].map(|()| Process::new(&server.url()));
    let (store, others) = (process.open(), other.open());
    for round in 0..200u64 {
        store
            .set(b"k", list(&[&round.to_le_bytes()]), Condition::Always)
            .unwrap();
        let old = store.get(b"k").unwrap();
        others.set(b"k", list(&[b"other"]), Condition::Always).unwrap();
        let lost = store.set(b"k", list(&[b"mine"]), Condition::Unchanged(old.cas));
        assert_eq!(lost, Err(KvError::CasMismatch));
        let now = store.get(b"k").unwrap();
        assert_eq!(now.values, list(&[b"other"]), "round {round}");
        store
            .set(b"k", list(&[b"mine"]), Condition::Unchanged(now.cas))
            .unwrap();
    }
}

/// One process writes, threads of another read: however their answers and the news of changes overtake each other, the last value is
/// seen in the end, and none older than one that was seen before by the same thread.
#[test]
fn reads_never_go_back() {
    let Some(server) = TestServer::start() else { return };
    let [process, other] = [(); 2].map(|()| Process::new(&server.url()));
    let (store, writer) = (process.open(), other.open());
    let set = |value: u64| {
        writer
            .set(b"k", list(&[&value.to_le_bytes()]), Condition::Always)
            .unwrap()
    };
    const LAST: u64 = 2000;
    set(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let seen = Cell::new(0);
                wait_until("the last value is seen", || {
                    for _ in 0..1000 {
                        let now = number(&store.get(b"k").unwrap().values);
                        assert!(now >= seen.get(), "{now} after {}", seen.get());
                        seen.set(now);
                    }
                    seen.get() == LAST
                });
            });
        }
        (1..=LAST).for_each(set);
    });
}

#[test]
fn a_server_that_is_flushed() {
    let Some(server) = TestServer::start() else { return };
    let process = Process::new(&server.url());
    let store = process.open();
    store.set(b"k", list(&[b"v"]), Condition::Always).unwrap();
    let before = store.get(b"k").unwrap();
    process.connector.call(cmd("FLUSHALL")).unwrap();
    wait_until("the loss is seen", || store.get(b"k") == Err(KvError::Deleted));
    assert_eq!(
        store.set(b"k", list(&[]), Condition::Always),
        Err(KvError::Deleted)
    );
    let anew = process.open();
    assert_eq!(anew.get(b"k"), Err(KvError::NoSuchKey));
    anew.set(b"k", list(&[b"w"]), Condition::Always).unwrap();
    assert_ne!(
        anew.get(b"k").unwrap().cas,
        before.cas,
        "what somebody still holds is not given out again"
    );
}

#[test]
fn entries_that_others_have_spoilt() {
    let Some(server) = TestServer::start() else { return };
    let process = Process::new(&server.url());
    let store = process.open();
    store.set(b"k", list(&[b"v"]), Condition::Always).unwrap();
    let spoil = "for _, key in ipairs(redis.call('KEYS', 'proxywasm:kv:*:*:*')) do redis.call('HSET', key, 'k', ARGV[1]) end";
    for entry in [
        &b""[..],
        b"\0\0\0\0\0\0\0\0",
        b"\x01\0\0\0\x01\0\0\0",
        b"\x01\0\0\0\xff\xff\xff\xff\0",
    ] {
        let mut command = cmd("EVAL");
        command.arg(spoil).arg(0).arg(entry);
        process.connector.call(command).unwrap();
        wait_until("the change is seen", || {
            store.get(b"k") == Err(KvError::Unreachable)
        });
    }
    store.set(b"k", list(&[b"v"]), Condition::Always).unwrap();
    assert_eq!(store.get(b"k").unwrap().values, list(&[b"v"]));
}

/// Two processes count up one key while the server is killed and started again. Each write whose answer was good is there in the end.
#[test]
fn a_server_that_stops_and_comes_back_under_load() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    let processes = [(); 2].map(|()| Process::waiting(&server.url(), Duration::from_millis(100)));
    for process in &processes {
        let store = process.open();
        wait_until("the key is there", || {
            store
                .set(b"sum", list(&[&0u64.to_le_bytes()]), Condition::Always)
                .is_ok()
        });
    }
    let (ends, done, unknown, unreachable) = (
        AtomicBool::new(false),
        AtomicU64::new(0),
        AtomicU64::new(0),
        AtomicU64::new(0),
    );
    let write = |store: &dyn KvStore| -> Result<(), KvError> {
        let entry = store.get(b"sum")?;
        let next = (number(&entry.values) + 1).to_le_bytes();
        let written = store.set(b"sum", list(&[&next]), Condition::Unchanged(entry.cas));
        if written == Err(KvError::Unreachable) {
            // It may have happened nevertheless.
            unknown.fetch_add(1, Ordering::Relaxed);
        }
        written
    };
    thread::scope(|scope| {
        for process in processes.iter().chain(&processes) {
            let (ends, done, unreachable) = (&ends, &done, &unreachable);
            scope.spawn(move || {
                let store = process.open();
                while !ends.load(Ordering::Relaxed) {
                    match write(&*store) {
                        Ok(()) => _ = done.fetch_add(1, Ordering::Relaxed),
                        Err(KvError::CasMismatch) => {}
                        Err(KvError::Unreachable) => {
                            unreachable.fetch_add(1, Ordering::Relaxed);
                            // As a plugin would: another stream is served in the meantime.
                            thread::sleep(Duration::from_micros(100));
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        let all_succeed = |connections| {
            let before = done.load(Ordering::Relaxed);
            wait_until("writes succeed", || done.load(Ordering::Relaxed) > before + 50);
            for process in &processes {
                wait_until("all have come back", || {
                    process.connector.counters().connections == connections
                });
            }
        };
        for round in 1..4 {
            all_succeed(round);
            server.stop();
            let before = unreachable.load(Ordering::Relaxed);
            wait_until("calls are refused", || {
                unreachable.load(Ordering::Relaxed) > before + 50
            });
            assert!(server.restart());
        }
        all_succeed(4);
        ends.store(true, Ordering::Relaxed);
    });
    let store = Process::new(&server.url()).open();
    let sum = number(&store.get(b"sum").unwrap().values);
    let (done, unknown) = (done.into_inner(), unknown.into_inner());
    assert!(
        (done..=done + unknown).contains(&sum),
        "{done} done, {unknown} unknown, but {sum}"
    );
}

/// The server that the second process of [`two_processes`] uses.
const SERVER: &str = "KVSTORE_TEST_SERVER";

const INCREMENTS: u64 = 5000;

/// Four threads of one process.
fn four_writers(url: &str) {
    let process = Process::new(url);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = process.open();
                (0..INCREMENTS).for_each(|_| increment(&*store, b"sum"));
            });
        }
    });
}

#[test]
#[ignore = "it is the second process of two_processes"]
fn second_process() {
    four_writers(&std::env::var(SERVER).expect("the test two_processes starts this one"));
}

#[test]
fn two_processes() {
    let Some(server) = TestServer::start() else { return };
    let process = Process::new(&server.url());
    process
        .open()
        .set(b"sum", list(&[&0u64.to_le_bytes()]), Condition::Always)
        .unwrap();
    let mut second = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "redis::second_process", "--ignored"])
        .env(SERVER, server.url())
        .spawn()
        .unwrap();
    four_writers(&server.url());
    assert!(second.wait().unwrap().success());
    let store = Process::new(&server.url()).open();
    assert_eq!(number(&store.get(b"sum").unwrap().values), 8 * INCREMENTS);
}
