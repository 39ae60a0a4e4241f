//! Configuration files in TOML.

use super::Diagnostic;
use std::path::{Path, PathBuf};

/// The same in YAML, and what that is called in messages: they show lines of the YAML, not of the file.
pub(super) fn as_yaml(path: &Path, text: &str) -> Result<(PathBuf, String), Diagnostic> {
    let value: serde_json::Value = ::toml::from_str(text).map_err(|error: ::toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        match before {
            Some(before) => Diagnostic::after(path, text, before, error.message()),
            None => Diagnostic::whole(path, error.message()),
        }
    })?;
    let yaml = serde_saphyr::to_string(&value)
        .map_err(|error| Diagnostic::whole(path, format!("cannot be written as YAML: {error}")))?;
    Ok((PathBuf::from(format!("{} (as YAML)", path.display())), yaml))
}
