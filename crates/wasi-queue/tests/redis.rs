//! Queues on a real server, which the tests start if one is installed.
#![cfg(test)]
#![cfg(feature = "redis")]

mod suite;

use proxywasm_redis::test_server::{TestServer, wait_until};
use proxywasm_redis::{Connector, RedisSettings, State, Value, cmd};
use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use wasi_queue::{
    Consumer, Mailbox, Queue, QueueBackend, QueueError, QueueSettings, Recipient, RedisQueueSettings,
    RedisQueues, Subscription,
};

/// Long enough for this machine to renew it in time, short enough for a test to wait for its end.
const LEASE: Duration = Duration::from_secs(2);

/// What one proxy has: a connector, and queues on it.
struct Process {
    connector: Connector,
    queues: Arc<dyn QueueBackend>,
}

impl Process {
    fn new(url: &str) -> Self {
        Self::with(url, |_| {})
    }

    /// One that waits long for answers, so that only what is about waiting depends on how fast this machine is.
    fn with(url: &str, change: impl FnOnce(&mut RedisQueueSettings)) -> Self {
        let connector = Connector::start(RedisSettings {
            bound: Duration::from_secs(30),
            keepalive: Duration::from_millis(100),
            max_backoff: Duration::from_millis(100),
            ..RedisSettings::new(url)
        })
        .unwrap();
        wait_until("the connector is connected", || connector.state() == State::Up);
        let mut settings = RedisQueueSettings {
            lease: LEASE,
            ..RedisQueueSettings::default()
        };
        change(&mut settings);
        Self {
            queues: Arc::new(RedisQueues::new(connector.clone(), settings)),
            connector,
        }
    }

    fn open(&self) -> Arc<dyn Queue> {
        self.queues.open("vm", b"q", true).unwrap()
    }
}

/// A consumer that nobody wakes.
fn subscribe(queue: &dyn Queue) -> (Arc<Mailbox>, Subscription) {
    let mailbox = Mailbox::new();
    let consumer = Consumer {
        plugin: "p".into(),
        recipient: Recipient {
            instance: 1,
            plugin_id: 2,
        },
        mailbox: Arc::clone(&mailbox),
    };
    (mailbox, queue.subscribe(consumer).unwrap())
}

fn number(payload: &[u8]) -> u32 {
    u32::from_le_bytes(payload.try_into().unwrap())
}

fn enqueue(queue: &dyn Queue, numbers: std::ops::Range<u32>) {
    for number in numbers {
        queue.enqueue(&number.to_le_bytes()).unwrap();
    }
}

/// Takes whatever there is now.
fn take_all(queue: &dyn Queue, seen: &Mutex<Vec<u32>>) {
    while let Ok(item) = queue.take() {
        seen.lock().unwrap().push(number(&item.payload));
        queue.acknowledge(item);
    }
}

#[test]
fn contract() {
    let Some(server) = TestServer::start() else { return };
    suite::contract(&*Process::new(&server.url()).queues);
}

#[test]
fn each_item_reaches_one_consumer() {
    let Some(server) = TestServer::start() else { return };
    suite::each_item_reaches_one_consumer(&Process::new(&server.url()).queues, 5000);
}

#[test]
fn nothing_is_lost_with_consumers_that_come_and_go() {
    let Some(server) = TestServer::start() else { return };
    suite::nothing_is_lost_with_consumers_that_come_and_go(&Process::new(&server.url()).queues, 5000);
}

#[test]
fn bounds() {
    let Some(server) = TestServer::start() else { return };
    let process = Process::with(&server.url(), |settings| {
        settings.bounds = QueueSettings {
            queues_per_scope: 2,
            items: 3,
            bytes: 16,
            item_bytes: 8,
        };
    });
    let queue = process.open();
    let enqueue = |bytes: usize| queue.enqueue(&vec![b'x'; bytes]);
    assert_eq!(enqueue(9), Err(QueueError::ItemTooLarge));
    assert_eq!((enqueue(8), enqueue(8)), (Ok(()), Ok(())));
    assert_eq!(enqueue(1), Err(QueueError::Full), "16 bytes");
    assert_eq!(enqueue(0), Ok(()));
    assert_eq!(enqueue(0), Err(QueueError::Full), "3 items");
    // What is taken counts until it is acknowledged.
    let item = queue.take().unwrap();
    assert_eq!(enqueue(0), Err(QueueError::Full));
    queue.acknowledge(item);
    wait_until("there is room", || enqueue(8) == Ok(()));
    let open = |name: &[u8]| process.queues.open("vm", name, true).err();
    assert_eq!((open(b"r"), open(b"s")), (None, Some(QueueError::TooManyQueues)));
    queue.delete().unwrap();
    assert_eq!(open(b"s"), None);
}

#[test]
fn what_nobody_here_wants_goes_to_others() {
    let Some(server) = TestServer::start() else { return };
    let [one, other] = [(); 2].map(|()| {
        Process::with(&server.url(), |settings| {
            settings.lease = Duration::from_secs(600)
        })
    });
    let (queue, others) = (one.open(), other.open());
    enqueue(&*queue, 0..20);
    let (mailbox, subscription) = subscribe(&*queue);
    wait_until("the items are fetched ahead", || {
        !mailbox.is_empty() && others.take() == Err(QueueError::Empty)
    });
    let aside = queue.take().unwrap();
    drop(subscription);
    let seen = Mutex::default();
    wait_until("the others get what is left", || {
        take_all(&*others, &seen);
        seen.lock().unwrap().len() == 19
    });
    queue.give_back(aside);
    wait_until("and what was set aside", || {
        take_all(&*others, &seen);
        seen.lock().unwrap().len() == 20
    });

    // A process that ends in order gives everything back.
    enqueue(&*others, 20..30);
    let (mailbox, _subscription) = subscribe(&*queue);
    wait_until("the items are fetched ahead", || {
        !mailbox.is_empty() && others.take() == Err(QueueError::Empty)
    });
    drop((one, queue));
    wait_until("the others get them", || {
        take_all(&*others, &seen);
        seen.lock().unwrap().len() == 30
    });
}

#[test]
fn a_deletion_elsewhere() {
    let Some(server) = TestServer::start() else { return };
    let [one, other] = [(); 2].map(|()| Process::new(&server.url()));
    let (queue, others) = (one.open(), other.open());
    let (_mailbox, _subscription) = subscribe(&*queue);
    enqueue(&*others, 0..3);
    let number = queue.number();
    others.delete().unwrap();
    wait_until("the deletion is heard of", || one.queues.find(number).is_none());
    assert_eq!(queue.take(), Err(QueueError::NotFound));
    assert_eq!(queue.enqueue(b"x"), Err(QueueError::NotFound));
    let anew = one.open();
    assert_eq!(anew.take(), Err(QueueError::Empty));
    // A server that has lost everything has lost the queue.
    one.connector.call(cmd("FLUSHALL")).unwrap();
    assert_eq!(anew.enqueue(b"x"), Err(QueueError::NotFound));
    one.open().enqueue(b"x").unwrap();
}

/// The server hangs for longer than the lease. What was fetched ahead must not be handed out then, because others might have it.
#[test]
fn a_lease_that_runs_out() {
    let Some(server) = TestServer::start() else { return };
    let process = Process::new(&server.url());
    let queue = process.open();
    let (mailbox, _subscription) = subscribe(&*queue);
    enqueue(&*queue, 0..10);
    wait_until("the items are fetched ahead", || !mailbox.is_empty());
    let aside = queue.take().unwrap();
    server.hang(true);
    wait_until("the lease runs out", || match queue.take() {
        Ok(item) => {
            queue.give_back(item);
            false
        }
        Err(error) => error == QueueError::Unreachable,
    });
    server.hang(false);
    queue.give_back(aside);
    let seen = Mutex::default();
    wait_until("all items come again", || {
        take_all(&*queue, &seen);
        seen.lock().unwrap().len() >= 10
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..10), "each of them once");
}

/// Producers and consumers go on while the server is killed and started again. What was enqueued with a good answer is delivered; what
/// was acknowledged before the server died is not delivered again.
#[test]
fn a_server_that_stops_and_comes_back_under_load() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    let processes = [(); 2].map(|()| Process::new(&server.url()));
    let queues = processes.each_ref().map(Process::open);
    let (enqueued, seen) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let (unknown, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (index, queue) in (0..).zip(&queues) {
            let (enqueued, seen, unknown, refused, ends) = (&enqueued, &seen, &unknown, &refused, &ends);
            scope.spawn(move || {
                for item in 0.. {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let item = item << 1 | index;
                    match queue.enqueue(&u32::to_le_bytes(item)) {
                        Ok(()) => _ = enqueued.lock().unwrap().insert(item),
                        Err(QueueError::Unreachable) => {
                            unknown.fetch_add(1, Ordering::SeqCst);
                            refused.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(Duration::from_millis(1));
                        }
                        Err(QueueError::Full) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            scope.spawn(move || {
                let (_mailbox, _subscription) = subscribe(&**queue);
                while !ends.load(Ordering::SeqCst) {
                    take_all(&**queue, seen);
                    thread::yield_now();
                }
            });
        }
        let moves = || {
            let before = seen.lock().unwrap().len();
            wait_until("items are delivered", || {
                seen.lock().unwrap().len() > before + 100
            });
        };
        for _ in 0..3 {
            moves();
            server.stop();
            let before = refused.load(Ordering::SeqCst);
            wait_until("calls are refused", || {
                refused.load(Ordering::SeqCst) > before + 20
            });
            assert!(server.restart());
        }
        moves();
        ends.store(true, Ordering::SeqCst);
    });
    // What the processes still hold comes when they are gone.
    drop((queues, processes));
    let last = Process::new(&server.url());
    let queue = last.open();
    let missing = || {
        let seen: BTreeSet<u32> = seen.lock().unwrap().iter().copied().collect();
        enqueued.lock().unwrap().difference(&seen).count()
    };
    wait_until("everything is delivered", || {
        take_all(&*queue, &seen);
        missing() == 0
    });
    let seen = seen.into_inner().unwrap();
    let distinct: BTreeSet<u32> = seen.iter().copied().collect();
    let unasked = distinct.difference(&enqueued.into_inner().unwrap()).count();
    assert!(
        unasked <= unknown.into_inner(),
        "{unasked} items that nobody enqueued"
    );
    // Acknowledgements that were under way when the server died, at most what two processes had fetched, three times.
    let twice = seen.len() - distinct.len();
    assert!(twice <= 2 * 3 * 64, "{twice} items were delivered twice");
}

/// The server that the second process of a test uses.
const SERVER: &str = "QUEUE_TEST_SERVER";

fn second_process(test: &str, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env(SERVER, url)
        .spawn()
        .unwrap()
}

fn of_second_process() -> Process {
    Process::new(&std::env::var(SERVER).expect("another test starts this one"))
}

const ITEMS: u32 = 2000;

/// Two producers and two consumers. Each consumer takes one item for each notification, and writes down which.
fn half_of_the_work(process: &Process, half: u32) {
    let connector = &process.connector;
    let count = |command: &str, arguments: &[&str]| {
        let mut request = cmd(command);
        arguments.iter().for_each(|argument| _ = request.arg(argument));
        connector.call(request).unwrap()
    };
    thread::scope(|scope| {
        for producer in 0..2 {
            let queue = process.open();
            let first = (2 * half + producer) * ITEMS;
            scope.spawn(move || enqueue(&*queue, first..first + ITEMS));
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let queue = process.open();
                let (mailbox, _subscription) = subscribe(&*queue);
                let all = i64::from(4 * ITEMS);
                wait_until("all items are taken", || {
                    while let Some(notification) = mailbox.next() {
                        if let Ok(item) = queue.take() {
                            count("RPUSH", &["seen", &number(&item.payload).to_string()]);
                            queue.acknowledge(item);
                        }
                        notification.handled();
                    }
                    count("LLEN", &["seen"]) == [Value::Int(all)]
                });
            });
        }
    });
}

#[test]
#[ignore = "it is the second process of two_processes"]
fn second_half() {
    half_of_the_work(&of_second_process(), 1);
}

#[test]
fn two_processes() {
    let Some(server) = TestServer::start() else { return };
    let mut second = second_process("second_half", &server.url());
    let process = Process::new(&server.url());
    half_of_the_work(&process, 0);
    assert!(second.wait().unwrap().success());
    let mut seen = cmd("LRANGE");
    seen.arg("seen").arg(0).arg(-1);
    let seen = process.connector.call(seen).unwrap();
    let [Value::Array(seen)] = &*seen else {
        panic!("{seen:?}")
    };
    let mut seen: Vec<u32> = seen
        .iter()
        .map(|value| match value {
            Value::BulkString(text) => std::str::from_utf8(text).unwrap().parse().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..4 * ITEMS), "each item once");
}

#[test]
#[ignore = "it is the process that dies in a_process_that_dies"]
fn dying_process() {
    let process = of_second_process();
    let queue = process.open();
    let (mailbox, _subscription) = subscribe(&*queue);
    wait_until("an item has come", || !mailbox.is_empty());
    let acknowledged = queue.take().unwrap();
    queue.acknowledge(acknowledged);
    let _aside = queue.take().unwrap();
    let mut ready = cmd("SET");
    ready.arg("ready").arg(1);
    process.connector.call(ready).unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_process_that_dies() {
    let Some(server) = TestServer::start() else { return };
    let process = Process::new(&server.url());
    let queue = process.open();
    enqueue(&*queue, 0..10);
    let mut dying = second_process("dying_process", &server.url());
    wait_until("the process has taken two items", || {
        let mut ready = cmd("EXISTS");
        ready.arg("ready");
        process.connector.call(ready) == Ok(vec![Value::Int(1)])
    });
    dying.kill().unwrap();
    dying.wait().unwrap();
    let (_mailbox, _subscription) = subscribe(&*queue);
    let seen = Mutex::default();
    wait_until("what it had comes back", || {
        take_all(&*queue, &seen);
        seen.lock().unwrap().len() == 9
    });
    // Only what it had acknowledged does not.
    assert!(seen.into_inner().unwrap().into_iter().eq(1..10));
}
