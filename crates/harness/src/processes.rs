//! Reads the processes of this machine from `/proc`. Only Linux has `/proc`. On other systems, the
//! functions return empty lists, `None` or false.

use std::fs;

#[cfg(target_os = "linux")]
use crate::signal::{self, Signal};

/// The properties of a process, from `/proc/PID/stat`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub pid: u32,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
    /// Indicates whether the process has ended and its parent has not yet read the exit status.
    pub is_zombie: bool,
}

/// Returns all processes that are visible to this user.
pub(crate) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(read).collect()
}

/// Returns the id of the session of a process.
pub(crate) fn session(pid: u32) -> Option<u32> {
    read(pid).map(|process| process.session)
}

fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the process is in parentheses. The name may contain any character, including
    // spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let mut number = || fields.next()?.parse().ok();
    Some(Process { pid, parent: number()?, group: number()?, session: number()?, is_zombie })
}

/// Returns the ids of the running processes for which `is_root` returns true, and the ids of their
/// running descendants.
pub(crate) fn running_trees(is_root: impl Fn(&Process) -> bool) -> Vec<u32> {
    let all = all();
    let running = || all.iter().filter(|process| !process.is_zombie);
    let mut found: Vec<u32> = running().filter(|it| is_root(it)).map(|it| it.pid).collect();
    let mut index = 0;
    while let Some(&parent) = found.get(index) {
        let children = running().filter(|it| it.parent == parent).map(|it| it.pid);
        let new: Vec<u32> = children.filter(|pid| !found.contains(pid)).collect();
        found.extend(new);
        index += 1;
    }
    found
}

/// Returns the ids of the running processes that this program adopted and that started a new
/// session, and the ids of their running descendants.
pub(crate) fn adopted() -> Vec<u32> {
    let this = std::process::id();
    let session = session(this);
    running_trees(|process| process.parent == this && Some(process.session) != session)
}

/// Returns whether a process ignores a signal.
#[cfg(target_os = "linux")]
pub(crate) fn ignores(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A process that has ended has no mask.
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal::number(signal).as_raw() - 1)) != 0
}

/// Returns whether the initial environment of a process contains this variable.
pub(crate) fn has_variable(pid: u32, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes())
}
