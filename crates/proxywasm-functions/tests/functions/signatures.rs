//! `sign` and `verify_signature`, with keys and signatures that OpenSSL has made.

use crate::support::{World, from_hex};
use prost::Message;
use proxywasm_functions::messages::{
    SignArguments, SignResult, VerifySignatureArguments, VerifySignatureResult,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use wasi_common::Status;

const RSA: &str = include_str!("keys/rsa_pkcs8.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa_pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa_public.pem");
const P256: &str = include_str!("keys/p256.pem");
const P256_PUBLIC: &str = include_str!("keys/p256_public.pem");
const P384: &str = include_str!("keys/p384.pem");
const P384_PUBLIC: &str = include_str!("keys/p384_public.pem");
const P521_PUBLIC: &str = include_str!("keys/p521_public.pem");

fn verify(world: &mut World, arguments: &VerifySignatureArguments) -> Result<VerifySignatureResult, Status> {
    let result = world.call("verify_signature", &arguments.encode_to_vec())?;
    Ok(VerifySignatureResult::decode(&result[..]).unwrap())
}

fn sign(world: &mut World, arguments: &SignArguments) -> Result<SignResult, Status> {
    let result = world.call("sign", &arguments.encode_to_vec())?;
    Ok(SignResult::decode(&result[..]).unwrap())
}

fn of_hello(hash: &str, key: &str, signature: &[u8]) -> VerifySignatureArguments {
    VerifySignatureArguments {
        hash_function: hash.to_owned(),
        public_key_pem: key.to_owned(),
        signature: signature.to_vec(),
        text: b"hello".to_vec(),
        ..Default::default()
    }
}

#[test]
fn signatures_of_openssl() {
    // The hash function, the key, the signature of "hello", and what there is against it.
    let table = [
        ("sha1", RSA_PUBLIC, include_str!("keys/rsa.sha1.hex"), ""),
        ("sha256", RSA_PUBLIC, include_str!("keys/rsa.sha256.hex"), ""),
        ("SHA512", RSA_PUBLIC, include_str!("keys/rsa.sha512.hex"), ""),
        ("sha384", P256_PUBLIC, include_str!("keys/p256.sha384.hex"), ""),
        (
            "sha256",
            P256_PUBLIC,
            include_str!("keys/p256.sha384.hex"),
            "does not fit",
        ),
        (
            "sha256",
            RSA_PUBLIC,
            include_str!("keys/rsa.sha1.hex"),
            "does not fit",
        ),
        ("sha256", RSA_PUBLIC, "", "does not fit"),
        (
            "sha224",
            RSA_PUBLIC,
            include_str!("keys/rsa.sha1.hex"),
            "`sha224` is not supported",
        ),
        (
            "",
            RSA_PUBLIC,
            include_str!("keys/rsa.sha1.hex"),
            "`` is not supported",
        ),
        (
            "sha512",
            P256_PUBLIC,
            include_str!("keys/p256.sha384.hex"),
            "sha512 is not supported",
        ),
        ("sha256", P521_PUBLIC, "", "sha256 is not supported"),
    ];
    let mut world = World::new();
    for (hash, key, signature, error) in table {
        let mut arguments = of_hello(hash, key, &from_hex(signature));
        let result = verify(&mut world, &arguments).unwrap();
        assert_eq!(result.result, error.is_empty(), "{hash}: {}", result.error);
        assert!(result.error.contains(error), "{hash}: {}", result.error);
        let der = SubjectPublicKeyInfoDer::from_pem_slice(key.as_bytes()).unwrap();
        arguments.public_key_pem.clear();
        arguments.public_key = der.to_vec();
        assert_eq!(
            verify(&mut world, &arguments),
            Ok(result),
            "{hash} with the key in DER"
        );
        arguments.text = b"hullo".to_vec();
        assert!(
            !verify(&mut world, &arguments).unwrap().result,
            "{hash} of another text"
        );
    }
}

#[test]
fn own_signatures() {
    let table = [
        ("sha256", RSA, RSA_PUBLIC, ""),
        ("sha384", RSA_PKCS1, RSA_PUBLIC, ""),
        ("Sha512", RSA, RSA_PUBLIC, ""),
        ("sha256", P256, P256_PUBLIC, ""),
        ("sha384", P384, P384_PUBLIC, ""),
        ("sha1", RSA, RSA_PUBLIC, "sha1 is not supported"),
        ("sha384", P256, P256_PUBLIC, "sha384 is not supported"),
        ("md5", RSA, RSA_PUBLIC, "`md5` is not supported"),
    ];
    let mut world = World::new();
    for (hash, key, public, error) in table {
        let mut arguments = SignArguments {
            hash_function: hash.to_owned(),
            private_key_pem: key.to_owned(),
            text: b"hello".to_vec(),
            ..Default::default()
        };
        for in_der in [false, true] {
            if in_der {
                let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                arguments.private_key_pem.clear();
                arguments.private_key = der.secret_der().to_vec();
            }
            let signed = sign(&mut world, &arguments).unwrap();
            assert_eq!(signed.result, error.is_empty(), "{hash}: {}", signed.error);
            assert!(signed.error.contains(error), "{hash}: {}", signed.error);
            if signed.result {
                let verified = verify(&mut world, &of_hello(hash, public, &signed.signature)).unwrap();
                assert!(verified.result, "{hash}: {}", verified.error);
            }
        }
    }
}

#[test]
fn keys_that_are_refused() {
    let garbage = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let table = [
        (&b""[..], ""),
        (b"x", ""),
        (b"", "x"),
        (b"", garbage),
        (b"x", RSA_PUBLIC),
        (b"", P256),
    ];
    let mut world = World::new();
    for (der, pem) in table {
        let arguments = VerifySignatureArguments {
            public_key: der.to_vec(),
            ..of_hello("sha256", pem, b"")
        };
        assert_eq!(
            verify(&mut world, &arguments),
            Err(Status::BadArgument),
            "{der:?} {pem}"
        );
        let arguments = SignArguments {
            private_key: der.to_vec(),
            private_key_pem: pem.replace(P256, P256_PUBLIC),
            ..Default::default()
        };
        assert_eq!(
            sign(&mut world, &arguments),
            Err(Status::BadArgument),
            "{der:?} {pem}"
        );
    }
    for garbage in [&b"\xff"[..], b"\x0a\x05abc", b"\x08\x01"] {
        for name in ["sign", "verify_signature"] {
            assert_eq!(
                world.call(name, garbage),
                Err(Status::BadArgument),
                "{name} {garbage:?}"
            );
        }
    }
}
