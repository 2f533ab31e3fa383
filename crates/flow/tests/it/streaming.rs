//! Tests of the stream of lines.

use std::io::Read;

use serde_json::Value;

use crate::program::Program;

#[test]
fn the_stream_continues_after_the_last_message() {
    let flow = Program::start(&["--approach", "std"]);
    let mut stream = flow.stream(&[]);
    let first = stream.next();
    assert_eq!(first.id, first.lines.len() as u64);
    assert_eq!(first.lines[0]["type"], "server");
    let connections = &flow.request("POST", "/clients", r#"{"count":3}"#).json()["connections"];
    assert_eq!(connections, &serde_json::json!([1, 2, 3]));
    let header = format!("Last-Event-ID: {}", first.id);
    let mut continued = flow.stream(&[&header]);

    let line = continued.find("client 3", |line| {
        assert_ne!(line["event"], "listening", "the first message is repeated");
        line["type"] == "client" && line["connection"] == 3
    });
    assert_eq!(line["server"], 0);
    // A number from an earlier run of the program.
    let mut other = flow.stream(&["Last-Event-ID: 1000000"]);
    assert_eq!(other.next().event, "gap");
    assert_eq!(other.next().lines[0]["type"], "server");
}

#[test]
fn the_trace_can_be_downloaded() {
    let flow = Program::start(&["--approach", "std"]);
    let trace = flow.request("GET", "/trace", "");
    assert!(trace.head.contains("attachment; filename=\"trace.jsonl\""), "{}", trace.head);
    let lines: Vec<Value> =
        trace.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["flow_trace"], flow::trace::VERSION);
    assert_eq!(lines[0]["servers"][0], "std");
    assert_eq!(lines.last().unwrap()["type"], "end");
}

/// A suspended tab does not read its stream.
#[test]
#[cfg(target_os = "linux")]
fn a_page_that_does_not_read_needs_little_memory() {
    use std::fmt::Write;

    use harness::{TempFolder, usage};

    const PAGES: usize = 8;
    const LINES: usize = 200_000;
    let folder = TempFolder::new().unwrap();
    let file = folder.path().join("trace.jsonl");
    let mut trace = crate::replaying::HEADER.to_owned();
    for number in 0..LINES {
        let message = "x".repeat(100);
        writeln!(trace, r#"{{"type":"note","at_us":{number},"message":"{message}"}}"#).unwrap();
    }
    writeln!(trace, r#"{{"type":"end","at_us":{LINES}}}"#).unwrap();
    std::fs::write(&file, &trace).unwrap();
    let flow = Program::start(&["replay", file.to_str().unwrap()]);
    let memory = || usage::anonymous_memory_bytes(&[flow.group.id()]).unwrap();
    let before = memory();
    let mut pages: Vec<_> = (0..PAGES).map(|_| flow.stream(&[])).collect();
    // When the first messages have arrived, the other messages fill the socket buffers.
    let first: Vec<_> = pages.iter_mut().map(|page| page.next()).collect();
    assert!(first.iter().all(|message| message.lines.len() < LINES / 2));
    let growth = memory().saturating_sub(before);
    let max = PAGES as u64 * (4 << 20);
    assert!(growth < max, "expected less than {max} bytes, got {growth}");
    let mut lines = first[0].lines.len();
    while lines < LINES + 1 {
        lines += pages[0].next().lines.len();
    }
    assert_eq!(lines, LINES + 1);
}

#[test]
fn too_many_pages_are_rejected() {
    let flow = Program::start(&["--approach", "std"]);
    let pages: Vec<_> = (0..16).map(|_| flow.stream(&[])).collect();
    flow.request("GET", "/stream", "").expect_error(503, "too many pages");
    drop(pages);
    let started = std::time::Instant::now();
    // The server notices the end of a connection when it sends the next message.
    flow.request("POST", "/clients", r#"{"count":1}"#).json();
    loop {
        let path = format!("/stream?token={}", flow.token);
        let host = format!("Host: 127.0.0.1:{}", flow.port);
        let mut status = [0; 12];
        flow.send("GET", &path, &[&host], "").read_exact(&mut status).unwrap();
        if status.ends_with(b"200") {
            break;
        }
        assert!(started.elapsed() < crate::program::TIMEOUT);
    }
}
