//! What a line can tell.

use super::draft::{Facts, Opening};
use http::Version;
use http::header::{HeaderName, REFERER, USER_AGENT};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;
use time::OffsetDateTime;

/// Something that a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// One of `Plain`.
    Plain(Plain),
    /// The first value of a header of the request, as it came, and with what the proxy adds.
    RequestHeader(HeaderName),
    /// The first value of a header of the response, as the client gets it.
    ResponseHeader(HeaderName),
}

/// A text names no field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no field of an access log{hint}")]
pub struct FieldError {
    text: String,
    hint: String,
}

/// The value of a field.
pub(super) enum Value<'a> {
    None,
    Number(u64),
    Seconds(f64),
    Text(Cow<'a, str>),
    /// Of a header, which may be no UTF-8.
    Bytes(&'a [u8]),
}

macro_rules! plain {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)*) => {
        /// What has a name of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Plain {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Plain {
            /// All, with their names and what they are.
            pub const ALL: &[(Self, &'static str, &'static str)] = &[
                $((Self::$variant, $name, concat!($($doc),+)),)*
            ];
        }
    };
}

plain! {
    /// When the request, or the stream, began: RFC 3339, in UTC, with milliseconds.
    Time = "time",
    /// The same as servers of old write it: `10/Oct/2000:13:55:36 +0000`.
    TimeCommon = "time_common",
    /// From the head of the request to the end of the response, in seconds.
    Duration = "duration",
    /// The same in whole milliseconds.
    DurationMs = "duration_ms",
    /// The name of the listener.
    Listener = "listener",
    /// The method.
    Method = "method",
    /// The target as the client sent it: path and query.
    Path = "path",
    /// The host that the request is for.
    Authority = "authority",
    /// The version of HTTP that the client spoke, `TCP` for a stream.
    Protocol = "protocol",
    /// The status that the client got.
    Status = "status",
    /// Why the answer is not the upstream's, or not complete.
    Reason = "reason",
    /// Bytes of the body of the request, or from the client of a stream.
    BytesReceived = "bytes_received",
    /// Bytes of the body of the response, or to the client of a stream.
    BytesSent = "bytes_sent",
    /// The address and the port of the client.
    Client = "client",
    /// The address of the client.
    ClientIp = "client_ip",
    /// The id of the request: the header `x-request-id`.
    RequestId = "request_id",
    /// What the client is: the header `user-agent`.
    UserAgent = "user_agent",
    /// Where the client comes from: the header `referer`.
    Referer = "referer",
    /// The name of the route.
    Route = "route",
    /// The upstream: its name, or the URL of a listener.
    Upstream = "upstream",
    /// The address of the server that was asked last.
    UpstreamAddress = "upstream_address",
    /// How many servers were asked, of an upstream with a name.
    Attempts = "attempts",
    /// The version of TLS.
    TlsVersion = "tls_version",
    /// The host that the client asked for by TLS.
    TlsServerName = "tls_server_name",
    /// Whom the certificate of the client is for.
    TlsSubject = "tls_subject",
}

const REQUEST_HEADER: &str = "request_header:";
const RESPONSE_HEADER: &str = "response_header:";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

// === impl Field ===

impl Field {
    /// Its name.
    pub(super) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Plain(plain) => plain.name().into(),
            Self::RequestHeader(name) => format!("{REQUEST_HEADER}{name}").into(),
            Self::ResponseHeader(name) => format!("{RESPONSE_HEADER}{name}").into(),
        }
    }

    /// The header of the request that it is of.
    pub(super) fn request_header(&self) -> Option<HeaderName> {
        match self {
            Self::RequestHeader(name) => Some(name.clone()),
            Self::Plain(Plain::RequestId) => Some(REQUEST_ID),
            Self::Plain(Plain::UserAgent) => Some(USER_AGENT),
            Self::Plain(Plain::Referer) => Some(REFERER),
            Self::Plain(_) | Self::ResponseHeader(_) => None,
        }
    }

    /// The header of the response that it is of.
    pub(super) fn response_header(&self) -> Option<HeaderName> {
        match self {
            Self::ResponseHeader(name) => Some(name.clone()),
            Self::Plain(_) | Self::RequestHeader(_) => None,
        }
    }
}

impl FromStr for Field {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let error = |hint: String| FieldError {
            text: text.to_owned(),
            hint,
        };
        let header = |name: &str| {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| error(": that is no name of a header".to_owned()))
        };
        if let Some(name) = text.strip_prefix(REQUEST_HEADER) {
            return header(name).map(Self::RequestHeader);
        }
        if let Some(name) = text.strip_prefix(RESPONSE_HEADER) {
            return header(name).map(Self::ResponseHeader);
        }
        let mut all = Plain::ALL.iter();
        if let Some((plain, ..)) = all.find(|(_, name, _)| *name == text) {
            return Ok(Self::Plain(*plain));
        }
        let names = Plain::ALL.iter().map(|(_, name, _)| *name);
        let near = names
            .map(|name| (strsim::jaro_winkler(name, text), name))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let hint = near.map_or_else(
            || {
                "; it takes `request_header:NAME`, `response_header:NAME`, or a name such as `status`"
                    .to_owned()
            },
            |(_, name)| format!("; did you mean `{name}`?"),
        );
        Err(error(hint))
    }
}

// === impl Plain ===

impl Plain {
    fn name(self) -> &'static str {
        let mut all = Plain::ALL.iter();
        all.find(|(plain, ..)| *plain == self)
            .map_or("", |(_, name, _)| name)
    }

    /// Its value. Those of headers are the format's to find.
    pub(super) fn value<'a>(self, facts: &Facts<'a>) -> Value<'a> {
        let draft = facts.draft;
        let request = draft.request();
        let tls = facts.connection.tls();
        match self {
            Self::Time => Value::text(Rfc3339(draft.began.into()).to_string()),
            Self::TimeCommon => Value::text(Common(draft.began.into()).to_string()),
            Self::Duration => Value::Seconds(facts.duration.as_secs_f64()),
            Self::DurationMs => Value::Number(u64::try_from(facts.duration.as_millis()).unwrap_or(u64::MAX)),
            Self::Listener => Value::text(facts.listener),
            Self::Method => Value::of(request.map(|request| request.method.as_str())),
            Self::Path => Value::of(request.map(|request| {
                let target = request.target.path_and_query();
                target.map_or("/", |target| target.as_str())
            })),
            Self::Authority => draft
                .authority
                .as_ref()
                .map_or(Value::None, |host| Value::Bytes(host.as_bytes())),
            Self::Protocol => Value::text(match &draft.opening {
                Opening::Request(request) => match request.version {
                    Version::HTTP_10 => "HTTP/1.0",
                    Version::HTTP_2 => "HTTP/2.0",
                    _ => "HTTP/1.1",
                },
                Opening::Malformed => "HTTP/1.1",
                Opening::Stream => "TCP",
            }),
            Self::Status => facts
                .status
                .map_or(Value::None, |status| Value::Number(u64::from(status.as_u16()))),
            Self::Reason if facts.reason.is_none() => Value::None,
            Self::Reason => Value::text(facts.reason.to_string()),
            Self::BytesReceived => Value::Number(facts.received),
            Self::BytesSent => Value::Number(facts.sent),
            Self::Client => Value::text(facts.connection.source().to_string()),
            Self::ClientIp => Value::of(
                facts
                    .connection
                    .source()
                    .ip()
                    .map(|address| address.ip().to_canonical().to_string()),
            ),
            Self::Route => Value::of(facts.way.route.as_deref().map(str::to_owned)),
            Self::Upstream => Value::of(facts.way.upstream.clone()),
            Self::UpstreamAddress => Value::of(facts.way.address.as_ref().map(ToString::to_string)),
            Self::Attempts => facts.way.attempts.map_or(Value::None, Value::Number),
            Self::TlsVersion => Value::of(tls.and_then(|tls| tls.version())),
            Self::TlsServerName => Value::of(tls.and_then(|tls| tls.server_name())),
            Self::TlsSubject => Value::of(tls.and_then(|tls| tls.subject())),
            Self::RequestId | Self::UserAgent | Self::Referer => Value::None,
        }
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    fn of(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        text.map_or(Self::None, Self::text)
    }
}

// === times ===

struct Rfc3339(OffsetDateTime);
struct Common(OffsetDateTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl fmt::Display for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        let month = time.month().to_string();
        write!(
            f,
            "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
            time.day(),
            month.get(..3).unwrap_or(&month),
            time.year(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}
