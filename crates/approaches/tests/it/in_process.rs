//! Tests of what every sibling does, in the order of the clauses of docs/CONTRACT.md.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serve_core::{ErrorKind, Event, EventKind, Preamble};

use crate::client::{
    BARE, DEADLINE, assert_same, connect, connect_with_small_buffer, random_bytes, read_exactly,
    read_until_end, read_whole, reset, send,
};
use crate::running::{Ready, Running, count_named, format_events, names_of};
use crate::{Check, Sibling};

const MIB: usize = 1 << 20;

/// The length of a file that does not fit into the socket buffers, in bytes. The server must wait
/// for the client before it can send the whole file.
const LONG_FILE_BYTES: u64 = 64 << 20;

/// The tests that depend on how the file is read.
pub const FILE_CHECKS: &[(&str, Check)] = &[
    ("the_file_is_opened_for_each_client", the_file_is_opened_for_each_client),
    (
        "sizes_around_the_chunk_size_are_sent_completely",
        sizes_around_the_chunk_size_are_sent_completely,
    ),
    ("chunks_of_one_byte", chunks_of_one_byte),
    ("a_chunk_of_1_gib_is_sent_in_pieces", a_chunk_of_1_gib_is_sent_in_pieces),
    ("a_replaced_file_is_sent_as_it_was_opened", a_replaced_file_is_sent_as_it_was_opened),
    #[cfg(target_os = "linux")]
    ("a_file_that_cannot_be_read_is_an_error", a_file_that_cannot_be_read_is_an_error),
    (
        "a_growing_file_is_sent_with_its_original_length",
        a_growing_file_is_sent_with_its_original_length,
    ),
    ("a_shrinking_file_ends_with_an_error", a_shrinking_file_ends_with_an_error),
    ("a_client_can_upload_20_mb_before_it_reads", a_client_can_upload_20_mb_before_it_reads),
    ("half_close_still_sends_the_file", half_close_still_sends_the_file),
    ("a_missing_file_is_an_error_and_http_404", a_missing_file_is_an_error_and_http_404),
    ("a_stalled_client_is_reset", a_stalled_client_is_reset),
    ("a_slow_client_is_not_disconnected", a_slow_client_is_not_disconnected),
    ("no_client_waits_for_a_non_reading_client", no_client_waits_for_a_non_reading_client),
    (
        "shutdown_disconnects_clients_after_the_grace_period",
        shutdown_disconnects_clients_after_the_grace_period,
    ),
];

/// The other tests.
pub const CHECKS: &[(&str, Check)] = &[
    ("a_silent_client_is_served_immediately", a_silent_client_is_served_immediately),
    ("http_preamble_and_no_preamble", http_preamble_and_no_preamble),
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
    ("fifty_resets_and_fifty_early_closes", fifty_resets_and_fifty_early_closes),
    (
        "a_stalled_client_is_reset_without_acknowledgement_info",
        a_stalled_client_is_reset_without_acknowledgement_info,
    ),
    ("a_flooding_client_that_never_reads_is_reset", a_flooding_client_that_never_reads_is_reset),
    ("a_reset_before_accept_is_ignored", a_reset_before_accept_is_ignored),
    ("no_client_waits_for_a_client_that_keeps_up", no_client_waits_for_a_client_that_keeps_up),
    ("clients_beyond_the_connection_limit_wait", clients_beyond_the_connection_limit_wait),
    ("shutdown_lets_clients_finish", shutdown_lets_clients_finish),
    ("shutdown_resets_waiting_connections", shutdown_resets_waiting_connections),
    ("a_request_does_not_select_a_file", a_request_does_not_select_a_file),
];

// Clause 2: immediate reply.

fn a_silent_client_is_served_immediately(sibling: Sibling) {
    let content = random_bytes(100_000);
    let running = Running::start(sibling, &content);
    running.assert_serves(&content);
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
    let disconnected = EventKind::Disconnected { conn: 1, sent: 100_010, received: 0 };
    assert!(events.iter().any(|event| event.kind == disconnected), "{}", format_events(&events));
}

fn the_file_is_opened_for_each_client(sibling: Sibling) {
    let running = Running::start(sibling, b"first");
    running.assert_serves(b"first");
    fs::write(running.path(), b"second").unwrap();
    running.assert_serves(b"second");
    running.stop();
}

// Clause 3: chunks.

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
        assert!(events.iter().any(|event| event.kind == file_ended), "{}", format_events(&events));
    }
}

fn chunks_of_one_byte(sibling: Sibling) {
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

fn http_preamble_and_no_preamble(sibling: Sibling) {
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

// Clause 4: length.

fn a_growing_file_is_sent_with_its_original_length(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |_| {});
    let stream = connect_with_small_buffer(running.addr);
    read_exactly(&stream, BARE.len() + 1);
    let file = OpenOptions::new().write(true).open(running.path()).unwrap();
    file.set_len(LONG_FILE_BYTES + 1_000_000).unwrap();
    let rest = read_whole(&stream);
    assert_eq!(rest.len() as u64, LONG_FILE_BYTES - 1);
    drop(stream);
    running.stop();
}

fn a_shrinking_file_ends_with_an_error(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |_| {});
    let stream = connect_with_small_buffer(running.addr);
    read_exactly(&stream, BARE.len() + 1);
    let file = OpenOptions::new().write(true).open(running.path()).unwrap();
    file.set_len(LONG_FILE_BYTES / 2).unwrap();
    let (rest, _) = read_until_end(&stream);
    let bytes_max = LONG_FILE_BYTES as usize / 2;
    assert!(rest.len() <= bytes_max, "expected at most {bytes_max} bytes, got {}", rest.len());
    running.wait_for(1, "disconnected");
    file.set_len(5).unwrap();
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

/// The kernel lists this file with a length of 4,096 bytes, but every read of it fails. It
/// simulates a disk that fails.
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

fn errors_of(events: &[Event], of_conn: u64) -> Vec<ErrorKind> {
    let kinds = events.iter().filter_map(|event| match event.kind {
        EventKind::Error { conn: Some(conn), kind, .. } if conn == of_conn => Some(kind),
        _ => None,
    });
    kinds.collect()
}

// Clause 5: reading while sending.

fn data_is_read_while_the_file_is_sent(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |_| {});
    let stream = connect_with_small_buffer(running.addr);
    send(&stream, b"GET / \x1b[2J\r\n");
    running.wait_for(1, "data");
    reset(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    let data = EventKind::Data { conn: 1, bytes: 12, preview: "GET / \\x1b[2J\\r\\n".to_owned() };
    assert!(events.iter().any(|event| event.kind == data), "{}", format_events(&events));
}

/// If a client keeps up with the server, its task never waits for the socket. The task must read
/// nevertheless.
fn data_is_read_from_a_client_that_keeps_up(sibling: Sibling) {
    let content = random_bytes(300_000);
    let running = Running::start_with(sibling, &content, |config| {
        config.chunk_bytes = 1;
        config.workers = 1;
    });
    let stream = running.connect();
    send(&stream, b"data");
    assert_same(&read_whole(&stream), &[BARE, &content].concat());
    drop(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "data", "file_ended", "disconnected"]);
}

fn a_client_can_upload_20_mb_before_it_reads(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = running.connect();
    let upload = vec![b'u'; 1_000_000];
    for _ in 0..20 {
        send(&stream, &upload);
    }
    assert_same(&read_whole(&stream), &[BARE, &content].concat());
    drop(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    let disconnected = EventKind::Disconnected {
        conn: 1,
        sent: (8 * MIB + BARE.len()) as u64,
        received: 20_000_000,
    };
    assert!(events.iter().any(|event| event.kind == disconnected), "{}", format_events(&events));
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
            // The write fails after the linger timeout, when the server resets the connection.
            while (&flooder).write(&[b'f'; 50_000]).is_ok() {}
            sender.send(()).unwrap();
        });
        running.wait_for(1, "data");
        running.assert_serves(&content);
        assert_same(&read_exactly(&flooder, BARE.len()), BARE);
        let (rest, _) = read_until_end(&flooder);
        assert_same(&rest, &content);
        receiver.recv_timeout(DEADLINE).expect("the server disconnects the flooding client");
    });
    running.wait_for(2, "disconnected");
    let events = running.stop();
    let data_events = names_of(&events, 1).iter().filter(|&&name| name == "data").count() as u64;
    let elapsed_us = events.last().expect("the log has events").at_us;
    let data_events_max = 2 + 10 * elapsed_us / 1_000_000;
    assert_eq!(errors_of(&events, 1), []);
    assert!(
        data_events <= data_events_max,
        "expected at most {data_events_max} events `data` in {elapsed_us} us, got {data_events}"
    );
}

// Clause 6: half-close.

fn half_close_still_sends_the_file(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = running.connect();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_same(&read_whole(&stream), &[BARE, &content].concat());
    running.wait_for(1, "disconnected");
    let events = running.stop();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
}

// Clause 7: lingering close.

fn an_unread_request_does_not_truncate_the_reply(sibling: Sibling) {
    let content = random_bytes(2_000_000);
    let running = Running::start(sibling, &content);
    let stream = connect_with_small_buffer(running.addr);
    send(&stream, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // An incorrect server closes the connection during this pause.
    thread::sleep(Duration::from_millis(400));
    assert_same(&read_whole(&stream), &[BARE, &content].concat());
    drop(stream);
    running.stop();
}

fn data_is_read_until_the_client_closes(sibling: Sibling) {
    let content = random_bytes(1000);
    let running = Running::start(sibling, &content);
    let stream = running.connect();
    assert_same(&read_whole(&stream), &[BARE, &content].concat());
    for _ in 0..3 {
        send(&stream, b"late");
    }
    drop(stream);
    running.wait_for(1, "disconnected");
    let events = running.stop();
    let disconnected = EventKind::Disconnected { conn: 1, sent: 1010, received: 12 };
    assert!(events.iter().any(|event| event.kind == disconnected), "{}", format_events(&events));
    assert_eq!(errors_of(&events, 1), []);
}

fn an_idle_client_is_closed_after_the_linger_timeout(sibling: Sibling) {
    let running = Running::start_with(sibling, b"short", |config| {
        config.linger_timeout = Duration::from_millis(300);
    });
    let stream = running.connect();
    assert_same(&read_whole(&stream), &[BARE, b"short"].concat());
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

// Clause 8: errors end one connection.

fn fifty_resets_and_fifty_early_closes(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |_| {});
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
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |config| {
        config.stall_timeout = Duration::from_secs(1);
    });
    assert_reset_when_stalled(running);
}

/// Tests the code for macOS and Windows, which do not report what is acknowledged.
fn a_stalled_client_is_reset_without_acknowledgement_info(sibling: Sibling) {
    let mut ready = Ready::new(b"", |config| config.stall_timeout = Duration::from_secs(1));
    ready.server.reports_acknowledgements = false;
    let running = ready.run(sibling);
    let file = OpenOptions::new().write(true).open(running.path()).unwrap();
    file.set_len(LONG_FILE_BYTES).unwrap();
    assert_reset_when_stalled(running);
}

fn assert_reset_when_stalled(running: Running) {
    let started = Instant::now();
    let stream = connect_with_small_buffer(running.addr);
    running.wait_for(1, "disconnected");
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(900),
        "expected a reset after at least 900 ms, got one after {took:?}"
    );
    let (got, ended) = read_until_end(&stream);
    assert!((got.len() as u64) < LONG_FILE_BYTES);
    let error = ended.expect_err("the server resets the connection");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let events = running.stop();
    assert_eq!(errors_of(&events, 1), [ErrorKind::Stalled]);
    assert_eq!(names_of(&events, 1), ["connected", "error", "disconnected"]);
}

fn a_flooding_client_that_never_reads_is_reset(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |config| {
        config.stall_timeout = Duration::from_secs(1);
    });
    let mut stream = running.connect();
    let started = Instant::now();
    while stream.write(&[b'f'; 50_000]).is_ok() {
        assert!(started.elapsed() < DEADLINE, "expected a failed write within {DEADLINE:?}");
    }
    running.wait_for(1, "disconnected");
    assert_eq!(errors_of(&running.stop(), 1), [ErrorKind::Stalled]);
}

fn a_slow_client_is_not_disconnected(sibling: Sibling) {
    const BYTES: u64 = 4 << 20;
    let running = Running::start_with_long_file(sibling, BYTES, |config| {
        config.stall_timeout = Duration::from_secs(1);
    });
    let stream = connect_with_small_buffer(running.addr);
    let started = Instant::now();
    let mut remaining = BYTES as usize + BARE.len();
    while remaining > 0 {
        // The client is slow for three times the stall timeout, then fast. At the slow pace, its
        // receive window never opens as far as the kernel's `TCP_USER_TIMEOUT` requires.
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

// Clause 9: accepting connections.

fn a_reset_before_accept_is_ignored(sibling: Sibling) {
    let ready = Ready::new(b"alive", |_| {});
    for _ in 0..20 {
        reset(connect(ready.addr));
    }
    let running = ready.run(sibling);
    running.assert_serves(b"alive");
    running.stop();
}

fn no_client_waits_for_a_non_reading_client(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start_with(sibling, &content, |config| config.workers = 1);
    // Three of four clients read nothing until all the others have received the whole file. The
    // others read in the reverse order of their connections.
    let connect_one = |index| match index % 4 {
        0 => connect(running.addr),
        _ => connect_with_small_buffer(running.addr),
    };
    let streams: Vec<TcpStream> = (0..40).map(connect_one).collect();
    running.wait_for(40, "connected");
    let expected = [BARE, &content].concat();
    let (reading, non_reading): (Vec<_>, Vec<_>) =
        streams.into_iter().enumerate().partition(|(index, _)| index % 4 == 0);
    for (_, stream) in reading.iter().rev() {
        assert_same(&read_whole(stream), &expected);
    }
    for (_, stream) in non_reading.iter().rev().step_by(15) {
        assert_same(&read_whole(stream), &expected);
    }
    drop((reading, non_reading));
    running.wait_for(40, "disconnected");
    running.stop();
}

fn no_client_waits_for_a_client_that_keeps_up(sibling: Sibling) {
    // The kernel accepts the whole file, so that the task of this client never waits. Sending it in
    // chunks of one byte takes a long time.
    let content = random_bytes(150_000);
    let running = Running::start_with(sibling, &content, |config| {
        config.chunk_bytes = 1;
        config.workers = 1;
    });
    let busy = running.connect();
    assert_eq!(read_exactly(&busy, 1), BARE[..1]);
    for _ in 0..3 {
        assert_eq!(read_exactly(&running.connect(), 1), BARE[..1]);
    }
    let events = running.server.log.events();
    assert!(
        !names_of(&events, 1).contains(&"file_ended"),
        "expected three replies before the first client's `file_ended`, got these events: {}",
        format_events(&events)
    );
    drop(busy);
    running.stop();
}

fn clients_beyond_the_connection_limit_wait(sibling: Sibling) {
    let content = random_bytes(100_000);
    let running = Running::start_with(sibling, &content, |config| {
        config.max_connections = 2;
    });
    let streams: Vec<TcpStream> = (0..6).map(|_| running.connect()).collect();
    for stream in streams {
        assert_same(&read_whole(&stream), &[BARE, &content].concat());
    }
    running.wait_for(6, "disconnected");
    let mut open = 0;
    for event in running.stop() {
        match event.kind {
            EventKind::Connected { .. } => open += 1,
            EventKind::Disconnected { .. } => open -= 1,
            _ => {}
        }
        assert!(open <= 2, "expected at most 2 open connections, got {open}");
    }
}

// Clause 10: shutdown.

fn shutdown_lets_clients_finish(sibling: Sibling) {
    let content = random_bytes(8 * MIB);
    let running = Running::start(sibling, &content);
    let stream = connect_with_small_buffer(running.addr);
    let mut got = read_exactly(&stream, BARE.len());
    running.shut_down();
    running.wait_for(1, "shutdown");
    got.extend(read_whole(&stream));
    assert_same(&got, &[BARE, &content].concat());
    drop(stream);
    let addr = running.addr;
    let events = running.join();
    assert_eq!(names_of(&events, 1), ["connected", "file_ended", "disconnected"]);
    assert!(TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_err());
}

fn shutdown_disconnects_clients_after_the_grace_period(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |config| {
        config.grace = Duration::from_millis(300);
    });
    let streams: Vec<TcpStream> =
        (0..10).map(|_| connect_with_small_buffer(running.addr)).collect();
    running.wait_for(10, "connected");
    let started = Instant::now();
    let events = running.stop();
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(300),
        "expected a shutdown of at least 300 ms, got {took:?}"
    );
    assert!(took < Duration::from_secs(5), "expected a shutdown of less than 5 s, got {took:?}");
    assert_eq!(count_named(&events, "file_ended"), 0);
    for stream in streams {
        let (got, _) = read_until_end(&stream);
        assert!((got.len() as u64) < LONG_FILE_BYTES);
    }
}

fn shutdown_resets_waiting_connections(sibling: Sibling) {
    let running = Running::start_with_long_file(sibling, LONG_FILE_BYTES, |config| {
        config.max_connections = 1;
        config.grace = Duration::from_millis(100);
    });
    let first = running.connect();
    running.wait_for(1, "connected");
    let waiting = running.connect();
    let events = running.stop();
    let (got, ended) = read_until_end(&waiting);
    assert_same(&got, b"");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(count_named(&events, "connected"), 1);
    drop(first);
}

// Clause 12: nothing else is served.

fn a_request_does_not_select_a_file(sibling: Sibling) {
    let running = Running::start(sibling, b"the one file");
    fs::write(running.path().with_file_name("secret"), b"secret").unwrap();
    for request in ["GET /secret HTTP/1.1\r\n\r\n", "GET /../secret HTTP/1.1\r\n\r\n"] {
        let stream = running.connect();
        send(&stream, request.as_bytes());
        assert_same(&read_whole(&stream), &[BARE, b"the one file"].concat());
    }
    running.stop();
}
