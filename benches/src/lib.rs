//! What is measured: each cost of the host as a scenario, run by criterion (`cargo bench`), by the minimum of rounds within one run
//! and by counted instructions (`cargo run --release --package proxywasm-benches --bin figures`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot be set up has to stop, and nothing here is controlled by a peer"
)]

mod bytestreams;
mod callouts;
mod legacy;
mod raw;
mod redis;
mod script;
mod state;
mod streams;
mod world;

/// One cost.
pub struct Scenario {
    /// Its name, `group/what`.
    pub name: &'static str,
    /// How many of the thing that is measured one run of the body does.
    pub per_run: u32,
    /// The scenario whose cost has to be subtracted, because the body does that too.
    pub less: Option<&'static str>,
    /// Whether its instructions tell anything; they do not where another process does the work.
    pub is_counted: bool,
    /// Makes the body. What it prepares is not measured.
    pub setup: fn() -> Body,
}

/// One run of what is measured.
pub type Body = Box<dyn FnMut()>;

/// Repetitions within one run, so that the clock costs nothing.
pub const LOOPS: u32 = 1000;

const GROUPS: [&[Scenario]; 6] = [
    raw::SCENARIOS,
    streams::SCENARIOS,
    state::SCENARIOS,
    callouts::SCENARIOS,
    bytestreams::SCENARIOS,
    legacy::SCENARIOS,
];

/// Every scenario that can be run here: those on Redis only where a server is installed, and it says so otherwise.
pub fn all() -> Vec<&'static Scenario> {
    let redis = if redis::is_installed() {
        redis::SCENARIOS
    } else {
        &[]
    };
    GROUPS.into_iter().flatten().chain(redis).collect()
}

/// The scenario with a name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    let mut all = GROUPS.into_iter().flatten().chain(redis::SCENARIOS);
    all.find(|scenario| scenario.name == name)
}

// === impl Scenario ===

impl Scenario {
    const fn new(name: &'static str, setup: fn() -> Body) -> Self {
        Self {
            name,
            per_run: LOOPS,
            less: None,
            is_counted: true,
            setup,
        }
    }

    const fn per_run(self, per_run: u32) -> Self {
        Self { per_run, ..self }
    }

    const fn less(self, name: &'static str) -> Self {
        Self {
            less: Some(name),
            ..self
        }
    }

    const fn not_counted(self) -> Self {
        Self {
            is_counted: false,
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
