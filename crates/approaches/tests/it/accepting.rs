//! Tests of accepting connections and of the shutdown (clauses 9 and 10 of docs/CONTRACT.md).

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serve_core::EventKind;

use crate::client::{
    BARE, assert_reply, assert_same, connect, connect_with_small_buffer, random_bytes,
    read_exactly, read_until_end, read_whole, reset, while_reading,
};
use crate::running::{LONG_FILE_BYTES, Ready, Running, count_named, names_of};
use crate::sibling::{Sibling, Test};

const MIB: usize = 1 << 20;

/// The tests whose results depend on how the server reads the file.
pub const FILE_TESTS: &[(&str, Test)] = &[
    ("no_client_waits_for_a_non_reading_client", no_client_waits_for_a_non_reading_client),
    (
        "shutdown_disconnects_clients_after_the_grace_period",
        shutdown_disconnects_clients_after_the_grace_period,
    ),
];

/// The other tests.
pub const TESTS: &[(&str, Test)] = &[
    ("a_reset_before_accept_is_ignored", a_reset_before_accept_is_ignored),
    ("no_client_waits_for_a_client_that_keeps_up", no_client_waits_for_a_client_that_keeps_up),
    ("clients_beyond_the_connection_limit_wait", clients_beyond_the_connection_limit_wait),
    ("shutdown_lets_clients_finish", shutdown_lets_clients_finish),
    ("shutdown_resets_waiting_connections", shutdown_resets_waiting_connections),
];

// The following tests cover clause 9 of the contract (accepting connections).

fn a_reset_before_accept_is_ignored(sibling: Sibling) {
    let ready = Ready::new(b"alive", |_| {});
    for _ in 0..20 {
        reset(connect(ready.addr));
    }
    let running = ready.run(sibling);
    running.assert_serves(b"alive");
    running.stop();
}

fn no_client_waits_for_a_non_reading_client(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start_with(sibling, &content, |config| {
        config.workers = 1;
        // On a busy machine, it may take a minute until the last client reads.
        config.stall_timeout = Duration::from_secs(300);
    });
    // Only every fourth client reads. These clients read in the reverse order of their connections.
    // The other clients do not read until all of these clients have received the whole file.
    let connect_one = |index| match index % 4 {
        0 => connect(running.addr),
        _ => connect_with_small_buffer(running.addr),
    };
    let streams: Vec<TcpStream> = (0..40).map(connect_one).collect();
    running.wait_for(40, "connected");
    let expected = [BARE, &content].concat();
    let (reading, non_reading): (Vec<_>, Vec<_>) =
        streams.into_iter().enumerate().partition(|(index, _)| index % 4 == 0);
    for (_, stream) in reading.iter().rev() {
        assert_same(&read_whole(stream), &expected);
    }
    for (_, stream) in non_reading.iter().rev().step_by(15) {
        assert_same(&read_whole(stream), &expected);
    }
    drop((reading, non_reading));
    running.wait_for(40, "disconnected");
    running.stop();
}

fn no_client_waits_for_a_client_that_keeps_up(sibling: Sibling) {
    // Sending the file in chunks of one byte takes longer than the deadline of the test. Meanwhile,
    // the task of the first client never waits.
    let running = Running::start_with_long_file(sibling, |config| {
        config.chunk_bytes = 1;
        config.workers = 1;
    });
    let busy = running.connect();
    assert_eq!(read_exactly(&busy, 1), BARE[..1]);
    while_reading(&busy, || {
        for _ in 0..3 {
            assert_eq!(read_exactly(&running.connect(), 1), BARE[..1]);
        }
    });
    drop(busy);
    running.stop();
}

fn clients_beyond_the_connection_limit_wait(sibling: Sibling) {
    let content = random_bytes(100_000);
    let running = Running::start_with(sibling, &content, |config| {
        config.max_connections = 2;
    });
    let streams: Vec<TcpStream> = (0..6).map(|_| running.connect()).collect();
    for stream in streams {
        assert_reply(&stream, &content);
    }
    running.wait_for(6, "disconnected");
    let mut open = 0;
    for event in running.stop() {
        match event.kind {
            EventKind::Connected { .. } => open += 1,
            EventKind::Disconnected { .. } => open -= 1,
            _ => {}
        }
        assert!(open <= 2, "expected at most 2 open connections, got {open}");
    }
}

// The following tests cover clause 10 of the contract (shutdown).

fn shutdown_lets_clients_finish(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = connect_with_small_buffer(running.addr);
    let mut got = read_exactly(&stream, BARE.len());
    running.shut_down();
    running.wait_for(1, "shutdown");
    got.extend(read_whole(&stream));
    assert_same(&got, &[BARE, &content].concat());
    drop(stream);
    let addr = running.addr;
    let events = running.join();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
    assert!(TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_err());
}

fn shutdown_disconnects_clients_after_the_grace_period(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |config| {
        config.grace = Duration::from_millis(300);
    });
    let streams: Vec<TcpStream> =
        (0..10).map(|_| connect_with_small_buffer(running.addr)).collect();
    running.wait_for(10, "connected");
    let started = Instant::now();
    let events = running.stop();
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(300),
        "expected the shutdown to take at least 300 ms, got {took:?}"
    );
    assert!(
        took < Duration::from_secs(5),
        "expected the shutdown to take less than 5 s, got {took:?}"
    );
    assert_eq!(count_named(&events, "file_ended"), 0);
    for stream in streams {
        let (got, _) = read_until_end(&stream);
        assert!((got.len() as u64) < LONG_FILE_BYTES);
    }
}

fn shutdown_resets_waiting_connections(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |config| {
        config.max_connections = 1;
        config.grace = Duration::from_millis(100);
    });
    let first = running.connect();
    running.wait_for(1, "connected");
    let waiting = running.connect();
    let events = running.stop();
    let (got, ended) = read_until_end(&waiting);
    assert_same(&got, b"");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(count_named(&events, "connected"), 1);
    drop(first);
}
