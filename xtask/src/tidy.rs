//! `cargo xtask tidy`: checks what the compiler cannot know of this repository. `cargo test -p xtask` checks the same.
//!
//! - [`layout`]: which entries the top level has
//! - [`layers`]: the direction of dependencies
//! - [`components`]: the files that every component crate has
//! - [`sources`]: documentation, unsafe code and length of source files, and folders of somebody's machine
//! - [`links`]: paths that the documentation names
//! - [`excerpts`]: code that the README shows

use std::path::Path;

use anyhow::bail;

use repository::Repository;

mod components;
mod excerpts;
mod layers;
mod layout;
mod links;
mod repository;
mod sources;
#[cfg(test)]
mod tests;

/// Arguments of `cargo xtask tidy`.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Checks the repository.
///
/// # Errors
/// Something is not as it should be; the message has a line for each thing.
pub(crate) fn run(_: &Arguments) -> anyhow::Result<()> {
    let problems = problems(&Repository::read(&root())?);
    if problems.is_empty() {
        return Ok(());
    }
    bail!("not tidy:\n{}", problems.join("\n"))
}

/// What is not as it should be, a line for each thing, which names the place, the rule and what to do.
fn problems(repository: &Repository) -> Vec<String> {
    let rules = [
        layout::check,
        layers::check,
        components::check,
        sources::check,
        links::check,
        excerpts::check,
    ];
    rules.into_iter().flat_map(|rule| rule(repository)).collect()
}

/// The root of the repository.
fn root() -> std::path::PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
