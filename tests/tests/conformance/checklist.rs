//! What a host is to be asked.

use super::Item;
use super::Shown::{Case, Test};

pub(super) const ITEMS: &[Item] = &[
    Item {
        text: "Loading: each of the three markers, or none; either allocator; `_initialize`, `_start`, or only a start section; callbacks of a wrong type; imports that are unknown",
        references: "",
        shown_by: &[
            Test("crates/proxywasm-legacy/src/version.rs", "detection"),
            Test(
                "crates/proxywasm-legacy/tests/legacy/start.rs",
                "modules_that_are_refused",
            ),
            Test(
                "crates/proxywasm-legacy/tests/legacy/allocator.rs",
                "either_name_will_do",
            ),
            Test("crates/proxywasm-wasi/tests/wasi/start.rs", "entry_points"),
            Test(
                "crates/proxywasm-host/tests/host/legacy.rs",
                "a_start_section_that_calls_the_host",
            ),
            Test(
                "crates/proxywasm-host/tests/host/failures.rs",
                "code_that_is_refused",
            ),
        ],
    },
    Item {
        text: "The start of a plugin: the order of its callbacks, `plugin_root_id` while its context is created, configurations, results of 0",
        references: "",
        shown_by: &[
            Case("lifecycle", "A plugin starts: context, instance, configuration"),
            Case(
                "lifecycle",
                "Properties of the plugin can be read while its context is created",
            ),
            Test("crates/proxywasm-legacy/tests/legacy/callbacks.rs", "lifecycle"),
        ],
    },
    Item {
        text: "Header maps: every operation on every map in every phase, names without regard to case, duplicates, garbage",
        references: "",
        shown_by: &[
            Case(
                "header_maps",
                "get_header_map_value: the first of several values, whatever the case of the name",
            ),
            Case("header_maps", "Maps that are not there yet"),
            Case("header_maps", "Maps at the end of a stream: done, log and delete"),
            Case(
                "header_maps",
                "set_header_map_pairs: bytes that are no packed map",
            ),
            Test(
                "crates/proxywasm-legacy/tests/legacy/maps.rs",
                "changes_of_what_is_not_at_the_plugin",
            ),
        ],
    },
    Item {
        text: "Buffers: begin, middle, end and beyond for start and size; an empty last piece; more than may be held, in both directions",
        references: "",
        shown_by: &[
            Test("crates/proxywasm-legacy/tests/legacy/buffers.rs", "set"),
            Case("bodies", "get_buffer_bytes: parts, and what lies beyond the end"),
            Case(
                "bodies",
                "Pieces come as they are read, with an empty last one where the end was not known",
            ),
            Case("pauses", "More held than may be: a request"),
            Case("pauses", "More held than may be: a response"),
        ],
    },
    Item {
        text: "Pausing and resuming in each of the six phases of HTTP and in TCP; in the same callback, twice, after the client has left, trailers behind a pause",
        references: "",
        shown_by: &[
            Test(
                "crates/proxywasm-host/tests/host/pauses.rs",
                "in_every_phase_until_another_stream_resumes",
            ),
            Test(
                "crates/proxywasm-host/tests/host/bytestreams/pauses.rs",
                "until_another_stream_resumes",
            ),
            Case("pauses", "Resumed twice in the callback that pauses"),
            Case("pauses", "The client leaves, and then the plugin resumes"),
            Case("pauses", "Trailers wait behind headers that are paused"),
        ],
    },
    Item {
        text: "Local responses in every phase, twice, to HEAD, to gRPC, after the headers have been sent",
        references: "",
        shown_by: &[
            Test("crates/proxywasm-host/tests/host/responses.rs", "in_every_phase"),
            Case("local_responses", "Twice in one callback"),
            Case("local_responses", "To HEAD it has no body"),
            Case("local_responses", "A gRPC request gets a gRPC answer"),
            Case("local_responses", "From the response body: the head is out"),
        ],
    },
    Item {
        text: "HTTP callouts: answered, failed, refused, late, too large, to an unknown upstream, without pseudo-headers, after the stream has ended, at the same time, one after the other, from a tick; their callbacks never come within another",
        references: "",
        shown_by: &[
            Test("tests/tests/proxy_callouts.rs", "what_a_service_can_do"),
            Case("http_callouts", "Nobody listens"),
            Case("http_callouts", "No answer in time"),
            Case("http_callouts", "An answer that is larger than may be held"),
            Case("http_callouts", "An unknown upstream"),
            Case("http_callouts", "Missing pseudo-headers"),
            Case("http_callouts", "The stream ends before the answer comes"),
            Case("http_callouts", "Two at once"),
            Case("http_callouts", "From a tick"),
        ],
    },
    Item {
        text: "gRPC: the order of calls and of streams, cancelling and closing, answers of trailers only",
        references: "",
        shown_by: &[
            Case(
                "grpc_callouts",
                "A call that goes well: its message and nothing else",
            ),
            Case("grpc_callouts", "A stream: metadata, messages, metadata, end"),
            Case(
                "grpc_callouts",
                "A stream closed by the plugin still hears its end",
            ),
            Case("grpc_callouts", "A stream cancelled hears nothing"),
            Case("grpc_callouts", "A method that there is not"),
        ],
    },
    Item {
        text: "Shared data under contention of several workers, queues from one to another, types of metrics, ticks that are switched off, replaced, and those of several workers",
        references: "",
        shown_by: &[
            Test("tests/tests/state/counting.rs", "eight_workers"),
            Test("tests/tests/state/queues.rs", "in_one_process"),
            Test("crates/proxywasm-legacy/tests/legacy/metrics.rs", "values"),
            Case("state", "Ticks: set again replaces"),
            Test("tests/tests/state/clocks.rs", "they_fire_as_often_as_they_should"),
        ],
    },
    Item {
        text: "A trap in each callback under each policy, and in the allocator; a loop; a memory bomb; what failed leaves no contexts behind",
        references: "",
        shown_by: &[
            Test(
                "crates/proxywasm-host/tests/host/failures.rs",
                "in_every_phase_and_under_every_policy",
            ),
            Test(
                "crates/proxywasm-legacy/tests/legacy/allocator.rs",
                "a_trap_in_it_is_a_trap_of_the_callback",
            ),
            Case("failures", "A loop"),
            Case("failures", "All memory"),
            Test(
                "crates/proxywasm-host/tests/host/chains.rs",
                "fresh_instances_that_fail_leave_nothing_behind",
            ),
        ],
    },
    Item {
        text: "The end: `on_done` of 0 with and without `proxy_done`; done, log and delete in their order; ids that never come again",
        references: "",
        shown_by: &[
            Case("lifecycle", "The end of a stream: done, then log, then delete"),
            Case(
                "lifecycle",
                "done that returns 0 puts log and delete off until proxy_done",
            ),
            Test(
                "crates/proxywasm-host/tests/host/lifecycle.rs",
                "a_shutdown_that_never_comes_is_not_waited_for",
            ),
            Test(
                "crates/proxywasm-host/tests/host/review.rs",
                "ends_that_are_put_off_are_bounded",
            ),
            Test("crates/wasi-common/src/context.rs", "ids"),
        ],
    },
    Item {
        text: "The component ABI: the same questions; sizes that are asked for first; waits",
        references: "",
        shown_by: &[
            Test(
                "crates/proxywasm-host/tests/support/parity/mod.rs",
                "hostcalls_do_the_same_in_all_generations",
            ),
            Test("crates/proxywasm-host/tests/host/actions.rs", "waits"),
            Test(
                "crates/proxywasm-host/tests/support/main.rs",
                "nothing_lacks_a_row",
            ),
        ],
    },
];
