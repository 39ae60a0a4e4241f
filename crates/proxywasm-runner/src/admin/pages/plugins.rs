//! `/plugins`: which plugins there are.

use crate::admin::answer::{Answer, json};
use crate::admin::router::Call;
use proxywasm_host::Plugin as Of;
use serde::Serialize;

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    /// The SHA-256 of its code.
    sha256: String,
    abi: String,
}

pub(super) fn show(call: &Call) -> Answer {
    let inventory = call.state.inventory();
    let plugins: Vec<_> = inventory.plugins.values().map(Plugin::of).collect();
    json(&plugins)
}

// === impl Plugin ===

impl<'a> Plugin<'a> {
    fn of(plugin: &'a Of) -> Self {
        let hash = plugin.code().hash();
        Self {
            name: plugin.name(),
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            abi: plugin.code().abi().to_string(),
        }
    }
}
