//! Connections that this side ends while the client still sends.
//!
//! The system resets a connection that is closed before all that came was read, and a reset can take from the client what it has not read
//! yet: the reason why it was refused. So what comes is read and dropped for a while.

use crate::transport::Stream;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How much is read of what nobody wants, and how long.
const MAX_BYTES: usize = 1 << 20;
const MAX_TIME: Duration = Duration::from_secs(2);

/// Ends a connection that HTTP has let go of.
pub(super) async fn close(mut stream: Stream) {
    // Most clients have nothing to say any more, and are not waited for.
    if !is_read_ready(&stream) {
        return;
    }
    let closed = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut buffer = [0; 4096];
        let mut left = MAX_BYTES;
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let Some(rest) = left.checked_sub(count) else {
                return;
            };
            left = rest;
        }
    };
    // One that is at the end of its time is closed all the same.
    let _ = tokio::time::timeout(MAX_TIME, closed).await;
}

/// Whether something came that nobody has read, not even the end.
fn is_read_ready(stream: &Stream) -> bool {
    let mut byte = [0; 1];
    let socket = stream.socket();
    let peeked = socket.peek(&mut byte);
    peeked.is_ok_and(|count| count > 0)
}
