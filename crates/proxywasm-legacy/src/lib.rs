//! Proxy-Wasm ABI 0.1.0, 0.2.0 and 0.2.1, over the same cores as the components.
#![forbid(unsafe_code)]

mod actions;
mod callbacks;
mod hostcall;
mod hostcalls;
mod memory;
mod numbers;
mod start;
mod status;
mod version;
mod view;

pub use callbacks::{Callbacks, LoadError};
pub use hostcall::{Hostcall, MODULE, Support, UNOFFERED, Unoffered, refuse_unoffered_imports, support};
pub use hostcalls::{AbortError, add_to_linker};
pub use start::initialize;
pub use status::{Status, translate};
pub use version::{AbiVersion, AbsentHeader, Differences};
pub use view::{HeadersPause, Legacy, LegacyParts, LegacyView};
