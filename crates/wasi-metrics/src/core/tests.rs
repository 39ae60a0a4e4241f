use super::*;
use crate::backend::RegistrySettings;
use wasi_common::{AbiPolicy, CallScope, PluginSettings};

use MetricType::{Counter, Gauge, Histogram};

/// An instance with two plugins, the first of which is executing.
fn instance(registry: &Arc<Registry>) -> (Common, Metrics) {
    let mut common = Common::default();
    for name in ["first", "second"] {
        let mut settings = PluginSettings::new(name, AbiPolicy::COMPONENT);
        settings.limits.handles = 3;
        common.contexts.add_plugin(Arc::new(settings));
    }
    enter(&mut common, 1);
    (common, Metrics::new(Arc::clone(registry)))
}

fn enter(common: &mut Common, plugin_id: u32) {
    common.scope = CallScope::new(plugin_id, plugin_id, "on_plugin_start");
}

#[test]
fn creating() {
    let registry = Arc::new(Registry::new(RegistrySettings {
        name_bytes: 4,
        ..RegistrySettings::default()
    }));
    let (mut common, mut metrics) = instance(&registry);
    let table: &[(MetricType, &[u8], Result<u32, Status>)] = &[
        (Counter, b"a", Ok(1)),
        (Counter, b"a", Ok(1)),
        (Gauge, b"a", Err(Status::NotAllowed)),
        (Counter, b"", Err(Status::BadArgument)),
        (Counter, b"12345", Err(Status::BadArgument)),
        (Gauge, b"1234", Ok(2)),
        (Histogram, b"\xff\0\n", Ok(3)),
        (Counter, b"more", Err(Status::Unavailable)),
        (Counter, b"a", Ok(1)),
    ];
    for (metric_type, name, expected) in table {
        assert_eq!(
            metrics.create(&common, *metric_type, name),
            *expected,
            "{}",
            name.escape_ascii()
        );
    }
    assert_eq!(registry.metrics().len(), 3, "what was refused has left nothing");
    assert_eq!(metrics.metric_type(&common, 3), Ok(Histogram));
    common.scope = CallScope::default();
    assert_eq!(
        metrics.create(&common, Counter, b"a"),
        Err(Status::InvalidOperation)
    );
}

#[test]
fn owners() {
    let registry = Arc::new(Registry::default());
    let (mut common, mut metrics) = instance(&registry);
    let first = metrics.create(&common, Counter, b"n").unwrap();
    enter(&mut common, 2);
    let second = metrics.create(&common, Gauge, b"n").unwrap();
    assert_ne!(first, second, "another plugin's scope is another one");
    for (id, expected) in [
        (first, Status::NotAllowed),
        (99, Status::BadArgument),
        (0, Status::BadArgument),
    ] {
        assert_eq!(metrics.value(&common, id), Err(expected));
        assert_eq!(metrics.set(&common, id, 1), Err(expected));
        assert_eq!(metrics.increment(&common, id, 1), Err(expected));
        assert_eq!(metrics.delete(&common, id), Err(expected));
        assert_eq!(metrics.metric_type(&common, id), Err(expected));
    }
    enter(&mut common, 1);
    assert_eq!(metrics.increment(&common, first, 3), Ok(()));
    assert_eq!(metrics.value(&common, first), Ok(3));
    assert_eq!(metrics.set(&common, first, 3), Err(Status::InvalidOperation));
}

#[test]
fn an_instance_goes_on_where_another_one_ended() {
    let registry = Arc::new(Registry::default());
    let (common, mut metrics) = instance(&registry);
    let id = metrics.create(&common, Counter, b"n").unwrap();
    metrics.increment(&common, id, 5).unwrap();
    let (other_common, mut other) = instance(&registry);
    drop((common, metrics));
    let id = other.create(&other_common, Counter, b"n").unwrap();
    other.increment(&other_common, id, 1).unwrap();
    assert_eq!(other.value(&other_common, id), Ok(6));
}

#[test]
fn scopes() {
    let registry = Arc::new(Registry::default());
    let (mut common, mut metrics) = instance(&registry);
    metrics.set_scope(1, "shared");
    metrics.set_scope(2, "shared");
    for plugin_id in [1, 2] {
        enter(&mut common, plugin_id);
        let id = metrics.create(&common, Counter, b"n").unwrap();
        metrics.increment(&common, id, 1).unwrap();
        assert_eq!(metrics.value(&common, id), Ok(u64::from(plugin_id)));
    }
    let names: Vec<_> = registry
        .metrics()
        .iter()
        .map(|series| series.exposed_name().to_owned())
        .collect();
    assert_eq!(names, ["plugin_shared_n"]);
}

#[test]
fn deletion_is_for_all_that_share_it() {
    let registry = Arc::new(Registry::default());
    let (common, mut metrics) = instance(&registry);
    let (other_common, mut other) = instance(&registry);
    let id = metrics.create(&common, Counter, b"n").unwrap();
    let other_id = other.create(&other_common, Counter, b"n").unwrap();
    metrics.increment(&common, id, 5).unwrap();
    assert_eq!(metrics.delete(&common, id), Ok(()));
    assert_eq!(metrics.delete(&common, id), Err(Status::BadArgument));
    assert!(registry.metrics().is_empty());
    assert_eq!(other.value(&other_common, other_id), Err(Status::BadArgument));
    assert_eq!(
        other.increment(&other_common, other_id, 1),
        Err(Status::BadArgument)
    );

    // Who creates it again begins at 0, with whatever type, and does not use up another id.
    let id = metrics.create(&common, Gauge, b"n").unwrap();
    assert_eq!(other.create(&other_common, Gauge, b"n"), Ok(other_id));
    assert_eq!(other.value(&other_common, other_id), Ok(0));

    // An id of what was deleted elsewhere can be let go of, which does not touch the newer metric.
    let (third_common, mut third) = instance(&registry);
    metrics.delete(&common, id).unwrap();
    third.create(&third_common, Gauge, b"n").unwrap();
    assert_eq!(other.delete(&other_common, other_id), Ok(()));
    assert_eq!(registry.metrics().len(), 1);
}

#[test]
fn a_plugin_that_goes_leaves_its_figures() {
    let registry = Arc::new(Registry::default());
    let (mut common, mut metrics) = instance(&registry);
    let id = metrics.create(&common, Counter, b"n").unwrap();
    metrics.increment(&common, id, 5).unwrap();
    metrics.remove_plugin(1);
    assert_eq!(metrics.value(&common, id), Err(Status::BadArgument));
    assert_eq!(registry.metrics().len(), 1);
    registry.delete_scope("first");
    registry.delete_scope("unknown");
    assert!(registry.metrics().is_empty());
    enter(&mut common, 2);
    assert!(metrics.create(&common, Counter, b"n").is_ok());
}

#[test]
fn the_older_abis_add_to_a_counter() {
    let mut common = Common::default();
    let plugin_id = common
        .contexts
        .add_plugin(Arc::new(PluginSettings::new("old", AbiPolicy::LEGACY)));
    enter(&mut common, plugin_id);
    let mut metrics = Metrics::new(Arc::new(Registry::default()));
    let id = metrics.create(&common, Counter, b"n").unwrap();
    for expected in [2, 4] {
        assert_eq!(metrics.set(&common, id, 2), Ok(()));
        assert_eq!(metrics.value(&common, id), Ok(expected));
    }
}
