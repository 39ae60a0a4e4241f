//! Requests that were answered before they were read.
//!
//! A connection that is closed while the client still sends is reset, and a reset can take the answer away before the client has
//! read it. So the rest is read and dropped, within bounds; if it ends, the connection can even be kept.

use super::client_body::ClientBody;
use http_body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

/// How much is read of what nobody wants.
const MAX_BYTES: usize = 1 << 20;

/// How long.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Reads and drops the rest of a body, in the background.
pub(super) fn spawn(body: ClientBody) {
    tokio::task::spawn_local(tokio::time::timeout(MAX_TIME, discard(body)));
}

async fn discard(mut body: ClientBody) {
    let mut left = MAX_BYTES;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let size = frame.data_ref().map_or(0, bytes::Bytes::len);
        let Some(rest) = left.checked_sub(size) else {
            return;
        };
        left = rest;
    }
}
