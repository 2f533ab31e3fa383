//! Checks of reading from a client, and of the end of a connection (clauses 3, 5, 6, 7 and 8).

use super::common::*;
use crate::client::CLOSED_TEST_TIME;

/// The duration of a pause. It is longer than one second, which is the shortest timeout that
/// programs usually set.
const PAUSE: Duration = Duration::from_millis(1100);

pub const CHECKS: &[Check] = &[
    Check {
        id: "half-close",
        title: "A client that half-closes immediately gets the whole file",
        clause: 6,
        stimulus: "five clients with small buffers read 2 MiB and shut down their write halves \
                   (FIN): one client immediately; one immediately after sending 4 MB; one \
                   immediately, but it reads after a pause of 1.1 s; one in the middle of the \
                   file, after sending data; one after a pause of 1.1 s and after sending data",
        expected: "the server reads all data; preamble, file, FIN",
        hint: "A read of 0 bytes means that the client sends no more data. It does not mean that \
               the client has disconnected. Some libraries end the connection at the client's FIN \
               by default, so change this setting.",
        run: Light(half_close),
    },
    Check {
        id: "upload-first",
        title: "A client can upload 20 MB before it reads",
        clause: 5,
        stimulus: "a client with a small buffer waits for 1.1 s, sends 20 MB, and then reads 4 \
                   MiB",
        expected: "the server reads the upload; preamble, file, FIN",
        hint: "Read from the client while you send. Use a second thread or task, or an event \
               listener. If you do not read, the buffers in both directions fill up, and the \
               client and the server wait for each other.",
        run: Light(upload_first),
    },
    Check {
        id: "unread-request",
        title: "An unread request does not truncate the reply",
        clause: 7,
        stimulus: "a client with a small buffer sends a request, pauses for 0.2 s, and reads 2 MB",
        expected: "preamble, file, FIN; no reset",
        hint: "If you close a socket that has unread input, the kernel sends an RST, which \
               destroys data in transit. Read what the client sends, shut down the write half, and \
               close the socket after the client's FIN.",
        run: Light(unread_request),
    },
    Check {
        id: "data-after-fin",
        title: "A client can send data after the server's FIN",
        clause: 7,
        stimulus: "a client reads the whole reply, sends three messages within 0.6 s, and sends \
                   another message before the linger timeout expires; a second client reads the \
                   whole reply and sends 4 MB",
        expected: "no reset; the server reads the 4 MB",
        hint: "After your FIN, continue to read until the client's FIN arrives or the linger \
               timeout expires.",
        run: Light(data_after_fin),
    },
    Check {
        id: "fin-in-time",
        title: "The FIN follows the last byte immediately",
        clause: 7,
        stimulus: "a client reads the whole reply and keeps its write half open",
        expected: "the client receives the server's FIN within 2 s",
        hint: "Shut down the write half after the last byte, without waiting for the client's FIN.",
        run: Light(fin_in_time),
    },
    Check {
        id: "idle-disconnect",
        title: "A client that never closes its socket is disconnected",
        clause: 7,
        stimulus: "several clients read the whole reply, and then neither send data nor close \
                   their sockets; another client also sends a byte shortly before the linger \
                   timeout; if the command contains {linger}, this is repeated with another \
                   linger timeout",
        expected: "the server closes the connections after the linger timeout (default: 5 s), and \
                   not before; then it has closed the file descriptors",
        hint: "Limit the time for which you wait for the client's FIN. The limit is the linger \
               timeout.",
        run: Light(|stage| for_each_linger_timeout(stage, noise(1000), idle_disconnect)),
    },
    Check {
        id: "flood-disconnect",
        title: "A client that never stops sending is disconnected",
        clause: 7,
        stimulus: "a client sends data, reads the whole reply, and then sends more data \
                   continuously; if the command contains {linger}, this is repeated with another \
                   linger timeout",
        expected: "the client gets the whole file; the server closes the connection after the \
                   linger timeout, and not before",
        hint: "Start the linger timeout at the end of the file. Do not restart it when the client \
               sends data.",
        run: Light(|stage| for_each_linger_timeout(stage, noise(MIB), flood_disconnect)),
    },
    Check {
        id: "late-reader",
        title: "A client that reads after the linger timeout gets the whole file",
        clause: 7,
        stimulus: "a client reads nothing until 1.5 times the linger timeout has passed, sends \
                   data, and reads 1.3 MB",
        expected: "preamble, file, FIN; no reset",
        hint: "Start the linger timeout when the client has acknowledged everything. On Linux, \
               the ioctl SIOCOUTQ and the table /proc/net/tcp contain the number of bytes that \
               are not acknowledged.",
        run: Light(late_reader),
    },
    Check {
        id: "pause-and-resume",
        title: "A client that pauses gets the rest of the file",
        clause: 3,
        stimulus: "a client with a small buffer reads 100 kB of 2 MiB, pauses for 8 s (in an \
                   exercise: 6.5 s), and reads the rest",
        expected: "preamble, file, FIN",
        hint: "While a client does not read, a write to this client has to wait. The wait is not \
               an error. Do not skip any data.",
        run: Light(pause_and_resume),
    },
    Check {
        id: "slow-reader",
        title: "A slow client gets the whole file",
        clause: 8,
        stimulus: "the file has 2 MiB; a client with a small buffer reads 4 kB every 0.1 s for \
                   9.6 s (in an exercise: 7.8 s), and then reads the rest; if the command contains \
                   {chunk}, the chunk size is 4 KiB",
        expected: "preamble, file, FIN",
        hint: "A slow client is not stalled. Do not set a time limit for a write, because this \
               limit disconnects slow clients.",
        run: Light(slow_reader),
    },
];

fn half_close(stage: &Stage) -> Outcome {
    let content = noise(2 * MIB);
    // The linger timeout must not expire during the check.
    let settings = Settings { linger_s: 30, ..Settings::default() };
    let server = stage.serve_with(settings, content)?;
    // The clients have small buffers, so that their FINs arrive while the server still has most of
    // the file to send.
    let client = server.connect_small()?;
    client.half_close()?;
    client.expect_whole(content).context("a client that sends a FIN immediately")?;
    let client = server.connect_small()?;
    send_and_half_close(&client)?;
    client.expect_whole(content).context("a client that sends data and a FIN immediately")?;
    let [early, middle, late] =
        [server.connect_small()?, server.connect_small()?, server.connect_small()?];
    early.half_close()?;
    let got = middle.read_exactly(100_000)?;
    send_and_half_close(&middle)?;
    thread::sleep(PAUSE);
    send_and_half_close(&late)?;
    early.expect_whole(content).context("a client that sends a FIN and reads after a pause")?;
    middle
        .expect_rest(got, content)
        .context("a client that sends data and a FIN in the middle of the file")?;
    late.expect_whole(content).context("a client that sends data and a FIN after a pause")
}

fn send_and_half_close(client: &Client) -> Outcome {
    // The kernel's buffers cannot hold this much data, so the server has to read the data.
    client.send(noise(4_000_000))?;
    client.half_close()
}

fn upload_first(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(4 * MIB))?;
    let client = server.connect_small()?;
    // After this pause, the buffers are full. A server that reads only between two writes is now
    // blocked in a write.
    thread::sleep(PAUSE);
    for _ in 0..20 {
        client.send(noise(1_000_000))?;
    }
    client.expect_whole(noise(4 * MIB))
}

fn unread_request(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(2_000_000))?;
    for _ in 0..3 {
        let client = server.connect_small()?;
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        // A server that does not drain the connection closes its socket during this pause.
        thread::sleep(Duration::from_millis(200));
        client.expect_whole(noise(2_000_000))?;
    }
    Ok(())
}

fn data_after_fin(stage: &Stage) -> Outcome {
    let content = noise(2 * MIB);
    let settings = Settings { linger_s: 2, ..Settings::default() };
    let server = stage.serve_with(settings, content)?;
    // The kernel's buffers cannot hold the whole reply of this client.
    let (slow, slow_since) = (server.connect_small()?, Instant::now());
    // On a busy computer, a message may be late, and the linger timeout may have expired.
    let (connected_at, linger) = (Instant::now(), server.timeouts.linger);
    let client = server.connect()?;
    client.expect_whole(content)?;
    for number in 1..=3 {
        let is_open = !client.is_closed_by_server() || connected_at.elapsed() >= linger;
        demand!(is_open, "expected no reset after message {number}, got a reset");
    }
    // The three messages took 0.6 s. After this pause, the linger timeout has not expired yet.
    thread::sleep(linger.mul_f32(0.4));
    let is_open = !client.is_closed_by_server() || connected_at.elapsed() >= linger;
    demand!(is_open, "expected no reset before the linger timeout, got a reset");
    // If a server keeps its socket open but does not read, no reset occurs. The check detects such
    // a server, because the buffers fill up and the client cannot send all of its data.
    let client = server.connect_small()?;
    client.expect_whole(content)?;
    for _ in 0..4 {
        client.send(noise(1_000_000))?;
    }
    // The linger timeout starts after the reply, and not when the client connects.
    if stage.target.has("{linger}") {
        sleep_until(slow_since + linger.mul_f32(1.2));
        slow.expect_whole(content)?;
        let is_open = !slow.is_closed_by_server();
        demand!(is_open, "expected no reset after the reply to a slow client, got a reset");
    }
    Ok(())
}

fn fin_in_time(stage: &Stage) -> Outcome {
    // The linger timeout must not expire during the check.
    let settings = Settings { linger_s: 30, ..Settings::default() };
    let server = stage.serve_with(settings, noise(100_000))?;
    let client = server.connect()?;
    client.read_exactly(server.preamble.len() + 100_000)?;
    let (rest, ending) = client.read_until_end(Duration::from_secs(2));
    demand!(rest.is_empty(), "expected a FIN after the last byte, got {} more bytes", rest.len());
    demand!(ending == Ending::Fin, "expected a FIN after the last byte, got {ending}");
    Ok(())
}

/// Starts a server for each linger timeout, and calls a function with each of these servers.
fn for_each_linger_timeout(
    stage: &Stage,
    content: &[u8],
    run: fn(&Server, &[u8]) -> Outcome,
) -> Outcome {
    stage.write(content)?;
    let values = stage.target.timeout_values("{linger}", stage.target.linger);
    for_each_value(&values, |linger_s| {
        let settings = Settings { linger_s, ..Settings::default() };
        let server = stage.start(Start { settings, ..Start::default() })?;
        run(&server, content).context(format_args!("linger timeout {linger_s} s"))?;
        server.expect_whole(content)
    })
}

fn idle_disconnect(server: &Server, content: &[u8]) -> Outcome {
    /// The number of times at which the check tests whether the server has closed a connection.
    const TIMES: u32 = 8;
    const SPARE: u64 = 4;
    let connect = || {
        let client = server.connect()?;
        client.expect_whole(content)?;
        Ok(client)
    };
    // When a server starts to listen, it may not yet have opened all of its permanent descriptors.
    drop(connect()?);
    let descriptors = server.usage(usage::descriptors).ok();
    // Test each connection only once, because the test sends data to the server.
    let clients = (0..TIMES).map(|_| connect()).collect::<Result<Vec<_>, Stop>>()?;
    let (connected_at, timeouts) = (Instant::now(), server.timeouts);
    let early = connect()?;
    let ended = Instant::now();
    sleep_until(connected_at + timeouts.linger.mul_f32(EARLY) - CLOSED_TEST_TIME);
    // On a busy computer, the test may be late, and the linger timeout may have expired.
    let is_open = !early.is_closed_by_server() || connected_at.elapsed() >= timeouts.linger;
    demand!(is_open, "expected no reset before the linger timeout, got a reset");
    for (number, client) in (1..).zip(clients) {
        sleep_until(ended + timeouts.linger + timeouts.slack * number / TIMES);
        if client.is_closed_by_server() {
            // The data from this client must not extend the linger timeout, not even by half of the
            // linger timeout.
            sleep_until(ended + timeouts.linger + timeouts.slack / 4);
            let is_closed = early.is_closed_by_server();
            demand!(is_closed, "expected the end of the connection after late data, got none");
            // A runtime may need additional descriptors.
            return descriptors.map_or(Ok(()), |open| {
                let within = server.timeouts.linger_limit() + Duration::from_secs(1);
                server.expect_descriptors(
                    open + SPARE,
                    within,
                    "clients that do not close their sockets",
                )
            });
        }
    }
    let s = timeouts.linger_limit().as_secs();
    Err(Stop::fail(format!(
        "expected the end of the connection within {s} s, got an open connection"
    )))
}

fn flood_disconnect(server: &Server, content: &[u8]) -> Outcome {
    let connected_at = Instant::now();
    let client = server.connect()?;
    client.send(noise(50_000))?;
    client.expect_whole(content)?;
    let (started, limit) = (Instant::now(), server.timeouts.linger_limit());
    while client.try_send(noise(50_000)) {
        let (is_in_time, s) = (started.elapsed() < limit, limit.as_secs());
        demand!(
            is_in_time,
            "expected the end of the connection within {s} s, got an open connection"
        );
        // One message every 10 ms is sufficient. Additional messages would only cost CPU time.
        thread::sleep(Duration::from_millis(10));
    }
    let elapsed = connected_at.elapsed();
    let (is_late, ms) = (elapsed >= server.timeouts.linger.mul_f32(EARLY), elapsed.as_millis());
    demand!(is_late, "expected no reset before the linger timeout, got a reset after {ms} ms");
    Ok(())
}

fn late_reader(stage: &Stage) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Err(Stop::skip("only Linux reports which bytes are not acknowledged"));
    }
    // The kernel's buffers can hold this file, but the client's receive buffer cannot.
    let content = noise(1_300_000);
    let server = stage.serve(content)?;
    let client = server.connect()?;
    thread::sleep(server.timeouts.linger.mul_f32(1.5));
    // If the server has closed its socket, this message causes a reset.
    client.send(b"late data")?;
    thread::sleep(Duration::from_millis(200));
    client.expect_whole(content)
}

fn pause_and_resume(stage: &Stage) -> Outcome {
    let client = stage.serve(noise(2 * MIB))?.connect_small()?;
    let got = client.read_exactly(100_000)?;
    thread::sleep(stage.target.long_wait);
    client.expect_rest(got, noise(2 * MIB))
}

fn slow_reader(stage: &Stage) -> Outcome {
    let settings = Settings { chunk_bytes: 4096, ..Settings::default() };
    let client = stage.serve_with(settings, noise(2 * MIB))?.connect_small()?;
    let reads = (12.0 * stage.target.long_wait.as_secs_f32()) as usize;
    let got = client.read_slowly(reads, 4000)?;
    client.expect_rest(got, noise(2 * MIB))
}
