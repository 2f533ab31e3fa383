//! System calls that fail. `strace -e inject` lets calls of a running server fail.

use std::io::Read;
use std::thread;
use std::time::Duration;

use harness::fixture::noise;
use serve_core::Approach;
use socket2::{SockFilter, SockRef};

use crate::client;
use crate::fault::{Fault, Result, Stop, fail};
use crate::kernel::{FailingCalls, limit_retransmissions};
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
        title: "Every fifth system call for files and sockets fails with EINTR",
        is_alone: false,
        run: eintr,
    },
    Fault {
        id: "etimedout",
        title: "The client's machine no longer answers, so the connection fails with ETIMEDOUT",
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
    // The question mark makes strace ignore calls that this architecture does not have. `read` and
    // `write` are not in the list, because the runtimes use them to wake a thread by an `eventfd`,
    // for which the kernel never returns EINTR.
    let calls = "?accept,accept4,?open,openat,?openat2,pread64,?preadv2,readv,sendto,sendmsg,\
        recvfrom,recvmsg,sendfile";
    let content = noise(500_000);
    for args in [&["--chunk-size", "16KiB"][..], &["--chunk-size", "16KiB", "--zero-copy"]] {
        let mut server = Start::new(approach, args)?.content(content)?.listen()?;
        let strace = FailingCalls::of(server.group.id(), calls, "error=EINTR:when=1+5")?;
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
        // The handler for `SIGTERM` makes a call that never waits, so it never fails with EINTR.
        drop(strace);
        server.terminate()?;
    }
    Ok(format!("{} complete replies", 2 * CLIENTS))
}

/// Disconnects a client's machine: the client receives no packet, and so acknowledges no data. The
/// kernel of the server retransmits the data, and ends the connection with `ETIMEDOUT`.
fn etimedout(approach: &'static Approach) -> Result {
    /// The instruction that ends a filter. With the operand 0, it rejects the packet (`BPF_RET` in
    /// bpf_common.h).
    const RETURN: u16 = 6;
    limit_retransmissions()?;
    let mut kinds = Vec::new();
    for args in [&[][..], &["--zero-copy"]] {
        // A blocking `sendfile` loses the error of the socket if the call has already sent some bytes.
        // With this time limit, std repeats the call each second.
        let args = [args, &["--stall-timeout", "8s"]].concat();
        let mut server = Start::new(approach, &args)?.listen()?;
        let mut client = client::non_reading(server.addr)?;
        client.read_exact(&mut [0; 100_000])?;
        SockRef::from(&client).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])?;
        server.wait_for(1, "disconnected", TIMEOUT);
        kinds.extend(server.error_kinds().into_iter().next());
        server.terminate()?;
    }
    match kinds == ["timed_out"; 2] {
        true => Ok(kinds.join(", ")),
        false => fail(format!("{} within {TIMEOUT:?}", kinds.join(", "))),
    }
}
