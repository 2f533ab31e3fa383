//! Tests of the signals, exit codes and output of a server process.

use std::env;
use std::io::{BufRead, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::client::{
    BARE, assert_reply, assert_same, connect, connect_with_small_buffer, random_bytes,
    read_exactly, read_whole,
};
use crate::process::{
    LOGGED_BYTES, Process, count_named, file_with, long_file, server_command, spawn, terminate,
    wait,
};
use crate::sibling::{Sibling, Test};

pub const TESTS: &[(&str, Test)] = &[
    ("the_first_signal_ends_with_exit_code_0", the_first_signal_ends_with_exit_code_0),
    ("a_second_signal_exits_immediately", a_second_signal_exits_immediately),
    ("startup_errors_include_help", startup_errors_include_help),
    ("help_has_defaults_and_examples", help_has_defaults_and_examples),
    ("the_start_message_is_on_stderr", the_start_message_is_on_stderr),
    ("a_closed_stdout_does_not_stop_the_server", a_closed_stdout_does_not_stop_the_server),
    ("an_unread_stdout_does_not_block_clients", an_unread_stdout_does_not_block_clients),
];

// The following tests cover clause 10 of the contract (shutdown).

fn the_first_signal_ends_with_exit_code_0(sibling: Sibling) {
    let content = random_bytes(8 << 20);
    let (_folder, path) = file_with(&content);
    for signal in [Signal::INT, Signal::TERM] {
        let mut process = Process::start(sibling, &path, &[]);
        let stream = connect_with_small_buffer(process.addr);
        let mut got = read_exactly(&stream, BARE.len());
        process.signal(signal);
        process.wait_for(1, "shutdown");
        got.extend(read_whole(&stream));
        assert_same(&got, &[BARE, &content].concat());
        drop(stream);
        assert_eq!(process.wait().code(), Some(0));
        process.wait_for(1, "disconnected");
    }
}

fn a_second_signal_exits_immediately(sibling: Sibling) {
    let (_folder, path) = long_file();
    let mut process = Process::start(sibling, &path, &["--grace", "1h"]);
    let _stalled = connect_with_small_buffer(process.addr);
    process.wait_for(1, "connected");
    process.signal(Signal::INT);
    process.wait_for(1, "shutdown");
    process.signal(Signal::INT);
    assert_eq!(process.wait().code(), Some(130));
}

// Startup.

fn startup_errors_include_help(sibling: Sibling) {
    let (folder, path) = file_with(b"file");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_port = taken.local_addr().unwrap().port().to_string();
    let missing = folder.path().join("missing");
    let cases: &[(&Path, &[&str], &str)] = &[
        (&missing, &[], "specify an existing file"),
        (folder.path(), &[], "is a directory"),
        (&path, &["--port", &taken_port], "--port"),
        (&path, &["--port", "99999"], "0..=65535"),
        (&path, &["--chunk-size", "0"], "1, 8KiB or 1MiB"),
        (&path, &["--chunk-size", "banana"], "1, 8KiB or 1MiB"),
        (&path, &["--host", "192.0.2.1"], "--host"),
        (&path, &["--no-such-flag"], "--no-such-flag"),
    ];
    for (file, args, part) in cases {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(format!("serve-{}", sibling.approach.name)).arg(file);
        // The command line may contain each flag only once, so a default must not repeat a flag of
        // the case.
        for (flag, value) in [("--host", "127.0.0.1"), ("--port", "0")] {
            if !args.contains(&flag) {
                command.args([flag, value]);
            }
        }
        let output = command.args(*args).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert_eq!(output.stdout, b"", "{args:?}");
        let lines: Vec<&str> = stderr.lines().collect();
        let [error, help_line] = lines[..] else { panic!("{args:?}: {stderr}") };
        assert!(error.starts_with("error: "), "{args:?}: {stderr}");
        assert!(help_line.starts_with("help: "), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: expected `{part}`, got {stderr}");
    }
}

fn help_has_defaults_and_examples(sibling: Sibling) {
    let mut command = Command::new(env::current_exe().unwrap());
    let output =
        command.args([&format!("serve-{}", sibling.approach.name), "--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["--chunk-size", "--high-water-mark", "64KiB", "Examples:", sibling.approach.summary]
    {
        assert!(help.contains(part), "expected `{part}` in the help text, got {help}");
    }
    assert_eq!(help.contains("No effect"), !sibling.approach.has_workers, "{help}");
}

fn the_start_message_is_on_stderr(sibling: Sibling) {
    let (_folder, path) = file_with(b"file");
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &[]));
    terminate(&child);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(stderr.contains("press Ctrl-C to stop"), "{stderr}");
    assert!(stderr.contains(&format!("http://localhost:{}/", addr.port())), "{stderr}");
    assert!(stderr.contains("--preamble http"), "{stderr}");
    assert_eq!(stdout.lines().count(), 1, "expected only the event `shutdown`");
}

// The following tests cover clause 11 of the contract (events).

fn a_closed_stdout_does_not_stop_the_server(sibling: Sibling) {
    let content = random_bytes(100_000);
    let (_folder, path) = file_with(&content);
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &["--log-chunks"]));
    drop(stdout);
    for _ in 0..20 {
        assert_reply(&connect(addr), &content);
    }
    terminate(&child);
    assert_eq!(wait(&mut child).code(), Some(0));
}

fn an_unread_stdout_does_not_block_clients(sibling: Sibling) {
    // The server logs one event per byte. The queue and the pipe cannot hold all of these events.
    let content = random_bytes(LOGGED_BYTES);
    let (_folder, path) = file_with(&content);
    let args = ["--log-chunks", "--chunk-size", "1", "--grace", "1m"];
    let (mut child, stdout, addr) = spawn(server_command(sibling, &path, &args));
    assert_reply(&connect(addr), &content);
    terminate(&child);

    let events: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(wait(&mut child).code(), Some(0));
    let dropped: u64 = events.iter().filter_map(|event| event["events"].as_u64()).sum();
    assert!(dropped > 0, "expected dropped events, got all {} events", events.len());
    // Each of these events is written or counted as dropped: `connected`, one event per byte,
    // `file_ended`, `disconnected` and `shutdown`.
    let written = (events.len() - count_named(&events, "dropped")) as u64;
    assert_eq!(written + dropped, LOGGED_BYTES as u64 + 4);
}
