//! Tests the clients with real servers.

use std::time::{Duration, Instant};

use flow::clients::{CLIENTS_MAX, MAX_BYTES};
use flow::trace::{Line, Settings};
use harness::Signal;

use crate::support::{Flow, wait_until};

const MIB: u64 = 1 << 20;

fn reading(speed: u64) -> Settings {
    Settings { speed: Some(speed), ..Settings::default() }
}

/// Starts one client of the first server.
fn start(flow: &Flow, settings: &Settings) -> u32 {
    let numbers = flow.clients.start(0, 1, settings).unwrap();
    assert_eq!(numbers.len(), 1);
    numbers[0]
}

fn wait_for_end(flow: &Flow) {
    wait_until("the end of all clients", || flow.clients.open(0) == 0);
}

#[test]
fn a_client_reads_the_whole_reply() {
    let flow = Flow::start(&["tokio"], MIB);
    let number = start(&flow, &Settings::default());
    wait_for_end(&flow);
    assert_eq!(flow.bytes(number), (flow.reply_bytes(), 0));
    wait_until("the event `disconnected`", || flow.events(0, "disconnected").len() == 1);
    assert_eq!(flow.events(0, "connected")[0].connection, Some(number));
    assert_eq!(flow.notes(), Vec::<String>::new());
}

#[test]
fn a_client_keeps_its_read_rate() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    // The slow client reads single bytes, and the fast client reads pieces of maximum size.
    for (speed, bytes) in [(20, 30), (2 * MIB, 4 * MIB), (100 * MIB, 8 * MIB)] {
        let started = Instant::now();
        let number = start(&flow, &reading(speed));
        wait_until("the client reads", || flow.bytes(number).0 >= bytes);
        let elapsed = started.elapsed();
        let read = flow.bytes(number).0;
        // The client reads its first bytes immediately. The machine may be busy, so the upper limit
        // of the time is high.
        let least = Duration::from_secs_f64(bytes as f64 / speed as f64).mul_f64(0.8)
            - Duration::from_millis(50);
        let case = format!("{speed} bytes per second: {read} bytes after {elapsed:?}");
        assert!(elapsed > least, "{case}, expected at least {least:?}");
        assert!(elapsed < least * 4 + Duration::from_secs(5), "{case}");
        flow.clients.end(None);
    }
}

#[test]
fn a_slow_client_reads_20_times_per_second() {
    let flow = Flow::start(&["tokio"], MIB);
    let number = start(&flow, &reading(1024));
    wait_until("ten reads", || {
        let read = flow.bytes(number).0;
        // The first read may return only the preamble.
        assert!([0, 10].contains(&(read % 51)), "expected reads of 51 bytes, got {read} bytes");
        read >= 510
    });
}

#[test]
fn the_read_rate_can_change_while_the_client_reads() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    let number = start(&flow, &reading(1024));
    wait_until("the client reads", || flow.bytes(number).0 > 0);
    assert_eq!(flow.clients.change(Some(&[number, 1_000_000]), None), 1);
    wait_for_end(&flow);
    assert_eq!(flow.bytes(number).0, flow.reply_bytes());
    let speeds: Vec<_> = flow
        .lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::Client(client) => Some((client.connection, client.settings.speed)),
            _ => None,
        })
        .collect();
    assert_eq!(speeds, [(number, Some(1024)), (number, None)]);
}

#[test]
fn a_paused_client_reads_nothing() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    let number = start(&flow, &reading(0));
    let other = start(&flow, &reading(4 * MIB));
    wait_until("the other client reads", || flow.bytes(other).0 > 0);
    assert_eq!(flow.clients.change(Some(&[other]), Some(0)), 1);
    wait_until("no read during the transfer of another client", || {
        let read = flow.bytes(other).0;
        let third = start(&flow, &Settings::default());
        wait_until("the third client reads", || flow.bytes(third).0 == flow.reply_bytes());
        flow.bytes(other).0 == read
    });
    assert!(flow.bytes(other).0 < flow.reply_bytes());
    assert_eq!(flow.bytes(number).0, 0);
    assert_eq!(flow.clients.change(None, None), 2);
    wait_for_end(&flow);
    assert_eq!((flow.bytes(number).0, flow.bytes(other).0), (8 * MIB + 10, 8 * MIB + 10));
}

#[test]
fn a_client_resets_its_connection() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    let settings = Settings { reset_after: Some(100_000), ..Settings::default() };
    let number = start(&flow, &settings);
    wait_for_end(&flow);
    assert_eq!(flow.bytes(number).0, 100_000);
    wait_until("an `error` event", || flow.events(0, "error").len() == 1);
    let error = &flow.events(0, "error")[0];
    assert!(error.details.starts_with("connection_reset"), "{error:?}");
    assert_eq!(flow.notes(), Vec::<String>::new());
}

#[test]
fn a_client_that_half_closes_gets_the_whole_reply() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    let settings = Settings { upload: 100, half_close: true, ..Settings::default() };
    let number = start(&flow, &settings);
    wait_for_end(&flow);
    assert_eq!(flow.bytes(number), (flow.reply_bytes(), 100));
    wait_until("the event `disconnected`", || flow.events(0, "disconnected").len() == 1);
    assert_eq!(flow.events(0, "disconnected")[0].details, "sent 8388618, received 100 bytes");
}

#[test]
fn a_client_uploads_before_or_while_it_reads() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    for upload_first in [true, false] {
        let settings = Settings { upload: 20_000_000, upload_first, ..Settings::default() };
        let number = start(&flow, &settings);
        wait_for_end(&flow);
        assert_eq!(flow.bytes(number), (flow.reply_bytes(), 20_000_000));
    }
    wait_until("both events `disconnected`", || flow.events(0, "disconnected").len() == 2);
    for event in flow.events(0, "disconnected") {
        assert_eq!(event.details, "sent 8388618, received 20000000 bytes");
    }
}

#[test]
fn a_client_can_keep_its_socket_open() {
    let flow = Flow::start(&["tokio"], MIB);
    let number = start(&flow, &Settings { never_close: true, ..Settings::default() });
    wait_until("the end of the reply", || flow.bytes(number).0 == flow.reply_bytes());
    // The server closes its socket when the linger timeout expires.
    wait_until("the event `disconnected`", || flow.events(0, "disconnected").len() == 1);
    assert_eq!(flow.clients.open(0), 1);
    assert_eq!(flow.clients.end(None), 1);
    assert_eq!(flow.clients.open(0), 0);
}

#[test]
fn ending_a_client_closes_its_connection() {
    let flow = Flow::start(&["std"], 8 * MIB);
    let settings = Settings { receive_buffer: Some(4096), ..reading(0) };
    let numbers = flow.clients.start(0, 20, &settings).unwrap();
    wait_until("20 events `connected`", || flow.events(0, "connected").len() == 20);
    assert_eq!(flow.clients.end(Some(&numbers[..5])), 5);
    wait_until("5 events `disconnected`", || flow.events(0, "disconnected").len() == 5);
    assert_eq!(flow.clients.open(0), 15);
    assert_eq!(flow.clients.end(Some(&numbers)), 15);
    wait_until("20 events `disconnected`", || flow.events(0, "disconnected").len() == 20);
}

#[test]
fn a_thousand_clients_can_be_open_but_not_more() {
    let flow = Flow::start(&["tokio"], MIB);
    let settings = Settings { receive_buffer: Some(4096), ..reading(0) };
    let error = flow.clients.start(0, CLIENTS_MAX + 1, &settings).unwrap_err().to_string();
    assert!(error.starts_with("cannot start 1001 clients: the maximum is 1000"), "{error}");
    assert_eq!(flow.clients.open(0), 0);
    flow.clients.start(0, 600, &settings).unwrap();
    let error = flow.clients.start(0, 401, &settings).unwrap_err().to_string();
    assert!(error.contains("600 clients of `tokio` are open\nhelp: "), "{error}");
    flow.clients.start(0, 400, &settings).unwrap();
    wait_until("1,000 events `connected`", || flow.events(0, "connected").len() == 1000);
    assert!(flow.clients.start(0, usize::MAX, &settings).is_err());
    flow.clients.end(None);
    flow.clients.start(0, 1, &settings).unwrap();
}

#[test]
fn invalid_settings_are_errors() {
    let flow = Flow::start(&["tokio"], 1);
    let upload = Settings { upload: MAX_BYTES + 1, ..Settings::default() };
    let error = flow.clients.start(0, 1, &upload).unwrap_err().to_string();
    assert_eq!(error, "expected an upload of at most 2147483648 bytes, got 2147483649");
    for bytes in [0, u64::MAX] {
        let buffer = Settings { receive_buffer: Some(bytes), ..Settings::default() };
        let error = flow.clients.start(0, 1, &buffer).unwrap_err().to_string();
        assert!(error.starts_with("expected a receive buffer of 1 to 67108864 bytes"), "{error}");
    }
    assert!(flow.clients.start(1, 1, &Settings::default()).is_err());
}

#[test]
fn a_refused_connection_is_a_note() {
    let flow = Flow::start(&["tokio"], 8 * MIB);
    start(&flow, &reading(0));
    wait_until("the event `connected`", || flow.events(0, "connected").len() == 1);
    // The server closes its listener, and waits for the open connection.
    flow.servers.signal(Signal::Terminate);
    wait_until("the event `shutdown`", || flow.events(0, "shutdown").len() == 1);
    wait_until("a note", || {
        let _ = flow.clients.start(0, 5, &reading(0));
        !flow.notes().is_empty()
    });
    let note = &flow.notes()[0];
    let expected = "of `tokio`: cannot connect: Connection refused";
    assert!(cfg!(not(target_os = "linux")) || note.contains(expected), "{note}");
}
