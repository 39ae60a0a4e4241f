//! A connector against a real server.
#![cfg(test)]

use proxywasm_redis::test_server::{TestServer, wait_until};
use proxywasm_redis::{
    Answer, CallError, Connector, Listener, RedisSettings, Script, State, Value, cmd, pipe,
};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// A connector that waits long, for what is not about waiting.
fn patient(server: &TestServer) -> Connector {
    connected(RedisSettings {
        bound: Duration::from_secs(30),
        ..RedisSettings::new(server.url())
    })
}

fn connected(settings: RedisSettings) -> Connector {
    let connector = Connector::start(settings).unwrap();
    wait_until("the connector is connected", || connector.state() == State::Up);
    connector
}

fn set(key: &str, value: &str) -> proxywasm_redis::Cmd {
    let mut command = cmd("SET");
    command.arg(key).arg(value);
    command
}

fn get(key: &str) -> proxywasm_redis::Cmd {
    let mut command = cmd("GET");
    command.arg(key);
    command
}

fn text(value: &str) -> Value {
    Value::BulkString(value.as_bytes().to_vec())
}

/// Puts everything it hears into a list.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn has(&self, text: &str) -> bool {
        self.0.lock().unwrap().iter().any(|heard| heard == text)
    }

    fn wait_for(&self, text: &str) {
        wait_until(text, || self.has(text));
    }
}

impl Listener for Heard {
    fn connected(&self) {
        self.push("connected".to_owned());
    }

    fn disconnected(&self) {
        self.push("disconnected".to_owned());
    }

    fn invalidated(&self, key: Option<&[u8]>) {
        self.push(format!(
            "invalidated {}",
            String::from_utf8_lossy(key.unwrap_or(b"everything"))
        ));
    }

    fn message(&self, channel: &[u8], payload: &[u8]) {
        self.push(format!(
            "{} {}",
            String::from_utf8_lossy(channel),
            String::from_utf8_lossy(payload)
        ));
    }
}

fn listener(connector: &Connector) -> Arc<Heard> {
    let heard = Arc::new(Heard::default());
    connector.add_listener(Arc::downgrade(&heard) as _);
    heard
}

static APPEND: Script = Script::new("return redis.call('APPEND', KEYS[1], ARGV[1] .. ARGV[2])");

#[test]
fn requests() {
    let Some(server) = TestServer::start() else { return };
    let connector = patient(&server);
    assert_eq!(connector.call(set("k", "v")), Ok(vec![Value::Okay]));
    let mut several = pipe();
    several.add_command(get("k")).add_command(get("other"));
    assert_eq!(connector.call(several), Ok(vec![text("v"), Value::Nil]));
    // By code the first time, by hash then, and by code again once the server has forgotten it.
    for expected in [3, 5] {
        let append = APPEND.request([&b"k"[..]], [&b"1"[..], b"2"]);
        assert_eq!(connector.call(append), Ok(vec![Value::Int(expected)]));
    }
    let mut forget = cmd("SCRIPT");
    forget.arg("FLUSH");
    assert_eq!(connector.call(forget), Ok(vec![Value::Okay]));
    let append = APPEND.request([&b"k"[..]], [&b"\0"[..], b"\r\n"]);
    assert_eq!(connector.call(append), Ok(vec![Value::Int(8)]));
    assert_eq!(connector.call(get("k")), Ok(vec![text("v1212\0\r\n")]));

    // An error of one command is the error of all of them.
    let mut several = pipe();
    several.add_command(cmd("NONSENSE")).add_command(get("k"));
    assert!(matches!(connector.call(several), Err(CallError::Refused(_))));
    assert_eq!(connector.state(), State::Up, "an error is an answer");
    assert_eq!(connector.counters().errors, 1);
}

#[test]
fn pushes() {
    let Some(server) = TestServer::start() else { return };
    let (connector, other) = (patient(&server), patient(&server));
    let heard = listener(&connector);
    connector.call(set("watched", "1")).unwrap();
    connector.call(set("unwatched", "1")).unwrap();
    let mut caching = cmd("CLIENT");
    caching.arg("CACHING").arg("YES");
    let mut read = pipe();
    read.add_command(caching)
        .add_command(get("watched"))
        .add_command(get("unwatched"));
    connector.call(read).unwrap();
    other.call(set("unwatched", "2")).unwrap();
    other.call(set("watched", "2")).unwrap();
    heard.wait_for("invalidated watched");
    other.call(cmd("FLUSHALL")).unwrap();
    heard.wait_for("invalidated everything");
    assert!(!heard.has("invalidated unwatched"));

    let (done, subscribed) = mpsc::channel();
    connector.subscribe(b"news", move |answer| done.send(answer).unwrap());
    assert_eq!(subscribed.recv().unwrap(), Ok(Vec::new()));
    let publish = |text: &str| {
        let mut publish = cmd("PUBLISH");
        publish.arg("news").arg(text);
        publish
    };
    assert_eq!(other.call(publish("first")), Ok(vec![Value::Int(1)]));
    heard.wait_for("news first");
    connector.unsubscribe(b"news");
    wait_until("nobody listens", || {
        other.call(publish("second")) == Ok(vec![Value::Int(0)])
    });
}

#[test]
fn a_server_that_stops_and_comes_back() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    let settings = RedisSettings {
        bound: Duration::from_secs(30),
        max_backoff: Duration::from_millis(100),
        ..RedisSettings::new(server.url())
    };
    let connector = connected(settings);
    let heard = listener(&connector);
    connector.subscribe(b"news", |_| {});
    assert_eq!(connector.call(set("k", "v")), Ok(vec![Value::Okay]));
    server.stop();
    heard.wait_for("disconnected");
    let before = connector.counters();
    for _ in 0..1000 {
        assert_eq!(connector.call(get("k")), Err(CallError::Unavailable));
    }
    let after = connector.counters();
    assert_eq!(
        after.refused - before.refused,
        1000,
        "nobody waits for a server that is away"
    );
    assert_eq!(after.timeouts, before.timeouts);

    assert!(server.restart());
    heard.wait_for("connected");
    wait_until("the connector is connected", || connector.state() == State::Up);
    assert_eq!(connector.call(get("k")), Ok(vec![text("v")]));
    let mut publish = cmd("PUBLISH");
    publish.arg("news").arg("again");
    assert_eq!(
        connector.call(publish),
        Ok(vec![Value::Int(1)]),
        "subscriptions are made again"
    );
    heard.wait_for("news again");
    assert_eq!(connector.counters().connections, 2);
}

#[test]
fn a_server_that_hangs() {
    let Some(server) = TestServer::start() else { return };
    let connector = connected(RedisSettings {
        bound: Duration::from_millis(50),
        patience: Duration::from_secs(120),
        ..RedisSettings::new(server.url())
    });
    server.hang(true);
    let threads = 4;
    thread::scope(|scope| {
        for _ in 0..threads {
            let connector = connector.clone();
            scope.spawn(move || {
                for _ in 0..1000 {
                    assert_eq!(connector.call(get("k")), Err(CallError::Unavailable));
                }
            });
        }
    });
    let counters = connector.counters();
    assert!(
        (1..=threads).contains(&counters.timeouts),
        "each thread waits once: {counters:?}"
    );
    assert_eq!(counters.timeouts + counters.refused, 4000, "{counters:?}");
    assert_eq!(connector.state(), State::Stalled);

    server.hang(false);
    wait_until("the connection recovers", || connector.state() == State::Up);
    assert_eq!(connector.counters().connections, 1, "it was never lost");
    wait_until("calls succeed", || connector.call(set("k", "v")).is_ok());
}

#[test]
fn a_server_that_hangs_for_too_long_is_given_up() {
    let Some(server) = TestServer::start() else { return };
    let connector = connected(RedisSettings {
        patience: Duration::from_millis(200),
        keepalive: Duration::from_millis(20),
        ..RedisSettings::new(server.url())
    });
    let heard = listener(&connector);
    server.hang(true);
    // Nobody calls: the probes find out.
    heard.wait_for("disconnected");
    assert_eq!(connector.state(), State::Away);
    server.hang(false);
    heard.wait_for("connected");
}

#[test]
fn an_answer_that_comes_late() {
    let Some(server) = TestServer::start() else { return };
    let connector = connected(RedisSettings {
        bound: Duration::from_millis(50),
        patience: Duration::from_secs(120),
        ..RedisSettings::new(server.url())
    });
    let (sender, answers) = mpsc::channel::<Answer>();
    let call = |request| {
        let sender = sender.clone();
        connector.call_then(request, move |answer| sender.send(answer).unwrap())
    };
    wait_until("a call succeeds", || call(set("k", "v")).is_ok());
    server.hang(true);
    wait_until("the caller has given up", || {
        connector.state() == State::Stalled || call(get("k")).is_err()
    });
    server.hang(false);
    wait_until("the answer has come", || {
        answers
            .try_recv()
            .is_ok_and(|answer| answer == Ok(vec![text("v")]))
    });
}

#[test]
fn what_was_submitted_last_is_still_sent() {
    let Some(server) = TestServer::start() else { return };
    let (connector, other) = (patient(&server), patient(&server));
    for index in 0..100 {
        connector.submit(set(&format!("k{index}"), "v"), |_| {});
    }
    drop(connector);
    wait_until("the last one has arrived", || {
        other.call(get("k99")) == Ok(vec![text("v")])
    });
}

#[test]
fn every_submitted_request_is_answered() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    let connector = patient(&server);
    let (sender, answers) = mpsc::channel::<Answer>();
    for index in 0..3000 {
        if index == 1000 {
            server.stop();
        }
        let sender = sender.clone();
        connector.submit(get("k"), move |answer| sender.send(answer).unwrap());
    }
    drop((sender, connector));
    assert_eq!(
        answers.iter().count(),
        3000,
        "also those of a connector that is gone"
    );
}

#[test]
fn the_thread_ends_with_the_last_connector() {
    let Some(server) = TestServer::start() else { return };
    let (connector, other) = (patient(&server), patient(&server));
    let heard = listener(&connector);
    let clone = connector.clone();
    drop(connector);
    assert_eq!(clone.call(set("k", "v")), Ok(vec![Value::Okay]));
    drop(clone);
    heard.wait_for("disconnected");
    let clients = || {
        let mut command = cmd("INFO");
        command.arg("clients");
        other
            .call(command)
            .map(|answer| format!("{answer:?}").contains("connected_clients:1\\r"))
    };
    wait_until("its connection is closed", || clients() == Ok(true));
}
