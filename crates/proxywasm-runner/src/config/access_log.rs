//! Access logs in the configuration file.

use super::routes::Compiled;
use crate::access_log::{AccessLogSettings, DEFAULT_JSON_FIELDS, Format};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where requests, or TCP streams, are logged: a line for each when it is over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessLogEntry {
    /// The file, relative to this one. It is opened again when it was moved, and on SIGUSR1. Default: standard output.
    file: Option<PathBuf>,
    /// What a line is made of: `common`, `combined`, `json`, or a template with `%{FIELD}` for a field and `%%` for a percent sign;
    /// the fields are in OPERATIONS.md. Default: `combined`.
    #[schemars(with = "Option<String>")]
    format: Option<Spanned<String>>,
    /// With `format: json`: the fields of the object. Default: what is usually wanted.
    #[schemars(with = "Option<Vec<String>>")]
    fields: Option<Vec<Spanned<String>>>,
}

/// The format that needs no template.
const JSON: &str = "json";

// === impl AccessLogEntry ===

impl AccessLogEntry {
    /// What it says, or what is wrong with that and where. The file is relative to `folder`.
    pub(super) fn settings(&self, location: Location, folder: &Path) -> Compiled<AccessLogSettings> {
        let format = match (&self.format, &self.fields) {
            (Some(format), fields) if format.value == JSON => match fields {
                None => Format::json(DEFAULT_JSON_FIELDS.iter().copied()),
                Some(fields) => {
                    // One by one first, to tell which is wrong.
                    for field in fields {
                        Format::json([field.value.as_str()])
                            .map_err(|error| (field.referenced, error.to_string()))?;
                    }
                    Format::json(fields.iter().map(|field| field.value.as_str()))
                }
            },
            (_, Some(fields)) => {
                let at = fields.first().map_or(location, |field| field.referenced);
                return Err((at, "`fields` are for `format: json`".to_owned()));
            }
            (Some(format), None) => Format::text(&format.value),
            (None, None) => Format::text("combined"),
        };
        let at = self.format.as_ref().map_or(location, |format| format.referenced);
        Ok(AccessLogSettings {
            file: self.file.as_ref().map(|file| folder.join(file)),
            format: Arc::new(format.map_err(|error| (at, error.to_string()))?),
        })
    }
}
