//! The files of the table.
//!
//! ```text
//! # Subject
//! Text about it.
//!
//! == Title of a case
//! setup: hold_headers                 the runner, see `world.rs`; without it one plugin with default settings
//! config:                             the script of the plugin itself
//!   ...
//! request: POST /path                 what a client sends, see `visit.rs`
//!   x-a: 1
//!   chunk 'abc'
//! probe:                              what the plugin does with this request, see `tests/guests/probe_legacy`
//!   get_header_map_value request_headers 'x-a'
//!   @response_body
//!   return pause
//! report:                             what it must report
//! upstream:                           what the upstreams must get, a line for each request
//! client:                             what the clients must get, a line for each request
//! envoy: what Envoy 1.40 does instead
//! abi: what the text of the ABI says instead
//! why: why it is different here
//! rust: why a status is right on which the SDK for Rust traps
//! ```
//!
//! What belongs to a field stands behind it or, by two spaces, below it. The callbacks that begin and end every stream are left out
//! of `report` where the plugin does nothing in them and they come as they always must: `context_create` first, `done`, `log` and `delete` last.

use crate::outcome::Outcome;
use crate::visit::Visit;
use crate::world::Setup;
use std::fmt::Write;
use std::path::PathBuf;

/// A file.
pub(crate) struct Subject {
    file: String,
    /// What it is called.
    pub(crate) title: String,
    /// What is said before the cases.
    pub(crate) introduction: String,
    pub(crate) cases: Vec<Case>,
}

/// A case.
pub(crate) struct Case {
    /// What it shows.
    pub(crate) title: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    lines: Vec<String>,
}

/// Fields that are text.
const TEXTS: [&str; 4] = ["envoy", "abi", "why", "rust"];
const NAMES: [&str; 12] = [
    "setup", "config", "request", "connect", "probe", "report", "upstream", "client", "envoy", "abi", "why",
    "rust",
];

/// Where the files are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cases"))
}

// === impl Subject ===

impl Subject {
    pub(crate) fn read(file: &str) -> Self {
        let path = folder().join(format!("{file}.txt"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, cases) = text.split_once("\n== ").unwrap_or((&text, ""));
        let (title, introduction) = head.split_once('\n').unwrap_or((head, ""));
        let cases = cases.split("\n== ").filter(|case| !case.trim().is_empty());
        Self {
            file: file.to_owned(),
            title: title.trim_start_matches("# ").to_owned(),
            introduction: introduction.trim().to_owned(),
            cases: cases.map(Case::parse).collect(),
        }
    }

    pub(crate) fn write(&self) {
        let mut text = format!("# {}\n{}\n", self.title, self.introduction);
        for case in &self.cases {
            write!(text, "\n== {}\n", case.title).unwrap();
            for Field { name, lines } in &case.fields {
                let inline = TEXTS.contains(&name.as_str()) || matches!(name.as_str(), "setup" | "request");
                let (first, rest) = match lines.split_first() {
                    Some((first, rest)) if inline => (format!(" {first}"), rest),
                    _ => (String::new(), &lines[..]),
                };
                writeln!(text, "{name}:{first}").unwrap();
                rest.iter().for_each(|line| writeln!(text, "  {line}").unwrap());
            }
        }
        std::fs::write(folder().join(format!("{}.txt", self.file)), text).unwrap();
    }
}

// === impl Case ===

impl Case {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let title = lines.next().unwrap_or_default().to_owned();
        let mut fields: Vec<Field> = Vec::new();
        for line in lines.filter(|line| !line.trim().is_empty()) {
            if let Some(line) = line.strip_prefix("  ") {
                let field = fields.last_mut();
                field
                    .unwrap_or_else(|| panic!("{title}: `{line}` belongs to no field"))
                    .lines
                    .push(line.to_owned());
                continue;
            }
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("{title}: `{line}` is no field"));
            assert!(NAMES.contains(&name), "{title}: no field is called `{name}`");
            let value = value.trim();
            let lines = if value.is_empty() {
                Vec::new()
            } else {
                vec![value.to_owned()]
            };
            fields.push(Field {
                name: name.to_owned(),
                lines,
            });
        }
        Self { title, fields }
    }

    /// The runner that it needs.
    pub(crate) fn setup(&self) -> Setup {
        let config = script(&self.lines("config"));
        let visits = self.visits();
        Setup::parse(
            &self.lines("setup").join(" "),
            &config,
            visits.iter().any(Visit::is_connection),
        )
    }

    /// What clients do.
    pub(crate) fn visits(&self) -> Vec<Visit> {
        let mut visits: Vec<Visit> = Vec::new();
        for field in &self.fields {
            match field.name.as_str() {
                "request" | "connect" => visits.push(Visit::parse(&field.name, &field.lines)),
                "probe" => {
                    visits.last_mut().expect("a request before its script").script = script(&field.lines)
                }
                _ => {}
            }
        }
        visits
    }

    /// What must come of it.
    pub(crate) fn outcome(&self) -> Outcome {
        let [report, upstream, client] = ["report", "upstream", "client"].map(|name| self.lines(name));
        Outcome {
            report,
            upstream,
            client,
        }
    }

    /// Replaces what must come of it.
    pub(crate) fn set_outcome(&mut self, outcome: &Outcome) {
        let parts = [
            ("report", &outcome.report),
            ("upstream", &outcome.upstream),
            ("client", &outcome.client),
        ];
        let is_outcome = |field: &Field| parts.iter().any(|(name, _)| *name == field.name);
        self.fields.retain(|field| !is_outcome(field));
        let at = self
            .fields
            .iter()
            .position(|field| TEXTS.contains(&field.name.as_str()));
        let at = at.unwrap_or(self.fields.len());
        let made = parts
            .into_iter()
            .filter(|(_, lines)| !lines.is_empty())
            .map(|(name, lines)| Field {
                name: name.to_owned(),
                lines: lines.clone(),
            });
        self.fields.splice(at..at, made);
    }

    /// A field of text, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let lines = self.lines(name);
        (!lines.is_empty()).then(|| lines.join(" "))
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let fields = self.fields.iter().filter(|field| field.name == name);
        fields.flat_map(|field| field.lines.iter().cloned()).collect()
    }
}

/// A script as one line, for a header.
fn script(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join("; ")
}
