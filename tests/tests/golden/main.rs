//! What plugins of the older ABIs see and do, case by case, over real sockets through a runner: the golden table. `docs/HOST-DIFFERENCES.md`
//! is made of it.
//!
//! The cases are in `cases/*.txt`, a file for each subject. Each sends requests through the plugin `probe_legacy`, which makes the hostcalls
//! of its script, and states what the plugin reports, what the upstreams and what the client get; see [`table`] for their form. To add one, write
//! it without `report`, `upstream` and `client`, run with `WRITE_GOLDEN=1`, and read whether what was filled in is what must happen.
//!
//! - [`table`]: the files
//! - [`world`]: a runner with what is around it
//! - [`visit`]: what clients do
//! - [`outcome`]: what came of it
//! - [`tolerance`]: statuses that the SDK for Rust takes
//! - [`page`]: the page

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod outcome;
mod page;
mod table;
mod tolerance;
mod visit;
mod world;

use std::collections::HashMap;
use table::{Case, Subject};
use world::{Setup, World};

/// With this environment variable the outcomes and the page are written.
const WRITE: &str = "WRITE_GOLDEN";

/// Runs the cases of a file; says of each that goes wrong what happened.
fn run(file: &str) {
    let mut subject = Subject::read(file);
    let writes = std::env::var_os(WRITE).is_some();
    let only = std::env::var("ONLY").ok();
    let mut worlds: HashMap<Setup, World> = HashMap::new();
    let mut wrong = Vec::new();
    for case in &mut subject.cases {
        if only.as_ref().is_some_and(|only| !case.title.contains(only)) {
            continue;
        }
        let setup = case.setup();
        let outcome = if setup.is_alone() {
            World::start(&setup).run(case, writes)
        } else {
            let world = worlds
                .entry(setup.clone())
                .or_insert_with(|| World::start(&setup));
            world.run(case, writes)
        };
        if writes {
            case.set_outcome(&outcome);
        } else if outcome != case.outcome() {
            wrong.push(format!(
                "{}:\n--- expected\n{}--- got\n{outcome}",
                case.title,
                case.outcome()
            ));
        }
        wrong.extend(tolerance::check(case));
    }
    if writes {
        subject.write();
    }
    assert!(
        wrong.is_empty(),
        "{} cases of {file} went wrong; `{WRITE}=1 cargo test --package proxywasm-tests --test golden` writes what happens\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

macro_rules! subjects {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        /// The files, in the order of the page.
        const SUBJECTS: &[&str] = &[$(stringify!($name)),*];
    };
}

subjects! {
    lifecycle,
    header_maps,
    bodies,
    pauses,
    local_responses,
    closing,
    http_callouts,
    grpc_callouts,
    state,
    properties,
    other_hostcalls,
    failures,
    byte_streams,
    versions,
    chains,
}

#[test]
fn the_page_is_true() {
    page::check(std::env::var_os(WRITE).is_some());
}

#[test]
fn every_file_is_a_subject_and_every_title_is_its_own() {
    let mut files: Vec<String> = std::fs::read_dir(table::folder())
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    let mut subjects: Vec<&str> = SUBJECTS.to_vec();
    subjects.sort();
    assert_eq!(files, subjects);
    let mut titles: Vec<String> = all()
        .iter()
        .flat_map(|subject| &subject.cases)
        .map(|case| case.title.clone())
        .collect();
    titles.sort();
    let twice: Vec<_> = titles.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "titles that are there twice: {twice:?}");
}

/// All subjects.
fn all() -> Vec<Subject> {
    SUBJECTS.iter().map(|file| Subject::read(file)).collect()
}

/// Whether a case has anything to say of another host, or of the text of the ABI.
fn differs(case: &Case) -> bool {
    ["envoy", "abi"].iter().any(|field| case.text(field).is_some())
}
