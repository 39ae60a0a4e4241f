//! `/ready` and `/live`: for those who decide whether this process gets requests, and whether it is started again.

use crate::admin::answer::{Answer, text};
use crate::admin::router::Call;
use crate::admin::state::Phase;
use http::StatusCode;

/// Whether it takes connections.
pub(super) fn ready(call: &Call) -> Answer {
    let phase = call.state.phase();
    let status = match phase {
        Phase::Serving => StatusCode::OK,
        Phase::Starting | Phase::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, format!("{}\n", phase.name()))
}

/// Whether it runs. Who drains is alive too.
pub(super) fn live(_: &Call) -> Answer {
    text(StatusCode::OK, "alive\n")
}
