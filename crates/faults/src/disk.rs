//! A disk that no longer answers, as a network file system does whose server is unreachable.

use std::net::TcpStream;
use std::time::Duration;

use harness::fuse::{Call, HangingDisk};
use harness::text::elapsed;
use serve_core::Approach;

use crate::client;
use crate::fault::{Fault, Result, Stop, fail, skip};
use crate::server::Start;

pub const FAULTS: &[Fault] = &[
    Fault {
        id: "hung-open",
        title: "`open` hangs for 600 clients; a new client; SIGTERM after the disk has failed",
        is_alone: true,
        run: |approach| hang(approach, Call::Open, &[]),
    },
    Fault {
        id: "hung-read",
        title: "`read` hangs for 600 clients; a new client; SIGTERM",
        is_alone: true,
        run: |approach| hang(approach, Call::Read, &[]),
    },
    Fault {
        id: "hung-sendfile",
        title: "`sendfile` hangs for 600 clients; a new client; SIGTERM",
        is_alone: true,
        run: |approach| hang(approach, Call::Read, &["--zero-copy"]),
    },
];

/// The number of clients whose files hang. This number exceeds the maximum number of threads of
/// each blocking pool, which is 512 in Tokio and 500 in async-std and smol.
const CLIENTS: usize = 600;

/// The maximum time until a new client receives the preamble, and the time for which it waits.
const PREAMBLE_LIMIT: Duration = Duration::from_secs(1);
const PREAMBLE_TIMEOUT: Duration = Duration::from_secs(3);

/// The maximum time until the server has accepted all clients.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(3);

const TIMEOUT: Duration = Duration::from_secs(5);

fn hang(approach: &'static Approach, call: Call, args: &[&str]) -> Result {
    let disk = match HangingDisk::mount(vec![0; 4 << 20]) {
        Ok(disk) => disk,
        Err(error) => return skip(format!("cannot mount a FUSE file system: {error}")),
    };
    let result = serve_from(&disk, approach, call, args);
    // Nothing can kill a process that hangs in `open`.
    disk.abort();
    result
}

fn serve_from(
    disk: &HangingDisk,
    approach: &'static Approach,
    call: Call,
    args: &[&str],
) -> Result {
    let args = [&["--workers", "2"], args].concat();
    let mut server = Start::new(approach, &args)?.file(&disk.file()).listen()?;
    disk.hang(call);
    let clients: Vec<TcpStream> =
        (0..CLIENTS).map(|_| client::connect(server.addr, TIMEOUT)).collect::<Result<_>>()?;
    // Clients that the server has accepted must not delay the new client.
    server.wait_for(CLIENTS, "connected", ACCEPT_TIMEOUT);
    if !disk.wait_until_hanging(1, TIMEOUT) {
        disk.abort();
        return fail("no call hangs");
    }
    let preamble = client::preamble(server.addr, PREAMBLE_TIMEOUT);
    if call == Call::Open {
        disk.abort();
    }
    let exit = server.terminate();
    disk.abort();
    drop(clients);
    let is_failed = preamble.as_ref().map_or(true, |took| *took > PREAMBLE_LIMIT) || exit.is_err();
    let preamble = match preamble {
        Ok(took) => format!("preamble after {}", elapsed(took)),
        Err(Stop::Fail(measured) | Stop::Skip(measured)) => measured,
    };
    let (Ok(exit) | Err(Stop::Fail(exit) | Stop::Skip(exit))) = exit;
    match is_failed {
        true => fail(format!("{preamble}; {exit}")),
        false => Ok(format!("{preamble}; {exit}")),
    }
}
