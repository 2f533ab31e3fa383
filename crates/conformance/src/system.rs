//! What the operating system tells and does: processes, their descriptors, memory and time.
//!
//! Where a system does not tell (only Linux has `/proc`), the answer is `None`, and the check that
//! asked is not applicable.

use std::collections::BTreeSet;
use std::io;
#[cfg(unix)]
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

/// What must not outlive us: the process groups that run now.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn running() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a command as the head of a group, which [`kill_group`] ends with all its children.
///
/// # Errors
///
/// When it cannot be started.
pub fn spawn_group(command: &mut Command) -> io::Result<Child> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    // Under the lock: an interrupt must not come between the start and our knowing of it.
    let mut running = running();
    let child = command.spawn()?;
    running.insert(child.id());
    Ok(child)
}

/// Ends a server with whatever it started.
pub fn kill_group(child: &mut Child) {
    signal_group(child.id(), Signal::Kill);
    let _ = child.kill();
    let _ = child.wait();
    running().remove(&child.id());
}

/// Ends every server that still runs.
pub fn kill_all() {
    for &group in running().iter() {
        signal_group(group, Signal::Kill);
    }
}

/// Ctrl-C, `kill`, or a terminal that is closed, ends this program and every server it started.
///
/// # Errors
///
/// When signals cannot be handled.
pub fn kill_all_on_interrupt() -> io::Result<()> {
    let end_all = || {
        // The lock stays taken: nothing may be started any more.
        let running = running();
        for &group in running.iter() {
            signal_group(group, Signal::Kill);
        }
        std::process::exit(130);
    };
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut numbers = vec![SIGINT, SIGTERM];
        // A terminal that is closed; whoever started us by nohup has no terminal here.
        numbers.extend(io::stdin().is_terminal().then_some(SIGHUP));
        let mut signals = signal_hook::iterator::Signals::new(numbers)?;
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                end_all();
            }
        });
        Ok(())
    }
    #[cfg(not(unix))]
    ctrlc::set_handler(end_all).map_err(io::Error::other)
}

/// What can be said to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Kill,
    Interrupt,
    Terminate,
    Stop,
    Continue,
}

/// Whether processes can be sent signals here.
pub const HAS_SIGNALS: bool = cfg!(unix);

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, Signal as Number, kill_process, kill_process_group};

    fn number(signal: super::Signal) -> Number {
        match signal {
            super::Signal::Kill => Number::KILL,
            super::Signal::Interrupt => Number::INT,
            super::Signal::Terminate => Number::TERM,
            super::Signal::Stop => Number::STOP,
            super::Signal::Continue => Number::CONT,
        }
    }

    pub fn signal_group(group: u32, signal: super::Signal) {
        if let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) {
            // It may have ended already.
            let _ = kill_process_group(pid, number(signal));
        }
    }

    pub fn signal_process(process: u32, signal: super::Signal) {
        if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, number(signal));
        }
    }
}
#[cfg(unix)]
pub use unix::{signal_group, signal_process};

#[cfg(not(unix))]
pub fn signal_group(_group: u32, _signal: Signal) {}

#[cfg(not(unix))]
pub fn signal_process(_process: u32, _signal: Signal) {}

/// Who listens on a port of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Somebody, who can be reached at this address.
    At(IpAddr),
    No,
    /// This system does not say it to those who do not connect.
    Unknown,
}

/// Looks who listens on a port, without disturbing whoever it is.
pub fn listening(port: u16) -> Listening {
    // Addresses are hexadecimal words in the machine's order, as Linux prints them.
    const ADDRESSES: [(&str, &str, IpAddr); 5] = [
        ("/proc/net/tcp", "00000000", IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ("/proc/net/tcp", "0100007F", IpAddr::V4(Ipv4Addr::LOCALHOST)),
        // ::ffff:127.0.0.1, the version 6 spelling of 127.0.0.1.
        ("/proc/net/tcp6", "0000000000000000FFFF00000100007F", IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ("/proc/net/tcp6", "00000000000000000000000000000000", IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        ("/proc/net/tcp6", "00000000000000000000000001000000", IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let mut found = Listening::Unknown;
    for (path, address, ip) in ADDRESSES {
        let Ok(table) = std::fs::read_to_string(path) else { continue };
        let expected = format!("{address}:{port:04X}");
        // "sl local_address rem_address st …", where the state 0A is LISTEN.
        let is_it = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some(&expected) && words.nth(1) == Some("0A")
        };
        if table.lines().any(is_it) {
            return Listening::At(reachable(ip, port));
        }
        found = Listening::No;
    }
    found
}

/// Who has all addresses of version 6 has those of version 4, too, unless it said no to them: then
/// they are still free.
fn reachable(ip: IpAddr, port: u16) -> IpAddr {
    if ip != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return ip;
    }
    match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ipv6Addr::LOCALHOST.into(),
        Err(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

/// The processes of a group, by `/proc/*/stat`; empty where there is none.
fn processes_of(group: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| stat(pid, 2) == Some(u64::from(group))).collect()
}

/// A number of `/proc/PID/stat`, counted from the field after the command's name.
fn stat(pid: u32, field: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, spaces and parentheses too.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(field)?.parse().ok()
}

fn sum_over(group: u32, of_one: impl Fn(u32) -> Option<u64>) -> Option<u64> {
    let processes = processes_of(group);
    let numbers: Vec<u64> = processes.into_iter().filter_map(of_one).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum())
}

/// How many descriptors a group has open.
pub fn descriptors(group: u32) -> Option<u64> {
    sum_over(group, |pid| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        Some(entries.count() as u64)
    })
}

/// The memory that a group has filled itself (files that it maps are not counted), in bytes.
pub fn memory_bytes(group: u32) -> Option<u64> {
    sum_over(group, |pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    })
}

/// The processor time that a group's threads have used or waited for, in milliseconds. On a busy
/// computer a thread that spins gets little of it, but it wants all.
pub fn cpu_ms(group: u32) -> Option<u64> {
    sum_over(group, |pid| {
        let of_task = |task: PathBuf| {
            let schedstat = std::fs::read_to_string(task.join("schedstat")).ok()?;
            // Nanoseconds on a processor, and nanoseconds of waiting for one.
            let mut numbers = schedstat.split_whitespace().map(str::parse::<u64>);
            Some(numbers.next()?.ok()? + numbers.next()?.ok()?)
        };
        let ns: u64 = tasks(pid)?.filter_map(of_task).sum();
        Some(ns / 1_000_000)
    })
}

/// How many threads a group has.
pub fn threads(group: u32) -> Option<u64> {
    sum_over(group, |pid| Some(tasks(pid)?.count() as u64))
}

/// How many system calls that read from files a group has made. (Those that receive from sockets are
/// others, but one that reads a socket as if it were a file counts.)
pub fn read_calls(group: u32) -> Option<u64> {
    sum_over(group, |pid| {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        io.lines().find_map(|line| line.strip_prefix("syscr: "))?.trim().parse().ok()
    })
}

/// The system calls in which a group's threads wait now, by name; `None` where the system does not
/// tell.
pub fn waiting_in(group: u32) -> Option<BTreeSet<String>> {
    let mut calls = None;
    for task in processes_of(group).into_iter().filter_map(tasks).flatten() {
        // A thread that waits: the call's number, then its arguments; else "running", or -1.
        let Ok(call) = std::fs::read_to_string(task.join("syscall")) else { continue };
        let calls = calls.get_or_insert_with(BTreeSet::new);
        let number = call.split_whitespace().next().and_then(|word| word.parse().ok());
        calls.extend(number.filter(|number| *number >= 0).map(call_name));
    }
    calls
}

#[cfg(target_os = "linux")]
fn call_name(number: i64) -> String {
    // Those in which servers wait; another one is its number.
    const NAMES: &[(i64, &str)] = &[
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_clock_nanosleep, "clock_nanosleep"),
        (libc::SYS_epoll_pwait, "epoll_pwait"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_epoll_wait, "epoll_wait"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_accept, "accept"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_poll, "poll"),
        (libc::SYS_futex, "futex"),
        (libc::SYS_ppoll, "ppoll"),
        (libc::SYS_read, "read"),
        (libc::SYS_recvfrom, "recvfrom"),
        (libc::SYS_sendfile, "sendfile"),
        (libc::SYS_sendmsg, "sendmsg"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_splice, "splice"),
        (libc::SYS_write, "write"),
        (libc::SYS_writev, "writev"),
    ];
    let name = NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    name.map_or_else(|| format!("system call {number}"), str::to_owned)
}

#[cfg(not(target_os = "linux"))]
fn call_name(number: i64) -> String {
    format!("system call {number}")
}

/// The threads of a process, as folders of `/proc`.
fn tasks(pid: u32) -> Option<impl Iterator<Item = PathBuf>> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(tasks.flatten().map(|task| task.path()))
}

/// Lets this process have as many descriptors as it may.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    let _ = rlimit::increase_nofile_limit(u64::MAX);
}

/// Gives a pipe as little room as the system allows, so that it is soon full. Where that cannot be
/// said, it keeps what it has.
#[cfg(target_os = "linux")]
pub fn shrink_pipe(pipe: &std::process::ChildStdout) {
    const PAGE_BYTES: usize = 4096;
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PAGE_BYTES);
}

#[cfg(not(target_os = "linux"))]
pub fn shrink_pipe(_pipe: &std::process::ChildStdout) {}
