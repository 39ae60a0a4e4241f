//! ABI 0.2.1: shared data, queues, ticks, metrics, foreign functions.

use super::{Row, case};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "env",
        function,
        cases,
    };
    vec![
        row(
            "proxy_get_shared_data",
            vec![case(
                "proxy_get_shared_data 'k' &at &size &cas -> not_found
                proxy_set_shared_data 'k' 'value' 0 -> ok
                proxy_get_shared_data 'k' &at &size &cas -> ok
                check $size 5
                expect_at $at 'value'
                proxy_get_shared_data bad &at &size &cas -> invalid_memory_access
                proxy_get_shared_data 'k' &bad &size &cas -> invalid_memory_access
                proxy_get_shared_data 'k' &at &bad &cas -> invalid_memory_access
                proxy_get_shared_data 'k' &at &size &bad -> invalid_memory_access",
            )],
        ),
        row(
            "proxy_set_shared_data",
            vec![case(
                "proxy_set_shared_data 'k' 'one' 0 -> ok
                proxy_get_shared_data 'k' &at &size &cas -> ok
                proxy_set_shared_data 'k' 'two' $cas -> ok
                proxy_set_shared_data 'k' 'three' $cas -> cas_mismatch
                proxy_set_shared_data bad 'x' 0 -> invalid_memory_access
                proxy_set_shared_data 'k' bad 0 -> invalid_memory_access
                proxy_get_shared_data 'k' &at &size &cas -> ok
                expect_at $at 'two'",
            )],
        ),
        row(
            "proxy_register_shared_queue",
            vec![case(
                "proxy_register_shared_queue 'q' &q -> ok
                proxy_register_shared_queue 'q' &r -> ok
                check $r $q
                proxy_register_shared_queue bad &q -> invalid_memory_access
                proxy_register_shared_queue 'q' &bad -> invalid_memory_access",
            )],
        ),
        row(
            "proxy_resolve_shared_queue",
            vec![case(
                "proxy_resolve_shared_queue none 'q' &r -> not_found
                proxy_register_shared_queue 'q' &q -> ok
                proxy_resolve_shared_queue none 'q' &r -> ok
                check $r $q
                proxy_resolve_shared_queue 'elsewhere' 'q' &r -> not_found
                proxy_resolve_shared_queue none bad &r -> invalid_memory_access
                proxy_resolve_shared_queue none 'q' &bad -> invalid_memory_access",
            )],
        ),
        row(
            "proxy_enqueue_shared_queue",
            vec![case(
                "proxy_register_shared_queue 'q' &q -> ok
                proxy_enqueue_shared_queue $q 'item' -> ok
                proxy_enqueue_shared_queue 9999 'item' -> not_found
                proxy_enqueue_shared_queue $q bad -> invalid_memory_access",
            )],
        ),
        row(
            "proxy_dequeue_shared_queue",
            vec![case(
                "proxy_register_shared_queue 'q' &q -> ok
                proxy_dequeue_shared_queue $q &at &size -> empty
                proxy_enqueue_shared_queue $q 'item' -> ok
                proxy_dequeue_shared_queue $q &bad &size -> invalid_memory_access
                proxy_dequeue_shared_queue $q &at &size -> ok
                check $size 4
                expect_at $at 'item'
                proxy_dequeue_shared_queue 9999 &at &size -> not_found",
            )],
        ),
        row(
            "proxy_on_queue_ready",
            vec![case(
                "drive rqh wake
                proxy_register_shared_queue 'q' &q -> ok
                proxy_enqueue_shared_queue $q 'item' -> ok
                @proxy_on_queue_ready
                    check arg0 $first
                    check arg1 $q",
            )],
        ),
        row(
            "proxy_set_tick_period_milliseconds",
            vec![case(
                "proxy_set_tick_period_milliseconds 1000 -> ok
                proxy_set_tick_period_milliseconds 0 -> ok",
            )],
        ),
        row(
            "proxy_on_tick",
            vec![case(
                "drive rqh tick
                proxy_set_tick_period_milliseconds 1 -> ok
                @proxy_on_tick
                    check arg0 $first
                    proxy_set_tick_period_milliseconds 0 -> ok",
            )],
        ),
        row(
            "proxy_call_foreign_function",
            vec![
                case(
                    "proxy_call_foreign_function 'echo' 'abc' &at &size -> ok
                    check $size 3
                    expect_at $at 'abc'
                    proxy_call_foreign_function 'nothing' 'abc' &at &size -> not_found
                    proxy_call_foreign_function 'refuses' 'abc' &at &size -> bad_argument
                    proxy_call_foreign_function 'breaks' 'abc' &at &size -> internal_failure
                    proxy_call_foreign_function bad 'abc' &at &size -> invalid_memory_access
                    proxy_call_foreign_function 'echo' bad &at &size -> invalid_memory_access
                    proxy_call_foreign_function 'echo' 'abc' &bad &size -> invalid_memory_access",
                )
                .with(super::ffi::register),
            ],
        ),
        row(
            "proxy_on_foreign_function",
            vec![case(
                "drive rqh custom:7:abc
                @proxy_on_foreign_function
                    check arg0 $first
                    check arg1 7
                    check arg2 3",
            )],
        ),
        row(
            "proxy_define_metric",
            vec![case(
                "proxy_define_metric 0 'requests' &m -> ok
                proxy_define_metric 0 'requests' &n -> ok
                check $n $m
                proxy_define_metric 3 'other' &n -> bad_argument
                proxy_define_metric 0 bad &n -> invalid_memory_access
                proxy_define_metric 0 'other' &bad -> invalid_memory_access",
            )],
        ),
        row(
            "proxy_increment_metric",
            vec![case(
                "proxy_define_metric 0 'c' &m -> ok
                proxy_increment_metric $m 5 -> ok
                proxy_get_metric $m &value -> ok
                check $value 5
                proxy_increment_metric 99996 5 -> not_found
                proxy_define_metric 2 'h' &h -> ok
                proxy_increment_metric $h 5 -> bad_argument",
            )],
        ),
        row(
            "proxy_record_metric",
            vec![case(
                "proxy_define_metric 1 'g' &m -> ok
                proxy_record_metric $m 7 -> ok
                proxy_get_metric $m &value -> ok
                check $value 7
                proxy_record_metric 99997 7 -> not_found",
            )],
        ),
        row(
            "proxy_get_metric",
            vec![case(
                "proxy_define_metric 1 'g' &m -> ok
                proxy_get_metric $m &value -> ok
                proxy_get_metric $m &bad -> invalid_memory_access
                proxy_get_metric 99997 &value -> not_found
                proxy_define_metric 2 'h' &h -> ok
                proxy_get_metric $h &value -> bad_argument",
            )],
        ),
    ]
}
