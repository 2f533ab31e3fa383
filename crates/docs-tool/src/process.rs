//! Runs a shell command, and reads its output while the command runs.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Group, Signal};

/// The interval at which a condition is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The maximum time to wait, after a command has ended, until its output is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A command that is running or has ended. Dropping a `Process` kills all processes of the command.
#[derive(Debug)]
pub struct Process {
    group: Group,
    output: Arc<Mutex<Output>>,
}

/// The output of a command on stdout and stderr.
#[derive(Clone, Debug)]
struct Output {
    bytes: Vec<u8>,
    changed_at: Instant,
    is_closed: bool,
}

/// The state of a command at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The whole output of the command so far.
    pub output: Vec<u8>,
    /// The time since the command last printed output.
    pub quiet: Duration,
    pub has_ended: bool,
}

impl Process {
    /// Starts a command with `bash -c` in a folder.
    pub fn start(command: &str, folder: &Path) -> io::Result<Self> {
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(format!("exec 2>&1\n{command}")).current_dir(folder);
        bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        bash.env("CARGO_TERM_QUIET", "true").env("CARGO_TERM_COLOR", "never");
        bash.env("NO_COLOR", "1").env("TERM", "dumb").env("COLUMNS", "80");
        bash.env("LC_ALL", "C.UTF-8").env("GIT_PAGER", "cat").env("PAGER", "cat");
        let mut group = Group::spawn(&mut bash)?;
        let stdout = group.child().stdout.take().expect("stdout is piped");
        let output = Output { bytes: Vec::new(), changed_at: Instant::now(), is_closed: false };
        let output = Arc::new(Mutex::new(output));
        let shared = Arc::clone(&output);
        thread::spawn(move || read(stdout, &shared));
        Ok(Self { group, output })
    }

    /// Returns the ids of the command's running processes.
    pub fn pids(&self) -> Vec<u32> {
        self.group.pids()
    }

    /// Returns the current state of the command.
    pub fn snapshot(&mut self) -> Snapshot {
        let has_ended = self.group.status().is_some();
        let output = lock(&self.output);
        let quiet = output.changed_at.elapsed();
        Snapshot { output: output.bytes.clone(), quiet, has_ended }
    }

    /// Waits until a condition is true or the deadline passes. Returns whether the condition is
    /// true.
    pub fn wait_until(&mut self, deadline: Instant, is_true: impl Fn(&Snapshot) -> bool) -> bool {
        loop {
            if is_true(&self.snapshot()) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends `SIGINT`, the signal of Ctrl-C, to all processes of the command.
    pub fn interrupt(&self) {
        self.group.signal_all(Signal::Interrupt);
    }

    /// Kills the remaining processes of the command. Returns the exit status of the command, or
    /// `None` if the status is unknown, and the whole output of the command.
    pub fn end(&mut self) -> (Option<ExitStatus>, Vec<u8>) {
        let status = self.group.kill();
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        while !lock(&self.output).is_closed && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
        (status, lock(&self.output).bytes.clone())
    }
}

fn read(mut stdout: impl Read, output: &Mutex<Output>) {
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = stdout.read(&mut buffer) {
        let mut output = lock(output);
        output.bytes.extend_from_slice(&buffer[..count]);
        output.changed_at = Instant::now();
    }
    lock(output).is_closed = true;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
