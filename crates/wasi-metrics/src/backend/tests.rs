use super::*;
use std::collections::BTreeMap;
use wasi_common::policy::CounterSet;

use MetricType::{Counter, Gauge, Histogram};

/// The samples of a page in the text format of Prometheus 0.0.4, by name and label. Stricter than the format: every family has a help
/// and a type, in this order, its samples follow them, and no family comes twice.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the last line has no end"
    );
    assert!(!text.contains('\r'));
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let mut family: Option<(&str, Option<&str>)> = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert_name(name);
            assert!(families.insert(name), "{name} comes twice");
            assert!(help.chars().all(|character| !character.is_control()), "{line}");
            let mut rest = help.chars();
            while let Some(character) = rest.next() {
                assert!(
                    character != '\\' || matches!(rest.next(), Some('\\' | 'n')),
                    "{line}"
                );
            }
            family = Some((name, None));
        } else if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, of_type) = declared.split_once(' ').unwrap();
            assert_eq!(family, Some((name, None)), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&of_type), "{line}");
            family = Some((name, Some(of_type)));
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, label) = match sample.split_once('{') {
                Some((name, label)) => (name, Some(label.strip_suffix('}').unwrap())),
                None => (sample, None),
            };
            assert_name(name);
            let (of_family, of_type) = family.unwrap();
            let suffix = name.strip_prefix(of_family).unwrap();
            let allowed = match of_type.unwrap() {
                "histogram" => matches!((suffix, label), ("_bucket", Some(_)) | ("_sum" | "_count", None)),
                _ => suffix.is_empty() && label.is_none(),
            };
            assert!(allowed, "{line}");
            if let Some(label) = label {
                let bound = label.strip_prefix("le=\"").unwrap().strip_suffix('"').unwrap();
                assert!(
                    bound == "+Inf" || bound.parse::<f64>().unwrap().is_finite(),
                    "{line}"
                );
            }
            let value = value.parse::<f64>().unwrap();
            assert_eq!(
                samples.insert(sample.to_owned(), value),
                None,
                "{sample} comes twice"
            );
        }
    }
    samples
}

fn assert_name(name: &str) {
    let mut characters = name.chars();
    let first = characters.next().unwrap();
    assert!(
        first.is_ascii_alphabetic() || first == '_' || first == ':',
        "{name}"
    );
    assert!(
        characters.all(|other| other.is_ascii_alphanumeric() || other == '_' || other == ':'),
        "{name}"
    );
}

fn create(registry: &Registry, scope: &str, name: &[u8], metric_type: MetricType) -> Arc<Series> {
    registry.get_or_create(&scope.into(), name, metric_type).unwrap()
}

#[test]
fn a_page() {
    let registry = Registry::new(RegistrySettings {
        histogram_bounds: vec![10, 1, 10],
        ..RegistrySettings::default()
    });
    assert_eq!(registry.render(), "");
    create(&registry, "auth", b"requests.total", Counter)
        .increment(3)
        .unwrap();
    create(&registry, "auth", b"open", Gauge)
        .set(u64::MAX, CounterSet::Refuse)
        .unwrap();
    let times = create(&registry, "auth", b"times", Histogram);
    for value in [1, 7, 8, 1000] {
        times.set(value, CounterSet::Refuse).unwrap();
    }
    let expected = "\
# HELP plugin_auth_open open of auth
# TYPE plugin_auth_open gauge
plugin_auth_open 18446744073709552000
# HELP plugin_auth_requests_total requests.total of auth
# TYPE plugin_auth_requests_total counter
plugin_auth_requests_total 3
# HELP plugin_auth_times times of auth
# TYPE plugin_auth_times histogram
plugin_auth_times_bucket{le=\"1\"} 1
plugin_auth_times_bucket{le=\"10\"} 3
plugin_auth_times_bucket{le=\"+Inf\"} 4
plugin_auth_times_sum 1016
plugin_auth_times_count 4
";
    assert_eq!(registry.render(), expected);
    assert_eq!(parse(&registry.render()).len(), 7);
}

#[test]
fn hostile_names_make_a_valid_page() {
    let registry = Registry::default();
    let scopes = ["", "a", "a.b", "a\n# TYPE x counter\nx", "9", "\u{fc}", "\"}\\"];
    let names: &[&[u8]] = &[
        b".",
        b"n",
        b"b.n",
        b"n_count",
        b"n_bucket",
        b"n_sum",
        b"n\n# TYPE evil counter\nevil 1",
        b"n{le=\"1\"} 5",
        b"\\n",
        b"\0",
        b"\xff\xfe",
        b"\xc3\xbc",
        b"\xc3\xb6",
        b"# HELP",
        b"9",
        b" ",
        b"le",
        b"n:m",
        &[b'x'; 1024],
    ];
    let mut count = 0;
    for scope in scopes {
        for (index, name) in names.iter().enumerate() {
            let metric_type = [Histogram, Counter, Gauge][index % 3];
            let series = create(&registry, scope, name, metric_type);
            let value = if index % 2 == 0 { u64::MAX } else { 0 };
            series.set(value, CounterSet::Add).unwrap();
            count += 1;
        }
    }
    let samples = parse(&registry.render());
    let per_histogram = registry.bounds.len() + 3;
    let histograms = scopes.len() * names.len().div_ceil(3);
    assert_eq!(samples.len(), count - histograms + histograms * per_histogram);
    assert!(
        !samples
            .keys()
            .any(|name| name.starts_with("evil") || name.starts_with("x "))
    );
    assert!(samples.values().all(|value| value.is_finite()));
}

#[test]
fn bounds() {
    let registry = Registry::new(RegistrySettings {
        metrics: 12,
        scope_metrics: 10,
        ..RegistrySettings::default()
    });
    let scope: Arc<str> = "hostile".into();
    let mut created = 0;
    for index in 0..10_000 {
        let name = format!("n{index}");
        match registry.get_or_create(&scope, name.as_bytes(), Histogram) {
            Ok(_) => created += 1,
            Err(status) => assert_eq!(status, Status::Unavailable),
        }
    }
    assert_eq!(created, 10, "in one scope");
    for (name, expected) in [("a", true), ("b", true), ("c", false)] {
        let result = registry.get_or_create(&"other".into(), name.as_bytes(), Counter);
        assert_eq!(result.is_ok(), expected, "{name}: in all scopes");
    }
    // What is there already can still be had, and what goes makes room.
    let first = registry.get_or_create(&scope, b"n0", Histogram).unwrap();
    registry.delete(&first);
    registry.delete(&first);
    create(&registry, "other", b"c", Counter);
    assert!(registry.get_or_create(&scope, b"n0", Histogram).is_err());
    assert_eq!(registry.metrics().len(), 12);
    assert_eq!(
        parse(&registry.render())
            .keys()
            .filter(|name| name.ends_with("_count"))
            .count(),
        9
    );
}

#[test]
fn a_deleted_name_is_free_again() {
    let registry = Registry::default();
    for metric_type in [Histogram, Counter, Gauge, Histogram] {
        let series = create(&registry, "s", b"n", metric_type);
        assert_eq!(series.exposed_name(), "plugin_s_n");
        assert!(!series.is_deleted());
        registry.delete(&series);
        assert!(series.is_deleted());
    }
    assert_eq!(registry.render(), "");
}

#[test]
fn workers_that_create_and_render_at_once() {
    let registry = Registry::default();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for index in 0..200 {
                    let series = create(&registry, "s", format!("n{}", index % 20).as_bytes(), Counter);
                    series.increment(1).unwrap();
                    if index % 50 == 0 {
                        parse(&registry.render());
                    }
                }
            });
        }
    });
    let samples = parse(&registry.render());
    assert_eq!(samples.len(), 20);
    assert!(samples.values().all(|value| *value == 40.0), "{samples:?}");
}
