//! What the WITX files must hold, and that nothing generated is stale.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::rc::Rc;

use witx::{InterfaceFunc, NamedType, Type, WasmType};

use super::model::{Component, Interfaces, export_name};
use super::{Output, outputs, root, stale};

/// For each interface the functions on the pages of the talk, and those that this project added.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "wasi-context",
        "on_plugin_start on_plugin_shutdown plugin_shutdown on_context_create on_context_finalize",
        "",
    ),
    (
        "wasi-common",
        "get_buffer set_buffer get_map_values set_map_values get_property set_property",
        "",
    ),
    (
        "wasi-bytestream",
        "on_new_connection on_downstream_data on_downstream_close on_upstream_data on_upstream_close resume_downstream \
         resume_upstream close_downstream close_upstream",
        "",
    ),
    (
        "wasi-http",
        "on_http_request_headers on_http_request_body on_http_request_trailers on_http_request_metadata \
         on_http_response_headers on_http_response_body on_http_response_trailers on_http_response_metadata \
         send_http_response resume_http_request resume_http_response close_http_request close_http_response \
         dispatch_http_call on_http_call_response close_http_call on_http_call_response_headers on_http_call_response_body \
         on_http_call_response_trailers",
        "resume_http_call get_callout_status",
    ),
    (
        "wasi-grpc",
        "dispatch_grpc_call on_grpc_call_response close_grpc_call open_grpc_stream send_grpc_stream_message \
         close_grpc_stream on_grpc_stream_response_header_metadata on_grpc_stream_response_message \
         on_grpc_stream_response_trailer_metadata on_grpc_stream_close",
        "resume_grpc_stream get_callout_status",
    ),
    ("wasi-log", "log get_log_level on_log_level_update", ""),
    (
        "wasi-kvstore",
        "open_shared_kvstore delete_shared_kvstore get_shared_kvstore_key_values set_shared_kvstore_key_values \
         add_shared_kvstore_key_values remove_shared_kvstore_key",
        "",
    ),
    (
        "wasi-queue",
        "open_shared_queue delete_shared_queue dequeue_shared_queue_item enqueue_shared_queue_item on_shared_queue_ready",
        "",
    ),
    ("wasi-timer", "create_timer delete_timer on_timer_ready", ""),
    (
        "wasi-metrics",
        "create_metric get_metric_value set_metric_value increment_metric_value delete_metric",
        "",
    ),
    (
        "wasi-ffi",
        "call_custom_function get_custom_function_results_sizes get_custom_function_results on_custom_callback",
        "resolve_custom_function set_custom_callback_results",
    ),
];

/// How many functions the pages of the talk have.
const FUNCTIONS_OF_THE_TALK: usize = 75;

/// The numbers on the wire, each the position of a name.
const NUMBERS: &[(&str, &str)] = &[
    (
        "status",
        "ok empty not_found not_allowed bad_argument invalid_memory_access invalid_operation cas_mismatch buffer_too_small \
         internal_failure unavailable unimplemented",
    ),
    (
        "action",
        "forward end_stream done pause wait_for_more_data wait_for_end_or_full close",
    ),
    (
        "buffer_type",
        "plugin_configuration downstream_data upstream_data http_request_body http_response_body http_call_response_body \
         grpc_message custom_parameters",
    ),
    (
        "map_type",
        "http_request_headers http_request_trailers http_request_metadata http_response_headers http_response_trailers \
         http_response_metadata http_call_response_headers http_call_response_trailers grpc_initial_metadata \
         grpc_trailing_metadata",
    ),
    ("log_level", "trace debug info warn error critical"),
    ("metric_type", "counter gauge histogram"),
    ("close_source", "unknown local remote"),
    ("context_type", "http bytestream"),
];

fn interfaces() -> Interfaces {
    Interfaces::load(&root().unwrap().join("witx")).unwrap()
}

fn functions(component: &Component) -> Vec<Rc<InterfaceFunc>> {
    component
        .hostcalls
        .funcs()
        .chain(component.callback_functions())
        .collect()
}

fn cases(named: &NamedType) -> Vec<&str> {
    match &**named.type_() {
        Type::Variant(variant) => variant.cases.iter().map(|case| case.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// The words of a text that stand in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn nothing_generated_is_stale() {
    let outputs = outputs(&interfaces()).unwrap();
    let stale: Vec<_> = stale(&root().unwrap(), &outputs)
        .iter()
        .map(|output| &output.path)
        .collect();
    assert!(stale.is_empty(), "run `cargo xtask gen`; stale: {stale:?}");
}

#[test]
fn a_changed_or_missing_file_is_stale() {
    let folder = std::env::temp_dir().join(format!("xtask-stale-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("same"), "text").unwrap();
    fs::write(folder.join("changed"), "text ").unwrap();
    let outputs = ["same", "changed", "missing"].map(|path| Output {
        path: path.into(),
        content: "text".into(),
    });
    let found: Vec<_> = stale(&folder, &outputs)
        .iter()
        .map(|output| output.path.clone())
        .collect();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(found, ["changed", "missing"].map(std::path::PathBuf::from));
}

#[test]
fn each_interface_has_the_functions_of_the_talk_and_the_additions() {
    let interfaces = interfaces();
    let found: BTreeMap<_, BTreeSet<_>> = interfaces
        .components
        .iter()
        .map(|component| {
            let names = functions(component)
                .iter()
                .map(|function| function.name.as_str().to_owned())
                .collect();
            (component.module_name().to_owned(), names)
        })
        .collect();
    let expected: BTreeMap<_, BTreeSet<_>> = FUNCTIONS
        .iter()
        .map(|(name, talk, additions)| {
            let names = talk
                .split_whitespace()
                .chain(additions.split_whitespace())
                .map(str::to_owned)
                .collect();
            ((*name).to_owned(), names)
        })
        .collect();
    assert_eq!(found, expected);
    let of_the_talk: usize = FUNCTIONS
        .iter()
        .map(|(_, talk, _)| talk.split_whitespace().count())
        .sum();
    assert_eq!(of_the_talk, FUNCTIONS_OF_THE_TALK);
}

#[test]
fn hostcalls_return_a_status_and_callbacks_are_named_as_such() {
    for component in interfaces().components {
        for hostcall in component.hostcalls.funcs() {
            let name = hostcall.name.as_str();
            assert!(!name.starts_with("on_"), "{name} is a callback among hostcalls");
            assert_eq!(hostcall.wasm_signature().1, [WasmType::I32], "{name}");
        }
        for callback in component.callback_functions() {
            assert!(
                callback.name.as_str().starts_with("on_"),
                "{} is no callback",
                callback.name.as_str()
            );
        }
    }
}

#[test]
fn no_two_interfaces_have_a_callback_of_the_same_name() {
    let mut exports = BTreeSet::new();
    for callback in interfaces()
        .components
        .iter()
        .flat_map(Component::callback_functions)
    {
        assert!(
            exports.insert(export_name(&callback)),
            "{} twice",
            export_name(&callback)
        );
    }
}

#[test]
fn numbers_are_those_of_the_wire_rules() {
    let interfaces = interfaces();
    let found: BTreeMap<_, _> = interfaces
        .shared_types
        .iter()
        .map(|named| (named.name.as_str(), cases(named)))
        .filter(|(_, cases)| !cases.is_empty())
        .collect();
    let expected: BTreeMap<_, _> = NUMBERS
        .iter()
        .map(|(name, cases)| (*name, cases.split_whitespace().collect::<Vec<_>>()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_wire_rules_have_the_same_numbers() {
    let rules = fs::read_to_string(root().unwrap().join("witx/README.md")).unwrap();
    for (name, cases) in NUMBERS {
        let cases: Vec<_> = cases.split_whitespace().map(|case| format!("`{case}`")).collect();
        let rows = match *name {
            "status" => cases
                .iter()
                .enumerate()
                .map(|(number, case)| format!("\n| {number} | {case} |"))
                .collect(),
            _ => vec![format!("\n| `{name}` | {} |\n", cases.join(", "))],
        };
        for row in rows {
            assert!(rules.contains(&row), "witx/README.md lacks {row}");
        }
    }
}

#[test]
fn every_type_is_documented() {
    let interfaces = interfaces();
    let own = interfaces
        .components
        .iter()
        .flat_map(|component| &component.types);
    for named in interfaces.shared_types.iter().chain(own) {
        let name = named.name.as_str();
        assert!(!named.docs.trim().is_empty(), "{name} has no documentation");
        let docs: Vec<_> = match &**named.tref.type_() {
            Type::Variant(variant) => variant
                .cases
                .iter()
                .map(|case| (case.name.as_str(), &case.docs))
                .collect(),
            Type::Record(record) => record
                .members
                .iter()
                .map(|member| (member.name.as_str(), &member.docs))
                .collect(),
            _ => Vec::new(),
        };
        for (part, docs) in docs {
            assert!(!docs.trim().is_empty(), "{name}: {part} has no documentation");
        }
    }
}

#[test]
fn every_function_is_documented() {
    for component in interfaces().components {
        assert!(
            !component.hostcalls.docs.trim().is_empty(),
            "{}",
            component.module_name()
        );
        for function in functions(&component) {
            let name = function.name.as_str();
            assert!(
                function.docs.contains("\nSource: "),
                "{name} does not say where it comes from"
            );
            assert!(
                !function.docs.starts_with("Source: "),
                "{name} does not say what it does"
            );
            for parameter in &function.params {
                assert!(
                    !parameter.docs.trim().is_empty(),
                    "{name}: {} has no documentation",
                    parameter.name.as_str()
                );
            }
        }
    }
}

#[test]
fn every_hostcall_lists_its_statuses() {
    let interfaces = interfaces();
    let statuses: BTreeSet<_> = NUMBERS[0].1.split_whitespace().collect();
    for component in &interfaces.components {
        for hostcall in component.hostcalls.funcs() {
            let name = hostcall.name.as_str();
            let docs = super::docs::paragraphs(&hostcall.docs);
            let listed = docs.iter().find_map(|line| line.strip_prefix("Statuses: "));
            let listed: BTreeSet<_> =
                quoted(listed.unwrap_or_else(|| panic!("{name} lists no statuses"))).collect();
            assert!(listed.contains("ok"), "{name} cannot succeed");
            // Names of parameters and headers may stand there too, in parentheses.
            let unknown: Vec<_> = listed
                .difference(&statuses)
                .filter(|word| word.contains("_") && !word.starts_with(':'))
                .collect();
            assert!(unknown.is_empty(), "{name} lists unknown statuses {unknown:?}");
            let has_pointer = super::model::arguments(&hostcall)
                .unwrap()
                .iter()
                .any(|argument| !matches!(argument.passed, super::model::Passed::Value(_)));
            assert_eq!(
                listed.contains("invalid_memory_access"),
                has_pointer,
                "{name}: pointers and their status"
            );
        }
    }
}

#[test]
fn every_callback_with_an_action_lists_the_legal_ones() {
    let actions: BTreeSet<_> = NUMBERS[1].1.split_whitespace().collect();
    for callback in interfaces()
        .components
        .iter()
        .flat_map(Component::callback_functions)
    {
        let name = callback.name.as_str();
        let docs = super::docs::paragraphs(&callback.docs);
        let listed = docs.iter().find_map(|line| line.strip_prefix("Actions: "));
        let returns_action = callback
            .results
            .iter()
            .any(|result| result.name.as_str() == "action");
        assert_eq!(listed.is_some(), returns_action, "{name}");
        for listed in listed.into_iter().filter(|listed| !listed.starts_with("all.")) {
            let listed: BTreeSet<_> = quoted(listed).filter(|word| actions.contains(word)).collect();
            assert!(
                listed.is_superset(&["forward", "pause", "close"].into()),
                "{name} lists only {listed:?}"
            );
        }
    }
}
