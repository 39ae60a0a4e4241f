//! The configuration file as a JSON schema, and as a page for people.

use super::Root;
use schemars::Schema;
use serde_json::{Map, Value};
use std::fmt::Write;

const HEAD: &str = "<!-- @generated from the types of the configuration; see ARCHITECTURE.md -->

# Configuration

A file for `proxywasm serve` is YAML or JSON, or TOML where its name ends with `.toml`. `proxywasm check` tells whether one is in order, `proxywasm init` writes one to begin with, and `proxywasm schema`
prints its JSON schema, by which editors help. In values without quotes, `${NAME}` stands for an environment variable, and `${NAME:-default}` for one that may
not be set; `$${NAME}` stands for itself. Names of files are relative to the file.
";

/// The JSON schema of the configuration file.
pub fn schema() -> Schema {
    schemars::schema_for!(Root)
}

/// All fields, as `docs/CONFIGURATION.md` has them.
pub fn reference() -> String {
    let schema = schema().to_value();
    let empty = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    let mut page = HEAD.to_owned();
    // In the order in which they are first referred to.
    let mut names = vec![None];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        next += 1;
        let definition = match &name {
            None => Some(&schema),
            Some(name) => definitions.get(name),
        };
        let Some(definition) = definition else { continue };
        section(&mut page, name.as_deref(), definition);
        for found in references(definition) {
            if !names.contains(&Some(found.clone())) {
                names.push(Some(found));
            }
        }
    }
    page
}

/// What one type is: the fields of a mapping, or the values of a choice.
fn section(page: &mut String, name: Option<&str>, definition: &Value) {
    let title = name.map_or_else(|| "The file".to_owned(), title);
    let _ = write!(page, "\n## {title}\n\n{}\n", description(definition));
    if let Some(fields) = definition.get("properties").and_then(Value::as_object) {
        page.push_str("\n| field | value | meaning |\n|---|---|---|\n");
        let required = definition.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
        let (first, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| is_required(name));
        for (name, field) in first.into_iter().chain(rest) {
            let required = if is_required(name) { "Required. " } else { "" };
            let meaning = description(field);
            let _ = writeln!(page, "| `{name}` | {} | {required}{meaning} |", kind(field));
        }
    }
    if let Some(values) = definition.get("enum").and_then(Value::as_array) {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
        let _ = writeln!(page, "\nOne of `{}`.", values.join("`, `"));
    }
    if let Some(choices) = definition.get("oneOf").and_then(Value::as_array) {
        page.push_str("\n| value | meaning |\n|---|---|\n");
        for choice in choices {
            let values = choice.get("const").into_iter();
            let values = values.chain(choice.get("enum").and_then(Value::as_array).into_iter().flatten());
            for value in values.filter_map(Value::as_str) {
                let _ = writeln!(page, "| `{value}` | {} |", description(choice));
            }
        }
    }
}

/// What a field takes, in a word or a link.
fn kind(field: &Value) -> String {
    let alternatives = ["anyOf", "allOf"]
        .into_iter()
        .find_map(|key| field.get(key)?.as_array());
    if let Some(reference) = reference_of(field) {
        return link(&reference);
    }
    if let Some(alternatives) = alternatives {
        let kinds = alternatives
            .iter()
            .filter(|alternative| alternative.get("type").and_then(Value::as_str) != Some("null"));
        return kinds.map(kind).collect::<Vec<_>>().join(" or ");
    }
    let names = match field.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name.as_str()],
        _ => return "anything".to_owned(),
    };
    let names = names
        .into_iter()
        .filter(|name| *name != "null")
        .map(|name| match name {
            "array" => format!(
                "list of {}",
                field.get("items").map_or_else(|| "anything".to_owned(), kind)
            ),
            "object" => "mapping of texts".to_owned(),
            "string" => "text".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            other => other.to_owned(),
        });
    names.collect::<Vec<_>>().join(" or ")
}

/// The names of all types that a definition refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = reference_of(value).into_iter();
            own.chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn reference_of(value: &Value) -> Option<String> {
    let reference = value.get("$ref")?.as_str()?;
    reference.rsplit('/').next().map(str::to_owned)
}

fn link(name: &str) -> String {
    let title = title(name);
    format!("[{title}](#{})", title.to_lowercase().replace(' ', "-"))
}

/// `HeadersPauseEntry` as `Headers pause`.
fn title(name: &str) -> String {
    let mut title = String::new();
    for letter in name.strip_suffix("Entry").unwrap_or(name).chars() {
        match letter.is_uppercase() && !title.is_empty() {
            true => title.extend([' '].into_iter().chain(letter.to_lowercase())),
            false => title.push(letter),
        }
    }
    title
}

/// In one line, as tables need it.
fn description(value: &Value) -> String {
    let text = value
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `WRITE_CONFIGURATION=1`, writes the page instead.
    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIGURATION.md");
        let page = reference();
        if std::env::var_os("WRITE_CONFIGURATION").is_some() {
            std::fs::write(path, page).unwrap();
        } else {
            let written = std::fs::read_to_string(path).unwrap();
            assert!(
                written == page,
                "docs/CONFIGURATION.md is stale: WRITE_CONFIGURATION=1 cargo test --package proxywasm-runner --lib reference"
            );
        }
    }

    #[test]
    fn everything_is_described() {
        fn check(path: &str, value: &Value) {
            let Some(fields) = value.as_object() else { return };
            let properties = fields.get("properties").and_then(Value::as_object);
            for (name, field) in properties.into_iter().flatten() {
                assert!(!description(field).is_empty(), "{path}.{name} has no description");
            }
            for choice in fields
                .get("oneOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                assert!(
                    choice.get("const").is_some(),
                    "{path}: a choice without description: {choice}"
                );
            }
        }
        let schema = schema().to_value();
        check("", &schema);
        let definitions = schema.get("$defs").and_then(Value::as_object);
        for (name, definition) in definitions.into_iter().flatten() {
            check(name, definition);
            assert!(!description(definition).is_empty(), "{name} has no description");
        }
    }
}
