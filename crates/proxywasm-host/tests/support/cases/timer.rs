//! wasi-timer.

use super::{Row, case, two};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-timer",
        function,
        cases,
    };
    vec![
        row(
            "create_timer",
            vec![
                case("create_timer 1000 0 &t -> ok\ncreate_timer 0 1 &u -> ok"),
                case("create_timer 0 0 &t -> bad_argument"),
                case("create_timer 1000 0 &bad -> invalid_memory_access"),
                case("create_timer 1000 0 &t -> ok\ncreate_timer 1000 0 &t -> unavailable")
                    .with(|setup| setup.config.limits.handles = 1),
                case("@_initialize\ncreate_timer 1000 0 &t -> invalid_operation"),
            ],
        ),
        row(
            "delete_timer",
            vec![
                case("create_timer 1000 0 &t -> ok\ndelete_timer $t -> ok\ndelete_timer $t -> bad_argument"),
                two("@on_http_request_headers first
                        create_timer 1000 0 &t -> ok
                    @on_http_request_headers second
                        delete_timer $t -> not_allowed"),
            ],
        ),
        row(
            "on_timer_ready",
            vec![case(
                "drive rqh tick
                    create_timer 1 1 &t -> ok
                    @on_timer_ready
                        check arg0 $t",
            )],
        ),
    ]
}
