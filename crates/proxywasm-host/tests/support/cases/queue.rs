//! wasi-queue.

use super::{Case, Row, case, two};
use crate::world::Setup;
use std::sync::Arc;
use wasi_common::Allowed;
use wasi_queue::{
    Consumer, InProcessQueues, Item, Queue, QueueBackend, QueueError, QueueSettings, Subscription,
};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-queue",
        function,
        cases,
    };
    vec![
        row(
            "open_shared_queue",
            vec![
                case("open_shared_queue 'q' 1 &q -> ok\nopen_shared_queue 'q' 0 &r -> ok"),
                case("open_shared_queue 'q' 0 &q -> not_found"),
                case("open_shared_queue '' 1 &q -> bad_argument"),
                case("open_shared_queue 'q' 1 &q -> not_allowed")
                    .with(|setup| setup.config.permissions.queues = Allowed::from_iter(["other"])),
                case("open_shared_queue bad 1 &q -> invalid_memory_access"),
                case("open_shared_queue 'q' 1 &bad -> invalid_memory_access"),
                case("open_shared_queue 'q' 1 &q -> ok\nopen_shared_queue 'r' 1 &r -> unavailable")
                    .with(|setup| setup.config.limits.handles = 1),
                case("@_initialize\nopen_shared_queue 'q' 1 &q -> invalid_operation"),
            ],
        ),
        row(
            "delete_shared_queue",
            vec![
                case(
                    "open_shared_queue 'q' 1 &q -> ok
                    delete_shared_queue $q -> ok
                    delete_shared_queue $q -> bad_argument",
                ),
                deleted("delete_shared_queue $r -> not_found"),
                of_another("delete_shared_queue $q -> not_allowed"),
                away("delete_shared_queue $q -> unavailable"),
            ],
        ),
        row(
            "dequeue_shared_queue_item",
            vec![
                case(
                    "open_shared_queue 'q' 1 &q -> ok
                    dequeue_shared_queue_item $q out &size -> empty
                    enqueue_shared_queue_item $q 'item' -> ok
                    dequeue_shared_queue_item $q out:3 &size -> buffer_too_small
                    check $size 4
                    dequeue_shared_queue_item $q bad &size -> invalid_memory_access
                    dequeue_shared_queue_item $q out &bad -> invalid_memory_access
                    dequeue_shared_queue_item $q out &size -> ok
                    expect_out 'item'
                    dequeue_shared_queue_item 99 out &size -> bad_argument",
                ),
                deleted("dequeue_shared_queue_item $r out &size -> not_found"),
                of_another("dequeue_shared_queue_item $q out &size -> not_allowed"),
                away("dequeue_shared_queue_item $q out &size -> unavailable"),
            ],
        ),
        row(
            "enqueue_shared_queue_item",
            vec![
                case(
                    "open_shared_queue 'q' 1 &q -> ok
                    enqueue_shared_queue_item $q ['it','em'] -> ok
                    enqueue_shared_queue_item $q bad -> invalid_memory_access
                    enqueue_shared_queue_item 99 'item' -> bad_argument",
                ),
                deleted("enqueue_shared_queue_item $r 'item' -> not_found"),
                of_another("enqueue_shared_queue_item $q 'item' -> not_allowed"),
                away("enqueue_shared_queue_item $q 'item' -> unavailable"),
                case(
                    "open_shared_queue 'q' 1 &q -> ok
                    enqueue_shared_queue_item $q 'one' -> ok
                    enqueue_shared_queue_item $q 'two' -> unavailable",
                )
                .with(|setup| bounded(setup, |settings| settings.items = 1)),
            ],
        ),
        row(
            "on_shared_queue_ready",
            vec![case(
                "drive rqh wake
                open_shared_queue 'q' 1 &q -> ok
                enqueue_shared_queue_item $q 'item' -> ok
                @on_shared_queue_ready
                    check arg0 $q
                    dequeue_shared_queue_item $q out &size -> ok
                    expect_out 'item'",
            )],
        ),
    ]
}

/// A step of a plugin for which `$q` is the first plugin's handle.
fn of_another(step: &str) -> Case {
    two(format!(
        "@on_http_request_headers first
            open_shared_queue 'q' 1 &q -> ok
        @on_http_request_headers second
            {step}"
    ))
}

/// A step of the first plugin for which `$r` is a handle of a queue that the second one has deleted.
fn deleted(step: &str) -> Case {
    two(format!(
        "drive rqh! rsh
        @on_http_request_headers first
            open_shared_queue 'q' 1 &r -> ok
        @on_http_request_headers second
            open_shared_queue 'q' 0 &q -> ok
            delete_shared_queue $q -> ok
        @on_http_response_headers first
            {step}"
    ))
}

/// A step for which `$q` is a handle of a queue that cannot be reached any more.
fn away(step: &str) -> Case {
    case(format!("open_shared_queue 'q' 0 &q -> ok\n{step}"))
        .with(|setup| setup.services.queues = Arc::new(Away))
}

fn bounded(setup: &mut Setup, change: impl Fn(&mut QueueSettings)) {
    let mut settings = QueueSettings::default();
    change(&mut settings);
    setup.services.queues = Arc::new(InProcessQueues::new(settings));
}

/// Queues whose server has gone since they were opened.
struct Away;

impl QueueBackend for Away {
    fn open(&self, _: &str, _: &[u8], _: bool) -> Result<Arc<dyn Queue>, QueueError> {
        Ok(Arc::new(Self))
    }
    fn find(&self, _: u32) -> Option<Arc<dyn Queue>> {
        Some(Arc::new(Self))
    }
}

impl Queue for Away {
    fn number(&self) -> u32 {
        1
    }
    fn name(&self) -> &[u8] {
        b"q"
    }
    fn enqueue(&self, _: &[u8]) -> Result<(), QueueError> {
        Err(QueueError::Unreachable)
    }
    fn take(&self) -> Result<Item, QueueError> {
        Err(QueueError::Unreachable)
    }
    fn acknowledge(&self, _: Item) {}
    fn give_back(&self, _: Item) {}
    fn delete(&self) -> Result<(), QueueError> {
        Err(QueueError::Unreachable)
    }
    fn subscribe(&self, _: Consumer) -> Result<Subscription, QueueError> {
        Err(QueueError::Unreachable)
    }
}
