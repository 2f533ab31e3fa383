//! Tests that the server handles data that a client sends during and after the reply (clauses 5 to
//! 7 of docs/CONTRACT.md).

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serve_core::{Config, ErrorKind, EventKind, EventLog, Server};

use crate::client::{
    BARE, DEADLINE, assert_reply, assert_same, connect_with_small_buffer, random_bytes,
    read_exactly, read_until_end, reset, send, wait_for_reset, while_reading,
};
use crate::running::{Ready, Running, assert_contains, count_named, errors_of, names_of};
use crate::sibling::{Sibling, Test};

const MIB: usize = 1 << 20;

/// The length of a file that fits into the server's send buffer, but not into a client's small
/// receive buffer.
const BUFFERED_BYTES: usize = 100_000;

/// The linger timeout of the tests that wait until it has expired.
const SHORT_LINGER: Duration = Duration::from_millis(300);

/// The tests whose results depend on how the server reads the file.
pub const FILE_TESTS: &[(&str, Test)] = &[
    ("a_client_can_upload_20_mb_before_it_reads", a_client_can_upload_20_mb_before_it_reads),
    ("half_close_still_sends_the_file", half_close_still_sends_the_file),
];

/// The other tests.
pub const TESTS: &[(&str, Test)] = &[
    ("data_is_read_while_the_file_is_sent", data_is_read_while_the_file_is_sent),
    ("data_is_read_from_a_client_that_keeps_up", data_is_read_from_a_client_that_keeps_up),
    (
        "a_flooding_client_neither_fills_the_log_nor_blocks_others",
        a_flooding_client_neither_fills_the_log_nor_blocks_others,
    ),
    (
        "an_unread_request_does_not_truncate_the_reply",
        an_unread_request_does_not_truncate_the_reply,
    ),
    ("data_is_read_until_the_client_closes", data_is_read_until_the_client_closes),
    (
        "an_idle_client_is_closed_after_the_linger_timeout",
        an_idle_client_is_closed_after_the_linger_timeout,
    ),
    (
        "a_client_that_reads_after_the_linger_timeout_gets_the_file",
        a_client_that_reads_after_the_linger_timeout_gets_the_file,
    ),
    (
        "a_half_closed_connection_stays_open_until_everything_is_acknowledged",
        a_half_closed_connection_stays_open_until_everything_is_acknowledged,
    ),
    ("a_reset_ends_the_wait_for_acknowledgments", a_reset_ends_the_wait_for_acknowledgments),
    (
        "a_client_that_stalls_after_the_last_write_is_reset",
        a_client_that_stalls_after_the_last_write_is_reset,
    ),
    (
        "the_linger_timeout_starts_immediately_without_acknowledgment_info",
        the_linger_timeout_starts_immediately_without_acknowledgment_info,
    ),
];

// The following tests cover clause 5 of the contract (reading while sending).

fn data_is_read_while_the_file_is_sent(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |_| {});
    let stream = connect_with_small_buffer(running.addr);
    send(&stream, b"GET / \x1b[2J\r\n");
    running.wait_for(1, "data");
    reset(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    let data = EventKind::Data { conn: 1, bytes: 12, preview: "GET / \\x1b[2J\\r\\n".to_owned() };
    assert_contains(&events, data);
}

/// If a client keeps up with the server, the client's task never waits for the socket. Even then,
/// the task must read the client's data.
fn data_is_read_from_a_client_that_keeps_up(sibling: Sibling) {
    // Sending the file in chunks of one byte takes longer than the deadline of the test.
    let running = Running::start_with_long_file(sibling, |config| {
        config.chunk_bytes = 1;
        config.workers = 1;
    });
    let stream = running.connect();
    assert_eq!(read_exactly(&stream, 1), BARE[..1]);
    send(&stream, b"data");
    while_reading(&stream, || running.wait_for(1, "data"));
    drop(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    assert_eq!(names_of(&events, 1)[..2], ["connected", "data"]);
}

fn a_client_can_upload_20_mb_before_it_reads(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = running.connect();
    let upload = vec![b'u'; 1_000_000];
    for _ in 0..20 {
        send(&stream, &upload);
    }
    assert_reply(&stream, &content);
    drop(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    let disconnected = EventKind::Disconnected {
        conn: 1,
        sent: (8 * MIB + BARE.len()) as u64,
        received: 20_000_000,
    };
    assert_contains(&events, disconnected);
}

fn a_flooding_client_neither_fills_the_log_nor_blocks_others(sibling: Sibling) {
    let content = random_bytes(MIB);
    let running = Running::start_with(sibling, &content, |config| {
        config.workers = 1;
        config.linger_timeout = Duration::from_millis(1500);
    });
    let flooder = running.connect();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            // When the linger timeout expires, the server resets the connection, and this write
            // fails.
            while (&flooder).write(&[b'f'; 50_000]).is_ok() {}
            sender.send(()).unwrap();
        });
        running.wait_for(1, "data");
        running.assert_serves(&content);
        assert_same(&read_exactly(&flooder, BARE.len()), BARE);
        let (rest, _) = read_until_end(&flooder);
        assert_same(&rest, &content);
        receiver
            .recv_timeout(DEADLINE)
            .expect("expected the server to disconnect the flooding client");
    });
    running.wait_for(2, "disconnected");
    let events = running.stop();
    let data_events = names_of(&events, 1).iter().filter(|&&name| name == "data").count() as u64;
    let elapsed_us = events.last().expect("the log contains events").at_us;
    let data_events_max = 2 + 10 * elapsed_us / 1_000_000;
    assert_eq!(errors_of(&events, 1), []);
    assert!(
        data_events <= data_events_max,
        "expected at most {data_events_max} `data` events in {elapsed_us} us, got {data_events}"
    );
}

// The following tests cover clause 6 of the contract (half-close).

fn half_close_still_sends_the_file(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = running.connect();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_reply(&stream, &content);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
}

// The following tests cover clause 7 of the contract (lingering close).

fn an_unread_request_does_not_truncate_the_reply(sibling: Sibling) {
    let content = random_bytes(2_000_000);
    let running = Running::start(sibling, &content);
    let stream = connect_with_small_buffer(running.addr);
    send(&stream, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // An incorrect server closes the connection during this pause.
    thread::sleep(Duration::from_millis(400));
    assert_reply(&stream, &content);
    drop(stream);
    running.stop();
}

fn data_is_read_until_the_client_closes(sibling: Sibling) {
    let content = random_bytes(1000);
    let running = Running::start(sibling, &content);
    let stream = running.connect();
    assert_reply(&stream, &content);
    for _ in 0..3 {
        send(&stream, b"late");
    }
    drop(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    let disconnected = EventKind::Disconnected { conn: 1, sent: 1010, received: 12 };
    assert_contains(&events, disconnected);
    assert_eq!(errors_of(&events, 1), []);
}

fn an_idle_client_is_closed_after_the_linger_timeout(sibling: Sibling) {
    let running = Running::start_with(sibling, b"short", |config| {
        config.linger_timeout = SHORT_LINGER;
    });
    let stream = running.connect();
    assert_reply(&stream, b"short");
    running.wait_for(1, "disconnected");
    drop(stream);
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
    let at = |name| events.iter().find(|event| event.kind.name() == name).unwrap().at_us;
    let lingered_us = at("disconnected") - at("file_ended");
    assert!(
        (300_000..3_000_000).contains(&lingered_us),
        "expected `disconnected` 300000 to 3000000 us after `file_ended`, got {lingered_us} us"
    );
}

/// The kernel has accepted the whole file, but the client has not received it when the linger
/// timeout has passed. If the server closed its socket, the client's data would cause a reset.
fn a_client_that_reads_after_the_linger_timeout_gets_the_file(sibling: Sibling) {
    if !reports_acknowledgments() {
        return;
    }
    let content = random_bytes(BUFFERED_BYTES);
    let running = Running::start_with(sibling, &content, |config| {
        config.linger_timeout = SHORT_LINGER;
    });
    let stream = connect_with_small_buffer(running.addr);
    running.wait_for(1, "file_ended");
    for _ in 0..3 {
        thread::sleep(SHORT_LINGER);
        send(&stream, b"late");
    }
    assert_reply(&stream, &content);
    running.wait_for(1, "disconnected");
    drop(stream);
    assert_eq!(errors_of(&running.stop(), 1), []);
}

fn a_half_closed_connection_stays_open_until_everything_is_acknowledged(sibling: Sibling) {
    if !reports_acknowledgments() {
        return;
    }
    let content = random_bytes(BUFFERED_BYTES);
    let running = Running::start(sibling, &content);
    let stream = connect_with_small_buffer(running.addr);
    stream.shutdown(Shutdown::Write).unwrap();
    running.wait_for(1, "file_ended");
    thread::sleep(SHORT_LINGER);
    assert_eq!(count_named(&running.server.log.events(), "disconnected"), 0);
    assert_reply(&stream, &content);
    running.wait_for(1, "disconnected");
    drop(stream);
    assert_eq!(errors_of(&running.stop(), 1), []);
}

fn a_reset_ends_the_wait_for_acknowledgments(sibling: Sibling) {
    if !reports_acknowledgments() {
        return;
    }
    let running = Running::start_with(sibling, &random_bytes(BUFFERED_BYTES), |config| {
        config.stall_timeout = 2 * DEADLINE;
    });
    let stream = connect_with_small_buffer(running.addr);
    stream.shutdown(Shutdown::Write).unwrap();
    running.wait_for(1, "file_ended");
    reset(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    assert_eq!(errors_of(&events, 1), [ErrorKind::ConnectionReset]);
}

fn a_client_that_stalls_after_the_last_write_is_reset(sibling: Sibling) {
    if !reports_acknowledgments() {
        return;
    }
    let running = Running::start_with(sibling, &random_bytes(BUFFERED_BYTES), |config| {
        config.stall_timeout = Duration::from_secs(1);
        config.linger_timeout = SHORT_LINGER;
    });
    let [open, half_closed] = [(); 2].map(|()| connect_with_small_buffer(running.addr));
    half_closed.shutdown(Shutdown::Write).unwrap();
    running.wait_for(2, "disconnected");
    let events = running.stop();
    for conn in [1, 2] {
        assert_eq!(names_of(&events, conn), ["connected", "file_ended", "error", "disconnected"]);
        assert_eq!(errors_of(&events, conn), [ErrorKind::Stalled]);
    }
    for stream in [open, half_closed] {
        wait_for_reset(&stream);
    }
}

/// Tests the code for macOS and Windows, which do not report acknowledgments.
fn the_linger_timeout_starts_immediately_without_acknowledgment_info(sibling: Sibling) {
    let content = random_bytes(BUFFERED_BYTES);
    let mut ready = Ready::new(&content, |config| config.linger_timeout = SHORT_LINGER);
    ready.server.reports_acknowledgments = false;
    let running = ready.run(sibling);
    let [idle, half_closed] = [(); 2].map(|()| connect_with_small_buffer(running.addr));
    half_closed.shutdown(Shutdown::Write).unwrap();
    running.wait_for(2, "disconnected");
    drop((idle, half_closed));
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
    assert_eq!(names_of(&events, 2), ["connected", "file_ended", "disconnected"]);
}

/// Returns whether the operating system reports acknowledgments.
fn reports_acknowledgments() -> bool {
    Server::new(Config::new("unused"), EventLog::memory()).reports_acknowledgments
}
