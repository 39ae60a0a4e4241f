//! The direction of dependencies: a crate depends on crates of lower layers only.

use super::repository::{Dependency, Package, Repository};

/// The crates, lowest layer first. That a component depends on no other component but `wasi-common` follows.
const LAYERS: &[&[&str]] = &[
    &["proxywasm-redis", "wasi-common"],
    &[
        "wasi-bytestream",
        "wasi-context",
        "wasi-ffi",
        "wasi-grpc",
        "wasi-http",
        "wasi-kvstore",
        "wasi-log",
        "wasi-metrics",
        "wasi-queue",
        "wasi-timer",
    ],
    &["proxywasm-functions", "proxywasm-wasi"],
    &["proxywasm-legacy"],
    &["proxywasm-host"],
    &["proxywasm-runner"],
];

/// The guest's side, which shares nothing with the host but the interfaces.
const GUEST_SIDE: &str = "proxywasm-sdk";

pub(super) fn check(repository: &Repository) -> Vec<String> {
    let crates = repository.folders("crates/");
    let unknown = crates
        .iter()
        .filter(|name| layer(name).is_none() && **name != GUEST_SIDE)
        .map(|name| format!("crates/{name}: has no layer; give it one in xtask/src/tidy/layers.rs"));
    unknown
        .chain(repository.packages.iter().flat_map(problems))
        .collect()
}

fn problems(package: &Package) -> Vec<String> {
    let own = layer(&package.name);
    let is_allowed = |dependency: &Dependency| match own {
        // Who tests may see the whole.
        _ if dependency.kind.as_deref() == Some("dev") && !is_component(own) => true,
        // Tests of a feature that is off by default turn it on.
        _ if dependency.kind.as_deref() == Some("dev") && dependency.name == package.name => true,
        Some(own) => layer(&dependency.name).is_some_and(|other| other < own),
        None => package.name != GUEST_SIDE,
    };
    let inner = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some());
    inner
        .filter(|dependency| !is_allowed(dependency))
        .map(|dependency| {
            format!(
                "crates/{}/Cargo.toml: depends on {}, which is not of a lower layer (xtask/src/tidy/layers.rs)",
                package.name, dependency.name
            )
        })
        .collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Whether a layer is one of components, which stand alone in their tests too.
fn is_component(layer: Option<usize>) -> bool {
    layer.is_some_and(|layer| layer < 2)
}
