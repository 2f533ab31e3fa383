//! Tests that a new client does not wait for clients that read as fast as the server sends (clause
//! 9 of docs/CONTRACT.md).

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{BARE, connect, read_exactly};
use crate::running::Running;
use crate::sibling::{Sibling, Test};

/// The maximum time until a new client receives the preamble.
const PREAMBLE_LIMIT: Duration = Duration::from_millis(50);

/// The maximum number of new clients. Other tests may use all cores at the same time, so only one
/// new client must receive the preamble in time.
const NEW_CLIENTS_MAX: usize = 50;

/// Each test uses all cores, so only one of these tests may run at a time.
static SERIAL: Mutex<()> = Mutex::new(());

/// The tests whose results depend on how the server reads the file.
pub const FILE_TESTS: &[(&str, Test)] = &[
    (
        "a_new_client_is_not_delayed_by_chunks_of_1_byte",
        a_new_client_is_not_delayed_by_chunks_of_1_byte,
    ),
    (
        "a_new_client_is_not_delayed_by_chunks_of_64_kib",
        a_new_client_is_not_delayed_by_chunks_of_64_kib,
    ),
    (
        "a_new_client_is_not_delayed_by_chunks_of_64_mib",
        a_new_client_is_not_delayed_by_chunks_of_64_mib,
    ),
];

fn a_new_client_is_not_delayed_by_chunks_of_1_byte(sibling: Sibling) {
    assert_fair(sibling, 1);
}

fn a_new_client_is_not_delayed_by_chunks_of_64_kib(sibling: Sibling) {
    assert_fair(sibling, 64 << 10);
}

fn a_new_client_is_not_delayed_by_chunks_of_64_mib(sibling: Sibling) {
    assert_fair(sibling, 64 << 20);
}

fn assert_fair(sibling: Sibling, chunk_bytes: usize) {
    let _guard = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let running = Running::start_with_long_file(sibling, |config| {
        config.chunk_bytes = chunk_bytes;
        config.workers = 1;
        config.grace = Duration::ZERO;
    });
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| read_until(running.addr, &is_done));
        }
        running.wait_for(4, "connected");
        let mut times = (0..NEW_CLIENTS_MAX).map(|_| preamble_time(running.addr));
        let is_fair = times.any(|time| time < PREAMBLE_LIMIT);
        // The scope joins the clients, so stop the clients before the assertion can panic.
        is_done.store(true, Ordering::Relaxed);
        assert!(is_fair, "expected a preamble within {PREAMBLE_LIMIT:?}, got none in time");
    });
    running.stop();
}

/// Reads the file at full speed, and repeats this until `is_done` is set.
fn read_until(addr: SocketAddr, is_done: &AtomicBool) {
    let mut buffer = vec![0; 1 << 20];
    while !is_done.load(Ordering::Relaxed) {
        let mut stream = connect(addr);
        while !is_done.load(Ordering::Relaxed) && stream.read(&mut buffer).unwrap() > 0 {}
    }
}

/// Connects, and returns the time until the preamble has arrived.
fn preamble_time(addr: SocketAddr) -> Duration {
    let started = Instant::now();
    let stream = connect(addr);
    assert_eq!(read_exactly(&stream, BARE.len()), BARE);
    started.elapsed()
}
