//! Increments by compare-and-swap, from all workers at once: none is lost, none happens twice.

use crate::{Process, count, load, on_redis, plugin};
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests::{STORE_COMPONENT, STORE_LEGACY};

/// A runner that counts. Its acceptor gives each of as many connections a worker of its own.
fn counting(workers: usize, guest: &str, more: &str) -> Process {
    let plugin = plugin("counts", guest, "");
    Process::start(&format!(
        "workers: {workers}
{more}listeners: [{{ address: 127.0.0.1:0, accept: one_acceptor, plugins: [counts] }}]
plugins:
{plugin}"
    ))
}

#[test]
fn eight_workers() {
    // Requests of each of eight clients, and increments in each of them. The older ABIs copy values through the guest's allocator and back,
    // and the store is the same.
    for (guest, requests, times) in [(STORE_COMPONENT, 100, 1000), (STORE_LEGACY, 20, 500)] {
        let runner = counting(8, guest, "");
        load(
            std::iter::repeat_n(runner.addresses()[0], 8),
            requests,
            |_, _, client| {
                count(client, "/all", times).unwrap();
            },
        );
        let expected = 8 * requests * times;
        assert_eq!(
            count(&mut runner.client(), "/all", 0),
            Ok(expected as u64),
            "{guest}"
        );
        runner.stop();
    }
}

#[test]
fn two_processes() {
    for (guest, increments) in [(STORE_COMPONENT, 5000), (STORE_LEGACY, 500)] {
        let Some(server) = TestServer::start() else { return };
        let runners = [(); 2].map(|()| counting(4, guest, &on_redis(&server)));
        let clients = runners
            .iter()
            .flat_map(|runner| std::iter::repeat_n(runner.addresses()[0], 4));
        load(clients, increments, |_, _, client| {
            count(client, "/all", 1).unwrap();
        });
        for runner in runners {
            let counted = count(&mut runner.client(), "/all", 0);
            assert_eq!(counted, Ok(8 * increments as u64), "{guest}");
            runner.stop();
        }
    }
}
