//! System calls that fail. `strace -e inject` lets calls of a running server fail.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use harness::fixture::noise;
use serve_core::Approach;

use crate::client;
use crate::fault::{Fault, Result, Stop, fail};
use crate::kernel::FailingCalls;
use crate::server::Start;

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "accept-errors",
        title: "`accept` always fails with EPERM, ENETDOWN, ENOSYS or ECONNABORTED; then SIGTERM",
        is_alone: true,
        run: accept_errors,
    },
    Fault {
        id: "eintr",
        title: "Every second system call for files, sockets and the log fails with EINTR",
        is_alone: false,
        run: eintr,
    },
    Fault {
        id: "etimedout",
        title: "A connection fails with ETIMEDOUT in `send`, `recv` or `sendfile`",
        is_alone: false,
        run: etimedout,
    },
];

/// The time for which the suite observes a server, and the maximum number of calls to `accept` within
/// this time. An accept loop that pauses for 100 ms makes ten calls per second.
const SPAN: Duration = Duration::from_secs(1);
const CALLS_MAX: usize = 20;

/// The maximum number of `error` events within [`SPAN`]. One event per second is permitted, and the
/// span can include the first event of two seconds.
const EVENTS_MAX: usize = 2;

const TIMEOUT: Duration = Duration::from_secs(10);

fn accept_errors(approach: &'static Approach) -> Result {
    let (mut percent_max, mut calls_max, mut events_max) = (0.0_f64, 0, 0);
    let mut exit = String::new();
    for error in ["EPERM", "ENETDOWN", "ENOSYS", "ECONNABORTED"] {
        let mut server = Start::new(approach, &[])?.listen()?;
        let failure = format!("error={error}");
        let strace = FailingCalls::of(server.group.id(), "?accept,accept4", &failure)?;
        // The async siblings call `accept` only while a client waits in the accept queue.
        let _client = client::connect(server.addr, TIMEOUT)?;
        // The server may report the first 16 errors before it pauses.
        thread::sleep(Duration::from_millis(300));
        let before = (strace.calls(), server.events("error").len());
        percent_max = percent_max.max(server.core_percent(&[strace.pid()], SPAN));
        calls_max = calls_max.max(strace.calls() - before.0);
        events_max = events_max.max(server.events("error").len() - before.1);
        if let Err(Stop::Fail(running)) = server.terminate() {
            exit = format!(", {running} ({error})");
        }
    }
    let measured = format!(
        "{percent_max:.0}% of a core, {calls_max} calls and {events_max} events per s{exit}"
    );
    match calls_max <= CALLS_MAX && events_max <= EVENTS_MAX && exit.is_empty() {
        true => Ok(measured),
        false => fail(measured),
    }
}

fn eintr(approach: &'static Approach) -> Result {
    const CLIENTS: usize = 4;
    // The question mark makes strace ignore calls that this architecture does not have.
    let calls = "?accept,accept4,?open,openat,?openat2,read,pread64,?preadv2,readv,write,writev,\
        sendto,sendmsg,recvfrom,recvmsg,sendfile";
    let content = noise(500_000);
    for args in [&["--chunk-size", "16KiB"][..], &["--chunk-size", "16KiB", "--zero-copy"]] {
        let mut server = Start::new(approach, args)?.content(content)?.listen()?;
        let _strace = FailingCalls::of(server.group.id(), calls, "error=EINTR:when=1+2")?;
        for _ in 0..CLIENTS {
            let reply = client::reply(server.addr, content, TIMEOUT);
            if reply.is_err() {
                server.wait_for(1, "error", Duration::from_millis(300));
            }
            if let Some(error) = server.events("error").first() {
                return fail(error["message"].as_str().unwrap_or("error"));
            }
            reply?;
        }
        server.terminate()?;
    }
    Ok(format!("{} complete replies", 2 * CLIENTS))
}

fn etimedout(approach: &'static Approach) -> Result {
    let mut kinds = Vec::new();
    for (call, args) in [("sendto", &[][..]), ("recvfrom", &[]), ("sendfile", &["--zero-copy"])] {
        let server = Start::new(approach, args)?.listen()?;
        let _strace = FailingCalls::of(server.group.id(), call, "error=ETIMEDOUT")?;
        let client: TcpStream = client::non_reading(server.addr)?;
        std::io::Write::write_all(&mut &client, b"data")?;
        server.wait_for(1, "disconnected", Duration::from_secs(3));
        let kind = server.error_kinds().into_iter().next();
        kinds.push(format!("{call}: {}", kind.unwrap_or_else(|| "no error".to_owned())));
    }
    let measured = kinds.join(", ");
    match kinds.iter().all(|kind| kind.contains("timed_out")) {
        true => Ok(measured),
        false => fail(measured),
    }
}
