//! The server goes away, and hangs, under load: whoever needs it is told so, nobody else waits for it, and it goes on by itself when the
//! server is back.

use crate::process::wait_until;
use crate::{Process, plugin};
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests::{HEADERS_COMPONENT, STORE_COMPONENT, STORE_LEGACY};
use proxywasm_tests::harness::{Client, Message};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What is done to the server, in this order; under each the load goes on for [`PHASE`].
const PHASES: [&str; 5] = ["there", "stopped", "started again", "hanging", "going on"];
const PHASE: Duration = Duration::from_millis(1200);

/// The number of the phase; past the last one the load ends.
type Now = AtomicUsize;

/// What a client was answered, in which phase, and how long it took.
struct Answer {
    phase: usize,
    took: Duration,
    message: Message,
}

/// Makes requests until the last phase is over, with a pause of a millisecond after each. One that is not answered ends the test, when the
/// client's patience does.
fn load(now: &Now, address: SocketAddr) -> Vec<Answer> {
    let mut client = Client::connect(address);
    // A plugin that cannot open its store when it starts is started again a little later.
    wait_until("the plugin starts", || {
        client.request("GET /start", &[]).status() == 200
    });
    let mut answers = Vec::new();
    loop {
        let phase = now.load(Ordering::Relaxed);
        if phase >= PHASES.len() {
            return answers;
        }
        let start = Instant::now();
        let message = client.request("GET /outage", &[]);
        answers.push(Answer {
            phase,
            took: start.elapsed(),
            message,
        });
        thread::sleep(Duration::from_millis(1));
    }
}

/// Takes the server through its phases, and each of them to where it has its effect.
fn outages(server: &mut TestServer, runner: &Process, now: &Now) {
    for phase in 0..PHASES.len() {
        now.store(phase, Ordering::Relaxed);
        match phase {
            1 => server.stop(),
            2 => assert!(server.restart()),
            3 => server.hang(true),
            4 => server.hang(false),
            _ => {}
        }
        let is_there = u64::from(phase % 2 == 0);
        wait_until("the runner notices", || {
            runner.metric("proxywasm_redis_up") == is_there
        });
        thread::sleep(PHASE);
    }
    now.store(PHASES.len(), Ordering::Relaxed);
}

/// How often each outcome came, phase by phase.
fn outcomes(answers: &[Answer], outcome: impl Fn(&Message) -> String) -> Vec<BTreeMap<String, u64>> {
    let mut phases = vec![BTreeMap::new(); PHASES.len()];
    for answer in answers {
        *phases[answer.phase].entry(outcome(&answer.message)).or_default() += 1;
    }
    phases
}

/// Shows how long requests took that have nothing to do with the server.
fn print_latencies(answers: &[Answer]) {
    for (phase, name) in PHASES.iter().enumerate() {
        let of_phase = answers.iter().filter(|answer| answer.phase == phase);
        let mut took: Vec<Duration> = of_phase.map(|answer| answer.took).collect();
        took.sort();
        let below = |percent: usize| {
            let index = (took.len() * percent / 100).min(took.len() - 1);
            took[index].as_secs_f64() * 1000.0
        };
        println!(
            "{name}: {} other requests, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
            took.len(),
            below(50),
            below(99),
            below(100)
        );
    }
}

#[test]
fn under_load() {
    let Some(mut server) = TestServer::start() else {
        return;
    };
    let plugins = [
        plugin("counts", STORE_COMPONENT, ""),
        plugin("legacy", STORE_LEGACY, ""),
        plugin("other", HEADERS_COMPONENT, ""),
    ]
    .concat();
    // With the default bound.
    let runner = Process::start(&format!(
        "workers: 2
log: {{ filter: warn }}
redis: {{ url: '{}' }}
listeners:
  - {{ address: 127.0.0.1:0, accept: one_acceptor, plugins: [counts] }}
  - {{ address: 127.0.0.1:0, accept: one_acceptor, plugins: [legacy] }}
  - {{ address: 127.0.0.1:0, accept: one_acceptor, plugins: [other] }}
plugins:
{plugins}",
        server.url()
    ));
    let now = Now::new(0);
    let [counts, legacy, other] = thread::scope(|scope| {
        // How many clients each listener has.
        let clients = [(0, 3), (1, 1), (2, 3)].map(|(listener, clients)| {
            let (now, address) = (&now, runner.addresses()[listener]);
            let spawn = |_| scope.spawn(move || load(now, address));
            (0..clients).map(spawn).collect::<Vec<_>>()
        });
        outages(&mut server, &runner, &now);
        clients.map(|clients| {
            let answers = clients.into_iter().map(|client| client.join().unwrap());
            answers.collect::<Vec<_>>()
        })
    });

    // Nothing of this concerns other streams.
    let other: Vec<Answer> = other.into_iter().flatten().collect();
    for Answer { message, .. } in &other {
        assert_eq!(
            (message.status(), message.header("x-plugin").as_deref()),
            (200, Some("headers"))
        );
    }
    print_latencies(&other);

    // Who counts is told whether it did, and counts on.
    let count = |message: &Message| {
        assert_eq!(message.status(), 200, "{message:?}");
        message.header("x-count").unwrap()
    };
    for answers in &counts {
        let counted: Vec<u64> = answers
            .iter()
            .filter_map(|answer| count(&answer.message).parse().ok())
            .collect();
        assert!(counted.is_sorted_by(|one, next| one < next), "{counted:?}");
    }
    let counts: Vec<Answer> = counts.into_iter().flatten().collect();
    let counts = outcomes(&counts, |message| match count(message) {
        count if count.parse::<u64>().is_ok() => "counted".to_owned(),
        status => status,
    });
    println!("counts: {counts:#?}");
    let sum = |outcome: &str| -> u64 { counts.iter().filter_map(|phase| phase.get(outcome)).sum() };
    for (phase, name) in counts.iter().zip(PHASES) {
        let known = |outcome: &String| ["counted", "unavailable"].contains(&outcome.as_str());
        assert!(phase.keys().all(known), "{name}: {phase:?}");
    }
    for (phase, expected) in ["counted", "unavailable", "counted", "unavailable", "counted"]
        .iter()
        .enumerate()
    {
        assert!(counts[phase].contains_key(*expected), "{}", PHASES[phase]);
    }
    // What was answered has happened, and of the rest at most all.
    let mut total = 0;
    wait_until("the count can be read", || {
        let count = crate::count(&mut runner.client(), "/outage", 0);
        count.map(|count| total = count).is_ok()
    });
    let range = sum("counted")..=sum("counted") + sum("unavailable");
    assert!(range.contains(&total), "{total} is not in {range:?}");

    // This one traps where it is refused, so its instance goes, and another takes over.
    let legacy: Vec<Answer> = legacy.into_iter().flatten().collect();
    let legacy = outcomes(&legacy, |message| message.status().to_string());
    println!("legacy: {legacy:?}");
    for phase in [0, 2, 4] {
        assert!(legacy[phase].contains_key("200"), "{}", PHASES[phase]);
    }

    let metric = |name: &str| runner.metric(&format!("proxywasm_redis_{name}"));
    for name in ["calls", "timeouts", "refused", "errors", "connections"] {
        println!("{name}: {}", metric(&format!("{name}_total")));
    }
    assert!(metric("connections_total") >= 2 && metric("refused_total") > 0 && metric("timeouts_total") > 0);
    runner.stop();
}
