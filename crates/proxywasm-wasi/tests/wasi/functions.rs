//! Every function, through a guest that passes calls on.

use crate::support::{Guest, passing_on};
use proxywasm_wasi::{ExitError, MAX_RANDOM_BYTES, MODULES};
use std::time::{SystemTime, UNIX_EPOCH};
use wasi_common::LogLevel;

/// Every function of WASI preview 1 that is offered, with the types of its parameters.
const SIGNATURES: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

const PAGE: i64 = 65536;

fn guest() -> Guest {
    Guest::new(&passing_on(MODULES[0], SIGNATURES)).unwrap()
}

#[test]
fn errnos() {
    let table: &[(&str, &[i64], i32)] = &[
        ("args_get", &[0, 0], 0),
        ("args_sizes_get", &[64, 72], 0),
        ("clock_res_get", &[0, 64], 0),
        ("clock_res_get", &[1, 64], 0),
        ("clock_res_get", &[2, 64], 58),
        ("clock_time_get", &[0, 1, 64], 0),
        ("clock_time_get", &[1, 1, 64], 0),
        ("clock_time_get", &[2, 1, 64], 58),
        ("clock_time_get", &[3, 1, 64], 58),
        ("environ_get", &[64, 128], 0),
        ("environ_sizes_get", &[64, 72], 0),
        ("fd_advise", &[9, 0, 0, 0], 0),
        ("fd_allocate", &[1, 0, 0], 0),
        ("fd_allocate", &[3, 0, 0], 8),
        ("fd_close", &[7], 0),
        ("fd_datasync", &[1], 0),
        ("fd_datasync", &[0], 8),
        ("fd_fdstat_get", &[1, 64], 0),
        ("fd_fdstat_get", &[0, 64], 8),
        ("fd_fdstat_get", &[3, 64], 8),
        ("fd_fdstat_set_flags", &[1, 0], 52),
        ("fd_fdstat_set_rights", &[2, 0, 0], 0),
        ("fd_fdstat_set_rights", &[3, 0, 0], 8),
        ("fd_filestat_get", &[1, 64], 8),
        ("fd_filestat_set_size", &[1, 0], 0),
        ("fd_filestat_set_size", &[3, 0], 8),
        ("fd_filestat_set_times", &[2, 0, 0, 0], 0),
        ("fd_filestat_set_times", &[3, 0, 0, 0], 8),
        ("fd_pread", &[0, 0, 0, 0, 64], 52),
        ("fd_prestat_dir_name", &[3, 64, 8], 52),
        ("fd_prestat_get", &[3, 64], 8),
        ("fd_pwrite", &[1, 0, 0, 0, 64], 0),
        ("fd_pwrite", &[3, 0, 0, 0, 64], 8),
        ("fd_read", &[0, 0, 0, 64], 52),
        ("fd_readdir", &[3, 64, 8, 0, 80], 54),
        ("fd_renumber", &[1, 2], 58),
        ("fd_renumber", &[3, 2], 8),
        ("fd_seek", &[1, 0, 0, 64], 8),
        ("fd_sync", &[2], 0),
        ("fd_sync", &[3], 8),
        ("fd_tell", &[1, 64], 0),
        ("fd_tell", &[3, 64], 8),
        ("fd_write", &[0, 0, 0, 64], 8),
        ("fd_write", &[3, 0, 0, 64], 8),
        ("fd_write", &[1, 0, 1025, 64], 28),
        ("fd_write", &[1, 0, 0xffff_ffff, 64], 28),
        ("path_create_directory", &[3, 0, 1], 58),
        ("path_filestat_get", &[3, 0, 0, 1, 64], 58),
        ("path_filestat_set_times", &[3, 0, 0, 1, 0, 0, 0], 58),
        ("path_link", &[3, 0, 0, 1, 3, 0, 1], 58),
        ("path_open", &[3, 0, 0, 1, 0, 0, 0, 0, 64], 44),
        ("path_readlink", &[3, 0, 1, 64, 8, 80], 58),
        ("path_remove_directory", &[3, 0, 1], 58),
        ("path_rename", &[3, 0, 1, 3, 0, 1], 58),
        ("path_symlink", &[0, 1, 3, 0, 1], 58),
        ("path_unlink_file", &[3, 0, 1], 58),
        ("poll_oneoff", &[0, 64, 1, 128], 0),
        ("random_get", &[0, 0], 0),
        ("random_get", &[64, 16], 0),
        ("random_get", &[0, MAX_RANDOM_BYTES as i64], 0),
        ("random_get", &[0, MAX_RANDOM_BYTES as i64 + 1], 28),
        ("sched_yield", &[], 0),
        ("sock_accept", &[3, 0, 64], 58),
        ("sock_recv", &[3, 0, 0, 0, 64, 72], 58),
        ("sock_send", &[3, 0, 0, 0, 64], 58),
        ("sock_shutdown", &[3, 0], 58),
    ];
    for module in MODULES {
        let mut guest = Guest::new(&passing_on(module, SIGNATURES)).unwrap();
        for (name, arguments, errno) in table {
            assert_eq!(
                guest.call(name, arguments).unwrap(),
                *errno,
                "{module} {name} {arguments:?}"
            );
        }
    }
    let tested: Vec<_> = table.iter().map(|(name, ..)| *name).collect();
    let untested = SIGNATURES.iter().filter(|(name, _)| !tested.contains(name));
    assert_eq!(untested.map(|(name, _)| *name).collect::<Vec<_>>(), ["proc_exit"]);
}

/// Each address argument in turn is beyond the end of the memory, or so near that what belongs there does not fit.
#[test]
fn bad_addresses() {
    let table: &[(&str, &[i64], &[(usize, i64)])] = &[
        ("args_sizes_get", &[64, 72], &[(0, 4), (1, 4)]),
        ("clock_res_get", &[0, 64], &[(1, 8)]),
        ("clock_time_get", &[0, 1, 64], &[(2, 8)]),
        ("environ_get", &[64, 128], &[(0, 8), (1, 10)]),
        ("environ_sizes_get", &[64, 72], &[(0, 4), (1, 4)]),
        ("fd_fdstat_get", &[1, 64], &[(1, 24)]),
        ("fd_pwrite", &[1, 0, 1, 0, 64], &[(1, 8), (4, 4)]),
        ("fd_readdir", &[3, 64, 8, 0, 80], &[(4, 4)]),
        ("fd_tell", &[1, 64], &[(1, 8)]),
        ("fd_write", &[1, 0, 1, 64], &[(1, 8), (3, 4)]),
        ("path_readlink", &[3, 0, 1, 64, 8, 80], &[(5, 4)]),
        ("poll_oneoff", &[0, 64, 1, 128], &[(0, 48), (3, 4)]),
        ("random_get", &[64, 16], &[(0, 16)]),
        ("sock_accept", &[3, 0, 64], &[(2, 4)]),
        ("sock_recv", &[3, 0, 0, 0, 64, 72], &[(4, 4), (5, 2)]),
        ("sock_send", &[3, 0, 0, 0, 64], &[(4, 4)]),
    ];
    let mut guest = guest();
    for (name, arguments, addresses) in table {
        for (index, size) in *addresses {
            for bad in [PAGE - size + 1, PAGE, 0xffff_fff0, 0xffff_ffff] {
                let mut arguments = arguments.to_vec();
                arguments[*index] = bad;
                assert_eq!(guest.call(name, &arguments).unwrap(), 21, "{name} {arguments:x?}");
            }
            let mut arguments = arguments.to_vec();
            arguments[*index] = PAGE - size;
            assert_ne!(guest.call(name, &arguments).unwrap(), 21, "{name} {arguments:x?}");
        }
    }
    assert_eq!(guest.sink.take(), [], "what is refused is not logged");
}

#[test]
fn output() {
    // The descriptor, the pieces, and what is logged.
    type Logged = Option<(LogLevel, &'static str)>;
    let table: &[(i64, &[&str], Logged)] = &[
        (1, &["hello"], Some((LogLevel::Info, "hello"))),
        (2, &["oops\n"], Some((LogLevel::Error, "oops"))),
        (1, &["a", "", "b", "\n"], Some((LogLevel::Info, "ab"))),
        (1, &["two\nlines\n"], Some((LogLevel::Info, "two\\nlines"))),
        (1, &["\n"], None),
        (2, &[""], None),
        (1, &[], None),
    ];
    for function in ["fd_write", "fd_pwrite"] {
        for (fd, pieces, logged) in table {
            let mut guest = guest();
            let mut at = 1024;
            for (index, piece) in pieces.iter().enumerate() {
                let place = [(at as u32).to_le_bytes(), (piece.len() as u32).to_le_bytes()].concat();
                guest.write(8 * index, &place);
                guest.write(at, piece.as_bytes());
                at += piece.len();
            }
            let arguments = match function {
                "fd_write" => vec![*fd, 0, pieces.len() as i64, 512],
                _ => vec![*fd, 0, pieces.len() as i64, 0, 512],
            };
            assert_eq!(guest.call(function, &arguments).unwrap(), 0, "{pieces:?}");
            let size: usize = pieces.iter().map(|piece| piece.len()).sum();
            assert_eq!(guest.bytes(512, 4), (size as u32).to_le_bytes(), "{pieces:?}");
            let expected: Vec<_> = logged
                .iter()
                .map(|(level, text)| (*level, (*text).to_owned()))
                .collect();
            proxywasm_wasi::end_lines(guest.store.data_mut());
            assert_eq!(guest.sink.take(), expected, "{pieces:?}");
        }
    }
}

/// A line that is written in pieces is one message, and so is what there is of one when the callback is over.
#[test]
fn lines_in_pieces() {
    type Messages = &'static [(LogLevel, &'static str)];
    // What is written to which descriptor, what is logged meanwhile, and what at the end.
    let table: &[(&[(i64, &str)], Messages, Messages)] = &[
        (
            &[
                (2, "panic: "),
                (2, "why"),
                (2, "\n"),
                (2, "\n"),
                (2, "at "),
                (2, "once\n"),
            ],
            &[(LogLevel::Error, "panic: why"), (LogLevel::Error, "at once")],
            &[],
        ),
        (
            &[(1, "half a "), (1, "line")],
            &[],
            &[(LogLevel::Info, "half a line")],
        ),
        (
            &[(1, "out"), (2, "err"), (1, "put\n")],
            &[(LogLevel::Info, "output")],
            &[(LogLevel::Error, "err")],
        ),
        (
            &[(1, "one\ntwo"), (1, "\n")],
            &[(LogLevel::Info, "one\\ntwo")],
            &[],
        ),
    ];
    let messages = |messages: Messages| -> Vec<_> {
        let owned = messages.iter().map(|(level, text)| (*level, (*text).to_owned()));
        owned.collect()
    };
    for (pieces, meanwhile, at_the_end) in table {
        let mut guest = guest();
        for (fd, piece) in *pieces {
            print(&mut guest, *fd, piece.as_bytes());
        }
        assert_eq!(guest.sink.take(), messages(meanwhile), "{pieces:?}");
        for expected in [*at_the_end, &[]] {
            proxywasm_wasi::end_lines(guest.store.data_mut());
            assert_eq!(guest.sink.take(), messages(expected), "{pieces:?}");
        }
    }

    // No guest makes the host keep a line without end.
    let mut guest = guest();
    for _ in 0..20 {
        print(&mut guest, 1, &[b'a'; 1000]);
    }
    let logged: usize = guest.sink.take().iter().map(|(_, text)| text.len()).sum();
    assert!((12_000..20_000).contains(&logged), "{logged} bytes are logged");
}

fn print(guest: &mut Guest, fd: i64, piece: &[u8]) {
    guest.write(
        0,
        &[1024_u32.to_le_bytes(), (piece.len() as u32).to_le_bytes()].concat(),
    );
    guest.write(1024, piece);
    assert_eq!(guest.call("fd_write", &[fd, 0, 1, 512]).unwrap(), 0);
}

#[test]
fn results() {
    let mut guest = guest();
    let dirty = [0xaa; 256];

    guest.write(0, &dirty);
    guest.call("environ_sizes_get", &[0, 4]).unwrap();
    assert_eq!(guest.bytes(0, 8), [2, 0, 0, 0, 10, 0, 0, 0]);
    guest.call("environ_get", &[0, 0x100]).unwrap();
    assert_eq!(guest.bytes(0, 8), [0, 1, 0, 0, 4, 1, 0, 0]);
    assert_eq!(guest.bytes(0x100, 10), b"A=1\0B=two\0");

    guest.write(0, &dirty);
    guest.call("args_sizes_get", &[0, 4]).unwrap();
    assert_eq!(guest.bytes(0, 9), [0, 0, 0, 0, 0, 0, 0, 0, 0xaa]);

    guest.write(0, &dirty);
    guest.call("fd_fdstat_get", &[2, 0]).unwrap();
    let mut stat = vec![0; 25];
    (stat[8], stat[24]) = (64, 0xaa);
    assert_eq!(guest.bytes(0, 25), stat);

    // A refusal leaves no result that was there before.
    let zeroed: &[(&str, &[i64], usize)] = &[
        ("fd_readdir", &[3, 64, 8, 0, 0], 4),
        ("fd_tell", &[1, 0], 8),
        ("path_readlink", &[3, 64, 1, 64, 8, 0], 4),
        ("poll_oneoff", &[64, 64, 1, 0], 4),
        ("sock_accept", &[3, 0, 0], 4),
        ("sock_recv", &[3, 64, 0, 0, 0, 4], 6),
        ("sock_send", &[3, 64, 0, 0, 0], 4),
    ];
    for (name, arguments, size) in zeroed {
        guest.write(0, &dirty);
        guest.call(name, arguments).unwrap();
        let mut expected = vec![0; *size];
        expected.push(0xaa);
        assert_eq!(guest.bytes(0, size + 1), expected, "{name}");
    }
}

#[test]
fn clocks_and_randomness() {
    let mut guest = guest();
    let mut time = |clock| {
        guest.call("clock_time_get", &[clock, 0, 0]).unwrap();
        u64::from_le_bytes(guest.bytes(0, 8).try_into().unwrap())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert!(time(0).abs_diff(now) < 60_000_000_000);
    let (first, second) = (time(1), time(1));
    assert!(0 < first && first <= second);

    guest.write(0, &[0; 66]);
    guest.call("random_get", &[0, 64]).unwrap();
    let bytes = guest.bytes(0, 66);
    assert_ne!(bytes[..64], [0; 64]);
    assert_eq!(bytes[64..], [0; 2]);
}

#[test]
fn exit_is_a_typed_trap() {
    for code in [0, 3, -1] {
        let error = guest().call("proc_exit", &[code]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&ExitError { code: code as i32 }));
    }
}

#[test]
fn a_guest_without_memory() {
    let wat = passing_on(MODULES[0], SIGNATURES).replace("(export \"memory\")", "");
    let mut guest = Guest::new(&wat).unwrap();
    assert_eq!(guest.call("clock_time_get", &[0, 0, 0]).unwrap(), 21);
    assert_eq!(guest.call("fd_write", &[1, 0, 1, 0]).unwrap(), 21);
}
