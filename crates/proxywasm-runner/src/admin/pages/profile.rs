//! `/plugins/NAME/profile`: where a plugin spends its time.

use super::plugins::{hex, no_such_plugin};
use crate::admin::answer::{Answer, text, typed};
use crate::admin::router::Call;
use crate::profile::Format;
use http::StatusCode;
use std::pin::Pin;
use std::time::Duration;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    time: Duration,
    format: Format,
}

/// Seconds where nothing is said, and the most.
const SECONDS: u64 = 10;
const MOST_SECONDS: u64 = 60;

/// Takes as long as the profile. Who leaves before that ends it, for then this is dropped.
pub(super) fn take(call: Call) -> Pin<Box<dyn Future<Output = Answer>>> {
    Box::pin(async move {
        let inventory = call.state.inventory();
        let name = call.argument.as_deref().unwrap_or_default();
        let Some(plugin) = inventory.plugins.get(name) else {
            return no_such_plugin();
        };
        let wanted = match Wanted::of(call.query.as_deref().unwrap_or_default()) {
            Ok(wanted) => wanted,
            Err(what) => return text(StatusCode::BAD_REQUEST, what),
        };
        let profiling = match plugin.profile() {
            Ok(profiling) => profiling,
            Err(error) => return text(StatusCode::CONFLICT, format!("{error}\n")),
        };
        tokio::time::sleep(wanted.time).await;
        let profile = profiling.finish();
        let format = wanted.format;
        let sha256 = hex(&plugin.code().hash());
        typed(
            StatusCode::OK,
            format.content_type(),
            format.write(&profile, name, &sha256),
        )
    })
}

// === impl Wanted ===

impl Wanted {
    /// Reads a query; else says what is wrong with it.
    fn of(query: &str) -> Result<Self, &'static str> {
        let mut wanted = Self {
            time: Duration::from_secs(SECONDS),
            format: Format::Pprof,
        };
        for field in query.split('&').filter(|field| !field.is_empty()) {
            match field.split_once('=') {
                Some(("seconds", seconds)) => {
                    let seconds = seconds.parse().ok();
                    let seconds = seconds.filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
                    let seconds = seconds.ok_or("`seconds` has to be a number from 1 to 60\n")?;
                    wanted.time = Duration::from_secs(seconds);
                }
                Some(("format", format)) => {
                    wanted.format = Format::of(format).ok_or("`format` has to be `pprof` or `folded`\n")?;
                }
                _ => return Err("only `seconds` and `format` can be asked for\n"),
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let table: &[(&str, Option<(u64, Format)>)] = &[
            ("", Some((10, Format::Pprof))),
            ("seconds=1", Some((1, Format::Pprof))),
            ("format=folded&seconds=60", Some((60, Format::Folded))),
            ("format=pprof", Some((10, Format::Pprof))),
            ("seconds=0", None),
            ("seconds=61", None),
            ("seconds=-1", None),
            ("seconds=1.5", None),
            ("seconds=99999999999999999999", None),
            ("seconds=", None),
            ("seconds", None),
            ("format=svg", None),
            ("second=1", None),
        ];
        for (query, expected) in table {
            let expected = expected.map(|(seconds, format)| Wanted {
                time: Duration::from_secs(seconds),
                format,
            });
            assert_eq!(Wanted::of(query).ok(), expected, "{query}");
        }
    }
}
