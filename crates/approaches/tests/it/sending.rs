//! Tests of the preamble, the chunks and the length of the file in a reply (clauses 2 to 4 and 12
//! of docs/CONTRACT.md).

use std::fs;

use serve_core::{ErrorKind, Event, EventKind, Preamble};

use crate::client::{
    BARE, assert_reply, assert_same, connect_with_small_buffer, random_bytes, read_exactly,
    read_until_end, read_whole, send,
};
use crate::running::{LONG_FILE_BYTES, Running, assert_contains, errors_of, names_of};
use crate::sibling::{Sibling, Test};

const MIB: usize = 1 << 20;

/// The tests whose results depend on how the server reads the file.
pub const FILE_TESTS: &[(&str, Test)] = &[
    ("the_file_is_opened_for_each_client", the_file_is_opened_for_each_client),
    (
        "sizes_around_the_chunk_size_are_sent_completely",
        sizes_around_the_chunk_size_are_sent_completely,
    ),
    ("a_file_is_sent_in_chunks_of_one_byte", a_file_is_sent_in_chunks_of_one_byte),
    ("a_chunk_of_1_gib_is_sent_in_pieces", a_chunk_of_1_gib_is_sent_in_pieces),
    (
        "a_growing_file_is_sent_with_its_original_length",
        a_growing_file_is_sent_with_its_original_length,
    ),
    ("a_shrinking_file_ends_with_an_error", a_shrinking_file_ends_with_an_error),
    ("a_replaced_file_is_sent_as_it_was_opened", a_replaced_file_is_sent_as_it_was_opened),
    #[cfg(target_os = "linux")]
    ("a_file_that_cannot_be_read_is_an_error", a_file_that_cannot_be_read_is_an_error),
];

/// The other tests.
pub const TESTS: &[(&str, Test)] = &[
    ("a_silent_client_is_served_immediately", a_silent_client_is_served_immediately),
    ("the_http_and_none_preambles_are_exact", the_http_and_none_preambles_are_exact),
    ("a_request_does_not_select_a_file", a_request_does_not_select_a_file),
];

// The following tests cover clause 2 of the contract (immediate reply).

fn a_silent_client_is_served_immediately(sibling: Sibling) {
    let content = random_bytes(100_000);
    let running = Running::start(sibling, &content);
    running.assert_serves(&content);
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
    let disconnected = EventKind::Disconnected { conn: 1, sent: 100_010, received: 0 };
    assert_contains(&events, disconnected);
}

fn the_file_is_opened_for_each_client(sibling: Sibling) {
    let running = Running::start(sibling, b"first");
    running.assert_serves(b"first");
    fs::write(running.path(), b"second").unwrap();
    running.assert_serves(b"second");
    running.stop();
}

fn the_http_and_none_preambles_are_exact(sibling: Sibling) {
    let content = random_bytes(70_000);
    let header = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
                  Content-Length: 70000\r\nConnection: close\r\n\r\n";
    for (preamble, expected) in [(Preamble::Http, header), (Preamble::None, "")] {
        let running = Running::start_with(sibling, &content, |config| config.preamble = preamble);
        let got = read_whole(&running.connect());
        assert_same(&got, &[expected.as_bytes(), &content].concat());
        running.stop();
    }
}

// The following tests cover clause 3 of the contract (chunks).

fn sizes_around_the_chunk_size_are_sent_completely(sibling: Sibling) {
    const CHUNK: usize = 4096;
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
        let content = random_bytes(size);
        let running = Running::start_with(sibling, &content, |config| {
            config.chunk_bytes = CHUNK;
            config.log_chunks = true;
        });
        running.assert_serves(&content);
        let events = running.stop();
        let chunks = chunk_sizes(&events);
        assert!(chunks.iter().all(|&bytes| (1..=CHUNK as u64).contains(&bytes)), "{chunks:?}");
        assert_eq!(chunks.iter().sum::<u64>(), size as u64);
        let file_ended = EventKind::FileEnded { conn: 1, bytes: size as u64 };
        assert_contains(&events, file_ended);
    }
}

fn a_file_is_sent_in_chunks_of_one_byte(sibling: Sibling) {
    let content = random_bytes(2000);
    let running = Running::start_with(sibling, &content, |config| {
        config.chunk_bytes = 1;
        config.log_chunks = true;
    });
    running.assert_serves(&content);
    assert_eq!(chunk_sizes(&running.stop()), [1; 2000]);
}

fn a_chunk_of_1_gib_is_sent_in_pieces(sibling: Sibling) {
    let content = random_bytes(3 * MIB);
    let running = Running::start_with(sibling, &content, |config| {
        config.chunk_bytes = 1 << 30;
        config.log_chunks = true;
    });
    running.assert_serves(&content);
    assert_eq!(
        chunk_sizes(&running.stop()),
        [3 * MIB as u64],
        "expected one event for the whole chunk"
    );
}

fn chunk_sizes(events: &[Event]) -> Vec<u64> {
    let sizes = events.iter().filter_map(|event| match event.kind {
        EventKind::Chunk { bytes, .. } => Some(bytes),
        _ => None,
    });
    sizes.collect()
}

// The following tests cover clause 4 of the contract (length).

fn a_growing_file_is_sent_with_its_original_length(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |_| {});
    let stream = running.connect();
    read_exactly(&stream, BARE.len() + 1);
    running.set_file_length(LONG_FILE_BYTES + 1_000_000);
    let rest = read_whole(&stream);
    assert_eq!(rest.len() as u64, LONG_FILE_BYTES - 1);
    drop(stream);
    running.stop();
}

fn a_shrinking_file_ends_with_an_error(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, |_| {});
    let stream = running.connect();
    read_exactly(&stream, BARE.len() + 1);
    running.set_file_length(LONG_FILE_BYTES / 2);
    let (rest, _) = read_until_end(&stream);
    let bytes_max = LONG_FILE_BYTES as usize / 2;
    assert!(rest.len() <= bytes_max, "expected at most {bytes_max} bytes, got {}", rest.len());
    running.wait_for(1, "disconnected");
    running.set_file_length(5);
    running.assert_serves(&[0; 5]);
    let events = running.stop();
    assert_eq!(errors_of(&events, 1), [ErrorKind::FileShrank]);
    assert_eq!(names_of(&events, 1), ["connected", "error", "disconnected"]);
}

fn a_replaced_file_is_sent_as_it_was_opened(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = connect_with_small_buffer(running.addr);
    let mut received = read_exactly(&stream, BARE.len() + 1);
    let replacement = running.path().with_file_name("replacement");
    fs::write(&replacement, b"replacement").unwrap();
    fs::rename(&replacement, running.path()).unwrap();
    received.extend(read_whole(&stream));
    assert_same(&received, &[BARE, &content].concat());
    drop(stream);
    running.assert_serves(b"replacement");
    running.stop();
}

/// Serves a file in `/sys`, for which the kernel reports a length of 4,096 bytes. Every read of the
/// file fails, as if the disk were defective.
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_read_is_an_error(sibling: Sibling) {
    const UNREADABLE: &str = "/sys/class/net/lo/speed";
    assert!(fs::read(UNREADABLE).is_err() && fs::metadata(UNREADABLE).unwrap().len() > 0);
    let running = Running::start_with(sibling, b"", |config| config.file = UNREADABLE.into());
    let (received, _) = read_until_end(&running.connect());
    assert_same(&received, BARE);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    assert_eq!(errors_of(&events, 1), [ErrorKind::Io]);
    assert_eq!(names_of(&events, 1), ["connected", "error", "disconnected"]);
}

// The following tests cover clause 12 of the contract (the server sends only the configured file).

fn a_request_does_not_select_a_file(sibling: Sibling) {
    let running = Running::start(sibling, b"the one file");
    fs::write(running.path().with_file_name("secret"), b"secret").unwrap();
    for request in ["GET /secret HTTP/1.1\r\n\r\n", "GET /../secret HTTP/1.1\r\n\r\n"] {
        let stream = running.connect();
        send(&stream, request.as_bytes());
        assert_reply(&stream, b"the one file");
    }
    running.stop();
}
