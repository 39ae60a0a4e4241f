//! The answer to one callout: what has come of it, what its plugin was told, and what is to be told next.

use bytes::Bytes;
use std::time::Duration;
use wasi_common::policy::CalloutFailure;
use wasi_common::{Buffer, ByteMap, Callout, CalloutFlow, CalloutStatus, Limits, MapLimits, Status};

/// What comes back for a callout, in this order: a head, pieces of the body, then trailers or the end. A failure can take the place
/// of any of them, and ends it. Interim (1xx) responses are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// The head: `:status`, then the headers.
    Headers(ByteMap),
    /// A piece of the body.
    Body(Bytes),
    /// The trailers, and with them the end.
    Trailers(ByteMap),
    /// The answer is complete.
    End,
    /// There is no answer, or it broke off; with the reason, for the plugin.
    Failed(String),
    /// The answer, or the rest of it, has not come within the time that the callout has.
    TimedOut(Duration),
}

/// What a callback tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPart {
    /// The whole answer.
    Response {
        /// Pairs of the headers; 0 where the callout failed.
        num_headers: u32,
        /// Bytes of the body.
        body_size: u32,
        /// Pairs of the trailers.
        num_trailers: u32,
    },
    /// The headers.
    Headers {
        /// Their pairs; 0 where the callout failed.
        num_headers: u32,
    },
    /// A piece of the body.
    Body {
        /// Its bytes.
        size: u32,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// The trailers.
    Trailers {
        /// Their pairs.
        num_trailers: u32,
    },
}

/// Which callback tells of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPhase {
    /// The one for a whole answer.
    Response,
    /// That for headers.
    Headers,
    /// That for a piece of the body.
    Body,
    /// That for trailers.
    Trailers,
}

/// One callout. What a plugin can read of it is moved to the table of callouts for its callbacks.
pub(super) struct Call {
    pub(super) plugin_id: u32,
    streams: bool,
    pub(super) flow: CalloutFlow,
    /// What has come and was not delivered; the headers stay, for later callbacks.
    headers: Option<ByteMap>,
    body: Buffer,
    trailers: Option<ByteMap>,
    /// How it ended, once nothing more comes.
    pub(super) end: Option<CalloutStatus>,
    /// The head has come.
    has_head: bool,
    told_headers: bool,
    /// The last callback has been called.
    pub(super) told_end: bool,
    map_limits: MapLimits,
    body_limit: usize,
    failure: CalloutFailure,
    total_limit: usize,
    /// Bytes of the request, as long as nothing has come, and of the body that the plugin can read now.
    request_bytes: usize,
    lent_bytes: usize,
}

/// The reason for an answer that does not begin with a head.
const NO_HEAD: &str = "the answer has no head";
/// What Envoy answers for an upstream that it cannot reach, before the reason.
const NO_CONNECTION: &str = "upstream connect error or disconnect/reset before headers. reset reason: ";
/// What Envoy answers for an upstream that is late.
const LATE: &str = "upstream request timeout";

// === impl Call ===

impl Call {
    pub(super) fn new(plugin_id: u32, streams: bool, limits: Limits, failure: CalloutFailure) -> Self {
        Self {
            plugin_id,
            streams,
            flow: CalloutFlow::Open,
            headers: None,
            body: Buffer::new(),
            trailers: None,
            end: None,
            has_head: false,
            told_headers: false,
            told_end: false,
            map_limits: limits.map,
            body_limit: limits.callout_bytes,
            failure,
            total_limit: limits.callouts_bytes,
            request_bytes: 0,
            lent_bytes: 0,
        }
    }

    /// The same, for a request of so many bytes.
    pub(super) fn of_request(self, request_bytes: usize) -> Self {
        Self {
            request_bytes,
            ..self
        }
    }

    /// Bytes that are held for the plugin.
    pub(super) fn held_bytes(&self) -> usize {
        self.request_bytes + self.body.len() + self.lent_bytes
    }

    /// Takes what came back; an error is the reason why the rest is not wanted. `held` are the bytes of all callouts of the plugin.
    pub(super) fn receive(&mut self, event: CallEvent, held: usize) -> Result<(), String> {
        self.request_bytes = 0;
        match event {
            CallEvent::Headers(_) if self.has_head => return Err("the answer has two heads".to_owned()),
            CallEvent::Headers(map) if map.is_empty() => return Err(NO_HEAD.to_owned()),
            CallEvent::Headers(map) => {
                self.check(&map, "headers")?;
                (self.has_head, self.headers) = (true, Some(map));
            }
            CallEvent::Body(_) | CallEvent::Trailers(_) | CallEvent::End if !self.has_head => {
                return Err(NO_HEAD.to_owned());
            }
            CallEvent::Body(data) => {
                if !self.streams && self.body.len().saturating_add(data.len()) > self.body_limit {
                    let limit = self.body_limit;
                    return Err(format!("the body of the answer is larger than {limit} bytes"));
                }
                if held.saturating_add(data.len()) > self.total_limit {
                    let limit = self.total_limit;
                    return Err(format!(
                        "the answers to all calls of the plugin are larger than {limit} bytes"
                    ));
                }
                self.body.push(data);
            }
            CallEvent::Trailers(map) => {
                self.check(&map, "trailers")?;
                self.trailers = Some(map);
                self.complete();
            }
            CallEvent::End => self.complete(),
            CallEvent::Failed(reason) if self.makes_answer() => {
                self.answer_for_failure(b"503", &format!("{NO_CONNECTION}{reason}"))
            }
            CallEvent::TimedOut(_) if self.makes_answer() => self.answer_for_failure(b"504", LATE),
            CallEvent::Failed(reason) => self.fail(reason),
            CallEvent::TimedOut(time) => self.fail(format!("no answer within {} ms", time.as_millis())),
        }
        Ok(())
    }

    /// Whether a failure is told as an answer.
    fn makes_answer(&self) -> bool {
        self.failure == CalloutFailure::Answer && !self.has_head
    }

    /// Answers in the place of the upstream.
    fn answer_for_failure(&mut self, status: &[u8], body: &str) {
        let mut headers = ByteMap::new();
        headers.append(b":status", status);
        headers.append(b"content-length", body.len().to_string().as_bytes());
        headers.append(b"content-type", b"text/plain");
        (self.has_head, self.headers) = (true, Some(headers));
        self.body.push(Bytes::copy_from_slice(body.as_bytes()));
        self.complete();
    }

    fn check(&self, map: &ByteMap, what: &str) -> Result<(), String> {
        let MapLimits { pairs, bytes } = self.map_limits;
        if map.len() > pairs || map.byte_len() > bytes {
            return Err(format!(
                "the {what} of the answer are more than {pairs} pairs or {bytes} bytes"
            ));
        }
        Ok(())
    }

    fn complete(&mut self) {
        self.end = Some(CalloutStatus {
            code: Status::Ok as u32,
            message: Bytes::new(),
        });
    }

    pub(super) fn fail(&mut self, reason: String) {
        if !self.streams {
            // Half an answer is none.
            self.headers = None;
            self.body.clear();
        }
        self.trailers = None;
        self.end = Some(CalloutStatus {
            code: Status::Unavailable as u32,
            message: Bytes::from(reason),
        });
    }

    pub(super) fn wants(&self) -> bool {
        let delivered = self.body.is_empty() && (self.told_headers || self.headers.is_none());
        self.end.is_none() && (!self.streams || (self.flow == CalloutFlow::Open && delivered))
    }

    /// What is to be told next.
    pub(super) fn next(&mut self) -> Option<CallPart> {
        let pairs = |map: &Option<ByteMap>| map.as_ref().map_or(0, |map| size(map.len()));
        if !self.streams {
            self.end.as_ref()?;
            self.told_end = true;
            return Some(CallPart::Response {
                num_headers: pairs(&self.headers),
                body_size: size(self.body.len()),
                num_trailers: pairs(&self.trailers),
            });
        }
        if !self.told_headers {
            if self.headers.is_none() && self.end.is_none() {
                return None;
            }
            self.told_headers = true;
            // Without headers it failed, and nothing follows.
            self.told_end = self.headers.is_none();
            return Some(CallPart::Headers {
                num_headers: pairs(&self.headers),
            });
        }
        let ends = self.end.is_some();
        if !self.body.is_empty() || (ends && self.trailers.is_none()) {
            self.told_end = ends && self.trailers.is_none();
            return Some(CallPart::Body {
                size: size(self.body.len()),
                end_of_stream: self.told_end,
            });
        }
        self.trailers.as_ref()?;
        self.told_end = true;
        Some(CallPart::Trailers {
            num_trailers: pairs(&self.trailers),
        })
    }

    /// Lets the plugin read what a callback tells it.
    pub(super) fn lend(&mut self, callout: &mut Callout, part: CallPart) {
        callout.headers = self.headers.take();
        if matches!(part, CallPart::Body { .. } | CallPart::Response { .. }) && callout.headers.is_some() {
            self.lent_bytes = self.body.len();
            callout.body = Some(std::mem::take(&mut self.body));
        }
        match part {
            CallPart::Trailers { .. } => callout.trailers = self.trailers.take(),
            CallPart::Response { .. } if callout.headers.is_some() => {
                callout.trailers = Some(self.trailers.take().unwrap_or_default());
            }
            _ => {}
        }
        if self.told_end {
            callout.status = self.end.clone();
        }
    }

    /// Takes back what the plugin could read; only the headers are told again.
    pub(super) fn take_back(&mut self, callout: &mut Callout) {
        self.headers = callout.headers.take().or(self.headers.take());
        self.lent_bytes = 0;
        callout.seal();
    }
}

// === impl CallEvent ===

impl CallEvent {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Headers(_) | Self::Body(_) => false,
            Self::Trailers(_) | Self::End | Self::Failed(_) | Self::TimedOut(_) => true,
        }
    }
}

// === impl CallPart ===

impl CallPart {
    /// Which callback tells it.
    pub fn phase(self) -> CallPhase {
        match self {
            Self::Response { .. } => CallPhase::Response,
            Self::Headers { .. } => CallPhase::Headers,
            Self::Body { .. } => CallPhase::Body,
            Self::Trailers { .. } => CallPhase::Trailers,
        }
    }
}

// === impl CallPhase ===

impl CallPhase {
    /// All callbacks, in the order of an answer.
    pub const ALL: [Self; 4] = [Self::Response, Self::Headers, Self::Body, Self::Trailers];

    /// The name of the callback on the seed page.
    pub fn callback(self) -> &'static str {
        match self {
            Self::Response => "on_http_call_response",
            Self::Headers => "on_http_call_response_headers",
            Self::Body => "on_http_call_response_body",
            Self::Trailers => "on_http_call_response_trailers",
        }
    }
}

fn size(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How failures are told, with and without answers in their place.
    #[test]
    fn failures() {
        use CalloutFailure::{Answer, NoHeaders};
        let head = || CallEvent::Headers([(":status", "200")].into_iter().collect());
        let broken = || CallEvent::Failed("refused".to_owned());
        let late = || CallEvent::TimedOut(Duration::from_millis(20));
        let table: [(CalloutFailure, Vec<CallEvent>, &str, &str); 8] = [
            (NoHeaders, vec![broken()], "", "refused"),
            (NoHeaders, vec![late()], "", "no answer within 20 ms"),
            (NoHeaders, vec![head(), broken()], "", "refused"),
            (NoHeaders, vec![head(), late()], "", "no answer within 20 ms"),
            (Answer, vec![broken()], "503", ""),
            (Answer, vec![late()], "504", ""),
            (Answer, vec![head(), broken()], "", "refused"),
            (Answer, vec![head(), late()], "", "no answer within 20 ms"),
        ];
        for (failure, events, status, reason) in table {
            let mut call = Call::new(1, false, Limits::default(), failure);
            let text = format!("{failure:?} {events:?}");
            for event in events {
                assert!(!event.is_last() || call.end.is_none(), "{text}");
                call.receive(event, 0).unwrap();
            }
            let end = call.end.clone().unwrap();
            let (code, size) = match reason {
                "" => (Status::Ok, call.body.len()),
                _ => (Status::Unavailable, 0),
            };
            assert_eq!(
                (end.code, &end.message[..]),
                (code as u32, reason.as_bytes()),
                "{text}"
            );
            let status_of = |call: &Call| call.headers.as_ref()?.get(b":status").map(<[u8]>::to_vec);
            assert_eq!(status_of(&call).unwrap_or_default(), status.as_bytes(), "{text}");
            let length = call
                .headers
                .as_ref()
                .and_then(|headers| headers.get(b"content-length"));
            assert_eq!(length.is_some(), size > 0, "{text}");
            let expected = CallPart::Response {
                num_headers: if size > 0 { 3 } else { 0 },
                body_size: size as u32,
                num_trailers: 0,
            };
            assert_eq!(call.next(), Some(expected), "{text}");
        }
    }
}
