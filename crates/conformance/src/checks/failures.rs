//! Checks of errors and disconnects that affect only one client (clauses 6 and 8).

use std::fs;

use super::common::*;

/// The time limit for the server to close the descriptors of a client that has closed its
/// connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

pub const CHECKS: &[Check] = &[
    Check {
        id: "resets",
        title: "Fifty resets do not stop the server",
        clause: 8,
        stimulus: "50 clients reset their connections, immediately or in the middle of the file",
        expected: "the next client gets the whole file",
        hint: "After a reset, writes and reads fail with EPIPE or ECONNRESET. Handle the error of \
               each socket, and end only this connection.",
        run: Light(|stage| after_fifty(stage, |client| client.reset())),
    },
    Check {
        id: "early-closes",
        title: "Fifty early closes do not stop the server",
        clause: 8,
        stimulus: "50 clients close their connections, immediately or in the middle of the file",
        expected: "the next client gets the whole file",
        hint: "If a client closes its socket before it has read all data, the connection is reset. \
               Therefore, any of your writes may fail.",
        run: Light(|stage| after_fifty(stage, drop)),
    },
    Check {
        id: "idle-while-waiting",
        title: "The server uses almost no CPU time while it waits for clients",
        clause: 9,
        stimulus: "at first, no client is connected; then two clients read the whole reply and do \
                   not close their sockets, and one of them sends data; the file becomes longer; \
                   40 clients read only the first byte, and half of them half-close",
        expected: "in 0.3 s without clients and in 0.3 s with these clients, the server uses less \
                   than a third of a core, and its threads wake up fewer than 20 times",
        hint: "After the client's FIN, the socket is always readable, so stop waiting until it is \
               readable. Wait until the socket is writable only if you have data to write. Block \
               until an event occurs. Do not test for events in a loop, not even with short \
               pauses.",
        run: Heavy(idle_while_waiting),
    },
    Check {
        id: "stalled-reset",
        title: "After the stall timeout, a non-reading client's connection is reset",
        clause: 8,
        stimulus: "the file has 64 MiB; one client reads nothing and sends nothing; another \
                   client reads nothing and sends data continuously; this is done with two values \
                   of {stall}",
        expected: "the server resets both connections after {stall} s, and not before",
        hint: "Limit the time in which a client acknowledges no data. Do not limit the time for \
               the whole file. A client that sends data but reads nothing is also stalled.",
        run: Light(stalled_reset),
    },
    Check {
        id: "slow-not-reset",
        title: "The stall timeout does not disconnect a slow client",
        clause: 8,
        stimulus: "the server is started with {stall} = 1; the file has 8 MiB; a client with a \
                   small buffer reads 2 kB every 0.1 s for 4 s, and then reads the rest",
        expected: "preamble, file, FIN",
        hint: "Measure the time since the client last acknowledged data. A time limit for \
               `writable` is too strict, because a socket becomes writable only when about a third \
               of its buffer is free.",
        run: Light(slow_not_reset),
    },
    Check {
        id: "descriptors-closed",
        title: "No end of a connection leaves file descriptors open",
        clause: 8,
        stimulus: "50 clients send a request, read the whole reply, and close their connections; \
                   50 clients reset their connections in the middle of the file; 50 clients close \
                   their connections in the middle of the file; then 12 clients half-close and \
                   read the whole reply, and 12 clients connect while the file is missing",
        expected: "each time, within 5 s, the server has at most 8 more open file descriptors \
                   than before",
        hint: "Close the file and the socket on every path, also after an error. Some libraries \
               do not close the file if the socket fails, or do not close a socket that has unread \
               data.",
        run: Light(descriptors_closed),
    },
];

fn after_fifty(stage: &Stage, disconnect: fn(Client)) -> Outcome {
    const LIMIT: Duration = Duration::from_secs(20);
    let server = stage.serve_zeros(LONG_BYTES)?;
    let started = Instant::now();
    for index in 0..50 {
        let client = server.connect()?;
        if index % 2 == 0 {
            client.read_exactly(server.preamble.len() + 1)?;
        }
        disconnect(client);
        let (is_in_time, s) = (started.elapsed() < LIMIT, LIMIT.as_secs());
        demand!(is_in_time, "expected to connect 50 clients within {s} s, got {}", index + 1);
    }
    server.expect_alive()?;
    stage.write(noise(1000))?;
    server.expect_whole(noise(1000))
}

fn idle_while_waiting(stage: &Stage) -> Outcome {
    let settings = Settings { linger_s: 30, ..Settings::default() };
    let server = stage.serve_with(settings, noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.expect_idle(WAKEUPS_MAX).context("without clients")?;
    let [lingering, draining] = [server.connect()?, server.connect()?];
    lingering.expect_whole(noise(1000))?;
    draining.expect_whole(noise(1000))?;
    draining.send(b"late data")?;
    stage.set_len(2 * MIB as u64)?;
    // If the server sets a timer for each client, many clients make the wake-ups visible.
    let stalled = server.connect_non_reading(stage.target.connection_limit_max.min(42) - 2)?;
    for client in &stalled {
        client.read_exactly(1)?;
    }
    stalled.iter().step_by(2).try_for_each(Client::half_close)?;
    server.expect_idle(WAKEUPS_MAX).context("with clients that wait")
}

fn stalled_reset(stage: &Stage) -> Outcome {
    stage.target.require("{stall}")?;
    stage.set_len(LONG_BYTES)?;
    let values = stage.target.timeout_values("{stall}", Duration::ZERO);
    for_each_value(&values, |stall_s| {
        let settings = Settings { stall_s, ..Settings::default() };
        let server = stage.start(Start { settings, ..Start::default() })?;
        let stall = Duration::from_secs(stall_s);
        expect_stalled_reset(&server, stall).context(format_args!("stall timeout {stall_s} s"))
    })
}

fn expect_stalled_reset(server: &Server, stall: Duration) -> Outcome {
    let (silent, flooder) = (server.connect_small()?, server.connect_small()?);
    let started = Instant::now();
    // A server tests several times per stall timeout whether a client is stalled.
    let (early, limit) = (stall.mul_f32(EARLY), stall.mul_f32(1.25) + server.timeouts.slack);
    let (mut is_silent_reset, mut is_flooder_reset) = (false, false);
    while !(is_silent_reset && is_flooder_reset) && started.elapsed() < limit {
        // A message every 10 ms fills the buffers long before the stall timeout expires.
        thread::sleep(Duration::from_millis(10));
        is_silent_reset |= silent.is_reset();
        is_flooder_reset = is_flooder_reset || !flooder.try_send_now(noise(50_000));
        let is_early = started.elapsed() < early && (is_silent_reset || is_flooder_reset);
        let ms = started.elapsed().as_millis();
        demand!(!is_early, "expected no reset before the stall timeout, got a reset after {ms} ms");
    }
    let s = limit.as_secs();
    demand!(
        is_flooder_reset,
        "expected a reset within {s} s while sending, got an open connection"
    );
    if !is_silent_reset {
        let (got, ending) = silent.read_until_end(Duration::from_secs(2));
        let got = got.len();
        return Err(Stop::fail(format!(
            "expected a reset within {s} s without reading, got {got} bytes and then {ending}"
        )));
    }
    Ok(())
}

fn slow_not_reset(stage: &Stage) -> Outcome {
    let content = noise(8 * MIB);
    stage.target.require("{stall}")?;
    let settings = Settings { stall_s: 1, ..Settings::default() };
    let client = stage.serve_with(settings, content)?.connect_small()?;
    let got = client.read_slowly(40, 2000)?;
    client.expect_rest(got, content)
}

fn descriptors_closed(stage: &Stage) -> Outcome {
    /// The number of additional descriptors that a runtime may open.
    const SPARE: u64 = 8;
    let content = noise(100_000);
    // All clients close their connections, so the server must not wait for the linger timeout.
    let settings = Settings { linger_s: 30, ..Settings::default() };
    let server = stage.serve_with(settings, content)?;
    let before = server.usage(usage::descriptors)?;
    // The descriptors that a runtime opens for the first clients are not counted.
    read_all_and_close(&server, 5)?;
    let max = server.settled_descriptors(before)? + SPARE;
    read_all_and_close(&server, 50)?;
    server.expect_descriptors(max, CLOSE_LIMIT, "50 clients that read the whole reply")?;
    stage.set_len(LONG_BYTES)?;
    for index in 0..100 {
        let client = server.connect()?;
        client.read_exactly(server.preamble.len() + 1)?;
        if index % 2 == 0 {
            client.reset();
        }
    }
    server.expect_descriptors(max, CLOSE_LIMIT, "150 clients")?;
    // The kernel's buffers cannot hold this much data, so the FIN arrives before the server has sent
    // the whole file.
    let long = noise(2 * MIB);
    stage.write(long)?;
    for _ in 0..12 {
        let client = server.connect_small()?;
        client.half_close()?;
        client.expect_whole(long).context("a client that half-closed")?;
    }
    server.expect_descriptors(max, CLOSE_LIMIT, "12 clients that half-closed")?;
    fs::remove_file(stage.file())?;
    expect_ends(&server).context("while the file was missing")?;
    server.expect_descriptors(max, CLOSE_LIMIT, "12 clients while the file was missing")
}

/// Expects that the server ends the connections of 12 clients.
fn expect_ends(server: &Server) -> Outcome {
    for _ in 0..12 {
        let (_, ending) = server.connect()?.read_reply();
        let is_ended = !matches!(ending, Ending::Timeout { .. });
        demand!(is_ended, "expected the end of the connection, got {ending}");
    }
    Ok(())
}

fn read_all_and_close(server: &Server, clients: usize) -> Outcome {
    const LIMIT: Duration = Duration::from_secs(10);
    let started = Instant::now();
    for served in 0..clients {
        let (is_in_time, s) = (started.elapsed() < LIMIT, LIMIT.as_secs());
        demand!(is_in_time, "expected {clients} clients to be served within {s} s, got {served}");
        let client = server.connect()?;
        client.send(b"GET / HTTP/1.1\r\n\r\n")?;
        // A server that does not read the request may reset the connection before the client has
        // received everything. Other checks report this error.
        let _ = client.read_exactly(server.preamble.len() + 100_000);
    }
    Ok(())
}
