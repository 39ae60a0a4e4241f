//! What leads to a reload.

use crate::{ONE, RELOAD, counter, one, status};
use proxywasm_tests::harness::{Client, ConfigFolder, UpdatedProxy, relink};
use std::os::unix::fs::symlink;

type Cause = fn(&UpdatedProxy);

#[test]
fn each_of_them() {
    let table: &[(&str, bool, Cause)] = &[
        ("the code is put in the place of the old", true, |proxy| {
            proxy.folder().put_wat("p.wasm", &counter(220));
        }),
        ("the code is written over", true, |proxy| {
            let code = wat::parse_str(counter(220)).unwrap();
            std::fs::write(proxy.folder().path("p.wasm"), code).unwrap();
        }),
        ("the file is put in the place of the old", true, |proxy| {
            std::fs::write(
                proxy.folder().path("q.wasm"),
                wat::parse_str(counter(220)).unwrap(),
            )
            .unwrap();
            proxy.folder().write(&ONE.replace("p.wasm", "q.wasm"));
        }),
        ("the file is written over", true, |proxy| {
            proxy.folder().put_wat("q.wasm", &counter(220));
            std::fs::write(proxy.folder().file(), ONE.replace("p.wasm", "q.wasm")).unwrap();
        }),
        ("code comes that was missing", true, |proxy| {
            proxy.folder().write(&ONE.replace("p.wasm", "q.wasm"));
            assert!(proxy.try_reload().is_err());
            proxy.folder().put_wat("q.wasm", &counter(220));
        }),
        ("it is asked for, as SIGHUP does", false, |proxy| {
            proxy.folder().put_wat("p.wasm", &counter(220));
            proxy.runner().reload();
        }),
        ("it is asked for at the admin address", false, |proxy| {
            proxy.folder().put_wat("p.wasm", &counter(220));
            let admin = proxy.admin_address().unwrap();
            let answer = Client::connect(admin).request("POST /reload", &RELOAD);
            assert_eq!(answer.status(), 200);
            assert_eq!(
                answer.text(),
                "version 2 is served\nplugin p: other code\nlistener 127.0.0.1:0: other settings\n"
            );
        }),
    ];
    for (name, watches, cause) in table {
        let folder = ConfigFolder::new(&format!("{ONE}admin: {{ address: '127.0.0.1:0' }}\n"));
        folder.put_wat("p.wasm", &counter(210));
        let proxy = match watches {
            true => folder.start(),
            false => folder.start_quietly(),
        };
        // A connection that stays open.
        let mut client = proxy.client();
        assert_eq!(status(&mut client), 211, "{name}");
        cause(&proxy);
        proxy.wait_for_generation(2);
        assert_eq!(status(&mut client), 221, "{name}");
        assert_eq!(status(&mut proxy.client()), 222, "{name}");
    }
}

/// Files are links through one to a folder, which is put in the place of another.
#[test]
fn a_link_to_another_folder() {
    let folder = ConfigFolder::new("");
    let fill = |version: &str, base: u32| {
        let of_version = folder.path(version);
        std::fs::create_dir_all(&of_version).unwrap();
        std::fs::write(of_version.join("proxy.yaml"), ONE).unwrap();
        let code = wat::parse_str(counter(base)).unwrap();
        std::fs::write(of_version.join("p.wasm"), code).unwrap();
        relink(version, &folder.path("..data"));
    };
    fill("..1", 210);
    for name in ["proxy.yaml", "p.wasm"] {
        let _ = std::fs::remove_file(folder.path(name));
        symlink(format!("..data/{name}"), folder.path(name)).unwrap();
    }
    let proxy = folder.start();
    assert_eq!(status(&mut proxy.client()), 211);
    for (generation, version, base) in [(2, "..2", 220), (3, "..3", 230)] {
        let of_version = proxy.folder().path(version);
        std::fs::create_dir_all(&of_version).unwrap();
        std::fs::write(of_version.join("proxy.yaml"), ONE).unwrap();
        std::fs::write(of_version.join("p.wasm"), wat::parse_str(counter(base)).unwrap()).unwrap();
        relink(version, &proxy.folder().path("..data"));
        proxy.wait_for_generation(generation);
        assert_eq!(u32::from(status(&mut proxy.client())), base + 1);
    }
}

#[test]
fn what_has_not_changed_leads_to_nothing() {
    let proxy = one().start_quietly();
    let mut client = proxy.client();
    assert_eq!(status(&mut client), 211);
    // Comments, order and what is the default change nothing.
    let same = "
# The same.
plugins:
  - file: p.wasm
    name: p
    failure: closed
listeners:
  - plugins: [p]
    address: 127.0.0.1:0
workers: 1
";
    for text in [ONE, same] {
        assert_eq!(proxy.update(text), [""; 0]);
    }
    proxy.folder().put_wat("p.wasm", &counter(210));
    assert_eq!(proxy.reload(), [""; 0]);
    assert_eq!(proxy.generation(), 1);
    assert_eq!(status(&mut client), 212);
}

#[test]
fn what_needs_a_restart_is_told_and_the_rest_is_done() {
    let proxy = one().start_quietly();
    let text = ONE
        .replace("workers: 1", "workers: 3")
        .replace("p.wasm", "q.wasm");
    let text = format!("{text}admin: {{}}\nstores: {{ total: 1 MiB }}\nnode: {{ id: a }}\n");
    let text = text.replace("plugins: [p]", "plugins: [p], accept: one_acceptor");
    proxy.folder().put_wat("q.wasm", &counter(220));
    proxy.folder().write(&text);
    let update = proxy.try_reload().unwrap();
    assert_eq!(
        update.restart,
        ["workers", "admin", "accept of 127.0.0.1:0", "stores", "node"]
    );
    assert_eq!(status(&mut proxy.client()), 221);
    assert_eq!(proxy.runner().snapshot().plugins[0].workers.len(), 1);
}
