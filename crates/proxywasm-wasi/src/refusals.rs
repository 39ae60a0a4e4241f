//! The functions that refuse: a plugin has no files and no sockets.
//!
//! They are there because toolchains import them whether or not a plugin ever calls them. Each answers what makes the libraries of
//! the known toolchains go on.

use crate::errno::Errno;
use crate::memory::{bytes, bytes_mut, split};
use std::sync::atomic::{AtomicBool, Ordering};
use wasi_common::CommonView;
use wasmtime::{Caller, ExternType, FuncType, ImportType, Linker, Val, ValType};

/// A function that refuses.
struct Refusal {
    name: &'static str,
    /// The types of its parameters: `i` for i32, `l` for i64. It returns an errno.
    parameters: &'static str,
    answer: Answer,
    /// Places for results, as (index of the parameter, size): they are set to 0, so that no caller reads what was there before.
    zeroed: &'static [(usize, usize)],
}

/// What a refusing function answers.
#[derive(Clone, Copy)]
enum Answer {
    /// The same always.
    Always(Errno),
    /// This for standard output and standard error, `BADF` for any other descriptor.
    Output(Errno),
}

use Answer::{Always, Output};

const REFUSALS: &[Refusal] = &[
    refusal("fd_advise", "illi", Always(Errno::Success)),
    refusal("fd_allocate", "ill", Output(Errno::Success)),
    refusal("fd_close", "i", Always(Errno::Success)),
    refusal("fd_datasync", "i", Output(Errno::Success)),
    refusal("fd_fdstat_set_flags", "ii", Always(Errno::Nosys)),
    refusal("fd_fdstat_set_rights", "ill", Output(Errno::Success)),
    refusal("fd_filestat_get", "ii", Always(Errno::Badf)),
    refusal("fd_filestat_set_size", "il", Output(Errno::Success)),
    refusal("fd_filestat_set_times", "illi", Output(Errno::Success)),
    refusal("fd_pread", "iiili", Always(Errno::Nosys)),
    // Anything but this would keep the C library searching for directories.
    refusal("fd_prestat_get", "ii", Always(Errno::Badf)),
    refusal("fd_prestat_dir_name", "iii", Always(Errno::Nosys)),
    refusal("fd_read", "iiii", Always(Errno::Nosys)),
    refusal("fd_readdir", "iiili", Always(Errno::Notdir)).zeroing(&[(4, 4)]),
    refusal("fd_renumber", "ii", Output(Errno::Notsup)),
    refusal("fd_seek", "ilii", Always(Errno::Badf)),
    refusal("fd_sync", "i", Output(Errno::Success)),
    refusal("fd_tell", "ii", Output(Errno::Success)).zeroing(&[(1, 8)]),
    refusal("path_create_directory", "iii", Always(Errno::Notsup)),
    refusal("path_filestat_get", "iiiii", Always(Errno::Notsup)),
    refusal("path_filestat_set_times", "iiiilli", Always(Errno::Notsup)),
    refusal("path_link", "iiiiiii", Always(Errno::Notsup)),
    refusal("path_open", "iiiiillii", Always(Errno::Noent)),
    refusal("path_readlink", "iiiiii", Always(Errno::Notsup)).zeroing(&[(5, 4)]),
    refusal("path_remove_directory", "iii", Always(Errno::Notsup)),
    refusal("path_rename", "iiiiii", Always(Errno::Notsup)),
    refusal("path_symlink", "iiiii", Always(Errno::Notsup)),
    refusal("path_unlink_file", "iii", Always(Errno::Notsup)),
    refusal("sock_accept", "iii", Always(Errno::Notsup)).zeroing(&[(2, 4)]),
    refusal("sock_recv", "iiiiii", Always(Errno::Notsup)).zeroing(&[(4, 4), (5, 2)]),
    refusal("sock_send", "iiiii", Always(Errno::Notsup)).zeroing(&[(4, 4)]),
    refusal("sock_shutdown", "ii", Always(Errno::Notsup)),
];

/// Adds the refusing functions under one module name.
pub(crate) fn add<T: CommonView + 'static>(linker: &mut Linker<T>, module: &str) -> wasmtime::Result<()> {
    for refusal in REFUSALS {
        let parameters = refusal.parameters.bytes().map(|letter| match letter {
            b'l' => ValType::I64,
            _ => ValType::I32,
        });
        let ty = FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(module, refusal.name, ty, |caller, parameters, results| {
            let errno = Errno::number(refusal.call(caller, parameters));
            results.fill(Val::I32(errno));
            Ok(())
        })?;
    }
    Ok(())
}

/// Whether [`add`] defines a function.
pub(crate) fn is_known(name: &str) -> bool {
    REFUSALS.iter().any(|refusal| refusal.name == name)
}

/// Defines a function that a module imports, with the type by which it imports it, as one that answers `answer` and says so
/// once in the host's own log. Returns whether that was possible: the function has to return one i32, or nothing.
///
/// # Errors
/// The linker has a function of this name already.
pub fn refuse_import<T: CommonView + 'static>(
    linker: &mut Linker<T>,
    import: &ImportType<'_>,
    answer: i32,
) -> wasmtime::Result<bool> {
    let ExternType::Func(ty) = import.ty() else {
        return Ok(false);
    };
    if ty.results().len() > 1 || ty.results().any(|result| !result.is_i32()) {
        return Ok(false);
    }
    let name = format!("{}.{}", import.module(), import.name());
    let told = AtomicBool::new(false);
    linker.func_new(import.module(), import.name(), ty, move |mut caller: Caller<'_, T>, _, results| {
        if !told.swap(true, Ordering::Relaxed) {
            let settings = caller.data_mut().common().current_settings();
            let plugin = settings.map_or("", |settings| settings.name.as_str());
            tracing::warn!(plugin, function = %name, answer, "a plugin called a function that this host does not offer");
        }
        results.fill(Val::I32(answer));
        Ok(())
    })?;
    Ok(true)
}

// === impl Refusal ===

const fn refusal(name: &'static str, parameters: &'static str, answer: Answer) -> Refusal {
    Refusal {
        name,
        parameters,
        answer,
        zeroed: &[],
    }
}

impl Refusal {
    const fn zeroing(self, zeroed: &'static [(usize, usize)]) -> Self {
        Self { zeroed, ..self }
    }

    fn call<T: CommonView + 'static>(
        &self,
        mut caller: Caller<'_, T>,
        parameters: &[Val],
    ) -> Result<(), Errno> {
        let number = |index: usize| parameters.get(index).and_then(Val::i32).unwrap_or(0) as u32;
        let errno = match self.answer {
            Always(errno) => errno,
            Output(errno) if matches!(number(0), 1 | 2) => errno,
            Output(_) => return Err(Errno::Badf),
        };
        if !self.zeroed.is_empty() {
            let (memory, _) = split(&mut caller)?;
            for (index, size) in self.zeroed {
                bytes(memory, number(*index), *size as u32)?;
            }
            for (index, size) in self.zeroed {
                bytes_mut(memory, number(*index), *size)?.fill(0);
            }
        }
        match errno {
            Errno::Success => Ok(()),
            errno => Err(errno),
        }
    }
}
