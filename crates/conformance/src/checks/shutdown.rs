//! Checks of the shutdown and of stdout (clauses 10 and 11).

use std::net::TcpStream;

use harness::describe_exit;

use super::common::*;
use super::grammar::{expect_grammar, parse};
use crate::process::Stdout;

/// The time limit for an idle server to exit after a signal.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

pub const CHECKS: &[Check] = &[
    Check {
        id: "sigterm",
        title: "SIGTERM ends an idle server with exit code 0",
        clause: 10,
        stimulus: "a client reads the whole reply and disconnects; then the server gets SIGTERM",
        expected: "the server exits with code 0 within 4 s; then no process listens on the port",
        hint: "Handle SIGTERM. Stop accepting, wait until all connections have ended, and exit \
               with code 0. Without a handler, the signal kills the process, and the exit code is \
               not 0.",
        run: Light(|stage| expect_idle_exit(stage, Signal::Terminate)),
    },
    Check {
        id: "sigint",
        title: "SIGINT (Ctrl-C) ends an idle server with exit code 0",
        clause: 10,
        stimulus: "a client reads the whole reply and disconnects; then the server gets SIGINT",
        expected: "the server exits with code 0 within 4 s; then no process listens on the port",
        hint: "Handle SIGINT and SIGTERM in the same way.",
        run: Light(|stage| expect_idle_exit(stage, Signal::Interrupt)),
    },
    Check {
        id: "second-signal",
        title: "A second signal ends the server immediately",
        clause: 10,
        stimulus: "a client does not read the large file; the server gets SIGTERM, and another \
                   SIGTERM 0.3 s later",
        expected: "the process ends within 1 s",
        hint: "At the second signal, exit without waiting for the grace period.",
        run: Light(second_signal),
    },
    Check {
        id: "sigterm-finish",
        title: "After SIGTERM, a client that reads gets the rest of the file",
        clause: 10,
        stimulus: "a client reads 100 kB of 4 MiB; the server gets SIGTERM; another client \
                   connects; the first client reads the rest",
        expected: "the first client gets preamble, file, FIN; the other client is not served; exit \
                   code 0",
        hint: "Stop accepting immediately, but wait for the open connections.",
        run: Light(sigterm_finish),
    },
    Check {
        id: "sigterm-disconnect",
        title: "After the grace period, non-reading clients are disconnected",
        clause: 10,
        stimulus: "three clients do not read the large file; the server gets SIGTERM; two of the \
                   clients disconnect, one after the other",
        expected: "the server exits with code 0 after the grace period (default: 5 s); if the \
                   server logs JSON events, it logs one disconnected event per client",
        hint: "Wait until all connections have ended or the grace period has expired. Then close \
               the connections that are still open.",
        run: Light(sigterm_disconnect),
    },
    Check {
        id: "closed-stdout",
        title: "A closed stdout does not stop the server",
        clause: 11,
        stimulus: "the server's stdout is a pipe whose read end is closed; 300 clients send \
                   requests",
        expected: "each client gets the whole file; SIGTERM ends the server without an error",
        hint: "A write to a closed pipe causes SIGPIPE or an error. Ignore the signal and the \
               error. In Rust, do not use println!, because it panics after a failed write.",
        run: Light(|stage| expect_independence(stage, Stdout::Closed, 300)),
    },
    Check {
        id: "unread-stdout",
        title: "An unread stdout does not block clients",
        clause: 11,
        stimulus: "the server's stdout is a pipe that nothing reads; 1000 clients send requests",
        expected: "each client gets the whole file; SIGTERM ends the server without an error",
        hint: "Printing to a full pipe blocks the thread that prints. Put the lines into a queue \
               of limited length, and count the lines that do not fit.",
        run: Heavy(|stage| expect_independence(stage, Stdout::Unread, 1000)),
    },
];

fn expect_exit_0(server: &Server, limit: Duration) -> Outcome {
    let status = server.expect_end(limit)?;
    let actual = match describe_exit(status) {
        signal if signal.contains("SIGTERM") => format!("{signal}, which has no handler"),
        other => other,
    };
    demand!(status.success(), "expected exit code 0, got {actual}");
    Ok(())
}

fn expect_idle_exit(stage: &Stage, signal: Signal) -> Outcome {
    stage.require_signals()?;
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.process.signal(signal);
    expect_exit_0(&server, IDLE_LIMIT)?;
    let connected = TcpStream::connect_timeout(&server.addr, Duration::from_millis(500));
    let port = server.addr.port();
    demand!(connected.is_err(), "expected no process to listen on port {port}, got a connection");
    Ok(())
}

fn second_signal(stage: &Stage) -> Outcome {
    stage.require_signals()?;
    let server = stage.serve_zeros(LONG_BYTES)?;
    let stalled = server.connect_small()?;
    stalled.read_exactly(1)?;
    server.process.signal(Signal::Terminate);
    // Without this pause, the kernel would deliver the two signals as one signal.
    thread::sleep(Duration::from_millis(300));
    server.process.signal(Signal::Terminate);
    server.expect_end(Duration::from_secs(1)).map(drop)
}

fn sigterm_finish(stage: &Stage) -> Outcome {
    stage.require_signals()?;
    let server = stage.serve(noise(4 * MIB))?;
    let client = server.connect_small()?;
    let mut got = client.read_exactly(100_000)?;
    server.process.signal(Signal::Terminate);
    // If the grace period is missing or too short, the server exits during this pause.
    thread::sleep(stage.target.grace / 2);
    if let Ok(late) = server.connect() {
        let bytes = late.read_until_end(Duration::from_millis(300)).0.len();
        demand!(
            bytes == 0,
            "expected no reply to a client that connected after SIGTERM, got {bytes} bytes"
        );
    }
    let (rest, ending) = client.read_until_end(stage.target.grace_limit());
    got.extend(rest);
    client.expect_reply(&got, noise(4 * MIB), ending)?;
    drop(client);
    expect_exit_0(&server, stage.target.grace_limit())
}

fn sigterm_disconnect(stage: &Stage) -> Outcome {
    stage.require_signals()?;
    let server = stage.serve_zeros(LONG_BYTES)?;
    let mut stalled = server.connect_non_reading(3)?;
    let limit = stage.target.grace_limit();
    server.process.signal(Signal::Terminate);
    let signaled = Instant::now();
    // The grace period must not start again when a client disconnects.
    for _ in 0..2 {
        if server.process.wait(stage.target.grace.mul_f32(0.6)).is_none() {
            stalled.pop();
        }
    }
    expect_exit_0(&server, limit.saturating_sub(signaled.elapsed()))?;
    if server.events().is_some() {
        expect_grammar(&parse(&server.process.lines())?)?;
    }
    Ok(())
}

/// Expects that the server serves its clients, regardless of the state of its stdout. Each client
/// causes at least one line in the log. A program's output buffer cannot hold the lines of all
/// clients.
fn expect_independence(stage: &Stage, stdout: Stdout, clients: usize) -> Outcome {
    const REPLY_LIMIT: Duration = Duration::from_secs(5);
    const LIMIT: Duration = Duration::from_secs(30);
    stage.write(noise(1000))?;
    let server = stage.start(Start { stdout, ..Start::default() })?;
    let started = Instant::now();
    for number in 1..=clients {
        let client = server.connect()?;
        client.send(b"GET / HTTP/1.1\r\nHost: somebody-with-a-long-name.example\r\n\r\n")?;
        let (got, ending) = client.read_until_end(REPLY_LIMIT);
        client
            .expect_reply(&got, noise(1000), ending)
            .context(format_args!("client {number} of {clients}"))?;
        let (is_in_time, s) = (started.elapsed() < LIMIT, LIMIT.as_secs());
        demand!(is_in_time, "expected {clients} replies within {s} s, got {number}");
    }
    server.expect_alive()?;
    if !Signal::EXIST {
        return Ok(());
    }
    // A server may print its buffered lines only when it exits. A server without a handler for
    // `SIGTERM` does not fail here, because the check `sigterm` tests the handler.
    server.process.signal(Signal::Terminate);
    let status = server.expect_end(stage.target.grace_limit())?;
    let actual = describe_exit(status);
    let is_correct = status.success() || actual.contains("SIGTERM");
    demand!(is_correct, "expected exit code 0 after SIGTERM, got {actual}");
    Ok(())
}
