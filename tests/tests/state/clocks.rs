//! Timers and ticks of plugins without streams, on the page of metrics.

use crate::process::wait_until;
use crate::{Process, plugin};
use proxywasm_tests::guests::{TICK_LEGACY, TIMER_COMPONENT};
use std::time::Duration;

#[test]
fn they_fire_as_often_as_they_should() {
    let plugins = [
        plugin("timers", TIMER_COMPONENT, "10 5 7"),
        plugin("ticks", TICK_LEGACY, "10 7"),
        plugin("all", TICK_LEGACY, "10 3").replace(" }\n", ", metric_scope: shared }\n"),
        plugin("more", TIMER_COMPONENT, "10 5 2").replace(" }\n", ", metric_scope: shared }\n"),
        plugin("ever", TIMER_COMPONENT, "10 5 0"),
    ]
    .concat();
    let runner = Process::start(&format!(
        "workers: 2
listeners: []
background:
  - {{ plugin: timers }}
  - {{ plugin: ticks, run: per_worker }}
  - {{ plugin: all }}
  - {{ plugin: more, run: per_worker }}
  - {{ plugin: ever, run: per_worker }}
plugins:
{plugins}"
    ));
    let table = [
        ("plugin_timers_periodic", 7),
        ("plugin_timers_once", 1),
        // In each of two workers.
        ("plugin_ticks_periodic", 2 * 7),
        // Plugins of one scope count together.
        ("plugin_shared_periodic", 3 + 2 * 2),
        ("plugin_shared_once", 2),
        ("plugin_ever_once", 2),
    ];
    for (metric, times) in table {
        wait_until(metric, || runner.metric(metric) >= times);
    }
    wait_until("one that does not end", || {
        runner.metric("plugin_ever_periodic") > 40
    });
    std::thread::sleep(Duration::from_millis(50));
    for (metric, times) in table {
        assert_eq!(runner.metric(metric), times, "{metric}");
    }
    runner.stop();
}
