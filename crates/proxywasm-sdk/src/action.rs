//! What a callback tells the host to do next.

/// What a callback tells the host to do next. An action that is not legal where it is returned closes the
/// stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Action {
    /// Forward this piece.
    #[default]
    Forward = 0,
    /// Forward this piece, then end this direction of the stream; what still arrives in it is dropped.
    EndStream = 1,
    /// Forward this piece, and do not call the plugin again: for HTTP in this direction, for TCP on this stream.
    Done = 2,
    /// Hold this piece and stop reading, until the plugin resumes the direction.
    Pause = 3,
    /// Hold this piece, and call again when there is more. In a headers callback: hold the headers while the
    /// body is delivered.
    WaitForMoreData = 4,
    /// Hold this piece, and call again when all of it is there or the host's buffer is full. In a headers
    /// callback: hold the headers while the body is collected.
    WaitForEndOrFull = 5,
    /// Close the stream at once; no response is sent.
    Close = 6,
}
