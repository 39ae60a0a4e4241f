//! Compiled code on disk: when it is used, when not, and which directories are.

use proxywasm_host::*;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// A path in which nothing is yet, and that is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("proxywasm-cache-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn made() -> Self {
        let folder = Self::new();
        fs::create_dir(&folder.0).unwrap();
        folder.set_mode(0o700);
        folder
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(&self.0, Permissions::from_mode(mode)).unwrap();
    }

    /// What is in it, by name.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    fn only_file(&self) -> PathBuf {
        match self.files().as_slice() {
            [file] => file.clone(),
            files => panic!("one file is expected: {files:?}"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An engine as a process that starts has it.
fn engine(settings: CacheSettings) -> Result<Engine, EngineError> {
    Engine::new(EngineSettings {
        ticker: false,
        cache: Some(settings),
        ..EngineSettings::default()
    })
}

/// Code that differs by a number.
fn code(number: u32) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
            (func (export "number") (result i32) (i32.const {number})))"#
    );
    wat::parse_str(text).unwrap()
}

/// What becomes of code in a new process.
fn load(folder: &Folder, code: &[u8]) -> CacheFigures {
    load_with(CacheSettings::new(&folder.0), code, InstanceStrategy::Shared)
}

fn load_with(settings: CacheSettings, code: &[u8], strategy: InstanceStrategy) -> CacheFigures {
    let engine = engine(settings).unwrap();
    let code = engine.load_for(code, strategy).unwrap();
    let config = PluginConfig {
        instances: strategy,
        ..PluginConfig::new("cached")
    };
    // It is proved, so what came out of the cache runs.
    Plugin::new(
        &engine,
        code,
        config,
        &Services::from(std::sync::Arc::new(MemorySink::default())),
    )
    .unwrap();
    engine.cache_figures().unwrap()
}

fn figures(hits: u64, misses: u64, rejected: u64, stored: u64) -> CacheFigures {
    CacheFigures {
        hits,
        misses,
        rejected,
        stored,
    }
}

fn miss() -> CacheFigures {
    figures(0, 1, 0, 1)
}

fn hit() -> CacheFigures {
    figures(1, 0, 0, 0)
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn what_was_compiled_once_is_there_for_the_next_process() {
    let folder = Folder::new();
    assert_eq!(load(&folder, &code(1)), miss());
    assert_eq!(load(&folder, &code(1)), hit());
    assert_eq!(load(&folder, &code(2)), miss(), "other code");
    let fresh = || {
        load_with(
            CacheSettings::new(&folder.0),
            &code(1),
            InstanceStrategy::FreshPerStream,
        )
    };
    assert_eq!(fresh(), miss(), "another engine");
    assert_eq!(fresh(), hit());
    assert_eq!(load(&folder, &code(1)), hit(), "and none replaced another");
    let mode = fs::metadata(&folder.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the directory was made for this user alone");
}

#[test]
fn other_settings_are_other_entries() {
    let folder = Folder::new();
    let load = |pooled_memory_bytes| {
        let engine = Engine::new(EngineSettings {
            ticker: false,
            pooled_memory_bytes,
            cache: Some(CacheSettings::new(&folder.0)),
            ..EngineSettings::default()
        })
        .unwrap();
        engine
            .load_for(&code(1), InstanceStrategy::FreshPerStream)
            .unwrap();
        engine.cache_figures().unwrap()
    };
    assert_eq!(load(64 << 20), miss());
    assert_eq!(load(16 << 20), miss());
    assert_eq!((load(64 << 20), load(16 << 20)), (hit(), hit()));
}

#[test]
fn an_entry_that_is_damaged_or_foreign_is_replaced() {
    let change: &[(&str, fn(&mut Vec<u8>))] = &[
        ("empty", Vec::clear),
        ("shorter than a header", |entry| entry.truncate(20)),
        ("cut", |entry| entry.truncate(entry.len() - 1)),
        ("longer", |entry| entry.push(0)),
        ("another form of entries", |entry| entry[15] = b'0'),
        ("another digest", |entry| entry[16] ^= 1),
        ("one bit of the code", |entry| {
            let middle = entry.len() / 2;
            entry[middle] ^= 1;
        }),
        ("the code itself", |entry| *entry = code(1)),
    ];
    for (name, change) in change {
        let folder = Folder::new();
        assert_eq!(load(&folder, &code(1)), miss());
        let file = folder.only_file();
        let mut entry = fs::read(&file).unwrap();
        let whole = entry.clone();
        change(&mut entry);
        fs::write(&file, entry).unwrap();
        assert_eq!(load(&folder, &code(1)), figures(0, 1, 1, 1), "{name}");
        assert_eq!(fs::read(&file).unwrap().len(), whole.len(), "{name}");
        assert_eq!(load(&folder, &code(1)), hit(), "{name}");
    }
}

#[test]
fn an_entry_under_another_name_is_not_used() {
    let folder = Folder::new();
    load(&folder, &code(1));
    let first = folder.only_file();
    load(&folder, &code(2));
    let second = folder.files().into_iter().find(|file| *file != first).unwrap();
    fs::copy(&first, second).unwrap();
    assert_eq!(load(&folder, &code(2)), figures(0, 1, 1, 1));
    assert_eq!(load(&folder, &code(2)), hit());
}

#[test]
fn what_is_no_file_of_this_user_alone_is_not_used() {
    let spoil: &[(&str, fn(&Path))] = &[
        ("others can write it", |file| {
            fs::set_permissions(file, Permissions::from_mode(0o606)).unwrap();
        }),
        ("a link", |file| {
            let elsewhere = file.with_extension("elsewhere");
            fs::rename(file, &elsewhere).unwrap();
            std::os::unix::fs::symlink(elsewhere, file).unwrap();
        }),
    ];
    for (name, spoil) in spoil {
        let folder = Folder::new();
        load(&folder, &code(1));
        let file = folder.only_file();
        spoil(&file);
        assert_eq!(load(&folder, &code(1)), figures(0, 1, 1, 1), "{name}");
        assert_eq!(load(&folder, &code(1)), hit(), "{name}");
    }
}

#[test]
fn directories_that_are_refused() {
    let refusal = |folder: &Folder| engine(CacheSettings::new(&folder.0)).err().unwrap();
    for mode in [0o777, 0o770, 0o702, 0o1777] {
        let folder = Folder::made();
        folder.set_mode(mode);
        let error = refusal(&folder);
        assert!(
            matches!(error, EngineError::Cache(CacheError::Writable { .. })),
            "{mode:o}: {error}"
        );
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    for mode in [0o700, 0o750, 0o755] {
        let folder = Folder::made();
        folder.set_mode(mode);
        assert!(engine(CacheSettings::new(&folder.0)).is_ok(), "{mode:o}");
    }
    let file = Folder::new();
    fs::write(&file.0, "").unwrap();
    assert!(matches!(
        refusal(&file),
        EngineError::Cache(CacheError::Open { .. })
    ));
    fs::remove_file(&file.0).unwrap();

    let (folder, link) = (Folder::made(), Folder::new());
    std::os::unix::fs::symlink(&folder.0, &link.0).unwrap();
    for path in [link.0.clone(), link.0.join("")] {
        let error = engine(CacheSettings::new(path)).err().unwrap();
        assert!(
            matches!(error, EngineError::Cache(CacheError::Link { .. })),
            "{error}"
        );
    }
    fs::remove_file(&link.0).unwrap();

    // Only the superuser can give a directory away; to others, the root belongs to somebody else.
    let foreign = Folder::made();
    let path = match std::os::unix::fs::chown(&foreign.0, Some(65534), None) {
        Ok(()) => foreign.0.clone(),
        Err(_) => "/".into(),
    };
    let error = engine(CacheSettings::new(path)).err().unwrap();
    assert!(
        matches!(error, EngineError::Cache(CacheError::Owner { .. })),
        "{error}"
    );
}

#[test]
fn plugins_are_compiled_where_nothing_can_be_written() {
    let folder = Folder::new();
    load(&folder, &code(1));
    folder.set_mode(0o500);
    assert_eq!(load(&folder, &code(1)), hit(), "it is read");
    assert_eq!(load(&folder, &code(2)), figures(0, 1, 0, 0));
    assert_eq!(folder.files().len(), 1);

    let gone = Folder::new();
    let engine = engine(CacheSettings::new(&gone.0)).unwrap();
    fs::remove_dir(&gone.0).unwrap();
    engine.load(&code(1)).unwrap();
    assert_eq!(engine.cache_figures(), Some(figures(0, 1, 0, 0)));
}

#[test]
fn writers_at_the_same_time() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..4 {
                    load(&folder, &code(number));
                }
            });
        }
    });
    assert_eq!(
        folder.files().len(),
        4,
        "no file is left over: {:?}",
        folder.files()
    );
    for number in 0..4 {
        assert_eq!(load(&folder, &code(number)), hit());
    }
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let folder = Folder::new();
    load(&folder, &code(1));
    let one = size(&folder.only_file());
    let settings = |bytes| CacheSettings {
        bytes,
        ..CacheSettings::new(&folder.0)
    };
    let load = |bytes, number| load_with(settings(bytes), &code(number), InstanceStrategy::Shared);
    let room = one * 2 + one / 2;
    assert_eq!(load(room, 2), miss());
    // Both were used long ago, and then the first again.
    for file in folder.files() {
        let then = SystemTime::now() - Duration::from_secs(60);
        File::open(file).unwrap().set_modified(then).unwrap();
    }
    assert_eq!(load(room, 1), hit());
    assert_eq!(load(room, 3), miss());
    assert_eq!(folder.files().len(), 2);
    assert_eq!((load(room, 1), load(room, 3)), (hit(), hit()));
    assert_eq!(load(one - 1, 4), figures(0, 1, 0, 0), "it would not fit at all");
}

#[test]
fn files_that_are_not_the_caches_stay() {
    let folder = Folder::made();
    let note = folder.0.join("note.txt");
    fs::write(&note, vec![0; 100_000]).unwrap();
    let unfinished = [("old.tmp", 7200), ("new.tmp", 0)].map(|(name, age)| {
        let path = folder.0.join(name);
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
        path
    });
    let one = {
        let other = Folder::new();
        load(&other, &code(1));
        size(&other.only_file())
    };
    let settings = CacheSettings {
        bytes: one * 2,
        ..CacheSettings::new(&folder.0)
    };
    assert_eq!(load_with(settings, &code(1), InstanceStrategy::Shared), miss());
    assert!(note.exists());
    assert_eq!(
        unfinished.map(|path| path.exists()),
        [false, true],
        "what a dead writer left is removed"
    );
}

#[test]
fn code_for_one_strategy_is_not_used_with_the_other() {
    let engine = Engine::new(EngineSettings {
        ticker: false,
        ..EngineSettings::default()
    })
    .unwrap();
    let services = Services::from(std::sync::Arc::new(MemorySink::default()));
    let strategies = [InstanceStrategy::Shared, InstanceStrategy::FreshPerStream];
    for loaded in [None, Some(strategies[0]), Some(strategies[1])] {
        let code = match loaded {
            None => engine.load(&code(1)),
            Some(strategy) => engine.load_for(&code(1), strategy),
        }
        .unwrap();
        for instances in strategies {
            let config = PluginConfig {
                instances,
                ..PluginConfig::new("a")
            };
            let made = Plugin::new(&engine, code.clone(), config, &services);
            let expected = loaded.is_none_or(|strategy| strategy == instances);
            assert_eq!(made.is_ok(), expected, "{loaded:?} {instances:?}");
            if let Err(error) = made {
                assert!(error.to_string().contains("Engine::load"), "{error}");
            }
        }
    }
}
