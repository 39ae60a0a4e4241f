//! What helps to write configuration files.

use super::{Folder, Running, command, output, text};
use serde_json::Value;
use std::process::Output;

fn texts(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_file_to_begin_with() {
    let folder = Folder::new("init");
    let file = folder.0.join("proxy.yaml");
    let (done, told, _) = texts(&output(&["init", text(&file)]));
    assert!(done && told.contains("proxy.yaml is written"), "{told}");
    let (done, _, error) = texts(&output(&["check", text(&file)]));
    assert!(
        !done && error.contains("plugin.wasm"),
        "its plugin is not there: {error}"
    );
    folder.plugin();
    let (done, told, error) = texts(&output(&["check", text(&file)]));
    assert!(
        done && told.ends_with("proxy.yaml is in order\n"),
        "{told}{error}"
    );
    let (done, _, error) = texts(&output(&["init", text(&file)]));
    assert!(
        !done && error.contains("cannot make"),
        "nothing is written over: {error}"
    );
}

#[test]
fn checks_without_serving() {
    let folder = Folder::new("check");
    folder.plugin();
    let check = |config: &str| {
        let file = folder.file("proxy.yaml", config);
        texts(&output(&["check", text(&file)]))
    };
    // A port that nobody may listen on is none that anybody tries.
    let listener = "listeners: [{ address: 192.0.2.1:1, plugins: [a] }]";
    let (done, _, error) = check(&format!(
        "{listener}\nplugins: [{{ name: a, file: plugin.wasm }}]\n"
    ));
    assert!(done, "{error}");
    let (done, told, error) = check(&format!(
        "{listener}\nplugins: [{{ name: a, file: plugin.wasm, configuration: abc }}]\n"
    ));
    assert!(!done && told.is_empty());
    assert!(
        error.contains(":2:19: ") && error.contains("does not accept its configuration"),
        "{error}"
    );
}

#[test]
fn json_is_read_too() {
    let folder = Folder::new("json");
    folder.plugin();
    let file = folder.file(
        "proxy.json",
        "{\n\t\"listeners\": [{ \"address\": \"127.0.0.1:0\", \"plugins\": [\"a\"] }],\n\t\"plugins\": [{ \"name\": \"a\", \"file\": \"plugin.wasm\" }]\n}\n",
    );
    let (done, _, error) = texts(&output(&["check", text(&file)]));
    assert!(done, "{error}");
}

#[test]
fn toml_is_read_too() {
    let folder = Folder::new("toml");
    folder.plugin();
    let plugin = "[[plugins]]\nname = 'a'\nfile = 'plugin.wasm'\nconfiguration = { rules = [1, 2] }\n";
    let table = [
        ("address = '127.0.0.1:0'\nplugins = ['a']", None),
        ("address = '127.0.0.1:${NOT_SET:-0}'", None),
        ("address = ", Some("proxy.toml:2:")),
        ("adress = '127.0.0.1:0'", Some("did you mean `address`?")),
    ];
    for (listener, expected) in table {
        let file = folder.file("proxy.toml", format!("[[listeners]]\n{listener}\n{plugin}"));
        let (done, _, error) = texts(&output(&["check", text(&file)]));
        match expected {
            None => assert!(done, "{listener}: {error}"),
            Some(message) => assert!(!done && error.contains(message), "{listener}: {error}"),
        }
    }
}

#[test]
fn environment_variables() {
    let folder = Folder::new("environment");
    // The address; what is wrong with it.
    let table = [
        ("${ADDRESS}", None),
        ("127.0.0.1:${NOT_SET:-0}", None),
        ("127.0.0.1:${EMPTY:-0}", None),
        ("${NOT_SET}", Some("NOT_SET")),
        ("'${ADDRESS}'", Some("is no address")),
        ("$${ADDRESS}", Some("is no address")),
    ];
    for (address, expected) in table {
        let file = folder.file("proxy.yaml", format!("listeners:\n  - address: {address}\n"));
        let checked = command(&["check", text(&file)])
            .env("ADDRESS", "127.0.0.1:0")
            .env("EMPTY", "")
            .env_remove("NOT_SET")
            .output()
            .unwrap();
        let (done, _, error) = texts(&checked);
        match expected {
            None => assert!(done, "{address}: {error}"),
            Some(message) => assert!(
                error.contains("proxy.yaml:2:14: ") && error.contains(message),
                "{address}: {error}"
            ),
        }
    }
}

#[test]
fn names_that_are_nearly_right() {
    let folder = Folder::new("suggestions");
    let table = [
        ("listeners: [{ adress: 127.0.0.1:0 }]", Some("address")),
        ("listner: []", Some("listeners")),
        (
            "listeners: [{ address: 127.0.0.1:0, protocol: tpc }]",
            Some("tcp"),
        ),
        ("listeners: [{ address: 127.0.0.1:0, colour: blue }]", None),
    ];
    for (config, meant) in table {
        let file = folder.file("proxy.yaml", config);
        let (done, _, error) = texts(&output(&["check", text(&file)]));
        assert!(!done);
        match meant {
            Some(name) => assert!(
                error.contains(&format!("did you mean `{name}`?")),
                "{config}: {error}"
            ),
            None => assert!(!error.contains("did you mean"), "{config}: {error}"),
        }
    }
}

#[test]
fn the_schema() {
    let (done, schema, _) = texts(&output(&["schema"]));
    assert!(done);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let listeners = "/properties/listeners/items/$ref";
    assert_eq!(schema.pointer(listeners).unwrap(), "#/$defs/ListenerEntry");
    assert_eq!(schema.pointer("/additionalProperties").unwrap(), false);
    let file = "/$defs/PluginEntry/properties/file/description";
    assert!(
        schema
            .pointer(file)
            .unwrap()
            .as_str()
            .unwrap()
            .contains("relative")
    );
}

/// Plugins that were compiled once are not compiled again, by file and by option; and a directory that is not safe is refused.
#[test]
fn the_compile_cache() {
    let folder = Folder::new("cache");
    let plugin = folder.plugin();
    let entries = |name: &str| std::fs::read_dir(folder.0.join(name)).map_or(0, Iterator::count);
    let file = folder.file(
        "proxy.yaml",
        "listeners: [{ address: 127.0.0.1:0, plugins: [a, b] }]
cache: { directory: from_file, size: 10 MiB }
plugins:
  - { name: a, file: plugin.wasm }
  - { name: b, file: copy.wasm }
",
    );
    std::fs::copy(&plugin, folder.0.join("copy.wasm")).unwrap();
    for _ in 0..2 {
        let (done, _, error) = texts(&output(&["check", text(&file)]));
        assert!(done && error.is_empty(), "{error}");
        assert_eq!(entries("from_file"), 1, "code that is the same is compiled once");
    }
    let option = folder.0.join("option");
    let running = Running::start(&["serve", text(&file), "--cache", text(&option)], 3);
    running.stop("-TERM");
    assert_eq!(entries("option"), 1, "the command line comes first");
    let shared = folder.0.join("shared");
    std::fs::create_dir(&shared).unwrap();
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&shared, open_to_all).unwrap();
    let (done, _, error) = texts(&output(&["--cache", text(&shared), "check", text(&file)]));
    assert!(!done && error.contains("chmod 700"), "{error}");
}
