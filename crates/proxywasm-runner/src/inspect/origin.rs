//! What a plugin was made with: what it says itself, else what its imports and exports tell.

use super::Inspection;
use serde::Serialize;
use std::fmt;

/// What a plugin was made with, as far as it can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The language, and what it was compiled for or by where that makes a difference.
    pub toolchain: Option<Conclusion>,
    /// The library for plugins. A plugin may do without one.
    pub sdk: Option<Conclusion>,
    /// What the custom section `producers` says, which many toolchains write and many build scripts remove.
    pub producers: Vec<Producer>,
}

/// Something that was concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conclusion {
    /// What it is.
    pub name: String,
    /// What tells.
    pub evidence: Vec<String>,
}

/// An entry of the custom section `producers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// A language or a tool.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Something that can be seen of a module.
#[derive(Clone, Copy)]
enum Sign {
    /// The toolchain is known to be one whose name begins so.
    Toolchain(&'static str),
    /// A producer whose name begins so.
    Producer(&'static str),
    /// It exports the marker of this ABI.
    Marker(&'static str),
    /// It exports this, a function or something else.
    Export(&'static str),
    /// It imports this function, whatever the module is called.
    Import(&'static str),
    /// It imports functions of WASI.
    Wasi,
    /// It imports none.
    NoWasi,
    /// The engine starts it.
    StartSection,
}

/// What has all these signs is called this.
struct Rule(&'static str, &'static [Sign]);

use Sign::{Export, Import, Marker, NoWasi, StartSection, Toolchain, Wasi};

/// The first that holds counts. What a plugin says itself is more certain than what it looks like; TinyGo and Rust may name clang besides.
const TOOLCHAINS: &[Rule] = &[
    Rule("TinyGo", &[Sign::Producer("TinyGo")]),
    Rule("Go", &[Sign::Producer("Go")]),
    Rule("Rust", &[Sign::Producer("Rust")]),
    Rule("C++", &[Sign::Producer("C_plus_plus")]),
    Rule("C++", &[Sign::Producer("C++")]),
    Rule("C", &[Sign::Producer("C1")]),
    Rule("C", &[Sign::Producer("C2")]),
    Rule("C", &[Sign::Producer("C9")]),
    // Its runtime, reference-counting until version 0.17 and with a garbage collector since; and how it ends where that is not exported.
    Rule("AssemblyScript", &[Export("__rtti_base")]),
    Rule("AssemblyScript", &[Export("__pin"), Export("__unpin")]),
    Rule("AssemblyScript", &[Import("abort"), StartSection]),
    Rule("C++ (Emscripten)", &[Import("emscripten_notify_memory_growth")]),
    Rule("C++ (Emscripten)", &[Export("emscripten_stack_get_current")]),
    Rule(
        "TinyGo",
        &[
            Export("malloc"),
            Export("calloc"),
            Export("realloc"),
            Import("fd_write"),
        ],
    ),
    Rule(
        "Go",
        &[
            Export("_initialize"),
            Import("args_get"),
            Import("poll_oneoff"),
            Import("sched_yield"),
        ],
    ),
    Rule(
        "Rust (wasm32-unknown-unknown)",
        &[Export("__data_end"), Export("__heap_base"), NoWasi],
    ),
    Rule(
        "Rust (wasm32-wasip1)",
        &[Export("proxy_on_memory_allocate"), Marker("0_2_1"), Wasi],
    ),
    Rule("C or C++", &[Export("_initialize"), Export("malloc"), Wasi]),
];

/// An SDK exports all callbacks that it knows; a plugin without one those that it has.
const SDKS: &[Rule] = &[
    Rule("proxywasm-sdk", &[Toolchain("Rust"), Marker("2021_04")]),
    // Nobody else has misspelt this one.
    Rule(
        "@solo-io/proxy-runtime",
        &[Export("proxy_on_grpc_trailing_metadata")],
    ),
    Rule(
        "the crate proxy-wasm 0.1",
        &[
            Toolchain("Rust"),
            Marker("0_1_0"),
            Export("proxy_on_queue_ready"),
            Export("proxy_on_grpc_receive"),
        ],
    ),
    Rule(
        "the crate proxy-wasm 0.2",
        &[
            Toolchain("Rust"),
            Export("proxy_on_queue_ready"),
            Export("proxy_on_grpc_receive"),
        ],
    ),
    Rule(
        "proxy-wasm-go-sdk",
        &[
            Toolchain("Go"),
            Export("proxy_on_queue_ready"),
            Export("proxy_on_new_connection"),
        ],
    ),
    Rule(
        "proxy-wasm-go-sdk for TinyGo",
        &[
            Toolchain("TinyGo"),
            Export("proxy_on_queue_ready"),
            Export("proxy_on_new_connection"),
        ],
    ),
    Rule(
        "proxy-wasm-cpp-sdk",
        &[
            Toolchain("C"),
            Export("proxy_validate_configuration"),
            Export("proxy_on_queue_ready"),
        ],
    ),
];

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            toolchain,
            sdk,
            producers,
        } = self;
        for (label, conclusion) in [("made in:  ", toolchain), ("sdk:      ", sdk)] {
            match conclusion {
                Some(Conclusion { name, evidence }) => {
                    writeln!(f, "{label}{name} ({})", evidence.join(", "))?;
                }
                None => writeln!(f, "{label}not known")?,
            }
        }
        producers
            .iter()
            .try_for_each(|Producer { role, name, version }| writeln!(f, "  {role} {name} {version}"))
    }
}

// === impl Inspection ===

impl Inspection {
    /// Concludes what a module was made with from what has been read of it.
    pub(super) fn conclude_origin(&mut self) {
        self.origin.toolchain = self.conclude(TOOLCHAINS);
        self.origin.sdk = self.conclude(SDKS);
    }

    fn conclude(&self, rules: &[Rule]) -> Option<Conclusion> {
        rules.iter().find_map(|Rule(name, signs)| {
            Some(Conclusion {
                name: (*name).to_owned(),
                evidence: signs.iter().map(|sign| self.see(*sign)).collect::<Option<_>>()?,
            })
        })
    }

    /// What is seen of a sign; `None` if it is not there.
    fn see(&self, sign: Sign) -> Option<String> {
        let imports = |name: &str| self.imports.iter().any(|import| import.name == name);
        let exports = |name: &str| {
            self.exports.iter().any(|export| export.name == name)
                || self.other_exports.iter().any(|export| export == name)
        };
        let uses_wasi = self
            .imports
            .iter()
            .any(|import| import.module.starts_with("wasi_"));
        let producer = |prefix: &str| {
            let producers = &self.origin.producers;
            producers
                .iter()
                .find(|producer| producer.name.starts_with(prefix))
        };
        let toolchain = |prefix: &str| {
            let name = &self.origin.toolchain.as_ref()?.name;
            name.starts_with(prefix).then(|| format!("in {name}"))
        };
        match sign {
            Toolchain(prefix) => toolchain(prefix),
            Sign::Producer(prefix) => producer(prefix).map(|producer| format!("says `{}`", producer.name)),
            Marker(version) => {
                let marker = format!("proxy_abi_version_{version}");
                self.markers
                    .contains(&marker)
                    .then(|| format!("exports `{marker}`"))
            }
            Export(name) => exports(name).then(|| format!("exports `{name}`")),
            Import(name) => imports(name).then(|| format!("imports `{name}`")),
            Wasi => uses_wasi.then(|| "imports WASI".to_owned()),
            NoWasi => (!uses_wasi).then(|| "imports no WASI".to_owned()),
            StartSection => self.starts_itself.then(|| "has a start section".to_owned()),
        }
    }
}
