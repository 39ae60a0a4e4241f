//! Which servers of an upstream are used, in the configuration file.

use crate::cluster::{Ejection, HealthCheck, HttpCheck};
use crate::config::routes::Compiled;
use crate::config::units::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::num::NonZeroU32;

/// `health_check` of an upstream: what servers are asked again and again. Those that do not answer get no requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheckEntry {
    /// The path of a `GET` that has to be answered with a status from 200 to 299. Default: none, and a connection is enough.
    #[schemars(with = "Option<String>")]
    path: Option<Spanned<String>>,
    /// The `host` of that request. Default: the server's address.
    #[schemars(with = "Option<String>")]
    host: Option<Spanned<String>>,
    /// The time between the checks of a server. Default: `5s`.
    interval: Option<Period>,
    /// How long one may take. Default: `1s`.
    #[schemars(with = "Option<Period>")]
    timeout: Option<Spanned<Period>>,
    /// After how many failures in a row a server is left out; the first check alone decides about a new one. Default: `3`.
    unhealthy_after: Option<NonZeroU32>,
    /// After how many successes in a row it is used again. Default: `2`.
    healthy_after: Option<NonZeroU32>,
}

/// `ejection` of an upstream: servers that fail requests in a row are left out for a while. To fail is to give no connection, no
/// response, or one with status 502, 503 or 504.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EjectionEntry {
    /// After how many failures; 0 for never. Default: `5`.
    failures: Option<u32>,
    /// For how long; the second time in a row twice as long, and so on, up to ten times. Default: `10s`.
    time: Option<Period>,
}

// === impl HealthCheckEntry ===

impl HealthCheckEntry {
    pub(super) fn compile(&self) -> Compiled<HealthCheck> {
        let default = HealthCheck::default();
        let check = HealthCheck {
            http: self.http()?,
            interval: self.interval.map_or(default.interval, |period| period.0),
            timeout: self
                .timeout
                .as_ref()
                .map_or(default.timeout, |period| period.value.0),
            unhealthy_after: self
                .unhealthy_after
                .map_or(default.unhealthy_after, NonZeroU32::get),
            healthy_after: self.healthy_after.map_or(default.healthy_after, NonZeroU32::get),
        };
        match &self.timeout {
            Some(timeout) if check.timeout > check.interval => {
                let message = "a check may not take longer than `interval`";
                Err((timeout.referenced, message.to_owned()))
            }
            _ => Ok(HealthCheck {
                timeout: check.timeout.min(check.interval),
                ..check
            }),
        }
    }

    fn http(&self) -> Compiled<Option<HttpCheck>> {
        let Some(path) = &self.path else {
            return match &self.host {
                None => Ok(None),
                Some(host) => Err((
                    host.referenced,
                    "`host` of a health check needs a `path`".to_owned(),
                )),
            };
        };
        if !path.value.starts_with('/') || http::uri::PathAndQuery::try_from(path.value.as_str()).is_err() {
            let message = format!("`{}` is no path: it has to begin with `/`", path.value);
            return Err((path.referenced, message));
        }
        Ok(Some(HttpCheck {
            path: path.value.clone(),
            host: self.host.as_ref().map(|host| host.value.clone()),
        }))
    }
}

// === impl EjectionEntry ===

impl EjectionEntry {
    pub(super) fn settings(&self) -> Option<Ejection> {
        let default = Ejection::default();
        let failures = self.failures.unwrap_or(default.failures);
        (failures > 0).then(|| Ejection {
            failures,
            time: self.time.map_or(default.time, |period| period.0),
        })
    }
}
