//! Stores, queues, timers, metrics and functions.

use super::Difference::{Form, None as Same, Policy, Status};
use super::{Pair, pair};
use crate::cases;

pub(super) fn rows() -> Vec<Pair> {
    vec![
        pair(
            "proxy_get_shared_data",
            "a key that is not there",
            "open_shared_kvstore 's' 1 &s -> ok\nget_shared_kvstore_key_values $s 'k' out &size &cas -> not_found",
            "proxy_get_shared_data 'k' &at &size &cas -> not_found",
            Same,
        ),
        pair(
            "proxy_get_shared_data",
            "a value",
            "open_shared_kvstore 's' 1 &s -> ok\nset_shared_kvstore_key_values $s 'k' 'value' 0 -> ok\nget_shared_kvstore_key_values $s 'k' out &size &cas -> ok\nexpect_out '\\01\\00\\00\\00\\05\\00\\00\\00value'",
            "proxy_set_shared_data 'k' 'value' 0 -> ok\nproxy_get_shared_data 'k' &at &size &cas -> ok\nexpect_at $at 'value'",
            Same,
        ),
        pair(
            "proxy_set_shared_data",
            "by compare-and-swap",
            "open_shared_kvstore 's' 1 &s -> ok\nset_shared_kvstore_key_values $s 'k' 'x' 0 -> ok\nget_shared_kvstore_key_values $s 'k' out &size &cas -> ok\nset_shared_kvstore_key_values $s 'k' 'y' $cas -> ok\nset_shared_kvstore_key_values $s 'k' 'z' $cas -> cas_mismatch",
            "proxy_set_shared_data 'k' 'x' 0 -> ok\nproxy_get_shared_data 'k' &at &size &cas -> ok\nproxy_set_shared_data 'k' 'y' $cas -> ok\nproxy_set_shared_data 'k' 'z' $cas -> cas_mismatch",
            Same,
        ),
        pair(
            "proxy_set_shared_data",
            "by compare-and-swap, a key that is not there",
            "open_shared_kvstore 's' 1 &s -> ok\nset_shared_kvstore_key_values $s 'k' 'z' 7 -> cas_mismatch",
            "proxy_set_shared_data 'k' 'z' 7 -> ok",
            Form("the older ABIs take any number for a new key; the codec asks the core for that condition"),
        ),
        pair(
            "proxy_register_shared_queue",
            "twice",
            "open_shared_queue 'q' 1 &q -> ok\nopen_shared_queue 'q' 1 &r -> ok",
            "proxy_register_shared_queue 'q' &q -> ok\nproxy_register_shared_queue 'q' &r -> ok",
            Same,
        ),
        pair(
            "proxy_resolve_shared_queue",
            "one that there is not",
            "open_shared_queue 'q' 0 &q -> not_found",
            "proxy_resolve_shared_queue none 'q' &q -> not_found",
            Same,
        ),
        pair(
            "proxy_enqueue_shared_queue",
            "an item",
            "open_shared_queue 'q' 1 &q -> ok\nenqueue_shared_queue_item $q 'item' -> ok",
            "proxy_register_shared_queue 'q' &q -> ok\nproxy_enqueue_shared_queue $q 'item' -> ok",
            Same,
        ),
        pair(
            "proxy_enqueue_shared_queue",
            "an id that there is not",
            "enqueue_shared_queue_item 9999 'item' -> bad_argument",
            "proxy_enqueue_shared_queue 9999 'item' -> not_found",
            Status,
        ),
        pair(
            "proxy_dequeue_shared_queue",
            "empty",
            "open_shared_queue 'q' 1 &q -> ok\ndequeue_shared_queue_item $q out &size -> empty",
            "proxy_register_shared_queue 'q' &q -> ok\nproxy_dequeue_shared_queue $q &at &size -> empty",
            Same,
        ),
        pair(
            "proxy_dequeue_shared_queue",
            "an item",
            "open_shared_queue 'q' 1 &q -> ok\nenqueue_shared_queue_item $q 'item' -> ok\ndequeue_shared_queue_item $q out &size -> ok\nexpect_out 'item'",
            "proxy_register_shared_queue 'q' &q -> ok\nproxy_enqueue_shared_queue $q 'item' -> ok\nproxy_dequeue_shared_queue $q &at &size -> ok\nexpect_at $at 'item'",
            Same,
        ),
        pair(
            "proxy_dequeue_shared_queue",
            "a queue that another plugin has opened",
            "dequeue_shared_queue_item 1 out &size -> bad_argument",
            "proxy_dequeue_shared_queue 1 &at &size -> not_found",
            Policy("queue_ids"),
        ),
        pair(
            "proxy_set_tick_period_milliseconds",
            "a timer",
            "create_timer 1000 0 &t -> ok",
            "proxy_set_tick_period_milliseconds 1000 -> ok",
            Same,
        ),
        pair(
            "proxy_set_tick_period_milliseconds",
            "a timer taken away",
            "create_timer 1000 0 &t -> ok\ndelete_timer $t -> ok",
            "proxy_set_tick_period_milliseconds 1000 -> ok\nproxy_set_tick_period_milliseconds 0 -> ok",
            Same,
        ),
        pair(
            "proxy_remove_metric",
            "a counter",
            "create_metric 0 'm' &m -> ok\ndelete_metric $m -> ok",
            "proxy_define_metric 0 'm' &m -> ok\nproxy_remove_metric $m -> ok",
            Same,
        ),
        pair(
            "proxy_remove_metric",
            "one that is gone",
            "create_metric 0 'm' &m -> ok\ndelete_metric $m -> ok\ndelete_metric $m -> bad_argument",
            "proxy_define_metric 0 'm' &m -> ok\nproxy_remove_metric $m -> ok\nproxy_remove_metric $m -> not_found",
            Status,
        ),
        pair(
            "proxy_remove_shared_queue",
            "a queue",
            "open_shared_queue 'q' 1 &q -> ok\ndelete_shared_queue $q -> ok",
            "proxy_register_shared_queue 'q' &q -> ok\nproxy_remove_shared_queue $q -> ok",
            Same,
        ),
        pair(
            "proxy_define_metric",
            "a counter",
            "create_metric 0 'm' &m -> ok",
            "proxy_define_metric 0 'm' &m -> ok",
            Same,
        ),
        pair(
            "proxy_define_metric",
            "one name with two types",
            "create_metric 0 'm' &m -> ok\ncreate_metric 1 'm' &n -> not_allowed",
            "proxy_define_metric 0 'm' &m -> ok\nproxy_define_metric 1 'm' &n -> bad_argument",
            Status,
        ),
        pair(
            "proxy_increment_metric",
            "a counter",
            "create_metric 0 'm' &m -> ok\nincrement_metric_value $m 5 -> ok\nget_metric_value $m &v -> ok\ncheck $v 5",
            "proxy_define_metric 0 'm' &m -> ok\nproxy_increment_metric $m 5 -> ok\nproxy_get_metric $m &v -> ok\ncheck $v 5",
            Same,
        ),
        pair(
            "proxy_increment_metric",
            "a histogram",
            "create_metric 2 'm' &m -> ok\nincrement_metric_value $m 5 -> invalid_operation",
            "proxy_define_metric 2 'm' &m -> ok\nproxy_increment_metric $m 5 -> bad_argument",
            Status,
        ),
        pair(
            "proxy_record_metric",
            "a gauge",
            "create_metric 1 'm' &m -> ok\nset_metric_value $m 5 -> ok",
            "proxy_define_metric 1 'm' &m -> ok\nproxy_record_metric $m 5 -> ok",
            Same,
        ),
        pair(
            "proxy_record_metric",
            "a counter",
            "create_metric 0 'm' &m -> ok\nset_metric_value $m 5 -> invalid_operation",
            "proxy_define_metric 0 'm' &m -> ok\nproxy_record_metric $m 5 -> ok",
            Policy("counter_set"),
        ),
        pair(
            "proxy_get_metric",
            "a histogram",
            "create_metric 2 'm' &m -> ok\nget_metric_value $m &v -> invalid_operation",
            "proxy_define_metric 2 'm' &m -> ok\nproxy_get_metric $m &v -> bad_argument",
            Status,
        ),
        pair(
            "proxy_call_foreign_function",
            "a function",
            "resolve_custom_function 'echo' &f -> ok\ncall_custom_function $f 'abc' &r -> ok",
            "proxy_call_foreign_function 'echo' 'abc' &at &size -> ok\nexpect_at $at 'abc'",
            Same,
        )
        .with(cases::ffi::register),
        pair(
            "proxy_call_foreign_function",
            "one that there is not",
            "resolve_custom_function 'nothing' &f -> not_found",
            "proxy_call_foreign_function 'nothing' 'abc' &at &size -> not_found",
            Same,
        )
        .with(cases::ffi::register),
        pair(
            "proxy_call_foreign_function",
            "one that refuses",
            "resolve_custom_function 'refuses' &f -> ok\ncall_custom_function $f 'abc' &r -> bad_argument",
            "proxy_call_foreign_function 'refuses' 'abc' &at &size -> bad_argument",
            Same,
        )
        .with(cases::ffi::register),
        pair(
            "proxy_call_foreign_function",
            "one that forbids",
            "resolve_custom_function 'forbids' &f -> ok\ncall_custom_function $f 'abc' &r -> not_allowed",
            "proxy_call_foreign_function 'forbids' 'abc' &at &size -> not_found",
            Status,
        )
        .with(cases::ffi::register),
    ]
}
