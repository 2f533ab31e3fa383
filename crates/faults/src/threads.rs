//! A control group that permits too few threads.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use harness::describe_exit;
use harness::fixture::noise;
use harness::fuse::HangingDisk;
use serve_core::Approach;

use crate::client;
use crate::fault::{Fault, Result, Stop, fail};
use crate::kernel::Cgroup;
use crate::server::{Server, Start, wait_until};

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "threads-startup",
        title: "The system permits 1, 2, 3, … threads; startup, one client, SIGTERM",
        is_alone: false,
        run: startup,
    },
    Fault {
        id: "threads-later",
        title: "No further thread can start while six clients read slowly; then SIGTERM",
        is_alone: false,
        run: later,
    },
];

/// The maximum number of threads that the suite tries. Every sibling with two workers needs fewer.
const THREADS_MAX: u64 = 24;

const ARGS: &[&str] = &["--workers", "2"];

/// The number of clients of [`later`].
const CLIENTS: usize = 6;

/// The number of threads that can still start in the std sibling. Three connections get a thread,
/// but they cannot start their reader threads.
const FREE_THREADS: u64 = 3;

/// The time after which the threads of the blocking pools have ended. Tokio waits for 10 s.
const POOL_TIMEOUT: Duration = Duration::from_secs(11);

/// The time until the clients do not cause any further work, because they do not read.
const SETTLED: Duration = Duration::from_millis(500);

/// The maximum use of a core in percent while no thread can start.
const CORE_PERCENT_MAX: f64 = 20.0;

const TIMEOUT: Duration = Duration::from_secs(3);

fn startup(approach: &'static Approach) -> Result {
    let mut failures: Vec<(u64, u64, String)> = Vec::new();
    for max in 1..=THREADS_MAX {
        let cgroup = Cgroup::new("pids")?;
        cgroup.limit_threads(Some(max))?;
        let start = Start::new(approach, ARGS)?.content(b"content")?.prefix(&cgroup.prefix());
        let mut server = start.spawn()?;
        let is_listening = starts(&mut server);
        match is_listening.and_then(|is_listening| match is_listening {
            true => serve_one_client(&mut server).map(Some),
            false => Ok(None),
        }) {
            Ok(Some(_)) if failures.is_empty() => {
                return Ok(format!("exit code 2 below {max} threads"));
            }
            Ok(Some(_)) => return fail(ranges(&failures)),
            Ok(None) => {}
            Err(Stop::Fail(measured)) => match failures.last_mut() {
                Some((_, last, same)) if *same == measured && *last + 1 == max => *last = max,
                _ => failures.push((max, max, measured)),
            },
            Err(skip) => return Err(skip),
        }
    }
    fail(format!("exit code 2 with {THREADS_MAX} threads"))
}

/// Formats failures, each with the first and the last number of threads.
fn ranges(failures: &[(u64, u64, String)]) -> String {
    let text = failures.iter().map(|(first, last, measured)| match first == last {
        true => format!("{first}: {measured}"),
        false => format!("{first} to {last}: {measured}"),
    });
    text.collect::<Vec<_>>().join("; ")
}

/// Returns whether the server listens. If it does not, it must exit with code 2 and an error that
/// mentions threads.
fn starts(server: &mut Server) -> Result<bool> {
    wait_until(TIMEOUT, || {
        server.group.status().is_some() || !server.events("listening").is_empty()
    });
    let is_listening = !server.events("listening").is_empty();
    // A server must not log `listening` before it has started all threads.
    wait_until(Duration::from_millis(200), || server.group.status().is_some());
    let stderr = server.stderr();
    let Some(status) = server.group.status() else {
        return if is_listening { Ok(true) } else { fail("neither `listening` nor an exit") };
    };
    let has_clear_error = stderr.starts_with("error: ") && stderr.contains("thread");
    match status.code() {
        Some(2) if is_listening => fail("exit code 2 after `listening`"),
        Some(2) if has_clear_error => Ok(false),
        Some(2) => fail("exit code 2, but the error does not mention threads"),
        _ => fail(describe_exit(status)),
    }
}

/// A server that has started must serve a client, or report that it cannot start a thread for it.
fn serve_one_client(server: &mut Server) -> Result {
    let reply = client::reply(server.addr, b"content", TIMEOUT);
    let has_no_thread = || server.events("error").iter().any(|error| error["kind"] == "no_threads");
    if reply.is_err() && !has_no_thread() {
        let exit = server.terminate().map_or("ignores SIGTERM", |_| "obeys SIGTERM");
        return fail(format!("no reply, {exit}"));
    }
    server.terminate()
}

/// Starts a server, waits until its pool threads have ended, and then sets a limit that permits no
/// further thread. While the limit applies, no thread may spin. Later, every client must have its
/// reply or an error `no_threads`.
fn later(approach: &'static Approach) -> Result {
    let content = noise(1_000_000);
    let mut measured = Vec::new();
    for is_lifted in [true, false] {
        let cgroup = Cgroup::new("pids")?;
        // A file on a FUSE file system is opened and read on the blocking pool.
        let disk = HangingDisk::mount(content.to_vec());
        let start = Start::new(approach, ARGS)?.content(content)?.prefix(&cgroup.prefix());
        let start = match &disk {
            Ok(disk) => start.file(&disk.file()),
            Err(_) => start,
        };
        let mut server = start.listen()?;
        client::reply(server.addr, content, TIMEOUT)?;
        server.wait_for(1, "disconnected", TIMEOUT);
        thread::sleep(POOL_TIMEOUT);
        let free = if approach.has_workers { 0 } else { FREE_THREADS };
        cgroup.limit_threads(Some(cgroup.threads()? + free))?;
        let clients: Vec<TcpStream> =
            (0..CLIENTS).map(|_| client::non_reading(server.addr)).collect::<Result<_>>()?;
        thread::sleep(SETTLED);
        let percent = server.core_percent(&[], Duration::from_secs(1));
        measured.push(format!("{percent:.0}% of a core"));
        if let Some(end) = server.end() {
            return fail(end);
        }
        if percent > CORE_PERCENT_MAX {
            return fail(measured.join(", "));
        }
        if is_lifted {
            cgroup.limit_threads(None)?;
            measured.push(serve_all(&server, clients, content)?);
        }
        measured.push(server.terminate()?);
    }
    Ok(measured.join(", "))
}

/// Returns the number of clients that received the whole file, and of those that the server refused
/// because it could not start a thread.
fn serve_all(server: &Server, clients: Vec<TcpStream>, content: &[u8]) -> Result {
    client::reply(server.addr, content, TIMEOUT)?;
    let mut served = 0;
    for client in clients {
        client.set_read_timeout(Some(TIMEOUT))?;
        served += usize::from(client::check_reply(client, content).is_ok());
    }
    let kinds = server.error_kinds();
    let refused = kinds.iter().filter(|kind| *kind == "no_threads").count();
    let measured = format!("{served} of {CLIENTS} served, errors: {}", kinds.join(", "));
    match refused == kinds.len() && served + refused == CLIENTS {
        true => Ok(format!("{served} of {CLIENTS} served, {refused} × `no_threads`")),
        false => fail(measured),
    }
}
