//! The versions of the older ABI, and what tells them apart.

use wasmtime::{ExternType, Module};

/// A version of the Proxy-Wasm ABI that exists beside the component ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AbiVersion {
    /// ABI 0.1.0, of February 2020.
    V0_1_0,
    /// ABI 0.2.0, of August 2020: what the Go SDKs build.
    V0_2_0,
    /// ABI 0.2.1: what the Rust, C++ and AssemblyScript SDKs build.
    V0_2_1,
}

/// What is particular to a version. Everything else is the same in all of them.
///
/// Which hostcalls a module may import is not here: SDKs declare those of other versions than the one they mark, so that every
/// module may import all. Nor is the number of parameters of a headers callback: it goes by the type of the export, because an old
/// SDK for Go exports three under the marker of 0.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Differences {
    /// The function whose export says that a module is of this version. It is never called.
    pub marker: &'static str,
    /// How the value of a header that is not there is answered.
    pub absent_header: AbsentHeader,
}

/// How the value of a header that is not there is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsentHeader {
    /// Status not found.
    NotFound,
    /// Status ok and an empty value.
    Empty,
}

// === impl AbiVersion ===

impl AbiVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V0_1_0, Self::V0_2_0, Self::V0_2_1];

    /// The version of a module: that of the first function in its export section that is one of the markers. `None` where
    /// there is no marker of these versions.
    pub fn detect(module: &Module) -> Option<Self> {
        module
            .exports()
            .filter(|export| matches!(export.ty(), ExternType::Func(_)))
            .find_map(|export| {
                Self::ALL
                    .into_iter()
                    .find(|version| version.marker() == export.name())
            })
    }

    /// The function whose export says that a module is of this version.
    pub fn marker(self) -> &'static str {
        self.differences().marker
    }

    /// What is particular to this version.
    pub fn differences(self) -> Differences {
        match self {
            Self::V0_1_0 => Differences {
                marker: "proxy_abi_version_0_1_0",
                absent_header: AbsentHeader::Empty,
            },
            Self::V0_2_0 => Differences {
                marker: "proxy_abi_version_0_2_0",
                absent_header: AbsentHeader::NotFound,
            },
            Self::V0_2_1 => Differences {
                marker: "proxy_abi_version_0_2_1",
                absent_header: AbsentHeader::NotFound,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Engine;

    #[test]
    fn detection() {
        let table = [
            (
                r#"(func (export "proxy_abi_version_0_1_0"))"#,
                Some(AbiVersion::V0_1_0),
            ),
            (
                r#"(func (export "proxy_abi_version_0_2_0"))"#,
                Some(AbiVersion::V0_2_0),
            ),
            (
                r#"(func (export "proxy_abi_version_0_2_1"))"#,
                Some(AbiVersion::V0_2_1),
            ),
            (
                r#"(func $a) (export "proxy_abi_version_0_2_1" (func $a)) (export "proxy_abi_version_0_1_0" (func $a))"#,
                Some(AbiVersion::V0_2_1),
            ),
            (
                r#"(func $a) (export "proxy_abi_version_0_1_0" (func $a)) (export "proxy_abi_version_0_2_1" (func $a))"#,
                Some(AbiVersion::V0_1_0),
            ),
            (
                r#"(memory (export "proxy_abi_version_0_1_0") 1) (func (export "proxy_abi_version_0_2_0"))"#,
                Some(AbiVersion::V0_2_0),
            ),
            (r#"(func (export "proxy_abi_version_0_2_2"))"#, None),
            ("", None),
        ];
        let engine = Engine::default();
        for (items, expected) in table {
            let module = Module::new(&engine, wat::parse_str(format!("(module {items})")).unwrap()).unwrap();
            assert_eq!(AbiVersion::detect(&module), expected, "{items}");
        }
    }
}
