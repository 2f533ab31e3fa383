//! Tests of a server whose disk does not answer (clause 8 of docs/CONTRACT.md).
//!
//! The disk is a FUSE file system of the test. The tests are skipped if this process may not mount
//! file systems.

use std::net::TcpStream;

use harness::cleanup::raise_descriptor_limit;
use harness::fuse::{Call, HangingDisk};
use rustix::process::Signal;

use crate::client::{BARE, DEADLINE, assert_reply, connect, read_exactly};
use crate::process::Process;
use crate::process::skip;
use crate::sibling::{Sibling, Test};

/// More clients than the maximum number of threads in the blocking pools, which is 512 in Tokio,
/// and 500 in the other runtimes.
const MANY_CLIENTS: usize = 520;

pub const TESTS: &[(&str, Test)] = &[
    ("no_client_waits_for_an_open_that_hangs", no_client_waits_for_an_open_that_hangs),
    ("no_client_waits_for_a_read_that_hangs", no_client_waits_for_a_read_that_hangs),
    ("no_client_waits_for_a_close_that_hangs", no_client_waits_for_a_close_that_hangs),
];

fn no_client_waits_for_an_open_that_hangs(sibling: Sibling) {
    assert_preambles_while_hanging(sibling, Call::Open, 20);
}

fn no_client_waits_for_a_read_that_hangs(sibling: Sibling) {
    assert_preambles_while_hanging(sibling, Call::Read, MANY_CLIENTS);
}

/// Asserts that each client receives the preamble while the files of all clients hang. When the
/// disk answers, a client receives the whole file.
fn assert_preambles_while_hanging(sibling: Sibling, call: Call, clients: usize) {
    let content = vec![b'x'; 200_000];
    let Some((mut process, disk)) = start(sibling, &content) else { return };
    if call == Call::Open {
        // After this client, the kernel can find the file without a request. Only `open` hangs.
        assert_reply(&connect(process.addr), &content);
    }
    disk.hang(call);
    let streams: Vec<TcpStream> = (0..clients).map(|_| connect(process.addr)).collect();
    for stream in &streams {
        assert_eq!(read_exactly(stream, BARE.len()), BARE);
    }
    assert!(disk.wait_until_hanging(1, DEADLINE), "expected a request that hangs");
    disk.resume();
    let last = connect(process.addr);
    assert_reply(&last, &content);
    drop((streams, last));
    process.wait_for(clients + 1, "disconnected");
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0));
}

fn no_client_waits_for_a_close_that_hangs(sibling: Sibling) {
    let Some((mut process, disk)) = start(sibling, b"content") else { return };
    disk.hang(Call::Close);
    for _ in 0..5 {
        assert_reply(&connect(process.addr), b"content");
    }
    // The event is logged even though the file is not closed.
    process.wait_for(5, "disconnected");
    assert!(disk.wait_until_hanging(5, DEADLINE), "expected five requests that hang");
    disk.resume();
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(0));
}

/// Starts a server with two worker threads and a file of this content on a disk that can hang. The
/// disk must be dropped first, because a process with a hanging call cannot be killed.
fn start(sibling: Sibling, content: &[u8]) -> Option<(Process, HangingDisk)> {
    raise_descriptor_limit();
    let disk = match HangingDisk::mount(content.to_vec()) {
        Ok(disk) => disk,
        Err(error) => {
            skip(&format!("this process cannot mount a FUSE file system: {error}"));
            return None;
        }
    };
    let args = ["--workers", "2", "--linger-timeout", "500ms"];
    Some((Process::start(sibling, &disk.file(), &args), disk))
}
