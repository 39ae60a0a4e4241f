//! The WITX files as the generators see them.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, anyhow, bail};
use wiggle_generate::{CodegenSettings, Config};
use witx::{Document, Id, InterfaceFunc, InterfaceFuncParam, Module, NamedType, Type, TypeRef};

/// The components, those without dependants last.
const COMPONENTS: &[&str] = &[
    "common",
    "context",
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

/// The one component that owns the shared types.
const OWNER_OF_SHARED_TYPES: &str = "common";

/// All WITX files.
pub(crate) struct Interfaces {
    /// The types of `typenames.witx`.
    pub(crate) shared_types: Vec<Rc<NamedType>>,
    pub(crate) components: Vec<Component>,
}

/// One WITX file and its two modules.
pub(crate) struct Component {
    /// Without the prefix: `http`.
    pub(crate) name: &'static str,
    /// The types that the crate of this component defines.
    pub(crate) types: Vec<Rc<NamedType>>,
    /// What a plugin imports.
    pub(crate) hostcalls: Rc<Module>,
    /// What a plugin exports; not every component calls back.
    pub(crate) callbacks: Option<Rc<Module>>,
    /// How wiggle is to generate code for it.
    pub(crate) settings: CodegenSettings,
}

/// What a callback returns.
pub(crate) enum CallbackResult<'a> {
    None,
    /// A number of the named type.
    Value(&'a NamedType),
}

/// A parameter as a plugin passes it; a list takes two numbers, its address and its count.
pub(crate) struct Argument<'a> {
    pub(crate) name: &'a str,
    pub(crate) passed: Passed<'a>,
}

/// How an argument crosses the boundary.
pub(crate) enum Passed<'a> {
    Value(&'a TypeRef),
    /// The address of a place that the host writes.
    Out(&'a TypeRef),
    /// The address and count of what the host reads.
    List(&'a TypeRef),
}

/// The export by which a module says that it is a plugin for these interfaces.
pub(crate) const MARKER: &str = "proxy_abi_version_2021_04";

// === impl Interfaces ===

impl Interfaces {
    /// Reads the WITX files of a folder.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let shared_types: Vec<_> = parse(&folder.join("typenames.witx"))?.typenames().collect();
        let components = COMPONENTS
            .iter()
            .map(|name| Component::load(folder, name, &shared_types))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            shared_types,
            components,
        })
    }
}

// === impl Component ===

impl Component {
    fn load(folder: &Path, name: &'static str, shared_types: &[Rc<NamedType>]) -> anyhow::Result<Self> {
        let document = parse(&folder.join(format!("wasi_{name}.witx")))?;
        let module = |id: String| document.module(&Id::new(id));
        let hostcalls = module(format!("wasi-{name}"))
            .with_context(|| format!("wasi_{name}.witx has no module $wasi-{name}"))?;
        let callbacks = module(format!("wasi-{name}-callbacks"));
        let types = if name == OWNER_OF_SHARED_TYPES {
            document.typenames().collect()
        } else {
            let shared: HashSet<_> = shared_types.iter().map(|shared| &shared.name).collect();
            document
                .typenames()
                .filter(|own| !shared.contains(&own.name))
                .collect()
        };
        let settings = settings(&document)?;
        Ok(Self {
            name,
            types,
            hostcalls,
            callbacks,
            settings,
        })
    }

    /// The name on the wire and of the crate: `wasi-http`.
    pub(crate) fn module_name(&self) -> &str {
        self.hostcalls.name.as_str()
    }

    /// The name as an identifier: `wasi_http`.
    pub(crate) fn rust_name(&self) -> String {
        self.module_name().replace('-', "_")
    }

    /// Whether this component defines the types that the others share.
    pub(crate) fn owns_shared_types(&self) -> bool {
        self.name == OWNER_OF_SHARED_TYPES
    }

    /// The callbacks, in the order of the file.
    pub(crate) fn callback_functions(&self) -> Vec<Rc<InterfaceFunc>> {
        self.callbacks
            .iter()
            .flat_map(|module| module.funcs().collect::<Vec<_>>())
            .collect()
    }
}

/// The name under which a plugin exports a callback.
pub(crate) fn export_name(callback: &InterfaceFunc) -> String {
    format!("proxy_{}", callback.name.as_str())
}

/// What a callback returns. WITX cannot return an enum but as the error of an `expected`, so both spellings mean the same.
pub(crate) fn callback_result(callback: &InterfaceFunc) -> anyhow::Result<CallbackResult<'_>> {
    let Some(result) = callback.results.first() else {
        return Ok(CallbackResult::None);
    };
    let unnamed = || anyhow!("the result of {} is not of a named type", callback.name.as_str());
    let type_ref = match &**result.tref.type_() {
        Type::Variant(variant) => match variant.as_expected() {
            Some((None, Some(error))) => error,
            _ => return Err(anyhow!("{} returns more than one number", callback.name.as_str())),
        },
        _ => &result.tref,
    };
    match type_ref {
        TypeRef::Name(named) => Ok(CallbackResult::Value(named)),
        TypeRef::Value(_) => Err(unnamed()),
    }
}

/// The arguments of a function, with the address that a value is returned through.
pub(crate) fn arguments(function: &InterfaceFunc) -> anyhow::Result<Vec<Argument<'_>>> {
    let mut arguments = Vec::new();
    for InterfaceFuncParam { name, tref, .. } in &function.params {
        let passed = match &**tref.type_() {
            Type::List(element) => Passed::List(element),
            Type::Pointer(target) => Passed::Out(target),
            Type::Builtin(_) => Passed::Value(tref),
            Type::Variant(variant) if variant.is_enum() => Passed::Value(tref),
            other => bail!(
                "{}: a parameter cannot be a {}",
                function.name.as_str(),
                other.kind()
            ),
        };
        arguments.push(Argument {
            name: name.as_str(),
            passed,
        });
    }
    if let Some((name, value)) = returned_value(function) {
        arguments.push(Argument {
            name,
            passed: Passed::Out(value),
        });
    }
    Ok(arguments)
}

/// The value that a hostcall returns through memory besides its status, if any: it is the first result. The address is passed last.
pub(crate) fn returned_value(function: &InterfaceFunc) -> Option<(&str, &TypeRef)> {
    let InterfaceFuncParam { name, tref, .. } = function.results.first()?;
    match &**tref.type_() {
        Type::Variant(variant) => Some((name.as_str(), variant.as_expected()?.0?)),
        _ => None,
    }
}

fn parse(path: &Path) -> anyhow::Result<Document> {
    // The error types of witx print their location only through `report`.
    witx::load(&[path]).map_err(|error| anyhow!("cannot read {}: {}", path.display(), error.report()))
}

fn settings(document: &Document) -> anyhow::Result<CodegenSettings> {
    // Fields of the configuration are private, so it is built as its macro would be.
    let config: Config = syn::parse_str("{ witx: [], wasmtime: false, tracing: false, mutable: true }")
        .context("wiggle's configuration")?;
    CodegenSettings::new(
        &config.errors,
        &config.async_,
        document,
        config.wasmtime,
        &config.tracing,
        config.mutable,
    )
    .map_err(|error| anyhow!("wiggle refuses the settings: {error}"))
}
