//! `/log_level`: which messages of plugins are written.

use crate::admin::answer::{Answer, text};
use crate::admin::router::Call;
use http::StatusCode;
use proxywasm_host::LogLevel;

/// The levels by name, as configuration files have them.
const LEVELS: [(&str, LogLevel); 6] = [
    ("trace", LogLevel::Trace),
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
    ("critical", LogLevel::Critical),
];

pub(super) fn show(call: &Call) -> Answer {
    let level = call.state.overrides.borrow().log_level;
    text(
        StatusCode::OK,
        format!("{}\n", level.map_or("as configured", name_of)),
    )
}

pub(super) fn set(call: &Call) -> Answer {
    let asked = call.body.trim_ascii();
    let level = LEVELS
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(asked));
    let Some((name, level)) = level else {
        let names = LEVELS.map(|(name, _)| name).join(", ");
        return text(
            StatusCode::BAD_REQUEST,
            format!("the body has to be one of {names}\n"),
        );
    };
    crate::log::set_plugin_level(*level);
    call.state
        .overrides
        .send_modify(|overrides| overrides.log_level = Some(*level));
    text(StatusCode::OK, format!("{name}\n"))
}

pub(super) fn name_of(level: LogLevel) -> &'static str {
    let known = LEVELS.iter().find(|(_, of)| *of == level);
    known.map_or("", |(name, _)| name)
}
