//! Reads the resource usage of processes: threads, file descriptors, memory, CPU time and system
//! calls.
//!
//! All functions take process ids, usually [`crate::Group::pids`]. A function returns `None` if it
//! cannot read the value of any process. Only Linux provides these values, in `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn sum(pids: &[u32], of_one: impl Fn(u32) -> Option<u64>) -> Option<u64> {
    let values: Vec<u64> = pids.iter().filter_map(|&pid| of_one(pid)).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// Returns the number that follows a name in a file of `/proc/PID`. For example, the number is 1784
/// in the line `VmHWM:     1784 kB`.
fn field(pid: u32, file: &str, name: &str) -> Option<u64> {
    number(&fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?, name)
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the folders of a process's threads.
fn tasks(pid: u32) -> Option<impl Iterator<Item = PathBuf>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(tasks.flatten().map(|task| task.path()))
}

/// Returns the number of threads of all processes.
#[must_use]
pub fn threads(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| Some(tasks(pid)?.count() as u64))
}

/// Returns the number of threads that are not in the given state. The state is a letter from
/// proc_pid_stat(5), for example `S` for a thread that waits, or `T` for a thread that SIGSTOP has
/// stopped.
#[must_use]
pub fn threads_not_in_state(pids: &[u32], state: char) -> Option<u64> {
    let is_in_state = |task: &PathBuf| {
        let status = fs::read_to_string(task.join("status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("State:\t").is_some_and(|it| it.starts_with(state)))
    };
    sum(pids, |pid| Some(tasks(pid)?.filter(|task| !is_in_state(task)).count() as u64))
}

/// Returns the ids of all threads of all processes.
#[must_use]
pub fn thread_ids(pids: &[u32]) -> Option<BTreeSet<u32>> {
    let tasks: Vec<PathBuf> = pids.iter().filter_map(|&pid| tasks(pid)).flatten().collect();
    let id = |task: &PathBuf| task.file_name()?.to_str()?.parse().ok();
    (!tasks.is_empty()).then(|| tasks.iter().filter_map(id).collect())
}

/// Returns the total number of file descriptors that the processes in `pids` have open.
#[must_use]
pub fn descriptors(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| {
        let folder = PathBuf::from(format!("/proc/{pid}/fd"));
        // Since Linux 6.2, the size of the folder is the number of its entries.
        match fs::metadata(&folder).ok()?.len() {
            0 => Some(fs::read_dir(folder).ok()?.count() as u64),
            count => Some(count),
        }
    })
}

/// Returns the resident anonymous memory in bytes. Anonymous memory is memory that does not belong
/// to a file.
#[must_use]
pub fn anonymous_memory_bytes(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| Some(field(pid, "status", "RssAnon")? * 1024))
}

/// Returns the memory that the kernel uses for the page tables of the processes, in bytes.
#[must_use]
pub fn page_table_bytes(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| Some(field(pid, "status", "VmPTE")? * 1024))
}

/// Returns the proportional set size (PSS) in bytes. The PSS is the resident memory of a process.
/// Memory that several processes share is divided among these processes.
#[must_use]
pub fn memory_bytes(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| Some(field(pid, "smaps_rollup", "Pss")? * 1024))
}

/// Returns the sum of the peak resident memory of all processes, in bytes.
#[must_use]
pub fn peak_memory_bytes(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| Some(field(pid, "status", "VmHWM")? * 1024))
}

/// Returns the CPU time of all running threads.
#[must_use]
pub fn cpu_time(pids: &[u32]) -> Option<Duration> {
    scheduled(pids, 1)
}

/// Returns the CPU time of all running threads, plus their run-queue wait. On a busy computer, even
/// a thread in a busy loop gets little CPU time. Therefore, this function adds the time for which
/// the threads wait for a core.
#[must_use]
pub fn cpu_time_and_wait(pids: &[u32]) -> Option<Duration> {
    scheduled(pids, 2)
}

/// Returns the CPU time of all threads, including threads that have ended. The kernel counts this
/// time in units of 10 ms.
#[must_use]
pub fn total_cpu_time(pids: &[u32]) -> Option<Duration> {
    /// The length of a clock tick (`USER_HZ` is 100 on all architectures that Rust supports).
    const TICK_MS: u64 = 10;
    let ticks = sum(pids, |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name of the program, which can contain spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // The fields 14 and 15 are `utime` and `stime` (see proc_pid_stat(5)).
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    });
    ticks.map(|ticks| Duration::from_millis(ticks * TICK_MS))
}

/// Returns the sum of the first `numbers` numbers in the `schedstat` files of all threads. The
/// first number is the CPU time, and the second one is the run-queue wait, in nanoseconds.
fn scheduled(pids: &[u32], numbers: usize) -> Option<Duration> {
    let ns = sum(pids, |pid| {
        let of_task = |task: PathBuf| {
            let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
            let numbers = schedstat.split_whitespace().take(numbers);
            numbers.map(|number| number.parse::<u64>().ok()).sum::<Option<u64>>()
        };
        Some(tasks(pid)?.filter_map(of_task).sum())
    });
    ns.map(Duration::from_nanos)
}

/// Returns the number of system calls that can read from files (`read`, `pread64`, `preadv2`, …).
/// The number also includes the calls of these types that read from a socket.
#[must_use]
pub fn read_calls(pids: &[u32]) -> Option<u64> {
    sum(pids, |pid| field(pid, "io", "syscr"))
}

/// Returns two numbers: the voluntary context switches and the involuntary context switches of all
/// running threads. The numbers include all switches since the start of each thread.
#[must_use]
pub fn context_switches(pids: &[u32]) -> Option<[u64; 2]> {
    let of_task =
        |task: PathBuf, name: &str| number(&fs::read_to_string(task.join("status")).ok()?, name);
    let switches =
        |name| sum(pids, |pid| Some(tasks(pid)?.filter_map(|task| of_task(task, name)).sum()));
    Some([switches("voluntary_ctxt_switches")?, switches("nonvoluntary_ctxt_switches")?])
}

/// Returns the names of the system calls in which the threads currently wait.
#[must_use]
pub fn waiting_calls(pids: &[u32]) -> Option<BTreeSet<String>> {
    let tasks: Vec<PathBuf> = pids.iter().filter_map(|&pid| tasks(pid)).flatten().collect();
    let mut calls = None;
    for task in tasks {
        // The file contains the number and the arguments of the system call, or `running`.
        let Ok(call) = fs::read_to_string(task.join("syscall")) else { continue };
        let calls = calls.get_or_insert_with(BTreeSet::new);
        let number = call.split_whitespace().next().and_then(|word| word.parse().ok());
        calls.extend(number.filter(|number| *number >= 0).map(call_name));
    }
    calls
}

/// Returns the number of threads that currently wait in a system call that uses a file. The first or
/// the second argument of the call is a descriptor of the file.
#[must_use]
pub fn threads_that_use(pids: &[u32], path: &Path) -> Option<u64> {
    sum(pids, |pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let open = open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == path));
        let descriptors: Vec<u64> =
            open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let is_waiting = |task: &PathBuf| {
            // The file contains the number and the arguments of the system call, or `running`.
            let call = fs::read_to_string(task.join("syscall")).unwrap_or_default();
            let arguments = call.split_whitespace().skip(1).take(2);
            let mut arguments = arguments.filter_map(|word| word.strip_prefix("0x"));
            arguments.any(|word| {
                u64::from_str_radix(word, 16).is_ok_and(|number| descriptors.contains(&number))
            })
        };
        Some(tasks(pid)?.filter(is_waiting).count() as u64)
    })
}

/// Returns the name of a system call, such as `epoll_wait`. If this function does not know the name,
/// the result contains the number.
#[must_use]
#[cfg(target_os = "linux")]
pub fn call_name(number: i64) -> String {
    /// The system calls in which servers may wait. Each entry contains the number and the name of a
    /// call.
    const NAMES: &[(i64, &str)] = &[
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_accept, "accept"),
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_clock_nanosleep, "clock_nanosleep"),
        (libc::SYS_close, "close"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_epoll_pwait, "epoll_pwait"),
        (libc::SYS_epoll_pwait2, "epoll_pwait2"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_epoll_wait, "epoll_wait"),
        (libc::SYS_fdatasync, "fdatasync"),
        (libc::SYS_fsync, "fsync"),
        (libc::SYS_futex, "futex"),
        (libc::SYS_io_uring_enter, "io_uring_enter"),
        (libc::SYS_nanosleep, "nanosleep"),
        (libc::SYS_openat, "openat"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_poll, "poll"),
        (libc::SYS_ppoll, "ppoll"),
        (libc::SYS_pread64, "pread64"),
        (libc::SYS_preadv2, "preadv2"),
        (libc::SYS_pselect6, "pselect6"),
        (libc::SYS_read, "read"),
        (libc::SYS_readv, "readv"),
        (libc::SYS_recvfrom, "recvfrom"),
        (libc::SYS_recvmsg, "recvmsg"),
        (libc::SYS_restart_syscall, "restart_syscall"),
        (libc::SYS_rt_sigsuspend, "rt_sigsuspend"),
        (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_select, "select"),
        (libc::SYS_sendfile, "sendfile"),
        (libc::SYS_sendmsg, "sendmsg"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_splice, "splice"),
        (libc::SYS_wait4, "wait4"),
        (libc::SYS_waitid, "waitid"),
        (libc::SYS_write, "write"),
        (libc::SYS_writev, "writev"),
    ];
    let name = NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    name.map_or_else(|| format!("system call {number}"), str::to_owned)
}

/// Returns the number of a system call as text, because the names of calls are known only on Linux.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn call_name(number: i64) -> String {
    format!("system call {number}")
}

/// Returns whether one of these processes has a listening TCP socket.
#[must_use]
pub fn listens(pids: &[u32]) -> bool {
    let listeners = crate::port::listeners().into_iter();
    let sockets: BTreeSet<String> =
        listeners.map(|(_, inode)| format!("socket:[{inode}]")).collect();
    pids.iter().any(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| sockets.contains(&*target.to_string_lossy()))
    })
}

/// Returns the memory that all TCP connections of the system use, divided by the kernel's limit
/// (the second value of `tcp_mem`). If the ratio is at least 1, the kernel shrinks the buffers of
/// connections. Measurements are then invalid, because they show the effect of this limit.
#[must_use]
pub fn tcp_memory_pressure() -> Option<f64> {
    let used = fs::read_to_string("/proc/net/sockstat").ok()?;
    let limits = fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok()?;
    let used: f64 =
        used.lines().find(|line| line.starts_with("TCP:"))?.rsplit(' ').next()?.parse().ok()?;
    let limit: f64 = limits.split_whitespace().nth(1)?.parse().ok()?;
    Some(used / limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_whole_name() {
        let status =
            "VmHWM:\t   1784 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(number(status, "VmHWM"), Some(1784));
        assert_eq!(number(status, "voluntary_ctxt_switches"), Some(7));
        assert_eq!(number(status, "nonvoluntary_ctxt_switches"), Some(5));
        assert_eq!(number(status, "VmPeak"), None);
        assert_eq!(number("Pss_Anon:  3 kB\nPss:  12 kB\n", "Pss"), Some(12));
    }
}
