//! One server of an upstream.

use super::settings::Ejection;
use crate::callouts::Clients;
use crate::figures::UpstreamFigures;
use crate::upstream::{HttpTarget, Places, Upstream};
use std::cell::Cell;
use std::fmt;
use std::hash::Hasher;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What all workers know of a server.
#[derive(Debug)]
pub(crate) struct EndpointState {
    /// Where it is; the built-in echo if nowhere.
    pub(super) target: Option<HttpTarget>,
    pub(super) weight: u32,
    /// The same for the same address, in every process.
    pub(super) hash: u64,
    /// What the active checks say.
    healthy: AtomicBool,
    /// Checks in a row that said the same: successes above zero, failures below. Only whoever checks writes it.
    streak: AtomicI64,
    /// Failures in a row.
    failures: AtomicU32,
    /// Times in a row that it was ejected.
    ejections: AtomicU32,
    /// Until when it is ejected, in milliseconds of [`now`].
    ejected_until: AtomicU64,
    epoch: Instant,
}

/// How a server is, for operators.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct EndpointHealth {
    pub(crate) address: String,
    pub(crate) weight: u32,
    /// Whether requests go there.
    pub(crate) available: bool,
    /// What health checks found; true where there are none.
    pub(crate) healthy: bool,
    /// Whether it is left out because requests failed.
    pub(crate) ejected: bool,
}

/// A server as one worker has it, with the connections to it.
pub(crate) struct Endpoint {
    pub(super) state: Arc<EndpointState>,
    pub(super) upstream: Upstream,
    /// Requests under way.
    pub(super) active: Cell<u32>,
    /// How far it is behind its part of the requests, for round robin.
    pub(super) credit: Cell<i64>,
    /// Clients for the calls of plugins, made within the runtime that drives their connections.
    pub(crate) calls: Clients,
}

/// Counts a request while it lives.
pub(crate) struct Busy(pub(super) Rc<Endpoint>);

/// No ejection lasts longer than this many times that of the first.
const MAX_EJECTION_FACTOR: u32 = 10;

// === impl EndpointState ===

impl EndpointState {
    pub(super) fn new(target: Option<HttpTarget>, weight: u32) -> Self {
        let mut hasher = fnv::FnvHasher::default();
        if let Some(target) = &target {
            hasher.write(target.origin().as_bytes());
        }
        Self {
            target,
            weight,
            hash: hasher.finish(),
            healthy: AtomicBool::new(true),
            streak: AtomicI64::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    /// Whether requests should go there.
    pub(super) fn is_available(&self) -> bool {
        if !self.healthy.load(Ordering::Relaxed) {
            return false;
        }
        // The clock is only looked at where it matters.
        match self.ejected_until.load(Ordering::Relaxed) {
            0 => true,
            until => until <= self.now(),
        }
    }

    /// How it is.
    pub(super) fn health(&self) -> EndpointHealth {
        let ejected = self.ejected_until.load(Ordering::Relaxed) > self.now();
        EndpointHealth {
            address: self.to_string(),
            weight: self.weight,
            available: self.is_available(),
            healthy: self.healthy.load(Ordering::Relaxed),
            ejected,
        }
    }

    /// A request came to a good end there, or not. Returns whether it is left out because of that.
    pub(super) fn report(&self, success: bool, ejection: Option<&Ejection>) -> bool {
        let Some(ejection) = ejection else { return false };
        if success {
            for count in [&self.failures, &self.ejections] {
                if count.load(Ordering::Relaxed) > 0 {
                    count.store(0, Ordering::Relaxed);
                }
            }
            return false;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < ejection.failures {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        let times = self.ejections.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let time = ejection.time.saturating_mul(times.min(MAX_EJECTION_FACTOR));
        self.ejected_until
            .store(self.now().saturating_add(millis(time)), Ordering::Relaxed);
        tracing::warn!(
            endpoint = %self,
            "it failed {failures} times in a row, and is left out for {} ms",
            time.as_millis()
        );
        true
    }

    /// What an active check found. The first one decides alone, later ones by how many say the same.
    pub(super) fn note_check(&self, success: bool, unhealthy_after: u32, healthy_after: u32) {
        let before = self.streak.load(Ordering::Relaxed);
        let streak = match success {
            true => before.max(0).saturating_add(1),
            false => before.min(0).saturating_sub(1),
        };
        self.streak.store(streak, Ordering::Relaxed);
        let decides =
            before == 0 || streak >= i64::from(healthy_after) || streak <= -i64::from(unhealthy_after);
        if decides && self.healthy.swap(success, Ordering::Relaxed) != success {
            let found = if success { "well again" } else { "not well" };
            tracing::warn!(endpoint = %self, "the health check found it {found}");
        }
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => f.write_str(&target.origin()),
            None => f.write_str("the built-in echo"),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn new(
        state: &Arc<EndpointState>,
        figures: Option<&Arc<UpstreamFigures>>,
        places: Option<&Arc<Places>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            upstream: Upstream::within(state.target.as_ref(), figures, places),
            state: Arc::clone(state),
            active: Cell::new(0),
            credit: Cell::new(0),
            calls: Clients::default(),
        })
    }

    /// Where it is; the built-in echo is nowhere.
    pub(crate) fn target(&self) -> Option<&HttpTarget> {
        self.state.target.as_ref()
    }

    /// Counts a request that goes there.
    pub(super) fn begin(self: &Rc<Self>) -> Busy {
        self.active.set(self.active.get() + 1);
        Busy(Rc::clone(self))
    }
}

// === impl Busy ===

impl Busy {
    /// The server.
    pub(crate) fn endpoint(&self) -> &Rc<Endpoint> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get().saturating_sub(1));
    }
}

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Busy").field(&self.0.state).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> EndpointState {
        EndpointState::new(None, 1)
    }

    #[test]
    fn failures_in_a_row_eject() {
        let ejection = Ejection {
            failures: 3,
            time: Duration::from_secs(3600),
        };
        let endpoint = endpoint();
        for success in [false, false, true, false, false] {
            endpoint.report(success, Some(&ejection));
            assert!(endpoint.is_available());
        }
        endpoint.report(false, Some(&ejection));
        assert!(!endpoint.is_available());
        let until = |endpoint: &EndpointState| endpoint.ejected_until.load(Ordering::Relaxed) / 1000;
        assert_eq!(until(&endpoint), 3600);
        for _ in 0..3 {
            endpoint.report(false, Some(&ejection));
        }
        assert_eq!(until(&endpoint), 7200, "the second time it is twice as long");
        for _ in 0..100 {
            endpoint.report(false, Some(&ejection));
        }
        assert_eq!(until(&endpoint), 36000);

        let never = self::endpoint();
        assert!((0..100).all(|_| !never.report(false, None)));
        assert!(never.is_available());
    }

    #[test]
    fn checks_decide_by_how_many_say_the_same() {
        // What the checks say, and whether the endpoint is used after each; it takes 3 failures and 2 successes.
        let table: &[(&[bool], &[bool])] = &[
            (&[true, false, false, true], &[true, true, true, true]),
            (
                &[true, false, false, false, true, true],
                &[true, true, true, false, false, true],
            ),
            // The first decides alone.
            (&[false, true, true], &[false, false, true]),
            (
                &[false, true, false, true, true],
                &[false, false, false, false, true],
            ),
        ];
        for (checks, expected) in table {
            let endpoint = endpoint();
            let seen: Vec<bool> = checks
                .iter()
                .map(|success| {
                    endpoint.note_check(*success, 3, 2);
                    endpoint.is_available()
                })
                .collect();
            assert_eq!(seen, *expected, "{checks:?}");
        }
    }
}
