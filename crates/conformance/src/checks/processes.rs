//! What the process does: clauses 10 and 11.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::checks::events::{expect_grammar, parsed};
use crate::content::noise;
use crate::server::{Server, Stage, Start, Stdout, in_words};
use crate::system::{self, Signal};

const MIB: usize = 1 << 20;

/// Many times what the kernel keeps for a client with a small buffer.
const LONG: u64 = 64 << 20;

/// What a limit of seconds may be late on a busy computer.
const SLACK: Duration = Duration::from_secs(4);

pub const CHECKS: &[Check] = &[
    Check {
        id: "sigterm",
        title: "SIGTERM ends an idle server with exit code 0",
        clause: 10,
        stimulus: "a client is served and leaves; then SIGTERM",
        expected: "exit code 0 within 4 s, and nobody listens any more",
        hint: "Handle SIGTERM: stop accepting, let clients finish, exit with 0. Without a handler the \
               signal itself ends the process, which is not exit code 0.",
        is_heavy: false,
        run: sigterm,
    },
    Check {
        id: "sigint",
        title: "SIGINT (Ctrl-C) does the same",
        clause: 10,
        stimulus: "a client is served and leaves; then SIGINT",
        expected: "exit code 0 within 4 s",
        hint: "Handle both signals alike.",
        is_heavy: false,
        run: sigint,
    },
    Check {
        id: "second-signal",
        title: "A second signal ends it at once",
        clause: 10,
        stimulus: "a client takes nothing of a large file; SIGTERM, and 0.3 s later SIGTERM again",
        expected: "the process has ended a second later",
        hint: "Whoever asks twice does not want to wait for the grace.",
        is_heavy: false,
        run: second_signal,
    },
    Check {
        id: "sigterm-finish",
        title: "At SIGTERM a client that reads may finish",
        clause: 10,
        stimulus: "a client has read 100 kB of 8 MiB when SIGTERM comes; it pauses, another comes, it \
                   reads on",
        expected: "the first gets preamble, file, FIN; the other is not served; exit code 0",
        hint: "Stop accepting at once, but wait for the connections that you have.",
        is_heavy: false,
        run: sigterm_finish,
    },
    Check {
        id: "sigterm-cut",
        title: "At SIGTERM a client that does not read is cut off after the grace",
        clause: 10,
        stimulus: "three clients take nothing of a large file when SIGTERM comes; two of them leave, one \
                   after the other",
        expected: "exit code 0 after the grace (5 s unless told); JSON events, if there are any, have \
                   a disconnected for each client",
        hint: "Limit the time that you wait for connections to end, then end them.",
        is_heavy: false,
        run: sigterm_cut,
    },
    Check {
        id: "closed-stdout",
        title: "A closed stdout stops nothing",
        clause: 11,
        stimulus: "whoever read the server's stdout has gone; 300 clients come, with requests",
        expected: "each gets the whole file; SIGTERM ends it, and not by an error",
        hint: "Printing to a closed pipe fails, or ends the process (SIGPIPE, println! in Rust): \
               ignore the failure.",
        is_heavy: false,
        run: closed_stdout,
    },
    Check {
        id: "unread-stdout",
        title: "A stdout that nobody reads holds up nobody",
        clause: 11,
        stimulus: "the server's stdout is a pipe that nobody reads; 1,000 clients come, with requests",
        expected: "each gets the whole file; SIGTERM ends it, and not by an error",
        hint: "A full pipe makes printing wait, and whoever prints waits with it: give the lines to a \
               queue of limited length, and count what does not fit.",
        is_heavy: true,
        run: unread_stdout,
    },
];

fn needs_signals() -> Outcome {
    if system::HAS_SIGNALS {
        return Ok(());
    }
    Err(Stop::not_applicable("this system has no SIGTERM"))
}

fn expect_exit_0(server: &Server, timeout: Duration) -> Outcome {
    let Some(status) = server.wait(timeout) else {
        return Err(Stop::fail(format!("{} s after the signal it still runs", timeout.as_secs())));
    };
    demand!(status.success(), "it ended with {}", in_words(status));
    Ok(())
}

fn sigterm(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.signal(Signal::Terminate);
    expect_exit_0(&server, SLACK)?;
    let still = std::net::TcpStream::connect_timeout(&server.addr, Duration::from_millis(500));
    demand!(still.is_err(), "its process has ended, but somebody still listens on its port");
    Ok(())
}

fn sigint(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve(noise(1000))?;
    server.expect_whole(noise(1000))?;
    server.signal(Signal::Interrupt);
    expect_exit_0(&server, SLACK)
}

fn second_signal(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve_zeros(LONG)?;
    let stalled = server.connect_small()?;
    stalled.read_exactly(1)?;
    server.signal(Signal::Terminate);
    // The pause is the stimulus: two signals at the same time would be one.
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::Terminate);
    let has_ended = server.wait(Duration::from_secs(1)).is_some();
    demand!(has_ended, "a second after the second signal it still runs");
    Ok(())
}

fn sigterm_finish(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve(noise(8 * MIB))?;
    let client = server.connect_small()?;
    let mut got = client.read_exactly(100_000)?;
    server.signal(Signal::Terminate);
    // The pause is the stimulus: half of the grace, in which a hasty server would end.
    thread::sleep(stage.target.grace / 2);
    if let Ok(late) = server.connect() {
        let (bytes, _) = late.read_until_end(Duration::from_millis(300));
        demand!(bytes.is_empty(), "a client that came after SIGTERM was served");
    }
    let (rest, ending) = client.read_until_end(stage.target.grace + SLACK);
    got.extend(rest);
    client.expect_reply(&got, noise(8 * MIB), ending)?;
    drop(client);
    expect_exit_0(&server, stage.target.grace + SLACK)
}

fn sigterm_cut(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let mut server = stage.serve_zeros(LONG)?;
    let mut stalled: Vec<_> = (0..3).map(|_| server.connect_small()).collect::<Result<_, _>>()?;
    for client in &stalled {
        client.read_exactly(1)?;
    }
    let limit = stage.target.grace + SLACK;
    server.signal(Signal::Terminate);
    let signalled = Instant::now();
    // The grace is one for all: it does not begin anew with each that leaves.
    let mut has_ended = false;
    while !has_ended && stalled.len() > 1 {
        has_ended = server.wait(stage.target.grace.mul_f32(0.6)).is_some();
        stalled.pop();
    }
    if !has_ended {
        has_ended = server.wait(limit.saturating_sub(signalled.elapsed())).is_some();
    }
    demand!(has_ended, "{} s after the signal it still runs", limit.as_secs());
    expect_exit_0(&server, Duration::ZERO)?;
    if server.events().is_some() {
        expect_grammar(&parsed(&server.all_lines_if_ended())?)?;
    }
    Ok(())
}

fn closed_stdout(stage: &Stage<'_>) -> Outcome {
    stdout_is_no_matter(stage, Stdout::Closed, 300)
}

fn unread_stdout(stage: &Stage<'_>) -> Outcome {
    stdout_is_no_matter(stage, Stdout::Unread, 1000)
}

/// So many clients, each with something to log: more than a program buffers by itself.
fn stdout_is_no_matter(stage: &Stage<'_>, stdout: Stdout, clients: usize) -> Outcome {
    const ALL_TIMEOUT: Duration = Duration::from_secs(30);
    stage.write(noise(1000))?;
    let server = stage.start(Start { stdout, ..Start::default() })?;
    let started = Instant::now();
    for index in 1..=clients {
        let client = server.connect()?;
        client.send(b"GET / HTTP/1.1\r\nHost: somebody-with-a-long-name.example\r\n\r\n")?;
        let (got, ending) = client.read_until_end(Duration::from_secs(5));
        client.expect_reply(&got, noise(1000), ending).map_err(|stop| match stop {
            Stop::Fail(actual) => Stop::fail(format!("client {index}: {actual}")),
            other => other,
        })?;
        let took = started.elapsed();
        demand!(took < ALL_TIMEOUT, "{index} small files took {} s", took.as_secs());
    }
    server.expect_alive()?;
    if !system::HAS_SIGNALS {
        return Ok(());
    }
    // What is still buffered is printed at the end. That a server does not handle SIGTERM at all is
    // the matter of another check.
    server.signal(Signal::Terminate);
    match server.wait(stage.target.grace + SLACK) {
        None => Err(Stop::fail("every client was served, but at SIGTERM it does not end")),
        Some(status) if status.success() || in_words(status).contains("SIGTERM") => Ok(()),
        Some(status) => Err(Stop::fail(format!("at SIGTERM it ended with {}", in_words(status)))),
    }
}
