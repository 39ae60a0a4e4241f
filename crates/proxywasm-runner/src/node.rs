//! What plugins can ask about the process: the properties of `node`.

use proxywasm_host::{PropertyPath, PropertySource, PropertyValue};
use serde_json::{Map, Value};

/// Who this runner is among others, as the property `node`.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Its name: `node.id`.
    pub id: Option<String>,
    /// The name of the service that it is part of: `node.cluster`.
    pub cluster: Option<String>,
    /// Anything else: `node.metadata` and what is below.
    pub metadata: Map<String, Value>,
}

impl PropertySource for Node {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        let mut segments = path.segments();
        if segments.next()? != b"node" {
            return None;
        }
        let text = |text: &Option<String>| text.clone().map(PropertyValue::from);
        let name = segments.next()?;
        let mut segments = segments.peekable();
        match name {
            b"id" if segments.peek().is_none() => text(&self.id),
            b"cluster" if segments.peek().is_none() => text(&self.cluster),
            b"metadata" if segments.peek().is_none() => {
                (!self.metadata.is_empty()).then(|| members(&self.metadata))
            }
            b"metadata" => {
                let first = std::str::from_utf8(segments.next()?).ok()?;
                let mut value = self.metadata.get(first)?;
                for name in segments {
                    value = value.get(std::str::from_utf8(name).ok()?)?;
                }
                Some(property(value))
            }
            _ => None,
        }
    }
}

/// A value as the field of a protocol buffer `Struct` has it, whose numbers are all floating-point. The elements of a list are the names of a
/// map.
fn property(value: &Value) -> PropertyValue {
    match value {
        Value::Null => PropertyValue::Opaque(Vec::new()),
        Value::Bool(value) => PropertyValue::Bool(*value),
        Value::Number(number) => PropertyValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => PropertyValue::from(text.as_str()),
        Value::Array(elements) => {
            let element = |element| (property(element).into_bytes(), PropertyValue::from(""));
            PropertyValue::Struct(elements.iter().map(element).collect())
        }
        Value::Object(object) => members(object),
    }
}

fn members(object: &Map<String, Value>) -> PropertyValue {
    let member = |(name, value): (&String, &Value)| (name.clone().into_bytes(), property(value));
    PropertyValue::Struct(object.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let metadata = r#"{"a": "x", "n": 1.5, "b": true, "o": {"p": {"q": 2}}, "l": ["e"], "none": null}"#;
        let node = Node {
            id: Some("one".to_owned()),
            cluster: None,
            metadata: serde_json::from_str(metadata).unwrap(),
        };
        let table: [(&str, Option<PropertyValue>); 13] = [
            ("node\0id", Some("one".into())),
            ("node\0id\0x", None),
            ("node\0cluster", None),
            ("node\0metadata\0a", Some("x".into())),
            ("node\0metadata\0a\0b", None),
            ("node\0metadata\0n", Some(PropertyValue::Double(1.5))),
            ("node\0metadata\0b", Some(PropertyValue::Bool(true))),
            ("node\0metadata\0o\0p\0q", Some(PropertyValue::Double(2.0))),
            ("node\0metadata\0none", Some(PropertyValue::Opaque(vec![]))),
            (
                "node\0metadata\0l",
                Some(PropertyValue::Struct(vec![(b"e".to_vec(), "".into())])),
            ),
            ("node\0metadata\0missing", None),
            ("node", None),
            ("other\0id", None),
        ];
        for (path, expected) in table {
            assert_eq!(
                node.property(PropertyPath::new(path.as_bytes())),
                expected,
                "{path:?}"
            );
        }
        let all = node.property(PropertyPath::new(b"node\0metadata"));
        assert!(matches!(all, Some(PropertyValue::Struct(members)) if members.len() == 6));
    }
}
