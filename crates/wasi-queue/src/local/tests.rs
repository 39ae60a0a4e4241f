use super::*;
use crate::mailbox::Notification;

/// Consumers `a1`, `a2`, `b1`, ...: the letter is the plugin. Each has a mailbox of its own.
struct World {
    queue: Arc<LocalQueue>,
    consumers: Vec<(&'static str, Arc<Mailbox>, Option<Subscription>)>,
}

impl World {
    fn new(consumers: &[&'static str]) -> Self {
        let mut world = Self {
            queue: LocalQueue::new(7, Bounds { items: 8, bytes: 64 }),
            consumers: Vec::new(),
        };
        consumers.iter().for_each(|name| world.join(name));
        world
    }

    fn join(&mut self, name: &'static str) {
        let mailbox = Mailbox::new();
        let consumer = Consumer {
            plugin: name[..1].into(),
            recipient: Recipient {
                instance: self.consumers.len() as u64,
                plugin_id: 1,
            },
            mailbox: Arc::clone(&mailbox),
        };
        let subscription = self.queue.subscribe(consumer).unwrap();
        self.consumers.push((name, mailbox, Some(subscription)));
    }

    fn of(&mut self, name: &str) -> &mut (&'static str, Arc<Mailbox>, Option<Subscription>) {
        self.consumers
            .iter_mut()
            .find(|consumer| consumer.0 == name)
            .unwrap()
    }

    fn leave(&mut self, name: &str) {
        self.of(name).2 = None;
    }

    fn push(&self, payload: &'static str) {
        self.queue.push(Bytes::from(payload)).unwrap();
    }

    /// A notification of a consumer, which is then under way.
    fn next(&mut self, name: &str) -> Option<Notification> {
        self.of(name).1.next()
    }

    /// How often each consumer is called if nobody takes anything, by name.
    fn calls(&mut self) -> String {
        let mut calls = Vec::new();
        for (name, mailbox, _) in &self.consumers {
            while let Some(notification) = mailbox.next() {
                assert_eq!(notification.queue_id(), 7);
                notification.handled();
                calls.push(*name);
            }
        }
        calls.join(" ")
    }

    fn drain(&self) -> usize {
        let mut count = 0;
        while let Ok(item) = self.queue.take() {
            self.queue.acknowledge(&item);
            count += 1;
        }
        count
    }
}

#[test]
fn consumers_take_turns() {
    let mut world = World::new(&["a1", "a2", "a3"]);
    (0..7).for_each(|_| world.push("x"));
    assert_eq!(world.calls(), "a1 a1 a1 a2 a2 a3 a3");
    // Also where nobody has anything to do when an item comes.
    for name in ["a2", "a3", "a1", "a2"] {
        world.drain();
        world.push("x");
        assert_eq!(world.calls(), name);
    }
}

#[test]
fn who_has_less_to_do_is_told() {
    let mut world = World::new(&["a1", "a2"]);
    (0..4).for_each(|_| world.push("x"));
    while let Some(notification) = world.next("a1") {
        notification.handled();
    }
    (0..2).for_each(|_| world.push("x"));
    assert_eq!(world.calls(), "a1 a1 a2 a2", "a2 had two of its own");
}

#[test]
fn the_plugin_that_came_last_is_told() {
    let mut world = World::new(&["a1", "b1"]);
    world.push("x");
    assert_eq!(world.calls(), "b1");
    world.drain();
    world.join("a2");
    world.push("x");
    world.push("x");
    assert_eq!(world.calls(), "a1 a2", "all instances of the plugin");
    world.drain();
    world.of("b1").2.as_ref().unwrap().renew();
    world.push("x");
    world.push("x");
    world.of("a1").2.as_ref().unwrap().renew();
    assert_eq!(world.calls(), "a1 a2", "what was pending has moved on");
    world.drain();
    world.leave("a1");
    world.leave("a2");
    world.push("x");
    assert_eq!(world.calls(), "b1", "the one before, when the last is gone");
}

#[test]
fn who_comes_to_items_is_told() {
    let mut world = World::new(&[]);
    (0..3).for_each(|_| world.push("x"));
    world.join("a1");
    world.join("a2");
    assert_eq!(world.calls(), "a1 a1 a1", "each item is told once");
}

#[test]
fn what_a_consumer_leaves_goes_to_others() {
    let mut world = World::new(&["a1", "a2"]);
    (0..4).for_each(|_| world.push("x"));
    let under_way = world.next("a1").unwrap();
    world.leave("a1");
    drop(under_way);
    assert_eq!(world.calls(), "a2 a2 a2 a2", "also what was under way");

    let mut world = World::new(&["a1"]);
    world.push("x");
    world.leave("a1");
    world.join("a2");
    assert_eq!(world.calls(), "a2", "and whoever comes later");

    let mut world = World::new(&["a1", "a2"]);
    (0..4).for_each(|_| world.push("x"));
    (0..3).for_each(|_| world.queue.acknowledge(&world.queue.take().unwrap()));
    world.leave("a1");
    assert_eq!(world.calls(), "a2", "but only for items that are left");
}

#[test]
fn no_letter_outlives_its_consumer() {
    let mut world = World::new(&["a1"]);
    world.push("x");
    assert!(!world.of("a1").1.is_empty());
    world.leave("a1");
    assert!(world.of("a1").1.is_empty());
    world.join("a2");
    assert!(!world.of("a2").1.is_empty());
    world.queue.close().unwrap();
    assert!(world.of("a2").1.is_empty());
}

#[test]
fn what_cannot_be_delivered_goes_to_others() {
    let mut world = World::new(&["a1", "a2"]);
    world.push("x");
    drop(world.next("a1").unwrap());
    assert_eq!(world.calls(), "a2");
    world.leave("a2");
    world.drain();
    world.push("x");
    drop(world.next("a1").unwrap());
    assert_eq!(world.calls(), "", "nobody is told again of what it did not want");
}

#[test]
fn nobody_is_called_in_vain() {
    let mut world = World::new(&["a1", "a2"]);
    (0..6).for_each(|_| world.push("x"));
    let first = world.next("a1").unwrap();
    assert_eq!(world.drain(), 6);
    first.handled();
    assert_eq!(world.calls(), "");
    world.push("x");
    assert_eq!(world.calls().len(), 2, "one call for the next item");
}

/// The interleaving in which a notification for an item could be mistaken for one that is left over.
#[test]
fn an_item_that_comes_while_a_consumer_returns_is_told() {
    let mut world = World::new(&["a1", "a2"]);
    world.push("x");
    let returning = world.next("a1").unwrap();
    assert_eq!(world.drain(), 1);
    world.push("y");
    let told = world.next("a2").expect("a1 has looked already");
    returning.handled();
    told.handled();
    assert_eq!(world.drain(), 1);
}

#[test]
fn what_is_given_back_is_told_to_who_missed_it() {
    // Someone was told, and looked while the item was set aside.
    let mut world = World::new(&["a1"]);
    let item = |world: &World| {
        world.push("x");
        world.queue.take().unwrap()
    };
    world.push("x");
    let told = world.next("a1").unwrap();
    let aside = world.queue.take().unwrap();
    assert_eq!(world.queue.take(), Err(QueueError::Empty));
    told.handled();
    assert_eq!(world.calls(), "");
    world.queue.give_back(aside);
    assert_eq!(world.calls(), "a1");
    world.drain();

    // The notification was left out while the item was set aside.
    let aside = item(&world);
    assert_eq!(world.calls(), "");
    world.queue.give_back(aside);
    assert_eq!(world.calls(), "a1");

    // Nobody missed it: who gives back what it cannot take is not called over and over.
    let aside = world.queue.take().unwrap();
    world.queue.give_back(aside);
    assert_eq!(world.calls(), "");
}

#[test]
fn what_is_given_back_goes_to_its_place() {
    let world = World::new(&[]);
    ["a", "b", "c"].iter().for_each(|payload| world.push(payload));
    let [a, b, c] = [(); 3].map(|()| world.queue.take().unwrap());
    world.push("d");
    [b, a, c].into_iter().for_each(|item| world.queue.give_back(item));
    let order: Vec<Bytes> = std::iter::from_fn(|| world.queue.take().ok())
        .map(|item| item.payload)
        .collect();
    assert_eq!(order, ["a", "b", "c", "d"]);
}

#[test]
fn bounds_count_what_is_set_aside() {
    let world = World::new(&[]);
    let push = |payload: &'static str| world.queue.push(Bytes::from(payload));
    (0..8).for_each(|_| world.push("x"));
    assert_eq!(push("x"), Err(QueueError::Full));
    let aside = world.queue.take().unwrap();
    assert_eq!(push("x"), Err(QueueError::Full));
    world.queue.acknowledge(&aside);
    assert_eq!(push("x"), Ok(()));
    world.drain();
    const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123";
    assert_eq!(push(LONG), Ok(()));
    let aside = world.queue.take().unwrap();
    assert_eq!(push("x"), Err(QueueError::Full), "64 bytes");
    world.queue.acknowledge(&aside);
    assert_eq!(push("x"), Ok(()));
}

#[test]
fn what_was_fetched_from_elsewhere() {
    let mut world = World::new(&["a1", "a2"]);
    let item = |place, payload: &'static str| Item {
        place,
        payload: payload.into(),
    };
    world.queue.put(vec![item(5, "b"), item(9, "d")]);
    world.queue.put(vec![item(3, "a"), item(7, "c")]);
    assert_eq!(world.queue.len(), 4);
    assert_eq!(world.calls().len(), 4 * 3 - 1, "one call for each");
    let first = world.queue.take().unwrap();
    assert_eq!(first, item(3, "a"));
    assert_eq!(world.queue.drain(), [item(5, "b"), item(7, "c"), item(9, "d")]);
    assert_eq!(world.queue.take(), Err(QueueError::Empty));
    world.queue.give_back(first);
    assert_eq!(world.drain(), 1);
    world.queue.put(vec![item(11, "e")]);
    assert_eq!(world.drain(), 1);
    world.queue.close().unwrap();
    assert!(world.queue.is_closed());
    world.queue.put(vec![item(12, "f")]);
    assert!(world.queue.is_empty());
}

#[test]
fn closed() {
    let mut world = World::new(&["a1"]);
    world.push("x");
    world.push("x");
    let aside = world.queue.take().unwrap();
    let under_way = world.next("a1").unwrap();
    assert_eq!(world.queue.close(), Ok(()));
    assert_eq!(world.queue.close(), Err(QueueError::NotFound));
    drop(under_way);
    world.queue.give_back(aside);
    assert_eq!(world.calls(), "");
    assert_eq!(world.queue.take(), Err(QueueError::NotFound));
    assert_eq!(world.queue.push(Bytes::new()), Err(QueueError::NotFound));
    let consumer = Consumer {
        plugin: "a".into(),
        recipient: Recipient {
            instance: 0,
            plugin_id: 1,
        },
        mailbox: Mailbox::new(),
    };
    assert_eq!(world.queue.subscribe(consumer).err(), Some(QueueError::NotFound));
}
