//! Parity: each hostcall by the component ABI and by each older ABI that has it, on the same state. What comes of it is the same: the
//! status, what the host does next, and the data that the scripts compare. Where it is not, the row names what makes the difference, and
//! the test holds that against the code: a field of `AbiPolicy`, an entry of the table of statuses, an entry of the table of versions.

mod data;
mod state;
mod streams;

use crate::assembler::Script;
use crate::cases;
use crate::catalogue::{self, Function, LEGACY_STATUSES, STATUSES};
use crate::world::{Setup, World};
use proxywasm_legacy::{AbiVersion, AbsentHeader, Hostcall, translate};
use std::collections::BTreeSet;
use wasi_common::{AbiPolicy, Status};

/// Two scripts that ask the same of a host. The hostcall that is compared is the last one of each.
pub(crate) struct Pair {
    /// The hostcall of the older ABIs.
    hostcall: &'static str,
    /// In which situation it is made.
    situation: &'static str,
    component: &'static str,
    older: &'static str,
    difference: Difference,
    with: fn(&mut Setup),
}

/// What makes two results differ.
pub(crate) enum Difference {
    /// They do not.
    None,
    /// This field of `AbiPolicy`; what the host does next differs too.
    Policy(&'static str),
    /// The table of statuses of the older ABIs.
    Status,
    /// The table of versions: what 0.1.0 answers instead of what the others do.
    Version(&'static str),
    /// The component ABI has no such situation, for this reason.
    Form(&'static str),
}

#[test]
fn hostcalls_do_the_same_in_all_generations() {
    let mut wrong = Vec::new();
    for pair in rows() {
        let title = format!("{}, {}", pair.hostcall, pair.situation);
        let (status, outputs) = run(pair.component, None, pair.with, &title, &mut wrong);
        for version in AbiVersion::ALL {
            let mut older = pair.older.to_owned();
            if let (Difference::Version(instead), AbiVersion::V0_1_0) = (&pair.difference, version) {
                let (before, _) = older.rsplit_once("-> ").unwrap();
                older = format!("{before}-> {instead}");
            }
            let title = format!("{title}, {version:?}");
            let (of_older, outputs_of_older) = run(&older, Some(version), pair.with, &title, &mut wrong);
            if let Err(why) = compare(&pair, version, (&status, &of_older), outputs == outputs_of_older) {
                wrong.push(format!("{title}: {why}\n{outputs}---\n{outputs_of_older}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_hostcall_that_has_an_equivalent_has_a_pair() {
    let rows = rows();
    let compared: BTreeSet<&str> = rows.iter().map(|pair| pair.hostcall).collect();
    let functions = cases::legacy_functions()
        .iter()
        .filter(|function| !function.stands_for.is_empty());
    let lacking: Vec<&str> = functions
        .map(|function| function.name)
        .filter(|name| !name.starts_with("proxy_on_") && !compared.contains(name))
        .collect();
    assert!(lacking.is_empty(), "no pair compares {lacking:?}");
}

fn rows() -> Vec<Pair> {
    [data::rows(), streams::rows(), state::rows()]
        .into_iter()
        .flatten()
        .collect()
}

fn pair(
    hostcall: &'static str,
    situation: &'static str,
    component: &'static str,
    older: &'static str,
    difference: Difference,
) -> Pair {
    Pair {
        hostcall,
        situation,
        component,
        older,
        difference,
        with: |_| (),
    }
}

impl Pair {
    /// In a host that is changed first.
    fn with(self, with: fn(&mut Setup)) -> Self {
        Self { with, ..self }
    }
}

/// Whether two results are the same, or differ by what the pair says.
fn compare(
    pair: &Pair,
    version: AbiVersion,
    (component, older): (&str, &str),
    outputs_are_equal: bool,
) -> Result<(), String> {
    let same = component == older && outputs_are_equal;
    let differ = format!(
        "the component ABI answers {component}, the older one {older}, same outputs: {outputs_are_equal}"
    );
    match pair.difference {
        Difference::None if same => Ok(()),
        Difference::None => Err(differ),
        _ if same && !matches!(pair.difference, Difference::Version(_)) => {
            Err("the results are the same, though a difference is named".to_owned())
        }
        Difference::Policy(field) => {
            let value = |policy: AbiPolicy| {
                let text = format!("{policy:?}");
                let (_, rest) = text
                    .split_once(&format!("{field}: "))
                    .unwrap_or_else(|| panic!("no field is called {field}"));
                rest.split([',', ' ']).next().unwrap_or_default().to_owned()
            };
            match value(AbiPolicy::COMPONENT) == value(AbiPolicy::LEGACY) {
                true => Err(format!("the field {field} is the same for both")),
                false => Ok(()),
            }
        }
        Difference::Status => {
            let core = STATUSES.iter().position(|name| *name == component).unwrap();
            let core = CORE[core];
            let hostcall = Hostcall::ALL
                .iter()
                .find(|hostcall| hostcall.name() == pair.hostcall)
                .unwrap();
            let translated = LEGACY_STATUSES[translate(*hostcall, core) as usize];
            match translated == older && outputs_are_equal {
                true => Ok(()),
                false => Err(format!("{differ}; the table of statuses says {translated}")),
            }
        }
        Difference::Version(instead) => {
            let is_empty = version.differences().absent_header == AbsentHeader::Empty;
            match is_empty == (older == instead) && outputs_are_equal {
                true => Ok(()),
                false => Err(differ),
            }
        }
        Difference::Form("") => Err("no reason is given".to_owned()),
        Difference::Form(_) => Ok(()),
    }
}

/// The statuses of the cores, in the order of [`STATUSES`].
const CORE: [Status; 12] = [
    Status::Ok,
    Status::Empty,
    Status::NotFound,
    Status::NotAllowed,
    Status::BadArgument,
    Status::InvalidMemoryAccess,
    Status::InvalidOperation,
    Status::CasMismatch,
    Status::BufferTooSmall,
    Status::InternalFailure,
    Status::Unavailable,
    Status::Unimplemented,
];

/// Runs a script, and returns the status of its last hostcall and what the host did.
fn run(
    text: &str,
    version: Option<AbiVersion>,
    with: fn(&mut Setup),
    title: &str,
    wrong: &mut Vec<String>,
) -> (String, String) {
    let script = Script::parse(text);
    let functions: Vec<Function> = match version {
        Some(_) => cases::legacy_functions()
            .iter()
            .map(|function| function.function())
            .collect(),
        None => catalogue::components(),
    };
    let mut module = script.module(
        &functions,
        if version.is_some() { "env" } else { "" },
        version.is_some(),
    );
    if let Some(version) = version {
        module = module.replace(AbiVersion::V0_2_1.marker(), version.marker());
    }
    let drive = if script.drive.is_empty() {
        "rqh!"
    } else {
        &script.drive
    };
    let trace = World::new(&module, with).drive(drive);
    let entered = script
        .sections
        .iter()
        .filter(|section| !section.callback.is_empty());
    let missed = entered
        .map(|section| &section.callback)
        .find(|name| !trace.contains(&format!("{name}(")));
    if trace.contains("wrong ") || missed.is_some() {
        wrong.push(format!(
            "{title}: not called {missed:?}, trace:\n{trace}\nscript:\n{text}"
        ));
    }
    let lines = script.sections.iter().flat_map(|section| &section.lines);
    let status = lines.rev().find_map(|line| line.rsplit_once("-> "));
    let status = status.map_or("", |(_, status)| status).to_owned();
    let outputs = trace.lines().filter(|line| line.starts_with("out:"));
    (status, outputs.map(|line| format!("{line}\n")).collect())
}
