//! `/metrics`: figures, for Prometheus.

use crate::admin::answer::{Answer, typed};
use crate::admin::router::Call;
use http::StatusCode;
use proxywasm_host::METRICS_CONTENT_TYPE;

pub(super) fn show(call: &Call) -> Answer {
    let mut page = call.state.plugin_metrics.render();
    call.state
        .remotes
        .iter()
        .for_each(|remote| remote.write_metrics(&mut page));
    typed(StatusCode::OK, METRICS_CONTENT_TYPE, page)
}
