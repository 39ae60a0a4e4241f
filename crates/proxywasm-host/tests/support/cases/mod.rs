//! The tables.

pub(crate) mod bytestream;
pub(crate) mod common;
pub(crate) mod context;
pub(crate) mod ffi;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod http_calls;
pub(crate) mod kvstore;
pub(crate) mod legacy;
pub(crate) mod legacy_calls;
pub(crate) mod legacy_older;
pub(crate) mod legacy_state;
pub(crate) mod legacy_streams;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod queue;
pub(crate) mod timer;

use crate::catalogue::Function;
use crate::world::Setup;

pub(crate) use legacy::functions as legacy_functions;

/// The cases of one function.
pub(crate) struct Row {
    /// `wasi-timer`, or `env` for ABI 0.2.1.
    pub(crate) module: &'static str,
    /// Its name, without a prefix.
    pub(crate) function: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// One script and the host it needs.
pub(crate) struct Case {
    pub(crate) text: String,
    pub(crate) with: Box<dyn Fn(&mut Setup)>,
}

// === impl Row ===

impl Row {
    pub(crate) fn is_of(&self, function: &Function) -> bool {
        self.module == function.module && self.function == function.name
    }
}

// === impl Case ===

impl Case {
    /// In a host that is changed first.
    pub(crate) fn with(self, change: impl Fn(&mut Setup) + 'static) -> Self {
        let before = self.with;
        Self {
            with: Box::new(move |setup| {
                before(setup);
                change(setup);
            }),
            ..self
        }
    }
}

/// A script in a host with one plugin.
pub(crate) fn case(text: impl Into<String>) -> Case {
    Case {
        text: text.into(),
        with: Box::new(|_| ()),
    }
}

/// A script in a host with two plugins in one instance and one chain.
pub(crate) fn two(text: impl Into<String>) -> Case {
    case(text).with(|setup| setup.plugins = 2)
}

/// A step of the second of two plugins in one instance, for which `$other` is the first plugin's context of the same stream.
pub(crate) fn of_another(step: &str) -> Case {
    let text = format!(
        "@on_http_request_headers first
            let other ctx
        @on_http_request_headers second
            {step}"
    );
    two(text)
}
