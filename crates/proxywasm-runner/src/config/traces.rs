//! Traces in the configuration file.

use super::units::Period;
use crate::trace::TraceSettings;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// Which requests are traced, and where their spans go. It needs a runner with the feature `opentelemetry`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TracesEntry {
    /// The URL of the collector, which takes OTLP over HTTP: `http://HOST:4318/v1/traces`, or one of `https`.
    #[schemars(with = "String")]
    endpoint: Spanned<String>,
    /// Headers that the collector wants, with credentials, say. Default: none.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What this service is called. Default: `proxywasm`.
    service_name: Option<String>,
    /// How many of the requests are traced for which nobody before this proxy has decided it, from 0 to 1. Default: 0.01.
    #[schemars(with = "Option<f64>")]
    ratio: Option<Spanned<f64>>,
    /// Spans that may wait to be sent; what is more is dropped. Default: 4096.
    queue: Option<NonZeroUsize>,
    /// How long the collector may take to answer. Default: 10s.
    timeout: Option<Period>,
}

// === impl TracesEntry ===

impl TracesEntry {
    pub(super) fn settings(&self) -> TraceSettings {
        let default = TraceSettings::new(self.endpoint.value.as_str());
        TraceSettings {
            headers: self.headers.clone().into_iter().collect(),
            service_name: self.service_name.clone().unwrap_or(default.service_name),
            ratio: self.ratio.as_ref().map_or(default.ratio, |ratio| ratio.value),
            queue: self.queue.map_or(default.queue, NonZeroUsize::get),
            timeout: self.timeout.map_or(default.timeout, |period| period.0),
            endpoint: default.endpoint,
        }
    }

    /// What types cannot say.
    pub(super) fn check(&self, location: Location) -> Result<(), (Location, String)> {
        if !cfg!(feature = "opentelemetry") {
            let message = "this runner was built without the feature `opentelemetry`, so it cannot trace";
            return Err((location, message.to_owned()));
        }
        let url = self.endpoint.value.parse::<http::Uri>();
        if !url.is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()) {
            let message = "`endpoint` has to be a URL, `http://HOST:4318/v1/traces` for instance";
            return Err((self.endpoint.referenced, message.to_owned()));
        }
        match &self.ratio {
            Some(ratio) if !(0.0..=1.0).contains(&ratio.value) => {
                Err((ratio.referenced, "`ratio` has to be between 0 and 1".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
