//! Profiles of plugins in the formats that tools read.

mod folded;
mod pprof;

use proxywasm_host::Profile;

/// A format of profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// What `go tool pprof`, Pyroscope and speedscope read.
    Pprof,
    /// A line for each stack, for flame graphs.
    Folded,
}

// === impl Format ===

impl Format {
    const ALL: [Self; 2] = [Self::Pprof, Self::Folded];

    /// As users name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pprof => "pprof",
            Self::Folded => "folded",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Pprof => "application/octet-stream",
            Self::Folded => "text/plain; charset=utf-8",
        }
    }

    /// A profile of a plugin, whose name and whose code's hash are told where the format has a place for them.
    pub(crate) fn write(self, profile: &Profile, plugin: &str, sha256: &str) -> Vec<u8> {
        match self {
            Self::Pprof => pprof::write(profile, plugin, sha256),
            Self::Folded => folded::write(profile).into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
