//! `google.protobuf.Any`, in which Envoy's files have everything that an extension defines.

use super::node::{Fields, Node};
use serde_json::Value;

/// A message of some type.
pub(super) struct Typed {
    /// The type, without what stands before the last slash of its URL.
    pub(super) kind: String,
    pub(super) message: Fields,
}

/// What a plugin, or its instance, reads as its configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    /// A text, or what becomes JSON.
    pub(super) value: Option<Value>,
    /// Bytes.
    pub(super) base64: Option<String>,
}

/// Control planes write messages of types that they do not know as structures, in one of these.
const WRAPPERS: [&str; 2] = ["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"];

/// Unpacks a message, also where it stands in a [wrapper](WRAPPERS).
pub(super) fn unpack(node: Node) -> Option<Typed> {
    let mut message = node.fields()?;
    let Some(kind) = message.text("@type") else {
        message.note("its `@type` is missing, so nobody knows what it is");
        return None;
    };
    let kind = last_of(&kind);
    if !WRAPPERS.contains(&kind.as_str()) {
        return Some(Typed { kind, message });
    }
    let Some(kind) = message.text("type_url") else {
        message.note("its `type_url` is missing, so nobody knows what it is");
        return None;
    };
    Some(Typed {
        kind: last_of(&kind),
        message: message.fields("value")?,
    })
}

/// The configuration of a plugin: Envoy hands on the content of a `StringValue` or `BytesValue`, and a `Struct` as JSON.
pub(super) fn configuration(node: Node) -> Configuration {
    // Versions before 3 had a text there.
    if node.value().is_string() {
        return Configuration {
            value: Some(node.json()),
            ..Configuration::default()
        };
    }
    let Some(Typed { kind, mut message }) = unpack(node) else {
        return Configuration::default();
    };
    let mut value = || message.take("value");
    match kind.as_str() {
        "google.protobuf.StringValue" => Configuration {
            value: value().and_then(Node::text).map(Value::String),
            base64: None,
        },
        "google.protobuf.BytesValue" => Configuration {
            value: None,
            base64: value().and_then(Node::text),
        },
        // In a wrapper it has its fields at once.
        "google.protobuf.Struct" => Configuration {
            value: Some(match value() {
                Some(value) => value.json(),
                None => message.into_node().json(),
            }),
            base64: None,
        },
        "google.protobuf.Empty" => Configuration::default(),
        _ => {
            message.into_node().leave_out(format_args!(
                "a plugin would read it as a Protobuf message of type `{kind}`, which cannot be encoded here; give the plugin \
                 its bytes as `configuration_base64`"
            ));
            Configuration::default()
        }
    }
}

fn last_of(url: &str) -> String {
    url.rsplit('/').next().unwrap_or(url).to_owned()
}
