//! PostgreSQL behind plugins: its benchmark as load, and answers that are the same as without the proxy.

use crate::plugins::{done, forwarding};
use crate::server::{Folder, Server, run, skipped};
use proxywasm_tests::harness::proxy;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the server's programs; Debian has none of them on the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop()
}

/// A command of the server, which refuses to run as root: root runs it as the user of the package.
fn unprivileged(program: &Path) -> Command {
    let id = run(Command::new("id").arg("-u")).unwrap_or_default();
    if id.trim_ascii() != b"0" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    command.arg(program);
    command
}

fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        return skipped("PostgreSQL");
    };
    let folder = Folder::new("postgres");
    let data = folder.path().join("data");
    // Whoever runs the server has to own its folder, and no other test has it.
    fs::create_dir(&data).unwrap();
    if unprivileged(Path::new("true")).get_program() == "setpriv" {
        run(Command::new("chown")
            .arg("postgres")
            .arg(folder.path())
            .arg(&data))?;
    }
    run(unprivileged(&programs.join("initdb"))
        .arg("--pgdata")
        .arg(&data)
        .args([
            "--username",
            "postgres",
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
        ]))?;
    Server::start("postgres", "-QUIT", folder, |folder, address| {
        let mut command = unprivileged(&programs.join("postgres"));
        command.arg("-D").arg(&data);
        command.args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
        command.arg("-k").arg(folder);
        command.args(["-c", "fsync=off"]);
        command
    })
}

fn client(program: &str, address: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.args([
        "-h",
        "127.0.0.1",
        "-p",
        &address.port().to_string(),
        "-U",
        "postgres",
    ]);
    command
}

/// What queries return that move much in both directions.
fn ask(address: SocketAddr, folder: &Path) -> Option<Vec<u8>> {
    let rows = "select i, repeat(md5(i::text), 1 + i % 300) from generate_series(1, 8000) i";
    let mut psql = client("psql", address);
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]);
    let file = folder.join("rows");
    let mut first = client("psql", address);
    first.args(["-X", "-q", "-c", &format!("copy ({rows}) to stdout")]);
    let out = run(&mut first)?;
    fs::write(&file, &out).unwrap();
    // The same rows go back, and are counted there.
    psql.args([
        "-c",
        "drop table if exists t",
        "-c",
        "create table t (i int, v text)",
    ]);
    psql.arg("-c").arg(format!("\\copy t from '{}'", file.display()));
    psql.args(["-c", "select count(*), md5(string_agg(v, '' order by i)) from t"]);
    let mut answer = run(&mut psql)?;
    answer.extend(out);
    Some(answer)
}

#[test]
fn answers_and_benchmark() {
    let Some(server) = start() else { return };
    let folder = server.folder().to_owned();
    let Some(direct) = ask(server.address, &folder) else {
        return;
    };
    assert!(direct.len() > 20 << 20, "{}", direct.len());
    for chain in [
        vec![forwarding()],
        vec![done()],
        vec![forwarding(), done(), forwarding()],
    ] {
        let mut builder = proxy().tcp_upstream(server.address).workers(2);
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.guest("tcp_legacy", "count").start();
        let through = ask(proxy.address(), &folder).unwrap_or_default();
        assert!(
            through == direct,
            "{} plugins: {} bytes",
            chain.len(),
            through.len()
        );
        let mut fill = client("pgbench", proxy.address());
        if run(fill.args(["-i", "-q", "postgres"])).is_none() {
            return;
        }
        let mut load = client("pgbench", proxy.address());
        let report =
            run(load.args(["-n", "-c", "6", "-j", "2", "-t", "100", "postgres"])).unwrap_or_default();
        let report = String::from_utf8_lossy(&report);
        assert!(report.contains("600/600"), "{report}");
    }
}
