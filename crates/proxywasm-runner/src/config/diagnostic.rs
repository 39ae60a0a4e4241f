//! Messages that point into the configuration file.

use serde_saphyr::Location;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration, and where.
///
/// Its text is `FILE:LINE:COLUMN: message`, followed by the line and a caret below the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    file: PathBuf,
    position: Option<Position>,
    message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    line: usize,
    column: usize,
    text: String,
}

// === impl Diagnostic ===

impl Diagnostic {
    /// A message about the file as a whole.
    pub(crate) fn whole(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
            message: message.into(),
        }
    }

    /// A message about a place in `text`, the content of the file.
    pub(crate) fn at(file: &Path, text: &str, location: Location, message: impl Into<String>) -> Self {
        let line = usize::try_from(location.line()).unwrap_or(0);
        let column = usize::try_from(location.column()).unwrap_or(0);
        let position = text.lines().nth(line.wrapping_sub(1)).map(|text| Position {
            line,
            column: column.max(1),
            text: text.to_owned(),
        });
        Self {
            position,
            ..Self::whole(file, message)
        }
    }

    /// A message about the place in `text` where `before` ends.
    pub(crate) fn after(file: &Path, text: &str, before: &str, message: impl Into<String>) -> Self {
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let position = text.lines().nth(line).map(|text| Position {
            line: line + 1,
            column: column + 1,
            text: text.to_owned(),
        });
        Self {
            position,
            ..Self::whole(file, message)
        }
    }

    /// What the YAML parser found.
    pub(crate) fn from_yaml(file: &Path, text: &str, error: &serde_saphyr::Error) -> Self {
        // The parser's own rendering repeats the position, which is told once here.
        let plain = error.without_snippet();
        let message = plain.to_string();
        match plain.location().filter(|location| *location != Location::UNKNOWN) {
            Some(location) => {
                let suffix = format!(" at line {}, column {}", location.line(), location.column());
                let message = message.strip_suffix(&suffix).unwrap_or(&message);
                Self::at(file, text, location, format!("{message}{}", suggestion(plain)))
            }
            None => Self::whole(file, message),
        }
    }
}

/// The name that was meant, if a name is not known and one that is known looks like it.
fn suggestion(error: &serde_saphyr::Error) -> String {
    let (serde_saphyr::Error::SerdeUnknownField {
        field: name,
        expected,
        ..
    }
    | serde_saphyr::Error::SerdeUnknownVariant {
        variant: name,
        expected,
        ..
    }) = error
    else {
        return String::new();
    };
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    let nearest = expected.iter().min_by_key(distance);
    // A third of its letters may be wrong.
    nearest
        .filter(|known| distance(known) <= known.len().div_ceil(3))
        .map(|known| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        let Some(Position { line, column, text }) = &self.position else {
            return write!(f, ": {}", self.message);
        };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands below its column however wide they are shown.
        let indent: String = text
            .chars()
            .take(column - 1)
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        write!(
            f,
            ":{line}:{column}: {}\n{margin} |\n{number} | {text}\n{margin} | {indent}^",
            self.message
        )
    }
}

impl std::error::Error for Diagnostic {}
