//! Faults that were reported of hosts and SDKs.

use super::Item;
use super::Shown::{Case, Test};

pub(super) const ITEMS: &[Item] = &[
    Item {
        text: "After a pause in the headers callback the body comes in one host and does not in another; plugins hang or let headers through",
        references: "proxy-wasm-cpp-host issues 143 and 417, pull requests 95 and 434; envoy pull request 40213",
        shown_by: &[
            Case(
                "pauses",
                "Request headers: a pause stops the body too, resumed by a tick",
            ),
            Case(
                "pauses",
                "Request headers: a pause that holds them lets the body come",
            ),
        ],
    },
    Item {
        text: "A callback comes within the hostcall that resumes, and the guest's own borrow fails",
        references: "proxy-wasm-rust-sdk issue 43; envoy issue 13840",
        shown_by: &[
            Case("pauses", "Resumed in the callback that pauses"),
            Case("pauses", "Response headers resumed in a callback that goes on"),
            Test(
                "crates/proxywasm-host/tests/host/pauses.rs",
                "resume_in_the_same_callback",
            ),
        ],
    },
    Item {
        text: "A callout that fails at once crashes the host, or is told to a plugin that was refused it",
        references: "envoy issue 14878, pull request 15311; istio issue 31194; proxy-wasm-cpp-sdk issue 81",
        shown_by: &[
            Case("http_callouts", "An unknown upstream"),
            Case("http_callouts", "Nobody listens"),
            Test("crates/proxywasm-host/tests/host/callouts/bounds.rs", "refusals"),
        ],
    },
    Item {
        text: "A local response and an action in one callback crash the host",
        references: "envoy issue 13857; proxy-wasm-cpp-host pull request 88",
        shown_by: &[
            Case("local_responses", "Wins over the returned action: continue"),
            Case("local_responses", "Wins over the returned action: pause"),
            Case("closing", "Closed and answered"),
        ],
    },
    Item {
        text: "Two local responses, one of the request and one of the response, hang the client or touch memory that was freed",
        references: "envoy issues 28826 and 23047",
        shown_by: &[
            Case("local_responses", "A second one from the callbacks of the first"),
            Case("local_responses", "Twice in one callback"),
            Test("crates/proxywasm-host/tests/host/responses.rs", "twice"),
        ],
    },
    Item {
        text: "What was asked for in one callback is carried out at the end of another one within it",
        references: "proxy-wasm-cpp-host issue 326",
        shown_by: &[
            Case("local_responses", "A second one from the callbacks of the first"),
            Case("pauses", "A stream resumed by another one"),
            Test(
                "crates/proxywasm-host/tests/host/review.rs",
                "what_was_asked_for_before_a_trap",
            ),
        ],
    },
    Item {
        text: "The headers of a local response are read after the guest has let go of them",
        references: "istio/envoy pull request 253",
        shown_by: &[
            Case("local_responses", "Several headers of one name"),
            Case("local_responses", "Other hostcalls go on working after it"),
        ],
    },
    Item {
        text: "After one trap a worker answers 503 until it is started again",
        references: "envoy issues 16726, 33600 and 26485, pull request 36456",
        shown_by: &[
            Case("failures", "The next request has a fresh instance"),
            Test(
                "crates/proxywasm-host/tests/host/failures.rs",
                "reload_waits_for_its_back_off",
            ),
        ],
    },
    Item {
        text: "A trap in a callback of a request hangs the client, because the response enters the plugin that failed",
        references: "envoy issue 38801, pull request 40166",
        shown_by: &[
            Case("failures", "A trap in the request headers"),
            Case(
                "failures",
                "A trap in the callback of a call, while the stream is paused",
            ),
            Test(
                "crates/proxywasm-host/tests/host/failures.rs",
                "in_every_phase_and_under_every_policy",
            ),
        ],
    },
    Item {
        text: "A stream that is closed for a failed plugin gets an empty response instead of 503",
        references: "envoy issue 14947",
        shown_by: &[
            Case("failures", "A trap in the request body"),
            Case("failures", "A trap in the response headers"),
        ],
    },
    Item {
        text: "Headers that are read in log, after a client that left early, answer with a status on which the SDK for Rust traps",
        references: "proxy-wasm-rust-sdk issue 82; envoy pull request 15224",
        shown_by: &[
            Case("lifecycle", "The client leaves before the response"),
            Case("lifecycle", "The client leaves within its body"),
            Test(
                "crates/proxywasm-legacy/src/status/tests.rs",
                "the_rust_sdk_survives_what_it_can",
            ),
        ],
    },
    Item {
        text: "The size of a body is that of all that is held; plugins take it for the size of a piece, and read too much",
        references: "coraza-proxy-wasm pull request 252; proxy-wasm-go-sdk pull request 418",
        shown_by: &[
            Case(
                "pauses",
                "Request body: a pause holds it and the next callback has all of it",
            ),
            Case(
                "pauses",
                "Request body: after going on the next callback begins anew",
            ),
            Case("bodies", "get_buffer_bytes: parts, and what lies beyond the end"),
        ],
    },
    Item {
        text: "A body cannot be replaced by a shorter one, or its content-length becomes wrong",
        references: "proxy-wasm-go-sdk issue 117; proxy-wasm-cpp-sdk issues 127 and 146",
        shown_by: &[
            Case(
                "bodies",
                "A body changed with its headers held: content-length follows",
            ),
            Case(
                "bodies",
                "A response body changed with its headers held: content-length follows",
            ),
            Case(
                "bodies",
                "A body made longer after its head has gone on with a content-length",
            ),
            Test(
                "crates/proxywasm-host/tests/host/maps.rs",
                "written_bodies_and_their_length",
            ),
        ],
    },
    Item {
        text: "Of a header that is there several times only the first value is seen",
        references: "proxy-wasm/spec issue 53",
        shown_by: &[
            Case(
                "header_maps",
                "get_header_map_value: the first of several values, whatever the case of the name",
            ),
            Case("properties", "A header of a request as property: all values"),
        ],
    },
    Item {
        text: "After an update of a compiler a plugin is not loaded, because one import of WASI is missing",
        references: "istio issue 39697; Kong ngx_wasm_module pull request 682; proxy-wasm-go-sdk issue 324; proxy-wasm-cpp-host issue 199, pull request 433; golang/go issue 78513",
        shown_by: &[
            Test("crates/proxywasm-wasi/tests/wasi/start.rs", "unknown_imports"),
            Test("crates/proxywasm-wasi/tests/wasi/functions.rs", "errnos"),
        ],
    },
    Item {
        text: "A second plugin in an instance gets no context of its own, or the configuration of the first",
        references: "proxy-wasm-cpp-host pull request 64; envoy issue 13690, pull request 46893; envoy-wasm issue 415",
        shown_by: &[
            Test(
                "crates/proxywasm-host/tests/host/chains.rs",
                "plugins_that_behave_alike_share_an_instance",
            ),
            Case("chains", "Order of the callbacks"),
        ],
    },
    Item {
        text: "Notifications of a queue never come, and an empty vm_id finds no queue",
        references: "proxy-wasm-cpp-host pull requests 36 and 138; proxy-wasm-go-sdk issue 50",
        shown_by: &[
            Case(
                "state",
                "Queues: the one who registered is told, with the plugin's context",
            ),
            Case("state", "Queues: an empty vm_id is one's own"),
            Test(
                "tests/tests/proxy_background.rs",
                "items_of_all_workers_are_taken_once",
            ),
        ],
    },
    Item {
        text: "Contexts of streams, shared data and queues are left behind",
        references: "envoy issues 13835 and 13806; envoy-wasm issue 453",
        shown_by: &[
            Case("byte_streams", "A connection that the client closes"),
            Case("byte_streams", "A connection that the upstream ends"),
            Test(
                "crates/proxywasm-host/tests/host/chains.rs",
                "fresh_instances_that_fail_leave_nothing_behind",
            ),
            Test("tests/tests/proxy_memory.rs", "large_bodies_stream"),
        ],
    },
    Item {
        text: "The answer to a callout comes after the end of its stream: callbacks of contexts that are deleted",
        references: "proxy-wasm-go-sdk issue 261; Kong ngx_wasm_module pull request 528",
        shown_by: &[
            Case("http_callouts", "The stream ends before the answer comes"),
            Test("tests/tests/proxy_callouts.rs", "calls_that_outlive_their_stream"),
        ],
    },
    Item {
        text: "Callouts that are late are told differently by different hosts; the end of a gRPC call that was refused is told; routes are not chosen anew, or too often",
        references: "Kong ngx_wasm_module pull request 622; proxy-wasm-rust-sdk issue 153; proxy-wasm-cpp-host issue 421; envoy pull request 36671",
        shown_by: &[
            Case("http_callouts", "No answer in time"),
            Case("grpc_callouts", "An unknown gRPC upstream"),
            Case("header_maps", "Path and method of a request changed"),
            Case("versions", "0.1.0: clear_route_cache"),
        ],
    },
];
