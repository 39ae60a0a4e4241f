//! A configuration that changes while it is served.

use crate::{Folder, Running, text};
use std::time::{Duration, Instant};

/// Waits until requests are answered with a status.
fn wait_for(running: &Running, status: u16) {
    let begun = Instant::now();
    while !running.get("/").starts_with(&format!("HTTP/1.1 {status} ")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "never {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn by_a_signal_and_by_its_files() {
    let folder = Folder::new("updating");
    let with = |status: u16, rest: &str| {
        format!(
            "workers: 1
listeners: [{{ address: 127.0.0.1:0, routes: [{{ respond: {{ status: {status} }} }}] }}]
{rest}"
        )
    };
    for watch in [false, true] {
        let rest = format!("updates: {{ watch: {watch} }}\n");
        let file = folder.file("proxy.yaml", with(210, &rest));
        let running = Running::start(&["serve", text(&file)], 1);
        wait_for(&running, 210);
        for status in [220, 230] {
            folder.file("proxy.yaml", with(status, &rest));
            if !watch {
                running.signal("-HUP");
            }
            wait_for(&running, status);
        }
        folder.file("proxy.yaml", with(240, "log: { filter: 'info,a=b=c' }\n"));
        running.signal("-HUP");
        // The one after it is in order again, and so it was read.
        std::thread::sleep(Duration::from_millis(500));
        assert!(running.get("/").starts_with("HTTP/1.1 230 "));
        folder.file("proxy.yaml", with(250, &rest));
        running.signal("-HUP");
        wait_for(&running, 250);
        let log = running.stop("-TERM");
        assert!(
            log.contains("reload: everything stays as it was: ") && log.contains("proxy.yaml:3:16: "),
            "{log}"
        );
        assert!(
            log.contains("reload: listener 127.0.0.1:0: other settings"),
            "{log}"
        );
    }
}
