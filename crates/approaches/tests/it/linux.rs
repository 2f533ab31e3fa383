//! Tests of a server process that need features of Linux, such as lists of open descriptors,
//! network namespaces and limits on threads.

use std::fs::{self, Permissions};
use std::io::{Write, stderr};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::Signal;

use crate::client::{
    BARE, DEADLINE, connect, connect_with_small_buffer, read_exactly, read_until_end, reset,
};
use crate::process::{Process, long_file, server_command};
use crate::sibling::{SendMode, Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    ("all_descriptors_are_closed", all_descriptors_are_closed),
    ("shutdown_needs_no_network", shutdown_needs_no_network),
    (
        "a_thread_that_cannot_start_ends_its_connection",
        a_thread_that_cannot_start_ends_its_connection,
    ),
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
    let started = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0));
    let elapsed = started.elapsed();
    assert!(
        elapsed <= grace + Duration::from_secs(1),
        "expected the shutdown to take at most 2 s, got {elapsed:?}"
    );
}

/// Tests only std, because the other siblings do not start a thread per connection. The process
/// limit does not apply to root, so the server runs as a user that has no other process.
fn a_thread_that_cannot_start_ends_its_connection(sibling: Sibling) {
    if sibling.approach.has_workers {
        return;
    }
    let (folder, path) = long_file();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    // No other process may run as this user, even if several of these tests run concurrently.
    let user = 1_000_000 + 2 * std::process::id() + u32::from(sibling.mode == SendMode::ZeroCopy);
    let user = format!("--reuid={user}");
    let user = ["setpriv", &user, "--clear-groups"];
    let program = env::current_exe().unwrap();
    if !can_run(&[&user[..], &[program.to_str().unwrap(), "serve-std", "--help"]].concat()) {
        return skip("this process cannot start a server as another user");
    }
    let limit = [&user[..], &["prlimit", "--nproc=12"]].concat();
    let process = Process::spawn(prefixed(&limit, &server_command(sibling, &path, &[])));
    let clients: Vec<_> = (0..20).map(|_| connect_with_small_buffer(process.addr)).collect();
    process.wait_for(5, "disconnected");
    // The `disconnected` events are read first, so that the errors of their connections are
    // included.
    let disconnected = process.events_named("disconnected");
    let failed = process.events_named("error");
    assert!(
        failed.iter().all(|event| event["kind"] == "io"),
        "expected errors of kind `io`, got {failed:?}"
    );
    for disconnected in disconnected {
        let conn = &disconnected["conn"];
        assert!(
            failed.iter().any(|event| event["conn"] == *conn),
            "expected an `error` event for connection {conn}, got {failed:?}"
        );
        let connected = process.events_named("connected");
        let peer = connected.iter().find(|event| event["conn"] == *conn).unwrap()["peer"].clone();
        let client = clients.iter().find(|client| client.local_addr().unwrap().to_string() == peer);
        // The server has closed its socket, so the connection ends when the client has read the data in
        // transit.
        let _ = read_until_end(client.unwrap());
    }
    drop(clients);
    process.wait_for(20, "disconnected");
    fs::write(&path, b"alive").unwrap();
    // Try again until a thread can be started, because a thread ends only after the last event of
    // its connection.
    let started = Instant::now();
    while !read_until_end(&connect(process.addr)).0.ends_with(b"alive") {
        assert!(started.elapsed() < DEADLINE, "expected the whole reply within {DEADLINE:?}");
    }
}

/// Returns a command that runs `prefix` with `command` as additional arguments.
fn prefixed(prefix: &[&str], command: &Command) -> Command {
    let mut prefixed = Command::new(prefix[0]);
    prefixed.args(&prefix[1..]).arg(command.get_program()).args(command.get_args());
    prefixed
}

fn can_run(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    if words.len() == 2 {
        command.arg("true");
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub fn skip(reason: &str) {
    let _ = writeln!(stderr(), "skipped: {reason}");
}
