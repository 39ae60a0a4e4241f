//! A configuration file without its secrets, to be shown.
//!
//! It is read as it is written, so that `${NAME}` stays what it is and no value of the environment is seen. Secrets that are written out
//! are known by the names of their fields, also in what plugins get as their configuration, and in URLs by their place.

use serde_json::Value;

const REDACTED: &str = "[redacted]";

/// Fields whose values are secrets: their names have one of these in them. A key of TLS is not one, for it is the name of a file.
const SECRETS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
];

/// What a file says; nothing if it cannot be read without the environment.
pub(super) fn shown(text: &str) -> Value {
    let mut value = serde_saphyr::from_str(text).unwrap_or(Value::Null);
    redact(&mut value);
    value
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_plugin_text =
                    matches!(name.as_str(), "configuration_base64" | "vm_configuration_base64");
                if is_secret(name) || is_plugin_text {
                    *value = Value::from(REDACTED);
                } else if matches!(
                    name.as_str(),
                    "configuration" | "vm_configuration" | "environment"
                ) {
                    redact_configuration(value);
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::String(text) => redact_url(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a plugin gets. A text may be JSON or anything else, of which nothing is known but that it may hold a secret.
fn redact_configuration(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("${") => {
            // What stands for it where it is not set may be one, too.
            if let Some((name, _)) = text.split_once(":-") {
                *text = format!("{name}}}");
            }
        }
        Value::String(text) if !text.is_empty() => {
            *text = format!("[{} bytes of text]", text.len());
        }
        value => redact(value),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|secret| name.contains(secret))
}

/// Takes user and password out of a URL.
fn redact_url(text: &mut String) {
    let Some((scheme, rest)) = text.split_once("://") else {
        return;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    if let Some((_, host)) = authority.rsplit_once('@') {
        let behind = rest.get(end..).unwrap_or_default();
        *text = format!("{scheme}://{REDACTED}@{host}{behind}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_not_shown() {
        let text = r"
listeners:
  - address: 127.0.0.1:80
    tls: { certificate: a.pem, key: a.key }
redis: { url: 'redis://user:hunter2@10.0.0.1:6379/0' }
upstreams: [{ name: a, url: 'http://10.0.0.1:80/x@y' }]
plugins:
  - name: a
    configuration: { api-key: hunter2, limit: 5, nested: [{ Token: hunter2 }], at: 'https://u:hunter2@a.test' }
    environment: { PASSWORD: hunter2 }
  - { name: b, configuration: 'hunter2', vm_configuration_base64: aHVudGVyMg== }
  - { name: c, configuration: '${SECRET}' }
  - name: d
    configuration: ${SECRET:-hunter2}
";
        let value = shown(text);
        let written = value.to_string();
        assert!(
            !written.contains("hunter2") && !written.contains("aHVu"),
            "{written}"
        );
        assert_eq!(
            value["listeners"][0]["tls"],
            json!({ "certificate": "a.pem", "key": "a.key" })
        );
        assert_eq!(value["redis"]["url"], "redis://[redacted]@10.0.0.1:6379/0");
        assert_eq!(value["upstreams"][0]["url"], "http://10.0.0.1:80/x@y");
        assert_eq!(value["plugins"][0]["configuration"]["limit"], 5);
        assert_eq!(value["plugins"][1]["configuration"], "[7 bytes of text]");
        assert_eq!(value["plugins"][2]["configuration"], "${SECRET}");
        assert_eq!(value["plugins"][3]["configuration"], "${SECRET}");
    }
}
