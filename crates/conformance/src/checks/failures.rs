//! Clients that break off: clause 8.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::content::noise;
use crate::server::{Server, Stage};
use crate::system;

/// Longer than what the kernel keeps for a client that does not read.
const LONG: u64 = 64 << 20;

pub const CHECKS: &[Check] = &[
    Check {
        id: "resets",
        title: "Fifty resets end fifty connections, not the server",
        clause: 8,
        stimulus: "50 clients reset the connection: at once, or in the middle of the file",
        expected: "the next client is served whole",
        hint: "Writing to a connection that was reset fails (EPIPE, ECONNRESET), reading too. Both end \
               this connection only; in Node, listen to 'error' on the socket.",
        alone: false,
        run: |stage| after_fifty(stage, |client| client.reset()),
    },
    Check {
        id: "early-closes",
        title: "Fifty early closes end fifty connections, not the server",
        clause: 8,
        stimulus: "50 clients close: at once, or in the middle of the file",
        expected: "the next client is served whole",
        hint: "A client that closes with unread data resets the connection. Expect it at every write.",
        alone: false,
        run: |stage| after_fifty(stage, drop),
    },
    Check {
        id: "descriptors-return",
        title: "Resets and early closes leave no descriptor open",
        clause: 8,
        stimulus: "50 clients reset the connection in the middle of the file, 50 close it, 50 send a \
                   request, read all and close",
        expected: "the server's descriptors are back to what they were within 12 s",
        hint: "Close file and socket on every way out. In Node, pipe() does not destroy the file when \
               the socket dies: use pipeline(); and a socket whose data nobody reads never closes.",
        alone: false,
        run: descriptors_return,
    },
];

fn after_fifty(stage: &Stage<'_>, leave: fn(crate::client::Client)) -> Outcome {
    let server = stage.serve_zeros(LONG)?;
    for index in 0..50 {
        let client = server.connect()?;
        if index % 2 == 0 {
            client.read_exactly(server.preamble().len() + 1)?;
        }
        leave(client);
    }
    server.expect_alive()?;
    stage.write(noise(1000))?;
    server.expect_whole(noise(1000))
}

fn descriptors_return(stage: &Stage<'_>) -> Outcome {
    /// What a runtime may open at its leisure.
    const SPARE: u64 = 8;
    let server = stage.serve(noise(100_000))?;
    // What a runtime opens at its first clients is not what we are after.
    for _ in 0..5 {
        leave_after_all(&server)?;
    }
    let settled = |most: u64| {
        let started = Instant::now();
        loop {
            let now = system::descriptors(server.group())?;
            if now <= most || started.elapsed() > Duration::from_secs(12) {
                return Some(now);
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    let Some(_) = system::descriptors(server.group()) else {
        return Err(Stop::not_applicable("this system does not list descriptors in /proc"));
    };
    thread::sleep(Duration::from_millis(300));
    let base = system::descriptors(server.group()).unwrap_or(0);
    for _ in 0..50 {
        leave_after_all(&server)?;
    }
    stage.set_len(LONG)?;
    for index in 0..100 {
        let client = server.connect()?;
        client.read_exactly(server.preamble().len() + 1)?;
        if index % 2 == 0 {
            client.reset();
        }
    }
    server.expect_alive()?;
    let after = settled(base + SPARE).unwrap_or(0);
    demand!(after <= base + SPARE, "{after} descriptors instead of {base} after 150 clients");
    Ok(())
}

fn leave_after_all(server: &Server) -> Outcome {
    let client = server.connect()?;
    client.send(b"GET / HTTP/1.1\r\n\r\n")?;
    client.read_exactly(server.preamble().len() + 100_000)?;
    Ok(())
}
