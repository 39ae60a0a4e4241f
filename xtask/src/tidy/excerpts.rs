//! Rust in the README: lines of a program that is compiled, so that they cannot grow old.

use super::repository::Repository;

const README: &str = "README.md";
/// The program.
const PROGRAM: &str = "crates/proxywasm-host/examples/embed.rs";

pub(super) fn check(repository: &Repository) -> Vec<String> {
    let program: Vec<&str> = repository.text(PROGRAM).unwrap_or_default().lines().collect();
    let excerpts = repository
        .text(README)
        .unwrap_or_default()
        .split("```rust\n")
        .skip(1);
    let lines = excerpts.flat_map(|rest| rest.split("```").next().unwrap_or_default().lines());
    lines
        .filter(|line| !line.is_empty() && !program.contains(line))
        .map(|line| format!("{README}: shows `{}`, which is no line of {PROGRAM}", line.trim()))
        .collect()
}
