//! The top level of the repository, and the README of each crate.

use super::repository::Repository;

/// Everything that lies at the top level, besides dotfiles.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "clippy.toml",
    "crates",
    "docs",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "witx",
    "xtask",
];

pub(super) fn check(repository: &Repository) -> Vec<String> {
    let mut entries: Vec<&str> = repository
        .files
        .keys()
        .map(|path| path.split_once('/').map_or(path.as_str(), |(folder, _)| folder))
        .collect();
    entries.dedup();
    let unexpected = entries
        .iter()
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry))
        .map(|entry| {
            format!(
                "{entry}: does not belong to the top level; move it, or add it to xtask/src/tidy/layout.rs"
            )
        });
    let missing = TOP_LEVEL
        .iter()
        .filter(|name| !repository.has(name))
        .map(|name| format!("{name}: is missing at the top level"));
    let crates = repository
        .folders("crates/")
        .into_iter()
        .map(|name| format!("crates/{name}/README.md"));
    let undescribed = crates
        .filter(|readme| !repository.has(readme))
        .map(|readme| format!("{readme}: is missing; say what the crate is, and what it is not"));
    unexpected.chain(missing).chain(undescribed).collect()
}
