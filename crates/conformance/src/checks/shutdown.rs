//! Checks of the shutdown and of stdout (clauses 10 and 11).

use std::net::TcpStream;
use std::process::ExitStatus;

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
        stimulus: "a client reads a part of the large file; the server gets SIGTERM; the client \
                   reads another part; the server gets another SIGTERM 0.3 s later; this is \
                   repeated with SIGINT instead of the first or the second SIGTERM",
        expected: "after the first signal, the server runs and sends data to the client; after the \
                   second signal, the process ends within 1 s",
        hint: "Handle both signals. At the first signal, start the shutdown. At the second signal, \
               even if it is a different one, exit without waiting for the grace period.",
        run: Light(second_signal),
    },
    Check {
        id: "sigterm-finish",
        title: "After SIGTERM, a client that reads gets the rest of the file",
        clause: 10,
        stimulus: "a client reads the whole reply and does not close its socket; three clients \
                   read 100 kB of 4 MiB; the server gets SIGTERM; another client connects; two of \
                   the three clients read the rest; the third client reads the rest late in the \
                   grace period; all clients close their sockets, and the first client is the last \
                   one to do so",
        expected: "the three clients get preamble, file, FIN; the other client is not served; the \
                   server exits with code 0 after the last connection has ended, and not before",
        hint: "Stop accepting immediately, but wait for all open connections until the grace \
               period expires.",
        run: Light(sigterm_finish),
    },
    Check {
        id: "sigterm-disconnect",
        title: "After the grace period, non-reading clients are disconnected",
        clause: 10,
        stimulus: "three clients do not read the large file; the server gets SIGTERM; two of the \
                   clients disconnect, one after the other; if the command contains {grace}, this \
                   is repeated with another grace period",
        expected: "the server exits with code 0 after the grace period (default: 5 s), and not \
                   before; if the server logs JSON events, it logs one disconnected event per \
                   client",
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
               error. Some print functions end the process after a failed write.",
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

/// Describes the end of a process. The description states whether the process ended because it has
/// no handler for `SIGTERM` or `SIGINT`.
fn described_exit(status: ExitStatus) -> String {
    match describe_exit(status) {
        signal if signal.contains("SIGTERM") || signal.contains("SIGINT") => {
            format!("{signal}, which has no handler")
        }
        other => other,
    }
}

fn expect_exit_0(server: &Server, limit: Duration) -> Outcome {
    let status = server.expect_end(limit)?;
    let actual = described_exit(status);
    demand!(status.success(), "expected exit code 0, got {actual}");
    Ok(())
}

fn expect_idle_exit(stage: &Stage, signal: Signal) -> Outcome {
    stage.require_signals()?;
    // An idle server does not wait for the grace period.
    let settings = Settings { grace_s: 10, ..Settings::default() };
    let server = stage.serve_with(settings, noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.process.signal(signal);
    expect_exit_0(&server, IDLE_LIMIT)?;
    let connected = TcpStream::connect_timeout(&server.addr, Duration::from_millis(500));
    let port = server.addr.port();
    demand!(connected.is_err(), "expected no process to listen on port {port}, got a connection");
    Ok(())
}

fn second_signal(stage: &Stage) -> Outcome {
    use Signal::{Interrupt, Terminate};
    stage.require_signals()?;
    stage.set_len(LONG_BYTES)?;
    let pairs = [
        (Terminate, Terminate, "SIGTERM and SIGTERM"),
        (Interrupt, Terminate, "SIGINT and SIGTERM"),
        (Terminate, Interrupt, "SIGTERM and SIGINT"),
    ];
    for_each_value(&pairs, |(first, second, names)| {
        let settings = Settings { grace_s: 10, ..Settings::default() };
        let server = stage.start(Start { settings, ..Start::default() })?;
        let client = server.connect_small()?;
        client.read_exactly(1)?;
        server.process.signal(first);
        // Without this pause, the kernel would deliver two equal signals as one signal.
        if let Some(status) = server.process.wait(Duration::from_millis(300)) {
            let exit = described_exit(status);
            return Err(Stop::fail(format!(
                "expected the server to run until the second signal, got {exit}"
            )));
        }
        // The kernel's buffers hold less data than this, so the server still has to send data.
        client.read_exactly(4 * MIB).context("between the two signals")?;
        server.process.signal(second);
        server.expect_end(Duration::from_secs(1)).context(names).map(drop)
    })
}

fn sigterm_finish(stage: &Stage) -> Outcome {
    stage.require_signals()?;
    let content = noise(4 * MIB);
    let grace_s = stage.target.timeout_values("{grace}", stage.target.grace);
    // On a busy computer, the clients need additional time to read the rest of the file.
    let grace_s = grace_s.into_iter().max().unwrap_or_default() + stage.target.slack.as_secs();
    let settings = Settings { linger_s: 60, grace_s, ..Settings::default() };
    let server = stage.serve_with(settings, content)?;
    // This client has received its whole reply, but the server still drains the connection.
    let connected_at = Instant::now();
    let draining = server.connect()?;
    draining.expect_whole(content)?;
    let connect = || {
        let client = server.connect_small()?;
        let got = client.read_exactly(100_000)?;
        Ok((client, got))
    };
    let clients = (0..2).map(|_| connect()).collect::<Result<Vec<_>, Stop>>()?;
    let (slow, got_by_slow) = connect()?;
    let signaled = Instant::now();
    server.process.signal(Signal::Terminate);
    thread::sleep(Duration::from_millis(300));
    if let Ok(late) = server.connect() {
        let bytes = late.read_until_end(Duration::from_millis(300)).0.len();
        demand!(
            bytes == 0,
            "expected no reply to a client that connected after SIGTERM, got {bytes} bytes"
        );
    }
    for (client, got) in clients {
        client.expect_rest(got, content)?;
    }
    let is_open =
        !draining.is_closed_by_server() || connected_at.elapsed() >= server.timeouts.linger;
    demand!(is_open, "expected the server to drain a connection after SIGTERM, got a reset");
    // If the grace period is too short, the server exits before this client continues to read.
    sleep_until(signaled + server.timeouts.grace.mul_f32(0.6));
    slow.expect_rest(got_by_slow, content)
        .context("a client that reads late in the grace period")?;
    drop(slow);
    // Only the client that has its whole reply is still connected.
    sleep_until(signaled + server.timeouts.grace.mul_f32(EARLY));
    let status = server.process.wait(Duration::ZERO);
    if let Some(status) = status.filter(|_| signaled.elapsed() < server.timeouts.grace) {
        let exit = described_exit(status);
        return Err(Stop::fail(format!(
            "expected the server to run while a client is connected, got {exit}"
        )));
    }
    drop(draining);
    expect_exit_0(&server, server.timeouts.grace_limit().saturating_sub(signaled.elapsed()))
}

fn sigterm_disconnect(stage: &Stage) -> Outcome {
    stage.require_signals()?;
    stage.set_len(LONG_BYTES)?;
    let values = stage.target.timeout_values("{grace}", stage.target.grace);
    for_each_value(&values, |grace_s| {
        let settings = Settings { grace_s, ..Settings::default() };
        let server = stage.start(Start { settings, ..Start::default() })?;
        expect_disconnect(&server).context(format_args!("grace period {grace_s} s"))
    })
}

fn expect_disconnect(server: &Server) -> Outcome {
    let mut stalled = server.connect_non_reading(3)?;
    let signaled = Instant::now();
    server.process.signal(Signal::Terminate);
    let grace = server.timeouts.grace;
    // The grace period must not start again when a client disconnects.
    for fraction in [0.4, EARLY] {
        sleep_until(signaled + grace.mul_f32(fraction));
        let status = server.process.wait(Duration::ZERO);
        // On a busy computer, the grace period may have expired during the pause.
        let elapsed = signaled.elapsed();
        if let Some(status) = status.filter(|_| elapsed < grace) {
            let (exit, ms) = (described_exit(status), elapsed.as_millis());
            return Err(Stop::fail(format!(
                "expected the server to run until the end of the grace period, got {exit}, after \
                 {ms} ms"
            )));
        }
        stalled.pop();
    }
    expect_exit_0(server, server.timeouts.grace_limit().saturating_sub(signaled.elapsed()))?;
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
    let status = server.expect_end(server.timeouts.grace_limit())?;
    let actual = describe_exit(status);
    let is_correct = status.success() || actual.contains("SIGTERM");
    demand!(is_correct, "expected exit code 0 after SIGTERM, got {actual}");
    Ok(())
}
