//! Tests that `SIGTERM` and `SIGINT` end a server process in every state (clause 10 of
//! docs/CONTRACT.md). The modules `descriptors` and `linux` test a lack of descriptors and a lack of
//! network.

#[cfg(target_os = "linux")]
use std::fs;
#[cfg(target_os = "linux")]
use std::io::Write;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::unix::net::UnixStream;
#[cfg(target_os = "linux")]
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use rustix::process::Signal;
use serve_core::SEND_LIMIT;

#[cfg(target_os = "linux")]
use crate::client::DEADLINE;
use crate::client::{
    assert_reply, connect, connect_with_small_buffer, random_bytes, read_until_end,
};
use crate::process::{
    LOGGED_BYTES, Process, assert_exits, file_with, long_file, server_command, spawn,
};
#[cfg(target_os = "linux")]
use crate::process::{can_run, kill, prefixed, skip};
#[cfg(target_os = "linux")]
use crate::sibling::SendMode;
use crate::sibling::{Sibling, Test};

/// The environment variable that makes each thread of a server process hang when the thread sends.
const HANGING_SEND: &str = "HIGHWATER_TEST_HANGING_SEND";

/// The interval at which a test reads the signal handlers of a process. The interval is short,
/// because the signal must arrive during startup.
#[cfg(target_os = "linux")]
const POLL_INTERVAL: Duration = Duration::from_micros(100);

const GRACE: Duration = Duration::from_secs(1);

pub const TESTS: &[(&str, Test)] = &[
    ("a_signal_ends_the_server_at_the_connection_limit", at_the_connection_limit),
    ("a_signal_ends_the_server_if_the_log_is_blocked", if_the_log_is_blocked),
    ("a_signal_ends_the_server_if_a_thread_hangs", if_a_thread_hangs),
    #[cfg(target_os = "linux")]
    ("a_signal_during_startup_ends_the_server", during_startup),
    #[cfg(target_os = "linux")]
    ("a_signal_while_a_handler_is_installed_ends_the_server", while_a_handler_is_installed),
    #[cfg(target_os = "linux")]
    ("a_signal_ends_the_program_if_its_help_text_is_not_read", if_the_help_text_is_not_read),
];

/// Makes this process hang as the test [`if_a_thread_hangs`] requires. The threads hang as if a
/// network file system did not answer.
pub fn hang_if_requested() {
    if env::var_os(HANGING_SEND).is_some() {
        let hang: fn(usize) -> io::Result<usize> = |_| {
            loop {
                thread::park();
            }
        };
        SEND_LIMIT.set(hang).unwrap();
    }
}

fn at_the_connection_limit(sibling: Sibling) {
    let (_folder, path) = long_file();
    for signal in [Signal::TERM, Signal::INT] {
        let args = ["--max-connections", "1", "--grace", "1s"];
        let mut process = Process::start(sibling, &path, &args);
        let _clients: Vec<_> = (0..3).map(|_| connect_with_small_buffer(process.addr)).collect();
        process.wait_for(1, "connected");
        process.assert_exits(signal, GRACE);
    }
}

fn if_the_log_is_blocked(sibling: Sibling) {
    // The server logs one event per byte. The queue and the pipe cannot hold all of these events.
    let content = random_bytes(LOGGED_BYTES);
    let (_folder, path) = file_with(&content);
    for signal in [Signal::TERM, Signal::INT] {
        let args = ["--log-chunks", "--chunk-size", "1", "--grace", "1s"];
        let (mut child, _stdout, addr) = spawn(server_command(sibling, &path, &args));
        let client = connect(addr);
        assert_reply(&client, &content);
        assert_exits(&mut child, signal, GRACE);
    }
}

fn if_a_thread_hangs(sibling: Sibling) {
    let (_folder, path) = long_file();
    for signal in [Signal::TERM, Signal::INT] {
        // The server sends this preamble after it has opened the file.
        let args = ["--grace", "1s", "--preamble", "http"];
        let mut command = server_command(sibling, &path, &args);
        command.env(HANGING_SEND, "1");
        let mut process = Process::spawn(command);
        let client = connect(process.addr);
        process.wait_for(1, "connected");
        let started = Instant::now();
        process.assert_exits(signal, GRACE);
        let took = started.elapsed();
        assert!(took >= GRACE, "expected the shutdown to take at least {GRACE:?}, got {took:?}");
        process.wait_for(1, "shutdown");
        let (got, _) = read_until_end(&client);
        assert_eq!(got, b"");
    }
}

/// Sends the signal to a server that has just installed its handlers, or a few milliseconds later.
/// If nothing reads the server's output, the server hangs when it prints its start message.
#[cfg(target_os = "linux")]
fn during_startup(sibling: Sibling) {
    let (_folder, path) = file_with(b"file");
    let (_reader, full_socket) = full_socket();
    for delay_ms in [0, 1, 2, 4, 8, 50] {
        for (signal, is_blocked) in [(Signal::TERM, false), (Signal::INT, true)] {
            let output = || match is_blocked {
                true => Stdio::from(OwnedFd::from(full_socket.try_clone().unwrap())),
                false => Stdio::null(),
            };
            let mut command = server_command(sibling, &path, &["--grace", "0s"]);
            let mut child = spawn_with_handlers(command.stdout(output()).stderr(output()));
            thread::sleep(Duration::from_millis(delay_ms));
            assert_exits(&mut child, signal, Duration::ZERO);
        }
    }
}

/// Runs the server under strace, which delays the end of each call that installs a signal handler.
/// Tests only std in copy mode, because the siblings share this code.
#[cfg(target_os = "linux")]
fn while_a_handler_is_installed(sibling: Sibling) {
    if sibling.approach.has_workers || sibling.mode != SendMode::Copy {
        return;
    }
    let (folder, path) = file_with(b"file");
    let trace = folder.path().join("trace");
    // With `-D`, the server is the child of this process, so it receives this process's signals.
    let inject = "inject=rt_sigaction:delay_exit=20000";
    let strace = ["strace", "-D", "-qq", "-o", trace.to_str().unwrap(), "-e", inject];
    if !can_run(&[&strace[..], &["true"]].concat()) {
        return skip("`strace` is not installed, or this process cannot run it");
    }
    let mut command = prefixed(&strace, &server_command(sibling, &path, &["--grace", "0s"]));
    let mut child = spawn_with_handlers(command.stdout(Stdio::null()).stderr(Stdio::null()));
    assert_exits(&mut child, Signal::TERM, Duration::ZERO);
}

#[cfg(target_os = "linux")]
fn if_the_help_text_is_not_read(sibling: Sibling) {
    let (_folder, path) = file_with(b"file");
    let (_reader, full_socket) = full_socket();
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = server_command(sibling, &path, &["--help"]);
        command.stdout(OwnedFd::from(full_socket.try_clone().unwrap()));
        assert_exits(&mut spawn_with_handlers(&mut command), signal, Duration::ZERO);
    }
}

/// Returns two connected sockets. The send buffer of the second socket is full, so a write to this
/// socket waits.
#[cfg(target_os = "linux")]
fn full_socket() -> (UnixStream, UnixStream) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[0; 512]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    (reader, writer)
}

/// Starts a server, and waits until the server has handlers for both signals.
#[cfg(target_os = "linux")]
fn spawn_with_handlers(command: &mut Command) -> Child {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !has_handlers(&child) {
        if started.elapsed() > DEADLINE {
            kill(&mut child);
            panic!("expected handlers for SIGINT and SIGTERM within {DEADLINE:?}");
        }
        thread::sleep(POLL_INTERVAL);
    }
    child
}

#[cfg(target_os = "linux")]
fn has_handlers(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    // A process that has ended has no mask.
    let mask = mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    [Signal::INT, Signal::TERM].iter().all(|signal| mask & (1 << (signal.as_raw() - 1)) != 0)
}
