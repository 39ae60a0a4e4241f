//! What a line is made of.

use super::draft::Facts;
use super::escape::{push_json, push_text};
use super::field::{Field, FieldError, Plain, Value};
use http::HeaderValue;
use http::header::HeaderName;
use std::fmt::Write;
use thiserror::Error;

/// What a line is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    layout: Layout,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
}

/// A text is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// A field is none.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A field does not end.
    #[error("`%{{` at character {0} has no `}}`")]
    Open(usize),
    /// A percent sign stands alone.
    #[error("`%` at character {0} begins neither `%{{FIELD}}` nor `%%`")]
    Percent(usize),
    /// There is none at all.
    #[error(
        "there is no field in it: write `common`, `combined`, `json`, or a template such as `%{{time}} %{{status}}`"
    )]
    NoField,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    Text(Vec<Part>),
    /// With the name of each.
    Json(Vec<(String, Item)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A field, and whether it stands between quotes.
    Field(Item, bool),
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Plain(Plain),
    /// By its place among the headers that are noted.
    RequestHeader(usize),
    ResponseHeader(usize),
}

/// What the common log format tells.
const COMMON: &str =
    r#"%{client_ip} - - [%{time_common}] "%{method} %{path} %{protocol}" %{status} %{bytes_sent}"#;
/// The same, and what browsers say of themselves.
const COMBINED: &str = r#"%{client_ip} - - [%{time_common}] "%{method} %{path} %{protocol}" %{status} %{bytes_sent} "%{referer}" "%{user_agent}""#;

/// What a line of JSON has where nothing else is said.
pub const DEFAULT_JSON_FIELDS: &[&str] = &[
    "time",
    "listener",
    "client",
    "method",
    "authority",
    "path",
    "protocol",
    "status",
    "reason",
    "duration",
    "bytes_received",
    "bytes_sent",
    "request_id",
    "user_agent",
    "route",
    "upstream",
    "upstream_address",
    "attempts",
];

// === impl Format ===

impl Format {
    /// By the name of a format, or a template: text with `%{FIELD}` for a field and `%%` for a percent sign.
    ///
    /// # Errors
    /// It is neither.
    pub fn text(text: &str) -> Result<Self, FormatError> {
        match text {
            "common" => Self::template(COMMON),
            "combined" => Self::template(COMBINED),
            template => Self::template(template),
        }
    }

    /// An object of JSON with these fields.
    ///
    /// # Errors
    /// One is none.
    pub fn json<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, FormatError> {
        let mut format = Self::empty(Layout::Json(Vec::new()));
        let mut items = Vec::new();
        for name in names {
            let field: Field = name.parse()?;
            items.push((field.name().into_owned(), format.item(&field)));
        }
        if items.is_empty() {
            return Err(FormatError::NoField);
        }
        format.layout = Layout::Json(items);
        Ok(format)
    }

    /// The headers of requests that are noted.
    pub(super) fn request_headers(&self) -> &[HeaderName] {
        &self.request_headers
    }

    /// The headers of responses that are noted.
    pub(super) fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    /// The line of a request, with its end.
    pub(super) fn line(&self, facts: &Facts<'_>) -> String {
        let mut line = String::with_capacity(256);
        match &self.layout {
            Layout::Text(parts) => parts.iter().for_each(|part| part.push(&mut line, facts)),
            Layout::Json(items) => push_object(&mut line, items, facts),
        }
        line.push('\n');
        line
    }

    fn empty(layout: Layout) -> Self {
        Self {
            layout,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
        }
    }

    fn template(template: &str) -> Result<Self, FormatError> {
        let mut format = Self::empty(Layout::Text(Vec::new()));
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut quoted = false;
        let mut rest = template;
        let mut any = false;
        while let Some(next) = rest.chars().next() {
            let at = template.len() - rest.len();
            if let Some(behind) = rest.strip_prefix("%%") {
                literal.push('%');
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix("%{") {
                let (name, behind) = behind.split_once('}').ok_or(FormatError::Open(at))?;
                let item = format.item(&name.parse()?);
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(item, quoted));
                any = true;
                rest = behind;
            } else if next == '%' {
                return Err(FormatError::Percent(at));
            } else {
                quoted ^= next == '"';
                literal.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
        if !any {
            return Err(FormatError::NoField);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        format.layout = Layout::Text(parts);
        Ok(format)
    }

    /// Where the value of a field comes from. Headers are noted for it.
    fn item(&mut self, field: &Field) -> Item {
        if let Some(name) = field.request_header() {
            return Item::RequestHeader(place_of(&mut self.request_headers, name));
        }
        if let Some(name) = field.response_header() {
            return Item::ResponseHeader(place_of(&mut self.response_headers, name));
        }
        match field {
            Field::Plain(plain) => Item::Plain(*plain),
            // Those were above.
            Field::RequestHeader(_) | Field::ResponseHeader(_) => Item::Plain(Plain::Reason),
        }
    }
}

fn place_of(names: &mut Vec<HeaderName>, name: HeaderName) -> usize {
    if let Some(place) = names.iter().position(|known| *known == name) {
        return place;
    }
    names.push(name);
    names.len() - 1
}

fn push_object(line: &mut String, items: &[(String, Item)], facts: &Facts<'_>) {
    line.push('{');
    for (index, (name, item)) in items.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        push_json(line, name.as_bytes());
        line.push(':');
        match item.value(facts) {
            Value::None => line.push_str("null"),
            Value::Number(number) => _ = write!(line, "{number}"),
            Value::Seconds(seconds) => _ = write!(line, "{seconds:.6}"),
            Value::Text(text) => push_json(line, text.as_bytes()),
            Value::Bytes(bytes) => push_json(line, bytes),
        }
    }
    line.push('}');
}

// === impl Part ===

impl Part {
    fn push(&self, line: &mut String, facts: &Facts<'_>) {
        let (item, quoted) = match self {
            Self::Literal(text) => return line.push_str(text),
            Self::Field(item, quoted) => (item, *quoted),
        };
        match item.value(facts) {
            Value::None => line.push('-'),
            Value::Number(number) => _ = write!(line, "{number}"),
            Value::Seconds(seconds) => _ = write!(line, "{seconds:.6}"),
            // Of the proxy's own making, and read as it is everywhere.
            Value::Text(text) if matches!(item, Item::Plain(Plain::TimeCommon)) => line.push_str(&text),
            Value::Text(text) => push_text(line, text.as_bytes(), quoted),
            Value::Bytes(bytes) => push_text(line, bytes, quoted),
        }
    }
}

// === impl Item ===

impl Item {
    fn value<'a>(self, facts: &Facts<'a>) -> Value<'a> {
        let header = |values: &'a [Option<HeaderValue>], place: usize| match values.get(place) {
            Some(Some(value)) => Value::Bytes(value.as_bytes()),
            _ => Value::None,
        };
        match self {
            Self::Plain(plain) => plain.value(facts),
            Self::RequestHeader(place) => header(&facts.draft.request_headers, place),
            Self::ResponseHeader(place) => header(&facts.draft.response_headers, place),
        }
    }
}
