//! A server that runs as a separate process. The test reads the server's events from its stdout.

use std::fs::{self, File};
#[cfg(target_os = "linux")]
use std::io::{self, Write};
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

use crate::client::DEADLINE;
use crate::running::LONG_FILE_BYTES;
use crate::sibling::{SendMode, Sibling};

/// The length of a file for a server that logs one event per byte and whose log is not read. The
/// log's queue and the batch that is being written hold 16,384 events each, and the pipe holds fewer
/// than 2,000 events, so the server drops the other events.
pub const LOGGED_BYTES: usize = 40_000;

/// A server process. A thread reads the server's events. Dropping the value kills the process.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events {
    received: Mutex<Vec<Value>>,
    added: Condvar,
}

impl Process {
    pub fn start(sibling: Sibling, file: &Path, args: &[&str]) -> Self {
        Self::spawn(server_command(sibling, file, args))
    }

    pub fn spawn(command: Command) -> Self {
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

    /// Waits until the server has logged at least `count` events with this name.
    pub fn wait_for(&self, count: usize, name: &str) {
        let events = self.events.received.lock().unwrap();
        let too_few = |events: &mut Vec<Value>| count_named(events, name) < count;
        let result = self.events.added.wait_timeout_while(events, DEADLINE, too_few);
        let (events, timeout) = result.unwrap();
        let tail = &events[events.len().saturating_sub(20)..];
        assert!(
            !timeout.timed_out(),
            "expected {count} `{name}` events within {DEADLINE:?}, got these events: {tail:?}"
        );
    }

    #[cfg(target_os = "linux")]
    pub fn events_named(&self, name: &str) -> Vec<Value> {
        let events = self.events.received.lock().unwrap();
        events.iter().filter(|event| event["event"] == name).cloned().collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(pid_of(&self.child), signal).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    pub fn assert_exits(&mut self, signal: Signal, grace: Duration) {
        assert_exits(&mut self.child, signal, grace);
    }

    #[cfg(target_os = "linux")]
    pub fn count_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

pub fn count_named(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Requests the shutdown of a server with `SIGTERM`.
pub fn terminate(child: &Child) {
    kill_process(pid_of(child), Signal::TERM).unwrap();
}

/// Asserts that a signal ends the process with exit code 0 after the grace period. The limit exceeds
/// the second that clause 10 of the contract permits, because the machine may be busy.
pub fn assert_exits(child: &mut Child, signal: Signal, grace: Duration) {
    let started = Instant::now();
    kill_process(pid_of(child), signal).unwrap();
    assert_eq!(wait(child).code(), Some(0), "exit code after {signal:?}");
    let (took, limit) = (started.elapsed(), grace + Duration::from_secs(5));
    assert!(took <= limit, "expected the shutdown to take at most {limit:?}, got {took:?}");
}

pub fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns the command that runs this program as a server on a free port of the loopback address.
pub fn server_command(sibling: Sibling, file: &Path, args: &[&str]) -> Command {
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

/// Returns a command that sets a limit on open descriptors in a shell, and then executes the given
/// command.
pub fn with_descriptor_limit(limit: usize, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// Starts a server, and reads its address from the event `listening`.
pub fn spawn(mut command: Command) -> (Child, BufReader<ChildStdout>, SocketAddr) {
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

/// Waits until a process has ended. If the deadline expires, kills the process.
pub fn wait(child: &mut Child) -> ExitStatus {
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

pub fn file_with(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.bin");
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// Creates a file that is longer than any socket buffer. The file is sparse, so it needs no disk
/// space.
pub fn long_file() -> (TempDir, PathBuf) {
    let (folder, path) = file_with(b"");
    File::create(&path).unwrap().set_len(LONG_FILE_BYTES).unwrap();
    (folder, path)
}

/// Returns a command that runs `prefix` with `command` as additional arguments.
#[cfg(target_os = "linux")]
pub fn prefixed(prefix: &[&str], command: &Command) -> Command {
    let mut prefixed = Command::new(prefix[0]);
    prefixed.args(&prefix[1..]).arg(command.get_program()).args(command.get_args());
    prefixed
}

/// Returns whether a command exits with code 0. If the command consists of only two words, it runs
/// `true`.
#[cfg(target_os = "linux")]
pub fn can_run(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    if words.len() == 2 {
        command.arg("true");
    }
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(target_os = "linux")]
pub fn skip(reason: &str) {
    let _ = writeln!(io::stderr(), "skipped: {reason}");
}
