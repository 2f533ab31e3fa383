//! Tests of the servers' processes.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use flow::connections::Connections;
use flow::hub::Hub;
use flow::servers::{Command, Options, Servers, Setup, names};
use flow::trace::{Header, Line, VERSION};

use crate::program::{Program, TIMEOUT};

/// The length of the file in bytes.
const FILE_BYTES: u64 = 100_000;

fn start(commands: Vec<Command>) -> (Arc<Hub>, Servers) {
    let header = Header {
        flow_trace: VERSION,
        system: std::env::consts::OS.to_owned(),
        file_bytes: FILE_BYTES,
        servers: names(&commands),
    };
    let hub = Arc::new(Hub::new(header));
    let options = Options { servers: commands, file_bytes: FILE_BYTES, setup: Setup::default() };
    let servers = Servers::start(Arc::clone(&hub), Arc::new(Connections::default()), options);
    (hub, servers.unwrap())
}

fn setup(arguments: &'static [&'static str]) -> Setup {
    Setup { arguments, ..Setup::default() }
}

fn sibling(name: &str) -> Command {
    Command::Sibling(name.to_owned())
}

/// Waits until a line of the hub is the expected one.
fn find(hub: &Hub, expected: &str, is_expected: impl Fn(&Line) -> bool) -> Line {
    let started = Instant::now();
    while started.elapsed() < TIMEOUT {
        let text = hub.since(0).text;
        let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        if let Some(line) = lines.find(&is_expected) {
            return line;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("expected {expected} within {TIMEOUT:?}, got {}", hub.since(0).text)
}

#[test]
fn the_log_reports_each_connection() {
    let (hub, servers) = start(vec![sibling("std"), sibling("tokio")]);
    for server in 0..2 {
        let mut stream = TcpStream::connect(servers.addr(server).unwrap()).unwrap();
        let client = stream.local_addr().unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let received = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        assert_eq!(received, FILE_BYTES + 10);
        drop(stream);
        find(&hub, "the end of the connection", |line| {
            matches!(line, Line::Event(event)
                if event.server == server && event.event == "disconnected"
                    && event.details == "sent 100010, received 0 bytes")
        });
        let progress = servers.progress(server, client).unwrap();
        assert!(progress.has_file_ended && progress.has_disconnected && !progress.has_failed);
        assert_eq!(progress.chunks, 2, "the file has two chunks of at most 64 KiB");
    }
    let times: Vec<u64> = hub
        .since(0)
        .text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["at_us"].as_u64().unwrap())
        .collect();
    assert!(times.iter().all(|&time| time <= hub.now_us()), "{times:?}");
}

#[test]
#[cfg(unix)]
fn a_server_that_dies_is_reported_and_the_other_continues() {
    let (hub, servers) = start(vec![sibling("std"), sibling("tokio")]);
    let pid = servers.pids(1)[0];
    let killed = Process::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().unwrap();
    assert!(killed.success());
    find(&hub, "the end of the server", |line| {
        matches!(line, Line::Server(server)
            if server.server == 1 && server.ended.as_deref() == Some("signal 9 (SIGKILL)"))
    });
    find(&hub, "a note", |line| {
        matches!(line, Line::Note { message, .. }
            if message == "the server `tokio` ended: signal 9 (SIGKILL)")
    });
    assert_eq!(servers.addr(1), None);
    assert!(servers.pids(1).is_empty());
    TcpStream::connect(servers.addr(0).unwrap()).unwrap();

    servers.restart(setup(&["--max-connections", "1"])).unwrap();
    TcpStream::connect(servers.addr(1).unwrap()).unwrap();
    find(&hub, "the new arguments", |line| {
        matches!(line, Line::Server(server) if server.server == 1
            && server.command.as_deref().is_some_and(|text| text.ends_with("--max-connections 1")))
    });
    let notes = hub.since(0).text.matches(r#""type":"note""#).count();
    assert_eq!(notes, 1, "a restart is not a failure");
}

#[test]
fn dropping_the_servers_ends_their_processes() {
    let (_hub, servers) = start(vec![sibling("std")]);
    let addr = servers.addr(0).unwrap();
    TcpStream::connect(addr).unwrap();
    drop(servers.clone());
    TcpStream::connect(addr).unwrap();
    drop(servers);
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn an_invalid_argument_is_reported() {
    let (_hub, servers) = start(vec![sibling("std")]);
    let error = servers.restart(setup(&["--no-such-flag"])).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("cannot start the server `std`"), "{error}");
    assert!(error.contains("--no-such-flag"), "{error}");
    servers.restart(Setup::default()).unwrap();
    assert!(servers.addr(0).is_some());
}

#[test]
fn the_original_node_server_runs() {
    if Process::new("node").arg("--version").output().is_err() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lessons/node/original.mjs");
    let command = format!("node '{}' {{file}} {{port}}", path.display());
    let flow = Program::start(&["--cmd", &command, "--file-size", "64KiB"]);
    let session = flow.request("GET", "/session", "").json();
    assert_eq!(session["header"]["servers"][0], "node original.mjs");
    assert_eq!(session["header"]["file_bytes"], 65536);
    let mut stream = flow.stream(&[]);
    let started = flow.request("POST", "/clients", r#"{"count":1}"#).json();
    assert_eq!(started["connections"], serde_json::json!([1]));
    let line = stream.find("the length of the preamble", |line| {
        line["type"] == "server" && !line["preamble_bytes"].is_null()
    });
    assert_eq!(line["preamble_bytes"], 10);
    let line = stream.find("the output of the server", |line| {
        let details = line["details"].as_str().unwrap_or_default();
        line["event"] == "stdout" && details.starts_with("Client Disconnected")
    });
    assert_eq!(line["server"], 0);
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_leaves_nothing() {
    let command = || crate::program::command(&["--port", "0", "--file-size", "64KiB"]);
    harness::testing::interrupt(Duration::from_millis(500), command);
}
