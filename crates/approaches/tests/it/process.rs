//! Tests of a server as a program: signals, exit codes, descriptors and output.

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
    BARE, DEADLINE, assert_same, connect, connect_with_small_buffer, random_bytes, read_exactly,
    read_until_end, read_whole,
};
use crate::{Check, SendMode, Sibling};

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
    #[cfg(target_os = "linux")]
    ("shutdown_needs_no_network", shutdown_needs_no_network),
    #[cfg(target_os = "linux")]
    (
        "a_thread_that_cannot_start_ends_its_connection",
        a_thread_that_cannot_start_ends_its_connection,
    ),
];

/// A server process. A thread reads its events. Dropping the value kills the process.
struct Process {
    child: Child,
    addr: SocketAddr,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events {
    received: Mutex<Vec<Value>>,
    added: Condvar,
}

impl Process {
    fn start(sibling: Sibling, file: &Path, args: &[&str]) -> Self {
        Self::spawn(server_command(sibling, file, args))
    }

    fn spawn(command: Command) -> Self {
        let (mut child, stdout, addr) = spawn(command);
        child.stderr.take();
        let events = Arc::new(Events::default());
        let reader_events = Arc::clone(&events);
        thread::spawn(move || {
            for line in stdout.lines() {
                let event = serde_json::from_str(&line.unwrap()).expect("each line is JSON");
                reader_events.received.lock().unwrap().push(event);
                reader_events.added.notify_all();
            }
        });
        Self { child, addr, events }
    }

    /// Waits until the server has logged at least `count` events with a name.
    fn wait_for(&self, count: usize, name: &str) {
        let events = self.events.received.lock().unwrap();
        let too_few = |events: &mut Vec<Value>| count_named(events, name) < count;
        let result = self.events.added.wait_timeout_while(events, DEADLINE, too_few);
        let (events, timeout) = result.unwrap();
        let tail = &events[events.len().saturating_sub(20)..];
        assert!(
            !timeout.timed_out(),
            "expected {count} events `{name}` within {DEADLINE:?}, got these events: {tail:?}"
        );
    }

    #[cfg(target_os = "linux")]
    fn events_named(&self, name: &str) -> Vec<Value> {
        let events = self.events.received.lock().unwrap();
        events.iter().filter(|event| event["event"] == name).cloned().collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid_of(&self.child), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    #[cfg(target_os = "linux")]
    fn count_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn count_named(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns the command that runs this program as a server, on a free port of the loopback address.
fn server_command(sibling: Sibling, file: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(format!("serve-{}", sibling.approach.name)).arg(file);
    if !args.contains(&"--host") {
        command.args(["--host", "127.0.0.1"]);
    }
    command.args(["--port", "0", "--log", "json"]).args(args);
    if sibling.mode == SendMode::ZeroCopy {
        command.arg("--zero-copy");
    }
    command
}

/// Returns the command with a limit on open descriptors, which a shell sets before it executes the
/// command.
fn with_descriptor_limit(limit: usize, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// Starts a server, and reads its address from the event `listening`.
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
        panic!("expected a JSON event, got line {line:?}: {error}; stderr: {stderr}");
    });
    assert_eq!(listening["event"], "listening");
    let addr = listening["addr"].as_str().unwrap().parse().unwrap();
    (child, stdout, addr)
}

/// Waits until a process has ended, and kills it after the deadline.
fn wait(child: &mut Child) -> ExitStatus {
    let pid = pid_of(child);
    let (sender, receiver) = mpsc::channel::<()>();
    // `Child::wait` has no timeout, so another thread kills the process after the deadline.
    let watchdog = thread::spawn(move || {
        if receiver.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let status = child.wait().unwrap();
    drop(sender);
    watchdog.join().unwrap();
    status
}

fn file_with(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// Creates a file that is longer than any socket buffer. It is sparse, so it needs no disk space.
fn long_file() -> (TempDir, PathBuf) {
    let (folder, path) = file_with(b"");
    File::create(&path).unwrap().set_len(64 << 20).unwrap();
    (folder, path)
}

// Clause 10: shutdown.

fn the_first_signal_ends_with_exit_code_0(sibling: Sibling) {
    let content = random_bytes(8 << 20);
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

// Startup.

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
        // A flag can be given only once, so these defaults must not repeat a flag of the case.
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
        assert!(help.contains(part), "expected {part} in the help text, got {help}");
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
    assert_eq!(stdout.lines().count(), 1, "expected only the event `shutdown`");
}

// Clause 11: events.

fn a_closed_stdout_does_not_stop_the_server(sibling: Sibling) {
    let content = random_bytes(100_000);
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
    // One event per byte: many more events than fit into the queue and the pipe.
    let content = random_bytes(60_000);
    let (_folder, path) = file_with(&content);
    let args = ["--log-chunks", "--chunk-size", "1", "--grace", "1m"];
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &args));
    assert_same(&read_whole(&connect(addr)), &[BARE, &content].concat());
    kill_process(pid_of(&child), Signal::TERM).unwrap();

    let events: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(wait(&mut child).code(), Some(0));
    let dropped: u64 = events.iter().filter_map(|event| event["events"].as_u64()).sum();
    assert!(dropped > 0, "expected dropped events, got all {} events", events.len());
    // `connected`, 60,000 chunks, `file_ended`, `disconnected` and `shutdown` are written or
    // counted.
    let written = (events.len() - count_named(&events, "dropped")) as u64;
    assert_eq!(written + dropped, 60_004);
}

// Clauses 8 and 9: descriptors.

#[cfg(not(target_os = "linux"))]
fn all_descriptors_are_closed(_: Sibling) {
    // Only Linux lists the descriptors of another process in a directory. The siblings close
    // descriptors in the same way on all systems.
}

#[cfg(target_os = "linux")]
fn all_descriptors_are_closed(sibling: Sibling) {
    let (_folder, path) = long_file();
    let mut process = Process::start(sibling, &path, &[]);
    // During the first connection, the runtime opens descriptors that it keeps.
    crate::client::reset(connect(process.addr));
    process.wait_for(1, "disconnected");
    let expected = process.count_descriptors();
    for _ in 0..50 {
        let stream = connect(process.addr);
        read_exactly(&stream, BARE.len());
        crate::client::reset(stream);
        let stream = connect(process.addr);
        read_exactly(&stream, BARE.len());
        drop(stream);
    }
    process.wait_for(101, "disconnected");
    // A thread of the blocking pool may close a file a moment later, which causes no event.
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

fn few_descriptors_lower_the_connection_limit(sibling: Sibling) {
    let content = random_bytes(200_000);
    let (_folder, path) = file_with(&content);
    let command = with_descriptor_limit(32, &server_command(sibling, &path, &[]));
    let (mut child, stdout, addr) = spawn(command);
    let streams: Vec<_> = (0..60).map(|_| connect(addr)).collect();
    for stream in streams {
        assert_same(&read_whole(&stream), &[BARE, &content].concat());
    }
    kill_process(pid_of(&child), Signal::TERM).unwrap();
    let lines: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    assert_eq!(wait(&mut child).code(), Some(0));
    let errors: Vec<&String> = lines.iter().filter(|line| line.contains("\"error\"")).collect();
    assert!(errors.is_empty(), "expected no `error`, got {errors:?}");
}

fn the_server_survives_running_out_of_descriptors(sibling: Sibling) {
    let (_folder, path) = long_file();
    let args = ["--max-connections", "1000", "--preamble", "http"];
    let command = with_descriptor_limit(32, &server_command(sibling, &path, &args));
    let (mut child, stdout, addr) = spawn(command);
    let clients: Vec<_> = (0..60).map(|_| connect_with_small_buffer(addr)).collect();

    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let events = stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let events: Vec<Value> = events
            .inspect(|event: &Value| {
                if event["event"] == "error" && event.get("conn").is_none() {
                    let _ = sender.send(event["at_us"].as_u64().unwrap());
                }
            })
            .collect();
        events
    });
    // `accept` fails repeatedly while the clients are connected, with a pause after each failure.
    let at_us: Vec<u64> = (0..5).map(|_| receiver.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(
        at_us.windows(2).all(|pair| pair[1] - pair[0] >= 90_000),
        "expected pauses of at least 90 ms between errors, got the times {at_us:?}"
    );
    drop(clients);

    fs::write(&path, b"alive").unwrap();
    let started = Instant::now();
    let is_alive = || {
        let (got, _) = read_until_end(&connect(addr));
        got.ends_with(b"\r\n\r\nalive")
    };
    while !is_alive() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "expected the server to recover within 10 s"
        );
    }
    kill_process(pid_of(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    let events = reader.join().unwrap();
    let connections_with = |name: &str| -> HashSet<u64> {
        let named = events.iter().filter(|event| event["event"] == name);
        named.map(|event| event["conn"].as_u64().unwrap()).collect()
    };
    assert_eq!(connections_with("connected"), connections_with("disconnected"));
    let is_reported = events.iter().any(|event| event["kind"] == "no_descriptors");
    assert!(is_reported, "expected an `error` of kind `no_descriptors`");
}

fn shutdown_needs_no_descriptor(sibling: Sibling) {
    let (_folder, path) = long_file();
    // A connection needs two descriptors. Depending on the parity of the limit, either `accept` or
    // opening a file is the first call to fail. The test covers both cases.
    for limit in [32, 33] {
        let args = ["--max-connections", "1000", "--grace", "0s"];
        let command = with_descriptor_limit(limit, &server_command(sibling, &path, &args));
        let (mut child, stdout, addr) = spawn(command);
        let _clients: Vec<_> = (0..20).map(|_| connect_with_small_buffer(addr)).collect();
        let mut events = stdout.lines().map(|line| line.unwrap());
        assert!(
            events.any(|event| event.contains("no_descriptors")),
            "expected an `error` of kind `no_descriptors`"
        );
        kill_process(pid_of(&child), Signal::TERM).unwrap();
        assert_eq!(wait(&mut child).code(), Some(0), "descriptor limit {limit}");
    }
}

/// Runs the server in a new network namespace. It has only a loopback interface, which is down, so
/// that the server cannot reach even the address of its listener.
#[cfg(target_os = "linux")]
fn shutdown_needs_no_network(sibling: Sibling) {
    let (_folder, path) = long_file();
    let unshare = ["unshare", "--net"];
    if !can_run(&unshare) {
        return skip("network namespaces are not allowed here");
    }
    let grace = Duration::from_secs(1);
    // 127.0.0.1 cannot be bound while the interface is down. Nothing can connect to this server.
    let args = ["--host", "0.0.0.0", "--grace", "1s"];
    let mut process = Process::spawn(prefixed(&unshare, &server_command(sibling, &path, &args)));
    let started = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0));
    let elapsed = started.elapsed();
    assert!(
        elapsed <= grace + Duration::from_secs(1),
        "expected a shutdown of at most 2 s, got {elapsed:?}"
    );
}

/// Tests only std, because the other siblings start no threads for their connections. The process
/// limit does not apply to root, so the server runs as a user that has no other process.
#[cfg(target_os = "linux")]
fn a_thread_that_cannot_start_ends_its_connection(sibling: Sibling) {
    use std::os::unix::fs::PermissionsExt;

    if sibling.approach.has_workers {
        return;
    }
    let (folder, path) = long_file();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // No other process may have this user, also if several of these tests run at the same time.
    let user = 1_000_000 + 2 * std::process::id() + u32::from(sibling.mode == SendMode::ZeroCopy);
    let user = format!("--reuid={user}");
    let user = ["setpriv", &user, "--clear-groups"];
    let program = env::current_exe().unwrap();
    if !can_run(&[&user[..], &[program.to_str().unwrap(), "serve-std", "--help"]].concat()) {
        return skip("the server cannot be started as another user here");
    }
    let limit = [&user[..], &["prlimit", "--nproc=12"]].concat();
    let process = Process::spawn(prefixed(&limit, &server_command(sibling, &path, &[])));
    let clients: Vec<_> = (0..20).map(|_| connect_with_small_buffer(process.addr)).collect();
    process.wait_for(5, "disconnected");
    // In this order, so that the error of each of these connections is included.
    let disconnected = process.events_named("disconnected");
    let failed = process.events_named("error");
    assert!(
        failed.iter().all(|event| event["kind"] == "io"),
        "expected the kind `io`, got {failed:?}"
    );
    for disconnected in disconnected {
        let conn = &disconnected["conn"];
        assert!(
            failed.iter().any(|event| event["conn"] == *conn),
            "expected an `error` of #{conn}, got {failed:?}"
        );
        let connected = process.events_named("connected");
        let peer = connected.iter().find(|event| event["conn"] == *conn).unwrap()["peer"].clone();
        let client = clients.iter().find(|client| client.local_addr().unwrap().to_string() == peer);
        // The socket is closed, so the connection ends when the client has read the data in transit.
        let _ = read_until_end(client.unwrap());
    }
    drop(clients);
    process.wait_for(20, "disconnected");
    fs::write(&path, b"alive").unwrap();
    // The threads of the other connections end only after their last event.
    let started = Instant::now();
    while !read_until_end(&connect(process.addr)).0.ends_with(b"alive") {
        assert!(started.elapsed() < DEADLINE, "expected a reply after the other clients are gone");
    }
}

/// Returns a command that runs `prefix`, which then executes `command`.
#[cfg(target_os = "linux")]
fn prefixed(prefix: &[&str], command: &Command) -> Command {
    let mut prefixed = Command::new(prefix[0]);
    prefixed.args(&prefix[1..]).arg(command.get_program()).args(command.get_args());
    prefixed
}

#[cfg(target_os = "linux")]
fn can_run(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    if words.len() == 2 {
        command.arg("true");
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(target_os = "linux")]
fn skip(reason: &str) {
    use std::io::{Write, stderr};

    let _ = writeln!(stderr(), "skipped: {reason}");
}
