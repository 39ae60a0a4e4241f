//! Text to bytes, and back.

/// The words of each step; quotes and brackets keep what separates.
pub(crate) fn steps(text: &str) -> Vec<Vec<String>> {
    let mut steps = vec![vec![String::new()]];
    let (mut quoted, mut listed) = (false, false);
    for character in text.chars() {
        match character {
            '\'' => quoted = !quoted,
            '[' if !quoted => listed = true,
            ']' if !quoted => listed = false,
            _ => {}
        }
        match character {
            ';' if !quoted && !listed => steps.push(vec![String::new()]),
            ' ' | '\n' if !quoted && !listed => {
                if let Some(words) = steps.last_mut() {
                    words.push(String::new());
                }
            }
            _ => {
                if let Some(word) = steps.last_mut().and_then(|words| words.last_mut()) {
                    word.push(character);
                }
            }
        }
    }
    for words in &mut steps {
        words.retain(|word| !word.is_empty());
    }
    steps.retain(|words| !words.is_empty());
    steps
}

/// The bytes of `'text'`, where `\xx` is the byte with that number in hexadecimal, or of `'text'*1000`, which is that many times.
pub(crate) fn unquote(word: &str) -> Vec<u8> {
    let (text, times) = match word.rsplit_once("'*") {
        Some((text, times)) => (text, times.parse().unwrap_or(1)),
        None => (word.trim_end_matches('\''), 1),
    };
    let text = text.strip_prefix('\'').unwrap_or(text).as_bytes();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        let escaped = (*byte == b'\\').then(|| text.get(at + 1..at + 3)).flatten();
        let number =
            escaped.and_then(|digits| u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(number.unwrap_or(*byte));
        at += if number.is_some() { 3 } else { 1 };
    }
    bytes.repeat(times)
}

/// The reverse of [`unquote`]; of what is long, only how long it is.
pub(crate) fn quote(bytes: &[u8]) -> String {
    const LONG: usize = 80;
    if bytes.len() > LONG {
        return format!("({} bytes)", bytes.len());
    }
    format!("'{}'", escape(bytes))
}

/// Bytes as text, without quotes around it.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => text.push_str(&format!("\\{byte:02x}")),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\{byte:02x}")),
        }
    }
    text
}

/// The packed form of `[name=value, name=value]`; quoted bytes are taken as they are.
pub(crate) fn pack(word: &str) -> Vec<u8> {
    let Some(list) = word.strip_prefix('[') else {
        return unquote(word);
    };
    let items = list.trim_end_matches(']').split(',').map(str::trim);
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = items
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            (unquote(name), unquote(value))
        })
        .collect();
    let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in &pairs {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(part);
        bytes.push(0);
    }
    bytes
}

/// The reverse of [`pack`], without the headers that are the probe's own.
pub(crate) fn unpack(bytes: &[u8]) -> String {
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
    };
    let mut pairs = Vec::new();
    let count = number(0).unwrap_or(0);
    let mut at = 4 + count * 8;
    for index in 0..count {
        let mut part = |place: usize| {
            let len = number(place)?;
            let part = bytes.get(at..at + len)?;
            at += len + 1;
            Some(escape(part))
        };
        let (name, value) = (part(4 + index * 8), part(8 + index * 8));
        let (Some(name), Some(value)) = (name, value) else {
            return format!("malformed {}", quote(bytes));
        };
        if !name.starts_with("x-probe") && name != "x-case" {
            pairs.push(format!("{name}={value}"));
        }
    }
    format!("[{}]", pairs.join(", "))
}
