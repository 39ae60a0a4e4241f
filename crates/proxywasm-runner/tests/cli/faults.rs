//! What is wrong is said, and where.

use super::{Folder, output, text};

#[test]
fn faulty_files_are_pointed_at() {
    let folder = Folder::new("faulty");
    folder.plugin();
    folder.file("garbage.wasm", "garbage");
    let listener = "listeners: [{ address: 127.0.0.1:0, plugins: [a] }]\n";
    let table: &[(String, &str, &str)] = &[
        ("listeners:\n  - adress: 127.0.0.1:0\n".into(), "2:5", "adress"),
        ("listeners:\n  - address: here\n".into(), "2:14", "address"),
        ("listeners: []\n".into(), "1:12", "no listener is configured"),
        (
            "workers: 0\nlisteners: [{ address: 127.0.0.1:0 }]\n".into(),
            "1:1",
            "nonzero",
        ),
        (listener.into(), "1:47", "no plugin is called `a`"),
        (
            "listeners: []\nbackground: [{ plugin: a }]\n".into(),
            "2:24",
            "no plugin is called `a`",
        ),
        (
            "listeners: []\nbackground: [{ plugin: a, run: twice }]\n".into(),
            "2:32",
            "per_worker",
        ),
        (
            "listeners: []\nbackground: [{ plugin: a }, { plugin: a }]\nplugins: [{ name: a, file: plugin.wasm }]\n"
                .into(),
            "2:39",
            "`a` runs in the background already",
        ),
        (
            "listeners: []\nupstreams: [{ name: a, url: 'ftp://h' }]\n".into(),
            "2:29",
            "it lacks the scheme",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nupstreams: [{ name: a, url: 'tcp://h:1' }]\n".into(),
            "2:29",
            "it is no HTTP server",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nupstreams: [{ name: a, url: 'http://h' }, { name: a, url: 'http://i' }]\n"
                .into(),
            "2:51",
            "two upstreams are called `a`",
        ),
        (
            "listeners: []\nbackground: [{ plugin: a }]\nplugins: [{ name: a, file: plugin.wasm, environment: { PATH: a }, environment_from: [PATH] }]\n".into(),
            "3:86",
            "`PATH` is given twice",
        ),
        (
            "listeners: []\nbackground: [{ plugin: a }]\nplugins: [{ name: a, file: plugin.wasm, vm_configuration: a, vm_configuration_base64: YQ== }]\n".into(),
            "3:87",
            "`vm_configuration` and `vm_configuration_base64` cannot both be given",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nupstreams: [{ name: '', url: 'http://h' }]\n".into(),
            "2:21",
            "an upstream needs a name",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nupstreams: [{ name: a, url: 'http://h', authority: 'a b' }]\n".into(),
            "2:52",
            "`a b` is no authority",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0, upstream: 'ftp://h' }]\n".into(),
            "1:47",
            "it lacks the scheme",
        ),
        (
            format!("{listener}plugins:\n  - name: a\n    file: missing.wasm\n"),
            "4:11",
            "cannot read the plugin",
        ),
        (
            format!("{listener}plugins:\n  - name: a\n    file: garbage.wasm\n"),
            "4:11",
            "does not compile",
        ),
        (
            format!("{listener}plugins:\n  - name: a\n    file: plugin.wasm\n    configuration: abc\n"),
            "3:11",
            "does not accept its configuration",
        ),
        (
            format!(
                "{listener}plugins:\n  - name: a\n    file: plugin.wasm\n    configuration_base64: '?'\n"
            ),
            "5:27",
            "is not Base64",
        ),
        (
            format!(
                "{listener}plugins:\n  - {{ name: a, file: plugin.wasm }}\n  - {{ name: a, file: plugin.wasm }}\n"
            ),
            "4:13",
            "two plugins are called `a`",
        ),
        (
            format!(
                "{listener}plugins:\n  - name: a\n    file: plugin.wasm\n    limits: {{ memory: 1 TiB }}\n"
            ),
            "5:15",
            "a size such as",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis: { prefix: x }\n".into(),
            "2:10",
            "missing field `url`",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis: { url: 'redis://h', prefix: 'a{b}' }\n".into(),
            "2:36",
            "`prefix` has to be made of letters",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis:\n  url: redis://h\n  lease: 10ms\n".into(),
            "4:10",
            "at least 3s",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis: { url: 127.0.0.1:6379 }\n".into(),
            "2:15",
            "give one like redis://host:6379",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nqueues: { item: 1 ell }\n".into(),
            "2:11",
            "a size such as",
        ),
        ("listeners: [".into(), "1:12", ""),
    ];
    for (config, position, message) in table {
        let file = folder.file("proxy.yaml", config);
        let output = output(&["serve", text(&file)]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{config}\n{error}");
        assert!(output.stdout.is_empty(), "nothing listens: {config}");
        let place = format!("error: {}:{position}: ", file.display());
        assert!(
            error.contains(&place) && error.contains(message),
            "{config}\nexpected {place}{message}\n{error}"
        );
        let line: usize = position.split(':').next().unwrap().parse().unwrap();
        let column: usize = position.split(':').nth(1).unwrap().parse().unwrap();
        let shown = format!(
            "{line} | {}\n  | {}^",
            config.lines().nth(line - 1).unwrap(),
            " ".repeat(column - 1)
        );
        assert!(error.contains(&shown), "{error}\nexpected\n{shown}");
    }
    // Messages end up in logs, where no password belongs.
    let file = folder.file(
        "proxy.yaml",
        "listeners: [{ address: 127.0.0.1:0 }]\nredis: { url: 'redis://u:secret@' }\n",
    );
    let error = String::from_utf8(output(&["serve", text(&file)]).stderr).unwrap();
    assert!(error.contains(":2:15: ") && !error.contains("secret"), "{error}");
    let missing = output(&["serve", "no-such-file.yaml"]);
    assert!(
        String::from_utf8(missing.stderr)
            .unwrap()
            .contains("no-such-file.yaml: cannot read the configuration")
    );
}

#[test]
fn faulty_arguments() {
    let folder = Folder::new("arguments");
    let plugin = folder.plugin();
    let garbage = folder.file("garbage.wasm", "garbage");
    let plugin = text(&plugin);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let table: &[(&[&str], i32, &str)] = &[
        (
            &["run", "--plugin", plugin, "--config", "abc"],
            1,
            "plugin `plugin` does not accept its configuration",
        ),
        (
            &["run", "--plugin", plugin, "--config", "@missing"],
            1,
            "cannot read the configuration missing",
        ),
        (
            &["run", "--plugin", plugin, "--config", "a", "--config", "b"],
            1,
            "more --config than --plugin",
        ),
        (
            &[
                "run", "--plugin", plugin, "--plugin", plugin, "--name", "a", "--name", "a",
            ],
            1,
            "two plugins are called `a`",
        ),
        (
            &["run", "--plugin", "missing.wasm"],
            1,
            "cannot read the plugin missing.wasm",
        ),
        (
            &["run", "--plugin", text(&garbage)],
            1,
            "garbage.wasm: the code does not compile",
        ),
        (
            &["run", "--plugin", plugin, "--listen", &taken],
            1,
            "cannot listen on 127.0.0.1:",
        ),
        (
            &["run", "--plugin", plugin, "--upstream", "ftp://h"],
            2,
            "it lacks the scheme",
        ),
        (
            &["run", "--plugin", plugin, "--call-upstream", "http://h"],
            2,
            "write `NAME=http://HOST[:PORT]`",
        ),
        (
            &["run", "--plugin", plugin, "--call-upstream", "a=echo"],
            2,
            "it is no HTTP server",
        ),
        (
            &["run", "--plugin", plugin, "--log", "a=b=c"],
            1,
            "`a=b=c` is no log filter",
        ),
        (&["run"], 2, "--plugin"),
    ];
    for (arguments, code, message) in table {
        let output = output(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?} {error}");
        assert!(error.contains(message), "{arguments:?} {error}");
    }
}
