//! Tests that a server works with few file descriptors (clauses 9 and 10 of docs/CONTRACT.md).

use std::collections::HashSet;
use std::fs;
use std::io::BufRead;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::client::{
    DEADLINE, assert_reply, connect, connect_with_small_buffer, random_bytes, read_until_end,
};
use crate::process::{
    assert_exits, file_with, long_file, server_command, spawn, terminate, wait,
    with_descriptor_limit,
};
use crate::sibling::{Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    ("few_descriptors_lower_the_connection_limit", few_descriptors_lower_the_connection_limit),
    (
        "the_server_survives_running_out_of_descriptors",
        the_server_survives_running_out_of_descriptors,
    ),
    ("shutdown_needs_no_descriptor", shutdown_needs_no_descriptor),
];

fn few_descriptors_lower_the_connection_limit(sibling: Sibling) {
    let content = random_bytes(200_000);
    let (_folder, path) = file_with(&content);
    let command = with_descriptor_limit(32, &server_command(sibling, &path, &[]));
    let (mut child, stdout, addr) = spawn(command);
    let streams: Vec<_> = (0..60).map(|_| connect(addr)).collect();
    for stream in streams {
        assert_reply(&stream, &content);
    }
    terminate(&child);
    let lines: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    assert_eq!(wait(&mut child).code(), Some(0));
    let errors: Vec<&String> = lines.iter().filter(|line| line.contains("\"error\"")).collect();
    assert!(errors.is_empty(), "expected no `error` event, got {errors:?}");
}

fn the_server_survives_running_out_of_descriptors(sibling: Sibling) {
    let (_folder, path) = long_file();
    let args = ["--max-connections", "1000", "--preamble", "http"];
    let command = with_descriptor_limit(32, &server_command(sibling, &path, &args));
    let (mut child, stdout, addr) = spawn(command);
    let clients: Vec<_> = (0..60).map(|_| connect_with_small_buffer(addr)).collect();

    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let events = stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let events: Vec<Value> = events
            .inspect(|event: &Value| {
                if event["event"] == "error" && event.get("conn").is_none() {
                    let _ = sender.send(event["at_us"].as_u64().unwrap());
                }
            })
            .collect();
        events
    });
    // `accept` fails repeatedly while the clients are connected. Not every failure is logged.
    let at_us: Vec<u64> = (0..3).map(|_| receiver.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(
        at_us.windows(2).all(|pair| pair[1] - pair[0] >= 990_000),
        "expected at least 990000 us between errors, got errors at {at_us:?} us"
    );
    drop(clients);

    fs::write(&path, b"alive").unwrap();
    let started = Instant::now();
    let is_alive = || {
        let (got, _) = read_until_end(&connect(addr));
        got.ends_with(b"\r\n\r\nalive")
    };
    while !is_alive() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "expected the server to recover within 10 s"
        );
    }
    terminate(&child);
    assert_eq!(wait(&mut child).code(), Some(0));
    let events = reader.join().unwrap();
    let connections_with = |name: &str| -> HashSet<u64> {
        let named = events.iter().filter(|event| event["event"] == name);
        named.map(|event| event["conn"].as_u64().unwrap()).collect()
    };
    assert_eq!(connections_with("connected"), connections_with("disconnected"));
    let is_reported = events.iter().any(|event| event["kind"] == "no_descriptors");
    assert!(is_reported, "expected an `error` event of kind `no_descriptors`");
}

fn shutdown_needs_no_descriptor(sibling: Sibling) {
    let (_folder, path) = long_file();
    // A connection needs two descriptors. Depending on whether the limit is even or odd, either
    // `accept` or opening the file fails first. The test covers both cases.
    for limit in [32, 33] {
        let args = ["--max-connections", "1000", "--grace", "0s"];
        let command = with_descriptor_limit(limit, &server_command(sibling, &path, &args));
        let (mut child, stdout, addr) = spawn(command);
        let _clients: Vec<_> = (0..20).map(|_| connect_with_small_buffer(addr)).collect();
        let mut events = stdout.lines().map(|line| line.unwrap());
        assert!(
            events.any(|event| event.contains("no_descriptors")),
            "expected an `error` event of kind `no_descriptors`"
        );
        assert_exits(&mut child, Signal::TERM, Duration::ZERO);
    }
}
