//! Tests of a server process that need features of Linux, such as lists of open descriptors and
//! network namespaces.

use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::Signal;

use crate::client::{BARE, DEADLINE, connect, read_exactly, reset};
use crate::process::{Process, can_run, long_file, prefixed, server_command, skip};
use crate::sibling::{Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    ("all_descriptors_are_closed", all_descriptors_are_closed),
    ("shutdown_needs_no_network", shutdown_needs_no_network),
    ("a_persistent_accept_error_occupies_no_core", a_persistent_accept_error_occupies_no_core),
];

fn all_descriptors_are_closed(sibling: Sibling) {
    let (_folder, path) = long_file();
    let mut process = Process::start(sibling, &path, &[]);
    // During the first connection, the runtime opens descriptors that it keeps.
    reset(connect(process.addr));
    process.wait_for(1, "disconnected");
    let expected = process.count_descriptors();
    for _ in 0..50 {
        let stream = connect(process.addr);
        read_exactly(&stream, BARE.len());
        reset(stream);
        let stream = connect(process.addr);
        read_exactly(&stream, BARE.len());
        drop(stream);
    }
    process.wait_for(101, "disconnected");
    // A thread of the blocking pool may close a file after the event `disconnected`.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let actual = process.count_descriptors();
        if actual <= expected {
            break;
        }
        assert!(Instant::now() < deadline, "expected {expected} open descriptors, got {actual}");
        thread::yield_now();
    }
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0));
}

/// Runs the server in a new network namespace. The namespace has only a loopback interface, which
/// is down, so that the server cannot reach even the address of its listener.
fn shutdown_needs_no_network(sibling: Sibling) {
    let (_folder, path) = long_file();
    let unshare = ["unshare", "--net"];
    if !can_run(&unshare) {
        return skip("this process cannot create a network namespace");
    }
    let grace = Duration::from_secs(1);
    // While the interface is down, the server cannot bind 127.0.0.1, and no client can connect to
    // the server.
    let args = ["--host", "0.0.0.0", "--grace", "1s"];
    let mut process = Process::spawn(prefixed(&unshare, &server_command(sibling, &path, &args)));
    process.assert_exits(Signal::TERM, grace);
}

/// Runs the server under strace, which lets every call of `accept` fail.
fn a_persistent_accept_error_occupies_no_core(sibling: Sibling) {
    if sibling.approach.name == "compio" {
        return skip("strace cannot make an operation of io_uring fail");
    }
    let (folder, path) = long_file();
    let trace = folder.path().join("trace");
    for error in ["EPERM", "ENETDOWN", "ENOSYS"] {
        let inject = format!("inject=accept,accept4:error={error}");
        // With `-D`, the server is the child of this process, so it receives this process's signals.
        let strace = ["strace", "-D", "-f", "-qq", "-o", trace.to_str().unwrap(), "-e", &inject];
        if !can_run(&[&strace[..], &["true"]].concat()) {
            return skip("`strace` is not installed, or this process cannot run it");
        }
        let started = Instant::now();
        let server = server_command(sibling, &path, &["--grace", "1s"]);
        let mut process = Process::spawn(prefixed(&strace, &server));
        // Tokio calls `accept` only when a client waits in the accept queue.
        let _client = connect(process.addr);
        process.wait_for(2, "error");
        let errors = process.events_named("error");
        let at_us: Vec<u64> = errors.iter().map(|event| event["at_us"].as_u64().unwrap()).collect();
        assert!(
            at_us.windows(2).all(|pair| pair[1] - pair[0] >= 990_000),
            "{error}: expected at least 990000 us between errors, got errors at {at_us:?} us"
        );
        process.signal(Signal::TERM);
        assert_eq!(process.wait().code(), Some(0), "{error}");
        let trace = fs::read_to_string(&trace).unwrap();
        let calls = trace.lines().filter(|line| line.contains("INJECTED")).count();
        // After 16 errors, the server pauses for 100 ms after each further error.
        let calls_max = 17 + started.elapsed().as_millis() as usize / 100;
        assert!(
            (2..=calls_max).contains(&calls),
            "{error}: expected 2 to {calls_max} calls of `accept`, got {calls}"
        );
    }
}
