//! What came of a case.

use proxywasm_tests::harness::Message;
use std::fmt;

/// What the plugin reported, what the upstreams got, what the clients got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) report: Vec<String>,
    pub(crate) upstream: Vec<String>,
    pub(crate) client: Vec<String>,
}

/// What is longer than this is not shown, only how long it is.
const LONG: usize = 80;
/// What is said of a stream that began but did not end as every stream does.
const WITHOUT_END: &str = "(no end of the stream)";
const CREATE: &str = "context_create(stream)";
const END: [&str; 3] = ["done(stream)", "log(stream)", "delete(stream)"];

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("report", &self.report),
            ("upstream", &self.upstream),
            ("client", &self.client),
        ];
        for (name, lines) in parts {
            writeln!(formatter, "{name}:")?;
            for line in lines {
                writeln!(formatter, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// Leaves out of the report of one stream what begins and ends every stream.
pub(crate) fn shorten(mut lines: Vec<String>) -> Vec<String> {
    let creates: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].ends_with(CREATE))
        .collect();
    let [create] = creates[..] else { return lines };
    let is_step = |line: Option<&String>| line.is_some_and(|line| line.starts_with("  "));
    if lines[create] != CREATE || is_step(lines.get(create + 1)) {
        return lines;
    }
    let end = lines.windows(3).position(|window| window == END);
    match end {
        Some(end) if !is_step(lines.get(end + 3)) => drop(lines.drain(end..end + 3)),
        Some(_) => {}
        None if lines.iter().any(|line| line == END[2]) => {}
        None => lines.push(WITHOUT_END.to_owned()),
    }
    lines.remove(create);
    lines
}

/// How many lines a report had before it was shortened.
pub(crate) fn full_len(lines: &[String]) -> usize {
    let is_whole = lines.iter().any(|line| line.ends_with(CREATE));
    if is_whole || lines.last().is_some_and(|line| line == WITHOUT_END) {
        lines.len()
    } else if lines.iter().any(|line| line == END[2]) {
        lines.len() + 1
    } else {
        lines.len() + 4
    }
}

/// A request or a response in a line.
pub(crate) fn line(message: &Message) -> String {
    let mut words = Vec::new();
    match message.start.strip_prefix("HTTP/1.1 ") {
        Some(status) => words.push(status.split(' ').next().unwrap_or_default().to_owned()),
        None => words.push(message.start.trim_end_matches(" HTTP/1.1").to_owned()),
    }
    let own = |(name, value): &&(String, String)| {
        !name.starts_with("x-probe")
            && name != "x-case"
            && name != "date"
            && (name.as_str(), value.as_str()) != ("host", "example.test")
    };
    words.extend(fields(message.headers.iter().filter(own)));
    if !message.body.is_empty() {
        words.push(quote(&message.body));
    }
    if !message.trailers.is_empty() {
        words.push("trailers".to_owned());
        words.extend(fields(message.trailers.iter()));
    }
    words.join(" ")
}

/// Bytes in quotes; of what is long, only how long it is.
pub(crate) fn quote(bytes: &[u8]) -> String {
    if bytes.len() > LONG {
        return format!("({} bytes)", bytes.len());
    }
    format!(
        "'{}'",
        String::from_utf8_lossy(bytes)
            .replace('\r', "\\0d")
            .replace('\n', "\\0a")
    )
}

fn fields<'a>(fields: impl Iterator<Item = &'a (String, String)>) -> Option<String> {
    let shown = |value: &str| match value.strip_prefix("127.0.0.1:") {
        Some(_) => "127.0.0.1:PORT".to_owned(),
        None if value.len() > LONG => format!("({} bytes)", value.len()),
        None => value.to_owned(),
    };
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{name}: {}", shown(value)))
        .collect();
    (!fields.is_empty()).then(|| format!("[{}]", fields.join(", ")))
}
