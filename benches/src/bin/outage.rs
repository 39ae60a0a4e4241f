//! What streams that need no Redis feel of one that goes away: the latency of their requests while plugins of other streams wait for it.
//!
//! `cargo build --release --package proxywasm-runner`, then `cargo run --release --package proxywasm-benches --bin outage [-- SECONDS]`:
//! a runner with two workers and the default bound of 5 ms, three clients whose plugin counts in a store on the server (a Redis server
//! of its own, which has to be installed), three whose plugin knows none. Each makes a request, and the next one a millisecond after
//! the answer.

use anyhow::Context;
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests::{self, HEADERS_COMPONENT, STORE_COMPONENT};
use proxywasm_tests::harness::Client;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What is done to the server, in this order; the load goes on all the time.
const PHASES: [&str; 5] = ["there", "stopped", "started again", "hanging", "going on"];
const CLIENTS: usize = 3;

/// A runner in a process of its own.
struct Runner(Child);

/// The phase in which a request was made, and how long it took.
type Taken = (usize, Duration);

fn main() -> anyhow::Result<()> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(5.0), |text| text.parse())?;
    let mut server = TestServer::start().context("no Redis server is installed")?;
    let (counting, other) = (free_address()?, free_address()?);
    let runner = Runner::start(&configuration(&server, counting, other))?;
    let phase = AtomicUsize::new(0);
    let [counting, other] = thread::scope(|scope| {
        let clients = [counting, other].map(|address| {
            let phase = &phase;
            let spawn = |_| scope.spawn(move || load(phase, address));
            (0..CLIENTS).map(spawn).collect::<Vec<_>>()
        });
        for now in 0..PHASES.len() {
            phase.store(now, Ordering::Relaxed);
            match now {
                1 => server.stop(),
                2 => _ = server.restart(),
                3 => server.hang(true),
                4 => server.hang(false),
                _ => {}
            }
            thread::sleep(Duration::from_secs_f64(seconds));
        }
        phase.store(PHASES.len(), Ordering::Relaxed);
        clients.map(|clients| {
            let taken = clients.into_iter().filter_map(|client| client.join().ok());
            taken.flatten().collect::<Vec<Taken>>()
        })
    });
    drop(runner);
    println!("| Redis | requests of others | p50 | p99 | longest | requests with a store | p50 | p99 |");
    println!("|---|---|---|---|---|---|---|---|");
    for (now, name) in PHASES.iter().enumerate() {
        let (other, counting) = (sorted(&other, now), sorted(&counting, now));
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            other.len(),
            percentile(&other, 50),
            percentile(&other, 99),
            percentile(&other, 100),
            counting.len(),
            percentile(&counting, 50),
            percentile(&counting, 99)
        );
    }
    Ok(())
}

fn configuration(server: &TestServer, counting: SocketAddr, other: SocketAddr) -> String {
    let file = |guest| guests::path(guest).display().to_string();
    format!(
        "workers: 2
log: {{ filter: error }}
redis: {{ url: '{}' }}
listeners:
  - {{ address: '{counting}', accept: one_acceptor, plugins: [counts] }}
  - {{ address: '{other}', accept: one_acceptor, plugins: [other] }}
plugins:
  - {{ name: counts, file: '{}' }}
  - {{ name: other, file: '{}' }}
",
        server.url(),
        file(STORE_COMPONENT),
        file(HEADERS_COMPONENT)
    )
}

/// An address that nobody listens at now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Makes requests until the last phase is over.
fn load(phase: &AtomicUsize, address: SocketAddr) -> Vec<Taken> {
    let mut client = Client::connect(address);
    let mut taken = Vec::new();
    loop {
        let now = phase.load(Ordering::Relaxed);
        if now >= PHASES.len() {
            return taken;
        }
        let begin = Instant::now();
        client.request("GET /outage", &[]);
        taken.push((now, begin.elapsed()));
        thread::sleep(Duration::from_millis(1));
    }
}

fn sorted(taken: &[Taken], phase: usize) -> Vec<Duration> {
    let of_phase = taken.iter().filter(|(of, _)| *of == phase);
    let mut times: Vec<Duration> = of_phase.map(|(_, time)| *time).collect();
    times.sort();
    times
}

fn percentile(sorted: &[Duration], percent: usize) -> String {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    let time = sorted.get(index).copied().unwrap_or_default();
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

// === impl Runner ===

impl Runner {
    /// Starts the runner that was built beside this program.
    fn start(configuration: &str) -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("proxywasm-outage-{}.yaml", std::process::id()));
        std::fs::write(&file, configuration)?;
        let program = std::env::current_exe()?.with_file_name("proxywasm");
        let child = Command::new(&program)
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| {
                format!(
                    "{} cannot be run: build package proxywasm-runner",
                    program.display()
                )
            })?;
        let runner = Self(child);
        let listens = |line: &str| {
            line.split_once("address: '")
                .and_then(|(_, rest)| rest.split('\'').next()?.parse().ok())
        };
        let addresses: Vec<SocketAddr> = configuration.lines().filter_map(listens).collect();
        let until = Instant::now() + Duration::from_secs(30);
        while addresses
            .iter()
            .any(|address| TcpStream::connect(address).is_err())
        {
            anyhow::ensure!(Instant::now() < until, "the runner does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        std::fs::remove_file(&file)?;
        Ok(runner)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
