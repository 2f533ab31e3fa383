//! Checks of reading from a client, and of the end of a connection (clauses 3, 5, 6, 7 and 8).

use super::common::*;

pub const CHECKS: &[Check] = &[
    Check {
        id: "half-close",
        title: "A client that half-closes immediately gets the whole file",
        clause: 6,
        stimulus: "a client connects, shuts down its write half (FIN), and reads 8 MiB, \
                   immediately or after a pause",
        expected: "preamble, file, FIN",
        hint: "A read of 0 bytes means that the client sends no more data. It does not mean that \
               the client has disconnected. In Node, set allowHalfOpen: true.",
        run: Light(half_close),
    },
    Check {
        id: "upload-first",
        title: "A client can upload 20 MB before it reads",
        clause: 5,
        stimulus: "a client with a small buffer waits for 0.3 s, sends 20 MB, and then reads 16 \
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
        stimulus: "a client with a small buffer sends a request, pauses for 0.5 s, and reads 2 MB",
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
        stimulus: "a client reads the whole reply, and then neither sends data nor closes its \
                   socket",
        expected: "the server closes the connection after the linger timeout (default: 5 s)",
        hint: "Limit the time for which you wait for the client's FIN.",
        run: Light(idle_disconnect),
    },
    Check {
        id: "flood-disconnect",
        title: "A client that never stops sending is disconnected",
        clause: 7,
        stimulus: "a client sends data, reads the whole reply, and then sends more data \
                   continuously",
        expected: "the client gets the whole file; the server closes the connection after the \
                   linger timeout",
        hint: "Start the linger timeout at the end of the file. Do not restart it when the client \
               sends data.",
        run: Light(flood_disconnect),
    },
    Check {
        id: "pause-and-resume",
        title: "A client that pauses gets the rest of the file",
        clause: 3,
        stimulus: "a client with a small buffer reads 100 kB of 8 MiB, pauses for 8 s, and reads \
                   the rest",
        expected: "preamble, file, FIN",
        hint: "While a client does not read, a write to this client has to wait. The wait is not \
               an error. Do not skip any data.",
        run: Light(pause_and_resume),
    },
    Check {
        id: "slow-reader",
        title: "A slow client gets the whole file",
        clause: 8,
        stimulus: "the file has 4 MiB; a client with a small buffer reads 4 kB every 0.1 s for 12 \
                   s, and then reads the rest; if the command contains {chunk}, the chunk size is \
                   4 KiB",
        expected: "preamble, file, FIN",
        hint: "A slow client is not stalled. Do not set a time limit for a write, because this \
               limit disconnects slow clients.",
        run: Light(slow_reader),
    },
];

fn half_close(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(8 * MIB))?;
    let client = server.connect()?;
    client.half_close()?;
    client.expect_whole(noise(8 * MIB))?;
    // The server may have sent the whole file to the first client before that client's FIN arrived.
    // The second client has a small buffer and pauses. Therefore, its FIN arrives while the server
    // still has most of the file to send.
    let client = server.connect_small()?;
    client.half_close()?;
    thread::sleep(Duration::from_millis(2500));
    client.expect_whole(noise(8 * MIB))
}

fn upload_first(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(16 * MIB))?;
    let client = server.connect_small()?;
    // After this pause, the buffers are full. A server that reads only between two writes is now
    // blocked in a write.
    thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        client.send(noise(1_000_000))?;
    }
    client.expect_whole(noise(16 * MIB))
}

fn unread_request(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(2_000_000))?;
    for _ in 0..3 {
        let client = server.connect_small()?;
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        // A server that does not drain the connection closes its socket during this pause.
        thread::sleep(Duration::from_millis(500));
        client.expect_whole(noise(2_000_000))?;
    }
    Ok(())
}

fn data_after_fin(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let client = server.connect()?;
    client.expect_whole(noise(1000))?;
    for number in 1..=3 {
        let is_open = !client.is_closed_by_server();
        demand!(is_open, "expected no reset after message {number}, got a reset");
    }
    // The three messages took 0.6 s. After this pause, the linger timeout has not expired yet.
    thread::sleep(stage.target.linger.mul_f32(0.4));
    let is_open = !client.is_closed_by_server();
    demand!(is_open, "expected no reset before the linger timeout, got a reset");
    // If a server keeps its socket open but does not read, no reset occurs. The check detects such
    // a server, because the buffers fill up and the client cannot send all of its data.
    let client = server.connect_small()?;
    client.expect_whole(noise(1000))?;
    for _ in 0..4 {
        client.send(noise(1_000_000))?;
    }
    Ok(())
}

fn fin_in_time(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(100_000))?;
    let client = server.connect()?;
    client.read_exactly(server.preamble.len() + 100_000)?;
    let (rest, ending) = client.read_until_end(Duration::from_secs(2));
    demand!(rest.is_empty(), "expected a FIN after the last byte, got {} more bytes", rest.len());
    demand!(ending == Ending::Fin, "expected a FIN after the last byte, got {ending}");
    Ok(())
}

fn idle_disconnect(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let client = server.connect()?;
    client.expect_whole(noise(1000))?;
    let limit = stage.target.linger_limit();
    thread::sleep(limit);
    let (is_closed, s) = (client.is_closed_by_server(), limit.as_secs());
    demand!(is_closed, "expected the end of the connection within {s} s, got an open connection");
    server.expect_whole(noise(1000))
}

fn flood_disconnect(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(MIB))?;
    let client = server.connect()?;
    client.send(noise(50_000))?;
    client.expect_whole(noise(MIB))?;
    let limit = stage.target.linger_limit();
    let (started, s) = (Instant::now(), limit.as_secs());
    while client.try_send(noise(50_000)) {
        let is_in_time = started.elapsed() < limit;
        demand!(
            is_in_time,
            "expected the end of the connection within {s} s, got an open connection"
        );
        // One message every 10 ms is sufficient. Additional messages would only cost CPU time.
        thread::sleep(Duration::from_millis(10));
    }
    server.expect_whole(noise(MIB))
}

fn pause_and_resume(stage: &Stage) -> Outcome {
    let client = stage.serve(noise(8 * MIB))?.connect_small()?;
    let got = client.read_exactly(100_000)?;
    thread::sleep(Duration::from_secs(8));
    client.expect_rest(got, noise(8 * MIB))
}

fn slow_reader(stage: &Stage) -> Outcome {
    let settings = Settings { chunk_bytes: 4096, ..Settings::default() };
    let client = stage.serve_with(settings, noise(4 * MIB))?.connect_small()?;
    let got = client.read_slowly(120, 4000)?;
    client.expect_rest(got, noise(4 * MIB))
}
