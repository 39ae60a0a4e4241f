//! The in-process backend against the suite of all backends.
#![cfg(test)]

mod suite;

use std::sync::Arc;
use wasi_queue::InProcessQueues;

#[test]
fn contract() {
    suite::contract(&InProcessQueues::default());
}

#[test]
fn each_item_reaches_one_consumer() {
    suite::each_item_reaches_one_consumer(&(Arc::new(InProcessQueues::default()) as _), 20_000);
}

#[test]
fn nothing_is_lost_with_consumers_that_come_and_go() {
    suite::nothing_is_lost_with_consumers_that_come_and_go(
        &(Arc::new(InProcessQueues::default()) as _),
        20_000,
    );
}
