//! What a plugin is made of, and whether this host runs it.

mod known;
mod origin;
mod reader;

pub(crate) use known::{known_origin, note_origin};
pub use origin::{Conclusion, Origin, Producer};

use proxywasm_host::Engine;
use reader::Reader;
use serde::Serialize;
use std::fmt;

/// What there is to know of a plugin without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Size of the code in bytes.
    pub bytes: usize,
    /// The ABI it is run by; `None` if the host refuses it.
    pub abi: Option<String>,
    /// What it was made with, as far as it can be told.
    pub origin: Origin,
    /// Everything that is in the way of running it.
    pub refused: Vec<String>,
    /// What it has that comes to nothing here.
    pub notes: Vec<String>,
    /// The ABI markers it exports.
    pub markers: Vec<String>,
    /// Its memories.
    pub memories: Vec<Memory>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// The functions that it exports, markers aside.
    pub exports: Vec<Export>,
    /// What it exports that is no function, its memory aside.
    #[serde(skip)]
    other_exports: Vec<String>,
    /// Whether the engine starts it when it is instantiated.
    #[serde(skip)]
    starts_itself: bool,
}

/// A memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes it has at first.
    pub initial_bytes: u64,
    /// Bytes it may grow to by its own account.
    pub maximum_bytes: Option<u64>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The module it is imported from.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Its type, in the text format.
    #[serde(rename = "type")]
    pub ty: String,
}

/// An exported function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its type, in the text format.
    #[serde(rename = "type")]
    pub ty: String,
}

// === impl Inspection ===

impl Inspection {
    /// Looks at code.
    pub fn of(engine: &Engine, code: &[u8]) -> Self {
        let mut inspection = Self::read(code);
        inspection.abi = engine.load(code).ok().map(|code| code.abi().to_string());
        inspection.refused = engine.refusals(code);
        inspection.notes = inspection.notes();
        inspection
    }

    /// What can be told without an engine.
    fn read(code: &[u8]) -> Self {
        let mut inspection = Self {
            bytes: code.len(),
            abi: None,
            origin: Origin::default(),
            refused: Vec::new(),
            notes: Vec::new(),
            markers: Vec::new(),
            memories: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            other_exports: Vec::new(),
            starts_itself: false,
        };
        // Where the code is damaged, what comes before is told, and the host says what is wrong.
        let _ = Reader::new(&mut inspection).read(code);
        inspection.conclude_origin();
        inspection
    }

    fn notes(&self) -> Vec<String> {
        let metadata = self
            .exports
            .iter()
            .filter(|export| export.name.starts_with("proxy_on_") && export.name.ends_with("_metadata"))
            .filter(|export| !export.name.contains("grpc"))
            .map(|export| format!("{} is never called: HTTP/1.1 has no METADATA frames", export.name));
        metadata.collect()
    }

    /// Whether the host runs it.
    pub fn runs(&self) -> bool {
        self.refused.is_empty()
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let abi = self.abi.as_deref().unwrap_or("none that this host runs");
        writeln!(f, "abi:      {abi}")?;
        write!(f, "{}", self.origin)?;
        writeln!(f, "size:     {} bytes", self.bytes)?;
        writeln!(
            f,
            "markers:  {}",
            if self.markers.is_empty() {
                "none".to_owned()
            } else {
                self.markers.join(", ")
            }
        )?;
        for Memory {
            initial_bytes,
            maximum_bytes,
        } in &self.memories
        {
            let maximum = maximum_bytes.map_or("the limit of the host".to_owned(), kibibytes);
            writeln!(
                f,
                "memory:   {}, may grow to {maximum}",
                kibibytes(*initial_bytes)
            )?;
        }
        writeln!(f, "imports:  {}", self.imports.len())?;
        for Import { module, name, ty } in &self.imports {
            writeln!(f, "  {module} {name} {ty}")?;
        }
        writeln!(f, "exports:  {}", self.exports.len())?;
        for Export { name, ty } in &self.exports {
            writeln!(f, "  {name} {ty}")?;
        }
        for note in &self.notes {
            writeln!(f, "note:     {note}")?;
        }
        if self.runs() {
            return writeln!(
                f,
                "accepted: yes; its configuration may still keep it from starting"
            );
        }
        writeln!(f, "accepted: no")?;
        self.refused
            .iter()
            .try_for_each(|reason| writeln!(f, "  {reason}"))
    }
}

fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}
