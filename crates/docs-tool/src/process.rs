//! A command with all that it starts: a process group of its own, which ends as a whole.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{kill_group, spawn_group};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long what a command has left behind may hold its output open after it was ended.
const CLOSES: Duration = Duration::from_secs(2);

/// What a process has done so far.
#[derive(Debug)]
struct State {
    output: Vec<u8>,
    /// When output came last.
    said_at: Instant,
    is_closed: bool,
    has_ended: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A command that runs, or has run.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    shared: Arc<Shared>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts a command by `bash -c` in this folder, both outputs as one.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(command: &str, folder: &Path) -> io::Result<Self> {
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(format!("exec 2>&1\n{command}")).current_dir(folder);
        bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        bash.env("CARGO_TERM_QUIET", "true").env("CARGO_TERM_COLOR", "never");
        bash.env("NO_COLOR", "1").env("TERM", "dumb").env("COLUMNS", "80");
        bash.env("LC_ALL", "C.UTF-8").env("GIT_PAGER", "cat").env("PAGER", "cat");
        let mut child = spawn_group(&mut bash)?;
        let group = Pid::from_child(&child);
        let state = State {
            output: Vec::new(),
            said_at: Instant::now(),
            is_closed: false,
            has_ended: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let stdout = child.stdout.take().expect("it was asked for above");
        let (reading, waiting) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::spawn(move || reading.read(stdout));
        thread::spawn(move || waiting.wait_for(group));
        Ok(Self { child, group, shared, status: None })
    }

    /// The number of its group.
    #[must_use]
    pub fn group(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Waits until the condition holds for what it has said; then true, false at the deadline.
    pub fn wait_until(&self, deadline: Instant, is_so: impl Fn(&Snapshot<'_>) -> bool) -> bool {
        let mut state = self.shared.lock();
        loop {
            let snapshot = Snapshot {
                output: &state.output,
                quiet: state.said_at.elapsed(),
                has_ended: state.has_ended,
            };
            if is_so(&snapshot) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // Quiet is nothing that changes: it is looked at again.
            let look_again = left.min(Duration::from_millis(20));
            state = self
                .shared
                .changed
                .wait_timeout(state, look_again)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// What it has said from there on.
    #[must_use]
    pub fn output_from(&self, place: usize) -> Vec<u8> {
        self.shared.lock().output[place..].to_vec()
    }

    /// Asks all of it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        let _ = kill_process_group(self.group, Signal::INT);
    }

    /// Ends all that is left of it, and tells what the command itself ended with.
    pub fn end(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // The command is not reaped yet, so the number is still its own.
            kill_group(&mut self.child);
            self.status = self.child.wait().ok();
            let closes = Instant::now() + CLOSES;
            let mut state = self.shared.lock();
            while !state.is_closed && Instant::now() < closes {
                let waited = self.shared.changed.wait_timeout(state, Duration::from_millis(20));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        self.status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The state of a process at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Everything that the process has printed.
    pub output: &'a [u8],
    /// The time since the process printed something.
    pub quiet: Duration,
    /// Whether the command itself has ended.
    pub has_ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn read(&self, mut stdout: ChildStdout) {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = stdout.read(&mut buffer) {
            let mut state = self.lock();
            state.output.extend_from_slice(&buffer[..read]);
            state.said_at = Instant::now();
            self.changed.notify_all();
        }
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits for the command's end, but leaves it to be reaped, so that its number stays its own.
    fn wait_for(&self, pid: Pid) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        self.lock().has_ended = true;
        self.changed.notify_all();
    }
}

/// A thread that panicked has left nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
