//! The pages of the admin address, each with its handler in a file.

mod config;
mod drain;
mod health;
mod help;
mod listeners;
mod log_level;
mod metrics;
mod page;
mod plugins;
mod profile;
mod reload;
mod shown;
mod standing;
mod status;
mod upstreams;

use super::router::Page;

/// All pages, as `/help` lists them.
pub(super) const PAGES: &[Page] = &[
    Page::get("/", "all of this to look at, in a browser", page::show),
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
    Page::get(
        "/status",
        "which runner this is, and how far, as JSON",
        status::show,
    ),
    Page::get(
        "/config",
        "the configuration in effect, without its secrets, as JSON",
        config::show,
    ),
    Page::get(
        "/listeners",
        "where it listens, and what came there, as JSON",
        listeners::show,
    ),
    Page::get(
        "/upstreams",
        "servers of upstreams, whether they are well, and what was asked of them, as JSON",
        upstreams::show,
    ),
    Page::get_later("/plugins", "plugins and how they are, as JSON", plugins::show),
    Page::get(
        "/plugins/{}/log",
        "the last messages of the plugin of this name, as JSON",
        plugins::log,
    ),
    Page::get_later(
        "/plugins/{}/profile",
        "where the plugin of this name spends its time, looked at for ?seconds=10, as ?format=pprof or folded",
        profile::take,
    ),
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
    Page::post(
        "/reload",
        "has the configuration, the code of plugins and certificates read again; 200 and what has changed, or why nothing has",
        reload::reload,
    ),
];
