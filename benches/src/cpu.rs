//! The CPU time of processes, from their clocks, in nanoseconds.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// The CPU time that each process has used since it started.
#[derive(Clone, Debug)]
pub struct CpuTimes(BTreeMap<u32, Duration>);

impl CpuTimes {
    /// Reads the clocks of processes. Threads that have ended are included.
    ///
    /// # Errors
    ///
    /// Fails if one of the processes has ended.
    pub fn read(pids: &[u32]) -> io::Result<Self> {
        let read = |&pid: &u32| {
            let raw = i32::try_from(pid).map_err(io::Error::other)?;
            let time = clock_getcpuclockid(Pid::from_raw(raw)).and_then(ClockId::now);
            let time = time.map_err(|error| io::Error::other(format!("process {pid}: {error}")))?;
            Ok((pid, Duration::from(time)))
        };
        pids.iter().map(read).collect::<io::Result<_>>().map(Self)
    }

    /// Returns the CPU time that all processes have used since an earlier reading, in seconds.
    ///
    /// # Errors
    ///
    /// Fails if a process has ended since, because its CPU time is unknown.
    pub fn seconds_since(&self, earlier: &Self) -> io::Result<f64> {
        if let Some(pid) = earlier.0.keys().find(|pid| !self.0.contains_key(pid)) {
            let message = format!("process {pid} ended during the measurement");
            return Err(io::Error::other(message));
        }
        let used = self.0.iter().map(|(pid, &time)| {
            time.saturating_sub(earlier.0.get(pid).copied().unwrap_or_default())
        });
        Ok(used.sum::<Duration>().as_secs_f64())
    }
}
