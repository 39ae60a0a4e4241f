//! The format of pprof: the messages of its `profile.proto` that are needed here, with its numbers of fields.

use prost::Message;
use proxywasm_host::{Profile, Stack};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Proto {
    #[prost(message, repeated, tag = "1")]
    pub(super) sample_types: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) mappings: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    pub(super) locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub(super) functions: Vec<Function>,
    /// Other messages name texts by their places here. The first is empty.
    #[prost(string, repeated, tag = "6")]
    pub(super) strings: Vec<String>,
    #[prost(int64, tag = "9")]
    pub(super) time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub(super) duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub(super) period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub(super) period: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    /// The innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub(super) locations: Vec<u64>,
    /// In the order of the sample types.
    #[prost(int64, repeated, tag = "2")]
    pub(super) values: Vec<i64>,
}

/// The code.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "5")]
    pub(super) file: i64,
    #[prost(int64, tag = "6")]
    pub(super) build: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Location {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, tag = "2")]
    mapping: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Line {
    #[prost(uint64, tag = "1")]
    pub(super) function: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Function {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(int64, tag = "2")]
    pub(super) name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
}

/// Texts, by their places.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    places: HashMap<String, i64>,
}

/// The only mapping.
const CODE: u64 = 1;

pub(super) fn write(profile: &Profile, plugin: &str, sha256: &str) -> Vec<u8> {
    of(profile, plugin, sha256).encode_to_vec()
}

fn of(profile: &Profile, plugin: &str, sha256: &str) -> Proto {
    let mut strings = Strings::default();
    strings.place("");
    let samples = ValueType {
        kind: strings.place("samples"),
        unit: strings.place("count"),
    };
    let processor = ValueType {
        kind: strings.place("cpu"),
        unit: strings.place("nanoseconds"),
    };
    let mapping = Mapping {
        id: CODE,
        file: strings.place(plugin),
        build: strings.place(sha256),
        has_functions: true,
    };
    let mut functions = HashMap::new();
    let (mut locations, mut named) = (Vec::new(), Vec::new());
    let mut location = |name: &str| {
        let next = functions.len() as u64 + 1;
        let id = *functions.entry(strings.place(name)).or_insert(next);
        if id == next {
            let name = strings.place(name);
            named.push(Function {
                id,
                name,
                system_name: name,
            });
            locations.push(Location {
                id,
                mapping: CODE,
                lines: vec![Line { function: id }],
            });
        }
        id
    };
    let mut sample = |stack: &Stack| {
        let time = nanos(profile.period).saturating_mul(count(stack.samples));
        Sample {
            locations: stack.frames.iter().rev().map(|name| location(name)).collect(),
            values: vec![count(stack.samples), time],
        }
    };
    let sampled = profile.stacks.iter().map(&mut sample).collect();
    let started = profile.started.duration_since(SystemTime::UNIX_EPOCH);
    Proto {
        sample_types: vec![samples, processor],
        samples: sampled,
        mappings: vec![mapping],
        locations,
        functions: named,
        strings: strings.all,
        time_nanos: nanos(started.unwrap_or_default()),
        duration_nanos: nanos(profile.duration),
        period_type: Some(processor),
        period: nanos(profile.period),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

// === impl Strings ===

impl Strings {
    fn place(&mut self, text: &str) -> i64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = count(self.all.len() as u64);
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}
