//! A walk over a file in which nothing gets lost: what nobody takes out of it is reported when it is dropped.

use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// Something in the file that was not imported, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it is: `static_resources.listeners[0].name`.
    pub path: String,
    /// What became of it.
    pub what: String,
}

/// What is told of one file.
#[derive(Clone, Default)]
pub(super) struct Notes(Rc<RefCell<Vec<Note>>>);

/// A value and where it is. Dropped while it still has its value, it is reported as left out.
pub(super) struct Node {
    path: String,
    value: Value,
    notes: Notes,
}

/// The fields of a Protobuf message. Those that are still there when it is dropped are reported as left out.
pub(super) struct Fields {
    path: String,
    fields: Map<String, Value>,
    notes: Notes,
}

const LEFT_OUT: &str = "left out";

// === impl Notes ===

impl Notes {
    pub(super) fn push(&self, path: &str, what: impl Into<String>) {
        self.0.borrow_mut().push(Note {
            path: path.to_owned(),
            what: what.into(),
        });
    }

    /// All that was told.
    pub(super) fn take(&self) -> Vec<Note> {
        self.0.take()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

// === impl Node ===

impl Node {
    /// The whole file.
    pub(super) fn root(value: Value, notes: Notes) -> Self {
        Self {
            path: String::new(),
            value,
            notes,
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Its value, which stays.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// Leaves it out, for a reason.
    pub(super) fn leave_out(mut self, why: impl fmt::Display) {
        self.value = Value::Null;
        self.notes.push(&self.path, format!("{LEFT_OUT}: {why}"));
    }

    /// Takes note of it: it is imported.
    pub(super) fn used(mut self) {
        self.value = Value::Null;
    }

    /// Its value as it is.
    pub(super) fn json(mut self) -> Value {
        std::mem::take(&mut self.value)
    }

    /// A text; numbers are texts too, since people write them without quotes.
    pub(super) fn text(self) -> Option<String> {
        match &self.value {
            Value::String(_) | Value::Number(_) => match self.json() {
                Value::String(text) => Some(text),
                number => Some(number.to_string()),
            },
            _ => {
                self.leave_out("a text is expected");
                None
            }
        }
    }

    /// A yes or no. Protobuf's JSON writes the wrapped kind the same way.
    pub(super) fn flag(self) -> Option<bool> {
        let flag = self.value.as_bool();
        match flag {
            Some(_) => self.used(),
            None => self.leave_out("`true` or `false` is expected"),
        }
        flag
    }

    /// The fields of a message, under their names in the definition: JSON may spell them `fieldName`.
    pub(super) fn fields(mut self) -> Option<Fields> {
        match std::mem::take(&mut self.value) {
            Value::Object(fields) => Some(Fields {
                path: self.path.clone(),
                fields,
                notes: self.notes.clone(),
            }),
            other => {
                self.value = other;
                self.leave_out("a mapping is expected");
                None
            }
        }
    }

    /// The entries of a map, whose keys are data.
    pub(super) fn entries(self) -> Vec<(String, Node)> {
        let Some(mut fields) = self.fields() else {
            return Vec::new();
        };
        let entries = std::mem::take(&mut fields.fields);
        let entries = entries.into_iter();
        entries
            .map(|(key, value)| {
                let node = fields.node(&key, value);
                (key, node)
            })
            .collect()
    }

    /// The elements of a list.
    pub(super) fn items(mut self) -> Vec<Node> {
        match std::mem::take(&mut self.value) {
            Value::Array(values) => {
                let nodes = values.into_iter().enumerate();
                nodes
                    .map(|(index, value)| Self {
                        path: format!("{}[{index}]", self.path),
                        value,
                        notes: self.notes.clone(),
                    })
                    .collect()
            }
            other => {
                self.value = other;
                self.leave_out("a list is expected");
                Vec::new()
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.value.is_null() {
            self.notes.push(&self.path, LEFT_OUT);
        }
    }
}

// === impl Fields ===

impl Fields {
    /// Tells something about the message.
    pub(super) fn note(&self, what: impl Into<String>) {
        self.notes.push(&self.path, what);
    }

    /// Whether nothing is left that was not taken out.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.values().all(Value::is_null)
    }

    /// Takes a field out, if it is set.
    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let value = self.fields.remove_entry(name);
        let (name, value) = value.or_else(|| self.fields.remove_entry(&camel_case(name)))?;
        (!value.is_null()).then(|| self.node(&name, value))
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name)?.text()
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.flag()
    }

    pub(super) fn fields(&mut self, name: &str) -> Option<Fields> {
        self.take(name)?.fields()
    }

    /// The elements of a list; none where it is not set.
    pub(super) fn items(&mut self, name: &str) -> Vec<Node> {
        self.take(name).map(Node::items).unwrap_or_default()
    }

    /// Takes a field out that says nothing of its own.
    pub(super) fn skip(&mut self, name: &str) {
        if let Some(node) = self.take(name) {
            node.used();
        }
    }

    /// All fields but one, under the message's own path: a message is unpacked in its place.
    pub(super) fn into_node(mut self) -> Node {
        Node {
            path: self.path.clone(),
            value: Value::Object(std::mem::take(&mut self.fields)),
            notes: self.notes.clone(),
        }
    }

    fn node(&self, name: &str, value: Value) -> Node {
        let path = match (self.path.as_str(), is_plain(name)) {
            ("", _) => name.to_owned(),
            (path, true) => format!("{path}.{name}"),
            (path, false) => format!("{path}[{name:?}]"),
        };
        Node {
            path,
            value,
            notes: self.notes.clone(),
        }
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        for (name, value) in std::mem::take(&mut self.fields) {
            drop(self.node(&name, value));
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'@')
}

/// `field_name` as `fieldName`.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::new();
    for letter in name.chars() {
        match (letter, upper) {
            ('_', _) => upper = true,
            (letter, true) => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            (letter, false) => camel.push(letter),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_gets_lost() {
        let notes = Notes::default();
        let file = json!({
            "taken": "a", "fieldName": 1, "rest": { "a": 1 }, "null": null,
            "list": [{ "a": true, "b": 1 }, "text"], "map": { "a b": "c" },
        });
        {
            let mut fields = Node::root(file, notes.clone()).fields().unwrap();
            assert_eq!(fields.text("taken").as_deref(), Some("a"));
            assert_eq!(fields.text("field_name").as_deref(), Some("1"));
            assert!(fields.take("null").is_none() && fields.take("other").is_none());
            for item in fields.items("list") {
                let mut fields = item.fields();
                assert_eq!(
                    fields.as_mut().and_then(|fields| fields.flag("a")),
                    fields.is_some().then_some(true)
                );
            }
            let map = fields.take("map").unwrap();
            assert_eq!(map.entries().len(), 1);
        }
        let told: Vec<_> = notes.take().iter().map(ToString::to_string).collect();
        let expected = [
            "list[0].b: left out",
            "list[1]: left out: a mapping is expected",
            "map[\"a b\"]: left out",
            "rest: left out",
        ];
        assert_eq!(told, expected);
    }
}
