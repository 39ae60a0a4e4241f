//! wasi-metrics.

use super::{Case, Row, case, two};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-metrics",
        function,
        cases,
    };
    vec![
        row(
            "create_metric",
            vec![
                case(
                    "create_metric 0 'requests' &m -> ok
                    create_metric 0 'requests' &n -> ok
                    check $n $m
                    create_metric 1 'requests' &n -> not_allowed
                    create_metric 3 'other' &n -> bad_argument
                    create_metric 0 '' &n -> bad_argument
                    create_metric 0 bad &n -> invalid_memory_access
                    create_metric 0 'other' &bad -> invalid_memory_access",
                ),
                case("create_metric 0 'a' &m -> ok\ncreate_metric 0 'b' &m -> unavailable")
                    .with(|setup| setup.config.limits.handles = 1),
                case("@_initialize\ncreate_metric 0 'a' &m -> invalid_operation"),
            ],
        ),
        row(
            "get_metric_value",
            vec![
                case(
                    "create_metric 0 'a' &m -> ok
                    increment_metric_value $m 5 -> ok
                    get_metric_value $m &value -> ok
                    check $value 5
                    get_metric_value $m &bad -> invalid_memory_access
                    get_metric_value 99 &value -> bad_argument",
                ),
                case("create_metric 2 'h' &m -> ok\nget_metric_value $m &value -> invalid_operation"),
                of_another("get_metric_value $m &value -> not_allowed"),
            ],
        ),
        row(
            "set_metric_value",
            vec![
                case(
                    "create_metric 1 'g' &m -> ok
                    set_metric_value $m 7 -> ok
                    get_metric_value $m &value -> ok
                    check $value 7
                    create_metric 2 'h' &m -> ok
                    set_metric_value $m 7 -> ok
                    set_metric_value 99 7 -> bad_argument",
                ),
                case("create_metric 0 'c' &m -> ok\nset_metric_value $m 7 -> invalid_operation"),
                of_another("set_metric_value $m 7 -> not_allowed"),
            ],
        ),
        row(
            "increment_metric_value",
            vec![
                case(
                    "create_metric 1 'g' &m -> ok
                    increment_metric_value $m 7 -> ok
                    increment_metric_value $m -10 -> ok
                    get_metric_value $m &value -> ok
                    check $value 0
                    increment_metric_value 99 7 -> bad_argument
                    create_metric 0 'c' &c -> ok
                    increment_metric_value $c -1 -> bad_argument
                    create_metric 2 'h' &h -> ok
                    increment_metric_value $h 1 -> invalid_operation",
                ),
                of_another("increment_metric_value $m 7 -> not_allowed"),
            ],
        ),
        row(
            "delete_metric",
            vec![
                case(
                    "create_metric 0 'a' &m -> ok\ndelete_metric $m -> ok\ndelete_metric $m -> bad_argument",
                ),
                of_another("delete_metric $m -> not_allowed"),
            ],
        ),
    ]
}

/// A step of a plugin for which `$m` is the first plugin's metric.
fn of_another(step: &str) -> Case {
    two(format!(
        "@on_http_request_headers first
            create_metric 0 'a' &m -> ok
        @on_http_request_headers second
            {step}"
    ))
}
