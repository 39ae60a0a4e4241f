//! What passes between one queue here and on the server: items, acknowledgements, and what goes back.

use super::lease::ProcessName;
use super::queue::RedisQueue;
use super::scripts::{ACKNOWLEDGE, FETCH, RETURN_REST};
use super::{Shared, unreachable};
use crate::backend::{Item, QueueError};
use bytes::Bytes;
use proxywasm_redis::{Answer, Request, Value};
use rustc_hash::FxHashMap;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What is under way between this process and the server. The lock is never held while something is sent, since the answer can come at
/// once.
#[derive(Default)]
pub(super) struct Flow {
    /// Fetches that are under way.
    fetches: usize,
    /// Items are on their way back. They and fetches exclude each other: what the server gives out in between would be unknown here.
    returning: bool,
    /// Items have come to the server since the fetch that is under way was sent, or there was no room for them here.
    more: bool,
    /// The server may believe that items are here which are not: the answer to a fetch was lost, or nobody here wants them.
    unsure: bool,
    /// When this process last looked for items of processes that are gone.
    reclaimed: Option<Instant>,
    /// Under which name each item was fetched that is at hand or set aside.
    pub(super) held: FxHashMap<u64, ProcessName>,
    /// Acknowledgements that wait to be sent, and those that are being sent.
    pub(super) acknowledged: Vec<(u64, ProcessName)>,
    sending: Vec<(u64, ProcessName)>,
}

// === impl RedisQueue ===

impl RedisQueue {
    /// Fetches items ahead, if there is a consumer and room. One fetch is under way at a time; whatever is asked for meanwhile is done
    /// after it.
    pub(super) fn fetch(&self) {
        if self.local.consumers() == 0 || self.left.load(Ordering::Acquire) {
            return;
        }
        let Some(name) = self.shared.lease.registered() else {
            self.shared
                .renew(|shared| shared.queues().iter().for_each(|queue| queue.fetch()));
            return;
        };
        let room = self.shared.settings.prefetch.saturating_sub(self.local.len());
        let reclaims = {
            let mut flow = self.flow();
            if flow.fetches > 0 || flow.returning || room == 0 {
                flow.more = true;
                return;
            }
            flow.fetches = 1;
            flow.more = false;
            flow.reclaims(&self.shared)
        };
        let asked = Instant::now();
        let request = self.fetch_request(name, room, reclaims);
        if let Some(me) = self.me.upgrade() {
            self.shared
                .connector
                .submit(request, move |answer| me.fetched(name, asked, answer));
        }
    }

    /// Does what had to wait for a fetch or a return.
    pub(super) fn go_on(&self) {
        let (unsure, more) = {
            let flow = self.flow();
            (flow.unsure, flow.more)
        };
        if unsure {
            self.return_rest();
        } else if more && self.local.len() < self.shared.settings.prefetch {
            self.fetch();
        }
    }

    /// What a fetch has brought.
    fn fetched(&self, name: ProcessName, asked: Instant, answer: Answer) {
        {
            let mut flow = self.flow();
            flow.fetches = flow.fetches.saturating_sub(1);
            flow.unsure |= answer.is_err();
        }
        match answer.ok().and_then(|mut answer| answer.pop()) {
            Some(Value::Array(values)) => {
                self.shared.lease.grant(name, asked);
                self.receive(name, values);
                self.go_on();
            }
            Some(Value::BulkString(verdict)) => match &*verdict {
                b"lost" => self.shared.lost(name),
                _ => self.close(),
            },
            // Without an answer it goes on when there is a connection again, or at the next sweep.
            _ => {}
        }
    }

    fn receive(&self, name: ProcessName, values: Vec<Value>) {
        let mut values = values.into_iter();
        let left = matches!(values.next(), Some(Value::Int(left)) if left > 0);
        let mut items = Vec::new();
        while let (Some(place), Some(Value::BulkString(payload))) = (values.next(), values.next()) {
            if let Some(place) = number(&place) {
                items.push((place, Bytes::from(payload)));
            }
        }
        let is_current = self.shared.lease.name() == name;
        {
            let mut flow = self.flow();
            flow.more |= left;
            if is_current {
                flow.held.extend(items.iter().map(|(place, _)| (*place, name)));
            }
        }
        // Under a name that was lost they are others' by now.
        if is_current {
            let items = items.into_iter().map(|(place, payload)| Item {
                place: u128::from(place),
                payload,
            });
            self.local.put(items.collect());
        }
    }

    /// Fetches one item for a process that has no consumer.
    pub(super) fn fetch_now(&self) -> Result<(), QueueError> {
        if self.shared.lease.registered().is_none() {
            self.shared.renew_now()?;
        }
        let name = self.shared.lease.registered().ok_or(QueueError::Unreachable)?;
        let reclaims = {
            let mut flow = self.flow();
            if flow.returning {
                return Err(QueueError::Empty);
            }
            flow.fetches += 1;
            flow.reclaims(&self.shared)
        };
        let (me, asked) = (Weak::clone(&self.me), Instant::now());
        self.shared
            .connector
            .call_then(self.fetch_request(name, 1, reclaims), move |answer| {
                if let Some(me) = me.upgrade() {
                    me.fetched(name, asked, answer);
                }
            })
            .map_err(unreachable)
    }

    fn fetch_request(&self, name: ProcessName, count: usize, reclaims: bool) -> Request {
        let shared = &self.shared;
        let lease = shared.lease_key(name);
        let keys = &self.keys;
        FETCH.request(
            [
                &*keys.queue,
                &keys.waiting,
                &keys.payloads,
                &keys.taken,
                lease.as_bytes(),
            ],
            [
                name.text().as_bytes(),
                shared.lease.term().as_millis().to_string().as_bytes(),
                count.to_string().as_bytes(),
                shared.settings.prefetch_bytes.max(1).to_string().as_bytes(),
                if reclaims { b"1" } else { b"0" },
                shared.lease_prefix().as_bytes(),
            ],
        )
    }

    /// Sends acknowledgements: all that have gathered since the last ones were sent.
    pub(super) fn send_acknowledgements(&self) {
        let batch = {
            let mut flow = self.flow();
            if !flow.sending.is_empty() || flow.acknowledged.is_empty() {
                return;
            }
            flow.sending = std::mem::take(&mut flow.acknowledged);
            flow.sending.clone()
        };
        let arguments: Vec<String> = batch
            .iter()
            .flat_map(|(place, name)| [place.to_string(), name.text()])
            .collect();
        let keys = [&*self.keys.queue, &self.keys.payloads, &self.keys.taken];
        let request = ACKNOWLEDGE.request(keys, arguments.iter().map(String::as_bytes));
        let Some(me) = self.me.upgrade() else { return };
        self.shared.connector.submit(request, move |answer| {
            let sent = answer.is_ok();
            {
                let mut flow = me.flow();
                let batch = std::mem::take(&mut flow.sending);
                if !sent {
                    flow.acknowledged.splice(..0, batch);
                }
            }
            // What could not be sent is sent when there is a connection again.
            if sent {
                me.send_acknowledgements();
            }
        });
    }

    /// There is a connection again: looks for what happened in the meantime.
    pub(super) fn reconnect(&self) {
        self.send_acknowledgements();
        self.flow().more = true;
        self.return_rest();
        self.fetch();
    }

    /// Gives back what the server believes to be here and is not.
    fn return_rest(&self) {
        if let Some((request, then)) = self.rest() {
            self.shared.connector.submit(request, then);
        }
    }

    /// A request to give back what the server believes to be here and is not, and what is to be done with the answer. `None` where this
    /// has to wait.
    fn rest(&self) -> Option<(Request, impl FnOnce(Answer) + Send + 'static)> {
        let name = self.shared.lease.registered()?;
        let me = self.me.upgrade()?;
        let mut arguments = vec![name.text()];
        {
            let mut flow = self.flow();
            flow.unsure = true;
            if flow.fetches > 0 || flow.returning {
                return None;
            }
            flow.unsure = false;
            flow.returning = true;
            let unsent = flow
                .acknowledged
                .iter()
                .chain(&flow.sending)
                .map(|(place, _)| *place);
            let known = flow.held.keys().copied().chain(unsent);
            arguments.extend(known.map(|place| place.to_string()));
        }
        let keys = [&*self.keys.queue, &self.keys.waiting, &self.keys.taken];
        let request = RETURN_REST.request(keys, arguments.iter().map(String::as_bytes));
        let then = move |answer: Answer| {
            {
                let mut flow = me.flow();
                flow.returning = false;
                flow.unsure |= answer.is_err();
            }
            if answer.is_ok() {
                me.go_on();
            }
        };
        Some((request, then))
    }

    /// What has to be done now and then.
    pub(super) fn sweep(&self) {
        let holds_items = !self.flow().held.is_empty();
        let has_consumers = self.local.consumers() > 0;
        let now = Instant::now();
        if (holds_items || has_consumers) && self.shared.lease.is_due(now) {
            self.shared.renew(|_| {});
        }
        if holds_items && !has_consumers {
            self.return_items();
        }
        let (unsure, is_due) = {
            let flow = self.flow();
            (flow.unsure, flow.is_due(&self.shared, now))
        };
        if unsure {
            self.return_rest();
        }
        if is_due {
            self.fetch();
        }
        self.send_acknowledgements();
    }

    /// Gives back what is at hand and nobody here wants.
    fn return_items(&self) {
        if self.forget_items() {
            self.return_rest();
        }
    }

    /// Nothing is at hand any more. Returns whether anything was.
    pub(super) fn forget_items(&self) -> bool {
        let items = self.local.drain();
        let mut flow = self.flow();
        for item in &items {
            flow.held.remove(&place(item));
        }
        !items.is_empty()
    }

    /// The backend goes, and perhaps the process in a moment: waits until what is at hand has been given back.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Release);
        if self.forget_items()
            && let Some((request, then)) = self.rest()
        {
            // Where it fails, others wait for the end of the lease.
            let _returned = self.shared.connector.call_then(request, then);
        }
        self.shared.connector.unsubscribe(&self.keys.queue);
    }
}

// === impl Flow ===

impl Flow {
    /// Whether it is time to look for items of processes that are gone.
    fn is_due(&self, shared: &Shared, now: Instant) -> bool {
        self.reclaimed
            .is_none_or(|reclaimed| now.saturating_duration_since(reclaimed) >= shared.lease.term() / 3)
    }

    /// As [`Flow::is_due`], and it is done.
    fn reclaims(&mut self, shared: &Shared) -> bool {
        let now = Instant::now();
        let is_due = self.is_due(shared, now);
        if is_due {
            self.reclaimed = Some(now);
        }
        is_due
    }
}

/// The place of an item, as the server counts them.
pub(super) fn place(item: &Item) -> u64 {
    item.place as u64
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}
