//! Memory that is limited: a small container, and allocations that fail.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use harness::{cleanup, text::grouped, usage};
use rustix::process::Resource;
use serve_core::Approach;
use socket2::Socket;

use crate::client;
use crate::fault::{Fault, Result, fail, skip};
use crate::kernel::Cgroup;
use crate::server::{Server, Start, wait_until};

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "container-copy",
        title: "9,990 non-reading clients, and a container with 400 MB of memory (copy mode)",
        is_alone: true,
        run: |approach| small_container(approach, &[]),
    },
    Fault {
        id: "container-zero-copy",
        title: "9,990 non-reading clients, and a container with 400 MB of memory (zero-copy mode)",
        is_alone: true,
        run: |approach| small_container(approach, &["--zero-copy"]),
    },
    Fault {
        id: "no-memory",
        title: "The allocation of a chunk buffer fails (RLIMIT_DATA)",
        is_alone: false,
        run: no_memory,
    },
];

const MEMORY_BYTES: u64 = 400_000_000;
const CLIENTS: usize = 9_990;

/// The number of clients that connect at the same time. The suite waits until they are connected.
const BATCH: usize = 50;

/// The time for which the suite waits for a batch of clients. If a batch takes longer, the accept
/// queue is full, and the suite no longer waits.
const BATCH_TIMEOUT: Duration = Duration::from_millis(1_000);

/// The time for which the number of accepted clients must not change until the suite assumes that the
/// server has accepted all clients that it can accept.
const SETTLED: Duration = Duration::from_secs(2);

const TIMEOUT: Duration = Duration::from_secs(10);

fn small_container(approach: &'static Approach, mode: &[&str]) -> Result {
    if cleanup::raise_descriptor_limit() < 2 * CLIENTS as u64 {
        return skip("the limit on file descriptors is below 19,980");
    }
    let cgroup = Cgroup::new("memory")?;
    cgroup.limit_memory(MEMORY_BYTES)?;
    let args = [&["--log", "off", "--stall-timeout", "5m"], mode].concat();
    let mut server = Start::new(approach, &args)?.prefix(&cgroup.prefix()).listen()?;
    let pid = server.group.id();
    let descriptors = || usage::descriptors(&[pid]).unwrap_or(0);
    let descriptors_before = descriptors();
    let mut peak = 0;
    let mut sockets = Vec::with_capacity(CLIENTS);
    let mut is_full = false;
    let mut connected = 0;
    while sockets.len() < CLIENTS && server.group.status().is_none() {
        let first = sockets.len();
        for _ in 0..BATCH.min(CLIENTS - first) {
            sockets.push(start_connecting(server.addr)?);
        }
        peak = peak.max(cgroup.memory_bytes());
        if !is_full {
            is_full = !wait_until(BATCH_TIMEOUT, || sockets[first..].iter().all(is_connected));
            connected = sockets.len();
        }
    }
    let mut accepted = 0;
    let mut changed_at = Instant::now();
    while changed_at.elapsed() < SETTLED && server.group.status().is_none() {
        peak = peak.max(cgroup.memory_bytes());
        // A connection needs two descriptors, for the socket and for the file.
        let connections = descriptors().saturating_sub(descriptors_before) / 2;
        if accepted != connections {
            (accepted, changed_at) = (connections, Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
    let clients = grouped(sockets.len() as u64);
    drop(sockets);
    // Version 1 of control groups does not limit the buffers of TCP connections, but version 2 does.
    let is_exceeded = peak > MEMORY_BYTES;
    let peak = format!("peak {} MB", peak / 1_000_000);
    if cgroup.is_out_of_memory() {
        return fail(format!(
            "killed by the kernel after {} clients, {peak}",
            grouped(connected as u64)
        ));
    }
    if let Some(end) = server.end() {
        return fail(format!("{end} after {} clients, {peak}", grouped(connected as u64)));
    }
    let measured = format!("{} of {clients} clients accepted, {peak}", grouped(accepted));
    recovers(&mut server, &measured)?;
    if is_exceeded { fail(measured) } else { Ok(measured) }
}

/// After the non-reading clients have disconnected, a new client must receive the preamble.
fn recovers(server: &mut Server, measured: &str) -> Result {
    let started = Instant::now();
    while let Err(error) = client::preamble(server.addr, TIMEOUT) {
        if started.elapsed() > TIMEOUT {
            return fail(format!("{measured}, then {error:?}"));
        }
    }
    server.terminate()
}

fn start_connecting(addr: SocketAddr) -> Result<Socket> {
    let socket = client::small_socket(addr)?;
    socket.set_nonblocking(true)?;
    // The call returns `EINPROGRESS` while the connection is not yet established.
    let _ = socket.connect(&addr.into());
    Ok(socket)
}

fn is_connected(socket: &Socket) -> bool {
    socket.peer_addr().is_ok()
}

/// The settings of the allocator in glibc. All threads share one heap, which the allocator extends
/// only as far as necessary, and chunk buffers are not part of the heap.
const SMALL_HEAP: [&str; 4] =
    ["env", "MALLOC_ARENA_MAX=1", "MALLOC_TOP_PAD_=4096", "MALLOC_MMAP_THRESHOLD_=32768"];

/// Limits the memory of a running server to its current memory and some room, with a new server for
/// each amount of room. A connection may end with an error, but the server must not.
fn no_memory(approach: &'static Approach) -> Result {
    /// The room in KiB. It suffices for all small allocations, and for the stack of a signal handler
    /// in each thread of the std sibling. A chunk buffer has at least 64 KiB.
    const ROOMS_KIB: [u64; 3] = [24, 36, 48];
    let mut refused = Vec::new();
    for room in ROOMS_KIB {
        let start = Start::new(approach, &["--workers", "1", "--chunk-size", "1MiB"])?;
        let start = start.prefix(&SMALL_HEAP);
        let file = start.path();
        let mut server = start.listen()?;
        // After a client without a file, all threads or their stacks exist, but no thread has a buffer.
        let hidden = file.with_extension("hidden");
        fs::rename(&file, &hidden)?;
        client::reply(server.addr, b"", TIMEOUT)?;
        server.wait_for(1, "disconnected", TIMEOUT);
        fs::rename(&hidden, &file)?;
        let kib = server.status_kib("VmData")? + room;
        server.limit(Resource::Data, Some(kib << 10))?;
        let client = client::connect(server.addr, TIMEOUT)?;
        wait_until(Duration::from_millis(300), || {
            server.group.status().is_some() || server.events("error").len() > 1
        });
        if let Some(end) = server.end() {
            return fail(format!("{end} with {room} KiB"));
        }
        drop(client);
        server.limit(Resource::Data, None)?;
        client::preamble(server.addr, TIMEOUT)?;
        let kinds = server.error_kinds();
        let kind = kinds.iter().find(|kind| !["not_found", "connection_reset"].contains(&&***kind));
        refused.extend(kind.map(|kind| format!("`{kind}` with {room} KiB")));
        server.terminate()?;
    }
    let measured = refused.join(", ");
    match measured.contains("`no_memory`") {
        true => Ok(measured),
        false => fail(format!("no `no_memory`; {measured}")),
    }
}
