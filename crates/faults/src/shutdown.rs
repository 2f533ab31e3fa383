//! `SIGTERM` in every state of a server: the exit code must be 0 within the grace period and one
//! second (clause 10 of docs/CONTRACT.md).

use std::fs;
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use harness::Group;
use rustix::process::Resource;
use serve_core::Approach;

use crate::client;
use crate::fault::{Fault, Result, Stop, fail};
use crate::kernel::change_address;
use crate::server::{Server, Start, wait_until};

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "sigterm-no-address",
        title: "SIGTERM after the address of the listener was removed",
        is_alone: false,
        run: no_address,
    },
    Fault {
        id: "sigterm-no-descriptor",
        title: "SIGTERM while an idle server has no free file descriptor",
        is_alone: false,
        run: no_descriptor,
    },
    Fault {
        id: "sigterm-emfile",
        title: "SIGTERM while `accept` fails with EMFILE",
        is_alone: false,
        run: emfile,
    },
    Fault {
        id: "sigterm-limit",
        title: "SIGTERM at the connection limit, with clients in the accept queue",
        is_alone: false,
        run: connection_limit,
    },
    Fault {
        id: "sigterm-startup",
        title: "SIGTERM during startup, while `bind` takes 1.5 s",
        is_alone: false,
        run: startup,
    },
    Fault {
        id: "blocked-log",
        title: "SIGTERM after the replies to some clients, while no program reads the log's pipe",
        is_alone: false,
        run: blocked_log,
    },
];

/// The maximum time until a server has logged an event, or until a client has its reply.
const TIMEOUT: Duration = Duration::from_secs(5);

fn no_address(approach: &'static Approach) -> Result {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    // The addresses 192.0.2.0/24 are reserved for documentation, so no machine uses them.
    let ip: IpAddr = [192, 0, 2, NEXT.fetch_add(1, Ordering::Relaxed)].into();
    change_address("add", &ip.to_string())?;
    let mut server = Start::new(approach, &[])?.host(ip).listen()?;
    let _client = client::non_reading(server.addr)?;
    change_address("del", &ip.to_string())?;
    server.terminate()
}

fn no_descriptor(approach: &'static Approach) -> Result {
    let mut server = Start::new(approach, &[])?.listen()?;
    client::preamble(server.addr, TIMEOUT)?;
    server.wait_for(1, "disconnected", TIMEOUT);
    let open = fs::read_dir(format!("/proc/{}/fd", server.group.id()))?.count();
    server.limit(Resource::Nofile, Some(open as u64))?;
    server.terminate()
}

fn emfile(approach: &'static Approach) -> Result {
    let args = ["--max-connections", "1000"];
    let mut server = Start::new(approach, &args)?.listen()?;
    server.limit(Resource::Nofile, Some(32))?;
    let _clients: Vec<TcpStream> =
        (0..30).map(|_| client::non_reading(server.addr)).collect::<Result<_>>()?;
    if !server.wait_for(1, "error", TIMEOUT) {
        return fail("no `error` event");
    }
    server.terminate()
}

fn connection_limit(approach: &'static Approach) -> Result {
    let mut server = Start::new(approach, &["--max-connections", "4"])?.listen()?;
    let _clients: Vec<TcpStream> =
        (0..8).map(|_| client::non_reading(server.addr)).collect::<Result<_>>()?;
    if !server.wait_for(4, "connected", TIMEOUT) {
        return fail("fewer than 4 connections");
    }
    server.terminate()
}

/// Delays the call to `bind`. The handler for `SIGTERM` must be installed before this call. If it is
/// not installed within half a second, sends `SIGTERM` anyway.
fn startup(approach: &'static Approach) -> Result {
    let delay = "inject=bind:delay_enter=1500000";
    // With `-D`, strace is not the parent of the server.
    let prefix = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bind", "-e", delay];
    let Ok(_) = Group::spawn(std::process::Command::new("strace").arg("-V").stdout(Stdio::null()))
    else {
        return Err(Stop::Skip("`strace` is not installed".to_owned()));
    };
    let mut server = Start::new(approach, &[])?.prefix(&prefix).spawn()?;
    wait_until(TIMEOUT, || waits_in_bind(&server));
    wait_until(Duration::from_millis(500), || catches_sigterm(&server));
    server.terminate()
}

/// Returns whether strace delays a call of the server.
fn waits_in_bind(server: &Server) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/cmdline", server.group.id()));
    let is_server = name.is_ok_and(|name| !name.starts_with("strace"));
    let status = fs::read_to_string(format!("/proc/{}/status", server.group.id()));
    is_server && status.is_ok_and(|status| status.contains("State:\tt"))
}

fn catches_sigterm(server: &Server) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", server.group.id()));
    let mask = status.unwrap_or_default();
    let mask = mask.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    // `SIGTERM` is signal 15, and the lowest bit is signal 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> 14 & 1 == 1)
}

fn blocked_log(approach: &'static Approach) -> Result {
    const CLIENTS: usize = 15;
    let content = [b'x'; 2_000];
    let args = ["--chunk-size", "1", "--log-chunks"];
    let start = Start::new(approach, &args)?.content(&content)?.stdout(Stdio::piped());
    let mut server = start.listen()?;
    // The server logs 2,000 chunks per client. The queue and the pipe hold fewer than 20,000 events.
    for _ in 0..CLIENTS {
        client::reply(server.addr, &content, TIMEOUT)?;
    }
    let exit = server.terminate()?;
    // Read the pipe only now, so that no program reads it while the server ends.
    let mut log = Vec::new();
    if let Some(mut stdout) = server.group.child().stdout.take() {
        stdout.read_to_end(&mut log)?;
    }
    match log.len() {
        0 => fail("no events in the pipe"),
        _ => Ok(format!("{CLIENTS} replies; {exit}")),
    }
}
