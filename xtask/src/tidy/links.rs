//! Paths that Markdown files name: targets of links, and code such as `crates/wasi-log/src/core.rs`.

use std::collections::BTreeSet;

use super::repository::Repository;

/// Code that begins with one of these is a path from the root.
const ROOTS: &[&str] = &["benches/", "crates/", "docs/", "tests/", "witx/", "xtask/"];

pub(super) fn check(repository: &Repository) -> Vec<String> {
    let mut problems = BTreeSet::new();
    for (file, text) in repository.texts(".md") {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links = links(text).filter_map(|link| Some((link, resolve(folder, link)?)));
        let code = code(text).map(|code| (code, code.to_owned()));
        for (shown, path) in links.chain(code) {
            if !repository.has(&path) {
                problems.insert(format!("{file}: names `{shown}`, which is not there"));
            }
        }
    }
    problems.into_iter().collect()
}

/// The targets of links to files, without the place in the file.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0));
    let files = targets.filter(|target| !target.contains(':') && !target.contains(char::is_whitespace));
    files
        .map(|target| target.split_once('#').map_or(target, |(path, _)| path))
        .filter(|path| !path.is_empty())
}

/// Code that is a path; patterns are none.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_path = |code: &&str| {
        ROOTS.iter().any(|root| code.starts_with(root)) && !code.contains(['*', '<', '{', ' ', '$'])
    };
    spans.filter(is_path)
}

/// The path from the root, if it does not leave the repository.
fn resolve(folder: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
