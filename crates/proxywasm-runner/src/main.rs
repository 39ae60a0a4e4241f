//! The binary `proxywasm`.
#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    proxywasm_runner::cli::Arguments::parse().run()
}
