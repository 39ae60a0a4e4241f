//! `compress` and `uncompress`.

use crate::argument;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::io::Read;
use wasi_ffi::{CallContext, FunctionError};

/// The most bytes that are compressed in one call: four mebibytes, which take a tenth of a second.
pub const MAX_COMPRESSED: usize = 4 << 20;

/// The most bytes that come of bytes which are uncompressed: 16 mebibytes.
pub const MAX_UNCOMPRESSED: usize = 16 << 20;

/// Compresses bytes as zlib does (RFC 1950).
///
/// # Errors
/// There are more than [`MAX_COMPRESSED`] bytes.
pub fn compress(_: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let argument = argument(parameters)?;
    if argument.len() > MAX_COMPRESSED {
        return Err(FunctionError::Unavailable(format!(
            "{} bytes are too many to compress; {MAX_COMPRESSED} are the most",
            argument.len()
        )));
    }
    let mut packed = Vec::new();
    ZlibEncoder::new(argument, Compression::default())
        .read_to_end(&mut packed)
        .map_err(|error| FunctionError::Failed(error.to_string()))?;
    Ok(vec![packed.into()])
}

/// Uncompresses bytes that were compressed as zlib does (RFC 1950). What follows them is ignored.
///
/// # Errors
/// They are not, or not all are there, or more than [`MAX_UNCOMPRESSED`] bytes come of them, or more than the plugin may get.
pub fn uncompress(call: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let limit = MAX_UNCOMPRESSED.min(call.plugin.limits.argument_bytes);
    let mut bytes = Vec::new();
    ZlibDecoder::new(argument(parameters)?)
        .take((limit as u64).saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| FunctionError::BadArgument(format!("the bytes cannot be uncompressed: {error}")))?;
    if bytes.len() > limit {
        let why = format!("more than {limit} bytes come of what is to be uncompressed");
        return Err(FunctionError::Unavailable(why));
    }
    Ok(vec![bytes.into()])
}
