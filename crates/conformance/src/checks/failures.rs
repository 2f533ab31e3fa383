//! Clients that break off: clause 8.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::client::Ending;
use crate::content::noise;
use crate::server::{Server, Stage, Start};
use crate::system;
use crate::target::Settings;

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
        is_heavy: false,
        run: |stage| after_fifty(stage, |client| client.reset()),
    },
    Check {
        id: "early-closes",
        title: "Fifty early closes end fifty connections, not the server",
        clause: 8,
        stimulus: "50 clients close: at once, or in the middle of the file",
        expected: "the next client is served whole",
        hint: "A client that closes with unread data resets the connection. Expect it at every write.",
        is_heavy: false,
        run: |stage| after_fifty(stage, drop),
    },
    Check {
        id: "idle-while-waiting",
        title: "Waiting for a client costs nothing",
        clause: 6,
        stimulus: "a client half-closes and takes nothing of a long file; another has everything and \
                   does not close",
        expected: "the server uses less than a third of a processor in the 1.2 s after",
        hint: "After the client's FIN its socket is always readable: stop asking. And do not ask \
               whether it is writable when there is nothing to write.",
        is_heavy: true,
        run: idle_while_waiting,
    },
    Check {
        id: "stalled-cut-off",
        title: "A client that takes nothing is cut off by a reset",
        clause: 8,
        stimulus: "the server is started with {stall} = 1, a client reads nothing of 64 MiB; another \
                   sends without end as well",
        expected: "both are cut off within 6 s, by a reset",
        hint: "Limit the time in which a client acknowledges nothing, not the time of the whole file. \
               A flooder that reads nothing is stalled, too.",
        is_heavy: false,
        run: stalled_cut_off,
    },
    Check {
        id: "slow-not-cut-off",
        title: "A client that takes a little is not cut off",
        clause: 8,
        stimulus: "the server is started with {stall} = 1, a client with a small buffer takes 2 kB \
                   every 0.1 s for 4 s, then the rest of 8 MiB",
        expected: "preamble, file, FIN",
        hint: "Count from the client's last progress. A time limit around `writable` is too strict: a \
               socket becomes writable only when about a third of its buffer is free.",
        is_heavy: false,
        run: slow_not_cut_off,
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
        is_heavy: false,
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

fn idle_while_waiting(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let lingering = server.connect()?;
    lingering.expect_whole(noise(1000))?;
    stage.set_len(LONG)?;
    let half_closed = server.connect_small()?;
    half_closed.read_exactly(1)?;
    half_closed.half_close()?;
    let Some(before) = system::cpu_ms(server.group()) else {
        return Err(Stop::not_applicable("this system does not tell a process's time in /proc"));
    };
    thread::sleep(Duration::from_millis(1200));
    let used = system::cpu_ms(server.group()).unwrap_or(0).saturating_sub(before);
    demand!(
        used < 400,
        "it wanted {used} ms of processor time in 1.2 s in which nothing could be done"
    );
    server.expect_alive()
}

fn with_short_stall(stage: &Stage<'_>) -> Result<Server, Stop> {
    stage.target.needs("{stall}")?;
    let settings = Settings { stall_s: 1, ..Settings::default() };
    stage.start(Start { settings, ..Start::default() })
}

fn stalled_cut_off(stage: &Stage<'_>) -> Outcome {
    const LIMIT: Duration = Duration::from_secs(6);
    stage.set_len(LONG)?;
    let server = with_short_stall(stage)?;
    let (silent, flooder) = (server.connect_small()?, server.connect_small()?);
    let started = Instant::now();
    while flooder.try_send(noise(50_000)) {
        let waited = started.elapsed();
        let s = waited.as_secs();
        demand!(waited < LIMIT, "a flooder that reads nothing is still there after {s} s");
    }
    thread::sleep(LIMIT.saturating_sub(started.elapsed()));
    let (got, ending) = silent.read_until_end(Duration::from_secs(2));
    let bytes = got.len();
    let s = LIMIT.as_secs();
    demand!(ending == Ending::Reset, "{bytes} bytes after {s} s without reading; then {ending}");
    Ok(())
}

fn slow_not_cut_off(stage: &Stage<'_>) -> Outcome {
    let content = noise(8 << 20);
    stage.write(content)?;
    let server = with_short_stall(stage)?;
    let client = server.connect_small()?;
    let mut got = Vec::new();
    for _ in 0..40 {
        got.extend(client.read_exactly(2000)?);
        thread::sleep(Duration::from_millis(100));
    }
    let (rest, ending) = client.read_reply();
    got.extend(rest);
    client.expect_reply(&got, content, ending)
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
