//! Clients that a busy or impatient server treats unfairly.

use std::io::Write;
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use harness::fixture::noise;
use harness::text::elapsed;
use serve_core::Approach;
use socket2::Socket;

use crate::client;
use crate::fault::{Fault, Result, Stop, fail};
use crate::server::Start;

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "slow-at-linger",
        title: "A client is still reading when the linger timeout expires",
        is_alone: false,
        run: |approach| slow_at_linger(approach, false),
    },
    Fault {
        id: "half-closed-slow",
        title: "A client has half-closed the connection and reads slowly",
        is_alone: false,
        run: |approach| slow_at_linger(approach, true),
    },
    Fault {
        id: "fairness",
        title: "One worker, four clients that read at full speed, and a new client",
        is_alone: true,
        run: fairness,
    },
];

const TIMEOUT: Duration = Duration::from_secs(10);

/// The linger timeout is one second, and the client does not read for two seconds. The kernel of the
/// server has then accepted the whole file, but the client has acknowledged only a part of it.
fn slow_at_linger(approach: &'static Approach, is_half_closed: bool) -> Result {
    let content = noise(1_300_000);
    let args = ["--linger-timeout", "1s", "--stall-timeout", "10s"];
    let server = Start::new(approach, &args)?.content(content)?.listen()?;
    let client = client::connect(server.addr, TIMEOUT)?;
    if is_half_closed {
        client.shutdown(Shutdown::Write)?;
    }
    thread::sleep(Duration::from_secs(2));
    let is_closed = !server.events("disconnected").is_empty();
    if !is_half_closed {
        // If the server has closed its socket, the kernel answers this data with a reset, and
        // discards the rest of the reply.
        (&client).write_all(b"data")?;
    }
    match client::check_reply(client, content) {
        Err(Stop::Fail(measured)) => fail(measured),
        Ok(()) if is_closed => fail("closed before the client acknowledged the reply"),
        result => result.map(|()| "the whole reply".to_owned()),
    }
}

/// A client that keeps up makes the server send without a pause.
fn fairness(approach: &'static Approach) -> Result {
    const READERS: usize = 4;
    const NEW_CLIENTS: usize = 7;
    const LIMIT: Duration = Duration::from_millis(50);
    let mut worst = (Duration::ZERO, String::new());
    for chunk in ["1", "64KiB", "1GiB"] {
        for mode in [&[][..], &["--zero-copy"]] {
            let args = [&["--workers", "1", "--log", "off", "--chunk-size", chunk], mode].concat();
            let server = Start::new(approach, &args)?.file_bytes(1 << 40)?.listen()?;
            let is_done = AtomicBool::new(false);
            let mut times = thread::scope(|scope| {
                for _ in 0..READERS {
                    scope.spawn(|| read_until(server.addr, &is_done));
                }
                thread::sleep(Duration::from_millis(100));
                let new_client = || client::preamble(server.addr, TIMEOUT).unwrap_or(TIMEOUT);
                let times: Vec<Duration> = (0..NEW_CLIENTS).map(|_| new_client()).collect();
                is_done.store(true, Ordering::Relaxed);
                times
            });
            times.sort();
            let median = times[NEW_CLIENTS / 2];
            if median >= worst.0 {
                worst = (median, [&[chunk], mode].concat().join(" "));
            }
        }
    }
    let measured = format!("preamble after {} (chunk size {})", elapsed(worst.0), worst.1);
    match worst.0 <= LIMIT {
        true => Ok(measured),
        false => fail(measured),
    }
}

/// Reads as fast as the server sends.
fn read_until(addr: SocketAddr, is_done: &AtomicBool) {
    /// Makes `recv` discard the data instead of copying it, so that the client keeps up (`MSG_TRUNC`
    /// in tcp(7)).
    const DISCARD: i32 = 0x20;
    let Ok(stream) = client::connect(addr, TIMEOUT) else { return };
    let socket = Socket::from(stream);
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 20];
    while !is_done.load(Ordering::Relaxed)
        && socket.recv_with_flags(&mut buffer, DISCARD).is_ok_and(|count| count > 0)
    {}
}
