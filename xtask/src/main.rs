//! Tasks of this repository: `cargo xtask gen`, `cargo xtask guests` and `cargo xtask tidy`.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};

mod generate;
mod guests;
mod tidy;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Regenerates every binding from the WITX files.
    Gen(generate::Arguments),
    /// Builds the sample plugins of the tests.
    Guests(guests::Arguments),
    /// Checks layout, direction of dependencies, length of files and links.
    Tidy(tidy::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Gen(arguments) => generate::run(&arguments),
        Task::Guests(arguments) => guests::run(&arguments),
        Task::Tidy(arguments) => tidy::run(&arguments),
    }
}
