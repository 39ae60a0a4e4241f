//! Reading a module.

use super::{Export, Import, Inspection, Memory, Producer};
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, KnownCustom, MemoryType, Parser, Payload,
    ProducersSectionReader, TypeRef,
};

const MARKER: &str = "proxy_abi_version_";

/// Reads a module as far as it is in order.
pub(super) struct Reader<'a> {
    inspection: &'a mut Inspection,
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(inspection: &'a mut Inspection) -> Self {
        Self {
            inspection,
            types: Vec::new(),
            functions: Vec::new(),
        }
    }

    pub(super) fn read(mut self, code: &[u8]) -> wasmparser::Result<()> {
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
                        match export.kind {
                            ExternalKind::Func => self.export(export.name, export.index),
                            _ => self.inspection.other_exports.push(export.name.to_owned()),
                        }
                    }
                }
                Payload::StartSection { .. } => self.inspection.starts_itself = true,
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(fields) = section.as_known() {
                        // It is free text, and runs nothing: where it is damaged, the rest counts.
                        let _ = self.producers(fields);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn producers(&mut self, fields: ProducersSectionReader<'_>) -> wasmparser::Result<()> {
        for field in fields {
            let field = field?;
            for value in field.values {
                let value = value?;
                self.inspection.origin.producers.push(Producer {
                    role: field.name.to_owned(),
                    name: value.name.to_owned(),
                    version: value.version.to_owned(),
                });
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
