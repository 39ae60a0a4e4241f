//! What there is to support: the functions of the WITX files, and those of ABI 0.1.0 to 0.2.1.

use std::path::Path;
use witx::{Id, InterfaceFunc, Module, WasmType};

/// The components, in the order of the page.
pub(crate) const COMPONENTS: [&str; 11] = [
    "context",
    "common",
    "bytestream",
    "http",
    "grpc",
    "log",
    "kvstore",
    "queue",
    "timer",
    "metrics",
    "ffi",
];

/// The statuses of the components, by number.
pub(crate) const STATUSES: [&str; 12] = [
    "ok",
    "empty",
    "not_found",
    "not_allowed",
    "bad_argument",
    "invalid_memory_access",
    "invalid_operation",
    "cas_mismatch",
    "buffer_too_small",
    "internal_failure",
    "unavailable",
    "unimplemented",
];

/// The statuses of ABI 0.2.1, by number.
pub(crate) const LEGACY_STATUSES: [&str; 13] = [
    "ok",
    "not_found",
    "bad_argument",
    "serialization_failure",
    "parse_failure",
    "bad_expression",
    "invalid_memory_access",
    "empty",
    "cas_mismatch",
    "result_mismatch",
    "internal_failure",
    "broken_connection",
    "unimplemented",
];

/// A hostcall or callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// `wasi-timer`, or `env` for the older ABIs.
    pub(crate) module: String,
    /// `create_timer`, `on_timer_ready`, `proxy_on_tick`.
    pub(crate) name: String,
    pub(crate) is_callback: bool,
    /// Its parameters on the wire: `i` or `I` for each.
    pub(crate) parameters: String,
    pub(crate) returns: bool,
    /// The statuses that its documentation names.
    pub(crate) statuses: Vec<String>,
}

/// The functions of all WITX files.
pub(crate) fn components() -> Vec<Function> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../witx");
    let mut functions = Vec::new();
    for name in COMPONENTS {
        let document = witx::load(&[folder.join(format!("wasi_{name}.witx"))]).unwrap();
        let module = |id: String| document.module(&Id::new(id));
        let hostcalls = module(format!("wasi-{name}")).unwrap();
        functions.extend(of_module(name, &hostcalls, false));
        if let Some(callbacks) = module(format!("wasi-{name}-callbacks")) {
            functions.extend(of_module(name, &callbacks, true));
        }
    }
    functions
}

fn of_module(component: &str, module: &Module, is_callback: bool) -> Vec<Function> {
    let function = |function: std::rc::Rc<InterfaceFunc>| {
        let (parameters, results) = function.wasm_signature();
        Function {
            module: format!("wasi-{component}"),
            name: function.name.as_str().to_owned(),
            is_callback,
            parameters: parameters.iter().map(letter).collect(),
            returns: !results.is_empty(),
            statuses: match is_callback {
                true => vec!["called".to_owned()],
                false => statuses(&function.docs),
            },
        }
    };
    module.funcs().map(function).collect()
}

fn letter(of: &WasmType) -> char {
    match of {
        WasmType::I64 => 'I',
        _ => 'i',
    }
}

/// The statuses that the paragraph `Statuses:` names.
fn statuses(docs: &str) -> Vec<String> {
    let paragraph = docs
        .split("\n\n")
        .map(str::trim)
        .find(|text| text.starts_with("Statuses:"));
    let paragraph = paragraph.unwrap_or_else(|| panic!("no statuses are documented in {docs:?}"));
    let quoted = paragraph.split('`').skip(1).step_by(2);
    let mut names: Vec<String> = Vec::new();
    for name in quoted.filter(|name| STATUSES.contains(name)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// A function of the older ABIs, and what it is the equivalent of.
pub(crate) struct Legacy {
    pub(crate) name: &'static str,
    /// As in [`Function`]; a result follows an arrow.
    pub(crate) signature: &'static str,
    /// The functions of the components for which it stands, without their modules; empty for what has no equivalent.
    pub(crate) stands_for: &'static [&'static str],
    /// The statuses that it can answer; empty for callbacks.
    pub(crate) statuses: &'static [&'static str],
}

// === impl Legacy ===

impl Legacy {
    pub(crate) fn function(&self) -> Function {
        let (parameters, returns) = match self.signature.split_once("->") {
            Some((parameters, _)) => (parameters, true),
            None => (self.signature, false),
        };
        let is_callback = self.name.starts_with("proxy_on_");
        Function {
            module: "env".to_owned(),
            name: self.name.to_owned(),
            is_callback,
            parameters: parameters.to_owned(),
            returns,
            statuses: match is_callback {
                true => vec!["called".to_owned()],
                false => self.statuses.iter().map(|name| (*name).to_owned()).collect(),
            },
        }
    }
}
