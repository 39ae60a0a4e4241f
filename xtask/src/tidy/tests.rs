//! The repository is tidy, and each rule finds what breaks it.

use super::repository::{Dependency, Package, Repository};
use super::{problems, root};

#[test]
fn the_repository_is_tidy() {
    let problems = problems(&Repository::read(&root()).unwrap());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_rules_see_the_repository() {
    let repository = Repository::read(&root()).unwrap();
    assert!(repository.has("xtask/src/tidy/tests.rs") && repository.has("crates/wasi-log"));
    assert!(!repository.has("crates/wasi") && !repository.has("target"));
    assert_eq!(
        repository
            .folders("crates/")
            .iter()
            .filter(|name| name.starts_with("wasi-"))
            .count(),
        11
    );
    let log = repository
        .packages
        .iter()
        .find(|package| package.name == "wasi-log")
        .unwrap();
    assert!(
        log.dependencies
            .iter()
            .any(|inner| inner.name == "wasi-common" && inner.path.is_some())
    );
}

/// A small repository in which everything is as it should be.
fn tidy() -> Repository {
    let library = "//! What it is.\n//!\n//! ```\n//! ```\n#![forbid(unsafe_code)]\n";
    let unfinished = "pub const CALLBACKS: &[&str] = &[\"a\"];";
    let files = [
        ("Cargo.lock", ""),
        ("Cargo.toml", ""),
        ("LICENSE", ""),
        (
            "README.md",
            "[log](crates/wasi-log/README.md#log) [web](https://example.com) `crates/wasi-log/src` `crates/*`",
        ),
        ("benches/Cargo.toml", ""),
        ("clippy.toml", ""),
        (
            "crates/proxywasm-host/examples/embed.rs",
            "fn main() {\n    run();\n}\n",
        ),
        ("crates/proxywasm-host/README.md", ""),
        ("crates/proxywasm-sdk/README.md", ""),
        ("crates/proxywasm-sdk/src/lib.rs", library),
        ("crates/wasi-common/README.md", ""),
        (
            "crates/wasi-common/src/bindings.rs",
            super::components::NO_CALLBACKS,
        ),
        ("crates/wasi-common/src/core.rs", ""),
        ("crates/wasi-common/src/hostcalls.rs", ""),
        ("crates/wasi-common/src/lib.rs", library),
        ("crates/wasi-log/README.md", "[up](../../README.md)"),
        ("crates/wasi-log/src/bindings.rs", unfinished),
        ("crates/wasi-log/src/lib.rs", library),
        ("docs/a.md", ""),
        ("rust-toolchain.toml", ""),
        ("rustfmt.toml", ""),
        ("tests/Cargo.toml", ""),
        ("witx/wasi_common.witx", ""),
        ("witx/wasi_log.witx", ""),
        ("xtask/Cargo.toml", ""),
    ];
    Repository {
        files: files.map(|(path, text)| (path.to_owned(), text.into())).into(),
        packages: vec![
            package("wasi-common", &[]),
            package("wasi-log", &[("wasi-common", None)]),
            package("proxywasm-sdk", &[("wasi-log", Some("dev"))]),
            package("xtask", &[("wasi-log", None)]),
        ],
        machine_folders: vec!["/machine/folder/".to_owned()],
    }
}

fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
    let dependency = |(name, kind): &(&str, Option<&str>)| Dependency {
        name: (*name).to_owned(),
        kind: kind.map(str::to_owned),
        path: Some(String::new()),
    };
    Package {
        name: name.to_owned(),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(problems(&tidy()), Vec::<String>::new());
}

#[test]
fn files() {
    let long = "//! It.\n".repeat(601);
    let generated = format!("// @generated\n{long}");
    // A file with its new content, or none to take it away; what is said of it.
    let table: &[(&str, Option<&str>, &[&str])] = &[
        ("stray/a.txt", Some(""), &["stray: does not belong"]),
        (".ci/run", Some(""), &[]),
        ("LICENSE", None, &["LICENSE: is missing"]),
        (
            "crates/new/Cargo.toml",
            Some(""),
            &["crates/new/README.md: is missing", "crates/new: has no layer"],
        ),
        (
            "crates/wasi-common/README.md",
            None,
            &["crates/wasi-common/README.md: is missing"],
        ),
        (
            "crates/wasi-common/src/core.rs",
            None,
            &["crates/wasi-common/src/core.rs: is missing"],
        ),
        (
            "crates/wasi-common/src/hostcalls.rs",
            None,
            &["crates/wasi-common/src/hostcalls.rs: is missing"],
        ),
        ("witx/wasi_log.witx", None, &["witx/wasi_log.witx: is missing"]),
        (
            "crates/wasi-log/src/core.rs",
            Some(""),
            &[
                "wasi-log/src/hostcalls.rs: is missing",
                "wasi-log/src/callbacks.rs: is missing",
                "wasi-log/src/backend.rs",
            ],
        ),
        ("tests/src/a.rs", Some(&long), &["tests/src/a.rs: has 601 lines"]),
        ("tests/src/a.rs", Some(&generated), &[]),
        (
            "crates/wasi-log/src/lib.rs",
            Some("#![forbid(unsafe_code)]"),
            &["does not begin with `//!`"],
        ),
        (
            "crates/wasi-log/src/lib.rs",
            Some("//! It.\n#![forbid(unsafe_code)]"),
            &["shows no example"],
        ),
        (
            "crates/wasi-log/src/lib.rs",
            Some("//! ```"),
            &["add `#![forbid(unsafe_code)]`"],
        ),
        (
            "crates/wasi-log/src/lib.rs",
            Some("//! ```\n#![deny(unsafe_code)]"),
            &["add `#![forbid(unsafe_code)]`"],
        ),
        (
            "crates/wasi-log/src/lib.rs",
            Some("//! ```\n#![deny(unsafe_code)]\n#[allow(unsafe_code, reason = \"imports\")]\nmod raw;"),
            &[],
        ),
        (
            "docs/a.md",
            Some("see /machine/folder/x"),
            &["docs/a.md: names the folder /machine/folder/"],
        ),
        ("docs/a.md", Some("see other/machine/folder/x"), &[]),
        ("docs/a.md", Some("[a](b.md)"), &["docs/a.md: names `b.md`"]),
        ("docs/a.md", Some("[a](../xtask/Cargo.toml)"), &[]),
        ("README.md", Some("```rust\n    run();\n\n```\n"), &[]),
        (
            "README.md",
            Some("```rust\n    walk();\n```\nwalk"),
            &["README.md: shows `walk();`"],
        ),
        (
            "docs/a.md",
            Some("`crates/wasi-log/src/gone.rs`"),
            &["names `crates/wasi-log/src/gone.rs`"],
        ),
        (
            "docs/a.md",
            Some("`crates/wasi-log/src/`, `wasi-log/gone.rs`"),
            &[],
        ),
    ];
    for (path, content, expected) in table {
        let mut repository = tidy();
        match content {
            Some(content) => {
                _ = repository
                    .files
                    .insert((*path).to_owned(), content.as_bytes().to_vec())
            }
            None => _ = repository.files.remove(*path),
        }
        let found = problems(&repository);
        assert_eq!(found.len(), expected.len(), "{path} {content:.40?}: {found:?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.contains(expected), "{path} {content:.40?}: {found}");
        }
    }
}

#[test]
fn dependencies() {
    let table: &[(&str, &str, Option<&str>, bool)] = &[
        ("wasi-http", "wasi-common", None, true),
        ("wasi-http", "wasi-log", None, false),
        ("wasi-http", "wasi-log", Some("dev"), false),
        ("wasi-http", "proxywasm-host", Some("build"), false),
        ("wasi-common", "wasi-common", None, false),
        ("wasi-common", "wasi-common", Some("dev"), true),
        ("wasi-common", "wasi-log", Some("dev"), false),
        ("wasi-kvstore", "proxywasm-redis", None, true),
        ("proxywasm-redis", "wasi-common", None, false),
        ("proxywasm-wasi", "wasi-log", None, true),
        ("proxywasm-legacy", "proxywasm-wasi", None, true),
        ("proxywasm-wasi", "proxywasm-legacy", None, false),
        ("proxywasm-host", "proxywasm-legacy", None, true),
        ("proxywasm-host", "proxywasm-runner", None, false),
        ("proxywasm-host", "proxywasm-tests", None, false),
        ("proxywasm-host", "proxywasm-tests", Some("dev"), true),
        ("proxywasm-runner", "proxywasm-host", None, true),
        ("proxywasm-runner", "proxywasm-sdk", None, false),
        ("proxywasm-sdk", "wasi-log", None, false),
        ("proxywasm-tests", "proxywasm-runner", None, true),
    ];
    for (name, dependency, kind, allowed) in table {
        let repository = Repository {
            packages: vec![package(name, &[(dependency, *kind)])],
            ..tidy()
        };
        let found = problems(&repository);
        assert_eq!(
            found.is_empty(),
            *allowed,
            "{name} on {dependency} ({kind:?}): {found:?}"
        );
    }
}
