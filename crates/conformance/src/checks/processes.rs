//! What the process does: clauses 10 and 11.

use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{Check, Outcome, Stop, demand};
use crate::client::Ending;
use crate::content::noise;
use crate::server::{Server, Stage, Start, Stdout};
use crate::system::{self, Signal};

const MIB: usize = 1 << 20;

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
        alone: false,
        run: sigterm,
    },
    Check {
        id: "sigterm-finish",
        title: "At SIGTERM a client that reads may finish",
        clause: 10,
        stimulus: "a client has read 100 kB of 8 MiB when SIGTERM comes; it reads on",
        expected: "preamble, file, FIN; then exit code 0",
        hint: "Stop accepting at once, but wait for the connections that you have.",
        alone: false,
        run: sigterm_finish,
    },
    Check {
        id: "sigterm-cut",
        title: "At SIGTERM a client that does not read is cut off after the grace",
        clause: 10,
        stimulus: "a client takes nothing of a large file when SIGTERM comes",
        expected: "exit code 0 after the grace (5 s unless told)",
        hint: "Limit the time that you wait for connections to end, then end them.",
        alone: false,
        run: sigterm_cut,
    },
    Check {
        id: "closed-stdout",
        title: "A closed stdout stops nothing",
        clause: 11,
        stimulus: "whoever read the server's stdout has gone; 20 clients come",
        expected: "each gets the whole file",
        hint: "Printing to a closed pipe fails, or ends the process (SIGPIPE, println! in Rust): \
               ignore the failure.",
        alone: false,
        run: closed_stdout,
    },
    Check {
        id: "unread-stdout",
        title: "A stdout that nobody reads holds up nobody",
        clause: 11,
        stimulus: "the server's stdout is a pipe that nobody reads; 1,000 clients come, with requests",
        expected: "each gets the whole file",
        hint: "A full pipe makes printing wait, and whoever prints waits with it: give the lines to a \
               queue of limited length, and count what does not fit.",
        alone: true,
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
        return Err(Stop::fell(format!("{timeout:?} after SIGTERM it still runs")));
    };
    demand!(status.success(), "it ended with {}", in_words(status));
    Ok(())
}

fn in_words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}: it does not handle SIGTERM");
    }
    status.to_string()
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

fn sigterm_finish(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve(noise(8 * MIB))?;
    let client = server.connect_small()?;
    let mut got = client.read_exactly(100_000)?;
    server.signal(Signal::Terminate);
    // The pause is the stimulus: time for a server that ends at once to do so.
    thread::sleep(Duration::from_millis(300));
    let (rest, ending) = client.read_until_end(stage.target.grace + SLACK);
    got.extend(rest);
    client.expect_reply(&got, noise(8 * MIB), ending)?;
    drop(client);
    expect_exit_0(&server, stage.target.grace + SLACK)
}

fn sigterm_cut(stage: &Stage<'_>) -> Outcome {
    needs_signals()?;
    let server = stage.serve_zeros(64 << 20)?;
    let stalled = server.connect_small()?;
    stalled.read_exactly(1)?;
    server.signal(Signal::Terminate);
    expect_exit_0(&server, stage.target.grace + SLACK)?;
    drop(stalled);
    Ok(())
}

fn closed_stdout(stage: &Stage<'_>) -> Outcome {
    stage.write(noise(100_000))?;
    let server = stage.start(Start { stdout: Stdout::Closed, ..Start::default() })?;
    for _ in 0..20 {
        server.expect_whole(noise(100_000))?;
    }
    server.expect_alive()
}

fn unread_stdout(stage: &Stage<'_>) -> Outcome {
    stage.write(noise(1000))?;
    let server = stage.start(Start { stdout: Stdout::Unread, ..Start::default() })?;
    let started = Instant::now();
    for index in 0..1000 {
        let client = server.connect()?;
        client.send(b"GET / HTTP/1.1\r\nHost: somebody-with-a-long-name.example\r\n\r\n")?;
        let (got, ending) = client.read_until_end(Duration::from_secs(5));
        if ending == Ending::Fin {
            client.expect_reply(&got, noise(1000), ending)?;
        } else {
            let bytes = got.len();
            return Err(Stop::fell(format!("client {index} got {bytes} bytes, then {ending}")));
        }
    }
    let took = started.elapsed();
    demand!(took < Duration::from_secs(20), "1,000 small files took {took:.0?}");
    Ok(())
}
