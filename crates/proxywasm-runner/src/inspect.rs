//! What a plugin is made of, and whether this host runs it.

use proxywasm_host::Engine;
use serde::Serialize;
use std::fmt;
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, MemoryType, Parser, Payload, TypeRef};

/// What there is to know of a plugin without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Size of the code in bytes.
    pub bytes: usize,
    /// The ABI it is run by; `None` if the host refuses it.
    pub abi: Option<String>,
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

const MARKER: &str = "proxy_abi_version_";

// === impl Inspection ===

impl Inspection {
    /// Looks at code.
    pub fn of(engine: &Engine, code: &[u8]) -> Self {
        let mut inspection = Self {
            bytes: code.len(),
            abi: None,
            refused: Vec::new(),
            notes: Vec::new(),
            markers: Vec::new(),
            memories: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
        };
        // Where the code is damaged, what comes before is told, and the host says what is wrong.
        let _ = Reader {
            inspection: &mut inspection,
            types: Vec::new(),
            functions: Vec::new(),
        }
        .read(code);
        inspection.abi = engine.load(code).ok().map(|code| code.abi().to_string());
        inspection.refused = engine.refusals(code);
        inspection.notes = inspection.notes();
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

struct Reader<'a> {
    inspection: &'a mut Inspection,
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
}

// === impl Reader ===

impl Reader<'_> {
    fn read(mut self, code: &[u8]) -> wasmparser::Result<()> {
        for payload in Parser::new(0).parse_all(code) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for ty in group?.into_types() {
                            self.types.push(match ty.composite_type.inner {
                                CompositeInnerType::Func(function) => Some(function),
                                _ => None,
                            });
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        let ty = self.import(import.ty);
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        self.inspection.imports.push(Import { module, name, ty });
                    }
                }
                Payload::FunctionSection(functions) => {
                    for function in functions {
                        self.functions.push(function?);
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        self.inspection.memories.push(Memory::from(memory?));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            self.export(export.name, export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn import(&mut self, ty: TypeRef) -> String {
        match ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(index);
                self.type_text(index)
            }
            TypeRef::Memory(memory) => {
                self.inspection.memories.push(Memory::from(memory));
                "(memory)".to_owned()
            }
            TypeRef::Table(_) => "(table)".to_owned(),
            TypeRef::Global(_) => "(global)".to_owned(),
            TypeRef::Tag(_) => "(tag)".to_owned(),
        }
    }

    fn export(&mut self, name: &str, index: u32) {
        if name.starts_with(MARKER) {
            self.inspection.markers.push(name.to_owned());
            return;
        }
        let ty = usize::try_from(index)
            .ok()
            .and_then(|index| self.functions.get(index).copied());
        let ty = ty.map_or_else(String::new, |ty| self.type_text(ty));
        self.inspection.exports.push(Export {
            name: name.to_owned(),
            ty,
        });
    }

    fn type_text(&self, index: u32) -> String {
        let ty = usize::try_from(index)
            .ok()
            .and_then(|index| self.types.get(index)?.as_ref());
        let Some(ty) = ty else { return "(func)".to_owned() };
        let list = |name: &str, types: &[wasmparser::ValType]| {
            let types: String = types.iter().map(|ty| format!(" {ty}")).collect();
            if types.is_empty() {
                types
            } else {
                format!(" ({name}{types})")
            }
        };
        format!(
            "(func{}{})",
            list("param", ty.params()),
            list("result", ty.results())
        )
    }
}

// === impl Memory ===

impl From<MemoryType> for Memory {
    fn from(memory: MemoryType) -> Self {
        let page = 1u64
            .checked_shl(memory.page_size_log2.unwrap_or(16))
            .unwrap_or(1 << 16);
        Self {
            initial_bytes: memory.initial.saturating_mul(page),
            maximum_bytes: memory.maximum.map(|pages| pages.saturating_mul(page)),
        }
    }
}
