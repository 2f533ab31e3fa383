//! A command in its own process group, with all processes that the command starts.

use std::io;
use std::process::{self, Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::processes;
use crate::registry;
use crate::signal::{self, Signal};

/// The environment variable that identifies the processes of a group. A process keeps this variable
/// when it leaves the process group with `setsid`.
const VARIABLE: &str = "HIGHWATER_GROUP";

/// The interval at which this crate checks conditions for which the system sends no notification.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The maximum time to wait until killed processes have disappeared.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of consecutive empty lists of processes after which [`kill_all`] returns. A list may
/// omit a child whose parent ended while the list was read.
const EMPTY_COUNT: usize = 3;

/// A command in its own process group, and all processes that the command starts.
///
/// Dropping the group kills all these processes. On Linux, the group also includes processes that
/// left the process group with `setsid`. An environment variable identifies the processes of the
/// group. When the parent of a process in the group ends, this program becomes the new parent,
/// because it is a child subreaper. On other Unix systems, dropping the group kills only the
/// process group. On Windows, dropping the group kills only the command.
#[derive(Debug)]
pub struct Group {
    child: Child,
    variable: String,
    /// The exit status of the command, or `None` until the group has been killed.
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts a command in a new process group.
    ///
    /// # Errors
    ///
    /// Fails if the command cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let value = format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command.env(VARIABLE, &value);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        adopt_orphans();
        let mut registry = registry::lock();
        let child = command.spawn()?;
        registry.groups.insert(child.id());
        registry.has_started_group = true;
        Ok(Self { child, variable: format!("{VARIABLE}={value}"), status: None })
    }

    /// Returns the command's process. The calling function may take the pipes of the process. To
    /// wait until the process ends, use [`Group::wait`].
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Returns the process id of the command. The process group has the same id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the ids of all running processes of the group. Returns an empty list on systems
    /// other than Linux.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let (id, this) = (self.id(), process::id());
        // Also use the process group, because some programs, such as nginx, overwrite their
        // environment variables.
        let is_only_group = registry::lock().groups.iter().eq([&id]);
        let session = processes::session(this);
        processes::running_trees(|process| {
            let is_adopted = process.parent == this && Some(process.session) != session;
            process.group == id
                || (is_adopted
                    && (is_only_group || processes::has_variable(process.pid, &self.variable)))
        })
    }

    /// Returns the exit status of the command, or `None` if the command is running. Does not
    /// release the process id, so that a signal to the group cannot reach an unrelated process.
    #[cfg(unix)]
    pub fn status(&mut self) -> Option<ExitStatus> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        if self.status.is_some() {
            return self.status;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(signal::raw_pid(self.id())?), options).ok()??;
        let raw = match ended.exit_status() {
            Some(code) => code << 8,
            None => ended.terminating_signal()?,
        };
        Some(std::os::unix::process::ExitStatusExt::from_raw(raw))
    }

    /// Returns the exit status of the command, or `None` if the command is running.
    #[cfg(not(unix))]
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.status.or_else(|| self.child.try_wait().ok().flatten())
    }

    /// Waits until the command ends and returns its exit status. Returns `None` if the timeout
    /// expires first.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            let status = self.status();
            if status.is_some() || started.elapsed() >= timeout {
                return status;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends a signal to the command.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            signal::send(self.id(), signal);
        }
    }

    /// Sends a signal to all processes of the process group.
    pub fn signal_all(&self, signal: Signal) {
        if self.status.is_none() {
            signal::send_to_group(self.id(), signal);
        }
    }

    /// Sends `SIGTERM` to the group. Waits until the command ends or the timeout expires. Then
    /// kills all remaining processes. Returns the exit status of the command.
    pub fn stop(&mut self, timeout: Duration) -> Option<ExitStatus> {
        self.signal_all(Signal::Terminate);
        self.wait(timeout);
        self.kill()
    }

    /// Kills all processes of the group. Returns the exit status of the command.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // While the command runs, its descendants can be recognized by their parents.
            let pids = self.pids();
            signal::send_to_group(self.id(), Signal::Kill);
            pids.into_iter().for_each(|pid| signal::send(pid, Signal::Kill));
            // Also kill the command itself, because Windows has no process groups.
            let _ = self.child.kill();
            kill_all(|| self.pids(), KILL_TIMEOUT);
            reap_orphans(self.id());
            self.status = self.child.wait().ok();
            registry::lock().groups.remove(&self.id());
        }
        self.status
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills the processes that `running` returns. Repeats these steps until no process remains or the
/// timeout expires.
pub(crate) fn kill_all(running: impl Fn() -> Vec<u32>, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    let mut empty_count = 0;
    while empty_count < EMPTY_COUNT && Instant::now() < deadline {
        let pids = running();
        empty_count = if pids.is_empty() { empty_count + 1 } else { 0 };
        pids.into_iter().for_each(|pid| signal::send(pid, Signal::Kill));
        thread::sleep(Duration::from_millis(1));
    }
}

/// Reaps processes that this program adopted and that have ended. These are processes that started
/// a new session, and the processes of this group, except the command.
#[cfg(target_os = "linux")]
fn reap_orphans(group: u32) {
    let (all, this) = (processes::all(), process::id());
    let session = processes::session(this);
    let is_orphan = |process: &&processes::Process| {
        let is_adopted = process.group == group || Some(process.session) != session;
        process.is_zombie && process.parent == this && is_adopted && process.pid != group
    };
    for orphan in all.iter().filter(is_orphan) {
        let options = rustix::process::WaitOptions::NOHANG;
        let _ = rustix::process::waitpid(signal::raw_pid(orphan.pid), options);
    }
}

#[cfg(not(target_os = "linux"))]
fn reap_orphans(_group: u32) {}

/// Makes this program a child subreaper: if the parent of a descendant ends, this program becomes
/// the new parent of the descendant.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn adopt_orphans() {}
