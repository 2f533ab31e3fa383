//! Tests that an error on one connection does not affect the server or other connections (clause 8
//! of docs/CONTRACT.md).

use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serve_core::{ErrorKind, Preamble};

use crate::client::{
    BARE, DEADLINE, assert_same, connect_with_small_buffer, read_exactly, read_whole, reset, send,
    wait_for_reset,
};
use crate::running::{LONG_FILE_BYTES, Ready, Running, count_named, errors_of, names_of};
#[cfg(target_os = "linux")]
use crate::sibling::SendMode;
use crate::sibling::{Sibling, Test};

/// The tests whose results depend on how the server reads the file.
pub const FILE_TESTS: &[(&str, Test)] = &[
    ("a_missing_file_is_an_error_and_http_404", a_missing_file_is_an_error_and_http_404),
    ("a_stalled_client_is_reset", a_stalled_client_is_reset),
    ("a_slow_client_is_not_disconnected", a_slow_client_is_not_disconnected),
    #[cfg(target_os = "linux")]
    ("a_timeout_of_the_kernel_is_an_error", a_timeout_of_the_kernel_is_an_error),
];

/// The other tests.
pub const TESTS: &[(&str, Test)] = &[
    (
        "resets_and_early_closes_end_only_their_connections",
        resets_and_early_closes_end_only_their_connections,
    ),
    (
        "a_stalled_client_is_reset_without_acknowledgment_info",
        a_stalled_client_is_reset_without_acknowledgment_info,
    ),
    ("a_flooding_client_that_never_reads_is_reset", a_flooding_client_that_never_reads_is_reset),
];

fn resets_and_early_closes_end_only_their_connections(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |_| {});
    for index in 0..50 {
        let stream = running.connect();
        if index % 2 == 0 {
            read_exactly(&stream, BARE.len());
        }
        reset(stream);
        let stream = running.connect();
        if index % 2 == 0 {
            read_exactly(&stream, BARE.len());
        }
        drop(stream);
    }
    running.wait_for(100, "disconnected");
    fs::write(running.path(), b"alive").unwrap();
    running.assert_serves(b"alive");
    let events = running.stop();
    assert_eq!(count_named(&events, "disconnected"), 101);
}

fn a_missing_file_is_an_error_and_http_404(sibling: Sibling) {
    for preamble in [Preamble::Bare, Preamble::Http, Preamble::None] {
        let running = Running::start_with(sibling, b"", |config| config.preamble = preamble);
        fs::remove_file(running.path()).unwrap();
        let stream = running.connect();
        send(&stream, b"an unread request");
        let got = read_whole(&stream);
        send(&stream, b"a late request");
        drop(stream);
        let expected: &[u8] = match preamble {
            Preamble::Bare => BARE,
            Preamble::Http => {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
            Preamble::None => b"",
        };
        assert_same(&got, expected);
        running.wait_for(1, "disconnected");
        fs::write(running.path(), b"back").unwrap();
        assert!(read_whole(&running.connect()).ends_with(b"back"));
        let events = running.stop();
        assert_eq!(errors_of(&events, 1), [ErrorKind::NotFound]);
    }
}

fn a_stalled_client_is_reset(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |config| {
        config.stall_timeout = Duration::from_secs(1);
    });
    assert_reset_when_stalled(running);
}

/// Tests the code for macOS and Windows, which do not report acknowledgments.
fn a_stalled_client_is_reset_without_acknowledgment_info(sibling: Sibling) {
    let mut ready = Ready::new(b"", |config| config.stall_timeout = Duration::from_secs(1));
    ready.server.reports_acknowledgments = false;
    let running = ready.run(sibling);
    running.set_file_length(LONG_FILE_BYTES);
    assert_reset_when_stalled(running);
}

fn assert_reset_when_stalled(running: Running) {
    let started = Instant::now();
    let stream = connect_with_small_buffer(running.addr);
    running.wait_for(1, "disconnected");
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(900),
        "expected a reset after at least 900 ms, got a reset after {took:?}"
    );
    wait_for_reset(&stream);
    let events = running.stop();
    assert_eq!(errors_of(&events, 1), [ErrorKind::Stalled]);
    assert_eq!(names_of(&events, 1), ["connected", "error", "disconnected"]);
}

/// Makes the kernel end the connection to a non-reading client (`TCP_USER_TIMEOUT`), as if the
/// client's machine did not answer.
#[cfg(target_os = "linux")]
fn a_timeout_of_the_kernel_is_an_error(sibling: Sibling) {
    let ready = Ready::new(&[0; 8 << 20], |_| {});
    // The sockets that `accept` returns inherit the option.
    ready.set_kernel_timeout(Duration::from_millis(500));
    let running = ready.run(sibling);
    let stream = connect_with_small_buffer(running.addr);
    running.wait_for(1, "disconnected");
    drop(stream);
    let events = running.stop();
    let errors = errors_of(&events, 1);
    // If a blocking `sendfile` has sent a part of its bytes, it returns the number of these bytes,
    // and the kernel discards the error. The next call fails with `EPIPE`.
    let is_lost = !sibling.approach.has_workers && sibling.mode == SendMode::ZeroCopy;
    if !is_lost || errors != [ErrorKind::ConnectionReset] {
        assert_eq!(errors, [ErrorKind::TimedOut]);
    }
    assert_eq!(names_of(&events, 1), ["connected", "error", "disconnected"]);
}

fn a_flooding_client_that_never_reads_is_reset(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |config| {
        config.stall_timeout = Duration::from_secs(1);
    });
    let mut stream = running.connect();
    let started = Instant::now();
    while stream.write(&[b'f'; 50_000]).is_ok() {
        assert!(started.elapsed() < DEADLINE, "expected a write to fail within {DEADLINE:?}");
    }
    running.wait_for(1, "disconnected");
    assert_eq!(errors_of(&running.stop(), 1), [ErrorKind::Stalled]);
}

fn a_slow_client_is_not_disconnected(sibling: Sibling) {
    const BYTES: u64 = 4 << 20;
    let running = Running::start_with(sibling, b"", |config| {
        config.stall_timeout = Duration::from_secs(1);
    });
    running.set_file_length(BYTES);
    let stream = connect_with_small_buffer(running.addr);
    let started = Instant::now();
    let mut remaining = BYTES as usize + BARE.len();
    while remaining > 0 {
        // The client reads slowly for three times the stall timeout, and then reads fast. While the
        // client reads slowly, its receive window never opens as far as the kernel's
        // `TCP_USER_TIMEOUT` requires.
        let is_slow = started.elapsed() < Duration::from_secs(3);
        if is_slow {
            thread::sleep(Duration::from_millis(100));
        }
        let count = if is_slow { remaining.min(2000) } else { remaining };
        read_exactly(&stream, count);
        remaining -= count;
    }
    drop(stream);
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
}
