//! The repository as the rules see it: its files and the manifests of its packages.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

/// The repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// Every file by its path from the root, with `/` between folders.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Every package of the workspace.
    pub(super) packages: Vec<Package>,
    /// Folders of this machine that no file may name.
    pub(super) machine_folders: Vec<String>,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// A dependency of a package.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(super) kind: Option<String>,
    /// Where it is, if it is a package of this workspace.
    pub(super) path: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Folders that are no part of what is committed.
const SKIPPED: &[&str] = &[".git", "target"];

// === impl Repository ===

impl Repository {
    /// Reads the repository at `root`.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut repository = Self {
            packages: packages(root)?,
            machine_folders: machine_folders(root),
            ..Self::default()
        };
        repository.add_folder(root, "")?;
        Ok(repository)
    }

    /// The text of a file, if there is such a file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        str::from_utf8(self.files.get(path)?).ok()
    }

    /// Files that are text and whose path ends with `end`.
    pub(super) fn texts(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().filter(move |(path, _)| path.ends_with(end));
        files.filter_map(|(path, content)| Some((path.as_str(), str::from_utf8(content).ok()?)))
    }

    /// Whether there is a file or a folder at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(file, _)| file.starts_with(&folder))
    }

    /// The names of the folders in a folder.
    pub(super) fn folders(&self, folder: &str) -> Vec<&str> {
        let paths = self.files.keys().filter_map(|path| path.strip_prefix(folder));
        let mut names: Vec<&str> = paths.filter_map(|path| Some(path.split_once('/')?.0)).collect();
        names.dedup();
        names
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.add_folder(&entry.path(), &format!("{path}/"))?;
            } else {
                let content = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
                self.files.insert(path, content);
            }
        }
        Ok(())
    }
}

/// The packages of the workspace, as cargo reads their manifests.
fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata gave something unexpected")?;
    Ok(metadata.packages)
}

/// The root of the repository and the home folder of whoever runs the check.
fn machine_folders(root: &Path) -> Vec<String> {
    let home = env::home_dir().filter(|home| home.parent().is_some());
    let folders = [Some(root.to_owned()), home].into_iter().flatten();
    folders.map(|folder| format!("{}/", folder.display())).collect()
}
