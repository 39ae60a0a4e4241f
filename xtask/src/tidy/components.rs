//! The component crates: the same files in each, so that who knows one knows all.

use super::repository::Repository;

/// Components whose effects reach outside, once they are finished: each has a backend that an embedder can replace.
const WITH_BACKEND: &[&str] = &["wasi-kvstore", "wasi-log", "wasi-metrics", "wasi-queue"];

/// The line of `bindings.rs` of a component without callbacks.
pub(super) const NO_CALLBACKS: &str = "pub const CALLBACKS: &[&str] = &[];";

pub(super) fn check(repository: &Repository) -> Vec<String> {
    let crates = repository.folders("crates/");
    let components = crates.iter().filter(|name| name.starts_with("wasi-"));
    components.flat_map(|name| problems(repository, name)).collect()
}

fn problems(repository: &Repository, name: &str) -> Vec<String> {
    let folder = format!("crates/{name}");
    let witx = format!("witx/{}.witx", name.replace('-', "_"));
    let mut expected = vec![
        witx,
        format!("{folder}/src/lib.rs"),
        format!("{folder}/src/bindings.rs"),
    ];
    if is_finished(repository, &folder) {
        expected.push(format!("{folder}/src/core.rs"));
        expected.push(format!("{folder}/src/hostcalls.rs"));
        let bindings = repository.text(&format!("{folder}/src/bindings.rs"));
        if bindings.is_some_and(|bindings| !bindings.contains(NO_CALLBACKS)) {
            expected.push(format!("{folder}/src/callbacks.rs"));
        }
        if WITH_BACKEND.contains(&name) {
            expected.push(format!("{folder}/src/backend.rs"));
        }
    }
    let missing = expected.into_iter().filter(|path| !repository.has(path));
    missing
        .map(|path| format!("{path}: is missing; every component has it"))
        .collect()
}

/// Whether a component is more than its interface: whether it has any source but the two files that all have.
fn is_finished(repository: &Repository, folder: &str) -> bool {
    let sources = format!("{folder}/src/");
    let mut names = repository
        .files
        .keys()
        .filter_map(|path| path.strip_prefix(&sources));
    names.any(|name| !matches!(name, "lib.rs" | "bindings.rs"))
}
