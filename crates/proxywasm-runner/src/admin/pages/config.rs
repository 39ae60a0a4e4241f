//! `/config`: the configuration that is in effect, without its secrets.

use crate::admin::answer::{Answer, json};
use crate::admin::router::Call;

pub(super) fn show(call: &Call) -> Answer {
    json(&*call.state.configuration())
}
