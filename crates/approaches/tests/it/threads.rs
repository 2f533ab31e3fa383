//! Tests that a server works with few threads (clauses 8 and 10 of docs/CONTRACT.md).
//!
//! The process limit does not apply to root. Therefore, each server runs as a user that has no other
//! process.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::client::{
    BARE, DEADLINE, assert_reply, assert_same, connect, connect_with_small_buffer, read_until_end,
    read_whole,
};
use crate::process::{
    Process, assert_exits, can_run, file_with, prefixed, server_command, skip, wait,
};
use crate::sibling::{Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    (
        "the_fewest_threads_that_suffice_at_startup_suffice_later",
        the_fewest_threads_that_suffice_at_startup_suffice_later,
    ),
    (
        "a_thread_that_cannot_start_ends_its_connection",
        a_thread_that_cannot_start_ends_its_connection,
    ),
];

/// Increases the limit until the server starts. With each lower limit, the server must report an
/// error instead of a panic. With the first sufficient limit, the async siblings must serve many
/// clients. The file is missing and therefore not cached, so each of these clients needs a thread of
/// the blocking pool.
fn the_fewest_threads_that_suffice_at_startup_suffice_later(sibling: Sibling) {
    let (folder, path) = file_with(b"file");
    let Some(user) = OtherUser::new(folder.path()) else { return };
    let server = server_command(sibling, &path, &["--workers", "2", "--grace", "1s"]);
    let start = |limit| {
        let mut server = prefixed(&["prlimit", &format!("--nproc={limit}")], &server);
        server = user.command(&server);
        server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = server.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        if !line.is_empty() {
            let listening: Value = serde_json::from_str(&line).unwrap();
            let addr: SocketAddr = listening["addr"].as_str().unwrap().parse().unwrap();
            return Some((child, stdout, addr));
        }
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(wait(&mut child).code(), Some(2), "limit of {limit}: {stderr}");
        let is_clear = stderr.starts_with("error: ") && stderr.contains("thread");
        assert!(is_clear && stderr.lines().count() == 1, "limit of {limit}: {stderr}");
        None
    };
    assert!(start(1).is_none(), "expected an error");
    let (mut child, _stdout, addr) = (2..).find_map(start).unwrap();
    assert_reply(&connect(addr), b"file");
    if sibling.approach.has_workers {
        fs::remove_file(&path).unwrap();
        let clients: Vec<_> = (0..100).map(|_| connect(addr)).collect();
        for client in clients {
            assert_same(&read_whole(&client), BARE);
        }
    }
    assert_exits(&mut child, Signal::TERM, Duration::from_secs(1));
}

/// Tests only std, because the other siblings do not start a thread per connection.
fn a_thread_that_cannot_start_ends_its_connection(sibling: Sibling) {
    // The file is longer than the socket buffers.
    let file_bytes = 8 << 20;
    let (folder, path) = file_with(&vec![0; file_bytes]);
    let Some(user) = OtherUser::new(folder.path()) else { return };
    if sibling.approach.has_workers {
        return;
    }
    // Four threads do not belong to a connection. The other eight threads serve clients, or read
    // from clients that do not read.
    let server = server_command(sibling, &path, &["--stall-timeout", "5m"]);
    let process = Process::spawn(user.command(&prefixed(&["prlimit", "--nproc=12"], &server)));
    let clients: Vec<_> = (0..20).map(|_| connect_with_small_buffer(process.addr)).collect();
    process.wait_for(20, "connected");
    process.wait_for(12, "disconnected");
    let received: Vec<usize> =
        clients.iter().map(|client| read_until_end(client).0.len()).collect();
    let peers = clients.iter().map(|client| client.local_addr().unwrap().to_string());
    let peers: Vec<String> = peers.collect();
    drop(clients);
    process.wait_for(20, "disconnected");
    let failed = process.events_named("error");
    assert!(failed.len() >= 12, "expected at least 12 errors, got {failed:?}");
    assert!(
        failed.iter().all(|event| event["kind"] == "no_threads"),
        "expected errors of kind `no_threads`, got {failed:?}"
    );
    // A slow client is served even if its second thread cannot be started.
    for connected in process.events_named("connected") {
        let client = peers.iter().position(|peer| connected["peer"] == *peer).unwrap();
        let is_failed = failed.iter().any(|event| event["conn"] == connected["conn"]);
        let expected = if is_failed { 0 } else { BARE.len() + file_bytes };
        assert_eq!(received[client], expected, "the number of bytes that {connected} received");
    }
    fs::write(&path, b"alive").unwrap();
    // Try again until a thread can be started, because a thread ends only after the last event of
    // its connection.
    let started = Instant::now();
    while !read_until_end(&connect(process.addr)).0.ends_with(b"alive") {
        assert!(started.elapsed() < DEADLINE, "expected the whole reply within {DEADLINE:?}");
    }
}

/// A user that has no process.
struct OtherUser {
    arguments: [String; 3],
}

impl OtherUser {
    /// Returns a user who may read the files in this folder, or `None` if this process cannot start
    /// a server as another user.
    fn new(folder: &Path) -> Option<Self> {
        static USERS: AtomicU32 = AtomicU32::new(0);
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        // Other tests, and other processes that run these tests, use other users.
        let user = 1_000_000 + 100 * process::id() + USERS.fetch_add(1, Ordering::Relaxed);
        let reuid = format!("--reuid={user}");
        let arguments = ["setpriv".to_owned(), reuid, "--clear-groups".to_owned()];
        let program = env::current_exe().unwrap();
        let [setpriv, reuid, groups] = arguments.each_ref().map(String::as_str);
        let can_start =
            can_run(&[setpriv, reuid, groups, program.to_str().unwrap(), "serve-std", "--help"]);
        if !can_start {
            skip("this process cannot start a server as another user");
        }
        can_start.then_some(Self { arguments })
    }

    /// Returns a command that runs `command` as this user.
    fn command(&self, command: &Command) -> Command {
        prefixed(&self.arguments.each_ref().map(String::as_str), command)
    }
}
