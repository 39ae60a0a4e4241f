//! Which page a request is for.

use super::answer::{Answer, text};
use super::guard;
use super::pages::PAGES;
use super::state::State;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use std::pin::Pin;
use std::sync::Arc;

/// A page: a path, what can be done with it, and who does it.
pub(super) struct Page {
    pub(super) method: Method,
    /// Where a segment is `{}`, any text stands.
    pub(super) path: &'static str,
    pub(super) about: &'static str,
    pub(super) handler: Handler,
    /// Whether programs that know the address by a name may read it: it tells nothing of what is configured.
    pub(super) by_any_name: bool,
}

/// Who makes the answer.
pub(super) enum Handler {
    Now(fn(&Call) -> Answer),
    /// What takes its time.
    Later(fn(Call) -> Pin<Box<dyn Future<Output = Answer>>>),
}

/// A request for a page.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    /// What stands where the path of the page has `{}`.
    pub(super) argument: Option<String>,
    pub(super) query: Option<String>,
    pub(super) body: Bytes,
}

/// Bytes of a request's body that are read.
pub(super) const MAX_BODY: usize = 64 << 10;

/// Answers a request.
pub(super) async fn answer<B>(state: &Arc<State>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    // Where a page can be read, so can its head.
    let method = match &head.method {
        &Method::HEAD => &Method::GET,
        method => method,
    };
    let mut allowed = Vec::new();
    for page in PAGES {
        let Some(argument) = page.matches(head.uri.path()) else {
            continue;
        };
        if page.method != *method {
            allowed.push(page.method.as_str());
            continue;
        }
        if let Some(refusal) = guard::refusal(&head).filter(|_| !page.by_any_name) {
            return text(StatusCode::FORBIDDEN, refusal);
        }
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return text(StatusCode::BAD_REQUEST, "the body cannot be read\n");
        };
        let call = Call {
            state: Arc::clone(state),
            argument,
            query: head.uri.query().map(str::to_owned),
            body: body.to_bytes(),
        };
        return match page.handler {
            Handler::Now(handler) => handler(&call),
            Handler::Later(handler) => handler(call).await,
        };
    }
    match allowed.is_empty() {
        true => text(StatusCode::NOT_FOUND, "there is no such page; /help lists all\n"),
        false => not_allowed(&allowed.join(", ")),
    }
}

fn not_allowed(methods: &str) -> Answer {
    let mut answer = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("this path takes {methods}\n"),
    );
    if let Ok(methods) = HeaderValue::from_str(methods) {
        answer.headers_mut().insert(ALLOW, methods);
    }
    answer
}

// === impl Page ===

impl Page {
    /// A page that shows something.
    pub(super) const fn get(path: &'static str, about: &'static str, handler: fn(&Call) -> Answer) -> Self {
        Self::new(Method::GET, path, about, Handler::Now(handler))
    }

    /// The same, which takes its time.
    pub(super) const fn get_later(
        path: &'static str,
        about: &'static str,
        handler: fn(Call) -> Pin<Box<dyn Future<Output = Answer>>>,
    ) -> Self {
        Self::new(Method::GET, path, about, Handler::Later(handler))
    }

    /// A page by which something is set.
    pub(super) const fn put(path: &'static str, about: &'static str, handler: fn(&Call) -> Answer) -> Self {
        Self::new(Method::PUT, path, about, Handler::Now(handler))
    }

    /// A page by which something is done.
    pub(super) const fn post(
        path: &'static str,
        about: &'static str,
        handler: fn(Call) -> Pin<Box<dyn Future<Output = Answer>>>,
    ) -> Self {
        Self::new(Method::POST, path, about, Handler::Later(handler))
    }

    /// The same, for programs that know the address by a name, too.
    pub(super) const fn by_any_name(mut self) -> Self {
        self.by_any_name = true;
        self
    }

    const fn new(method: Method, path: &'static str, about: &'static str, handler: Handler) -> Self {
        Self {
            method,
            path,
            about,
            handler,
            by_any_name: false,
        }
    }

    /// What stands in place of `{}`, if a path is that of the page.
    fn matches(&self, path: &str) -> Option<Option<String>> {
        let mut argument = None;
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return Some(argument),
                (Some("{}"), Some(text)) if !text.is_empty() => argument = Some(unescaped(text)?),
                (Some(own), Some(asked)) if own == asked => {}
                _ => return None,
            }
        }
    }
}

/// A segment of a path without its escapes; none if it is no text.
fn unescaped(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let byte = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                rest = behind;
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                if digits.starts_with('+') {
                    return None;
                }
                u8::from_str_radix(digits, 16).ok()?
            }
            (b'%', _) => return None,
            (byte, _) => *byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let page = |path| Page::get(path, "", |_| text(StatusCode::OK, ""));
        let table: &[(&'static str, &str, Option<Option<&str>>)] = &[
            ("/ready", "/ready", Some(None)),
            ("/ready", "/ready/", None),
            ("/ready", "/read", None),
            ("/", "/", Some(None)),
            ("/plugins/{}/log", "/plugins/a/log", Some(Some("a"))),
            (
                "/plugins/{}/log",
                "/plugins/a%2Fb%20%C3%BC/log",
                Some(Some("a/b ü")),
            ),
            ("/plugins/{}/log", "/plugins//log", None),
            ("/plugins/{}/log", "/plugins/a", None),
            ("/plugins/{}/log", "/plugins/a/b/log", None),
            ("/plugins/{}/log", "/plugins/%/log", None),
            ("/plugins/{}/log", "/plugins/%+1/log", None),
            ("/plugins/{}/log", "/plugins/%ff/log", None),
        ];
        for (own, asked, expected) in table {
            let matched = page(own).matches(asked);
            let expected = expected.map(|argument| argument.map(str::to_owned));
            assert_eq!(matched, expected, "{own} {asked}");
        }
    }
}
