//! Source files: documentation, unsafe code, length, and folders of somebody's machine.

use super::repository::Repository;

/// Lines of a file that was written by hand.
const MAX_LINES: usize = 600;

/// How a generated file begins, behind the sign for a comment.
const GENERATED: &str = "@generated";

pub(super) fn check(repository: &Repository) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in repository.texts(".rs") {
        problems.extend(too_long(path, text));
        if is_library(path) {
            problems.extend(undocumented(path, text));
            problems.extend(unsafe_allowed(path, text));
        }
    }
    for (path, content) in &repository.files {
        problems.extend(machine_folder(path, content, &repository.machine_folders));
    }
    problems
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let generated = text.lines().next().is_some_and(|line| line.contains(GENERATED));
    let lines = text.lines().count();
    (!generated && lines > MAX_LINES).then(|| {
        format!("{path}: has {lines} lines, more than {MAX_LINES}; split it by what its parts are about")
    })
}

fn undocumented(path: &str, text: &str) -> Vec<String> {
    let docs: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    if docs.is_empty() {
        return vec![format!(
            "{path}: does not begin with `//!`; say what the crate is, and what it is not"
        )];
    }
    if docs.iter().any(|line| line.trim_start().starts_with("```")) {
        return Vec::new();
    }
    vec![format!(
        "{path}: shows no example in its documentation; add one that runs"
    )]
}

/// Unsafe code is forbidden, or denied and allowed for one module with a reason.
fn unsafe_allowed(path: &str, text: &str) -> Option<String> {
    let forbidden = text.contains("#![forbid(unsafe_code)]");
    // Attributes that are long are broken into lines.
    let one_line: String = text.split_whitespace().collect();
    let denied =
        one_line.contains("#![deny(unsafe_code)]") && one_line.contains("#[allow(unsafe_code,reason=");
    (!forbidden && !denied).then(|| {
        format!("{path}: add `#![forbid(unsafe_code)]`, or deny it and allow it for one module with a reason")
    })
}

/// A folder counts where nothing that belongs to a path stands before it.
fn machine_folder(path: &str, content: &[u8], folders: &[String]) -> Option<String> {
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| content.get(at));
        before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"._-/~>}".contains(byte))
    };
    let named = |folder: &&String| {
        let windows = content.windows(folder.len()).enumerate();
        windows
            .filter(|(_, window)| *window == folder.as_bytes())
            .any(|(at, _)| begins(at))
    };
    let folder = folders.iter().find(named)?;
    Some(format!(
        "{path}: names the folder {folder} of a machine; use a path from the root of the repository"
    ))
}

/// Whether a file is the root of a library in `crates`.
fn is_library(path: &str) -> bool {
    path.starts_with("crates/") && path.ends_with("/src/lib.rs")
}
