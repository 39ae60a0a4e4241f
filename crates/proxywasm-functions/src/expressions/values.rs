//! Properties to values of expressions, and these to bytes.

use cel::Value;
use cel::objects::{Key, Map};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use wasi_common::PropertyValue;
use wasi_ffi::FunctionError;

/// A property as an expression sees it. Text that is not UTF-8 comes with replacement characters; the values of a header with several are
/// joined by commas.
pub(super) fn to_cel(value: PropertyValue) -> Value {
    match value {
        PropertyValue::Bytes(text) => text_value(&text),
        PropertyValue::Opaque(bytes) => Value::Bytes(Arc::new(bytes)),
        PropertyValue::Int(value) => Value::Int(value),
        PropertyValue::Uint(value) => Value::UInt(value),
        PropertyValue::Double(value) => Value::Float(value),
        PropertyValue::Bool(value) => Value::Bool(value),
        PropertyValue::Timestamp(time) => Value::Timestamp(DateTime::<Utc>::from(time).fixed_offset()),
        PropertyValue::Duration(duration) => Value::Duration(time_delta(duration)),
        PropertyValue::Map(map) => {
            let mut joined: HashMap<Key, Vec<u8>> = HashMap::new();
            for (name, value) in map.iter() {
                joined
                    .entry(key(name))
                    .and_modify(|values| {
                        values.push(b',');
                        values.extend_from_slice(value);
                    })
                    .or_insert_with(|| value.to_vec());
            }
            let members = joined.into_iter().map(|(name, value)| (name, text_value(&value)));
            map_value(members.collect())
        }
        PropertyValue::Struct(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| (key(&name), to_cel(value)));
            map_value(members.collect())
        }
    }
}

/// The bytes of a value: those that a property of its type has. A list is a map whose keys are its elements, as with Envoy.
///
/// # Errors
/// It is a type, or anything else that no property is.
pub(super) fn to_bytes(value: &Value) -> Result<Vec<u8>, FunctionError> {
    from_cel(value, MAX_DEPTH).map(PropertyValue::into_bytes)
}

/// How deep lists and maps may be nested in what is returned.
const MAX_DEPTH: usize = 64;

fn from_cel(value: &Value, depth: usize) -> Result<PropertyValue, FunctionError> {
    let unreadable = |what: &str| FunctionError::Failed(format!("plugins cannot read {what}"));
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| unreadable("values that are so deep"))?;
    Ok(match value {
        Value::Null => PropertyValue::Opaque(Vec::new()),
        Value::String(text) => PropertyValue::Bytes(text.as_bytes().to_vec()),
        Value::Bytes(bytes) => PropertyValue::Opaque(bytes.to_vec()),
        Value::Int(value) => PropertyValue::Int(*value),
        Value::UInt(value) => PropertyValue::Uint(*value),
        Value::Float(value) => PropertyValue::Double(*value),
        Value::Bool(value) => PropertyValue::Bool(*value),
        Value::Timestamp(time) => PropertyValue::Int(time.timestamp_nanos_opt().unwrap_or(i64::MAX)),
        Value::Duration(duration) => PropertyValue::Int(duration.num_nanoseconds().unwrap_or(i64::MAX)),
        Value::List(list) => {
            let element = |element| Ok((from_cel(element, depth)?.into_bytes(), PropertyValue::from("")));
            PropertyValue::Struct(list.iter().map(element).collect::<Result<_, FunctionError>>()?)
        }
        Value::Map(map) => {
            let member = |(key, value): (&Key, &Value)| match key {
                Key::String(name) => Ok((name.as_bytes().to_vec(), from_cel(value, depth)?)),
                _ => Err(unreadable("maps with keys that are no text")),
            };
            let members = map.map.iter().map(member);
            let mut members: Vec<_> = members.collect::<Result<_, FunctionError>>()?;
            members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            PropertyValue::Struct(members)
        }
        Value::Function(..) | Value::Opaque(_) | Value::Struct(_) => {
            return Err(unreadable("a value of this type"));
        }
    })
}

fn text_value(text: &[u8]) -> Value {
    Value::String(Arc::new(String::from_utf8_lossy(text).into_owned()))
}

fn key(name: &[u8]) -> Key {
    Key::String(Arc::new(String::from_utf8_lossy(name).into_owned()))
}

fn map_value(map: HashMap<Key, Value>) -> Value {
    Value::Map(Map { map: Arc::new(map) })
}

fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
