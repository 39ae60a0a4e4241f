//! `/metrics`: figures, for Prometheus.

use crate::admin::answer::{Answer, typed};
use crate::admin::router::Call;
use crate::admin::state::Phase;
use http::StatusCode;
use proxywasm_host::METRICS_CONTENT_TYPE;

pub(super) fn show(call: &Call) -> Answer {
    let state = &call.state;
    let serving = state.phase() == Phase::Serving;
    let mut page = state.figures.render(&state.inventory().upstreams, serving);
    page.push_str(&state.plugin_metrics.render());
    state
        .remotes
        .iter()
        .for_each(|remote| remote.write_metrics(&mut page));
    typed(StatusCode::OK, METRICS_CONTENT_TYPE, page)
}
