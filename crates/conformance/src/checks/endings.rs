//! How a connection ends, and what is heard before: clauses 5, 6 and 7.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, demand};
use crate::client::Ending;
use crate::content::noise;
use crate::server::{Stage, Start};
use crate::target::Settings;

const MIB: usize = 1 << 20;

/// What a limit of seconds may be late on a busy computer.
const SLACK: Duration = Duration::from_secs(4);

pub const CHECKS: &[Check] = &[
    Check {
        id: "half-close",
        title: "A client that ends its writing side at once still gets the whole file",
        clause: 6,
        stimulus: "a client connects, shuts down its writing side (FIN), and reads 8 MiB, at once or \
                   after a pause",
        expected: "preamble, file, FIN",
        hint: "Reading 0 bytes means that the client has no more to say, not that it has gone. In \
               Node: allowHalfOpen: true.",
        is_heavy: false,
        run: half_close,
    },
    Check {
        id: "upload-first",
        title: "A client that uploads 20 MB before it reads does not get stuck",
        clause: 5,
        stimulus: "a client with a small buffer waits for 0.3 s, sends 20 MB, then reads a file of 16 \
                   MiB",
        expected: "the upload is taken, then preamble, file, FIN",
        hint: "Read what the client sends while you send: in a second thread or task, or by a \
               listener. Else both sides wait for each other with full buffers.",
        is_heavy: false,
        run: upload_first,
    },
    Check {
        id: "unread-request",
        title: "A request that nobody waits for destroys nothing",
        clause: 7,
        stimulus: "a client with a receive buffer of 4 KiB sends a request, pauses for 0.5 s, then \
                   reads 2 MB",
        expected: "preamble, file, FIN; no reset",
        hint: "To close a socket with unread input sends a RST, which throws away what is under way. \
               Read what the client says, shut down your writing side, and close after its FIN.",
        is_heavy: false,
        run: unread_request,
    },
    Check {
        id: "late-words",
        title: "A client may speak after the server's FIN",
        clause: 7,
        stimulus: "a client reads everything, then says three words within 0.6 s, and one later; another \
                   reads everything, then sends 4 MB",
        expected: "no reset, and the 4 MB are taken: the server still listens",
        hint: "After the shutdown of your writing side, go on reading until the client's FIN, for as \
               long as the linger timeout.",
        is_heavy: false,
        run: late_words,
    },
    Check {
        id: "fin-in-time",
        title: "The FIN comes right after the last byte",
        clause: 7,
        stimulus: "a client reads everything and keeps its own side open",
        expected: "the server's FIN within 2 s",
        hint: "Shut down the writing side after the last byte, without waiting for the client: it may \
               be waiting for you.",
        is_heavy: false,
        run: fin_in_time,
    },
    Check {
        id: "idle-let-go",
        title: "A client that never closes is let go",
        clause: 7,
        stimulus: "a client reads everything, then neither speaks nor closes",
        expected: "after the linger timeout (5 s unless told) the connection is closed",
        hint: "Limit the time that you wait for the client's FIN.",
        is_heavy: false,
        run: idle_let_go,
    },
    Check {
        id: "flooder-let-go",
        title: "A client that never stops talking is let go",
        clause: 7,
        stimulus: "a client reads everything and sends without end",
        expected: "the whole file, and after the linger timeout the connection is closed",
        hint: "The linger timeout counts from the file's end, not from the client's last word.",
        is_heavy: false,
        run: flooder_let_go,
    },
    Check {
        id: "pause-and-resume",
        title: "A client that pauses gets the rest",
        clause: 3,
        stimulus: "a client with a small buffer reads 100 kB of 8 MiB, pauses for 8 s, and reads on",
        expected: "preamble, file, FIN",
        hint: "A client that does not read makes write wait. That is no error, and nothing to skip.",
        is_heavy: false,
        run: pause_and_resume,
    },
    Check {
        id: "slow-reader",
        title: "A slow client gets the whole file",
        clause: 8,
        stimulus: "a client with a small buffer takes 4 kB every 0.1 s for 12 s, then the rest of 4 \
                   MiB; chunks are of 4 KiB, if {chunk} can be told",
        expected: "preamble, file, FIN",
        hint: "Whoever takes a little is not stalled: a time limit around a write cuts off live \
               clients.",
        is_heavy: false,
        run: slow_reader,
    },
];

fn half_close(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(8 * MIB))?;
    let client = server.connect()?;
    client.half_close()?;
    client.expect_whole(noise(8 * MIB))?;
    // A server may be quick enough to send all before it hears the FIN. Not to this client: it has
    // room for little, and pauses until the FIN is heard, and a while longer: to grant it a second or
    // two more is to cut it off, too.
    let client = server.connect_small()?;
    client.half_close()?;
    thread::sleep(Duration::from_millis(2500));
    client.expect_whole(noise(8 * MIB))
}

fn upload_first(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(16 * MIB))?;
    let client = server.connect_small()?;
    // Until its buffer is full: a server that hears only between two writes is in a write now.
    thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        client.send(&noise(16 * MIB)[..1_000_000])?;
    }
    client.expect_whole(noise(16 * MIB))
}

fn unread_request(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(2_000_000))?;
    for _ in 0..3 {
        let client = server.connect_small()?;
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        // The pause is the stimulus: time for a server that closes at once to do so.
        thread::sleep(Duration::from_millis(500));
        client.expect_whole(noise(2_000_000))?;
    }
    Ok(())
}

fn late_words(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let client = server.connect()?;
    client.expect_whole(noise(1000))?;
    for word in 1..=3 {
        demand!(
            !client.is_closed_by_server(),
            "a reset answered word {word} after the server's FIN"
        );
    }
    // Most of the linger timeout may pass; the words themselves took 0.6 s.
    thread::sleep(stage.target.linger.mul_f32(0.4));
    demand!(
        !client.is_closed_by_server(),
        "a reset came long before the linger timeout had passed"
    );
    // A server that only keeps the socket open sends no reset either, but the buffers fill.
    let client = server.connect_small()?;
    client.expect_whole(noise(1000))?;
    for _ in 0..4 {
        client.send(noise(1_000_000))?;
    }
    Ok(())
}

fn fin_in_time(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(100_000))?;
    let client = server.connect()?;
    client.read_exactly(server.preamble().len() + 100_000)?;
    let (rest, ending) = client.read_until_end(Duration::from_secs(2));
    demand!(rest.is_empty(), "{} bytes too many", rest.len());
    demand!(ending == Ending::Fin, "after the last byte, {ending}");
    Ok(())
}

fn idle_let_go(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let client = server.connect()?;
    client.expect_whole(noise(1000))?;
    let limit = stage.target.linger + SLACK;
    thread::sleep(limit);
    let s = limit.as_secs();
    demand!(
        client.is_closed_by_server(),
        "the connection is still open {s} s after the file's end"
    );
    server.expect_whole(noise(1000))
}

fn flooder_let_go(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(MIB))?;
    let client = server.connect()?;
    let flood = &noise(MIB)[..50_000];
    client.send(flood)?;
    client.expect_whole(noise(MIB))?;
    let limit = stage.target.linger + SLACK;
    let started = Instant::now();
    while client.try_send(flood) {
        let took = started.elapsed();
        let s = took.as_secs();
        demand!(
            took < limit,
            "the connection of a flooder is still open {s} s after the file's end"
        );
        // A flood of a hundred words a second is enough; more would only heat the room.
        thread::sleep(Duration::from_millis(10));
    }
    server.expect_whole(noise(MIB))
}

fn pause_and_resume(stage: &Stage<'_>) -> Outcome {
    let server = stage.serve(noise(8 * MIB))?;
    let client = server.connect_small()?;
    let mut got = client.read_exactly(100_000)?;
    thread::sleep(Duration::from_secs(8));
    let (rest, ending) = client.read_reply();
    got.extend(rest);
    client.expect_reply(&got, noise(8 * MIB), ending)
}

fn slow_reader(stage: &Stage<'_>) -> Outcome {
    stage.write(noise(4 * MIB))?;
    let settings = Settings { chunk_bytes: 4096, ..Settings::default() };
    let server = stage.start(Start { settings, ..Start::default() })?;
    let client = server.connect_small()?;
    let mut got = Vec::new();
    for _ in 0..120 {
        got.extend(client.read_exactly(4000)?);
        thread::sleep(Duration::from_millis(100));
    }
    let (rest, ending) = client.read_reply();
    got.extend(rest);
    client.expect_reply(&got, noise(4 * MIB), ending)
}
