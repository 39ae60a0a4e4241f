//! Files that change.
//!
//! Folders are watched, not files, so that one which is put in the place of another by renaming is seen. Where a file is found by links,
//! as Kubernetes mounts them, the folders of the links are watched too, and all again when one has changed.

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Watches folders for as long as it lives.
pub(crate) struct FileWatch {
    changed: Arc<dyn Fn() + Send + Sync>,
    watched: BTreeSet<(PathBuf, Option<(u64, u64)>)>,
    /// There is none where the system gives none.
    watcher: Option<RecommendedWatcher>,
}

/// What tells the versions of files from others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Versions(Vec<(PathBuf, Option<Version>)>);

/// Device, number, length, and when it was written to.
type Version = (u64, u64, u64, i64, i64);

/// Links that are followed from one to the other.
const MAX_LINKS: usize = 16;

// === impl FileWatch ===

impl FileWatch {
    /// Calls this, from another thread, when something has happened to one of the files that are set, or near it.
    pub(crate) fn new(changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            changed: Arc::new(changed),
            watched: BTreeSet::new(),
            watcher: None,
        }
    }

    /// Watches these files from now on.
    ///
    /// # Errors
    /// The system gives nothing to do so with.
    pub(crate) fn set(&mut self, files: &[PathBuf]) -> notify::Result<()> {
        let folders: BTreeSet<PathBuf> = files.iter().flat_map(|file| folders_of(file)).collect();
        let identified = folders.into_iter().map(|folder| {
            let identity = std::fs::metadata(&folder).ok();
            let identity = identity.map(|folder| (folder.dev(), folder.ino()));
            (folder, identity)
        });
        let identified: BTreeSet<_> = identified.collect();
        if self.watcher.is_some() && identified == self.watched {
            return Ok(());
        }
        let changed = Arc::clone(&self.changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // To read a file is to make an event too.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                changed();
            }
        })?;
        for (folder, identity) in &identified {
            if identity.is_some() {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
        }
        self.watched = identified;
        self.watcher = Some(watcher);
        Ok(())
    }
}

// === impl Versions ===

impl Versions {
    /// The versions that there are now.
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        let versions = files.iter().map(|file| (file.clone(), version(file)));
        Self(versions.collect())
    }

    /// These, and of files that are not among them those of `others`.
    pub(crate) fn with_others_of(mut self, others: Self) -> Self {
        for (file, version) in others.0 {
            if !self.0.iter().any(|(known, _)| *known == file) {
                self.0.push((file, version));
            }
        }
        self
    }

    /// Whether one of the files has another version now.
    pub(crate) fn have_changed(&self) -> bool {
        self.0.iter().any(|(file, seen)| version(file) != *seen)
    }
}

fn version(file: &Path) -> Option<Version> {
    let file = std::fs::metadata(file).ok()?;
    Some((
        file.dev(),
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
    ))
}

/// The folders in which something happens when a file becomes another: its own, and those of all links on the way to it.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut next = Some(file.to_owned());
    let mut links = 0;
    while let Some(path) = next.take() {
        folders.extend(parent(&path));
        // The link that is the first on the way leads on.
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            let Ok(target) = std::fs::read_link(ancestor) else {
                continue;
            };
            folders.extend(parent(ancestor));
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            let target = parent(ancestor).unwrap_or_default().join(target);
            links += 1;
            if links <= MAX_LINKS {
                next = Some(match rest.as_os_str().is_empty() {
                    true => target,
                    false => target.join(rest),
                });
            }
            break;
        }
    }
    folders
}

fn parent(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    Some(match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_of_links() {
        let base = std::env::temp_dir().join(format!("proxywasm-links-{}", std::process::id()));
        let base_of = |name: &str| base.join(name);
        std::fs::create_dir_all(base_of("mounted/..1")).unwrap();
        std::fs::create_dir_all(base_of("elsewhere")).unwrap();
        std::fs::write(base_of("mounted/..1/file"), "").unwrap();
        std::fs::write(base_of("elsewhere/real"), "").unwrap();
        symlink("..1", base_of("mounted/..data")).unwrap();
        symlink("..data/file", base_of("mounted/file")).unwrap();
        symlink(base_of("elsewhere/real"), base_of("mounted/absolute")).unwrap();
        symlink("mounted", base_of("folder")).unwrap();
        symlink("loop", base_of("loop")).unwrap();
        let table: &[(&str, &[&str])] = &[
            ("elsewhere/real", &["elsewhere"]),
            ("mounted/file", &["mounted", "mounted/..1", "mounted/..data"]),
            ("mounted/absolute", &["elsewhere", "mounted"]),
            (
                "folder/file",
                &["", "folder", "mounted", "mounted/..1", "mounted/..data"],
            ),
            ("loop", &[""]),
            ("not/there", &["not"]),
        ];
        for (file, expected) in table {
            let found: BTreeSet<PathBuf> = folders_of(&base_of(file)).into_iter().collect();
            let expected: BTreeSet<PathBuf> = expected
                .iter()
                .map(|folder| match folder.is_empty() {
                    true => base.clone(),
                    false => base_of(folder),
                })
                .collect();
            assert_eq!(found, expected, "{file}");
        }
        std::fs::remove_dir_all(base).unwrap();
    }
}
