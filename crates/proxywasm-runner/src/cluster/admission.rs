//! How much may be under way at an upstream, and how much of it may be tried again; for all workers together.

use super::settings::{Retries, UpstreamLimits};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

/// What is under way at an upstream.
#[derive(Debug)]
pub(super) struct Admission {
    places: Option<Arc<Semaphore>>,
    max_pending: usize,
    patience: Duration,
    pending: AtomicUsize,
    active: AtomicUsize,
    retrying: AtomicUsize,
}

/// A request that is under way. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    #[expect(dead_code, reason = "gives the place back when dropped")]
    place: Option<OwnedSemaphorePermit>,
}

/// A request that was sent again.
#[derive(Debug)]
pub(super) struct Retrying(Arc<Admission>);

/// Too many are waiting already, or it took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overloaded;

/// Counts one that waits while it lives.
struct Pending<'a>(&'a AtomicUsize);

// === impl Admission ===

impl Admission {
    pub(super) fn new(limits: &UpstreamLimits) -> Self {
        let places = limits
            .requests
            .map(|requests| requests.min(Semaphore::MAX_PERMITS));
        Self {
            places: places.map(|places| Arc::new(Semaphore::new(places))),
            max_pending: limits.pending,
            patience: limits.pending_timeout,
            pending: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            retrying: AtomicUsize::new(0),
        }
    }

    /// Lets a request in as soon as there is a place for it, unless that takes too long; those that wait come in their order.
    pub(super) async fn admit(self: &Arc<Self>) -> Result<Admitted, Overloaded> {
        let place = match &self.places {
            None => None,
            Some(places) => Some(match Arc::clone(places).try_acquire_owned() {
                Ok(place) => place,
                Err(TryAcquireError::Closed) => return Err(Overloaded),
                Err(TryAcquireError::NoPermits) => {
                    let before = self.pending.fetch_add(1, Ordering::Relaxed);
                    let _pending = Pending(&self.pending);
                    if before >= self.max_pending {
                        return Err(Overloaded);
                    }
                    let place = timeout(self.patience, Arc::clone(places).acquire_owned()).await;
                    place.map_err(|_| Overloaded)?.map_err(|_| Overloaded)?
                }
            }),
        };
        self.active.fetch_add(1, Ordering::Relaxed);
        Ok(Admitted {
            admission: Arc::clone(self),
            place,
        })
    }

    /// How many wait.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Whether one more may be sent again.
    pub(super) fn retry(self: &Arc<Self>, retries: &Retries) -> Option<Retrying> {
        let percent = usize::try_from(retries.budget_percent).unwrap_or(usize::MAX);
        let share = self.active.load(Ordering::Relaxed).saturating_mul(percent) / 100;
        let budget = share.max(usize::try_from(retries.budget_min).unwrap_or(usize::MAX));
        let before = self.retrying.fetch_add(1, Ordering::Relaxed);
        let retrying = Retrying(Arc::clone(self));
        (before < budget).then_some(retrying)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Retrying {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::runtime::Builder;

    #[test]
    fn places_and_those_who_wait() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let _context = runtime.enter();
        let limits = UpstreamLimits {
            requests: Some(2),
            pending: 1,
            ..UpstreamLimits::default()
        };
        let admission = Arc::new(Admission::new(&limits));
        let mut context = Context::from_waker(Waker::noop());
        let mut poll =
            |future: std::pin::Pin<&mut dyn Future<Output = Result<Admitted, Overloaded>>>| match future
                .poll(&mut context)
            {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            };
        let first = poll(pin!(admission.admit())).unwrap().unwrap();
        let second = poll(pin!(admission.admit())).unwrap().unwrap();
        {
            let mut third = pin!(admission.admit());
            assert!(poll(third.as_mut()).is_none());
            assert_eq!(poll(pin!(admission.admit())).unwrap().unwrap_err(), Overloaded);
            drop(first);
            assert!(poll(third.as_mut()).unwrap().is_ok());
        }
        // One that waited and left waits no more.
        let fourth = poll(pin!(admission.admit())).unwrap().unwrap();
        {
            let mut left = pin!(admission.admit());
            assert!(poll(left.as_mut()).is_none());
        }
        assert!(poll(pin!(admission.admit())).is_none());
        assert_eq!(admission.pending.load(Ordering::Relaxed), 0);
        drop((second, fourth));
        assert_eq!(admission.active.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_budget_bounds_what_is_tried_again() {
        let retries = Retries {
            budget_percent: 20,
            budget_min: 2,
            ..Retries::default()
        };
        let admission = Arc::new(Admission::new(&UpstreamLimits::default()));
        let one = admission.retry(&retries);
        let two = admission.retry(&retries);
        assert!(one.is_some() && two.is_some() && admission.retry(&retries).is_none());
        drop(one);
        assert!(admission.retry(&retries).is_some());
        // The more are under way, the more may be sent again.
        admission.active.store(20, Ordering::Relaxed);
        let more: Vec<_> = std::iter::from_fn(|| admission.retry(&retries)).collect();
        assert_eq!(more.len(), 3);
        drop((two, more));
        assert_eq!(admission.retrying.load(Ordering::Relaxed), 0);
    }
}
