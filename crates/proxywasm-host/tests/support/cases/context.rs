//! wasi-context.

use super::{Row, case, two};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-context",
        function,
        cases,
    };
    vec![
        row(
            "plugin_shutdown",
            vec![
                // A shutdown that was put off is ended by another stream's callback.
                case(
                    "drive rqh stop rqb:x
                    @on_plugin_shutdown
                        return 0
                    @on_http_request_body
                        plugin_shutdown $first -> ok",
                ),
                case("plugin_shutdown 99 -> bad_argument"),
                case("plugin_shutdown $first -> invalid_operation"),
                two("@on_http_request_headers first
                        plugin_shutdown $second -> not_allowed"),
            ],
        ),
        row("on_plugin_start", vec![case("expect on_plugin_start(1,0)")]),
        row(
            "on_plugin_shutdown",
            vec![case(
                "drive rqh finish stop\n@on_plugin_shutdown\nexpect on_plugin_shutdown(1)",
            )],
        ),
        row("on_context_create", vec![case("expect on_context_create(2,1,0)")]),
        row(
            "on_context_finalize",
            vec![case("@on_context_finalize\nexpect on_context_finalize(2)")],
        ),
    ]
}
