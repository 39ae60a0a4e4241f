//! `POST /drain`: has the process drain and end.

use crate::admin::answer::{Answer, text};
use crate::admin::router::Call;
use http::StatusCode;
use std::pin::Pin;

/// The same as SIGTERM, but that a signal that comes afterwards is the first one.
pub(super) fn begin(call: Call) -> Pin<Box<dyn Future<Output = Answer>>> {
    call.state.drain.ask();
    Box::pin(std::future::ready(text(StatusCode::ACCEPTED, "draining\n")))
}
