//! Tests of a server process in a control group with little memory, such as a container (Linux
//! only, and only as root).

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::client::{BARE, DEADLINE, connect, read_exactly};
use crate::process::skip;
use crate::process::{Process, file_with, long_file, server_command, spawn, terminate, wait};
use crate::sibling::{Sibling, Test};

pub const TESTS: &[(&str, Test)] =
    &[("little_memory_lowers_the_connection_limit", little_memory_lowers_the_connection_limit)];

/// Tests that run for several seconds, and that need so much memory that they must not run
/// concurrently: `cargo test -p approaches -- --ignored --test-threads 1`.
pub const IGNORED_TESTS: &[(&str, Test)] = &[(
    "non_reading_clients_fit_into_a_small_container",
    non_reading_clients_fit_into_a_small_container,
)];

/// The memory limit of the control group (400 MiB).
const MEMORY_BYTES: u64 = 400 << 20;

/// The number of non-reading clients. The server has file descriptors for this number of clients.
const CLIENTS: usize = 9_990;

/// The descriptor limit of the server and of the test.
const DESCRIPTORS: u64 = 20_000;

/// The interval at which the test reads the number of connections and the used memory, for which
/// the system sends no notification.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// If the number of connections and the used memory are unchanged this many times, the server has
/// completed its work for new clients. The memory is unchanged if it grows by less than 1 MiB.
const UNCHANGED_COUNT: usize = 20;
const NOISE_BYTES: u64 = 1 << 20;

/// The maximum time until the server has completed its work for new clients.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

fn little_memory_lowers_the_connection_limit(sibling: Sibling) {
    let Some(cgroup) = Cgroup::new(MEMORY_BYTES) else {
        return skip("this process cannot create a memory cgroup");
    };
    let (_folder, path) = file_with(b"file");
    let messages = [
        (&[][..], "note: the connection limit is "),
        (&["--max-connections", "5000"][..], "warning: the cgroup has 400 MiB"),
    ];
    for (args, expected) in messages {
        let (mut child, _stdout, _) = spawn(cgroup.command(&server_command(sibling, &path, args)));
        terminate(&child);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(wait(&mut child).code(), Some(0));
        assert!(stderr.contains(expected), "expected `{expected}`, got {stderr}");
        assert!(stderr.contains("400 MiB"), "expected `400 MiB`, got {stderr}");
    }
}

/// 9,990 clients connect and read nothing. The server accepts as many of them as fit into the
/// memory. The kernel must not kill the server, and later clients must receive their replies.
fn non_reading_clients_fit_into_a_small_container(sibling: Sibling) {
    let Some(cgroup) = Cgroup::new(MEMORY_BYTES) else {
        return skip("this process cannot create a memory cgroup");
    };
    if !raise_descriptor_limit() {
        return skip("this process cannot raise its limit on file descriptors");
    }
    let (_folder, path) = long_file();
    let command = cgroup.command(&server_command(sibling, &path, &["--stall-timeout", "1h"]));
    let mut process = Process::spawn(command);
    let clients: Vec<Socket> = (0..CLIENTS).map(|_| start_to_connect(process.addr)).collect();
    let (accepted, used_bytes) = settled(&process, &cgroup);
    let used_mib = used_bytes >> 20;
    assert!(accepted >= 500, "expected at least 500 connections, got {accepted}");
    assert!(used_bytes <= MEMORY_BYTES, "{accepted} clients: expected 400 MiB, got {used_mib} MiB");
    drop(clients);
    let stream = connect(process.addr);
    assert_eq!(read_exactly(&stream, BARE.len()), BARE);
    drop(stream);
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0), "{accepted} clients, {used_mib} MiB");
}

/// Connects without waiting, because the clients beyond the accept queue do not connect.
fn start_to_connect(addr: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    match socket.connect(&addr.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
            panic!("expected the client to start to connect, got {error}")
        }
        _ => socket,
    }
}

/// Waits until the server has accepted as many connections as it permits, and until its memory does
/// not grow. Returns the number of connections and the used memory in bytes.
fn settled(process: &Process, cgroup: &Cgroup) -> (usize, u64) {
    let started = Instant::now();
    let (mut accepted, mut used_bytes, mut unchanged) = (0, 0, 0);
    while unchanged < UNCHANGED_COUNT {
        let elapsed = started.elapsed();
        assert!(
            elapsed < SETTLE_TIMEOUT,
            "expected the server to settle within {SETTLE_TIMEOUT:?}"
        );
        thread::sleep(POLL_INTERVAL);
        let now = process.events_named("connected").len();
        let grown_bytes = cgroup.used_bytes().saturating_sub(used_bytes);
        let is_unchanged = now > 0 && now == accepted && grown_bytes < NOISE_BYTES;
        unchanged = if is_unchanged { unchanged + 1 } else { 0 };
        (accepted, used_bytes) = (now, used_bytes + grown_bytes);
    }
    (accepted, used_bytes)
}

/// A control group with a memory limit. Dropping the value removes the group, so its processes must
/// have ended before.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Returns `None` if this process has no permission to create control groups, or if the system
    /// has no memory controller.
    fn new(limit_bytes: u64) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("highwater-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // The memory controller belongs to version 1 or to version 2 of control groups (cgroups(7)).
        let versions = [("memory", "memory.limit_in_bytes"), ("", "memory.max")];
        versions.into_iter().find_map(|(hierarchy, file)| {
            let cgroup = Self(Path::new("/sys/fs/cgroup").join(hierarchy).join(&name));
            fs::create_dir(&cgroup.0).ok()?;
            let mut limit = OpenOptions::new().write(true).open(cgroup.0.join(file)).ok()?;
            limit.write_all(limit_bytes.to_string().as_bytes()).ok()?;
            // Version 1 counts the send buffers only if they have a limit of their own.
            let _ = fs::write(cgroup.0.join("memory.kmem.tcp.limit_in_bytes"), "1T");
            Some(cgroup)
        })
    }

    /// Returns a command that runs in the control group.
    fn command(&self, command: &Command) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.0);
        shell.arg(command.get_program()).args(command.get_args());
        shell
    }

    /// Returns the memory that the processes use, with the send buffers, but without the page cache.
    fn used_bytes(&self) -> u64 {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let file = |name: &str| number(&fs::read_to_string(self.0.join(name)).ok()?);
        let stat = fs::read_to_string(self.0.join("memory.stat")).unwrap();
        let field = |name: &str| {
            stat.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
        };
        let cache = field("cache").or_else(|| field("file")).unwrap();
        let total = file("memory.current").or_else(|| file("memory.usage_in_bytes")).unwrap();
        // In version 2, the total includes the send buffers.
        total.saturating_sub(cache) + file("memory.kmem.tcp.usage_in_bytes").unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        // The kernel removes a process from its group shortly after the process has ended.
        while fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Raises the descriptor limit of this process, which the server inherits. Returns whether the limit
/// suffices for all clients.
fn raise_descriptor_limit() -> bool {
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= DESCRIPTORS);
    if is_enough(limit.current) {
        return true;
    }
    is_enough(limit.maximum)
        && setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_ok()
}
