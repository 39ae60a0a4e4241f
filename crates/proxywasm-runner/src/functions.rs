//! The functions that plugins can call.

use proxywasm_host::FunctionRegistry;
use std::sync::Arc;

/// The functions that plugins of the older ABIs know from their hosts; none where the runner is built without the feature `functions`.
pub fn functions() -> Arc<FunctionRegistry> {
    #[cfg_attr(not(feature = "functions"), expect(unused_mut, reason = "it stays empty"))]
    let mut registry = FunctionRegistry::new();
    #[cfg(feature = "functions")]
    if let Err(error) = proxywasm_functions::register_all(&mut registry) {
        // The names differ from each other, which a test sees.
        tracing::error!(%error, "functions of plugins are missing");
    }
    Arc::new(registry)
}
