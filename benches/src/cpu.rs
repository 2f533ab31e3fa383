//! Reads the CPU time of processes from their CPU-time clocks, which count nanoseconds.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// The CPU time of each process since the process started, by process id.
pub type CpuTimes = BTreeMap<u32, Duration>;

/// Reads the CPU-time clocks of running processes. Each CPU time includes the threads that have
/// ended.
///
/// # Errors
///
/// Fails if a process has ended.
pub fn read(pids: &[u32]) -> io::Result<CpuTimes> {
    let read = |&pid: &u32| {
        let raw = i32::try_from(pid).map_err(io::Error::other)?;
        let time = clock_getcpuclockid(Pid::from_raw(raw)).and_then(ClockId::now);
        let time = time.map_err(|error| {
            io::Error::other(format!("cannot read the CPU time of process {pid}: {error}"))
        })?;
        Ok((pid, Duration::from(time)))
    };
    pids.iter().map(read).collect()
}

/// Returns the CPU time that all processes used between two readings, in seconds.
///
/// # Errors
///
/// Fails if a process ended between the two readings, because the CPU time of this process is
/// unknown.
pub fn seconds_between(before: &CpuTimes, after: &CpuTimes) -> io::Result<f64> {
    if let Some(pid) = before.keys().find(|pid| !after.contains_key(pid)) {
        return Err(io::Error::other(format!("process {pid} ended during the measurement")));
    }
    let used = after
        .iter()
        .map(|(pid, &time)| time.saturating_sub(before.get(pid).copied().unwrap_or_default()));
    Ok(used.sum::<Duration>().as_secs_f64())
}
