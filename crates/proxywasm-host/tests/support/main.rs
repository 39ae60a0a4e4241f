//! Every hostcall and callback of the interfaces, driven from a guest, with every status that it can answer; and those of the older
//! ABIs that stand for them. `docs/SUPPORT.md` is made of these tables.
//!
//! - [`catalogue`]: what there is to support, from the WITX files
//! - [`cases`]: the tables, a file for each component
//! - [`assembler`]: scripts to guests
//! - [`world`]: what happens to a host
//! - [`page`], [`properties`]: the pages, and whether anything lacks
//! - [`parity`]: the same by the component ABI and by the older ones
#![cfg(test)]

mod assembler;
mod cases;
mod catalogue;
mod page;
mod parity;
mod properties;
mod world;

use assembler::Script;
use cases::Row;
use catalogue::Function;
use world::World;

/// Runs the cases of a table; says of each that goes wrong what happened.
fn run(rows: &[Row]) {
    let legacy: Vec<Function> = cases::legacy_functions()
        .iter()
        .map(|function| function.function())
        .collect();
    let components = catalogue::components();
    let initialize = Function {
        module: String::new(),
        name: assembler::INITIALIZE.to_owned(),
        is_callback: true,
        parameters: String::new(),
        returns: false,
        statuses: Vec::new(),
    };
    let [legacy, components] = [legacy, components].map(|mut functions| {
        functions.push(initialize.clone());
        functions
    });
    let mut wrong = Vec::new();
    for row in rows {
        let is_legacy = row.module == "env";
        let functions = if is_legacy { &legacy } else { &components };
        for case in &row.cases {
            let script = Script::parse(&case.text);
            let module = script.module(functions, row.module, is_legacy);
            let drive = if script.drive.is_empty() {
                "rqh!"
            } else {
                &script.drive
            };
            let trace = World::new(&module, &case.with).drive(drive);
            let lacks = script
                .expect
                .iter()
                .find(|expected| !trace.contains(expected.as_str()));
            let callbacks = script
                .sections
                .iter()
                .filter(|section| !section.callback.is_empty());
            let not_called = callbacks
                .map(|section| &section.callback)
                .find(|name| !trace.contains(&format!("{name}(")));
            if trace.contains("wrong ") || lacks.is_some() || not_called.is_some() {
                wrong.push(format!(
                    "{} {}: {}\nlacks {lacks:?}, not called {not_called:?}, trace:\n{trace}",
                    row.module, row.function, case.text
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases went wrong:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                run(&cases::$name::rows());
            }
        )*

        /// All tables: the name of the file, and its rows.
        fn all() -> Vec<(&'static str, Vec<Row>)> {
            vec![$((stringify!($name), cases::$name::rows())),*]
        }
    };
}

tables! {
    context,
    common,
    bytestream,
    http,
    http_calls,
    grpc,
    log,
    kvstore,
    queue,
    timer,
    metrics,
    ffi,
    legacy_streams,
    legacy_state,
    legacy_calls,
    legacy_older,
}

#[test]
fn nothing_lacks_a_row() {
    let lacking = page::lacking(&all());
    assert!(lacking.is_empty(), "no case shows:\n{}", lacking.join("\n"));
}

#[test]
fn the_page_is_true() {
    page::check(&all());
}
