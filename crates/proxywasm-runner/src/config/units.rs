//! Sizes and durations as people write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A number of bytes: a plain number, or one with `KiB`, `MiB` or `GiB` (also `KB`, `MB`, `GB`, which mean thousands).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

/// A duration: a whole number with `us`, `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

/// A duration, or `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

/// The longest duration: a hundred years, so that any moment of now can be added to it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

const SIZES: &[(&str, usize)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("B", 1),
    ("", 1),
];

// === impl JsonSchema ===

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: a plain number, or one with `KiB`, `MiB` or `GiB` (also `KB`, `MB`, `GB`, which mean thousands).",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": r"^\s*[0-9]+\s*(B|KiB|MiB|GiB|KB|MB|GB)?$" },
            ],
        })
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: a whole number with `us`, `ms`, `s`, `m` or `h`; not 0.",
            "type": "string",
            "pattern": r"^\s*0*[1-9][0-9]*\s*(us|ms|s|m|h)$",
        })
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: a whole number with `us`, `ms`, `s`, `m` or `h`, not 0; or `never`.",
            "type": "string",
            "pattern": r"^\s*(0*[1-9][0-9]*\s*(us|ms|s|m|h)|never)\s*$",
        })
    }
}

// === impl Size ===

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
        usize::try_from(number).ok()?.checked_mul(*factor).map(Self)
    }
}

// === impl Period ===

impl Period {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let duration = match unit {
            "us" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        (!duration.is_zero() && duration <= LONGEST).then_some(Self(duration))
    }
}

// === impl Limit ===

impl Limit {
    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "never" => Some(Self(None)),
            text => Period::parse(text).map(|period| Self(Some(period.0))),
        }
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 65536, `64 KiB` or `1 MiB`")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Size, E> {
        usize::try_from(value)
            .map(Size)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Size, E> {
        usize::try_from(value)
            .map(Size)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `200ms`, `5s` or `1m`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
        Period::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PeriodVisitor)
    }
}

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `200ms`, `5s` or `1m`, or `never`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
        Limit::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LimitVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            ("0", Some(0)),
            ("512", Some(512)),
            ("64KiB", Some(64 << 10)),
            ("1 MiB", Some(1 << 20)),
            ("2 GB", Some(2_000_000_000)),
            ("1.5 MiB", None),
            ("-1", None),
            ("1 mib", None),
            ("99999999999999999999", None),
            ("99999999999999999 GiB", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(Size::parse(text), expected.map(Size), "{text:?}");
        }
    }

    #[test]
    fn periods() {
        let table = [
            ("200ms", Some(Duration::from_millis(200))),
            ("50 us", Some(Duration::from_micros(50))),
            ("5s", Some(Duration::from_secs(5))),
            ("2m", Some(Duration::from_secs(120))),
            ("1h", Some(Duration::from_secs(3600))),
            ("5", None),
            ("0s", None),
            ("s", None),
            ("876000h", Some(LONGEST)),
            ("876001h", None),
            ("18446744073709551615h", None),
            ("never", None),
        ];
        for (text, expected) in table {
            assert_eq!(Period::parse(text), expected.map(Period), "{text:?}");
            if text != "never" {
                let limit = expected.map(|period| Limit(Some(period)));
                assert_eq!(Limit::parse(text), limit, "{text:?}");
            }
        }
        for text in ["never", " never "] {
            assert_eq!(Limit::parse(text), Some(Limit(None)), "{text:?}");
        }
    }
}
