//! What ABI 0.2.1 has of the same: shared data, queues, metrics, ticks, functions, callouts.

use crate::callouts::{again, grpc, http, messages, sent};
use crate::script::Abi;
use crate::state::{queue_ready, timer};
use crate::world::{World, driven, legacy};
use crate::{LOOPS, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("ABI 0.2.1/proxy_get_log_level", || {
        legacy("loop\n env.proxy_get_log_level &v")
    }),
    Scenario::new("ABI 0.2.1/proxy_set_tick_period_milliseconds", || {
        legacy("loop\n env.proxy_set_tick_period_milliseconds 1000")
    }),
    Scenario::new("ABI 0.2.1/proxy_on_tick", || {
        timer(
            Abi::Legacy,
            "env.proxy_set_tick_period_milliseconds 1\n @proxy_on_tick 1",
        )
    }),
    Scenario::new("ABI 0.2.1/proxy_define_metric, which exists", || {
        legacy("env.proxy_define_metric 0 'c' &m\n loop\n env.proxy_define_metric 0 'c' &m")
    }),
    Scenario::new("ABI 0.2.1/proxy_increment_metric, counter", || {
        legacy("env.proxy_define_metric 0 'c' &m\n loop\n env.proxy_increment_metric $m 1L")
    }),
    Scenario::new("ABI 0.2.1/proxy_record_metric, gauge", || {
        legacy("env.proxy_define_metric 1 'g' &m\n loop\n env.proxy_record_metric $m 7L")
    }),
    Scenario::new("ABI 0.2.1/proxy_record_metric, histogram", || {
        legacy("env.proxy_define_metric 2 'h' &m\n loop\n env.proxy_record_metric $m 700L")
    }),
    Scenario::new("ABI 0.2.1/proxy_get_metric", || {
        legacy("env.proxy_define_metric 0 'c' &m\n loop\n env.proxy_get_metric $m &value")
    }),
    Scenario::new(GET, || {
        legacy(
            "env.proxy_set_shared_data 'key' 'sixteen_bytes_of' 0
            loop
            env.proxy_get_shared_data 'key' &at &size &cas",
        )
    }),
    Scenario::new("ABI 0.2.1/proxy_set_shared_data", || {
        legacy("loop\n env.proxy_set_shared_data 'key' 'sixteen_bytes_of' 0")
    }),
    Scenario::new(
        "ABI 0.2.1/proxy_set_shared_data, with a compare-and-swap value",
        || {
            legacy(
                "env.proxy_set_shared_data 'key' 'sixteen_bytes_of' 0
            loop
            env.proxy_get_shared_data 'key' &at &size &cas
            env.proxy_set_shared_data 'key' 'sixteen_bytes_of' $cas",
            )
        },
    )
    .less(GET),
    Scenario::new("ABI 0.2.1/proxy_register_shared_queue, which is open", || {
        legacy("env.proxy_register_shared_queue 'q' &q\n loop\n env.proxy_register_shared_queue 'q' &q")
    }),
    Scenario::new("ABI 0.2.1/proxy_resolve_shared_queue", || {
        legacy("env.proxy_register_shared_queue 'q' &q\n loop\n env.proxy_resolve_shared_queue none 'q' &q")
    }),
    Scenario::new(
        "ABI 0.2.1/proxy_enqueue_shared_queue and proxy_dequeue_shared_queue",
        || {
            legacy(
                "env.proxy_register_shared_queue 'q' &q
            loop
            env.proxy_enqueue_shared_queue $q 'sixteen_bytes_of'
            env.proxy_dequeue_shared_queue $q &at &size",
            )
        },
    ),
    Scenario::new(
        "ABI 0.2.1/proxy_on_queue_ready, with an item that the embedder adds and it takes",
        || {
            queue_ready(
                Abi::Legacy,
                "env.proxy_register_shared_queue 'q' &q
            @proxy_on_queue_ready 2
            env.proxy_dequeue_shared_queue arg1 &at &size",
            )
        },
    ),
    Scenario::new(
        "ABI 0.2.1/proxy_call_foreign_function, which copies 16 bytes",
        || legacy("loop\n env.proxy_call_foreign_function 'echo' 'sixteen_bytes_of' &at &size"),
    ),
    Scenario::new("ABI 0.2.1/proxy_on_foreign_function", || {
        driven(Abi::Legacy, "", LOOPS, World::call)
    }),
    Scenario::new(
        "ABI 0.2.1/proxy_http_call, answer, proxy_on_http_call_response",
        || {
            let begin = "env.proxy_http_call 'up' headers 'body' none 1000 &c";
            http(
                Abi::Legacy,
                &again(begin, "@proxy_on_http_call_response 5", ""),
                LOOPS,
            )
        },
    ),
    Scenario::new("ABI 0.2.1/proxy_grpc_call and proxy_grpc_cancel", || {
        legacy(
            "loop
            env.proxy_grpc_call 'up' 'a.Service' 'Method' none 'message' 1000 &c
            env.proxy_grpc_cancel $c",
        )
    }),
    Scenario::new("ABI 0.2.1/proxy_grpc_call, answer, proxy_on_grpc_receive", || {
        let begin = "env.proxy_grpc_call 'up' 'a.Service' 'Method' none 'message' 1000 &c";
        grpc(Abi::Legacy, &again(begin, "@proxy_on_grpc_receive 3", ""), LOOPS)
    }),
    Scenario::new("ABI 0.2.1/proxy_grpc_stream and proxy_grpc_cancel", || {
        legacy(&format!("loop\n {OPEN}\n env.proxy_grpc_cancel $c"))
    }),
    Scenario::new("ABI 0.2.1/proxy_grpc_send, taken by the driver", || {
        let open = format!("@proxy_on_configure 2 -> 1\n {OPEN}");
        sent(
            Abi::Legacy,
            &format!("loop\n env.proxy_grpc_send $c 'message' 0\n {open}"),
        )
    }),
    Scenario::new(
        "ABI 0.2.1/a gRPC stream: opened, a message each way, proxy_grpc_close, its four callbacks",
        || {
            let begin = format!("{OPEN}\n env.proxy_grpc_send $c 'message' 0\n env.proxy_grpc_close $c");
            let callbacks = "@proxy_on_grpc_receive_initial_metadata 3
            @proxy_on_grpc_receive 3
            @proxy_on_grpc_receive_trailing_metadata 3
            @proxy_on_grpc_close 3";
            grpc(Abi::Legacy, &again(&begin, callbacks, ""), LOOPS)
        },
    ),
    Scenario::new("ABI 0.2.1/proxy_on_grpc_receive, of a stream", || {
        messages(Abi::Legacy, &format!("{OPEN}\n @proxy_on_grpc_receive 3"))
    }),
];

const GET: &str = "ABI 0.2.1/proxy_get_shared_data";
const OPEN: &str = "env.proxy_grpc_stream 'up' 'a.Service' 'Method' none &c";
