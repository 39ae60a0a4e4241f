//! `cargo xtask gen`: writes everything that follows from the WITX files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use model::Interfaces;

mod docs;
mod glue;
mod guest_c;
mod guest_rust;
mod host;
mod model;
mod reference;
#[cfg(test)]
mod tests;

/// Arguments of `cargo xtask gen`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Writes nothing, and fails if a generated file differs from what the WITX files say.
    #[arg(long)]
    check: bool,
}

/// One generated file.
struct Output {
    /// Where it belongs, from the root of the repository.
    path: PathBuf,
    content: String,
}

/// Writes every generated file, or with `--check` compares them.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = root()?;
    let outputs = outputs(&Interfaces::load(&root.join("witx"))?)?;
    let stale = stale(&root, &outputs);
    if arguments.check {
        if stale.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = stale
            .iter()
            .map(|output| output.path.display().to_string())
            .collect();
        bail!(
            "not what the WITX files say: {}; run `cargo xtask gen`",
            names.join(", ")
        );
    }
    for output in stale {
        let path = root.join(&output.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::write(&path, &output.content).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", output.path.display());
    }
    Ok(())
}

/// Everything that is generated.
fn outputs(interfaces: &Interfaces) -> anyhow::Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for component in &interfaces.components {
        outputs.push(Output {
            path: format!("crates/{}/src/bindings.rs", component.module_name()).into(),
            content: host::bindings(component)?,
        });
    }
    outputs.push(Output {
        path: "crates/proxywasm-sdk/src/raw.rs".into(),
        content: guest_rust::bindings(interfaces)?,
    });
    outputs.push(Output {
        path: "crates/proxywasm-sdk/include/proxywasm.h".into(),
        content: guest_c::header(interfaces)?,
    });
    outputs.push(Output {
        path: "docs/INTERFACES.md".into(),
        content: reference::reference(interfaces)?,
    });
    Ok(outputs)
}

/// Those of `outputs` that differ from the files under `root`, or are missing there.
fn stale<'a>(root: &Path, outputs: &'a [Output]) -> Vec<&'a Output> {
    let is_current = |output: &Output| {
        fs::read_to_string(root.join(&output.path)).is_ok_and(|found| found == output.content)
    };
    outputs.iter().filter(|output| !is_current(output)).collect()
}

/// The root of the repository.
fn root() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .context("xtask has no parent folder")
}
