//! What every backend has to do. Notifications may come late, as they do over a network.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use wasi_queue::{Consumer, Mailbox, Queue, QueueBackend, QueueError, Recipient};

/// Longer than any backend needs: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A mailbox that wakes the current thread.
fn mailbox() -> Arc<Mailbox> {
    let mailbox = Mailbox::new();
    mailbox.set_waker(Waker::from(Arc::new(Unpark(thread::current()))));
    mailbox
}

fn consumer(plugin: &str, mailbox: &Arc<Mailbox>) -> Consumer {
    Consumer {
        plugin: plugin.into(),
        recipient: Recipient {
            instance: 1,
            plugin_id: 2,
        },
        mailbox: Arc::clone(mailbox),
    }
}

/// Takes an item, which may still be on its way.
fn take(queue: &dyn Queue) -> Vec<u8> {
    let mut waited = Duration::ZERO;
    loop {
        match queue.take() {
            Ok(item) => {
                let payload = item.payload.to_vec();
                queue.acknowledge(item);
                return payload;
            }
            Err(QueueError::Empty) if waited < PATIENCE => {
                waited += Duration::from_millis(1);
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Opening, order, giving back, deleting, one notification for each item.
pub(crate) fn contract(backend: &dyn QueueBackend) {
    assert_eq!(backend.open("s", b"q", false).err(), Some(QueueError::NotFound));
    let queue = backend.open("s", b"q", true).unwrap();
    let same = backend.open("s", b"q", false).unwrap();
    assert_ne!(queue.number(), 0);
    assert_eq!((queue.number(), queue.name()), (same.number(), &b"q"[..]));
    assert_eq!(backend.find(queue.number()).unwrap().number(), queue.number());
    assert_eq!(
        backend.open("other", b"q", false).err(),
        Some(QueueError::NotFound)
    );
    let other = backend.open("other", b"q", true).unwrap();
    assert_ne!(other.number(), queue.number());

    assert_eq!(queue.take().err(), Some(QueueError::Empty));
    for payload in [&b"one"[..], b"", b"\xff\x00"] {
        queue.enqueue(payload).unwrap();
    }
    assert_eq!(take(&*same), b"one");
    let mailbox = mailbox();
    let subscription = queue.subscribe(consumer("p", &mailbox)).unwrap();
    let mut told = 0;
    while told < 2 {
        match mailbox.next() {
            Some(notification) => {
                assert_eq!(notification.queue_id(), queue.number());
                assert_eq!(notification.recipient().plugin_id, 2);
                notification.handled();
                told += 1;
            }
            None => thread::park_timeout(PATIENCE),
        }
    }
    let aside = queue.take().unwrap();
    assert_eq!(&aside.payload[..], b"");
    queue.give_back(aside);
    assert_eq!([take(&*queue), take(&*queue)], [&b""[..], b"\xff\x00"]);
    drop(subscription);

    queue.enqueue(b"lost").unwrap();
    same.delete().unwrap();
    assert_eq!(queue.delete(), Err(QueueError::NotFound));
    assert_eq!(queue.enqueue(b""), Err(QueueError::NotFound));
    assert_eq!(queue.take().err(), Some(QueueError::NotFound));
    assert!(backend.find(queue.number()).is_none());
    assert_eq!(
        queue.subscribe(consumer("p", &mailbox)).err(),
        Some(QueueError::NotFound)
    );
    let anew = backend.open("s", b"q", true).unwrap();
    assert_ne!(anew.number(), queue.number());
    assert_eq!(anew.take().err(), Some(QueueError::Empty));
    assert_eq!(queue.delete(), Err(QueueError::NotFound));
    assert_eq!(backend.open("s", b"q", false).unwrap().number(), anew.number());
    anew.delete().unwrap();
    other.delete().unwrap();
}

/// Four producers and four consumers, each of which takes one item for each notification: were a notification lost, items would stay.
pub(crate) fn each_item_reaches_one_consumer(backend: &Arc<dyn QueueBackend>, items: usize) {
    let seen = run(backend, items, |_, _| false);
    assert_eq!(seen.len(), items);
}

/// As above, but consumers leave in the middle of a notification, as an instance does that traps, and others come.
pub(crate) fn nothing_is_lost_with_consumers_that_come_and_go(backend: &Arc<dyn QueueBackend>, items: usize) {
    let seen = run(backend, items, |consumer, count| consumer > 0 && count % 50 == 49);
    assert_eq!(seen.len(), items);
}

/// Sends all items through a queue. A consumer leaves and comes again where `leaves` says so for its number and how many notifications
/// it has got. Returns the items that were taken, of which no two are the same.
fn run(
    backend: &Arc<dyn QueueBackend>,
    items: usize,
    leaves: impl Fn(usize, usize) -> bool + Send + Sync,
) -> Vec<usize> {
    const THREADS: usize = 4;
    let queue = backend.open("stress", b"q", true).unwrap();
    let (seen, taken) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let failed = AtomicBool::new(false);
    let threads: Mutex<Vec<Thread>> = Mutex::default();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (backend, leaves, seen, taken, threads, failed) =
                (backend, &leaves, &seen, &taken, &threads, &failed);
            scope.spawn(move || {
                let mailbox = mailbox();
                threads.lock().unwrap().push(thread::current());
                let queue = backend.open("stress", b"q", true).unwrap();
                let mut subscription = queue.subscribe(consumer("p", &mailbox)).unwrap();
                let mut count = 0;
                while taken.load(Ordering::SeqCst) < items && !failed.load(Ordering::SeqCst) {
                    let Some(notification) = mailbox.next() else {
                        let (since, before) = (Instant::now(), taken.load(Ordering::SeqCst));
                        thread::park_timeout(PATIENCE);
                        // Nothing moves any more: the caller sees what is missing.
                        let is_stuck = since.elapsed() >= PATIENCE && taken.load(Ordering::SeqCst) == before;
                        failed.fetch_or(is_stuck, Ordering::SeqCst);
                        continue;
                    };
                    count += 1;
                    if leaves(number, count) {
                        let aside = queue.take();
                        if let Ok(aside) = aside {
                            queue.give_back(aside);
                        }
                        drop(subscription);
                        drop(notification);
                        subscription = queue.subscribe(consumer("p", &mailbox)).unwrap();
                        continue;
                    }
                    if let Ok(item) = queue.take() {
                        let payload = <[u8; 8]>::try_from(&item.payload[..]).unwrap();
                        queue.acknowledge(item);
                        seen.lock().unwrap().push(u64::from_le_bytes(payload) as usize);
                        if taken.fetch_add(1, Ordering::SeqCst) + 1 == items {
                            threads.lock().unwrap().iter().for_each(Thread::unpark);
                        }
                    }
                    notification.handled();
                }
                drop(subscription);
            });
        }
        for number in 0..THREADS {
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                for item in (number..items).step_by(THREADS) {
                    while let Err(error) = queue.enqueue(&(item as u64).to_le_bytes()) {
                        assert_eq!(error, QueueError::Full);
                        thread::yield_now();
                    }
                }
            });
        }
    });
    queue.delete().unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "an item was taken twice");
    seen
}
