//! The arguments and results that are protocol buffers, with the fields that plugins know from Envoy.

use crate::argument;
#[cfg(feature = "signatures")]
use bytes::Bytes;
use prost::Message;
use wasi_ffi::FunctionError;

/// What `verify_signature` gets. One of the keys is to be given.
#[derive(Clone, PartialEq, Message)]
pub struct VerifySignatureArguments {
    /// `sha1`, `sha256`, `sha384` or `sha512`, in upper or lower case.
    #[prost(string, tag = "1")]
    pub hash_function: String,
    /// The key, a SubjectPublicKeyInfo in DER.
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
    /// The signature.
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
    /// What was signed.
    #[prost(bytes = "vec", tag = "4")]
    pub text: Vec<u8>,
    /// The key in PEM.
    #[prost(string, tag = "5")]
    pub public_key_pem: String,
}

/// What `verify_signature` answers.
#[derive(Clone, PartialEq, Message)]
pub struct VerifySignatureResult {
    /// Whether it is the signature of the text.
    #[prost(bool, tag = "1")]
    pub result: bool,
    /// Why not.
    #[prost(string, tag = "2")]
    pub error: String,
}

/// What `sign` gets. One of the keys is to be given.
#[derive(Clone, PartialEq, Message)]
pub struct SignArguments {
    /// `sha256`, `sha384` or `sha512`, in upper or lower case.
    #[prost(string, tag = "1")]
    pub hash_function: String,
    /// The key, in DER: PKCS #8.
    #[prost(bytes = "vec", tag = "2")]
    pub private_key: Vec<u8>,
    /// What to sign.
    #[prost(bytes = "vec", tag = "3")]
    pub text: Vec<u8>,
    /// The key in PEM: PKCS #8, or PKCS #1 for RSA.
    #[prost(string, tag = "4")]
    pub private_key_pem: String,
}

/// What `sign` answers.
#[derive(Clone, PartialEq, Message)]
pub struct SignResult {
    /// Whether there is a signature.
    #[prost(bool, tag = "1")]
    pub result: bool,
    /// The signature.
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// Why there is none.
    #[prost(string, tag = "3")]
    pub error: String,
}

/// What `set_envoy_filter_state` gets.
#[derive(Clone, PartialEq, Message)]
pub struct SetEnvoyFilterStateArguments {
    /// The name.
    #[prost(string, tag = "1")]
    pub path: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
    /// How long it lives.
    #[prost(enumeration = "LifeSpan", tag = "3")]
    pub span: i32,
}

/// What `declare_property` gets.
#[derive(Clone, PartialEq, Message)]
pub struct DeclarePropertyArguments {
    /// The path of the property.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Whether it can be set only once.
    #[prost(bool, tag = "2")]
    pub readonly: bool,
    /// What it is.
    #[prost(enumeration = "WasmType", tag = "3")]
    pub r#type: i32,
    /// Of which kind a message is.
    #[prost(bytes = "vec", tag = "4")]
    pub schema: Vec<u8>,
    /// How long it lives.
    #[prost(enumeration = "LifeSpan", tag = "5")]
    pub span: i32,
}

/// What a property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum WasmType {
    /// Bytes.
    Bytes = 0,
    /// Text.
    String = 1,
    /// A FlatBuffers table.
    FlatBuffers = 2,
    /// A protocol buffer.
    Protobuf = 3,
}

/// How long a property, or the state of a filter, lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum LifeSpan {
    /// As long as the filters of the stream.
    FilterChain = 0,
    /// As long as the request.
    DownstreamRequest = 1,
    /// As long as the connection.
    DownstreamConnection = 2,
}

/// The one argument of a function, a message.
pub(crate) fn decode<M: Message + Default>(parameters: &[&[u8]]) -> Result<M, FunctionError> {
    M::decode(argument(parameters)?)
        .map_err(|error| FunctionError::BadArgument(format!("the argument is no such message: {error}")))
}

/// The one result of a function.
#[cfg(feature = "signatures")]
pub(crate) fn encode(message: &impl Message) -> Vec<Bytes> {
    vec![message.encode_to_vec().into()]
}
