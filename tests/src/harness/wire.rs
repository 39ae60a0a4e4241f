//! HTTP/1.1 on the wire.

use std::io::{BufRead, Read};

/// A request or a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers in their order, names in lower case.
    pub trailers: Vec<(String, String)>,
    /// Whether all of it came.
    pub complete: bool,
}

// === impl Message ===

impl Message {
    /// The status of a response.
    ///
    /// # Panics
    /// It is no response.
    pub fn status(&self) -> u16 {
        let code = self.start.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no status line: {self:?}"))
    }

    /// The values of a header, joined by commas.
    pub fn header(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }

    /// The values of a trailer, joined by commas.
    pub fn trailer(&self, name: &str) -> Option<String> {
        joined(&self.trailers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads a head; `None` if the connection ends before one begins.
    ///
    /// # Errors
    /// As of reading.
    pub fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let start = read_line(reader)?;
        if start.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            start,
            headers: read_fields(reader)?,
            ..Self::default()
        }))
    }

    /// Reads the body that the head announces; a response without length ends with its connection. Where it breaks off, what
    /// came is kept and `complete` stays false.
    pub fn read_body(&mut self, reader: &mut impl BufRead) {
        self.complete = self.try_read_body(reader).is_ok();
    }

    fn try_read_body(&mut self, reader: &mut impl BufRead) -> std::io::Result<()> {
        if self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.ends_with("chunked"))
        {
            loop {
                let line = read_line(reader)?;
                let size = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
                if size == 0 {
                    self.trailers = read_fields(reader)?;
                    return Ok(());
                }
                self.read_exactly(reader, size)?;
                read_line(reader)?;
            }
        }
        match self.header("content-length") {
            Some(length) => self.read_exactly(reader, length.parse().map_err(std::io::Error::other)?),
            None if self.start.starts_with("HTTP/") => reader.read_to_end(&mut self.body).map(|_| ()),
            None => Ok(()),
        }
    }

    fn read_exactly(&mut self, reader: &mut impl BufRead, size: usize) -> std::io::Result<()> {
        let read = reader.take(size as u64).read_to_end(&mut self.body)?;
        if read < size {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }
}

fn joined(fields: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> = fields
        .iter()
        .filter(|(field, _)| field == name)
        .map(|(_, value)| value.as_str())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn read_fields(reader: &mut impl BufRead) -> std::io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok(fields);
        };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// A body in chunks, with trailers.
pub fn chunked(chunks: &[&[u8]], trailers: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        body.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

/// The most that can be between two sockets of a connection through a proxy while nobody reads, in bytes: what the kernel lets the buffers
/// of both connections grow to, and generously what the proxy and its plugins hold.
pub fn socket_room() -> usize {
    let largest = |name: &str, otherwise: usize| {
        let limits = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        let largest = limits.split_whitespace().last();
        largest.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    2 * (largest("tcp_rmem", 6 << 20) + largest("tcp_wmem", 4 << 20)) + (16 << 20)
}

/// Bytes of memory that this process has resident.
///
/// # Panics
/// The system does not tell.
pub fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
