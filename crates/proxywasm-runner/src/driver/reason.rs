//! Why a request was not answered by its upstream, or not to its end.

use crate::figures::UpstreamFailure;
use proxywasm_host::{FilterChain, LocalAnswer, Plugin};
use std::fmt;

/// Why.
#[derive(Debug, Clone, Default)]
pub(crate) enum Reason {
    /// The upstream answered it.
    #[default]
    None,
    /// It is no request at all, or a larger one than may be.
    Malformed,
    /// It is no request that a proxy may pass on.
    Refused,
    /// There is no route for it.
    NoRoute,
    /// Its route answers it.
    Direct,
    /// Its route makes something of it that cannot be sent.
    Unroutable,
    /// A plugin answered it.
    Plugin(Plugin),
    /// A plugin failed.
    PluginFailed(Plugin),
    /// The host answered it, for a plugin left something that cannot be sent, or held too much.
    Host,
    /// The upstream did not.
    Upstream(UpstreamFailure),
    /// The response of the upstream broke off.
    UpstreamBroke,
    /// The stream was reset: by a plugin, or because of one.
    Reset,
    /// The client left before it had all of its response.
    ClientClosed,
    /// Nothing came for too long, from either side of a TCP stream.
    Idle,
}

// === impl Reason ===

impl Reason {
    /// Whose answer it is that did not come from the upstream.
    pub(super) fn of(answer: Option<LocalAnswer>, chain: &FilterChain) -> Self {
        let plugin = |index: usize| chain.plugins().get(index).cloned();
        match answer {
            Some(LocalAnswer::Plugin(index)) => plugin(index).map(Self::Plugin),
            Some(LocalAnswer::PluginFailed(index)) => plugin(index).map(Self::PluginFailed),
            None => None,
        }
        .unwrap_or(Self::Host)
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plugin(one), Self::Plugin(other))
            | (Self::PluginFailed(one), Self::PluginFailed(other)) => one.name() == other.name(),
            (Self::Upstream(one), Self::Upstream(other)) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::None => "-",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::NoRoute => "no_route",
            Self::Direct => "direct",
            Self::Unroutable => "unroutable",
            Self::Plugin(plugin) => return write!(f, "plugin:{}", plugin.name()),
            Self::PluginFailed(plugin) => return write!(f, "plugin_failed:{}", plugin.name()),
            Self::Host => "host",
            Self::Upstream(failure) => return write!(f, "upstream_{}", failure.name()),
            Self::UpstreamBroke => "upstream_broke_off",
            Self::Reset => "reset",
            Self::ClientClosed => "client_closed",
            Self::Idle => "idle",
        };
        f.write_str(name)
    }
}
