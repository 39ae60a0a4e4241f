//! What an upstream with a name is made of.

use crate::upstream::HttpTarget;
use http::{HeaderName, StatusCode};
use proxywasm_host::FilterChain;
use std::num::NonZeroU32;
use std::time::Duration;

/// An upstream that routes and plugins name: servers that are as good as each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// The name.
    pub name: String,
    /// The servers.
    pub endpoints: Vec<EndpointSettings>,
    /// The plugins that requests pass last, and responses first, whatever route they took. Calls of plugins do not.
    pub chain: FilterChain,
    /// What gRPC calls of plugins name in `:authority`, if not the address. HTTP calls name what the plugin gives.
    pub authority: Option<String>,
    /// How a server is chosen.
    pub balance: Balance,
    /// After how long names of servers are resolved again. Each address that a name has is a server of its own.
    pub resolve_interval: Duration,
    /// How servers are asked whether they are well, if they are.
    pub health_check: Option<HealthCheck>,
    /// How servers that fail are left out for a while, if they are.
    pub ejection: Option<Ejection>,
    /// If less than this part of the servers is available, in percent by weights, all are used: better to try than to send all to a few.
    pub panic_threshold: u8,
    /// How much may be under way.
    pub limits: UpstreamLimits,
    /// What is tried again.
    pub retries: Retries,
}

/// A server, or the servers that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Where it is.
    pub target: HttpTarget,
    /// Its part of the requests, compared with the others'.
    pub weight: NonZeroU32,
}

/// How a server is chosen. Each worker chooses by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Balance {
    /// One after the other, by weights.
    #[default]
    RoundRobin,
    /// The one with the fewest requests for its weight.
    LeastRequest,
    /// The same for the same key, as long as it is there (rendezvous hashing): when a server goes, only its keys move. Requests without the
    /// key go round robin.
    Hash(HashKey),
}

/// What of a request decides where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The value of a header.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
    /// The address of the client.
    Source,
}

/// How servers are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for; without it, a connection is enough.
    pub http: Option<HttpCheck>,
    /// The time between the checks of a server.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// After how many failures in a row a server is left out.
    pub unhealthy_after: u32,
    /// After how many successes in a row it is used again.
    pub healthy_after: u32,
}

/// A request that a server that is well answers with a status from 200 to 299.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Its path, and maybe a query.
    pub path: String,
    /// Its `host`; the server's address unless given.
    pub host: Option<String>,
}

/// How servers that fail are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// After how many failures in a row: no connection, no response, or one with status 502, 503 or 504.
    pub failures: u32,
    /// For how long; the second time in a row twice as long, and so on, up to ten times.
    pub time: Duration,
}

/// How much may be under way at an upstream, in all workers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Requests; those beyond it wait.
    pub requests: Option<usize>,
    /// Connections that requests of clients have open; what needs another one waits for it as long as connecting may take. Those of calls of
    /// plugins and of health checks are not counted.
    pub connections: Option<usize>,
    /// Requests that wait; those beyond it are answered with 503. Without [`UpstreamLimits::requests`] none wait.
    pub pending: usize,
    /// How long one may wait; then it is answered with 503, too.
    pub pending_timeout: Duration,
}

/// What is tried again, at another server where there is one. A request is sent again only if that does no harm: none of it was sent, or
/// its method is idempotent and all of its body is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// How many times a request may be sent again.
    pub attempts: u32,
    /// Statuses for which it is, besides connections that cannot be made or break before a response.
    pub statuses: Vec<StatusCode>,
    /// How long the head of a response may take before the request is sent again.
    pub per_try_timeout: Option<Duration>,
    /// How many requests may be under way that servers got again, in percent of all that are under way. The default is enough for one of
    /// two servers to crash.
    pub budget_percent: u32,
    /// As many may be in any case.
    pub budget_min: u32,
    /// How much of a body is kept to be sent again.
    pub body_bytes: usize,
}

// === impl UpstreamSettings ===

impl UpstreamSettings {
    /// An upstream of one server, with the defaults of the configuration file.
    pub fn new(name: impl Into<String>, target: HttpTarget) -> Self {
        Self {
            name: name.into(),
            endpoints: vec![EndpointSettings {
                target,
                weight: NonZeroU32::MIN,
            }],
            chain: FilterChain::new(Vec::new()),
            authority: None,
            balance: Balance::default(),
            resolve_interval: Duration::from_secs(30),
            health_check: None,
            ejection: Some(Ejection::default()),
            panic_threshold: 50,
            limits: UpstreamLimits::default(),
            retries: Retries::default(),
        }
    }
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            requests: None,
            connections: None,
            pending: 0,
            pending_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            time: Duration::from_secs(10),
        }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 2,
            statuses: Vec::new(),
            per_try_timeout: None,
            budget_percent: 75,
            budget_min: 10,
            body_bytes: 64 << 10,
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            http: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }
}
