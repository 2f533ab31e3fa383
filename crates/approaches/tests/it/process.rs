//! What a server does as a program: signals, exit codes, descriptors, its output and who reads it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{
    BARE, DEADLINE, assert_same, connect, connect_with_small_buffer, noise, read_exactly,
    read_until_end, read_whole,
};
use crate::{Check, Sends, Sibling};

pub const CHECKS: &[(&str, Check)] = &[
    ("the_first_signal_ends_with_exit_code_0", the_first_signal_ends_with_exit_code_0),
    ("a_second_signal_exits_immediately", a_second_signal_exits_immediately),
    ("startup_errors_are_one_line", startup_errors_are_one_line),
    ("help_has_defaults_and_examples", help_has_defaults_and_examples),
    ("the_start_message_is_on_stderr", the_start_message_is_on_stderr),
    ("a_closed_stdout_does_not_stop_the_server", a_closed_stdout_does_not_stop_the_server),
    ("an_unread_stdout_does_not_block_clients", an_unread_stdout_does_not_block_clients),
    ("all_descriptors_are_closed", all_descriptors_are_closed),
    ("few_descriptors_lower_the_connection_limit", few_descriptors_lower_the_connection_limit),
    (
        "the_server_survives_running_out_of_descriptors",
        the_server_survives_running_out_of_descriptors,
    ),
    ("shutdown_needs_no_descriptor", shutdown_needs_no_descriptor),
];

/// A server as a process, its events read as they come. Dropping it kills it.
struct Process {
    child: Child,
    addr: SocketAddr,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events {
    seen: Mutex<Vec<Value>>,
    grown: Condvar,
}

impl Process {
    fn start(sibling: Sibling, file: &Path, args: &[&str]) -> Self {
        let (mut child, stdout, addr) = spawn(server_command(sibling, file, args));
        child.stderr.take();
        let events = Arc::new(Events::default());
        let filled = Arc::clone(&events);
        thread::spawn(move || {
            for line in stdout.lines() {
                let event = serde_json::from_str(&line.unwrap()).expect("each line is JSON");
                filled.seen.lock().unwrap().push(event);
                filled.grown.notify_all();
            }
        });
        Self { child, addr, events }
    }

    fn wait_for(&self, count: usize, name: &str) {
        let seen = self.events.seen.lock().unwrap();
        let too_few = |seen: &mut Vec<Value>| named(seen, name) < count;
        let (seen, waited) = self.events.grown.wait_timeout_while(seen, DEADLINE, too_few).unwrap();
        let tail = &seen[seen.len().saturating_sub(20)..];
        assert!(!waited.timed_out(), "no {count} {name} within {DEADLINE:?}: {tail:?}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid_of(&self.child), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    #[cfg(target_os = "linux")]
    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn named(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// This program as a server, on this machine alone and a free port.
fn server_command(sibling: Sibling, file: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(format!("serve-{}", sibling.approach.name)).arg(file);
    command.args(["--host", "127.0.0.1", "--port", "0", "--log", "json"]).args(args);
    if sibling.sends == Sends::ZeroCopy {
        command.arg("--zero-copy");
    }
    command
}

/// The same with a limit of descriptors, set by the shell that becomes the server.
fn with_descriptors(limit: usize, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// Starts it, and reads where it listens.
fn spawn(mut command: Command) -> (Child, BufReader<ChildStdout>, SocketAddr) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
        kill(&mut child);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        panic!("{error}: first line {line:?}, stderr {stderr}");
    });
    assert_eq!(listening["event"], "listening");
    let addr = listening["addr"].as_str().unwrap().parse().unwrap();
    (child, stdout, addr)
}

/// Waits for its end, which must come within the deadline.
fn wait(child: &mut Child) -> ExitStatus {
    let pid = pid_of(child);
    let (tell, ended) = mpsc::channel::<()>();
    // Who waits in `wait` cannot be told of a deadline; a kill from beside ends it.
    let watchdog = thread::spawn(move || {
        if ended.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let status = child.wait().unwrap();
    drop(tell);
    watchdog.join().unwrap();
    status
}

fn file_with(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// A file longer than any socket buffer; sparse, so it costs nothing.
fn long_file() -> (TempDir, PathBuf) {
    let (folder, path) = file_with(b"");
    File::create(&path).unwrap().set_len(64 << 20).unwrap();
    (folder, path)
}

// Clause 10: shutdown.

fn the_first_signal_ends_with_exit_code_0(sibling: Sibling) {
    let content = noise(8 << 20);
    let (_folder, path) = file_with(&content);
    for signal in [Signal::INT, Signal::TERM] {
        let mut process = Process::start(sibling, &path, &[]);
        let stream = connect_with_small_buffer(process.addr);
        let mut got = read_exactly(&stream, BARE.len());
        process.signal(signal);
        process.wait_for(1, "shutdown");
        got.extend(read_whole(&stream));
        assert_same(&got, &[BARE, &content].concat());
        drop(stream);
        assert_eq!(process.wait().code(), Some(0));
        process.wait_for(1, "disconnected");
    }
}

fn a_second_signal_exits_immediately(sibling: Sibling) {
    let (_folder, path) = long_file();
    let mut process = Process::start(sibling, &path, &["--grace", "1h"]);
    let _stalled = connect_with_small_buffer(process.addr);
    process.wait_for(1, "connected");
    process.signal(Signal::INT);
    process.wait_for(1, "shutdown");
    process.signal(Signal::INT);
    assert_eq!(process.wait().code(), Some(130));
}

// Starting.

fn startup_errors_are_one_line(sibling: Sibling) {
    let (folder, path) = file_with(b"file");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_port = taken.local_addr().unwrap().port().to_string();
    let missing = folder.path().join("missing");
    let cases: &[(&Path, &[&str], &str)] = &[
        (&missing, &[], "specify an existing file"),
        (folder.path(), &[], "is a directory"),
        (&path, &["--port", &taken_port], "--port"),
        (&path, &["--port", "99999"], "0..=65535"),
        (&path, &["--chunk-size", "0"], "1, 8KiB or 1MiB"),
        (&path, &["--chunk-size", "banana"], "1, 8KiB or 1MiB"),
        (&path, &["--host", "192.0.2.1"], "--host"),
        (&path, &["--no-such-flag"], "--no-such-flag"),
    ];
    for (file, args, help) in cases {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(format!("serve-{}", sibling.approach.name)).arg(file);
        // A flag may be given once: what the case says of host and port goes first.
        for (flag, value) in [("--host", "127.0.0.1"), ("--port", "0")] {
            if !args.contains(&flag) {
                command.args([flag, value]);
            }
        }
        let output = command.args(*args).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        let program = format!("serve-{}: ", sibling.approach.name);
        assert!(stderr.starts_with(&program) && stderr.contains(help), "{args:?}: {stderr}");
    }
}

fn help_has_defaults_and_examples(sibling: Sibling) {
    let mut command = Command::new(env::current_exe().unwrap());
    let output =
        command.args([&format!("serve-{}", sibling.approach.name), "--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["--chunk-size", "--high-water-mark", "64KiB", "Examples:", sibling.approach.summary]
    {
        assert!(help.contains(part), "no {part} in {help}");
    }
    assert_eq!(help.contains("No effect"), !sibling.approach.has_workers, "{help}");
}

fn the_start_message_is_on_stderr(sibling: Sibling) {
    let (_folder, path) = file_with(b"file");
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &[]));
    kill_process(pid_of(&child), Signal::TERM).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(stderr.contains("press Ctrl-C to stop"), "{stderr}");
    assert!(stderr.contains(&format!("http://localhost:{}/", addr.port())), "{stderr}");
    assert!(stderr.contains("--preamble http"), "{stderr}");
    assert_eq!(stdout.lines().count(), 1, "shutdown is the last event");
}

// Clause 11: who reads the events.

fn a_closed_stdout_does_not_stop_the_server(sibling: Sibling) {
    let content = noise(100_000);
    let (_folder, path) = file_with(&content);
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &["--log-chunks"]));
    drop(stdout);
    for _ in 0..20 {
        assert_same(&read_whole(&connect(addr)), &[BARE, &content].concat());
    }
    kill_process(pid_of(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
}

fn an_unread_stdout_does_not_block_clients(sibling: Sibling) {
    // One event a byte: far more than the queue and the pipe hold.
    let content = noise(60_000);
    let (_folder, path) = file_with(&content);
    let args = ["--log-chunks", "--chunk-size", "1", "--grace", "1m"];
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &args));
    assert_same(&read_whole(&connect(addr)), &[BARE, &content].concat());
    kill_process(pid_of(&child), Signal::TERM).unwrap();

    let events: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(wait(&mut child).code(), Some(0));
    let dropped: u64 = events.iter().filter_map(|event| event["events"].as_u64()).sum();
    assert!(dropped > 0, "all {} events were kept", events.len());
    // connected, 60,000 chunks, file_ended, disconnected, shutdown: told or counted.
    let told = (events.len() - named(&events, "dropped")) as u64;
    assert_eq!(told + dropped, 60_004);
}

// Clauses 8 and 9: descriptors.

#[cfg(not(target_os = "linux"))]
fn all_descriptors_are_closed(_: Sibling) {
    // Only Linux lists another process's descriptors in a folder; what gives them back is the
    // same code everywhere.
}

#[cfg(target_os = "linux")]
fn all_descriptors_are_closed(sibling: Sibling) {
    let (_folder, path) = long_file();
    let mut process = Process::start(sibling, &path, &[]);
    // The first client makes the runtime open what it opens once.
    crate::client::reset(connect(process.addr));
    process.wait_for(1, "disconnected");
    let base = process.descriptors();
    for _ in 0..50 {
        let stream = connect(process.addr);
        read_exactly(&stream, BARE.len());
        crate::client::reset(stream);
        let stream = connect(process.addr);
        read_exactly(&stream, BARE.len());
        drop(stream);
    }
    process.wait_for(101, "disconnected");
    // A pool's thread may still hold a file for a moment, of which nobody is told.
    let deadline = Instant::now() + DEADLINE;
    while process.descriptors() > base {
        assert!(Instant::now() < deadline, "{} descriptors, not {base}", process.descriptors());
        thread::yield_now();
    }
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0));
}

fn few_descriptors_lower_the_connection_limit(sibling: Sibling) {
    let content = noise(200_000);
    let (_folder, path) = file_with(&content);
    let command = with_descriptors(32, &server_command(sibling, &path, &[]));
    let (mut child, stdout, addr) = spawn(command);
    let streams: Vec<_> = (0..60).map(|_| connect(addr)).collect();
    for stream in streams {
        assert_same(&read_whole(&stream), &[BARE, &content].concat());
    }
    kill_process(pid_of(&child), Signal::TERM).unwrap();
    let lines: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    assert_eq!(wait(&mut child).code(), Some(0));
    let errors: Vec<&String> = lines.iter().filter(|line| line.contains("\"error\"")).collect();
    assert!(errors.is_empty(), "the cap is too high for the descriptors: {errors:?}");
}

fn the_server_survives_running_out_of_descriptors(sibling: Sibling) {
    let (_folder, path) = long_file();
    let args = ["--max-connections", "1000", "--preamble", "http"];
    let command = with_descriptors(32, &server_command(sibling, &path, &args));
    let (mut child, stdout, addr) = spawn(command);
    let held: Vec<_> = (0..60).map(|_| connect_with_small_buffer(addr)).collect();

    let (tell, errors) = mpsc::channel();
    let reader = thread::spawn(move || {
        let events = stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let events: Vec<Value> = events
            .inspect(|event: &Value| {
                if event["event"] == "error" && event.get("conn").is_none() {
                    let _ = tell.send(event["at_us"].as_u64().unwrap());
                }
            })
            .collect();
        events
    });
    // Accepting fails again and again while the clients stay, with a pause each time.
    let at_us: Vec<u64> = (0..5).map(|_| errors.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(at_us.windows(2).all(|pair| pair[1] - pair[0] >= 90_000), "no pause: {at_us:?}");
    drop(held);

    fs::write(&path, b"alive").unwrap();
    let started = Instant::now();
    let is_alive = || {
        let (got, _) = read_until_end(&connect(addr));
        got.ends_with(b"\r\n\r\nalive")
    };
    while !is_alive() {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not recover");
    }
    kill_process(pid_of(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    let events = reader.join().unwrap();
    let of = |name: &str| -> HashSet<u64> {
        let of_name = events.iter().filter(|event| event["event"] == name);
        of_name.map(|event| event["conn"].as_u64().unwrap()).collect()
    };
    assert_eq!(of("connected"), of("disconnected"));
    let is_told = |event: &Value| event["kind"] == "no_descriptors";
    assert!(events.iter().any(is_told), "nobody said why");
}

fn shutdown_needs_no_descriptor(sibling: Sibling) {
    let (_folder, path) = long_file();
    // Two descriptors a client: with one limit or the other, accepting waits with the very last.
    for limit in [32, 33] {
        let args = ["--max-connections", "1000", "--grace", "0s"];
        let command = with_descriptors(limit, &server_command(sibling, &path, &args));
        let (mut child, stdout, addr) = spawn(command);
        let _held: Vec<_> = (0..20).map(|_| connect_with_small_buffer(addr)).collect();
        let mut events = stdout.lines().map(|line| line.unwrap());
        assert!(events.any(|event| event.contains("no_descriptors")), "descriptors are left");
        kill_process(pid_of(&child), Signal::TERM).unwrap();
        assert_eq!(wait(&mut child).code(), Some(0), "limit {limit}");
    }
}
