//! Plugin code: compiled, its ABI known, its imports checked.

use crate::config::InstanceStrategy;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::state::State;
use proxywasm_legacy::{AbiVersion, Overload};
use proxywasm_wasi::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use wasmtime::{ExternType, ImportType, Linker, Module, Store};

/// The export that marks a plugin of the component ABI.
pub const COMPONENT_MARKER: &str = "proxy_abi_version_2021_04";

/// Code of a plugin, compiled and accepted. One can serve many plugins.
pub struct PluginCode {
    /// The code, where it may have to be compiled for the other strategy yet.
    source: Option<Vec<u8>>,
    hash: [u8; 32],
    abi: Abi,
    /// Compiled for instances that live as long as their worker, once a plugin wants that.
    shared: OnceLock<Module>,
    /// Compiled for instances that live as long as a stream, likewise.
    pooled: OnceLock<Module>,
    reads_maps: bool,
    reads_properties: bool,
}

/// The generation of the interface that code is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abi {
    /// The components of the Proxy-Wasm talk of April 2021.
    Component,
    /// ABI 0.1.0, 0.2.0 or 0.2.1.
    Legacy(AbiVersion),
}

/// Imports that read header maps.
const MAP_READERS: [&str; 4] = [
    "get_map_values",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_header_map_size",
];
/// Imports that read properties, themselves or through a function of the embedder.
const PROPERTY_READERS: [&str; 4] = [
    "get_property",
    "proxy_get_property",
    "call_custom_function",
    "proxy_call_foreign_function",
];

// === impl PluginCode ===

impl PluginCode {
    /// Compiles code, finds its ABI and checks what it imports and exports. Without a strategy, it can be used with any.
    pub(crate) fn load(
        engine: &Engine,
        code: &[u8],
        strategy: Option<InstanceStrategy>,
    ) -> Result<Arc<Self>, LoadError> {
        let hash = Sha256::digest(code).into();
        let first = strategy.unwrap_or_default();
        let module = engine.compile(code, &hash, first)?;
        let abi = Abi::detect(&module).ok_or(LoadError::NoAbi)?;
        if let Some(problem) = problems(&module, abi).into_iter().next() {
            return Err(problem);
        }
        let reads_properties = imports_any(&module, &PROPERTY_READERS);
        let reads_maps = reads_properties || imports_any(&module, &MAP_READERS);
        let mut loaded = Self {
            source: strategy.is_none().then(|| code.to_vec()),
            hash,
            abi,
            shared: OnceLock::new(),
            pooled: OnceLock::new(),
            reads_maps,
            reads_properties,
        };
        *loaded.slot_mut(first) = OnceLock::from(module);
        Ok(Arc::new(loaded))
    }

    /// Everything that keeps code from being loaded.
    pub(crate) fn problems(engine: &Engine, code: &[u8]) -> Vec<LoadError> {
        let hash = Sha256::digest(code).into();
        let module = match engine.compile(code, &hash, InstanceStrategy::Shared) {
            Ok(module) => module,
            Err(error) => return vec![error],
        };
        match Abi::detect(&module) {
            Some(abi) => problems(&module, abi),
            None => vec![LoadError::NoAbi],
        }
    }

    /// The generation of the interface it is written for.
    pub fn abi(&self) -> Abi {
        self.abi
    }

    /// The SHA-256 of the code.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The compiled module for a strategy.
    pub(crate) fn module(&self, engine: &Engine, strategy: InstanceStrategy) -> Result<&Module, LoadError> {
        let slot = match strategy {
            InstanceStrategy::Shared => &self.shared,
            InstanceStrategy::FreshPerStream => &self.pooled,
        };
        if let Some(module) = slot.get() {
            return Ok(module);
        }
        let source = self.source.as_ref().ok_or(LoadError::OtherStrategy)?;
        let module = engine.compile(source, &self.hash, strategy)?;
        Ok(slot.get_or_init(|| module))
    }

    fn slot_mut(&mut self, strategy: InstanceStrategy) -> &mut OnceLock<Module> {
        match strategy {
            InstanceStrategy::Shared => &mut self.shared,
            InstanceStrategy::FreshPerStream => &mut self.pooled,
        }
    }

    /// Whether a plugin could read header maps, also by properties: whether it imports anything that does.
    pub(crate) fn reads_maps(&self) -> bool {
        self.reads_maps
    }

    /// Whether a plugin could ask for a property, itself or through a function of the embedder.
    pub(crate) fn reads_properties(&self) -> bool {
        self.reads_properties
    }
}

impl fmt::Debug for PluginCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PluginCode")
            .field("abi", &self.abi)
            .finish_non_exhaustive()
    }
}

// === impl Abi ===

impl Abi {
    /// The ABI that a module is marked for.
    pub(crate) fn detect(module: &Module) -> Option<Self> {
        match module.get_export(COMPONENT_MARKER) {
            Some(ExternType::Func(_)) => Some(Self::Component),
            _ => AbiVersion::detect(module).map(Self::Legacy),
        }
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => formatter.write_str("component ABI (2021-04)"),
            Self::Legacy(version) => {
                let number = version
                    .marker()
                    .trim_start_matches("proxy_abi_version_")
                    .replace('_', ".");
                write!(formatter, "ABI {number}")
            }
        }
    }
}

// === linking ===

fn imports_any(module: &Module, names: &[&str]) -> bool {
    module.imports().any(|import| names.contains(&import.name()))
}

/// Everything that keeps a module from being a plugin of an ABI.
fn problems(module: &Module, abi: Abi) -> Vec<LoadError> {
    let mut problems = Vec::new();
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        problems.push(LoadError::NoMemory);
    }
    let exports = |name| matches!(module.get_export(name), Some(ExternType::Func(_)));
    if matches!(abi, Abi::Legacy(_)) && !exports("proxy_on_memory_allocate") && !exports("malloc") {
        problems.push(proxywasm_legacy::LoadError::NoAllocator.into());
    }
    problems.extend(import_problems(module, &linker(abi, module, None)));
    problems
}

/// What a module of an ABI can import. Hostcalls that are not `allowed` answer that they are not.
pub(crate) fn linker(abi: Abi, module: &Module, allowed: Option<&BTreeSet<String>>) -> Linker<State> {
    let mut linker = Linker::new(module.engine());
    linker.allow_shadowing(true);
    let added = match abi {
        Abi::Component => add_components(&mut linker),
        Abi::Legacy(_) => proxywasm_legacy::add_to_linker(&mut linker),
    };
    let added = added
        .and_then(|()| proxywasm_wasi::add_to_linker(&mut linker))
        .and_then(|()| proxywasm_wasi::stub_unknown_imports(&mut linker, module))
        .and_then(|()| match abi {
            Abi::Component => Ok(()),
            Abi::Legacy(_) => proxywasm_legacy::link_overloads(&mut linker, module),
        })
        .and_then(|()| match allowed {
            Some(allowed) => refuse_all_but(allowed, &mut linker, module),
            None => Ok(()),
        });
    // A linker that allows shadowing refuses no name, so this cannot fail; if it did, the import checks would name what lacks.
    if let Err(error) = added {
        tracing::error!(%error, "the hostcalls cannot be linked");
    }
    linker
}

/// Everything a module imports that the host does not have, or has under another type.
fn import_problems(module: &Module, linker: &Linker<State>) -> Vec<LoadError> {
    // A linker tells types only together with a store; no guest is ever entered with this one.
    let mut store = Store::new(module.engine(), State::for_checks());
    module
        .imports()
        .filter_map(|import| import_problem(&import, linker, &mut store))
        .collect()
}

fn import_problem(
    import: &ImportType<'_>,
    linker: &Linker<State>,
    store: &mut Store<State>,
) -> Option<LoadError> {
    let (module, name) = (import.module().to_owned(), import.name().to_owned());
    let offered = linker.get_by_import(&mut *store, import);
    let offered = offered.map(|offered| offered.ty(&*store));
    let fits = match (&offered, import.ty()) {
        (Some(ExternType::Func(offered)), ExternType::Func(found)) => offered.matches(&found),
        _ => false,
    };
    if fits {
        return None;
    }
    let types: Vec<String> = offered
        .iter()
        .map(type_text)
        .chain(other_types(import, linker))
        .collect();
    if !types.is_empty() {
        return Some(LoadError::ImportType {
            module,
            name,
            expected: types.join(" or "),
            found: type_text(&import.ty()),
        });
    }
    let why = if !matches!(import.ty(), ExternType::Func(_)) {
        Some("is no function; a host gives plugins functions only")
    } else if module == proxywasm_legacy::MODULE {
        proxywasm_legacy::support(&name).refusal()
    } else {
        None
    };
    let why = why.unwrap_or("is no hostcall of its ABI");
    Some(LoadError::UnknownImport { module, name, why })
}

/// The types of a hostcall besides that by which it is linked.
fn other_types(import: &ImportType<'_>, linker: &Linker<State>) -> impl Iterator<Item = String> {
    let is_legacy = import.module() == proxywasm_legacy::MODULE;
    let overloads = is_legacy.then(|| proxywasm_legacy::overloads(import.name()));
    let ty = |overload: &Overload| type_text(&ExternType::Func(overload.ty(linker.engine())));
    overloads.into_iter().flatten().map(ty)
}

fn add_components(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi_common::add_to_linker(linker)?;
    wasi_context::add_to_linker(linker)?;
    wasi_ffi::add_to_linker(linker)?;
    wasi_http::add_to_linker(linker)?;
    wasi_grpc::add_to_linker(linker)?;
    wasi_kvstore::add_to_linker(linker)?;
    wasi_bytestream::add_to_linker(linker)?;
    wasi_log::add_to_linker(linker)?;
    wasi_metrics::add_to_linker(linker)?;
    wasi_queue::add_to_linker(linker)?;
    wasi_timer::add_to_linker(linker)
}

/// Puts a refusing stub in the place of every import that is not allowed, so that the plugin still loads and sees a status.
fn refuse_all_but(
    allowed: &BTreeSet<String>,
    linker: &mut Linker<State>,
    module: &Module,
) -> wasmtime::Result<()> {
    for import in module.imports() {
        // Not hostcalls, but helpers of a toolchain.
        let helper = matches!(
            import.name(),
            "emscripten_notify_memory_growth" | "pthread_equal" | "abort"
        );
        if helper || allowed.contains(import.name()) {
            continue;
        }
        let answer = match import.module() {
            module if proxywasm_wasi::MODULES.contains(&module) => Errno::Notcapable as i32,
            proxywasm_legacy::MODULE => proxywasm_legacy::Status::InternalFailure as i32,
            _ => wasi_common::Status::NotAllowed as i32,
        };
        proxywasm_wasi::refuse_import(linker, &import, answer)?;
    }
    Ok(())
}

/// A type in the text format.
pub(crate) fn type_text(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(function) => function.to_string(),
        ExternType::Memory(memory) => match memory.maximum() {
            Some(maximum) => format!("a memory of {} to {maximum} pages", memory.minimum()),
            None => format!("a memory of {} pages or more", memory.minimum()),
        },
        ExternType::Global(global) => format!("a global of type {}", global.content()),
        ExternType::Table(table) => format!("a table of {} elements or more", table.minimum()),
        ExternType::Tag(_) => "an exception tag".to_owned(),
    }
}
