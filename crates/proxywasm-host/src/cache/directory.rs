//! The directory: who may write it, and files that are there whole or not at all.
//!
//! All goes by a handle of the directory that was looked at, so that it makes no difference what becomes of the path afterwards.

use rustix::fs::{
    AtFlags, Dir, FileType, MemfdFlags, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, fstat, futimens,
    memfd_create, open, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// A directory cannot be used as cache.
#[derive(Debug, Error)]
pub enum CacheError {
    /// It cannot be made or opened.
    #[error("cannot open the {cache} {}: {error}; name a directory that this user can make and read", path.display())]
    Open {
        /// Which cache.
        cache: &'static str,
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is a symbolic link, which somebody could let lead elsewhere.
    #[error("the compile cache {} is a symbolic link; name the directory that it leads to", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    #[error(
        "the {cache} {} belongs to user {owner}, but this process runs as user {user}: code in it would be run; \
         name a directory that belongs to user {user}",
        path.display()
    )]
    Owner {
        /// Which cache.
        cache: &'static str,
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// As whom this process runs.
        user: u32,
    },
    /// Others can write it.
    #[error(
        "others can write the {cache} {} (mode {mode:03o}): code in it would be run; remove what is in it, then `chmod 700` it",
        path.display()
    )]
    Writable {
        /// Which cache.
        cache: &'static str,
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// A directory of files that only the user of this process can write, as caches of code need one.
#[derive(Debug)]
pub struct PrivateDirectory {
    path: PathBuf,
    handle: OwnedFd,
    user: u32,
    /// Its owner may write it.
    writable: bool,
    /// What the names of its files end with.
    suffix: &'static str,
}

struct Entry {
    name: String,
    bytes: u64,
    used: SystemTime,
}

/// What the names of files end with that are being written.
const UNFINISHED: &str = ".tmp";
/// After so long, an unfinished file is one whose writer is gone.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Group and others may write.
const WRITABLE_BY_OTHERS: Mode = Mode::WGRP.union(Mode::WOTH);

// === impl PrivateDirectory ===

impl PrivateDirectory {
    /// Opens a directory, or makes it with mode 0700. `cache` names it in messages; files of it are those that end with `suffix`.
    ///
    /// # Errors
    /// It cannot be made or opened, belongs to somebody else, or others can write it.
    pub fn open(path: &Path, cache: &'static str, suffix: &'static str) -> Result<Self, CacheError> {
        let failed = |error: io::Error| CacheError::Open {
            cache,
            path: path.to_owned(),
            error,
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        // It says so too where there is a file of that name, and then opening says it better.
        made.or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(failed(error)),
        })?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A slash at its end would have a link followed.
        let itself = path.components().as_path();
        let handle = open(itself, flags, Mode::empty()).map_err(|error| match is_link(itself) {
            true => CacheError::Link {
                path: path.to_owned(),
            },
            false => failed(error.into()),
        })?;
        let stat = fstat(&handle).map_err(|error| failed(error.into()))?;
        let user = own_user().map_err(|error| failed(error.into()))?;
        if stat.st_uid != user {
            return Err(CacheError::Owner {
                cache,
                path: path.to_owned(),
                owner: stat.st_uid,
                user,
            });
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.intersects(WRITABLE_BY_OTHERS) {
            return Err(CacheError::Writable {
                cache,
                path: path.to_owned(),
                mode: mode.as_raw_mode(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            handle,
            user,
            writable: mode.contains(Mode::WUSR),
            suffix,
        })
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file, if it is there; it counts as used now. Of a larger one, only the first `limit` bytes.
    ///
    /// # Errors
    /// It cannot be read, or is no file that only this user can write.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        // Without blocking, should it be a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&handle)?;
        let others = Mode::from_raw_mode(stat.st_mode).intersects(WRITABLE_BY_OTHERS);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || stat.st_uid != self.user
            || others
        {
            return Err(io::Error::other("it is no file that only this user can write"));
        }
        if self.writable {
            // A file system may keep no times; then the oldest is removed first.
            let _ = futimens(&handle, &NOW);
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes(&stat).min(limit)).unwrap_or(0));
        File::from(handle).take(limit).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Puts a file there, in the place of any that has its name. It is there whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        if !self.writable {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "its owner may not write it",
            ));
        }
        // Processes in several containers can have one number, hence the time.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (process, count) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let unfinished = format!("{process}-{}-{count}{UNFINISHED}", since.as_nanos());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(&self.handle, unfinished.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(handle);
        let written = parts
            .iter()
            .try_for_each(|part| file.write_all(part))
            .and_then(|()| Ok(renameat(&self.handle, unfinished.as_str(), &self.handle, name)?));
        if written.is_err() {
            // The file system is full, say.
            let _ = unlinkat(&self.handle, unfinished.as_str(), AtFlags::empty());
        }
        written
    }

    /// Removes what was not used for longest, until the rest has at most so many bytes.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn shrink(&self, limit: u64) -> io::Result<()> {
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| entry.used);
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            let abandoned = || entry.used.elapsed().is_ok_and(|age| age > ABANDONED);
            let excess = total > limit && entry.name.ends_with(self.suffix);
            if excess || (entry.name.ends_with(UNFINISHED) && abandoned()) {
                // Another process may have removed it.
                let _ = unlinkat(&self.handle, entry.name.as_str(), AtFlags::empty());
                total = total.saturating_sub(entry.bytes);
            }
        }
        Ok(())
    }

    /// The files that are the cache's.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in Dir::read_from(&self.handle)? {
            let found = found?;
            let Ok(name) = found.file_name().to_str() else {
                continue;
            };
            if !name.ends_with(self.suffix) && !name.ends_with(UNFINISHED) {
                continue;
            }
            // One that went meanwhile needs no counting.
            if let Ok(stat) = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                entries.push(Entry {
                    name: name.to_owned(),
                    bytes: bytes(&stat),
                    used: modified(&stat),
                });
            }
        }
        Ok(entries)
    }
}

const NOW: Timestamps = Timestamps {
    last_access: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW as _,
    },
    last_modification: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW as _,
    },
};

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|file| file.is_symlink())
}

/// The user to whom files belong that this process makes.
fn own_user() -> rustix::io::Result<u32> {
    let file = memfd_create("proxywasm", MemfdFlags::CLOEXEC)?;
    Ok(fstat(&file)?.st_uid)
}

fn bytes(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}
