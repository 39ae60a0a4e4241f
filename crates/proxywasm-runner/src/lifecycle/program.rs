//! Which program this process runs.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// How this process was started. To be remembered at the start, for the file may be replaced by another one later, which is what a restart is
/// for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) file: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

// === impl Program ===

impl Program {
    pub(super) fn of_this_process() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        let search = env::var_os("PATH").unwrap_or_default();
        let file = match find(Path::new(&name), env::split_paths(&search)) {
            Some(file) => file,
            None => env::current_exe()?,
        };
        Ok(Self {
            file: std::path::absolute(file)?,
            arguments: arguments.collect(),
        })
    }
}

/// The file of a program that was started by a name. Links stay what they are, so that they can be made to point somewhere else.
fn find(name: &Path, mut search: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    if name.as_os_str().is_empty() {
        return None;
    }
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_owned());
    }
    search.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let shell = Path::new("/bin/sh");
        let search = || [PathBuf::from("/nowhere"), PathBuf::from("/bin")].into_iter();
        let table = [
            ("/bin/sh", Some(shell)),
            ("sh", Some(shell)),
            ("/nowhere/sh", None),
            ("no-such-program", None),
            ("", None),
        ];
        for (name, expected) in table {
            let found = find(Path::new(name), search());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }
}
