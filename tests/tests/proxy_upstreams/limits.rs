//! How much goes to an upstream at once.

use super::{Server, before, ok, until};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

#[test]
fn some_wait_and_others_are_refused() {
    let (let_go, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let server = Server::start(move |_| {
        // One word for each request.
        let _ = held.lock().unwrap().recv();
        Some(ok("done"))
    });
    let proxy = before(&[&server], "limits: { requests: 1, pending: 1 }");
    let request = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    let (answered, answers) = mpsc::channel();
    let ask = || {
        let (mut client, answered) = (proxy.client(), answered.clone());
        client.send(request);
        thread::spawn(move || answered.send(client.receive(false)).unwrap());
    };
    ask();
    until("the first is there", || server.seen() == 1);
    // One of these waits, the other one is refused.
    ask();
    ask();
    let refused = answers.recv().unwrap();
    assert_eq!(
        (refused.status(), refused.text().as_str()),
        (503, "the upstream has too many requests\n")
    );
    assert_eq!(server.seen(), 1, "the one that waits has not come yet");
    for _ in 0..2 {
        let_go.send(()).unwrap();
        assert_eq!(answers.recv().unwrap().text(), "done");
    }
    assert_eq!(server.seen(), 2);
    // There is room again.
    let_go.send(()).unwrap();
    assert_eq!(proxy.client().request("GET /", &[]).text(), "done");
}

#[test]
fn nobody_waits_for_ever() {
    let (end, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |_| {
        // Until the test ends.
        let _ = held.lock().unwrap().recv();
        Some(ok("done"))
    });
    let proxy = before(
        &[&server],
        "limits: { requests: 1, pending: 1, pending_timeout: 50ms }",
    );
    let mut first = proxy.client();
    first.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    until("it is there", || server.seen() == 1);
    for _ in 0..2 {
        let refused = proxy.client().request("GET /", &[]);
        assert_eq!(
            (refused.status(), refused.text().as_str()),
            (503, "the upstream has too many requests\n")
        );
    }
    assert_eq!(server.seen(), 1);
    drop(end);
    assert_eq!(first.receive(false).text(), "done");
}

#[test]
fn who_leaves_makes_room() {
    let (end, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |request| {
        if request.start.contains("/held") {
            // Until the test ends.
            let _ = held.lock().unwrap().recv();
        }
        Some(ok("done"))
    });
    let proxy = before(&[&server], "limits: { requests: 1, pending: 1 }");
    let mut leaves = proxy.client();
    leaves.send("GET /held HTTP/1.1\r\nhost: h\r\n\r\n");
    until("it is there", || server.seen() == 1);
    drop(leaves);
    assert_eq!(proxy.client().request("GET /", &[]).text(), "done");
    drop(end);
}
