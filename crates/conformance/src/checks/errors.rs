//! Checks of errors that a server must report or survive (clauses 8 and 9).

use std::fs;

use serde_json::Value;

use super::common::*;
use crate::process::poll;

/// The time limit for a server to report an error.
const REPORT_LIMIT: Duration = Duration::from_secs(2);

pub const CHECKS: &[Check] = &[
    Check {
        id: "error-on-stderr",
        title: "The server reports an error that ends a connection",
        clause: 8,
        stimulus: "a client resets its connection in the middle of the file; then the file is \
                   removed, and another client connects",
        expected: "each time, the server prints at least one line on stderr; if the server logs \
                   JSON events, an error event is sufficient",
        hint: "Do not discard the result of a read or write, or of opening the file. If it is an \
               error, print the error on stderr, and end this connection.",
        run: Light(error_on_stderr),
    },
    Check {
        id: "accept-error",
        title: "An error from accept does not end the server",
        clause: 9,
        stimulus: "a client reads the whole reply; then the system does not allow the server to \
                   open more file descriptors, and ten clients connect; then the system allows \
                   more descriptors again, and another client connects",
        expected: "while the server cannot open descriptors, it runs and uses less than a third of \
                   a core; the last client gets the whole file",
        hint: "If accept fails, do not end the accept loop. Wait for 100 ms and call accept again. \
               Without this pause, the accept loop occupies a core.",
        run: Heavy(accept_error),
    },
];

fn error_on_stderr(stage: &Stage) -> Outcome {
    let server = stage.serve_zeros(LONG_BYTES)?;
    expect_report(&server, "a client reset its connection", || {
        let client = server.connect()?;
        client.read_exactly(server.preamble.len() + 1)?;
        client.reset();
        Ok(())
    })?;
    fs::remove_file(stage.file())?;
    expect_report(&server, "a client connected while the file was missing", || {
        server.connect()?.read_reply();
        Ok(())
    })
}

/// Causes an error and expects that the server reports an error.
fn expect_report(server: &Server, event: &str, cause: impl Fn() -> Outcome) -> Outcome {
    let reported = || {
        let is_error = |event: &&Value| event["event"] == "error";
        let events = server.events().unwrap_or_default();
        server.process.stderr_lines().len() + events.iter().filter(is_error).count()
    };
    let before = reported();
    cause()?;
    let has_reported = poll(REPORT_LIMIT, || (reported() > before).then_some(())).is_some();
    demand!(has_reported, "expected a line on stderr after {event}, got none");
    server.expect_alive()
}

fn accept_error(stage: &Stage) -> Outcome {
    let server = stage.serve(noise(1000))?;
    let before = server.usage(usage::descriptors)?;
    server.expect_whole(noise(1000))?;
    server.settled_descriptors(before)?;
    server.usage(|pids| pids.iter().try_for_each(|&pid| limit_descriptors(pid)))?;
    // A blocked call of `accept` has already reserved a descriptor, so each thread that calls
    // `accept` can still accept one of these clients.
    let clients = server.connect_many(10)?;
    // In this time, a server that pauses for 100 ms after each error makes several attempts.
    thread::sleep(Duration::from_millis(300));
    server.expect_idle(RETRYING_WAKEUPS_MAX)?;
    server.usage(|pids| pids.iter().try_for_each(|&pid| set_descriptor_limit(pid, None)))?;
    drop(clients);
    server.expect_whole(noise(1000)).context("after the lack of descriptors")
}

/// Prevents a process from opening another file descriptor.
fn limit_descriptors(pid: u32) -> Option<()> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let open: Vec<u64> =
        open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // The limit applies to the number of the descriptor, and the kernel uses the first free number.
    set_descriptor_limit(pid, (0..).find(|number| !open.contains(number)))
}

/// Limits the number of open file descriptors of a process. `None` restores the limit of this
/// program.
#[cfg(target_os = "linux")]
fn set_descriptor_limit(pid: u32, limit: Option<u64>) -> Option<()> {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = Rlimit { current: limit.or(current), maximum };
    prlimit(Pid::from_raw(i32::try_from(pid).ok()?), Resource::Nofile, limit).ok().map(drop)
}

#[cfg(not(target_os = "linux"))]
fn set_descriptor_limit(_pid: u32, _limit: Option<u64>) -> Option<()> {
    None
}
