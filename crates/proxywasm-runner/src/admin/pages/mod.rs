//! The pages of the admin address, each with its handler in a file.

mod drain;
mod health;
mod help;
mod listeners;
mod log_level;
mod metrics;
mod plugins;
mod upstreams;

use super::router::Page;

/// All pages, as `/help` lists them.
pub(super) const PAGES: &[Page] = &[
    Page::get("/", "this list", help::show),
    Page::get("/help", "this list", help::show),
    Page::get(
        "/ready",
        "whether it takes connections: 200, or 503 while it starts or drains",
        health::ready,
    )
    .by_any_name(),
    Page::post(
        "/drain",
        "has the process drain and end, as SIGTERM does",
        drain::begin,
    ),
    Page::get("/live", "whether it runs: 200", health::live).by_any_name(),
    Page::get(
        "/metrics",
        "figures, in the text format of Prometheus",
        metrics::show,
    )
    .by_any_name(),
    Page::get("/listeners", "where it listens, as JSON", listeners::show),
    Page::get(
        "/upstreams",
        "servers of upstreams and whether they are well, as JSON",
        upstreams::show,
    ),
    Page::get("/plugins", "plugins, as JSON", plugins::show),
    Page::get(
        "/log_level",
        "the lowest level of plugin messages that is written, or `as configured`",
        log_level::show,
    ),
    Page::put(
        "/log_level",
        "sets it, for all plugins on all workers; the body is the name of a level",
        log_level::set,
    ),
];
