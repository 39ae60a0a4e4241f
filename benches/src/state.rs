//! Timers, metrics, stores, queues, functions and the log: a hostcall a thousand times within one callback, and the callbacks.

use crate::script::Abi;
use crate::world::{World, component, component_that_ends, driven};
use crate::{Body, LOOPS, Scenario};
use proxywasm_host::LogLevel;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("wasi-log/log, below the level", || {
        component("loop\n wasi-log.log 0 'a_line_of_some_32_bytes_for_the_log'")
    }),
    Scenario::new("wasi-log/log, to a sink that drops it", || {
        component("loop\n wasi-log.log 2 'a_line_of_some_32_bytes_for_the_log'")
    }),
    Scenario::new("wasi-log/get_log_level", || {
        component("loop\n wasi-log.get_log_level &v")
    }),
    Scenario::new("wasi-log/on_log_level_update", log_level_update),
    Scenario::new("wasi-timer/create_timer and delete_timer", || {
        component("loop\n wasi-timer.create_timer 1000 0 &t\n wasi-timer.delete_timer $t")
    }),
    Scenario::new("wasi-timer/on_timer_ready", || {
        timer(
            Abi::Component,
            "wasi-timer.create_timer 1 0 &t\n @proxy_on_timer_ready 1",
        )
    }),
    Scenario::new("wasi-metrics/create_metric, which exists", || {
        component("wasi-metrics.create_metric 0 'c' &m\n loop\n wasi-metrics.create_metric 0 'c' &m")
    }),
    Scenario::new("wasi-metrics/create_metric, a new one, and delete_metric", || {
        component("loop\n wasi-metrics.create_metric 0 'c' &m\n wasi-metrics.delete_metric $m")
    }),
    Scenario::new("wasi-metrics/increment_metric_value, counter", || {
        component("wasi-metrics.create_metric 0 'c' &m\n loop\n wasi-metrics.increment_metric_value $m 1L")
    }),
    Scenario::new("wasi-metrics/set_metric_value, gauge", || {
        component("wasi-metrics.create_metric 1 'g' &m\n loop\n wasi-metrics.set_metric_value $m 7L")
    }),
    Scenario::new("wasi-metrics/set_metric_value, histogram", || {
        component("wasi-metrics.create_metric 2 'h' &m\n loop\n wasi-metrics.set_metric_value $m 700L")
    }),
    Scenario::new("wasi-metrics/get_metric_value", || {
        component("wasi-metrics.create_metric 0 'c' &m\n loop\n wasi-metrics.get_metric_value $m &value")
    }),
    Scenario::new(
        "wasi-kvstore/open_shared_kvstore, a new one, and delete_shared_kvstore",
        || {
            component(
                "loop\n wasi-kvstore.open_shared_kvstore 'new' 1 &s\n wasi-kvstore.delete_shared_kvstore $s",
            )
        },
    ),
    Scenario::new("wasi-kvstore/open_shared_kvstore, which exists", || {
        component_that_ends("loop\n wasi-kvstore.open_shared_kvstore 'store' 1 &s")
    }),
    Scenario::new("wasi-kvstore/get_shared_kvstore_key_values", || {
        store(
            "wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0
            loop
            wasi-kvstore.get_shared_kvstore_key_values $s 'key' out &size &cas",
        )
    }),
    Scenario::new(SET, || {
        store("loop\n wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0")
    }),
    Scenario::new(
        "wasi-kvstore/set_shared_kvstore_key_values, with a compare-and-swap value",
        || {
            store(
                "wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0
            loop
            wasi-kvstore.get_shared_kvstore_key_values $s 'key' out &size &cas
            wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' $cas",
            )
        },
    )
    .less("wasi-kvstore/get_shared_kvstore_key_values"),
    Scenario::new("wasi-kvstore/add_shared_kvstore_key_values, to one value", || {
        store(
            "loop
            wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0
            wasi-kvstore.add_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0",
        )
    })
    .less(SET),
    Scenario::new(
        "wasi-kvstore/remove_shared_kvstore_key, and making the key again",
        || {
            store(
                "loop
            wasi-kvstore.set_shared_kvstore_key_values $s 'key' 'sixteen_bytes_of' 0
            wasi-kvstore.remove_shared_kvstore_key $s 'key' 0",
            )
        },
    )
    .less(SET),
    Scenario::new("wasi-queue/open_shared_queue, which is open", || {
        component("wasi-queue.open_shared_queue 'q' 1 &q\n loop\n wasi-queue.open_shared_queue 'q' 1 &q")
    }),
    Scenario::new(
        "wasi-queue/open_shared_queue, a new one, and delete_shared_queue",
        || component("loop\n wasi-queue.open_shared_queue 'new' 1 &q\n wasi-queue.delete_shared_queue $q"),
    ),
    Scenario::new(ENQUEUE, || {
        component(
            "wasi-queue.open_shared_queue 'q' 1 &q
            loop
                wasi-queue.enqueue_shared_queue_item $q 'sixteen_bytes_of'
            end
            wasi-queue.delete_shared_queue $q",
        )
    }),
    Scenario::new("wasi-queue/dequeue_shared_queue_item", || {
        component(
            "wasi-queue.open_shared_queue 'q' 1 &q
            loop
                wasi-queue.enqueue_shared_queue_item $q 'sixteen_bytes_of'
                wasi-queue.dequeue_shared_queue_item $q out &size
            end
            wasi-queue.delete_shared_queue $q",
        )
    })
    .less(ENQUEUE),
    Scenario::new(
        "wasi-queue/on_shared_queue_ready, with an item that the embedder adds and it takes",
        || {
            queue_ready(
                Abi::Component,
                "wasi-queue.open_shared_queue 'q' 1 &q
            @proxy_on_shared_queue_ready 1
            wasi-queue.dequeue_shared_queue_item arg0 out &size",
            )
        },
    ),
    Scenario::new("wasi-ffi/resolve_custom_function", || {
        component("loop\n wasi-ffi.resolve_custom_function 'echo' &f")
    }),
    Scenario::new(
        "wasi-ffi/call_custom_function, of one that copies 16 bytes, and get_custom_function_results",
        || {
            component(
                "wasi-ffi.resolve_custom_function 'echo' &f
                loop
                wasi-ffi.call_custom_function $f 'sixteen_bytes_of' &r
                wasi-ffi.get_custom_function_results $r out &size",
            )
        },
    ),
    Scenario::new("wasi-ffi/get_custom_function_results_sizes", || {
        component(
            "wasi-ffi.resolve_custom_function 'echo' &f
            wasi-ffi.call_custom_function $f 'sixteen_bytes_of' &r
            loop
            wasi-ffi.get_custom_function_results_sizes $r &count &size",
        )
    }),
    Scenario::new("wasi-ffi/on_custom_callback", || {
        driven(Abi::Component, "", LOOPS, World::call)
    }),
    Scenario::new("wasi-ffi/set_custom_callback_results", || {
        component("loop\n wasi-ffi.set_custom_callback_results arg0 'sixteen_bytes_of'")
    }),
];

const SET: &str = "wasi-kvstore/set_shared_kvstore_key_values";
const ENQUEUE: &str = "wasi-queue/enqueue_shared_queue_item";

/// Hostcalls on the store `s`. It is opened once, since nobody can close it.
fn store(lines: &str) -> Body {
    component(&format!(
        "{lines}\n @proxy_on_plugin_start 2 -> 1\n wasi-kvstore.open_shared_kvstore 'store' 1 &s"
    ))
}

fn log_level_update() -> Body {
    driven(
        Abi::Component,
        "@proxy_on_log_level_update 1",
        LOOPS / 2,
        |world| {
            world.host.set_log_level(LogLevel::Warn);
            world.host.set_log_level(LogLevel::Info);
        },
    )
}

/// Each deadline is reached ahead of its time.
pub(crate) fn timer(abi: Abi, script: &str) -> Body {
    driven(abi, script, LOOPS, |world| {
        let at = world.host.next_deadline().expect("the plugin has a timer");
        world.host.handle_deadline(at);
    })
}

/// The embedder adds an item; then the host tells the plugin.
pub(crate) fn queue_ready(abi: Abi, script: &str) -> Body {
    let mut world = World::new(abi, script);
    world.call();
    let queue = world.services.queues.open("", b"q", true).unwrap();
    Box::new(move || {
        for _ in 0..LOOPS {
            queue.enqueue(b"sixteen bytes of").unwrap();
            world.host.handle_wake();
        }
        assert!(queue.take().is_err(), "the plugin has taken all items");
    })
}
