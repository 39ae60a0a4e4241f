//! `sign` and `verify_signature`: RSA (PKCS #1 v1.5) and ECDSA on P-256 and P-384.

use crate::messages::{
    SignArguments, SignResult, VerifySignatureArguments, VerifySignatureResult, decode, encode,
};
use bytes::Bytes;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use wasi_ffi::{CallContext, FunctionError};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
}

/// Verifies a signature by a public key. That it does not fit, or cannot be verified here, is a result.
///
/// # Errors
/// The argument is no such message, or has no key, or two, or one that cannot be read.
pub fn verify_signature(_: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let arguments: VerifySignatureArguments = decode(parameters)?;
    let key = one_of(&arguments.public_key, &arguments.public_key_pem, |pem| {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        Some(key.as_ref().to_vec())
    })?;
    let key = SubjectPublicKeyInfoRef::try_from(&*key).map_err(|_| unreadable_key())?;
    let verified = verification(&key, &arguments.hash_function).and_then(|algorithm| {
        UnparsedPublicKey::new(algorithm, key.subject_public_key.raw_bytes())
            .verify(&arguments.text, &arguments.signature)
            .map_err(|_| "the signature does not fit the text and the key".to_owned())
    });
    Ok(encode(&VerifySignatureResult {
        result: verified.is_ok(),
        error: verified.err().unwrap_or_default(),
    }))
}

/// Signs a text by a private key. That it cannot be signed here is a result.
///
/// # Errors
/// The argument is no such message, or has no key, or two, or one that cannot be read.
pub fn sign(_: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let arguments: SignArguments = decode(parameters)?;
    let key = one_of(&arguments.private_key, &arguments.private_key_pem, |pem| {
        PrivateKeyDer::from_pem_slice(pem)
            .ok()
            .map(|key| key.secret_der().to_vec())
    })?;
    let key = SigningKey::read(&key).ok_or_else(unreadable_key)?;
    let signed = Hash::by_name(&arguments.hash_function).and_then(|hash| key.sign(hash, &arguments.text));
    Ok(encode(&match signed {
        Ok(signature) => SignResult {
            result: true,
            signature,
            error: String::new(),
        },
        Err(error) => SignResult {
            result: false,
            signature: Vec::new(),
            error,
        },
    }))
}

/// The one key that is given, in DER.
fn one_of(
    der: &[u8],
    pem: &str,
    read: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, FunctionError> {
    match (der, pem) {
        ([], "") => Err(FunctionError::BadArgument("no key is given".to_owned())),
        (der, "") => Ok(der.to_vec()),
        ([], pem) => read(pem.as_bytes()).ok_or_else(unreadable_key),
        _ => Err(FunctionError::BadArgument(
            "a key is given in DER and one in PEM; give one of them".to_owned(),
        )),
    }
}

fn unreadable_key() -> FunctionError {
    FunctionError::BadArgument("the key cannot be read".to_owned())
}

/// How to verify by a key and a hash function.
fn verification(
    key: &SubjectPublicKeyInfoRef<'_>,
    hash: &str,
) -> Result<&'static dyn VerificationAlgorithm, String> {
    let hash = Hash::by_name(hash)?;
    let kind = key.algorithm.oid;
    if kind == RSA {
        return Ok(match hash {
            Hash::Sha1 => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        });
    }
    let curve = key.algorithm.parameters_oid().ok();
    let is = |other| kind == ELLIPTIC_CURVE && curve == Some(other);
    match hash {
        Hash::Sha256 if is(P256) => Ok(&signature::ECDSA_P256_SHA256_ASN1),
        Hash::Sha384 if is(P256) => Ok(&signature::ECDSA_P256_SHA384_ASN1),
        Hash::Sha256 if is(P384) => Ok(&signature::ECDSA_P384_SHA256_ASN1),
        Hash::Sha384 if is(P384) => Ok(&signature::ECDSA_P384_SHA384_ASN1),
        _ => Err(unsupported(hash)),
    }
}

fn unsupported(hash: Hash) -> String {
    format!("{hash:?} is not supported with keys of this kind").to_lowercase()
}

// === impl Hash ===

impl Hash {
    fn by_name(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha384" => Ok(Self::Sha384),
            "sha512" => Ok(Self::Sha512),
            _ => Err(format!("the hash function `{name}` is not supported")),
        }
    }
}

// === impl SigningKey ===

impl SigningKey {
    /// Reads PKCS #8, or PKCS #1 for RSA.
    fn read(der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let elliptic = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &random).ok();
        let rsa = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        rsa.ok()
            .map(|key| Self::Rsa(Box::new(key)))
            .or_else(|| elliptic(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).map(Self::P256))
            .or_else(|| elliptic(&signature::ECDSA_P384_SHA384_ASN1_SIGNING).map(Self::P384))
    }

    fn sign(&self, hash: Hash, text: &[u8]) -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        let failed = |_| "the text cannot be signed".to_owned();
        let padding: &'static dyn signature::RsaEncoding = match (self, hash) {
            (Self::Rsa(_), Hash::Sha256) => &signature::RSA_PKCS1_SHA256,
            (Self::Rsa(_), Hash::Sha384) => &signature::RSA_PKCS1_SHA384,
            (Self::Rsa(_), Hash::Sha512) => &signature::RSA_PKCS1_SHA512,
            (Self::P256(key), Hash::Sha256) | (Self::P384(key), Hash::Sha384) => {
                let signature = key.sign(&random, text).map_err(failed)?;
                return Ok(signature.as_ref().to_vec());
            }
            _ => return Err(unsupported(hash)),
        };
        let Self::Rsa(key) = self else {
            return Err(unsupported(hash));
        };
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(padding, &random, text, &mut signature).map_err(failed)?;
        Ok(signature)
    }
}
