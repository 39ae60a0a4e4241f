//! How connections of HTTP end that should not have, and what is noted of that.

use super::client_io::Meter;
use crate::driver::{Client, Observer, Recording};
use crate::figures::BadEnd;
use h2::Reason;
use http::StatusCode;
use std::io;
use std::rc::Rc;
use std::time::Instant;

/// Notes that a connection has failed, and of what is no request that it came and how it was answered.
pub(super) fn note(observer: &Rc<Observer>, client: &Client, meter: &Meter, error: &hyper::Error) {
    let end = match meter.is_flooded() {
        true => Some(BadEnd::Flood),
        false => bad_end(error),
    };
    let Some(end) = end else { return };
    observer.figures.bad_ends.add(end);
    if end == BadEnd::Malformed {
        let began = meter.heard().unwrap_or_else(Instant::now);
        Recording::of_malformed(observer, client.properties(), began, answer(error));
    }
}

/// Why a connection ended, unless it is nobody's fault or the stream's, which tells of it.
fn bad_end(error: &hyper::Error) -> Option<BadEnd> {
    if error.is_parse() {
        return Some(BadEnd::Malformed);
    }
    if error.is_timeout() {
        return Some(BadEnd::Timeout);
    }
    let source = std::error::Error::source(error);
    if let Some(error) = source.and_then(|source| source.downcast_ref::<h2::Error>()) {
        return match error.reason() {
            None => Some(BadEnd::BrokeOff),
            Some(Reason::NO_ERROR | Reason::CANCEL) => None,
            Some(Reason::ENHANCE_YOUR_CALM) if !error.is_remote() => Some(BadEnd::Flood),
            Some(_) => Some(BadEnd::Protocol),
        };
    }
    let broke_off = error.is_incomplete_message() || source.is_some_and(|source| source.is::<io::Error>());
    broke_off.then_some(BadEnd::BrokeOff)
}

/// What the codec has answered to what is no request.
fn answer(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_version_h2() {
        return None;
    }
    Some(match error.is_parse_too_large() {
        false => StatusCode::BAD_REQUEST,
        // It tells them apart by nothing else.
        true if error.to_string().contains("URI") => StatusCode::URI_TOO_LONG,
        true => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    })
}
