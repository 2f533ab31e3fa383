//! Processes of servers, their output and their exits.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::text::error_line;
use harness::{Group, Signal, describe_exit};

/// The minimum interval between two polls of a condition. The interval grows with the elapsed time,
/// because some polls are expensive. For example, a poll may list all sockets of the system.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The time limit for a process to exit after its connections have closed. The same limit applies
/// to reading the last output, because another process may keep the pipe open.
const ENDING_TIMEOUT: Duration = Duration::from_millis(500);

/// The number of bytes of stderr that are kept. A long backtrace may follow the line that states the
/// error.
const STDERR_BYTES_MAX: usize = 1 << 20;

/// The number of bytes of stdout that are kept. In every check, a correct server prints fewer bytes.
const STDOUT_BYTES_MAX: usize = 64 << 20;

/// The maximum length of a line in bytes. A longer line becomes several lines.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// The handling of a server's stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdout {
    /// The lines of stdout are read and kept.
    #[default]
    Read,
    /// Stdout is a pipe that nothing reads.
    Unread,
    /// Stdout is a pipe whose read end is closed.
    Closed,
}

/// A server's process, and all processes that it starts.
#[derive(Debug)]
pub struct Process {
    group: Mutex<Group>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    is_asked_to_end: AtomicBool,
}

impl Process {
    /// Starts a command. The command's stdout and stderr must be pipes.
    pub fn spawn(command: &mut Command, stdout: Stdout) -> io::Result<Self> {
        let mut group = Group::spawn(command)?;
        let child = group.child();
        let stderr = child.stderr.take().map(|pipe| Output::read(pipe, STDERR_BYTES_MAX));
        let stdout = match (stdout, child.stdout.take()) {
            (Stdout::Read, Some(pipe)) => Some(Output::read(pipe, STDOUT_BYTES_MAX)),
            (Stdout::Unread, Some(pipe)) => {
                shrink_pipe(&pipe);
                child.stdout = Some(pipe);
                None
            }
            (Stdout::Closed, _) | (_, None) => None,
        };
        let (group, is_asked_to_end) = (Mutex::new(group), AtomicBool::new(false));
        Ok(Self { group, stdout, stderr, is_asked_to_end })
    }

    /// Returns the ids of all processes in the group. Only Linux provides these ids.
    pub fn pids(&self) -> Vec<u32> {
        lock(&self.group).pids()
    }

    /// Waits until the process ends. Returns the exit status, or `None` if the timeout expires
    /// first.
    pub fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        // The lock is released between two polls, so that another thread can signal the group.
        poll(timeout, || lock(&self.group).status())
    }

    /// Returns a description of the exit, or `None` if the process is still running. After an exit,
    /// waits until the rest of the output has been read.
    pub fn ended(&self) -> Option<String> {
        let status = lock(&self.group).status()?;
        let outputs = [&self.stdout, &self.stderr].into_iter().flatten();
        let has_read = || outputs.clone().all(|it| it.reader.is_finished()).then_some(());
        poll(ENDING_TIMEOUT, has_read);
        let line = self.fatal_line().map(|line| format!("; {line}")).unwrap_or_default();
        Some(format!("{}{line}", describe_exit(status)))
    }

    /// Explains a failure. If the process has ended, returns a description of the exit. If the
    /// process is still running, returns the line of stderr that probably states the error, because
    /// a client may observe this error only as a reset. Returns `None` if there is no such line, or
    /// if the check has sent a signal to the process.
    pub fn explanation(&self) -> Option<String> {
        if self.is_asked_to_end.load(Ordering::Relaxed) {
            return None;
        }
        // The line of stderr is read first, because later lines may concern clients that the check
        // has dropped.
        let line = self.error_line();
        self.wait(ENDING_TIMEOUT);
        self.ended().map(|ended| format!("the server's process ended: {ended}")).or(line)
    }

    /// Sends a signal to the command's process.
    pub fn signal(&self, signal: Signal) {
        self.is_asked_to_end.store(true, Ordering::Relaxed);
        lock(&self.group).signal(signal);
    }

    /// Sends a signal to the whole process group.
    pub fn signal_all(&self, signal: Signal) {
        lock(&self.group).signal_all(signal);
    }

    /// Kills the whole process group.
    pub fn kill(&self) {
        lock(&self.group).kill();
    }

    /// Returns the lines of stdout that have been read so far.
    pub fn lines(&self) -> Vec<String> {
        self.stdout.as_ref().map(Output::lines).unwrap_or_default()
    }

    /// Returns the lines of stderr that have been read so far.
    pub fn stderr_lines(&self) -> Vec<String> {
        self.stderr.as_ref().map(Output::lines).unwrap_or_default()
    }

    /// Returns the line of stderr that probably states the error of a running process, with the
    /// prefix `stderr: `. Returns `None` if there is no such line.
    fn error_line(&self) -> Option<String> {
        let lines = self.stderr.as_ref()?.lines();
        Some(format!("stderr: {}", error_line(&lines.join("\n"))?))
    }

    /// Returns the line of stderr that best explains why the process ended, with the prefix
    /// `stderr: `. Returns `None` if there is no such line.
    fn fatal_line(&self) -> Option<String> {
        let lines = self.stderr.as_ref()?.lines();
        Some(format!("stderr: {}", error_line(&last_error(&lines).join("\n"))?))
    }
}

/// Returns the lines from the last panic or error on. Earlier lines may report errors of clients,
/// after which the process continued. If there is no panic or error, returns all lines.
fn last_error(lines: &[String]) -> &[String] {
    let is_fatal = |line: &String| line.contains("panicked at") || line.starts_with("Error:");
    // Other languages and programs print lines such as `TypeError: …`.
    let is_error = |line: &String| line.to_ascii_lowercase().contains("error:");
    let index = lines.iter().rposition(is_fatal).or_else(|| lines.iter().rposition(is_error));
    &lines[index.unwrap_or(0)..]
}

/// Calls a function repeatedly until the function returns a value. Returns the value, or `None` if
/// the timeout expires first.
pub fn poll<T>(timeout: Duration, value: impl Fn() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let value = value();
        if value.is_some() || started.elapsed() >= timeout {
            return value;
        }
        thread::sleep(POLL_INTERVAL.max(started.elapsed() / 16));
    }
}

/// Locks a mutex, even if a thread panicked while it held the lock. Such a panic does not make the
/// data inconsistent.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last lines that a process printed to stdout or stderr.
#[derive(Debug)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// The thread that reads the lines.
    reader: JoinHandle<()>,
}

impl Output {
    fn read(pipe: impl Read + Send + 'static, bytes_max: usize) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut bytes = 0;
            loop {
                let mut line = Vec::new();
                match pipe.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                let mut lines = lock(&kept);
                bytes += line.len() + 1;
                lines.push_back(line);
                while bytes > bytes_max {
                    bytes -= lines.pop_front().map_or(bytes, |line: String| line.len() + 1);
                }
            }
        });
        Self { lines, reader }
    }

    fn lines(&self) -> Vec<String> {
        lock(&self.lines).iter().cloned().collect()
    }
}

/// Makes a pipe as small as the system allows, so that the pipe fills up quickly.
#[cfg(target_os = "linux")]
fn shrink_pipe(pipe: &std::process::ChildStdout) {
    const PAGE_BYTES: usize = 4096;
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PAGE_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn shrink_pipe(_pipe: &std::process::ChildStdout) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_that_ended_the_process_is_preferred() {
        let explain = |text: &str| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            error_line(&last_error(&lines).join("\n"))
        };
        let cases = [
            ("client error: reset\nError: broken pipe\nclosed", "Error: broken pipe"),
            (
                "error: reset\nthread 'main' panicked at a.rs:1:\nboom\n  0: main",
                "thread 'main' panicked at a.rs:1: boom",
            ),
            ("client error: reset\nTypeError: x\n\nNode.js v22", "TypeError: x"),
            ("one\ntwo", "two"),
        ];
        for (text, expected) in cases {
            assert_eq!(explain(text).as_deref(), Some(expected), "{text}");
        }
    }
}
