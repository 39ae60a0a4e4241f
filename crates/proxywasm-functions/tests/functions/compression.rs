//! `compress` and `uncompress`.

use crate::support::{World, from_hex};
use proxywasm_functions::{MAX_COMPRESSED, MAX_UNCOMPRESSED};
use wasi_common::Status;

#[test]
fn there_and_back() {
    let table: [(&str, Vec<u8>); 4] = [
        ("nothing", vec![]),
        ("a byte", vec![7]),
        ("text", b"to be or not to be".repeat(100)),
        (
            "noise",
            (0..100_000u32)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect(),
        ),
    ];
    let mut world = World::new();
    for (name, bytes) in table {
        let packed = world.call("compress", &bytes).unwrap();
        assert_eq!(packed[0] & 0x0f, 8, "{name} has no head of zlib");
        assert_eq!(world.call("uncompress", &packed).unwrap(), bytes, "{name}");
        let trailed = [&packed[..], b"more"].concat();
        assert_eq!(
            world.call("uncompress", &trailed).unwrap(),
            bytes,
            "{name} with more behind"
        );
        let cut = &packed[..packed.len() - 1];
        assert_eq!(
            world.call("uncompress", cut),
            Err(Status::BadArgument),
            "{name} cut off"
        );
    }
}

#[test]
fn what_another_program_has_compressed() {
    let packed = from_hex("78dacb48cdc9c957c84090003a2e067d");
    let unpacked = World::new().call("uncompress", &packed);
    assert_eq!(unpacked.unwrap(), b"hello hello hello");
}

/// 20 MiB of zeros, compressed twice.
const BOMB: &str = "78daeddb3d0e01611486d16f620a247e223a8d656824346a8d5a2c40af3389e835d6610b747630a1b2001151a8c4c8cc1a54\
    937396f0964fee5d5defa7280a2124bbefe151ad07000000a0e492cba692c780d0cfd2c9740600000094dda2d58c8b28f099\
    f7c6e600000080d2db0e07ede242e0b55ec6e600000080d2dbbf6f499e0246e72c6dd43c4d000000c03f3cbb9d63887e1417\
    0877";

#[test]
fn bounds() {
    let unavailable = Err(Status::Unavailable);
    let mut world = World::new();
    assert_eq!(world.call("compress", &vec![0; MAX_COMPRESSED + 1]), unavailable);
    let bomb = world.call("uncompress", &from_hex(BOMB)).unwrap();
    assert!(
        bomb.len() * 900 > MAX_UNCOMPRESSED,
        "it packs zeros to a thousandth"
    );
    assert_eq!(world.call("uncompress", &bomb), unavailable);
    let mut small = World::with(|settings| settings.limits.argument_bytes = 1000);
    let packed = world.call("compress", &[0; 1001]).unwrap();
    assert_eq!(small.call("uncompress", &packed), unavailable);
    let packed = world.call("compress", &[0; 900]).unwrap();
    assert_eq!(small.call("uncompress", &packed).unwrap(), [0; 900]);
    for garbage in [&b""[..], b"x", b"\x78\x9c\xff\xff", b"\x1f\x8b\x08\0\0\0\0\0"] {
        let refused = world.call("uncompress", garbage);
        assert_eq!(refused, Err(Status::BadArgument), "{garbage:?}");
    }
}
