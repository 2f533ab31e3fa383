//! What the suite asks the kernel for: namespaces, file systems, control groups, and system calls
//! that fail.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, process};

use harness::{Group, TempFolder};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::fault::{Result, fail, skip};
use crate::server::wait_until;

/// The environment variable of the program that runs in its own namespaces.
const VARIABLE: &str = "HIGHWATER_FAULTS";

/// The folder for temporary files. In the namespace of the suite, it is a file system of its own,
/// which disappears with the last process of the suite.
const FOLDER: &str = "/dev/shm";

/// The maximum time until strace has attached to all threads of a server.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs this program again in its own network and mount namespaces, in place of this process.
/// Returns `Ok` in the namespaces, and a reason if this machine does not permit them.
pub fn enter_namespaces() -> std::result::Result<(), String> {
    if env::var_os(VARIABLE).is_some() {
        return set_up().map_err(|error| format!("cannot set up the namespaces: {error}"));
    }
    let mut words = vec!["--mount", "--net"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    if !succeeds(Command::new("unshare").args(&words).arg("true")) {
        return Err("cannot create namespaces; run the suite as root".to_owned());
    }
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("unshare");
    command.args(&words).arg(program).args(env::args_os().skip(1));
    Err(command.env(VARIABLE, "1").env("TMPDIR", FOLDER).exec().to_string())
}

fn set_up() -> io::Result<()> {
    mount("tmpfs", FOLDER, "tmpfs", MountFlags::empty(), None)?;
    match succeeds(Command::new("ip").args(["link", "set", "lo", "up"])) {
        true => Ok(()),
        false => Err(io::Error::other("`ip link set lo up` failed")),
    }
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Adds an address to the loopback interface of the namespace, or removes it.
pub fn change_address(action: &str, address: &str) -> Result<()> {
    let address = format!("{address}/32");
    match succeeds(Command::new("ip").args(["address", action, &address, "dev", "lo"])) {
        true => Ok(()),
        false => fail(format!("`ip address {action} {address}` failed")),
    }
}

/// Makes the kernel end a connection after one to two seconds if the other side acknowledges nothing.
pub fn limit_retransmissions() -> Result<()> {
    match fs::write("/proc/sys/net/ipv4/tcp_retries2", "2") {
        Ok(()) => Ok(()),
        Err(error) => skip(format!("cannot set `net.ipv4.tcp_retries2`: {error}")),
    }
}

/// A small file system in memory. Dropping the value unmounts it.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a file system of this size on an existing folder.
    pub fn mount(folder: &Path, kib: u32) -> Result<Self> {
        let options = std::ffi::CString::new(format!("size={kib}k")).map_err(io::Error::other)?;
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), options.as_c_str())
            .map_err(io::Error::from)?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// System calls of a process that fail, although the kernel would execute them. Dropping the value
/// ends the failures.
pub struct FailingCalls {
    strace: Group,
    folder: TempFolder,
}

impl FailingCalls {
    /// Makes system calls of a running process fail, with the syntax of `strace -e inject`.
    pub fn of(pid: u32, calls: &str, failure: &str) -> Result<Self> {
        let folder = TempFolder::new()?;
        let trace = format!("trace={calls}");
        let inject = format!("inject={calls}:{failure}");
        let pid_text = pid.to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", &trace, "-e", &inject, "-p", &pid_text, "-o"]);
        strace.arg(folder.path().join("calls"));
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(group) = Group::spawn(&mut strace) else { return skip("`strace` is not installed") };
        let mut this = Self { strace: group, folder };
        let is_attached = wait_until(ATTACH_TIMEOUT, || {
            this.strace.status().is_some() || all_threads_are_traced(pid).unwrap_or(true)
        });
        match is_attached && this.strace.status().is_none() {
            true => Ok(this),
            false => skip("`strace` cannot attach to a process"),
        }
    }

    /// Returns the number of calls that were made, including those that did not fail.
    pub fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().count()
    }

    /// Returns the id of the process that makes the calls fail.
    pub fn pid(&self) -> u32 {
        self.strace.id()
    }
}

impl Drop for FailingCalls {
    fn drop(&mut self) {
        // On `SIGTERM`, strace detaches from all threads.
        self.strace.stop(ATTACH_TIMEOUT);
    }
}

fn all_threads_are_traced(pid: u32) -> io::Result<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        if status.lines().any(|line| line == "TracerPid:\t0") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The control groups that exist. An interrupt also removes them.
static CGROUPS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A control group with a limit. Dropping the value removes the group, whose processes must have
/// ended.
pub struct Cgroup {
    path: PathBuf,
    is_v1: bool,
}

impl Cgroup {
    /// Creates a group for this controller, in version 1 or 2 of the interface.
    pub fn new(controller: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = Path::new("/sys/fs/cgroup");
        let is_v1 = root.join(controller).join("cgroup.procs").exists();
        let parent = if is_v1 { root.join(controller) } else { root.to_owned() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("highwater-faults-{}-{number}", process::id()));
        if !is_v1 {
            // This fails if the parent contains processes. The test below then reports the reason.
            let _ = fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        let created = fs::create_dir(&path);
        let this = Self { path, is_v1 };
        if let Err(error) = created {
            return skip(format!("cannot create a control group: {error}"));
        }
        cgroups().push(this.path.clone());
        match this.path.join(if is_v1 { "cgroup.procs" } else { "cgroup.type" }).exists()
            && fs::read_dir(&this.path)?
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with(controller))
        {
            true => Ok(this),
            false => skip(format!("the control groups have no `{controller}` controller")),
        }
    }

    /// Returns the words that start a command in the group.
    pub fn prefix(&self) -> [String; 3] {
        let procs = self.path.join("cgroup.procs");
        let script = format!("echo $$ >{} && exec \"$0\" \"$@\"", procs.display());
        ["sh".to_owned(), "-c".to_owned(), script]
    }

    /// Limits the number of threads of all processes in the group.
    pub fn limit_threads(&self, max: Option<u64>) -> Result<()> {
        let max = max.map_or_else(|| "max".to_owned(), |max| max.to_string());
        Ok(fs::write(self.path.join("pids.max"), max)?)
    }

    /// Returns the number of threads of all processes in the group.
    pub fn threads(&self) -> Result<u64> {
        Ok(self.number("pids.current"))
    }

    /// Limits the memory of the group. Version 2 also counts the buffers of TCP connections.
    pub fn limit_memory(&self, bytes: u64) -> Result<()> {
        if !self.is_v1 {
            return Ok(fs::write(self.path.join("memory.max"), bytes.to_string())?);
        }
        fs::write(self.path.join("memory.limit_in_bytes"), bytes.to_string())?;
        // Version 1 counts the buffers of TCP connections separately, and only if they have a limit.
        Ok(fs::write(self.path.join("memory.kmem.tcp.limit_in_bytes"), (1_u64 << 40).to_string())?)
    }

    /// Returns the memory of the group in bytes, including the buffers of TCP connections.
    pub fn memory_bytes(&self) -> u64 {
        match self.is_v1 {
            true => {
                self.number("memory.usage_in_bytes") + self.number("memory.kmem.tcp.usage_in_bytes")
            }
            false => self.number("memory.current"),
        }
    }

    /// Returns whether the kernel killed a process because the group had no memory left.
    pub fn is_out_of_memory(&self) -> bool {
        let name = if self.is_v1 { "memory.oom_control" } else { "memory.events" };
        let events = fs::read_to_string(self.path.join(name)).unwrap_or_default();
        events.lines().any(|line| line.starts_with("oom_kill ") && line != "oom_kill 0")
    }

    fn number(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.path.join(name)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        wait_until(Duration::from_secs(2), || fs::remove_dir(&self.path).is_ok());
        cgroups().retain(|path| *path != self.path);
    }
}

/// Kills the processes in all control groups, and removes the groups.
pub fn remove_cgroups() {
    for path in cgroups().iter() {
        let procs = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in procs.lines().filter_map(|line| line.parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        wait_until(Duration::from_secs(2), || fs::remove_dir(path).is_ok());
    }
}

fn cgroups() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    CGROUPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
