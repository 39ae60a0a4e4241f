//! Where an answer goes.

use crate::{Answer, CallError};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Where an answer goes. Exactly one is given, if only by dropping this.
pub(crate) struct Reply(Option<To>);

enum To {
    /// A caller that waits, if it still does.
    Waiter(Weak<Waiter<Answer>>),
    Callback(Box<dyn FnOnce(Answer) + Send>),
}

/// A caller that waits for something.
pub(crate) struct Waiter<T> {
    arrival: Mutex<Option<T>>,
    arrived: Condvar,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn to_waiter(waiter: &Arc<Waiter<Answer>>) -> Self {
        Self(Some(To::Waiter(Arc::downgrade(waiter))))
    }

    pub(crate) fn to_callback(callback: Box<dyn FnOnce(Answer) + Send>) -> Self {
        Self(Some(To::Callback(callback)))
    }

    /// Whether anybody would see the answer.
    pub(crate) fn is_wanted(&self) -> bool {
        match &self.0 {
            Some(To::Waiter(waiter)) => waiter.strong_count() > 0,
            Some(To::Callback(_)) => true,
            None => false,
        }
    }

    pub(crate) fn give(mut self, answer: Answer) {
        self.deliver(answer);
    }

    fn deliver(&mut self, answer: Answer) {
        match self.0.take() {
            Some(To::Waiter(waiter)) => {
                if let Some(waiter) = waiter.upgrade() {
                    waiter.arrive(answer);
                }
            }
            Some(To::Callback(callback)) => callback(answer),
            None => {}
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.deliver(Err(CallError::Unavailable));
    }
}

// === impl Waiter ===

impl<T> Waiter<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            arrival: Mutex::new(None),
            arrived: Condvar::new(),
        })
    }

    /// Waits. `None` where nothing has come in time.
    pub(crate) fn wait(&self, bound: Duration) -> Option<T> {
        let arrival = self.arrival.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut arrival, _) = self
            .arrived
            .wait_timeout_while(arrival, bound, |arrival| arrival.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        arrival.take()
    }

    pub(crate) fn arrive(&self, arrival: T) {
        *self.arrival.lock().unwrap_or_else(PoisonError::into_inner) = Some(arrival);
        self.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::Value;
    use std::sync::mpsc;

    #[test]
    fn a_waiter() {
        let waiter = Waiter::new();
        let (first, second) = (Reply::to_waiter(&waiter), Reply::to_waiter(&waiter));
        assert!(waiter.wait(Duration::ZERO).is_none());
        std::thread::scope(|scope| {
            scope.spawn(move || first.give(Ok(vec![Value::Okay])));
            assert_eq!(waiter.wait(Duration::from_secs(60)), Some(Ok(vec![Value::Okay])));
        });
        assert!(second.is_wanted());
        drop(waiter);
        assert!(!second.is_wanted(), "the caller has gone");
        second.give(Ok(Vec::new()));
    }

    #[test]
    fn what_is_dropped_is_answered() {
        let (sender, answers) = mpsc::channel();
        let reply = |sender: mpsc::Sender<Answer>| {
            Reply::to_callback(Box::new(move |answer| sender.send(answer).unwrap()))
        };
        reply(sender.clone()).give(Ok(Vec::new()));
        drop(reply(sender));
        assert_eq!(
            answers.iter().collect::<Vec<_>>(),
            [Ok(Vec::new()), Err(CallError::Unavailable)]
        );
    }
}
