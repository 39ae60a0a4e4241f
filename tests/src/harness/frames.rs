//! HTTP/2 by hand: frames as a test wants them, whatever they mean.

use super::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Kinds of frames.
pub const DATA: u8 = 0;
/// A request, a response, or trailers.
pub const HEADERS: u8 = 1;
/// A priority, which nobody goes by any more.
pub const PRIORITY: u8 = 2;
/// The end of a stream.
pub const RST_STREAM: u8 = 3;
/// Settings.
pub const SETTINGS: u8 = 4;
/// A ping.
pub const PING: u8 = 6;
/// The end of a connection.
pub const GOAWAY: u8 = 7;
/// More room for data.
pub const WINDOW_UPDATE: u8 = 8;
/// The rest of a block of headers.
pub const CONTINUATION: u8 = 9;

/// Flags of frames.
pub const END_STREAM: u8 = 1;
/// That a frame answers another one.
pub const ACK: u8 = 1;
/// The block of headers ends.
pub const END_HEADERS: u8 = 4;
/// Padding follows.
pub const PADDED: u8 = 8;

/// What a client begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: u8,
    /// More of that.
    pub flags: u8,
    /// Its stream, 0 for the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A connection of HTTP/2 without TLS.
#[derive(Debug)]
pub struct FrameStream {
    stream: TcpStream,
}

/// What becomes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A response with such a status.
    Answered(u16),
    /// It was reset, for such a reason.
    Reset(u32),
    /// The connection ends, for such a reason.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of headers, each by its letters.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        text(&mut block, name.as_ref());
        text(&mut block, value.as_ref());
    }
    block
}

/// What a client has to begin with: the preface and its settings.
pub fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    [PREFACE, &frame(SETTINGS, 0, 0, payload)].concat()
}

/// A text by its letters, with its length before.
fn text(block: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            block.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend(text);
}

// === impl FrameStream ===

impl FrameStream {
    /// Connects, and says so many settings.
    ///
    /// # Panics
    /// Nobody listens there.
    pub fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut connection = Self::silent(address);
        connection.send(hello(settings));
        connection
    }

    /// Connects, and says nothing.
    ///
    /// # Panics
    /// Nobody listens there.
    pub fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Wraps a connection that was accepted.
    pub fn of(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// Sends bytes. Returns whether the connection took them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// A second handle on the connection, to send while the first receives.
    ///
    /// # Panics
    /// The system gives none.
    pub fn sender(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Reads what a client begins with.
    ///
    /// # Panics
    /// The client begins with something else.
    pub fn expect_preface(&mut self) {
        let mut preface = [0; 24];
        self.stream.read_exact(&mut preface).unwrap();
        assert_eq!(preface, PREFACE);
    }

    /// The next frame; none when the connection ends.
    pub fn receive(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// What becomes of a stream. Other frames are passed over.
    pub fn fate(&mut self, stream: u32) -> Fate {
        while let Some(frame) = self.receive() {
            match frame.kind {
                RST_STREAM if frame.stream == stream => return Fate::Reset(number(&frame.payload)),
                GOAWAY => return Fate::GoAway(number(&frame.payload[4..])),
                HEADERS if frame.stream == stream => return Fate::Answered(status(&frame.payload)),
                _ => {}
            }
        }
        Fate::Closed
    }
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]])
}

/// The status at the begin of the first block of a connection (RFC 7541).
fn status(block: &[u8]) -> u16 {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match *block {
        [index @ 0x88..=0x8e, ..] => KNOWN[usize::from(index - 0x88)],
        // Of three letters, by the code of Huffman.
        [0x08 | 0x48, 0x80..=0xff, ref code @ ..] => {
            let bits: String = code.iter().take(3).map(|byte| format!("{byte:08b}")).collect();
            let mut rest = bits.as_str();
            (0..3).fold(0, |number, _| {
                let short = u16::from_str_radix(&rest[..5], 2).unwrap();
                let (digit, length) = match short {
                    0..=2 => (short, 5),
                    _ => (u16::from_str_radix(&rest[..6], 2).unwrap() - 0b01_1001 + 3, 6),
                };
                rest = &rest[length..];
                number * 10 + digit
            })
        }
        [0x08 | 0x48, 3, a, b, c, ..] => String::from_utf8(vec![a, b, c]).unwrap().parse().unwrap(),
        _ => panic!("no status: {block:x?}"),
    }
}
